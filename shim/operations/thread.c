#include "operations/thread.h"

#include "base/generation.h"
#include "base/log.h"
#include "base/record_memory.h"
#include "cores/functions.h"
#include "loader/libc.h"
#include "operations/delivery.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum state { UNUSED, USED };

// Never freed, but used again, and only ever added to the front of the list: a child may read the
// list as it was at any instant.
struct thread {
    struct thread *next;
    _Atomic(enum state) state;
    void (*body)(void *argument);
    void *argument;
    const char *name;
    _Atomic(const grpc_completion_queue *) queue; // NULL: none yet
    _Atomic uint32_t generation;                  // of the process that it runs in
    _Atomic bool restarted;
    pthread_t known; // to libgrpc++; set by the thread itself
    _Atomic bool begun;
    pthread_t successor;
};

static _Atomic(struct thread *) threads;
THREAD_LOCAL struct thread *thread_current;

static struct thread *find_unused(void) {
    for (struct thread *thread = atomic_load(&threads); thread != NULL; thread = thread->next) {
        enum state expected = UNUSED;
        if (atomic_compare_exchange_strong(&thread->state, &expected, USED))
            return thread;
    }
    return NULL;
}

static struct thread *add(void) {
    struct thread *thread = record_allocate_zeroed(sizeof(*thread));
    if (thread == NULL) {
        RECORD_LOST("a thread of libgrpc++'s");
        return NULL;
    }
    // Not one to run again before it is filled in.
    atomic_init(&thread->state, USED);
    atomic_init(&thread->generation, current_generation());
    thread->next = atomic_load(&threads);
    while (!atomic_compare_exchange_weak(&threads, &thread->next, thread)) {
    }
    return thread;
}

struct thread *thread_record(void (*body)(void *argument), void *argument, const char *name) {
    struct thread *thread = find_unused();
    if (thread == NULL)
        thread = add();
    if (thread == NULL)
        return NULL;
    thread->argument = argument;
    thread->name = name;
    atomic_store(&thread->queue, NULL);
    atomic_store(&thread->restarted, false);
    atomic_store(&thread->begun, false);
    atomic_store(&thread->generation, current_generation());
    atomic_signal_fence(memory_order_seq_cst);
    // What makes it one to run again comes last.
    thread->body = body;
    return thread;
}

void thread_forget(struct thread *thread) {
    thread->body = NULL;
    atomic_store(&thread->state, UNUSED);
}

static void run(struct thread *thread) {
    thread_current = thread;
    thread->body(thread->argument);
    delivery_end();
    thread_current = NULL;
}

void thread_run(void *context) {
    struct thread *thread = context;
    thread->known = pthread_self();
    atomic_store(&thread->begun, true);
    run(thread);
    thread_forget(thread);
}

void thread_note_queue(const grpc_completion_queue *queue) {
    atomic_store_explicit(&thread_current->queue, queue, memory_order_relaxed);
    delivery_end();
}

void thread_survives_in_child(void) {
    if (thread_current != NULL)
        atomic_store(&thread_current->generation, current_generation());
}

static void *run_again(void *context) {
    struct thread *thread = context;
    if (thread->name != NULL)
        prctl(PR_SET_NAME, thread->name);
    run(thread);
    thread->body = NULL; // the record stays until the thread is joined
    return NULL;
}

static bool is_to_run(const struct thread *thread) {
    return atomic_load(&thread->state) == USED && thread->body != NULL;
}

static void restart(struct thread *thread) {
    uint32_t generation = atomic_load(&thread->generation);
    // Of several threads that come here at once, one does it.
    if (generation == current_generation() ||
        !atomic_compare_exchange_strong(&thread->generation, &generation, current_generation()))
        return;
    int error = libc_function(pthread_create)(&thread->successor, NULL, run_again, thread);
    if (error == 0)
        atomic_store(&thread->restarted, true);
    else
        log_write(LOG_ERROR, "can't start a thread of libgrpc++'s, %s, its callbacks won't come",
                  strerror(error));
}

// Restarts those that were last seen to poll this queue, or (NULL) had not polled any. False where
// there are none.
static bool restart_those_of(const grpc_completion_queue *queue) {
    bool any = false;
    for (struct thread *thread = atomic_load(&threads); thread != NULL; thread = thread->next) {
        if (is_to_run(thread) && atomic_load(&thread->queue) == queue) {
            any = true;
            restart(thread);
        }
    }
    return any;
}

void thread_restart(const grpc_completion_queue *queue) {
    // The threads of a queue come together: where one has polled, those that have not are others'.
    if (!restart_those_of(queue))
        restart_those_of(NULL);
}

static bool is_inherited(const struct thread *thread) {
    return atomic_load(&thread->restarted) ||
           atomic_load(&thread->generation) != current_generation();
}

// Or may have: it is not known of a thread that was just made.
static bool polled(const struct thread *thread, const grpc_completion_queue *queue) {
    const grpc_completion_queue *known = atomic_load(&thread->queue);
    return known == queue || known == NULL;
}

bool thread_polled_before(const grpc_completion_queue *queue) {
    for (struct thread *thread = atomic_load(&threads); thread != NULL; thread = thread->next) {
        if (atomic_load(&thread->state) == USED && is_inherited(thread) && polled(thread, queue))
            return true;
    }
    return false;
}

// The queue whose threads the calling thread is waiting for, as far as it is known.
static THREAD_LOCAL const grpc_completion_queue *ending;

void thread_joins_begin(void) {
    ending = NULL;
}

void thread_note_shutdown(const grpc_completion_queue *queue) {
    ending = queue;
}

// A pthread_t may be that of an inherited thread and of one of this process, but not of threads of
// one queue.
static bool may_be_joined(const struct thread *thread) {
    return atomic_load(&thread->state) == USED && (ending == NULL || polled(thread, ending));
}

static struct thread *find_known(pthread_t known) {
    for (struct thread *thread = atomic_load(&threads); thread != NULL; thread = thread->next) {
        if (may_be_joined(thread) && atomic_load(&thread->begun) &&
            pthread_equal(thread->known, known))
            return thread;
    }
    return NULL;
}

// Those that had not begun at the fork never said which pthread_t they are.
static struct thread *find_unbegun(bool inherited) {
    struct thread *found = NULL;
    for (struct thread *thread = atomic_load(&threads); thread != NULL; thread = thread->next) {
        if (!may_be_joined(thread) || atomic_load(&thread->begun) ||
            is_inherited(thread) != inherited)
            continue;
        found = thread;
        if (atomic_load(&thread->restarted))
            break; // there is something to wait for
    }
    return found;
}

// If no thread that has begun is known by this pthread_t, the program means one that it inherited
// before that thread had begun. But if this process has threads that have not begun yet, it may
// mean one of those, so they are awaited: each begins soon.
static struct thread *find(pthread_t known) {
    struct thread *thread;
    while ((thread = find_known(known)) == NULL && find_unbegun(false) != NULL)
        sched_yield();
    return thread != NULL ? thread : find_unbegun(true);
}

bool thread_join_inherited(pthread_t known) {
    struct thread *thread = find(known);
    if (thread == NULL || !is_inherited(thread))
        return false;
    if (atomic_load(&thread->restarted))
        libc_function(pthread_join)(thread->successor, NULL);
    thread_forget(thread);
    return true;
}
