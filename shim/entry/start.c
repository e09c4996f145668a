// The library's constructor, and the hooks that have to be there from the start.
#include "core/detection.h"
#include "core/exit.h"
#include "core/process.h"
#include "entry/entry.h"
#include "runtime/cplusplus.h"

__attribute__((constructor)) static void start(void) {
    process_start();
    cplusplus_start();
}

int wrapped___register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                              void *image) {
    process_register_handlers();
    return libc_function(__register_atfork)(prepare, parent, child, image);
}

int wrapped___cxa_atexit(void (*destructor)(void *), void *object, void *image) {
    exit_bind_to_process(&destructor, &object, image);
    return libc_function(__cxa_atexit)(destructor, object, image);
}

int wrapped_pthread_setname_np(pthread_t thread, const char *name) {
    detection_thread_named(name, CALLER);
    return libc_function(pthread_setname_np)(thread, name);
}
