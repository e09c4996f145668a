#include "languages/ruby/ruby.h"

#include "base/generation.h"
#include "base/log.h"
#include "base/record_memory.h"
#include "cores/state.h"
#include "life/first_use.h"
#include "life/steps.h"
#include "loader/image.h"
#include "loader/image_list.h"
#include "objects/registry.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Ruby's C API, of all versions with that extension (ruby/ruby.h, ruby/thread.h): VALUE and ID are
// machine words.
typedef uintptr_t value;

#define RUBY_FUNCTIONS(CALLED)                                                                     \
    CALLED(value, rb_thread_create, (value(*body)(void *), void *argument))                        \
    CALLED(void *, rb_thread_call_without_gvl,                                                     \
           (void *(*function)(void *), void *argument, void (*unblock)(void *), void *data))       \
    CALLED(value, rb_ensure,                                                                       \
           (value(*body)(value), value argument, value(*ensure)(value), value data))               \
    CALLED(value, rb_protect, (value(*body)(value), value argument, int *state))                   \
    CALLED(void, rb_jump_tag, (int state))                                                         \
    CALLED(void, rb_set_errinfo, (value error))                                                    \
    CALLED(value, rb_thread_current, (void))                                                       \
    CALLED(value, rb_thread_wakeup_alive, (value thread))                                          \
    CALLED(int, rb_during_gc, (void))                                                              \
    CALLED(uintptr_t, rb_frame_this_func, (void))                                                  \
    CALLED(value, rb_path2class, (const char *path))                                               \
    CALLED(value, rb_funcallv, (value receiver, uintptr_t method, int count, const value *list))   \
    CALLED(uintptr_t, rb_intern, (const char *name))                                               \
    CALLED(value, rb_id2sym, (uintptr_t name))                                                     \
    CALLED(value, rb_str_new_cstr, (const char *string))                                           \
    CALLED(value, rb_hash_new, (void))

static struct {
#define DECLARE(result, name, parameters) result(*name) parameters;
    RUBY_FUNCTIONS(DECLARE)
#undef DECLARE
} ruby;
static bool ruby_is_here;

// The extension's mutexes and condition variables, which are of gRPC's portability layer.
#define SYNCHRONISERS_MAXIMUM 8
enum synchroniser_kind { NO_SYNCHRONISER, MUTEX, CONDITION };
struct synchroniser {
    enum synchroniser_kind kind;
    void *address;
};

static struct {
    void (*initialise[3])(void *); // by kind
    void (*destroy[3])(void *);
    void (*lock)(void *);
} portability;

// The extension-> Once it is found, all of this is read and written by threads that hold Ruby's
// global lock, and by the forking thread in the child.
#define THREADS_MAXIMUM 8
static struct extension {
    struct image image;
    unsigned char *pristine; // its writable data before it started a thread
    pid_t process;           // the one that it takes itself to be in
    struct synchroniser synchronisers[SYNCHRONISERS_MAXIMUM];
    value threads[THREADS_MAXIMUM]; // the last that it made, in whatever process
    size_t thread_count;            // how many it ever made
    unsigned running;               // its threads in this process
    unsigned lost; // those that a process before this one had and that were not made again
    uint32_t begun_in, ready_in; // generations: its threads are being made, are there
} * extension;                   // on the heap, like all larger variables; NULL until it is found

// Attempts to start the threads in a child that ended in an exception, which may have been meant
// for the thread that tried (Thread#raise, Timeout).
#define ATTEMPTS_MAXIMUM 3

static THREAD_LOCAL bool is_background; // one of the extension's threads
static THREAD_LOCAL bool is_starting;   // the thread is making them

// What the thread that makes them waits in, and how the extension would have it give up.
static struct {
    void (*unblock)(void *);
    void *data;
} start_wait;

// --- what the threads of before the fork have left ----------------------------------------------

static size_t data_size(void) {
    return extension->image.writable_end - extension->image.writable_start;
}

static void keep_pristine_data(void) {
    if (extension->pristine == NULL)
        extension->pristine = malloc(data_size());
    if (extension->pristine == NULL)
        RECORD_LOST("the data of Ruby's extension");
    if (extension->pristine != NULL)
        memcpy(extension->pristine, (const void *)extension->image.writable_start, data_size());
}

