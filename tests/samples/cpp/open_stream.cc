// A client that forks while a stream is open.  The child reads on, and so does the parent.

#include "legacy.h"

namespace {

constexpr int kMessages = 40;
constexpr int kMessagesBeforeFork = 5;
constexpr int kDelayMilliseconds = 20;
// Less than the call's deadline: what it tells apart is whether the child has waited for that.
constexpr std::chrono::seconds kSoon{15};

// One open stream of either kind, with its call.
class OpenStream {
  public:
    virtual ~OpenStream() = default;
    virtual bool Next(legacy::Reply *reply) = 0;
    virtual grpc::Status Finish() = 0;

    grpc::ClientContext *context() {
        return &context_;
    }

  protected:
    OpenStream() {
        legacy::SetDeadline(&context_);
    }

    // The call's reader has to go before its context.
    grpc::ClientContext context_;
};

class ServerStream final : public OpenStream {
  public:
    explicit ServerStream(legacy::Echo::Stub *stub) {
        legacy::Request request;
        request.set_count(kMessages);
        request.set_delay_milliseconds(kDelayMilliseconds);
        reader_ = stub->ServerStream(&context_, request);
    }

    bool Next(legacy::Reply *reply) override {
        return reader_->Read(reply);
    }

    grpc::Status Finish() override {
        return reader_->Finish();
    }

  private:
    std::unique_ptr<grpc::ClientReader<legacy::Reply>> reader_;
};

// Every message is asked for.
class BidiStream final : public OpenStream {
  public:
    explicit BidiStream(legacy::Echo::Stub *stub) : stream_(stub->BidiStream(&context_)) {
    }

    bool Next(legacy::Reply *reply) override {
        if (asked_ == kMessages) {
            return stream_->Read(reply);
        }
        legacy::Request request;
        request.set_delay_milliseconds(kDelayMilliseconds);
        const bool written = stream_->Write(request);
        if (++asked_ == kMessages) {
            stream_->WritesDone();
        }
        // A refused write leaves the status to be read.
        return stream_->Read(reply) && written;
    }

    grpc::Status Finish() override {
        return stream_->Finish();
    }

  private:
    std::unique_ptr<grpc::ClientReaderWriter<legacy::Request, legacy::Reply>> stream_;
    int asked_ = 0;
};

// Returns how many messages came, which must continue the sequence; -1 if they don't.
int ReadSome(OpenStream *stream, int first, int end, const std::string &who) {
    legacy::Reply reply;
    int next = first;
    while (next < end && stream->Next(&reply)) {
        if (reply.sequence() != next) {
            legacy::Report(who, "out-of-order", reply.sequence());
            return -1;
        }
        next++;
    }
    return next - first;
}

// Whether the stream has ended for the child, at once and for a reason that it can tell.
bool FindStreamEnded(std::unique_ptr<OpenStream> *stream, bool cancel) {
    const auto start = std::chrono::steady_clock::now();
    if (cancel) {
        (*stream)->context()->TryCancel();
    }
    const int messages = ReadSome(stream->get(), kMessagesBeforeFork, kMessages, "child");
    const grpc::Status status = (*stream)->Finish();
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start);
    stream->reset();

    legacy::Report("child stream", "messages", messages);
    legacy::ReportStatus("child stream", status);
    legacy::Report("child stream", "soon", elapsed < kSoon);
    return messages == 0 && status.error_code() == grpc::StatusCode::CANCELLED &&
           status.error_message().find("fork") != std::string::npos && elapsed < kSoon;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "[--kind server|bidi] [--child reads|cancels]",
                                      {"--kind", "--child"});
    const bool bidi = command.Choice("--kind", {"server", "bidi"}) == "bidi";
    const bool cancel = command.Choice("--child", {"reads", "cancels"}) == "cancels";

    const legacy::Client client(command);
    legacy::Echo::Stub *stub = client.stub.get();
    const std::string peer = legacy::CallUnary(stub, "parent");

    std::unique_ptr<OpenStream> stream;
    if (bidi) {
        stream = std::make_unique<BidiStream>(stub);
    } else {
        stream = std::make_unique<ServerStream>(stub);
    }
    if (peer.empty() ||
        ReadSome(stream.get(), 0, kMessagesBeforeFork, "parent") != kMessagesBeforeFork) {
        return 1;
    }

    const pid_t child = legacy::StartChild([&] {
        const bool ended = FindStreamEnded(&stream, cancel);
        return legacy::OwnConnection(legacy::CallUnary(stub, "child"), peer) && ended;
    });

    // One more than there are: the read after the last message must find the end.
    const int rest = ReadSome(stream.get(), kMessagesBeforeFork, kMessages + 1, "parent");
    legacy::Report("parent stream", "messages", rest);
    const bool complete = legacy::ReportStatus("parent stream", stream->Finish()) &&
                          rest == kMessages - kMessagesBeforeFork;

    const bool child_worked = legacy::WaitForChild(child);
    const bool parent_worked = legacy::CallAgain(stub, peer);
    return complete && child_worked && parent_worked ? 0 : 1;
}
