// Loading cygrpc's file once more, with its code shared: functions that revival.py calls, with the
// interpreter's lock held. Child.
#ifndef GRPCFORKSHIM_LANGUAGES_PYTHON_COPY_H
#define GRPCFORKSHIM_LANGUAGES_PYTHON_COPY_H

#include "languages/python/symbols.h"

// share_code((original, copy)): two descriptors; the copy was just imported. Returns the number of
// bytes that are shared.
PyObject *python_share_code(PyObject *self, PyObject *arguments);

// disguise((descriptor, hide)): whether the loader now takes the file for one that it does not have
// yet, or again for what it is. False where the file can't be loaded once more by it.
PyObject *python_disguise(PyObject *self, PyObject *arguments);

#endif
