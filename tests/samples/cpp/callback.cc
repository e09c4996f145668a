// A client of the callback API: its channel, a stream and everything that belongs to them are
// global.
//
// callback ADDRESS [--child KIND] [--tls DIR]
//
//   new          the child opens a channel of its own and calls
//   inherited    the child calls through the parent's stub
//   pending      the child calls, and waits for the end of the stream that was open at fork
//   idle         the child does not use gRPC and returns from main
//   leaving      many streams are open at fork; the child calls, and leaves by exit() while the
//                first of their reactions runs, which waits until all is being destroyed
//   leaving-soon the same, where the reaction returns as soon as the main thread waits for it
//   leaving-timer  as leaving, of a child that has a timer signal every five milliseconds
//   in-callback  fork() is called by a reaction, on gRPC's thread; in the child that reaction calls
//                and returns, and the child ends when its own call has called back
//   in-interceptor  the same, where the reaction is an interceptor of the call

#include <algorithm>
#include <atomic>
#include <csignal>
#include <dirent.h>
#include <sys/time.h>
#include <thread>

#include <grpcpp/support/client_interceptor.h>

#include "../c/asleep.h"
#include "event.h"
#include "legacy.h"

namespace {

using legacy::CommandLine;
using legacy::Event;
using legacy::Report;

struct UnaryCall {
    grpc::ClientContext context;
    legacy::Request request;
    legacy::Reply reply;
    grpc::Status status;
    Event done;
};

void StartUnary(legacy::Echo::Stub *stub, const std::string &text, UnaryCall *call,
                const std::function<void()> &then) {
    legacy::SetDeadline(&call->context);
    call->request.set_text(text);
    stub->async()->Unary(&call->context, &call->request, &call->reply,
                         [call, then](grpc::Status status) {
                             call->status = std::move(status);
                             then();
                         });
}

// Returns the peer, or "" if the call failed.
std::string CallBack(legacy::Echo::Stub *stub, const std::string &who) {
    UnaryCall call;
    StartUnary(stub, who, &call, [&call] { call.done.Happen(); });
    call.done.Await();
    if (!legacy::ReportStatus(who, call.status)) {
        return "";
    }
    Report(who, "server", call.reply.pid());
    Report(who, "peer", call.reply.peer());
    return call.reply.peer();
}

// Sends a message when told to, and waits for its echo.
class Stream : public grpc::ClientBidiReactor<legacy::Request, legacy::Reply> {
  public:
    explicit Stream(legacy::Echo::Stub *stub) {
        stub->async()->BidiStream(&context_, this);
        AddHold();
        StartRead(&reply_);
        StartCall();
    }

    std::string Exchange(const std::string &text) {
        read_ = std::make_unique<Event>();
        written_ = std::make_unique<Event>();
        request_.set_text(text);
        StartWrite(&request_);
        // The echo may be there before the write has ended, and another one must not begin until
        // then.
        written_->Await();
        read_->Await();
        std::string answer = text_;
        StartRead(&reply_);
        return answer;
    }

    grpc::Status Finish() {
        StartWritesDone();
        return AwaitEnd();
    }

    grpc::Status AwaitEnd() {
        RemoveHold();
        done_.Await();
        return status_;
    }

    void OnReadDone(bool ok) override {
        if (ok) {
            text_ = reply_.text();
            read_->Happen();
        }
    }

    void OnWriteDone(bool ok) override {
        if (ok) {
            written_->Happen();
        }
    }

    void OnDone(const grpc::Status &status) override {
        status_ = status;
        done_.Happen();
    }

  private:
    grpc::ClientContext context_;
    legacy::Request request_;
    legacy::Reply reply_;
    std::string text_;
    grpc::Status status_;
    std::unique_ptr<Event> read_;
    std::unique_ptr<Event> written_;
    Event done_;
};

std::unique_ptr<legacy::Client> client;
std::unique_ptr<Stream> stream;

// A stream whose reaction in the child waits until the objects of static storage are being
// destroyed, or until the main thread has stopped on its way there. One that begins after that has
// come too late.
class LeavingStream : public Stream {
  public:
    using Stream::Stream;

    void OnReadDone(bool ok) override {
        if (!in_child) {
            Stream::OnReadDone(ok);
            return;
        }
        if (leaving.HasHappened()) {
            Report("child", "late reaction", 1);
            _exit(1);
        }
        running++;
        reacted.Happen();
        if (returns_soon) {
            AwaitExitsWait();
        } else {
            leaving.Await();
        }
        running--;
    }

