// gRPC that this library can't reach: linked statically into the program or into one of its
// libraries, with no symbols to interpose. It gives itself away by the names of its threads.
#ifndef GRPCFORKSHIM_CORES_DETECTION_H
#define GRPCFORKSHIM_CORES_DETECTION_H

// A thread was given a name by `caller`. For a name that gRPC uses, from an image that is not among
// the protected ones but holds gRPC's constants, this is remembered. Any thread.
void detection_thread_named(const char *name, const void *caller);

// A gRPC was found that can't be protected, whose image has this path; to be said when the process
// forks. Not async-signal-safe. Any thread.
void detection_found(const char *path, const char *why);

// The process forked: says once what was found. Parent, any thread; async-signal-safe.
void detection_report(void);

// Says why gRPC is not protected; whichever of the two comes first is the only one. Any thread.
void detection_unprotected(const char *what, const char *why);

// What was said of the image does not hold any more: it could be protected later.
void detection_withdraw(const char *path);

#endif
