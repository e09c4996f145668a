#include "core/process.h"

#include "base/configuration.h"
#include "base/lock.h"
#include "base/log.h"
#include "core/abseil.h"
#include "core/assumptions.h"
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

enum protection { NOT_ATTACHED, PROTECTED, UNPROTECTED };
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

void process_initialising(const void *caller) {
    RUN_STEPS(initialising, caller)
}

// gRPC's images by what they define, whatever their names: the core, its portability layer, and
// the sorter of addresses, whose "initialised" flag would make a rewound core abort. The first is
// needed; the others may be part of it.
static const char *const core_symbol = "grpc_init";
static const char *const companion_symbols[] = {"gpr_mu_lock", "address_sorting_init"};

static void unprotected(const char *what, const char *why) {
    detection_unprotected(what, why);
    atomic_store(&protection, UNPROTECTED);
    counters_set_state(RECORD_unprotected);
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

// Returns why it can't be done, or NULL.
static const char *copy_data(const struct image *core) {
    const char *why = assumptions_about_image(core);
    if (why != NULL)
        return why;
    if (!with_images(core, snapshot_add_image) || !snapshot_take())
        return "its data can't be copied";
    return assumptions_about_functions();
}

// libgrpc and a runtime's own gRPC may both ask for it. Under slow_lock.
static void find_others_locks(void) {
    static bool found;
    if (!found) {
        abseil_find();
        openssl_find();
    }
    found = true;
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
    fork_register_handlers();
    if (!process_is_followed())
        fork_note_process();
    const char *why = configuration()->disabled ? NULL : copy_data(&core);
    if (configuration()->disabled) {
        atomic_store(&protection, UNPROTECTED);
        counters_set_state(RECORD_disabled);
    } else if (why != NULL) {
        unprotected(core.path, why);
    } else {
        find_others_locks();
        descriptors_start();
        make_flags();
        RUN_STEPS(attached)
        log_write(LOG_INFO, "protecting gRPC %s of %s", grpc.grpc_version_string(), core.path);
        atomic_store(&protection, PROTECTED);
        counters_set_state(RECORD_protected);
    }
}

bool process_is_followed(void) {
    return process_is_protected() || static_images_exist();
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
    find_others_locks();
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
        // What the program does next may wait for one of these locks without passing by here.
        release_others_locks();
        if (only_releasing)
            return; // and remain inherited
        revive();
    }
    if (atomic_load(&protection) == NOT_ATTACHED)
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
    pin();
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

void process_attach_before_fork(void) {
    static _Atomic unsigned long long seen;
    struct image core;
    // Before the loader is asked, which takes a lock that the program's own handlers may wait for.
    if (atomic_load(&protection) != NOT_ATTACHED)
        return;
    unsigned long long loads = image_loads();
    if (atomic_exchange(&seen, loads) == loads || !image_defining(core_symbol, &core))
        return;
    process_start();
    pin();
    lock_acquire(&slow_lock);
    if (atomic_load(&protection) == NOT_ATTACHED)
        attach();
    lock_release(&slow_lock);
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
