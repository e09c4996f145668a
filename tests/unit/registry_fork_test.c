// The registry through fork() at any instant: threads insert and remove without pause while the
// main thread forks, and each child looks at all that it inherited.
//
// Removed records are poisoned, and so are freed tables (allocation.c), so a child that follows a
// stale pointer dies of it or finds a broken seal.
#include "allocation.h"
#include "child.h"
#include "one_core.h"
#include "testing.h"

#include "objects/registry.h"
#include "operations.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#define WORKERS 4
#define WORKERS_NICENESS 5 // so that forks don't wait long for their turn
#define FORKS 6000
#define FORKS_AT_LEAST 200
#define SECONDS 15

#define POOL 1024 // records that come and go, per worker
#define KEPT 2048 // records that stay
#define STEPS_PER_KEPT 4096

struct record {
    struct object object;
    uint64_t seal; // of the handle and scope
};

// What a worker has told, in the order in which it happens: a number is announced as inserted when
// registry_insert has returned, and as going before it is removed.
struct worker {
    _Atomic size_t inserted; // records from `going` to here are there
    _Atomic size_t going;
    _Atomic size_t kept;
    struct record pool[POOL];
    struct record kept_records[KEPT];
    pthread_t thread;
} __attribute__((aligned(64)));

static struct worker workers[WORKERS];
static _Atomic bool stop;

static void *handle_of(size_t worker, size_t number) {
    return (void *)((worker + 1) << 40 | number << 4);
}

// Every third record has no scope, so that its handles can be counted.
static uintptr_t scope_of(size_t worker, size_t number) {
    return number % 3 == 0 ? 0 : worker + 1;
}

static uint64_t seal_of(const struct object *object) {
    return ((uint64_t)(uintptr_t)object->handle ^ object->scope) * 0x2545F4914F6CDD1D +
           object->kind;
}

static void insert(struct record *record, enum object_kind kind, size_t worker, size_t number) {
    object_initialise(&record->object, operations_of(kind), core, handle_of(worker, number));
    record->object.scope = scope_of(worker, number);
    record->seal = seal_of(&record->object);
    if (!registry_insert(&record->object))
        abort();
}

static void remove_and_poison(struct record *record, size_t number) {
    struct object *object = &record->object;
    switch (number % 3) {
    case 0:
        if (registry_drop_handle(object->kind, object->handle).object != object)
            abort();
        break;
    case 1:
        if (registry_remove(object->kind, object->handle, object->scope) != object)
            abort();
        break;
    default:
        registry_remove_object(object);
    }
    memset(record, FREED_BYTE, sizeof(*record));
}

// Goes up and down between few and many records, so that tables are rebuilt in all sizes.
static void *work(void *context) {
    size_t number = (size_t)(uintptr_t)context;
    struct worker *worker = &workers[number];
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), WORKERS_NICENESS);
    unsigned seed = (unsigned)number;
    size_t target = 0;
    for (size_t step = 0; !stop; step++) {
        size_t inserted = worker->inserted, going = worker->going, kept = worker->kept;
        if (inserted - going == target)
            target = (size_t)rand_r(&seed) % POOL;
        if (step % STEPS_PER_KEPT == 0 && kept < KEPT) {
            insert(&worker->kept_records[kept], OBJECT_CHANNEL, number, kept);
            worker->kept = kept + 1;
        } else if (inserted - going < target) {
            insert(&worker->pool[inserted % POOL], OBJECT_PENDING, number, inserted);
            worker->inserted = inserted + 1;
        } else if (inserted > going) {
            worker->going = going + 1;
            remove_and_poison(&worker->pool[going % POOL], going);
        }
    }
    return NULL;
}

static void check_record(const struct object *object) {
    const struct record *record = (const struct record *)object;
    require((const char *)record >= (const char *)workers &&
            (const char *)record < (const char *)(workers + WORKERS));
    require(record->seal == seal_of(object));
    require(object->references == 1);
}

static void count_record(struct object *object, void *context) {
    size_t *count = context;
    atomic_fetch_sub(&object->references, 1);
    check_record(object);
    ++*count;
}

