// A client on a completion queue.  It forks while a unary call and the read of a bidirectional
// stream are pending; then both processes go on with their state machine.

#include "legacy.h"

namespace {

// The answer comes after the fork.
constexpr int kDelayMilliseconds = 1000;
// A tag that comes back needs less, one that does not is not waited for much longer.
constexpr std::chrono::seconds kSoon{15};

struct Event {
    grpc::CompletionQueue::NextStatus next = grpc::CompletionQueue::TIMEOUT;
    void *tag = nullptr;
    bool ok = false;

    bool Is(const void *expected_tag, bool expected_ok) const {
        return next == grpc::CompletionQueue::GOT_EVENT && tag == expected_tag && ok == expected_ok;
    }
};

Event WaitFor(grpc::CompletionQueue *queue, std::chrono::milliseconds time_out) {
    Event event;
    event.next =
        queue->AsyncNext(&event.tag, &event.ok, std::chrono::system_clock::now() + time_out);
    return event;
}

struct UnaryCall {
    UnaryCall(legacy::Echo::Stub *stub, grpc::CompletionQueue *queue, int delay_milliseconds) {
        legacy::SetDeadline(&context);
        legacy::Request request;
        request.set_delay_milliseconds(delay_milliseconds);
        reader = stub->AsyncUnary(&context, request, queue);
        reader->Finish(&reply, &status, &finished);
    }

    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<legacy::Reply>> reader;
    legacy::Reply reply;
    grpc::Status status;
    // The addresses of these are the tags.
    char finished = 0;
};

struct BidiCall {
    BidiCall(legacy::Echo::Stub *stub, grpc::CompletionQueue *queue) {
        legacy::SetDeadline(&context);
        stream = stub->PrepareAsyncBidiStream(&context, queue);
        stream->StartCall(&started);
    }

    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientAsyncReaderWriter<legacy::Request, legacy::Reply>> stream;
    legacy::Reply reply;
    grpc::Status status;
    char started = 0;
    char read = 0;
    char written = 0;
    char writes_done = 0;
    char finished = 0;
};

// One exchange on the stream, whose read may have been started before.
bool Exchange(BidiCall *call, grpc::CompletionQueue *queue, bool start_read) {
    if (start_read) {
        call->stream->Read(&call->reply, &call->read);
    }
    call->stream->Write(legacy::Request(), &call->written);
    const Event first = WaitFor(queue, legacy::deadline);
    const Event second = WaitFor(queue, legacy::deadline);
    return (first.Is(&call->written, true) && second.Is(&call->read, true)) ||
           (first.Is(&call->read, true) && second.Is(&call->written, true));
}

bool EndStream(BidiCall *call, grpc::CompletionQueue *queue, const std::string &who) {
    call->stream->WritesDone(&call->writes_done);
    const bool half_closed = WaitFor(queue, legacy::deadline).Is(&call->writes_done, true);
    call->stream->Finish(&call->status, &call->finished);
    const bool finished = WaitFor(queue, legacy::deadline).Is(&call->finished, true);
    return legacy::ReportStatus(who, call->status) && half_closed && finished;
}

bool NamesFork(const grpc::Status &status) {
    return status.error_code() == grpc::StatusCode::CANCELLED &&
           status.error_message().find("fork") != std::string::npos;
}

// Every tag that was pending comes back once, and says that its operation is over.
bool CollectPending(UnaryCall *unary, BidiCall *bidi, grpc::CompletionQueue *queue) {
    int unary_tags = 0;
    int read_tags = 0;
    bool unary_ok = false;
    bool read_ok = true;
    for (int i = 0; i < 2; i++) {
        const Event event = WaitFor(queue, kSoon);
        if (event.next != grpc::CompletionQueue::GOT_EVENT) {
            break;
        }
        if (event.tag == &unary->finished) {
            unary_tags++;
            unary_ok = event.ok;
        } else if (event.tag == &bidi->read) {
            read_tags++;
            read_ok = event.ok;
        }
    }
    legacy::Report("child pending-unary", "tags", unary_tags);
    legacy::Report("child pending-unary", "ok", unary_ok);
    legacy::ReportStatus("child pending-unary", unary->status);
    legacy::Report("child pending-read", "tags", read_tags);
    legacy::Report("child pending-read", "ok", read_ok);
    if (unary_tags != 1 || read_tags != 1) {
        return false;
    }

    bidi->stream->Finish(&bidi->status, &bidi->finished);
    const Event finished = WaitFor(queue, kSoon);
    legacy::Report("child pending-stream", "ok", finished.Is(&bidi->finished, true));
    legacy::ReportStatus("child pending-stream", bidi->status);
    return unary_ok && NamesFork(unary->status) && !read_ok && finished.Is(&bidi->finished, true) &&
           NamesFork(bidi->status);
}

// An empty queue times out, and when it has been shut down it ends.
bool DrainAndEnd(grpc::CompletionQueue *queue, const std::string &who) {
    const bool timed_out =
        WaitFor(queue, std::chrono::milliseconds(50)).next == grpc::CompletionQueue::TIMEOUT;
    legacy::Report(who, "empty-queue-times-out", timed_out);
    queue->Shutdown();
    void *tag = nullptr;
    bool ok = false;
    const bool ended = !queue->Next(&tag, &ok);
    legacy::Report(who, "queue-ends", ended);
    return timed_out && ended;
}

bool CallAsync(legacy::Echo::Stub *stub, grpc::CompletionQueue *queue, const std::string &who,
               std::string *peer) {
    UnaryCall unary(stub, queue, 0);
    const bool answered = WaitFor(queue, legacy::deadline).Is(&unary.finished, true);
    if (!legacy::ReportStatus(who, unary.status) || !answered) {
        return false;
    }
    *peer = unary.reply.peer();
    legacy::Report(who, "server", unary.reply.pid());
    legacy::Report(who, "peer", *peer);

    BidiCall bidi(stub, queue);
    return WaitFor(queue, legacy::deadline).Is(&bidi.started, true) &&
           Exchange(&bidi, queue, true) && Exchange(&bidi, queue, true) &&
           EndStream(&bidi, queue, who + " stream") && bidi.reply.sequence() == 1;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "");
    const legacy::Client client(command);
    legacy::Echo::Stub *stub = client.stub.get();
    grpc::CompletionQueue queue;

