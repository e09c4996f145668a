// What libgrpc++ needs on top of the C API. It holds what the program registered with it, so it is
// not rewound; two of its ways don't pass through functions that can be interposed by name.
//
// In a circle with create_call_*.S: see create_call.h.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_CPLUSPLUS_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_CPLUSPLUS_H

// Binds the C++ functions of gRPC that libgrpc++ makes calls by to wrappers, when gRPC is found and
// again when a channel is made and something was loaded since: found by how their mangled names
// begin, since these carry abseil's version; absent ones are no error. And sees to it that in a
// child what relied on libgrpc++'s vanished threads is replaced. From the constructor.
void cplusplus_start(void);

#endif