// Whether it is a thread that the extension made, or a queue that it made for one.
static bool is_of_threads(value word) {
    for (size_t i = 0; i < extension->thread_count && i < THREADS_MAXIMUM; i++) {
        if (extension->threads[i] == word)
            return true;
    }
    return registry_find(OBJECT_COMPLETION_QUEUE, (const void *)word, 0) != NULL;
}

// The extension starts its threads once, and remembers it in static variables: flags that are 1
// since, the queue that one of them waits at, in later versions the Ruby threads. These are put
// back, so that it starts them again. Everything else in its data stays: it is about the program's
// objects.
static void forget_threads(void) {
    uintptr_t start = extension->image.writable_start;
    for (size_t at = 0; at + sizeof(uint32_t) <= data_size(); at += sizeof(uint32_t)) {
        uint32_t *now = (uint32_t *)(start + at);
        uint32_t before;
        memcpy(&before, extension->pristine + at, sizeof(before));
        if (*now == 1 && before == 0)
            *now = 0;
    }
    for (size_t at = 0; at + sizeof(value) <= data_size(); at += sizeof(value)) {
        value *now = (value *)(start + at);
        if (*now != 0 && is_of_threads(*now))
            memcpy(now, extension->pristine + at, sizeof(*now));
    }
}

static void begin_again(void) {
    if (extension->lost == 0 || extension->begun_in == current_generation())
        return;
    extension->begun_in = current_generation();
    if (extension->pristine != NULL)
        forget_threads();
}

// --- its threads, made again --------------------------------------------------------------------

// The way in which a program would have them started: a channel's constructor returns when they
// run. It needs no network.
static value make_channel(value unused) {
    value arguments[3];
    arguments[0] = ruby.rb_str_new_cstr("localhost");
    arguments[1] = ruby.rb_hash_new();
    arguments[2] = ruby.rb_id2sym(ruby.rb_intern("this_channel_is_insecure"));
    value channel = ruby.rb_funcallv(ruby.rb_path2class("GRPC::Core::Channel"),
                                     ruby.rb_intern("new"), 3, arguments);
    ruby.rb_funcallv(channel, ruby.rb_intern("close"), 0, NULL);
    return unused;
}

static void are_ready(void) {
    extension->ready_in = current_generation();
    extension->lost = 0;
}

static void start_threads(void) {
    static unsigned attempts;
    int state = 0;
    is_starting = true;
    ruby.rb_protect(make_channel, 0, &state);
    is_starting = false;
    start_wait.unblock = NULL; // where the wait ended in an exception
    if (state == 0) {
        attempts = 0;
        are_ready();
        log_write(LOG_DEBUG, "the Ruby extension's background threads run, generation %u",
                  current_generation());
    } else if (++attempts < ATTEMPTS_MAXIMUM) {
        ruby.rb_jump_tag(state);
    } else {
        are_ready();
        ruby.rb_set_errinfo(0);
        log_write(LOG_ERROR,
                  "can't start the background threads of %s again, going on without "
                  "connectivity watches and call credentials in this process",
                  extension->image.path);
    }
}

// Whether objects are being freed: by the collector, or at the end of the process, when Ruby counts
// its main thread as killed (rb_ec_cleanup in eval.c; 2.7 to 3.3). No Ruby code can run then. An
// at_exit block would not tell the end: there are programs that do all their work in another one.
static bool is_freeing(void) {
    value thread = ruby.rb_thread_current();
    return ruby.rb_during_gc() || ruby.rb_thread_wakeup_alive(thread) != thread;
}

// Before the extension does anything that may need its threads; to free something needs none.
static void ensure_threads(void) {
    if (likely(extension->ready_in == current_generation()) || is_background || is_starting ||
        is_freeing())
        return;
    if (extension->lost == 0)
        are_ready();
    else
        start_threads();
}

// Ruby keeps native threads for later ones. In a child that it forked the thread is none of them.
static value thread_ended(value unused) {
    if (start_wait.unblock != NULL)
        start_wait.unblock(start_wait.data);
    if (is_background)
        extension->running--;
    is_background = false;
    return unused;
}

