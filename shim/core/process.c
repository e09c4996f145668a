#include "core/process.h"

#include "base/configuration.h"
#include "base/lock.h"
#include "base/log.h"
#include "core/abseil.h"
#include "core/assumptions.h"
#include "core/attach.h"
#include "core/counters.h"
#include "core/delivery.h"
#include "core/descriptors.h"
#include "core/detection.h"
#include "core/fork.h"
#include "core/functions.h"
#include "core/image.h"
#include "core/image_list.h"
#include "core/openssl.h"
#include "core/pending.h"
#include "core/registry.h"
#include "core/revival.h"
#include "core/settings.h"
#include "core/snapshot.h"
#include "core/static_images.h"
#include "core/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// What stands until a process is attached, and where no page of the other kind can be had.
static struct process_flags fallback_flags;
HOT_DATA _Atomic(struct process_flags *) process_flags = &fallback_flags;
HOT_DATA _Atomic uint32_t process_current_generation;

// FOUND: all is ready but the copy of gRPC's data, which the first call makes.
enum protection { NOT_FOUND, FOUND, PROTECTED, UNPROTECTED };
static HOT_DATA _Atomic(enum protection) protection;
static HOT_DATA _Atomic bool inherited; // a child before its first use of gRPC
static _Atomic uint32_t initialisations;

// Held while a process attaches or revives. gRPC's own calls meanwhile, from whatever thread, don't
// come here.
static struct lock slow_lock = LOCK_INITIALIZER;
static struct lock start_lock = LOCK_INITIALIZER; // pthread_once is in libpthread before glibc 2.34
static THREAD_LOCAL bool working;

#define RUNTIMES_MAXIMUM 4
static const struct process_steps *runtimes[RUNTIMES_MAXIMUM];
static size_t runtime_count;

void process_add_steps(const struct process_steps *steps) {
    if (runtime_count < RUNTIMES_MAXIMUM)
        runtimes[runtime_count++] = steps;
}

// Runs one of the steps of each runtime that has it.
#define RUN_STEPS(step, ...)                                                                       \
    for (size_t i = 0; i < runtime_count; i++) {                                                   \
        if (runtimes[i]->step != NULL)                                                             \
            runtimes[i]->step(__VA_ARGS__);                                                        \
    }

void process_object_made(void) {
    RUN_STEPS(object_made)
}

static void unprotected(const char *what, const char *why) {
    detection_unprotected(what, why);
    atomic_store(&protection, UNPROTECTED);
    counters_set_state(RECORD_unprotected);
}

// Whatever the program did to gRPC where no call could be seen (by dlsym(3), or in a library that
// is loaded with RTLD_DEEPBIND) comes first. gRPC reads its environment when it is asked this, as
// it does when it is initialised, so it is not asked earlier. Others that are about to initialise
// it wait until it has answered.
static void check_first_initialisation(void) {
    static _Atomic bool checked;
    if (likely(atomic_load_explicit(&checked, memory_order_acquire)))
        return;
    lock_acquire(&slow_lock);
    working = true;
    if (!atomic_load(&checked) && process_is_protected() && grpc.grpc_is_initialized())
        unprotected("this process", "it was initialised before the shim could see it");
    atomic_store(&checked, true);
    working = false;
    lock_release(&slow_lock);
}

void process_initialising(const void *caller) {
    check_first_initialisation();
    RUN_STEPS(initialising, caller)
}

static void make_flags(void) {
    if (atomic_load(&process_flags) != &fallback_flags)
        return;
    size_t size = (size_t)getpagesize();
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    if (madvise(page, size, MADV_WIPEONFORK) != 0) {
        // Kernels before 4.14: the at-fork handler alone resets the flag.
        munmap(page, size);
        return;
    }
    atomic_store(&process_flags, (struct process_flags *)page);
}

// Those of vanished threads in libraries that belong to the program as much as to gRPC.
static void release_others_locks(void) {
    static uint32_t released; // in this generation
    if (released != process_generation()) {
        openssl_release_in_child(process_generation());
        abseil_release_in_child();
    }
    released = process_generation();
}

static const char *core_path;

// Gets all ready for the core, which is there. Returns why it can't be protected, or NULL.
static const char *prepare_for(const struct image *core) {
    const char *why = attach_prepare(core);
    if (why != NULL)
        return why;
    make_flags();
    RUN_STEPS(found)
    core_path = core->path;
    if (!process_is_followed())
        fork_note_process();
    atomic_store(&protection, FOUND);
    return NULL;
}

