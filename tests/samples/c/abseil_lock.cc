// A fork while another thread holds one of abseil's own global locks.
//
// abseil_lock ADDRESS graph|arena|busy [--unused] [--brief]
//   graph      a thread stands in abseil's deadlock detection, holding the lock of its graph
//   arena      a thread stands in abseil's allocator, holding the lock of its default arena
//   busy       threads lock and unlock new mutexes all the time, while the program forks often
//   --unused   the parent has never used gRPC: the child is the first to do so
//   --brief    a child that waits for ever is not given much time
//
// Exits with 3 if this abseil has no such lock to hold.

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <absl/base/internal/low_level_alloc.h>
#include <absl/debugging/stacktrace.h>
#include <absl/synchronization/mutex.h>

#include "client.h"

namespace {

// The child gets this long, then SIGALRM ends it.
constexpr unsigned int kChildSeconds = 30;
constexpr unsigned int kBriefSeconds = 4;
// How often a thread that waits for a lock is seen asleep.
constexpr int kLooks = 100;
constexpr int kAttempts = 2000;
constexpr int kBusyForks = 100;
constexpr int kNoSuchLock = 3;

struct Program {
    const char *address;
    bool unused;
    bool brief;
    client inherited;
    answer before;
};

void OpenClient(Program *program) {
    grpc_init();
    program->inherited.channel = open_channel(program->address, nullptr, nullptr);
    program->inherited.queue = grpc_completion_queue_create_for_pluck(nullptr);
}

void Wait(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0) {
    }
}

// A thread that stops at a certain point and goes on when it is told to.
struct Parking {
    sem_t parked;
    sem_t leave;
    Parking() {
        sem_init(&parked, 0, 0);
        sem_init(&leave, 0, 0);
    }
    void Park() {
        sem_post(&parked);
        Wait(&leave);
    }
};

// True while the thread sleeps.
bool Sleeps(pid_t thread) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", static_cast<int>(thread));
    FILE *file = fopen(path, "re");
    char state = '?';
    if (file != nullptr) {
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
            state = '?';
        }
        fclose(file);
    }
    return state == 'S';
}

// Whether somebody else holds the lock that `use` needs.  If so, the thread that has found out
// still waits for it: Finish() once it is free.  How long it takes tells nothing on a busy machine:
// one that waits for the lock sleeps, one that waits for the processor does not.
class Probe {
  public:
    explicit Probe(void (*use)()) {
        sem_init(&done_, 0, 0);
        thread_ = std::thread([this, use] {
            number_ = static_cast<pid_t>(syscall(SYS_gettid));
            use();
            sem_post(&done_);
        });
    }
    bool Held() {
        // abseil wakes up from time to time to look again.
        for (int asleep = 0; asleep < kLooks;) {
            if (sem_trywait(&done_) == 0) {
                return false;
            }
            asleep += number_ != 0 && Sleeps(number_) ? 1 : 0;
            usleep(1000);
        }
        return true;
    }
    void Finish() {
        thread_.join();
    }

  private:
    sem_t done_;
    std::atomic<pid_t> number_{0};
    std::thread thread_;
};

int CallInChild(void *argument) {
    Program *program = static_cast<Program *>(argument);
    alarm(program->brief ? kBriefSeconds : kChildSeconds);
    if (program->unused) {
        OpenClient(program);
    }
    return report_child_unary("child", &program->inherited, &program->before) ? 0 : 1;
}

// --- graph ----------------------------------------------------------------------------------

Parking graph_parking;
thread_local bool park_in_unwinder = false;

// abseil unwinds the stack while it holds the lock of its graph, for the report of a deadlock.
int ParkingUnwinder(void **, int *, int, int, const void *, int *dropped) {
    if (dropped != nullptr) {
        *dropped = 0;
    }
    if (park_in_unwinder) {
        park_in_unwinder = false;
        graph_parking.Park();
    }
    return 0;
}

void LockTwo() {
    absl::Mutex outer;
    absl::Mutex inner;
    outer.Lock();
    inner.Lock();
    inner.Unlock();
    outer.Unlock();
}

int RunGraph(Program *program) {
    absl::SetStackUnwinder(ParkingUnwinder);
    sem_t ended;
    sem_init(&ended, 0, 0);
    std::thread holder([&ended] {
        park_in_unwinder = true;
        LockTwo();
        if (park_in_unwinder) {
            park_in_unwinder = false;
            sem_post(&graph_parking.parked);
            sem_post(&ended);
        }
    });
    Wait(&graph_parking.parked);
    if (sem_trywait(&ended) == 0) {
        holder.join();
        printf("parent deadlock_detection off\n");
        return kNoSuchLock;
    }
    Probe probe(LockTwo);
    bool passed = report("parent", "lock_held", probe.Held());
    passed = run_in_child(CallInChild, program) == 0 && passed;
    sem_post(&graph_parking.leave);
    holder.join();
    probe.Finish();
    absl::SetStackUnwinder(nullptr);
    return passed ? 0 : 1;
}

