// What libgrpc++ needs on top of the C API. It holds what the program registered with it, so it is
// not rewound; two of its ways don't pass through functions that can be interposed by name.
#ifndef GRPCFORKSHIM_RUNTIME_CPLUSPLUS_H
#define GRPCFORKSHIM_RUNTIME_CPLUSPLUS_H

// Binds the C++ functions of gRPC that libgrpc++ makes calls by to wrappers, found by how their
// mangled names begin: these carry abseil's version. Absent ones are no error. To be called when a
// channel was made; does nothing where no image was loaded since. Any thread; the loader's lock is
// taken.
void cplusplus_bind(void);

// Sees to it that in a child what relied on libgrpc++'s vanished threads is replaced. From the
// constructor.
void cplusplus_start(void);

#endif