// gRPC's libraries are being loaded, or were before this one: nothing of gRPC's may be called. What
// can't be protected is told of when the program uses it, or forks.
static void find(void) {
    struct image core;
    const char *why = NULL;
    image_list_keep();
    attach_pin();
    lock_acquire(&slow_lock);
    working = true;
    if (atomic_load(&protection) == NOT_FOUND && attach_find(&core))
        why = prepare_for(&core);
    if (why != NULL)
        detection_found(core.path, why);
    working = false;
    lock_release(&slow_lock);
    image_list_drop();
}

// The first call finds what no constructor has told of, and what is not to be protected.
static void find_at_call(void) {
    struct image core;
    if (!attach_find(&core))
        return;
    fork_register_handlers();
    if (configuration()->disabled) {
        atomic_store(&protection, UNPROTECTED);
        counters_set_state(RECORD_disabled);
        return;
    }
    const char *why = prepare_for(&core);
    if (why != NULL)
        unprotected(core.path, why);
}

// The program calls gRPC for the first time in this process and its parents.
static void begin_protection(void) {
    RUN_STEPS(found) // for what was loaded since
    attach_find_others_locks();
    if (process_generation() > 0) {
        release_others_locks();
        counters_child_uses_grpc();
    }
    if (!snapshot_take()) {
        unprotected(core_path, "its data can't be copied");
        return;
    }
    if (log_enabled(LOG_INFO))
        log_write(LOG_INFO, "protecting gRPC %s of %s", grpc.grpc_version_string(), core_path);
    atomic_store(&protection, PROTECTED);
    counters_set_state(RECORD_protected);
}

bool process_is_followed(void) {
    return process_is_protected() || atomic_load(&protection) == FOUND || static_images_exist();
}

bool process_attach_static(const struct image *image) {
    process_start();
    fork_register_handlers();
    fork_notice_child();
    lock_acquire(&slow_lock);
    bool followed = process_is_followed();
    if (!static_images_exist()) {
        functions_bind_ares();
        descriptors_start();
        make_flags();
    }
    if (!followed)
        fork_note_process();
    bool added = static_images_add(image);
    if (!process_is_protected())
        counters_set_state(RECORD_protected);
    attach_find_others_locks();
    lock_release(&slow_lock);
    return added;
}

_Atomic uint32_t *process_runtime_ready(void) {
    return &atomic_load(&process_flags)->runtime_ready;
}

bool process_flags_are_wiped(void) {
    return atomic_load(&process_flags) != &fallback_flags;
}

void process_reset_locks_in_child(void) {
    working = false;
    lock_reset_in_child(&slow_lock);
    lock_reset_in_child(&start_lock);
}

void process_become_child(void) {
    working = false;
    counters_reset_in_child(atomic_fetch_add(&process_current_generation, 1) + 1);
    counters_set_state(RECORD_inherited);
    lock_reset_in_child(&slow_lock);
    registry_reset_locks_in_child();
    revival_reset_locks_in_child();
    descriptors_close_in_child();
    abseil_remember_in_child();
    RUN_STEPS(forked)
    thread_survives_in_child();
    delivery_reset_in_child();
    atomic_store(&inherited, process_is_protected());
    // Only where the kernel did not wipe the page: a write would give the child a page of its own.
    struct process_flags *flags = atomic_load(&process_flags);
    if (atomic_load(&flags->ready) != 0)
        atomic_store(&flags->ready, 0);
    if (atomic_load(&flags->runtime_ready) != 0)
        atomic_store(&flags->runtime_ready, 0);
}

uint32_t process_begin_child(void) {
    fork_notice_child();
    lock_acquire(&slow_lock);
    release_others_locks();
    lock_release(&slow_lock);
    if (!process_is_protected()) {
        counters_child_uses_grpc();
        counters_set_state(RECORD_protected);
    }
    return process_generation();
}

static void count_call(struct object *call, void *count) {
    (void)call;
    ++*(uint64_t *)count;
}

static void count_revival(void) {
    uint64_t calls = 0;
    registry_visit(OBJECT_CALL, count_call, &calls);
    PROBE1(calls_cancelled, calls);
    counters_add(COUNTER_calls_cancelled, calls);
    counters_child_uses_grpc();
    counters_set_state(RECORD_protected);
}

