// A busy client: some threads call without pause while another one, or the main thread, forks one
// child after the other.

#include <atomic>
#include <csignal>
#include <thread>

#include <poll.h>
#include <sys/syscall.h>

#include "legacy.h"

namespace {

struct Counts {
    std::atomic<int> calls{0};
    std::atomic<int> failed{0};
};

// Returns the peer, or "" if the call failed.
std::string CallQuietly(legacy::Echo::Stub *stub, const char *who) {
    grpc::ClientContext context;
    legacy::SetDeadline(&context);
    legacy::Reply reply;
    const grpc::Status status = stub->Unary(&context, legacy::Request(), &reply);
    if (!status.ok()) {
        fprintf(stderr, "%s %d: %d %s\n", who, static_cast<int>(getpid()),
                static_cast<int>(status.error_code()), status.error_message().c_str());
        return "";
    }
    return reply.peer();
}

// A call that went over another connection than the one before counts as failed.
void CallUntil(const std::atomic<bool> *done, legacy::Echo::Stub *stub, std::string peer,
               Counts *counts) {
    while (!*done) {
        const std::string peer_now = CallQuietly(stub, "parent");
        counts->calls++;
        counts->failed += peer_now != peer;
        if (!peer_now.empty() && peer_now != peer) {
            fprintf(stderr, "parent: connection lost: %s, now %s\n", peer.c_str(),
                    peer_now.c_str());
            peer = peer_now;
        }
    }
}

// Waits for the end of the child, which stays there to be waited for.
bool EndsInTime(pid_t pid) {
    constexpr int milliseconds = 30000;
#ifdef SYS_pidfd_open
    const int pidfd = syscall(SYS_pidfd_open, pid, 0);
    if (pidfd >= 0) {
        pollfd ended = {pidfd, POLLIN, 0};
        int ready = 0;
        do {
            ready = poll(&ended, 1, milliseconds);
        } while (ready < 0 && errno == EINTR);
        close(pidfd);
        return ready > 0;
    }
#endif
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    const timespec time_out = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    for (;;) {
        siginfo_t info = {};
        if (waitid(P_PID, pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0 || info.si_pid == pid) {
            return true;
        }
        if (sigtimedwait(&signals, nullptr, &time_out) < 0 && errno == EAGAIN) {
            return false;
        }
    }
}

// Whether the child ended with status 0 and in time.
bool Supervise(pid_t pid, const std::string &on_hang) {
    if (!EndsInTime(pid)) {
        legacy::Report("child", "hung", pid);
        if (!on_hang.empty() && system((on_hang + " " + std::to_string(pid)).c_str()) != 0) {
            fprintf(stderr, "%s failed\n", on_hang.c_str());
        }
        kill(pid, SIGKILL);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) {
        perror("waitpid");
        return false;
    }
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "child %d: signal %d\n", static_cast<int>(pid), WTERMSIG(status));
    }
    return status == 0;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(
        argc, argv,
        "THREADS FORKS [--channel inherited|new] [--forks-from thread|main] [--on-hang COMMAND]",
        {"--channel", "--forks-from", "--on-hang"});
    const int threads = command.Number(1);
    const int forks = command.Number(2);
    const bool new_channel = command.Choice("--channel", {"inherited", "new"}) == "new";
    const bool main_forks = command.Choice("--forks-from", {"thread", "main"}) == "main";
    const std::string on_hang = command.Value("--on-hang");

    // A thread that waits for its child has to be the only one that can get the signal.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    const legacy::Client client(command);
    const std::string peer = CallQuietly(client.stub.get(), "parent");
    if (peer.empty()) {
        return 1;
    }

    Counts counts;
    std::atomic<bool> done{false};
    std::vector<std::thread> callers;
    for (int i = 0; i < threads; i++) {
        callers.emplace_back(CallUntil, &done, client.stub.get(), peer, &counts);
    }

    int children_failed = 0;
    const auto fork_children = [&] {
        for (int i = 0; i < forks; i++) {
            const pid_t pid = legacy::StartChild([&] {
                if (!new_channel) {
                    return legacy::OwnConnection(CallQuietly(client.stub.get(), "child"), peer);
                }
                const legacy::Client own(command);
                return legacy::OwnConnection(CallQuietly(own.stub.get(), "child"), peer);
            });
            children_failed += !Supervise(pid, on_hang);
        }
    };
    if (main_forks) {
        fork_children();
    } else {
        std::thread(fork_children).join();
    }
    done = true;
    for (std::thread &caller : callers) {
        caller.join();
    }

    std::cout << "forks " << forks << " children_failed " << children_failed << " parent_calls "
              << counts.calls << " parent_failed " << counts.failed << std::endl;
    return children_failed == 0 && counts.failed == 0 && counts.calls > 0 ? 0 : 1;
}