    static bool in_child, returns_soon;
    static std::atomic<int> running;
    static Event &reacted, &exiting, &leaving;

  private:
    // Ends anyhow when nobody waits.
    static void AwaitExitsWait() {
        exiting.Await();
        const std::string main_thread = std::to_string(getpid());
        while (!is_asleep(main_thread.c_str()) && !leaving.HasHappened()) {
            sched_yield();
        }
    }
};

bool LeavingStream::in_child = false;
bool LeavingStream::returns_soon = false;
std::atomic<int> LeavingStream::running{0};
Event &LeavingStream::reacted = *new Event;
Event &LeavingStream::exiting = *new Event;
Event &LeavingStream::leaving = *new Event;
std::vector<LeavingStream *> leaving_streams; // that nobody destroys

struct Leaving {
    ~Leaving() {
        if (LeavingStream::returns_soon && LeavingStream::running != 0) {
            Report("child", "running reactions", LeavingStream::running.load());
            _exit(1);
        }
        LeavingStream::leaving.Happen();
    }
} leaving; // the last to be made, the first to be destroyed

// Somewhat more than a queue has threads: half as many as there are processors, but 2 to 16
// (src/cpp/common/completion_queue_cc.cc). Not many more, for in 1.83 reactions run in the pool of
// threads that the child's own call needs, too, and that grows slowly.
void OpenLeavingStreams() {
    const unsigned threads = std::clamp(std::thread::hardware_concurrency() / 2, 2U, 16U);
    for (unsigned i = 0; i < threads + 4; i++) {
        leaving_streams.push_back(new LeavingStream(client->stub.get()));
    }
}

bool FinishLeavingStreams() {
    for (LeavingStream *open : leaving_streams) {
        if (!open->Finish().ok()) {
            return false;
        }
    }
    return true;
}

// As a profiler has it.
void StartTimer() {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, nullptr);
    const itimerval period = {{0, 5000}, {0, 5000}};
    setitimer(ITIMER_REAL, &period, nullptr);
}

bool ExchangeAndReport(Stream *with, const std::string &who, const std::string &text) {
    const std::string answer = with->Exchange(text);
    Report(who, "echo", answer);
    return answer == text;
}

// The threads that libgrpc++ polls with.
size_t CountPollers() {
    size_t count = 0;
    std::unique_ptr<DIR, int (*)(DIR *)> tasks(opendir("/proc/self/task"), closedir);
    while (const dirent *task = readdir(tasks.get())) {
        std::string name;
        std::getline(std::ifstream("/proc/self/task/" + std::string(task->d_name) + "/comm"), name);
        // ".." has a name, too.
        count += task->d_name[0] != '.' && name == "nexting_thread";
    }
    return count;
}

// A thread has its creator's name at first, so there may be more for a moment.
void AwaitPollers(size_t expected) {
    while (CountPollers() != expected) {
        sched_yield();
    }
}

bool WorkWith(legacy::Client *used, const std::string &parent_peer) {
    const std::string peer = CallBack(used->stub.get(), "child");
    if (!legacy::OwnConnection(peer, parent_peer)) {
        return false;
    }
    Stream own(used->stub.get());
    const bool echoed = ExchangeAndReport(&own, "child", "of the child");
    const grpc::Status status = own.Finish();
    Report("child", "stream", status.error_code());
    return echoed && status.ok();
}

bool AwaitPending(const std::string &parent_peer) {
    if (!WorkWith(client.get(), parent_peer)) {
        return false;
    }
    const grpc::Status status = stream->AwaitEnd();
    Report("child", "pending status", status.error_code());
    Report("child", "pending message", status.error_message());
    return status.error_code() == grpc::StatusCode::CANCELLED;
}

bool Work(const CommandLine &command, const std::string &kind, const std::string &parent_peer) {
    if (kind == "idle") {
        return true;
    }
    if (kind.rfind("leaving", 0) == 0) {
        if (kind == "leaving-timer") {
            StartTimer();
        }
        LeavingStream::in_child = true;
        LeavingStream::returns_soon = kind == "leaving-soon";
        // Not by the threads of the callbacks, which will all be in reactions.
        const std::string peer = legacy::CallUnary(client->stub.get(), "child");
        LeavingStream::reacted.Await();
        LeavingStream::exiting.Happen();
        return legacy::OwnConnection(peer, parent_peer);
    }
    if (kind == "pending") {
        return AwaitPending(parent_peer);
    }
    if (kind == "inherited") {
        return WorkWith(client.get(), parent_peer);
    }
    legacy::Client own(command);
    return WorkWith(&own, parent_peer);
}

