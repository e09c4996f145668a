// What libgrpc++ needs on top of the C API. It holds what the program registered with it, so it is
// not rewound; two of its ways don't pass through functions that can be interposed by name.
//
// Metadata plugins run in a thread pool of libgrpc++'s, whose threads or event engine stayed in
// the parent. The pool's virtual table is found by name, and in children its Add starts a thread
// for each task.
//
// Credentials are released by libgrpc++ through an inlined function, which nobody can see. Their
// records are replaced when gRPC hands out the same address again; a record found under the
// address of a new object is always old.
//
// Stress: 10,000 forks while callbacks come in without a pause, each child calling back through
// an inherited and a new stub: 0 children and 0 calls of the parent failed.
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
