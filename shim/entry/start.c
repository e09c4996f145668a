// The library's constructor, and the hooks that have to be there from the start.
#include "base/configuration.h"
#include "cores/core.h"
#include "cores/core_images.h"
#include "cores/detection.h"
#include "cores/exit.h"
#include "cores/scope.h"
#include "entry/entry.h"
#include "languages/cplusplus/cplusplus.h"
#include "languages/cplusplus/thread.h"
#include "languages/python/python.h"
#include "languages/ruby/ruby.h"
#include "life/finding.h"
#include "life/fork.h"
#include "life/work.h"
#include "loader/image_list.h"
#include "loader/libc.h"
#include "locks/exit_list.h"
#include "report/report.h"

#include <unistd.h>

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
    work_start_process();
    report_start();
    if (configuration()->report_at_end == REPORT_ALL)
        fork_register_handlers(); // else a program without gRPC has none
    cplusplus_start();
    ruby_start();
    python_start();
    finding_begin();
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
    const struct core *core = core_images_core_at(CALLER);
    if (core != NULL && core_is_protected(core))
        return 0;
    if (python_replaces_handlers(image))
        return 0;
    return libc_function(__register_atfork)(prepare, parent, child, image);
}

NOT_INSTRUMENTED int wrapped___cxa_atexit(void (*destructor)(void *), void *object, void *image) {
    PASS_TOO_EARLY(__cxa_atexit, destructor, object, image)
    // Called when a library written in C++ is loaded, as gRPC is.
    fork_register_handlers();
    finding_library_loaded(image);
    if (!exit_bind_to_process(&destructor, &object, image))
        return 0;
    return exit_register(destructor, object, image);
}

int wrapped___cxa_at_quick_exit(void (*function)(void *), void *image) {
    return exit_register_quick(function, image);
}

int wrapped_on_exit(void (*function)(int status, void *object), void *object) {
    return exit_register_with_status(function, object);
}

// What programs run on an old libc is fork(), which was async-signal-safe there.
pid_t wrapped__Fork(void) {
    pid_t (*real)(void) = libc_function(_Fork);
    return libc_has(&libc_bound._Fork) ? fork_past_handlers(real) : fork();
}

int wrapped_dlclose(void *handle) {
    scope_forget();
    int result = libc_function(dlclose)(handle);
    scope_forget();
    finding_forget_callers();
    return result;
}

int wrapped_pthread_setname_np(pthread_t thread, const char *name) {
    detection_thread_named(name, CALLER);
    return libc_function(pthread_setname_np)(thread, name);
}

int wrapped_pthread_join(pthread_t thread, void **result) {
    return cplusplus_joins(thread) ? 0 : libc_function(pthread_join)(thread, result);
}