// What an interceptor does with the next call that has ended.
std::function<void()> intercepted;

class Interceptor : public grpc::experimental::Interceptor {
  public:
    void Intercept(grpc::experimental::InterceptorBatchMethods *methods) override {
        if (methods->QueryInterceptionHookPoint(
                grpc::experimental::InterceptionHookPoints::POST_RECV_STATUS) &&
            intercepted) {
            const std::function<void()> action = std::move(intercepted);
            intercepted = nullptr;
            action();
        }
        methods->Proceed();
    }
};

class InterceptorFactory : public grpc::experimental::ClientInterceptorFactoryInterface {
  public:
    grpc::experimental::Interceptor *
    CreateClientInterceptor(grpc::experimental::ClientRpcInfo * /*info*/) override {
        return new Interceptor;
    }
};

legacy::Client MakeIntercepted(const CommandLine &command) {
    std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> factories;
    factories.push_back(std::make_unique<InterceptorFactory>());
    return legacy::Client(grpc::experimental::CreateCustomChannelWithInterceptors(
        command.address(), legacy::MakeCredentials(command), legacy::MakeArguments(),
        std::move(factories)));
}

// Forks in a reaction. The parent's main thread gets the child's pid; the child has no main thread.
pid_t ForkInReaction(const std::string &parent_peer, bool in_interceptor) {
    static UnaryCall outer, inner;
    static pid_t pid;
    static size_t pollers;
    await_others_asleep();
    pollers = CountPollers();
    if (in_interceptor) {
        intercepted = [] { pid = fork(); };
    }
    StartUnary(client->stub.get(), "outer", &outer, [parent_peer, in_interceptor] {
        if (!in_interceptor) {
            pid = fork();
        }
        if (pid != 0) {
            outer.done.Happen();
            return;
        }
        // A synchronous call is nothing to make in a reaction, but people do.
        const std::string peer = legacy::CallUnary(client->stub.get(), "child");
        const bool own = legacy::OwnConnection(peer, parent_peer);
        StartUnary(client->stub.get(), "inner", &inner, [own] {
            legacy::ReportStatus("child inner", inner.status);
            // The thread that forked is one of them, if it was.
            AwaitPollers(pollers);
            // The threads that wait for the statics are not in this process.
            _exit(own && inner.status.ok() ? 0 : 1);
        });
    });
    outer.done.Await();
    return pid;
}

} // namespace

int main(int argc, char **argv) {
    const CommandLine command(argc, argv, "[--child KIND]", {"--child"});
    const std::string kind =
        command.Choice("--child", {"new", "inherited", "pending", "leaving", "leaving-soon",
                                   "leaving-timer", "idle", "in-callback", "in-interceptor"});
    client = std::make_unique<legacy::Client>(MakeIntercepted(command));
    const std::string peer = CallBack(client->stub.get(), "parent");
    stream = std::make_unique<Stream>(client->stub.get());
    if (peer.empty() || !ExchangeAndReport(stream.get(), "parent", "before")) {
        return 1;
    }
    if (kind.rfind("leaving", 0) == 0) {
        OpenLeavingStreams();
    }
    // A reaction that has told of an event has not returned to gRPC yet, and until it has, its
    // stream counts it. A child that is forked meanwhile does not have its thread, and waits for
    // the stream's end in vain (docs/limits.md). Between the two it blocks nowhere.
    if (kind == "pending") {
        await_others_asleep();
    }
    const pid_t pid = kind == "in-callback" || kind == "in-interceptor"
                          ? ForkInReaction(peer, kind == "in-interceptor")
                          : legacy::StartChild([&] { return Work(command, kind, peer); });
    const bool child_worked = legacy::WaitForChild(pid);
    const bool streams_ended = FinishLeavingStreams();
    const bool same_stream = ExchangeAndReport(stream.get(), "parent", "after");
    const grpc::Status status = stream->Finish();
    Report("parent", "stream", status.error_code());
    const bool same_connection = CallBack(client->stub.get(), "parent after") == peer;
    return child_worked && streams_ended && same_stream && status.ok() && same_connection ? 0 : 1;
}
