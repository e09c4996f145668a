#include "core/process.h"

#include "base/configuration.h"
#include "base/lock.h"
#include "base/log.h"
#include "core/abseil.h"
#include "core/descriptors.h"
#include "core/detection.h"
#include "core/functions.h"
#include "core/image.h"
#include "core/pending.h"
#include "core/registry.h"
#include "core/revival.h"
#include "core/settings.h"
#include "core/snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// What stands where no page of the other kind can be had; it makes every call take the slow way
// until the process is attached.
static struct process_flags fallback_flags;
struct process_flags *process_flags = &fallback_flags;
_Atomic uint32_t process_current_generation;

enum protection { NOT_ATTACHED, PROTECTED, UNPROTECTED };
static _Atomic(enum protection) protection;
static _Atomic bool inherited; // a child before its first use of gRPC
static _Atomic uint32_t initialisations;
static _Atomic pid_t process_id; // the process for which all of this holds

// Held while a process attaches or revives. gRPC's own calls meanwhile, from whatever thread, don't
// come here.
static struct lock slow_lock = LOCK_INITIALIZER;
static THREAD_LOCAL bool working;

#define RUNTIMES_MAXIMUM 4
static const struct process_steps *runtimes[RUNTIMES_MAXIMUM];
static size_t runtime_count;

void process_add_steps(const struct process_steps *steps) {
    if (runtime_count < RUNTIMES_MAXIMUM)
        runtimes[runtime_count++] = steps;
}

void process_channel_made(void) {
    for (size_t i = 0; i < runtime_count; i++)
        runtimes[i]->channel_made();
}

// gRPC's images by what they define, whatever their names: the core, its portability layer, and
// the sorter of addresses, whose "initialised" flag would make a rewound core abort. The first is
// needed; the others may be part of it.
static const char *const core_symbol = "grpc_init";
static const char *const companion_symbols[] = {"gpr_mu_lock", "address_sorting_init"};

static void unprotected(const char *what, const char *why) {
    detection_unprotected(what, why);
    atomic_store(&protection, UNPROTECTED);
}

// An image that holds gRPC among other things can't be rewound: the rest would lose its state.
static bool is_library_of_grpc(const struct image *core) {
    const char *slash = strrchr(core->path, '/');
    return strncmp(slash != NULL ? slash + 1 : core->path, "libgrpc", 7) == 0;
}

// Does something with each of gRPC's images; false where it fails.
static bool with_images(const struct image *core, bool (*action)(const struct image *image)) {
    if (!action(core))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(companion_symbols); i++) {
        struct image companion;
        if (image_symbol(core, companion_symbols[i]) == NULL &&
            image_defining(companion_symbols[i], &companion) && !action(&companion))
            return false;
    }
    return true;
}

// Before slow_lock is taken: the loader's lock, which pinning takes, is held by a thread that runs
// a constructor, and that thread may be waiting for slow_lock.
static void pin(void) {
    struct image core;
    if (atomic_load(&protection) == NOT_ATTACHED && image_defining(core_symbol, &core))
        with_images(&core, image_pin);
}

// Under slow_lock, which no function of the loader's may be called with, nor of gRPC's where a fork
// is about to happen. What makes others go ahead comes last.
static void attach(void) {
    struct image core;
    if (!image_defining(core_symbol, &core)) {
        // A program can look our symbols up without having gRPC; it may load it yet.
        functions_bind(NULL);
        return;
    }
    functions_bind(&core);
    functions_bind_ares();
    atomic_store(&process_id, (pid_t)syscall(SYS_getpid));
    if (configuration()->disabled) {
        atomic_store(&protection, UNPROTECTED);
    } else if (!is_library_of_grpc(&core)) {
        unprotected(core.path, "it is linked into an image together with other code");
    } else if (!with_images(&core, snapshot_add_image) || !snapshot_take()) {
        unprotected(core.path, "its data can't be copied");
    } else {
        abseil_find();
        for (size_t i = 0; i < runtime_count; i++)
            runtimes[i]->attached();
        log_write(LOG_INFO, "protecting gRPC %s of %s", grpc.grpc_version_string(), core.path);
        atomic_store(&protection, PROTECTED);
    }
}

// A child's bookkeeping, whichever way it was made. Single-threaded and async-signal-safe.
static void become_child(void) {
    working = false;
    atomic_fetch_add(&process_current_generation, 1);
    lock_reset_in_child(&slow_lock);
    registry_reset_locks_in_child();
    revival_reset_locks_in_child();
    descriptors_close_in_child();
    abseil_remember_in_child();
    atomic_store(&inherited, true);
    // Only where the kernel did not wipe the page: a write would give the child a page of its own.
    if (atomic_load(&process_flags->ready) != 0)
        atomic_store(&process_flags->ready, 0);
}

// A child that no at-fork handler has seen. Of several threads that come here at once, one does it.
static void notice_fork(void) {
    pid_t self = (pid_t)syscall(SYS_getpid);
    pid_t known = atomic_load(&process_id);
    if (atomic_load(&protection) == PROTECTED && known != self &&
        atomic_compare_exchange_strong(&process_id, &known, self))
        become_child();
}

