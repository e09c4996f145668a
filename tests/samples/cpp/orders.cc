// A program that holds one of everything. Its children destroy it in other orders than it was made
// in, calling in between, and exit with what is left.
//
// orders ADDRESS FIRST COUNT   COUNT children, whose orders follow from the numbers from FIRST on

#include <algorithm>
#include <random>

#include <grpcpp/alarm.h>
#include <grpcpp/resource_quota.h>

#include "pid_service.h"

namespace {

std::chrono::system_clock::time_point Late() {
    return std::chrono::system_clock::now() + std::chrono::seconds(100);
}

class Everything {
  public:
    explicit Everything(const legacy::CommandLine &command)
        : quota_(std::make_unique<grpc::ResourceQuota>("orders")),
          credentials_(legacy::MakeCredentials(command)), other_(command) {
        grpc::ChannelArguments arguments = legacy::MakeArguments();
        arguments.SetResourceQuota(*quota_);
        channel_ = grpc::CreateCustomChannel(command.address(), credentials_, arguments);
        stub_ = legacy::Echo::NewStub(channel_);
        request_.set_delay_milliseconds(60000);
        StartOnQueue();
        synchronous_ = stub_->BidiStream(synchronous_context_.get());
        synchronous_->Write(request_);
        grpc::ServerBuilder builder;
        builder.RegisterService(&service_);
        builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials());
        server_ = builder.BuildAndStart();
    }

    std::string Call(const std::string &who) {
        return legacy::CallUnary(other_.stub.get(), who);
    }

    legacy::Echo::Stub *stub() {
        return other_.stub.get();
    }

    // What a child does, in whatever order. A call ends before its context does, and the context of
    // one that gets its answer by the queue after that answer, which is written into it
    // (grpcpp/client_context.h: it must not go before the call is over).
    std::vector<std::pair<const char *, std::function<bool()>>> Steps() {
        return {
            {"channel", [this] { return channel_.reset(), true; }},
            {"stub", [this] { return stub_.reset(), true; }},
            {"drain", [this] { return Drain(); }},
            {"queue", [this] { return queue_.reset(), true; }},
            {"stream", [this] { return asynchronous_.reset(), stream_context_.reset(), true; }},
            {"sync", [this] { return synchronous_.reset(), synchronous_context_.reset(), true; }},
            {"unary",
             [this] {
                 const bool drained = Drain();
                 return unary_.reset(), unary_context_.reset(), drained;
             }},
            {"alarm", [this] { return alarm_.reset(), true; }},
            {"shutdown", [this] { return server_ ? server_->Shutdown() : void(), true; }},
            {"server", [this] { return server_.reset(), true; }},
            {"credentials", [this] { return credentials_.reset(), true; }},
            {"quota", [this] { return quota_.reset(), true; }},
            {"call", [this] { return !Call("child").empty(); }},
        };
    }

  private:
    void StartOnQueue() {
        queue_ = std::make_unique<grpc::CompletionQueue>();
        alarm_ = std::make_unique<grpc::Alarm>();
        alarm_->Set(queue_.get(), Late(), this);
        channel_->NotifyOnStateChange(GRPC_CHANNEL_SHUTDOWN, Late(), queue_.get(), this);
        asynchronous_ = stub_->AsyncBidiStream(stream_context_.get(), queue_.get(), this);
        unary_ = stub_->AsyncUnary(unary_context_.get(), request_, queue_.get());
        unary_->Finish(&reply_, &status_, this);
    }

    // All that was pending at the fork has failed: alarm, watch and call; the stream may have
    // started before.
    bool Drain() {
        void *tag = nullptr;
        bool ok = false;
        int failed = 0;
        if (!queue_ || drained_) {
            return true;
        }
        drained_ = true;
        queue_->Shutdown();
        while (queue_->Next(&tag, &ok)) {
            failed += ok ? 0 : 1;
        }
        legacy::Report("child", "failed tags", failed);
        return failed >= 2;
    }

    std::unique_ptr<grpc::ResourceQuota> quota_;
    std::shared_ptr<grpc::ChannelCredentials> credentials_;
    legacy::Client other_;
    std::shared_ptr<grpc::Channel> channel_;
    std::unique_ptr<legacy::Echo::Stub> stub_;
    legacy::Request request_;
    legacy::Reply reply_;
    grpc::Status status_;
    std::unique_ptr<grpc::CompletionQueue> queue_;
    bool drained_ = false;
    std::unique_ptr<grpc::Alarm> alarm_;
    std::unique_ptr<grpc::ClientContext> stream_context_ = std::make_unique<grpc::ClientContext>();
    std::unique_ptr<grpc::ClientContext> synchronous_context_ =
        std::make_unique<grpc::ClientContext>();
    std::unique_ptr<grpc::ClientContext> unary_context_ = std::make_unique<grpc::ClientContext>();
    std::unique_ptr<grpc::ClientAsyncReaderWriter<legacy::Request, legacy::Reply>> asynchronous_;
    std::unique_ptr<grpc::ClientReaderWriter<legacy::Request, legacy::Reply>> synchronous_;
    std::unique_ptr<grpc::ClientAsyncResponseReader<legacy::Reply>> unary_;
    legacy::PidService service_;
    std::unique_ptr<grpc::Server> server_;
};

std::unique_ptr<Everything> everything;

// Every other child leaves half of it alive.
bool DestroyInOrder(int number) {
    auto steps = everything->Steps();
    std::mt19937 random(static_cast<unsigned>(number));
    std::shuffle(steps.begin(), steps.end(), random);
    if (number % 2 == 1) {
        steps.resize(steps.size() / 2);
    }
    std::string done;
    for (const auto &step : steps) {
        done += std::string(done.empty() ? "" : " ") + step.first;
        if (!step.second()) {
            legacy::Report("child", "failed at", done);
            return false;
        }
    }
    legacy::Report("child", "order", done);
    return true;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "FIRST COUNT");
    everything = std::make_unique<Everything>(command);
    const std::string peer = everything->Call("parent");
    if (peer.empty()) {
        return 1;
    }
    int worked = 0;
    for (int i = 0; i < command.Number(2); i++) {
        const int number = command.Number(1) + i;
        if (legacy::WaitForChild(legacy::StartChild([&] { return DestroyInOrder(number); }))) {
            worked++;
        } else {
            legacy::Report("failed", "child", number);
        }
    }
    legacy::Report("children", "worked", worked);
    const bool parent_worked = legacy::CallAgain(everything->stub(), peer);
    static_cast<void>(everything.release()); // the parent's end is not the subject
    return parent_worked && worked == command.Number(2) ? 0 : 1;
}
