// Python: every grpcio has gRPC linked statically and stripped into its extension module cygrpc.
//
// There is nothing to interpose and nothing to rewind in such a module, whose data is Python's
// state as much as gRPC's. So a child gets a fresh copy of the whole module instead, and grpc's
// Python objects are led over to it. That is done in Python, by languages/python/revival.py, which
// this library carries and gives to the interpreter. Here is what can't be said in Python:
//
//   noticing   that cygrpc is being loaded: its constructors register exit-time destructors, which
//              passes this library. Processes that never load it pay nothing.
//   bringing   revival.py in, through the interpreter's C API, and telling it about later imports
//              by an audit hook (PEP 578)
//   guarding   the old copy's objects: garbage collection must not run code of a dead core
//   copying    python_copy.c: loading the file once more, with its code shared, at no cost
//   names      python_names.c: where modules have a name for an object of the old copy
#ifndef GRPCFORKSHIM_LANGUAGES_PYTHON_PYTHON_H
#define GRPCFORKSHIM_LANGUAGES_PYTHON_PYTHON_H

#include <stdbool.h>

// Whether at-fork handlers of this image are to be kept away from fork(): those of a gRPC that is
// protected here stop its threads in the parent. Any thread.
bool python_replaces_handlers(const void *handle);

// From the constructor.
void python_start(void);

#endif
