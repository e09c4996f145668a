// A client that forks when the threads that its first callback needs were made but have not begun.
//
// callback_begins ADDRESS
//
// The child waits for its inherited call's end, and gives the last channel back, which waits for
// those threads.

#include <atomic>
#include <climits>

#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "event.h"
#include "legacy.h"

namespace {

using legacy::Report;

// A futex and no mutex, which a thread that the child does not have might hold.
std::atomic<int> held{0};

void Hold(bool hold) {
    held = hold ? 1 : 0;
    syscall(SYS_futex, &held, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

struct Start {
    void *(*body)(void *);
    void *argument;
};

void *BeginWhenAllowed(void *context) {
    const std::unique_ptr<Start> start(static_cast<Start *>(context));
    while (held != 0) {
        syscall(SYS_futex, &held, FUTEX_WAIT, 1, nullptr, nullptr, 0);
    }
    return start->body(start->argument);
}

struct Call {
    grpc::ClientContext context;
    legacy::Request request;
    legacy::Reply reply;
    grpc::Status status;
    legacy::Event done;

    void Start(legacy::Echo::Stub *stub) {
        legacy::SetDeadline(&context);
        stub->async()->Unary(&context, &request, &reply, [this](grpc::Status ended) {
            status = std::move(ended);
            done.Happen();
        });
    }

    int Await() {
        done.Await();
        return status.error_code();
    }
};

} // namespace

// All threads of the process come by here.
extern "C" int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                              void *(*body)(void *), void *argument) {
    using Create = int(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    static Create *const create = reinterpret_cast<Create *>(dlsym(RTLD_NEXT, "pthread_create"));
    return create(thread, attributes, BeginWhenAllowed, new Start{body, argument});
}

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "", {});
    auto client = std::make_unique<legacy::Client>(command);
    // With it the threads of gRPC's core are there.
    const std::string peer = legacy::CallUnary(client->stub.get(), "parent");
    Hold(true);
    auto call = std::make_unique<Call>();
    call->Start(client->stub.get());
    const pid_t pid = legacy::StartChild([&] {
        Hold(false);
        const bool own =
            legacy::OwnConnection(legacy::CallUnary(client->stub.get(), "child"), peer);
        Report("child", "pending status", call->Await());
        call.reset();
        client.reset();
        Report("child", "channel", "released");
        return own;
    });
    Hold(false);
    const bool child_worked = legacy::WaitForChild(pid);
    Report("parent", "pending status", call->Await());
    const bool same = legacy::CallUnary(client->stub.get(), "parent after") == peer;
    return child_worked && same && call->status.ok() ? 0 : 1;
}
