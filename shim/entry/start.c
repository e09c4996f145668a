// The library's constructor, and the hooks that have to be there from the start.
#include "core/detection.h"
#include "core/exit.h"
#include "core/fork.h"
#include "core/image_list.h"
#include "core/process.h"
#include "core/report.h"
#include "core/snapshot.h"
#include "entry/entry.h"
#include "runtime/cplusplus.h"
#include "runtime/cplusplus_thread.h"
#include "runtime/python.h"
#include "runtime/ruby.h"

// Thread sanitizer's runtime calls both of the functions below before it can bear instrumented
// code: until our constructor has run, which is after its own, they pass through. It makes up for
// what they would have done.
#if defined(__SANITIZE_THREAD__)
#include <dlfcn.h>
#define NOT_INSTRUMENTED __attribute__((no_sanitize("thread")))
#define PASS_TOO_EARLY(name, ...)                                                                  \
    if (!started)                                                                                  \
        return ((__typeof__(&wrapped_##name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__);
static bool started;
#define NOTE_STARTED                                                                               \
    started = true;                                                                                \
    fork_register_handlers();
#else
#define NOT_INSTRUMENTED
#define PASS_TOO_EARLY(name, ...)
#define NOTE_STARTED
#endif

__attribute__((constructor)) static void start(void) {
    NOTE_STARTED
    if (!image_is_first_shim())
        return;
    process_start();
    report_start();
    cplusplus_start();
    ruby_start();
    python_start();
    process_watch();
}

__attribute__((destructor)) static void end(void) {
    report_at_end();
}

void wrapped__exit(int status) {
    report_at_end();
    libc_function(_exit)(status);
}

void wrapped__Exit(int status) {
    report_at_end();
    libc_function(_Exit)(status);
}

NOT_INSTRUMENTED int wrapped___register_atfork(void (*prepare)(void), void (*parent)(void),
                                               void (*child)(void), void *image) {
    PASS_TOO_EARLY(__register_atfork, prepare, parent, child, image)
    fork_register_handlers();
    // Those that gRPC registers for itself stop its threads at every fork, for nothing.
    if (process_is_protected() && snapshot_covers(CALLER))
        return 0;
    if (python_replaces_handlers(image))
        return 0;
    return libc_function(__register_atfork)(prepare, parent, child, image);
}

NOT_INSTRUMENTED int wrapped___cxa_atexit(void (*destructor)(void *), void *object, void *image) {
    PASS_TOO_EARLY(__cxa_atexit, destructor, object, image)
    // Called when a library written in C++ is loaded, as gRPC is.
    fork_register_handlers();
    process_library_loaded(image);
    exit_bind_to_process(&destructor, &object, image);
    return libc_function(__cxa_atexit)(destructor, object, image);
}

int wrapped_pthread_setname_np(pthread_t thread, const char *name) {
    detection_thread_named(name, CALLER);
    return libc_function(pthread_setname_np)(thread, name);
}

int wrapped_pthread_join(pthread_t thread, void **result) {
    return cplusplus_joins(thread) ? 0 : libc_function(pthread_join)(thread, result);
}
