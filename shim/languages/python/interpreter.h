// The running interpreter, as far as it is known here.
#ifndef GRPCFORKSHIM_LANGUAGES_PYTHON_INTERPRETER_H
#define GRPCFORKSHIM_LANGUAGES_PYTHON_INTERPRETER_H

#include "languages/python/symbols.h"
#include "loader/image.h"

#include <stdatomic.h>
#include <stdbool.h>

// How objects and types begin (Include/object.h, cpython/object.h). The same in all versions of
// CPython 3, but in those without a global interpreter lock; python.c looks.
struct python_object {
    ssize_t references;
    struct python_type *type;
};
struct python_type {
    struct python_object head;
    ssize_t size;
    const char *name;
    ssize_t basic_size;
    ssize_t item_size;
    void (*deallocate)(PyObject *object);
    void *slots[25];
    struct python_type *base;
};

#define MEMBER(result, name, parameters) result(*name) parameters;

// All that is known of the interpreter; on the heap, since most programs have none.
struct interpreter {
    PYTHON_SYMBOLS(MEMBER)
    const void *module_type;
    void *state;         // the (sub)interpreter that imported grpc
    PyObject *on_import; // revival.py's function; NULL until it is brought in
    struct image newest; // the copy of cygrpc that was loaded last
    bool working;        // our own imports meanwhile
    bool failed;
    bool replaces_handlers;
};
// NULL until cygrpc is loaded, then always the same. Its functions are called with the
// interpreter's lock held.
extern struct interpreter *_Atomic python_interpreter;

#endif
