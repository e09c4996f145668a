// A thread of the parent is stopped after each instruction of what it does, and a child forked.
//
// each_instruction ADDRESS WORK EVERY [LIBRARY]
//
// The processor's trap flag stops it (x86-64). EVERY is 1, or from how many instructions one is
// taken. Each child calls through the inherited channel and leaves by exit(). Where fork() itself
// waits for the thread (it holds a lock of malloc's, say), the thread goes on after a while.

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "client.h"

#define TRAP_FLAG 0x100
#define PATIENCE_MILLISECONDS 100

static struct client client;
static struct answer before;
static const char *library;
static long every, instructions;
static bool (*counts)(void);
static pid_t worker;
static sem_t stopped, let_go;
static atomic_long stops, stops_over;
static atomic_bool forking, finished;

// --- what the thread does ----------------------------------------------------------------------

extern void __cxa_finalize(void *image);

static void nothing(void) {
}

static void nothing_with_status(int status, void *argument) {
    (void)status;
    (void)argument;
}

static int next_image(struct dl_phdr_info *image, size_t size, void *context) {
    (void)image;
    (void)size;
    (void)context;
    return 0;
}

static void work_atexit(void) {
    atexit(nothing);
}

static void work_on_exit(void) {
    on_exit(nothing_with_status, &client);
}

static void work_at_quick_exit(void) {
    (void)at_quick_exit(nothing);
}

// As dlclose() does for each library.
static void work_finalize(void) {
    static char no_image;
    __cxa_finalize(&no_image);
}

static void work_iterate(void) {
    dl_iterate_phdr(next_image, NULL);
}

static void work_dlclose(void) {
    void *handle = dlopen(library, RTLD_NOW);
    if (handle != NULL) {
        dlclose(handle);
    }
}

// The loader keeps a list of images and their number, and changes one after the other.
static bool list_is_half_changed(void) {
    static const struct {
        const struct link_map *first;
        unsigned count;
    } * list;
    unsigned count = 0;
    if (list == NULL) {
        list = dlsym(RTLD_DEFAULT, "_rtld_global");
    }
    for (const struct link_map *map = _r_debug.r_map; map != NULL; map = map->l_next) {
        count++;
    }
    return list->count != count;
}

static const struct work {
    const char *name;
    void (*run)(void);
    bool (*counts)(void); // NULL: each instruction does
} works[] = {
    {"atexit", work_atexit, NULL},
    {"on_exit", work_on_exit, NULL},
    {"at_quick_exit", work_at_quick_exit, NULL},
    {"finalize", work_finalize, NULL},
    {"iterate", work_iterate, NULL},
    {"dlclose", work_dlclose, list_is_half_changed},
};

static const struct work *find_work(const char *name) {
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        if (strcmp(works[i].name, name) == 0) {
            return &works[i];
        }
    }
    return NULL;
}

// --- stopping it ---------------------------------------------------------------------------------

static void wait_for_a_while(void) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += PATIENCE_MILLISECONDS * 1000000L;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    sem_timedwait(&let_go, &end);
}

static void stop(void) {
    long number = atomic_fetch_add(&stops, 1) + 1;
    bool was_forking = false, is_forking = false;
    sem_post(&stopped);
    while (atomic_load(&stops_over) < number && !(was_forking && is_forking)) {
        wait_for_a_while();
        was_forking = is_forking;
        is_forking = atomic_load(&forking);
    }
}

static void after_instruction(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)info;
    int saved_errno = errno;
    if ((pid_t)syscall(SYS_gettid) != worker) {
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    } else if ((counts == NULL || counts()) && instructions++ % every == 0 &&
               !atomic_load(&finished)) {
        stop();
    }
    errno = saved_errno;
}

static void *work_in_steps(void *context) {
    const struct work *work = context;
    worker = (pid_t)syscall(SYS_gettid);
    list_is_half_changed(); // asks the loader for a symbol the first time
    work->run();            // for the first time: what is bound lazily is bound
    __asm__ volatile("pushfq; orq %0, (%%rsp); popfq" ::"i"(TRAP_FLAG) : "memory", "cc");
    work->run();
    __asm__ volatile("pushfq; andq %0, (%%rsp); popfq" ::"i"(~TRAP_FLAG) : "memory", "cc");
    atomic_store(&finished, true);
    sem_post(&stopped);
    return NULL;
}

static int fork_child(void) {
    long number = atomic_load(&stops);
    atomic_store(&forking, true);
    pid_t child = fork();
    if (child == 0) {
        exit(call_unary(&client, "from a child", &before) ? 0 : 1);
    }
    atomic_store(&forking, false);
    atomic_store(&stops_over, number);
    sem_post(&let_go);
    return wait_for(child);
}

int main(int argc, char **argv) {
    const struct work *work = argc >= 4 ? find_work(argv[2]) : NULL;
    if (work == NULL) {
        fprintf(stderr, "usage: each_instruction ADDRESS WORK EVERY [LIBRARY]\n");
        return 2;
    }
    every = strtol(argv[3], NULL, 10);
    counts = work->counts;
    library = argv[4];
    setvbuf(stdout, NULL, _IOLBF, 0);
    grpc_init();
    client.channel = open_channel(argv[1], NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    if (!report_unary("parent", &client, "from the parent", &before)) {
        return 1;
    }
    struct sigaction action = {.sa_sigaction = after_instruction, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    sem_init(&stopped, 0, 0);
    sem_init(&let_go, 0, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, work_in_steps, (void *)(uintptr_t)work);
    int children = 0, status = 0;
    while (status == 0 && sem_wait(&stopped) == 0 && !atomic_load(&finished)) {
        status = fork_child();
        children++;
    }
    printf("children %d\nlast child exit %d\n", children, status);
    _exit(status == 0 && report_parent_again(&client, &before) ? 0 : 1);
}
