// Forks again and again while callbacks come in, and serves and calls by the callback API.
//
// callback_loop ADDRESS FORKS [--tls DIR]
//
// Four unary calls and a stream are always under way in the parent; every child calls back twice,
// once through the parent's stub, and ends by returning from main.

#include <atomic>

#include "event.h"
#include "legacy.h"

namespace {

using legacy::Report;

std::unique_ptr<legacy::Client> client;
std::atomic<bool> stop{false};
std::atomic<int> under_way{0};
std::atomic<long> calls{0};
std::atomic<long> failures{0};

// A child is told that its parent's calls are cancelled: it has stopped, and that is no failure.
void Fail(const char *who, const grpc::Status &status) {
    failures++;
    if (!stop) {
        std::cerr << who << ": " << status.error_message() << "\n";
    }
}

// A unary call that starts its successor when it is done.
class Chain {
  public:
    static void Start() {
        under_way++;
        new Chain;
    }

  private:
    Chain() {
        legacy::SetDeadline(&context_);
        request_.set_text("chain");
        client->stub->async()->Unary(&context_, &request_, &reply_,
                                     [this](const grpc::Status &status) { Done(status); });
    }

    void Done(const grpc::Status &status) {
        calls++;
        if (!status.ok() || reply_.text() != "chain") {
            Fail("parent", status);
        }
        if (stop) {
            under_way--;
        } else {
            new Chain;
        }
        delete this;
    }

    grpc::ClientContext context_;
    legacy::Request request_;
    legacy::Reply reply_;
};

// A stream that sends each answer back.
class Stream : public grpc::ClientBidiReactor<legacy::Request, legacy::Reply> {
  public:
    static void Start() {
        under_way++;
        new Stream;
    }

  private:
    Stream() {
        client->stub->async()->BidiStream(&context_, this);
        request_.set_text("stream");
        StartWrite(&request_);
        StartCall();
    }

    void OnWriteDone(bool ok) override {
        if (ok) {
            StartRead(&reply_);
        }
    }

    void OnReadDone(bool ok) override {
        if (!ok) {
            return;
        }
        calls++;
        if (stop) {
            StartWritesDone();
        } else {
            StartWrite(&request_);
        }
    }

    void OnDone(const grpc::Status &status) override {
        if (!status.ok()) {
            Fail("parent's stream", status);
        }
        under_way--;
        delete this;
    }

    grpc::ClientContext context_;
    legacy::Request request_;
    legacy::Reply reply_;
};

bool CallBack(legacy::Echo::Stub *stub) {
    grpc::ClientContext context;
    legacy::SetDeadline(&context);
    legacy::Request request;
    request.set_text("child");
    legacy::Reply reply;
    legacy::Event done;
    grpc::Status status;
    stub->async()->Unary(&context, &request, &reply, [&](const grpc::Status &result) {
        status = result;
        done.Happen();
    });
    done.Await();
    if (!status.ok()) {
        std::cerr << "child: " << status.error_message() << "\n";
    }
    return status.ok() && reply.text() == "child";
}

bool Work(const legacy::CommandLine &command) {
    // What the parent's chains are called back with is no failure here.
    stop = true;
    legacy::Client own(command);
    return CallBack(client->stub.get()) && CallBack(own.stub.get());
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "FORKS");
    const int forks = command.Number(1);
    client = std::make_unique<legacy::Client>(command);
    for (int i = 0; i < 4; i++) {
        Chain::Start();
    }
    Stream::Start();
    int failed_children = 0;
    for (int i = 0; i < forks; i++) {
        const pid_t pid = fork();
        if (pid == 0) {
            _exit(Work(command) ? 0 : 1);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        if (status != 0) {
            failed_children++;
            Report("child's", "wait status", status);
        }
    }
    stop = true;
    while (under_way > 0) {
        usleep(1000);
    }
    Report("parent", "calls", calls > forks ? "enough" : "too few");
    Report("parent", "failures", failures);
    Report("children", "failed", failed_children);
    client.reset();
    return failures == 0 && failed_children == 0 ? 0 : 1;
}
