// Preloaded beside the shim: a busy machine at its worst moment. A timer thread of gRPC's has ended
// a call at its deadline and has woken the program, and is not scheduled again before the program
// is in exit() and has destroyed the objects of static storage.
//
// That is so in children only, which say when it was. Does nothing where deadlines are not kept by
// such a thread (gRPC 1.83), or where it goes on holding what the program waits for.

#include <dlfcn.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <grpc/support/sync.h>

// For what it wakes others for besides.
#define PATIENCE_SECONDS 3

static pid_t first_process;
static sem_t destroyed, idle;
static atomic_bool held;
static _Thread_local bool was_held;

static bool wait_for(sem_t *event) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_SECONDS;
    int result;
    do {
        result = sem_timedwait(event, &end);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

static bool is_timer_of_child(void) {
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    return first_process != getpid() && strncmp(name, "grpc_global_tim", 15) == 0;
}

static void has_woken(void) {
    if (is_timer_of_child() && !atomic_exchange(&held, true)) {
        was_held = wait_for(&destroyed);
        atomic_store(&held, was_held);
    }
}

void gpr_cv_signal(gpr_cv *condition) {
    ((void (*)(gpr_cv *))dlsym(RTLD_NEXT, "gpr_cv_signal"))(condition);
    has_woken();
}

int eventfd_write(int descriptor, eventfd_t value) {
    ssize_t written = write(descriptor, &value, sizeof(value));
    has_woken();
    return written == sizeof(value) ? 0 : -1;
}

// It has nothing left to do.
int gpr_cv_wait(gpr_cv *condition, gpr_mu *mutex, gpr_timespec deadline) {
    if (was_held) {
        was_held = false;
        sem_post(&idle);
    }
    return ((int (*)(gpr_cv *, gpr_mu *, gpr_timespec))dlsym(RTLD_NEXT, "gpr_cv_wait"))(
        condition, mutex, deadline);
}

__attribute__((constructor)) static void begin(void) {
    first_process = getpid();
    sem_init(&destroyed, 0, 0);
    sem_init(&idle, 0, 0);
}

// Comes after what was registered by __cxa_atexit while the program ran.
__attribute__((destructor)) static void end(void) {
    static const char line[] = "timer thread was late\n";
    if (first_process != getpid() && atomic_load(&held)) {
        sem_post(&destroyed);
        if (wait_for(&idle)) {
            (void)!write(STDOUT_FILENO, line, sizeof(line) - 1);
        }
    }
}