// The last of the checks: a gRPC that still calls itself initialised has state that was not put
// back. It gets back the data that it was inherited with, and the records hold as in the parent.
static bool rewind_data(void) {
    unsigned char *inherited_data = snapshot_save();
    snapshot_rewind();
    bool rewound = !grpc.grpc_is_initialized();
    if (!rewound) {
        if (inherited_data != NULL)
            snapshot_restore(inherited_data);
        atomic_fetch_sub(&process_current_generation, 1);
        unprotected("this process",
                    "it does not read as uninitialised after its data was put back");
    }
    free(inherited_data);
    return rewound;
}

static void revive(void) {
    if (!rewind_data())
        return;
    uint32_t count = atomic_load(&initialisations);
    settings_replay_before_initialisation();
    for (uint32_t i = 0; i < count; i++)
        grpc.grpc_init();
    settings_replay_after_initialisation();
    RUN_STEPS(revived)
    delivery_watch_exit();
    pending_inherit();
    count_revival();
    log_write(LOG_DEBUG, "gRPC started anew, generation %u, initialised %u times",
              process_generation(), count);
}

static void do_work(bool only_releasing) {
    if (atomic_load(&protection) == NOT_FOUND)
        find_at_call();
    if (atomic_load(&protection) == FOUND)
        begin_protection();
    if (atomic_load(&inherited) && atomic_load(&protection) == PROTECTED) {
        // What the program does next may wait for one of these locks without passing by here.
        release_others_locks();
        if (only_releasing)
            return; // and remain inherited
        revive();
    }
    if (atomic_load(&protection) == NOT_FOUND)
        return;
    image_ask_loader();
    atomic_store(&inherited, false);
    atomic_store(&atomic_load(&process_flags)->ready, 1);
    fork_note_ready();
}

static void prepare(const void *caller, bool only_releasing) {
    if (working || process_is_inside(caller))
        return;
    int saved_errno = errno;
    process_start();
    if (atomic_load(&protection) == NOT_FOUND)
        attach_pin();
    fork_notice_child();
    lock_acquire(&slow_lock);
    working = true;
    if (!process_is_ready())
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

HOT bool process_is_inherited(void) {
    return atomic_load_explicit(&inherited, memory_order_relaxed);
}

HOT bool process_is_protected(void) {
    return atomic_load_explicit(&protection, memory_order_relaxed) == PROTECTED;
}

HOT bool process_records(const void *caller) {
    return process_is_protected() && !process_is_inside(caller);
}

HOT bool process_is_inside(const void *caller) {
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

void process_initialised(void) {
    static _Atomic bool checked;
    if (likely(atomic_load_explicit(&checked, memory_order_relaxed)) ||
        atomic_exchange(&checked, true) || !process_is_protected())
        return;
    const char *why = assumptions_about_initialisation();
    if (why != NULL)
        unprotected("this process", why);
}

uint32_t process_initialisations(void) {
    return atomic_load(&initialisations);
}

// --- noticing gRPC ------------------------------------------------------------------------------

static _Atomic bool watching; // the constructor has run
static const void *_Atomic last_library;

struct library {
    const void *handle;
    struct image image;
};

static bool is_of_library(const struct image *image, void *context) {
    struct library *library = context;
    library->image = *image;
    return image_contains(image, (uintptr_t)library->handle);
}

void process_library_loaded(const void *handle) {
    if (likely(handle == atomic_load_explicit(&last_library, memory_order_relaxed)) ||
        !atomic_load(&watching) || handle == NULL || working)
        return;
    int saved_errno = errno;
    struct library library = {.handle = handle};
    atomic_store(&last_library, handle);
    if (image_visit(is_of_library, &library)) {
        RUN_STEPS(library_loaded, &library.image)
        if (atomic_load(&protection) == NOT_FOUND &&
            image_symbol(&library.image, CORE_SYMBOL) != NULL)
            find();
    }
    errno = saved_errno;
}

void process_watch(void) {
    struct image core;
    int saved_errno = errno;
    if (configuration()->disabled)
        return;
    atomic_store(&watching, true);
    if (image_defining(CORE_SYMBOL, &core)) {
        fork_register_handlers();
        find();
    }
    errno = saved_errno;
}

static void start_once(void) {
    int saved_errno = errno;
    image_note_process();
    configuration_read();
    counters_start();
    errno = saved_errno;
}

void process_start(void) {
    static _Atomic bool started;
    if (likely(atomic_load_explicit(&started, memory_order_acquire)))
        return;
    lock_acquire(&start_lock);
    if (!atomic_load(&started)) {
        start_once();
        atomic_store(&started, true);
    }
    lock_release(&start_lock);
}
