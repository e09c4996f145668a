// Calls that are prepared before the fork and started after it, in the child and in the parent: a
// unary one, a stream, and a generic one.

#include <grpcpp/generic/generic_stub.h>

#include "legacy.h"

namespace {

constexpr const char *kMethod = "/samples.Echo/Unary";

void *Tag(int number) {
    return reinterpret_cast<void *>(static_cast<intptr_t>(number));
}

grpc::ByteBuffer Serialized(const legacy::Request &request) {
    grpc::ByteBuffer buffer;
    bool own_buffer = false;
    grpc::SerializationTraits<legacy::Request>::Serialize(request, &buffer, &own_buffer);
    return buffer;
}

class Calls {
  public:
    explicit Calls(legacy::Client *client) : generic_stub_(client->channel) {
        for (grpc::ClientContext *context :
             {&unary_context_, &stream_context_, &generic_context_}) {
            context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
        }
        request_.set_text("prepared");
        unary_ = client->stub->PrepareAsyncUnary(&unary_context_, request_, &queue_);
        stream_ = client->stub->PrepareAsyncBidiStream(&stream_context_, &queue_);
        generic_ = generic_stub_.PrepareUnaryCall(&generic_context_, kMethod, Serialized(request_),
                                                  &queue_);
    }

    // Whether all of them end like this, and each tag comes once.
    bool Start(const std::string &who, grpc::StatusCode expected) {
        const bool succeeds = expected == grpc::StatusCode::OK;
        legacy::Reply reply;
        grpc::ByteBuffer buffer;
        grpc::Status unary_status;
        grpc::Status generic_status;
        grpc::Status stream_status;
        unary_->StartCall();
        unary_->Finish(&reply, &unary_status, Tag(1));
        generic_->StartCall();
        generic_->Finish(&buffer, &generic_status, Tag(2));
        std::set<std::string> events = {Next(), Next()};
        bool worked = events == std::set<std::string>{"1 ok", "2 ok"};
        stream_->StartCall(Tag(3));
        const std::string started = Next();
        worked = started == (succeeds ? "3 ok" : "3 failed") && worked;
        stream_->WritesDone(Tag(4));
        const std::string written = Next();
        worked = written == (succeeds ? "4 ok" : "4 failed") && worked;
        stream_->Finish(&stream_status, Tag(5));
        worked = Next() == "5 ok" && worked;
        legacy::Report(who, "unary status", unary_status.error_code());
        legacy::Report(who, "generic status", generic_status.error_code());
        legacy::Report(who, "stream started", started);
        legacy::Report(who, "stream status", stream_status.error_code());
        queue_.Shutdown();
        worked = Next() == "over" && worked;
        return worked && unary_status.error_code() == expected &&
               generic_status.error_code() == expected && stream_status.error_code() == expected;
    }

  private:
    std::string Next() {
        void *tag = nullptr;
        bool ok = false;
        switch (queue_.AsyncNext(&tag, &ok,
                                 std::chrono::system_clock::now() + std::chrono::seconds(30))) {
        case grpc::CompletionQueue::GOT_EVENT:
            return std::to_string(reinterpret_cast<intptr_t>(tag)) + (ok ? " ok" : " failed");
        case grpc::CompletionQueue::SHUTDOWN:
            return "over";
        default:
            return "timeout";
        }
    }

    grpc::GenericStub generic_stub_;
    grpc::CompletionQueue queue_;
    legacy::Request request_;
    grpc::ClientContext unary_context_, stream_context_, generic_context_;
    std::unique_ptr<grpc::ClientAsyncResponseReader<legacy::Reply>> unary_;
    std::unique_ptr<grpc::ClientAsyncReaderWriter<legacy::Request, legacy::Reply>> stream_;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> generic_;
};

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "");
    legacy::Client client(command);
    const auto calls = std::make_unique<Calls>(&client);
    const int result = legacy::CallForkCall(client.stub.get(), [&](const std::string &parent_peer) {
        return calls->Start("child", grpc::StatusCode::CANCELLED) &&
               Calls(&client).Start("child new", grpc::StatusCode::OK) &&
               legacy::OwnConnection(legacy::CallUnary(client.stub.get(), "child"), parent_peer);
    });
    const bool parent_worked = calls->Start("parent", grpc::StatusCode::OK);
    return parent_worked ? result : 1;
}
