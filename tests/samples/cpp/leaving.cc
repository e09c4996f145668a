// A program whose objects of every kind are alive in static storage, or on the stack, when its
// child leaves, in each of the ways that there are.

#include <cstdlib>
#include <stdexcept>

#include <pthread.h>

#include <grpcpp/alarm.h>
#include <grpcpp/resource_quota.h>

#include "legacy.h"

namespace {

std::chrono::system_clock::time_point In(int seconds) {
    return std::chrono::system_clock::now() + std::chrono::seconds(seconds);
}

// Everything at once; what is destroyed last comes first.
class Everything {
  public:
    explicit Everything(const legacy::CommandLine &command)
        : quota_("leaving"), credentials_(legacy::MakeCredentials(command)),
          token_(grpc::AccessTokenCredentials("token")), client_(MakeClient(command)),
          lame_(std::make_unique<legacy::Client>(
              grpc::CreateChannel("ipv4:127.0.0.1:1", credentials_))),
          queue_(std::make_unique<grpc::CompletionQueue>()), server_(MakeServer()) {
        alarm_.Set(queue_.get(), In(100), this);
        client_->channel->NotifyOnStateChange(GRPC_CHANNEL_SHUTDOWN, In(100), queue_.get(), this);
        asynchronous_ = client_->stub->AsyncBidiStream(&asynchronous_context_, queue_.get(), this);
        request_.set_delay_milliseconds(60000);
        synchronous_ = client_->stub->BidiStream(&synchronous_context_);
        synchronous_->Write(request_);
        unary_ = client_->stub->AsyncUnary(&unary_context_, request_, queue_.get());
        unary_->Finish(&reply_, &status_, this);
    }

    std::string Call(const std::string &who) {
        return legacy::CallUnary(client_->stub.get(), who);
    }

    legacy::Echo::Stub *stub() {
        return client_->stub.get();
    }

  private:
    std::unique_ptr<legacy::Client> MakeClient(const legacy::CommandLine &command) {
        grpc::ChannelArguments arguments = legacy::MakeArguments();
        arguments.SetResourceQuota(quota_);
        return std::make_unique<legacy::Client>(
            grpc::CreateCustomChannel(command.address(), credentials_, arguments));
    }

    std::unique_ptr<grpc::Server> MakeServer() {
        grpc::ServerBuilder builder;
        builder.RegisterService(&service_);
        builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials());
        return builder.BuildAndStart();
    }

    grpc::ResourceQuota quota_;
    std::shared_ptr<grpc::ChannelCredentials> credentials_;
    std::shared_ptr<grpc::CallCredentials> token_;
    std::unique_ptr<legacy::Client> client_;
    std::unique_ptr<legacy::Client> lame_;
    std::unique_ptr<grpc::CompletionQueue> queue_;
    legacy::Echo::Service service_;
    std::unique_ptr<grpc::Server> server_;
    legacy::Request request_;
    legacy::Reply reply_;
    grpc::Status status_;
    grpc::ClientContext asynchronous_context_;
    grpc::ClientContext synchronous_context_;
    grpc::ClientContext unary_context_;
    std::unique_ptr<grpc::ClientAsyncReaderWriter<legacy::Request, legacy::Reply>> asynchronous_;
    std::unique_ptr<grpc::ClientReaderWriter<legacy::Request, legacy::Reply>> synchronous_;
    std::unique_ptr<grpc::ClientAsyncResponseReader<legacy::Reply>> unary_;
    grpc::Alarm alarm_;
};

std::unique_ptr<Everything> everything;

struct SaysGoodbye {
    ~SaysGoodbye() {
        // Constructed first, so destroyed last: nothing before it has hung or crashed.
        legacy::Report("process", "destroyed", getpid());
    }
};

void *JoinAndExit(void *thread) {
    pthread_join(*static_cast<pthread_t *>(thread), nullptr);
    exit(0);
}

// Ends the main thread; gRPC's threads would keep a process alive that has started it.
[[noreturn]] void EndMainThread(bool used) {
    static pthread_t main_thread = pthread_self();
    pthread_t other;
    if (used && pthread_create(&other, nullptr, JoinAndExit, &main_thread) != 0) {
        abort();
    }
    pthread_exit(nullptr);
}

void Throw(std::unique_ptr<Everything> on_stack, bool use) {
    if (use && on_stack->Call("child").empty()) {
        throw std::logic_error("no call");
    }
    throw std::runtime_error("unwound");
}

} // namespace

int main(int argc, char **argv) {
    static const SaysGoodbye goodbye;
    const legacy::CommandLine command(
        argc, argv, "[--way exit|quick_exit|return|exception|pthread_exit] [--use no|yes]",
        {"--way", "--use"});
    const std::string way =
        command.Choice("--way", {"exit", "quick_exit", "return", "exception", "pthread_exit"});
    const bool use = command.Choice("--use", {"no", "yes"}) == "yes";

    everything = std::make_unique<Everything>(command);
    const std::string peer = everything->Call("parent");
    if (peer.empty()) {
        return 1;
    }
    const pid_t child = fork();
    if (child > 0) {
        const bool child_worked = legacy::WaitForChild(child);
        const bool parent_worked = legacy::CallAgain(everything->stub(), peer);
        static_cast<void>(everything.release()); // the parent's end is not the subject
        return child_worked && parent_worked ? 0 : 1;
    }
    if (child < 0) {
        return 1;
    }
    at_quick_exit([] { legacy::Report("process", "quick", getpid()); });
    if (way == "exception") {
        try {
            Throw(std::move(everything), use);
        } catch (const std::exception &error) {
            legacy::Report("child", "caught", error.what());
            return 0;
        }
    }
    if (use && !legacy::OwnConnection(everything->Call("child"), peer)) {
        _exit(1);
    }
    if (way == "exit") {
        exit(0);
    }
    if (way == "quick_exit") {
        quick_exit(0);
    }
    if (way == "pthread_exit") {
        EndMainThread(use);
    }
    return 0;
}
