// Looking through modules: a function that revival.py calls, with the interpreter's lock held.
// Child.
#ifndef GRPCFORKSHIM_LANGUAGES_PYTHON_NAMES_H
#define GRPCFORKSHIM_LANGUAGES_PYTHON_NAMES_H

#include "languages/python/symbols.h"

// find_names(objects...): where modules have a name for one of these objects, and grpc's modules
// for an object of which one of these is the type: a list of (the module's dictionary, name).
// Python code that looks through all modules counts references to all that it meets, and so copies
// the pages that fork() shares: 1.5 ms in a small program, more in a large one. No garbage must be
// collected meanwhile, which may run the program's code.
PyObject *python_find_names(PyObject *self, PyObject *objects);

#endif