struct thread_start {
    value (*body)(void *);
    void *argument;
};

static value call_body(value context) {
    struct thread_start start = *(struct thread_start *)context;
    record_free((void *)context);
    return start.body(start.argument);
}

static value run_thread(void *context) {
    is_background = true;
    return ruby.rb_ensure(call_body, (value)context, thread_ended, 0);
}

// --- what its imports are bound to --------------------------------------------------------------

// Its guard compares this with what it got at first. GRPC.postfork_child, of later versions, wants
// to hear that it is in a child, and begins a new count.
static pid_t bound_getpid(void) {
    if (!cores_protect_any())
        return (pid_t)syscall(SYS_getpid);
    ensure_threads();
    if (unlikely(current_generation() != 0) && !is_freeing() &&
        ruby.rb_frame_this_func() == ruby.rb_intern("postfork_child"))
        extension->process = (pid_t)syscall(SYS_getpid);
    return extension->process;
}

static value bound_rb_thread_create(value (*body)(void *), void *argument) {
    struct thread_start *start = record_allocate(sizeof(*start));
    if (start == NULL) {
        RECORD_LOST("a thread of Ruby's extension");
        return ruby.rb_thread_create(body, argument);
    }
    *start = (struct thread_start){body, argument};
    extension->running++;
    value thread = ruby.rb_thread_create(run_thread, start);
    extension->threads[extension->thread_count++ % THREADS_MAXIMUM] = thread;
    return thread;
}

static void stay_blocked(void *unused) {
    (void)unused;
}

// A signal makes the extension give up waiting for its thread, and then it asserts that the thread
// runs (rb_channel.c of 1.51: "channel_polling_thread_started || abort_channel_polling"). So
// signals are handled when the thread has started, or has ended before it did: the process is
// ending.
static void *wait_for_start(void *(*function)(void *), void *argument, void (*unblock)(void *),
                            void *data) {
    start_wait.unblock = unblock;
    start_wait.data = data;
    void *result = ruby.rb_thread_call_without_gvl(function, argument, stay_blocked, NULL);
    start_wait.unblock = NULL;
    return result;
}

static void *bound_rb_thread_call_without_gvl(void *(*function)(void *), void *argument,
                                              void (*unblock)(void *), void *data) {
    if (is_starting && unblock != NULL)
        return wait_for_start(function, argument, unblock, data);
    ensure_threads();
    return ruby.rb_thread_call_without_gvl(function, argument, unblock, data);
}

static void add_synchroniser(enum synchroniser_kind kind, void *address) {
    portability.initialise[kind](address);
    for (size_t i = 0; i < SYNCHRONISERS_MAXIMUM; i++) {
        struct synchroniser *one = &extension->synchronisers[i];
        if (one->address == NULL || one->address == address) {
            *one = (struct synchroniser){kind, address};
            return;
        }
    }
}

static void remove_synchroniser(enum synchroniser_kind kind, void *address) {
    for (size_t i = 0; i < SYNCHRONISERS_MAXIMUM; i++) {
        if (extension->synchronisers[i].address == address)
            extension->synchronisers[i] = (struct synchroniser){NO_SYNCHRONISER, NULL};
    }
    portability.destroy[kind](address);
}

static void bound_gpr_mu_init(void *mutex) {
    add_synchroniser(MUTEX, mutex);
}

static void bound_gpr_cv_init(void *condition) {
    add_synchroniser(CONDITION, condition);
}

static void bound_gpr_mu_destroy(void *mutex) {
    remove_synchroniser(MUTEX, mutex);
}

static void bound_gpr_cv_destroy(void *condition) {
    remove_synchroniser(CONDITION, condition);
}

// Its finalisers begin with this, and gRPC's mutexes are abseil's (GPR_ABSEIL_SYNC): it may wait
// for the lock of the deadlock detector, which a thread of the parent held (measured: 2 of 1,000
// children that only collected garbage hung).
static void bound_gpr_mu_lock(void *mutex) {
    grpc_enter_release(__builtin_return_address(0));
    portability.lock(mutex);
}

