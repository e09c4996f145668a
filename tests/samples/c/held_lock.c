// A thread of the parent holds one of the C library's locks at each fork.
//
// held_lock ADDRESS|none LOCK [LIBRARY [clone]]
//
// The thread stops where libc allocates memory with the lock held, or calls the program back. Each
// child calls through the inherited channel, then through one that nobody listens to; after that it
// does what needs the lock, and leaves by exit(). With `none` it doesn't use gRPC: so it is seen
// that the lock is held. LIBRARY is one that the child loads. `clone`: the children are made past
// libc's fork().

#include <dlfcn.h>
#include <errno.h>
#include <libintl.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define CHILDREN 10
#define NO_GRPC_SECONDS 2

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);

static _Thread_local volatile bool stops; // set in what the compiler takes for a built-in
static sem_t stopped, let_go;
static const char *library;
static bool past_libc;
static struct client client, lame;
static struct answer before;

// Called with the lock held.
static void stop(void) {
    if (stops) {
        stops = false;
        sem_post(&stopped);
        while (sem_wait(&let_go) != 0) {
        }
    }
}

void *malloc(size_t size) {
    stop();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    stop();
    return __libc_calloc(count, size);
}

// --- what takes a lock, and what needs it ------------------------------------------------------

static void nothing(void) {
}

static void nothing_with_status(int status, void *argument) {
    (void)status;
    (void)argument;
}

// libc allocates a block for every 32.
static void register_at_exit(void) {
    while (stops) {
        atexit(nothing);
    }
}

static void register_on_exit(void) {
    while (stops) {
        on_exit(nothing_with_status, NULL);
    }
}

static void register_at_quick_exit(void) {
    while (stops) {
        (void)at_quick_exit(nothing);
    }
}

static void leave(void) {
    atexit(stop);
    exit(EXIT_FAILURE);
}

static void change_locale(void) {
    setlocale(LC_ALL, "C.UTF-8");
}

static void bind_messages(void) {
    bindtextdomain("held_lock", "/nonexistent");
}

static void read_time_zone(void) {
    tzset();
}

static int stop_in_list(struct dl_phdr_info *image, size_t size, void *context) {
    (void)image;
    (void)size;
    (void)context;
    stop();
    return 1;
}

static void walk_images(void) {
    dl_iterate_phdr(stop_in_list, NULL);
}

static void name_error(void) {
    char text[DETAILS_SIZE];
    puts(strerror_r(EAGAIN, text, sizeof(text)));
}

static void tell_time(void) {
    time_t now = time(NULL);
    struct tm local;
    printf("child year %d\n", localtime_r(&now, &local)->tm_year + 1900);
}

static void load_library(void) {
    puts(dlopen(library, RTLD_NOW) != NULL ? "child loads ok" : dlerror());
}

static const struct lock {
    const char *name;
    void (*take)(void);
    void (*need)(void); // besides exit()
} locks[] = {
    {"exit-list", register_at_exit, nothing},
    {"status-exit-list", register_on_exit, nothing},
    {"quick-exit-list", register_at_quick_exit, nothing},
    {"exit", leave, nothing},
    {"locale", change_locale, name_error},
    {"messages", bind_messages, name_error},
    {"time-zone", read_time_zone, tell_time},
    {"loader", walk_images, load_library},
};

static const struct lock *find_lock(const char *name) {
    for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
        if (strcmp(locks[i].name, name) == 0) {
            return &locks[i];
        }
    }
    return NULL;
}

// --- the program -------------------------------------------------------------------------------

static void *hold(void *lock) {
    stops = true;
    ((const struct lock *)lock)->take();
    return NULL;
}

static void child(const struct lock *lock) {
    struct answer answer;
    bool passed = true;
    if (client.channel != NULL) {
        passed = report_child_unary("child", &client, &before) &&
                 !call_unary(&lame, "to nobody", &answer) &&
                 answer.status == GRPC_STATUS_UNAVAILABLE;
    } else {
        alarm(NO_GRPC_SECONDS);
    }
    lock->need();
    exit(passed ? 0 : 1);
}

static bool fork_children(const struct lock *lock) {
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = past_libc ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();
        if (pid == 0) {
            child(lock);
        }
        int status = wait_for(pid);
        if (status != 0) {
            printf("child %d of %d exit %d\n", i + 1, CHILDREN, status);
            return false;
        }
    }
    printf("children %d\n", CHILDREN);
    return true;
}

static bool open_clients(const char *address) {
    grpc_init();
    client.channel = open_channel(address, NULL, NULL);
    client.queue = grpc_completion_queue_create_for_pluck(NULL);
    lame.channel = open_channel("127.0.0.1:1", NULL, NULL);
    lame.queue = client.queue;
    return report_unary("parent", &client, "from the parent", &before);
}

int main(int argc, char **argv) {
    const struct lock *lock = argc > 2 ? find_lock(argv[2]) : NULL;
    if (lock == NULL) {
        fprintf(stderr, "usage: held_lock ADDRESS|none LOCK [LIBRARY [clone]]\n");
        return 2;
    }
    library = argv[3];
    past_libc = argc > 4;
    setvbuf(stdout, NULL, _IOLBF, 0);
    sem_init(&stopped, 0, 0);
    sem_init(&let_go, 0, 0);
    if (strcmp(argv[1], "none") != 0 && !open_clients(argv[1])) {
        return 1;
    }
    pthread_t thread;
    pthread_create(&thread, NULL, hold, (void *)(uintptr_t)lock);
    sem_wait(&stopped);
    bool passed = fork_children(lock);
    if (client.channel != NULL) {
        passed = report_parent_again(&client, &before) && passed;
    }
    if (lock->take != leave) {
        sem_post(&let_go);
        pthread_join(thread, NULL);
    }
    _exit(passed ? 0 : 1);
}