    std::string peer;
    if (!CallAsync(stub, &queue, "parent", &peer)) {
        return 1;
    }

    auto bidi = std::make_unique<BidiCall>(stub, &queue);
    if (!WaitFor(&queue, legacy::deadline).Is(&bidi->started, true) ||
        !Exchange(bidi.get(), &queue, true)) {
        return 1;
    }
    auto unary = std::make_unique<UnaryCall>(stub, &queue, kDelayMilliseconds);
    bidi->stream->Read(&bidi->reply, &bidi->read);

    const pid_t child = legacy::StartChild([&] {
        if (!CollectPending(unary.get(), bidi.get(), &queue)) {
            return false;
        }
        unary.reset();
        bidi.reset();
        std::string child_peer;
        const bool called = CallAsync(stub, &queue, "child", &child_peer) &&
                            legacy::OwnConnection(child_peer, peer);
        return DrainAndEnd(&queue, "child") && called;
    });

    const bool answered = WaitFor(&queue, legacy::deadline).Is(&unary->finished, true);
    const bool pending_worked =
        legacy::ReportStatus("parent pending-unary", unary->status) && answered;
    const bool stream_worked = Exchange(bidi.get(), &queue, false) &&
                               EndStream(bidi.get(), &queue, "parent pending-stream") &&
                               bidi->reply.sequence() == 1;

    const bool child_worked = legacy::WaitForChild(child);
    const bool parent_worked = legacy::CallAgain(stub, peer);
    if (!pending_worked || !stream_worked) {
        // What is still pending can't be destroyed.
        exit(1);
    }
    return DrainAndEnd(&queue, "parent") && child_worked && parent_worked ? 0 : 1;
}
