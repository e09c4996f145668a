// gRPC's exit-time destructors.
//
// A rewound gRPC makes its function-local statics anew in the child and registers their destructors
// again. The registrations inherited from the parent name the same addresses: run as well, they
// would destroy everything twice, or, in a child that never used gRPC, lock what a thread of the
// parent held. So each runs only in the process that registered it.
// (Those of statics that were made when the library was loaded, before the program used it, run in
// every process, as they would without the shim.)
#ifndef GRPCFORKSHIM_CORES_EXIT_H
#define GRPCFORKSHIM_CORES_EXIT_H

// What to register instead of a destructor of gRPC's: replaces the two by ones that look at the
// process first, or leaves them where memory is lacking or `image` is not gRPC's. Any thread.
void exit_bind_to_process(void (**destructor)(void *), void **object, const void *image);

#endif
