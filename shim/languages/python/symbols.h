// The functions of the interpreter's C API that are used, all of Python's stable ABI: looked up in
// the running process, since the shim links no Python.
#ifndef GRPCFORKSHIM_LANGUAGES_PYTHON_SYMBOLS_H
#define GRPCFORKSHIM_LANGUAGES_PYTHON_SYMBOLS_H

#include <stddef.h>
#include <sys/types.h>

typedef struct python_object PyObject;

// clang-format off
#define PYTHON_SYMBOLS(USED)                                                                       \
    USED(int, PySys_AddAuditHook, (int (*hook)(const char *, PyObject *, void *), void *context))  \
    USED(int, PyGILState_Check, (void))                                                            \
    USED(void *, PyInterpreterState_Get, (void))                                                   \
    USED(void, PyErr_Fetch, (PyObject **type, PyObject **value, PyObject **traceback))             \
    USED(void, PyErr_Restore, (PyObject *type, PyObject *value, PyObject *traceback))              \
    USED(PyObject *, PyErr_NoMemory, (void))                                                       \
    USED(PyObject *, Py_CompileString, (const char *source, const char *file, int start))          \
    USED(PyObject *, PyEval_EvalCode, (PyObject *code, PyObject *globals, PyObject *locals))       \
    USED(PyObject *, PyEval_GetBuiltins, (void))                                                   \
    USED(PyObject *, PyDict_New, (void))                                                           \
    USED(PyObject *, PyDict_GetItemString, (PyObject *dictionary, const char *key))                \
    USED(int, PyDict_SetItemString, (PyObject *dictionary, const char *key, PyObject *value))      \
    USED(int, PyDict_Next,                                                                         \
         (PyObject *dictionary, ssize_t *position, PyObject **key, PyObject **value))              \
    USED(PyObject *, PyImport_GetModuleDict, (void))                                               \
    USED(PyObject *, PyModule_GetDict, (PyObject *module))                                         \
    USED(int, PyType_IsSubtype, (const void *type, const void *base))                              \
    USED(PyObject *, PyList_New, (ssize_t length))                                                 \
    USED(int, PyList_Append, (PyObject *list, PyObject *item))                                     \
    USED(ssize_t, PyTuple_Size, (PyObject *tuple))                                                 \
    USED(PyObject *, PyTuple_Pack, (ssize_t length, ...))                                          \
    USED(PyObject *, PyTuple_GetItem, (PyObject *tuple, ssize_t index))                            \
    USED(PyObject *, PyUnicode_FromString, (const char *text))                                     \
    USED(PyObject *, PyUnicode_AsUTF8String, (PyObject *text))                                     \
    USED(const char *, PyUnicode_AsUTF8AndSize, (PyObject *text, ssize_t *size))                   \
    USED(char *, PyBytes_AsString, (PyObject *bytes))                                              \
    USED(PyObject *, PyLong_FromUnsignedLong, (unsigned long value))                               \
    USED(long, PyLong_AsLong, (PyObject *value))                                                   \
    USED(PyObject *, PyBool_FromLong, (long value))                                                \
    USED(PyObject *, PyMemoryView_FromMemory, (char *memory, ssize_t size, int flags))             \
    USED(PyObject *, PyCFunction_NewEx, (void *definition, PyObject *self, PyObject *module))      \
    USED(PyObject *, PyObject_CallFunctionObjArgs, (PyObject *callable, ...))                      \
    USED(PyObject *, PyObject_Str, (PyObject *object))                                             \
    USED(void, Py_IncRef, (PyObject *object))                                                      \
    USED(void, Py_DecRef, (PyObject *object))
// clang-format on

#endif