static void revive(void) {
    abseil_release_in_child();
    snapshot_rewind();
    if (grpc.grpc_is_initialized()) {
        unprotected("this process",
                    "it does not read as uninitialised after its data was put back");
        return;
    }
    uint32_t count = atomic_load(&initialisations);
    settings_replay_before_initialisation();
    for (uint32_t i = 0; i < count; i++)
        grpc.grpc_init();
    settings_replay_after_initialisation();
    for (size_t i = 0; i < runtime_count; i++)
        runtimes[i]->revived();
    pending_inherit();
    log_write(LOG_DEBUG, "gRPC started anew, generation %u, initialised %u times",
              process_generation(), count);
}

// Asks gRPC, which takes locks: not before a fork.
static void check_attached(void) {
    static bool checked;
    if (checked || atomic_load(&protection) != PROTECTED || atomic_load(&inherited))
        return;
    checked = true;
    if (grpc.grpc_is_initialized())
        unprotected("this process", "it was initialised before the shim could see it");
}

static void do_work(bool only_releasing) {
    if (atomic_load(&protection) == NOT_ATTACHED)
        attach();
    check_attached();
    if (atomic_load(&inherited) && atomic_load(&protection) == PROTECTED) {
        if (only_releasing)
            return; // and remain inherited
        revive();
    }
    if (atomic_load(&protection) == NOT_ATTACHED)
        return;
    atomic_store(&inherited, false);
    atomic_store_explicit(&process_flags->ready, 1, memory_order_release);
}

static void prepare(const void *caller, bool only_releasing) {
    if (working || process_is_inside(caller))
        return;
    int saved_errno = errno;
    process_start();
    pin();
    notice_fork();
    lock_acquire(&slow_lock);
    working = true;
    if (!atomic_load_explicit(&process_flags->ready, memory_order_acquire))
        do_work(only_releasing);
    working = false;
    lock_release(&slow_lock);
    errno = saved_errno;
}

void process_prepare_use(const void *caller) {
    prepare(caller, false);
}

void process_prepare_release(const void *caller) {
    prepare(caller, true);
}

bool process_is_inherited(void) {
    return atomic_load_explicit(&inherited, memory_order_relaxed);
}

bool process_is_protected(void) {
    return atomic_load_explicit(&protection, memory_order_relaxed) == PROTECTED;
}

bool process_records(const void *caller) {
    return process_is_protected() && !process_is_inside(caller);
}

bool process_is_inside(const void *caller) {
    // The linker's: this library from its first byte to its last.
    extern const char __ehdr_start[] __attribute__((visibility("hidden")));
    extern const char _end[] __attribute__((visibility("hidden")));
    const char *address = caller;
    return (address >= __ehdr_start && address < _end) || snapshot_covers(caller);
}

void process_count_initialisation(void) {
    atomic_fetch_add(&initialisations, 1);
}

bool process_count_shutdown(void) {
    uint32_t count = atomic_load(&initialisations);
    while (count > 0) {
        if (atomic_compare_exchange_weak(&initialisations, &count, count - 1))
            return true;
    }
    return false;
}

uint32_t process_initialisations(void) {
    return atomic_load(&initialisations);
}

// A program that has gRPC loaded and did not use it yet is attached before it forks: a thread of it
// may hold one of abseil's locks, and its child may be the first to use gRPC. Looks only when
// something was loaded since, and calls nothing of gRPC.
static void attach_before_fork(void) {
    static _Atomic unsigned long long seen;
    unsigned long long loads = image_loads();
    struct image core;
    if (atomic_exchange(&seen, loads) == loads || !image_defining(core_symbol, &core))
        return;
    process_start();
    pin();
    lock_acquire(&slow_lock);
    if (atomic_load(&protection) == NOT_ATTACHED)
        attach();
    lock_release(&slow_lock);
}

static void fork_prepare(void) {
    if (atomic_load(&protection) == NOT_ATTACHED)
        attach_before_fork();
    descriptors_fork_begins();
}

static void fork_parent(void) {
    descriptors_fork_ended();
    detection_report();
}

static void fork_child(void) {
    image_note_fork();
    if (process_is_protected()) {
        atomic_store(&process_id, (pid_t)syscall(SYS_getpid));
        become_child();
    } else {
        lock_reset_in_child(&slow_lock); // another thread may have been attaching
        working = false;
    }
}

void process_register_handlers(void) {
    static _Atomic bool registered;
    if (!atomic_exchange(&registered, true))
        pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static void make_flags(void) {
    size_t size = (size_t)getpagesize();
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    if (madvise(page, size, MADV_WIPEONFORK) != 0) {
        // Kernels before 4.14: the at-fork handler alone resets the flag.
        munmap(page, size);
        return;
    }
    process_flags = page;
}

static void start_once(void) {
    int saved_errno = errno;
    configuration_read();
    make_flags();
    process_register_handlers();
    errno = saved_errno;
}

void process_start(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_once);
}
