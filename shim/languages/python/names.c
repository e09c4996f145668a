#include "languages/python/names.h"

#include "languages/python/interpreter.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Objects that are looked for: an open hash table of their addresses.
struct wanted {
    const void **slots;
    size_t mask;
};

// Where the object is, or would be.
static const void **slot_of(const struct wanted *wanted, const void *object) {
    size_t at = (size_t)(((uintptr_t)object >> 4) * 0x9E3779B97F4A7C15u >> 32) & wanted->mask;
    while (wanted->slots[at] != NULL && wanted->slots[at] != object)
        at = (at + 1) & wanted->mask;
    return &wanted->slots[at];
}

static bool is_wanted(const struct wanted *wanted, const void *object) {
    return *slot_of(wanted, object) != NULL;
}

static bool make_wanted(struct interpreter *python, PyObject *objects, struct wanted *wanted) {
    ssize_t count = python->PyTuple_Size(objects);
    size_t capacity = 16;
    while (capacity < 4 * (size_t)count)
        capacity *= 2;
    wanted->mask = capacity - 1;
    wanted->slots = calloc(capacity, sizeof(*wanted->slots));
    if (wanted->slots == NULL)
        return false;
    for (ssize_t i = 0; i < count; i++) {
        const void *object = python->PyTuple_GetItem(objects, i);
        *slot_of(wanted, object) = object;
    }
    return true;
}

// Takes over the reference to the entry.
static bool append(struct interpreter *python, PyObject *list, PyObject *entry) {
    bool done = entry != NULL && python->PyList_Append(list, entry) == 0;
    if (entry != NULL)
        python->Py_DecRef(entry);
    return done;
}

static bool is_grpcs(struct interpreter *python, PyObject *module_name) {
    const char *text = python->PyUnicode_AsUTF8AndSize(module_name, NULL);
    return text != NULL && (strcmp(text, "grpc") == 0 || strncmp(text, "grpc.", 5) == 0);
}

static bool find_in_module(struct interpreter *python, const struct wanted *wanted, bool by_type,
                           PyObject *names, PyObject *found) {
    PyObject *name, *value;
    for (ssize_t position = 0; python->PyDict_Next(names, &position, &name, &value);) {
        if ((is_wanted(wanted, value) || (by_type && is_wanted(wanted, value->type))) &&
            !append(python, found, python->PyTuple_Pack(2, names, name)))
            return false;
    }
    return true;
}

static bool find_in_modules(struct interpreter *python, const struct wanted *wanted,
                            PyObject *found) {
    PyObject *module_name, *module, *modules = python->PyImport_GetModuleDict();
    for (ssize_t position = 0; python->PyDict_Next(modules, &position, &module_name, &module);) {
        if (python->PyType_IsSubtype(module->type, python->module_type) &&
            !find_in_module(python, wanted, is_grpcs(python, module_name),
                            python->PyModule_GetDict(module), found))
            return false;
    }
    return true;
}

PyObject *python_find_names(PyObject *self, PyObject *objects) {
    struct interpreter *python = atomic_load(&python_interpreter);
    struct wanted wanted;
    (void)self;
    PyObject *found = python->PyList_New(0);
    if (found == NULL)
        return NULL;
    bool done = false;
    if (make_wanted(python, objects, &wanted)) {
        done = find_in_modules(python, &wanted, found);
        free(wanted.slots);
    } else {
        python->PyErr_NoMemory();
    }
    if (done)
        return found;
    python->Py_DecRef(found);
    return NULL;
}
