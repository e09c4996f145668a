// What the compiler is told beyond standard C.
#ifndef GRPCFORKSHIM_BASE_COMPILER_H
#define GRPCFORKSHIM_BASE_COMPILER_H

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

// What every call of gRPC's passes by. It comes from a cold cache, after gRPC's own work, the
// kernel's and the peer's: what counts is not how many instructions it has but how many cache lines
// it is spread over. So its functions lie together, and its variables.
#define HOT __attribute__((hot))
#define HOT_DATA __attribute__((section(".hot_data")))

// Everything is compiled with -fvisibility=hidden; this marks the symbols that programs bind to.
#define EXPORTED __attribute__((visibility("default")))

// The preloaded library is there from the start of the process, so its thread-local variables fit
// the static block: no __tls_get_addr, which may call malloc on a thread's first access.
#define THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

// Who called the function that this stands in.
#define CALLER __builtin_return_address(0)

// Memory that goes from one thread to another through code that the thread sanitizer does not see.
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define HANDED_ON(memory) __tsan_release(memory)
#define TAKEN_UP(memory) __tsan_acquire(memory)
#else
#define HANDED_ON(memory) ((void)0)
#define TAKEN_UP(memory) ((void)0)
#endif

// What is constant once the loader has put addresses into it, though its type has variables.
#define RELOCATED_CONSTANT __attribute__((section(".data.rel.ro")))

#define CACHE_LINE 64 // bytes

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