// --- arena ----------------------------------------------------------------------------------

uintptr_t allocator_begin;
uintptr_t allocator_end;

int FindAllocatorText(dl_phdr_info *image, size_t, void *) {
    const uintptr_t inside =
        reinterpret_cast<uintptr_t>(&absl::base_internal::LowLevelAlloc::AllocWithArena);
    for (int i = 0; i < image->dlpi_phnum; i++) {
        const ElfW(Phdr) &segment = image->dlpi_phdr[i];
        const uintptr_t begin = image->dlpi_addr + segment.p_vaddr;
        if (segment.p_type == PT_LOAD && inside >= begin && inside < begin + segment.p_memsz) {
            allocator_begin = begin;
            allocator_end = begin + segment.p_memsz;
            return 1;
        }
    }
    return 0;
}

uintptr_t InterruptedAt(const void *context) {
    const mcontext_t &machine = static_cast<const ucontext_t *>(context)->uc_mcontext;
#if defined(__x86_64__)
    return static_cast<uintptr_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
    return machine.pc;
#else
#error "where is the program counter?"
#endif
}

sem_t signal_handled;
sem_t leave_allocator;
std::atomic<bool> parked;
std::atomic<bool> stop_allocating;

// Parks the thread if it was interrupted in the allocator; whether it holds the lock there is
// found out by the one who sent the signal.
void ParkInAllocator(int, siginfo_t *, void *context) {
    const int saved = errno;
    const uintptr_t at = InterruptedAt(context);
    parked = at >= allocator_begin && at < allocator_end;
    sem_post(&signal_handled);
    if (parked) {
        Wait(&leave_allocator);
    }
    errno = saved;
}

void Allocate() {
    absl::base_internal::LowLevelAlloc::Free(absl::base_internal::LowLevelAlloc::Alloc(48));
}

int RunArena(Program *program) {
    dl_iterate_phdr(FindAllocatorText, nullptr);
    if (allocator_begin == 0) {
        fprintf(stderr, "the allocator of abseil is not found\n");
        return 2;
    }
    sem_init(&signal_handled, 0, 0);
    sem_init(&leave_allocator, 0, 0);
    struct sigaction action = {};
    action.sa_sigaction = ParkInAllocator;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGUSR1, &action, nullptr);
    std::thread allocating([] {
        while (!stop_allocating) {
            Allocate();
        }
    });

    std::unique_ptr<Probe> probe;
    for (int attempt = 1; attempt <= kAttempts && !probe; attempt++) {
        pthread_kill(allocating.native_handle(), SIGUSR1);
        Wait(&signal_handled);
        if (!parked) {
            continue;
        }
        auto found = std::make_unique<Probe>(Allocate);
        if (found->Held()) {
            probe = std::move(found);
            printf("parent attempts %d\n", attempt);
        } else {
            sem_post(&leave_allocator);
            found->Finish();
        }
    }
    bool passed = report("parent", "lock_held", probe != nullptr);
    if (probe) {
        passed = run_in_child(CallInChild, program) == 0 && passed;
        sem_post(&leave_allocator);
        probe->Finish();
    }
    stop_allocating = true;
    allocating.join();
    return passed ? 0 : 1;
}

// --- busy -----------------------------------------------------------------------------------

int RunBusy(Program *program) {
    std::atomic<bool> stop(false);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&stop] {
            while (!stop) {
                LockTwo();
                std::thread(LockTwo).join();
            }
        });
    }
    bool passed = true;
    for (int i = 0; i < kBusyForks && passed; i++) {
        passed = run_in_child(CallInChild, program) == 0;
    }
    stop = true;
    for (std::thread &thread : threads) {
        thread.join();
    }
    return passed ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: abseil_lock ADDRESS graph|arena|busy [--unused] [--brief]\n");
        return 2;
    }
    setvbuf(stdout, nullptr, _IOLBF, 0);
    static Program program;
    program.address = argv[1];
    for (int i = 3; i < argc; i++) {
        program.unused = program.unused || strcmp(argv[i], "--unused") == 0;
        program.brief = program.brief || strcmp(argv[i], "--brief") == 0;
    }
    bool passed = true;
    if (!program.unused) {
        OpenClient(&program);
        passed = report_unary("parent", &program.inherited, "from the parent", &program.before);
    }
    const std::string subject = argv[2];
    int result = 2;
    if (subject == "graph") {
        result = RunGraph(&program);
    } else if (subject == "arena") {
        result = RunArena(&program);
    } else if (subject == "busy") {
        result = RunBusy(&program);
    }
    if (!program.unused) {
        passed = report_parent_again(&program.inherited, &program.before) && passed;
        grpc_channel_destroy(program.inherited.channel);
        grpc_completion_queue_shutdown(program.inherited.queue);
        grpc_completion_queue_destroy(program.inherited.queue);
        grpc_shutdown();
    }
    return result != 0 ? result : passed ? 0 : 1;
}