static const struct {
    const char *name;
    void *function;
} bindings[] = {
    {"getpid", bound_getpid},
    {"rb_thread_create", bound_rb_thread_create},
    {"rb_thread_call_without_gvl", bound_rb_thread_call_without_gvl},
    {"gpr_mu_init", bound_gpr_mu_init},
    {"gpr_mu_lock", bound_gpr_mu_lock},
    {"gpr_mu_destroy", bound_gpr_mu_destroy},
    {"gpr_cv_init", bound_gpr_cv_init},
    {"gpr_cv_destroy", bound_gpr_cv_destroy},
};

static void bind_import(const struct image *image, const struct import *import, void *context) {
    (void)context;
    for (size_t i = 0; i < ARRAY_LENGTH(bindings); i++) {
        if (import->is_binding && strcmp(import->name, bindings[i].name) == 0)
            image_patch_slot(image, import->slot, bindings[i].function);
    }
}

// --- finding it ---------------------------------------------------------------------------------

static bool find_ruby(void) {
    struct image image;
    if (!image_defining("rb_thread_create", &image))
        return false;
    bool complete = true;
#define FIND(result, name, parameters)                                                             \
    ruby.name = (__typeof__(ruby.name))(uintptr_t)image_symbol(&image, #name);                     \
    complete &= ruby.name != NULL;
    RUBY_FUNCTIONS(FIND)
#undef FIND
    return complete;
}

static bool find_portability(void) {
    static const char *const names[][2] = {
        [MUTEX] = {"gpr_mu_init", "gpr_mu_destroy"},
        [CONDITION] = {"gpr_cv_init", "gpr_cv_destroy"},
    };
    struct image image;
    if (!image_defining(names[MUTEX][0], &image))
        return false;
    for (enum synchroniser_kind kind = MUTEX; kind <= CONDITION; kind++) {
        portability.initialise[kind] = (void (*)(void *))image_symbol(&image, names[kind][0]);
        portability.destroy[kind] = (void (*)(void *))image_symbol(&image, names[kind][1]);
        if (portability.initialise[kind] == NULL || portability.destroy[kind] == NULL)
            return false;
    }
    portability.lock = (void (*)(void *))image_symbol(&image, "gpr_mu_lock");
    return portability.lock != NULL;
}

static void bind_extension(void) {
    struct image image;
    if (!ruby_is_here || extension != NULL || !image_defining("Init_grpc_c", &image))
        return;
    if (!find_portability()) {
        ruby_is_here = false;
        return;
    }
    extension = record_allocate_zeroed(sizeof(*extension));
    if (extension == NULL) {
        RECORD_LOST("Ruby's extension");
        return;
    }
    extension->image = image;
    extension->process = (pid_t)syscall(SYS_getpid);
    extension->begun_in = extension->ready_in = current_generation();
    image_visit_imports(&extension->image, bind_import, NULL);
    log_write(LOG_DEBUG, "bound how %s knows its process and makes threads", extension->image.path);
}

static void found(void) {
    if (!ruby_is_here)
        ruby_is_here = find_ruby();
    bind_extension();
}

// The extension makes an object, and will start its threads if it has not yet.
static void begin_use(void) {
    if (extension->thread_count == 0)
        keep_pristine_data();
    else
        begin_again();
}

static void initialising(const void *caller) {
    if (likely(!ruby_is_here) || !cores_protect_any())
        return;
    bind_extension();
    if (extension != NULL && image_contains(&extension->image, (uintptr_t)caller))
        begin_use();
}

// A thread that the child does not have may have held one of them.
static void free_synchronisers(void) {
    for (size_t i = 0; i < SYNCHRONISERS_MAXIMUM; i++) {
        const struct synchroniser *one = &extension->synchronisers[i];
        if (one->kind != NO_SYNCHRONISER)
            portability.initialise[one->kind](one->address);
    }
}

// The thread that forks may be one of the extension's: it runs the blocks of call credentials. In
// the child it is the program's, which wants the extension's beside it.
static void forked(void) {
    if (extension == NULL)
        return;
    extension->lost += extension->running;
    extension->running = 0;
    is_background = is_starting = false;
    start_wait.unblock = NULL;
    free_synchronisers();
}

void ruby_start(void) {
    static const struct steps steps = {
        .found = found, .initialising = initialising, .forked = forked};
    steps_add(&steps);
}
