// What handler_guard.c and forbidden.c share.
#pragma once

#include <stdbool.h>

// Initial-exec: the first access of a thread must not allocate.
#define GUARD_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

// Which of the shim's handlers this thread is in; NULL: none.
extern GUARD_THREAD_LOCAL const char *guard_handler;

// Says what was done in that handler, with a backtrace, and ends the process by SIGABRT.
void guard_fail(const char *what) __attribute__((noreturn));

// The function of this name behind this library, kept in *known. Any thread; asks the loader at the
// first time, so not where guard_handler is set.
void *guard_real(void **known, const char *name);

// libc's dlsym, which this library stands in front of.
typedef void *guard_dlsym_function(void *handle, const char *name);
guard_dlsym_function *guard_dlsym(void);