static void check_found(const struct record *record, enum object_kind kind, size_t worker,
                        size_t number) {
    const struct object *found =
        registry_find(kind, handle_of(worker, number), scope_of(worker, number));
    require(found == &record->object);
    check_record(found);
}

static void check_visits(void) {
    size_t announced = 0, announced_kept = 0, visited = 0, visited_kept = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        announced += workers[i].inserted - workers[i].going;
        announced_kept += workers[i].kept;
    }
    registry_visit(OBJECT_PENDING, count_record, &visited);
    registry_visit(OBJECT_CHANNEL, count_record, &visited_kept);
    // One of each worker may be on its way in or out.
    require(visited >= announced && visited_kept >= announced_kept);
    require(visited + visited_kept <= announced + announced_kept + WORKERS);
}

static void check_finds(void) {
    for (size_t i = 0; i < WORKERS; i++) {
        const struct worker *worker = &workers[i];
        for (size_t number = worker->going; number < worker->inserted; number++)
            check_found(&worker->pool[number % POOL], OBJECT_PENDING, i, number);
        for (size_t number = 0; number < worker->kept; number++)
            check_found(&worker->kept_records[number], OBJECT_CHANNEL, i, number);
    }
}

static void take_out(struct object *object, void *context) {
    (void)context;
    registry_remove_object(object);
    memset(object, FREED_BYTE, sizeof(struct record));
}

static void check_removals(void) {
    size_t left = 0;
    registry_visit(OBJECT_PENDING, take_out, NULL);
    registry_visit(OBJECT_PENDING, count_record, &left);
    require(left == 0);
    for (size_t i = 0; i < WORKERS; i++) {
        for (size_t number = workers[i].going; number < workers[i].inserted; number++)
            require(registry_find(OBJECT_PENDING, handle_of(i, number), scope_of(i, number)) ==
                    NULL);
        for (size_t number = 0; number < workers[i].kept; number++)
            check_found(&workers[i].kept_records[number], OBJECT_CHANNEL, i, number);
    }
}

// Enough for tables to grow in the child.
#define OWN 3000

static void check_own(void) {
    static struct record own[OWN];
    for (size_t i = 0; i < OWN; i++)
        insert(&own[i], OBJECT_CALL, WORKERS, i);
    for (size_t i = 0; i < OWN; i++)
        require(registry_find(OBJECT_CALL, handle_of(WORKERS, i), scope_of(WORKERS, i)) ==
                &own[i].object);
    for (size_t i = 0; i < OWN; i++)
        remove_and_poison(&own[i], i);
    for (size_t i = 0; i < OWN; i++)
        require(registry_find(OBJECT_CALL, handle_of(WORKERS, i), scope_of(WORKERS, i)) == NULL);
}

static void check_child(bool may_allocate) {
    child_begin();
    registry_reset_locks_in_child();
    check_visits();
    check_finds();
    if (may_allocate)
        check_own();
    check_removals();
    _exit(0);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// fork() waits until no thread is inside malloc; the bare system call does not, so it meets the
// threads in more places, but its child must not use malloc.
static pid_t fork_as(bool bare) {
    return bare ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();
}

static void every_child_finds_what_was_there(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    bool only_bare = false;
#ifdef __SANITIZE_ADDRESS__
    only_bare = true; // its allocator has no at-fork handlers
#endif
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, (void *)(uintptr_t)i), 0);
    double end = seconds() + SECONDS;
    size_t forks = 0, failed = 0;
    for (; forks < FORKS && failed == 0 && (seconds() < end || forks < FORKS_AT_LEAST); forks++) {
        bool bare = only_bare || forks % 2 == 0;
        pid_t child = fork_as(bare);
        if (child == 0)
            check_child(!bare);
        assert_true(child > 0);
        int status = wait_for_child(child);
        if (status != 0) {
            print_message("child %zu, made by %s: status %#x\n", forks, bare ? "clone" : "fork",
                          (unsigned)status);
            failed++;
        }
    }
    stop = true;
    for (size_t i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    print_message("%zu forks, %zu insertions by the first worker\n", forks,
                  (size_t)workers[0].inserted);
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_child_finds_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
