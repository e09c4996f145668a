// A client whose child uses every kind of stream through the stub that it inherited.

#include "legacy.h"

namespace {

constexpr int kMessages = 20;

// The streams' functions return the peer's address, or "" if anything was wrong.
std::string Finish(const std::string &who, const grpc::Status &status, bool complete,
                   const std::string &peer) {
    const bool worked = legacy::ReportStatus(who, status) && complete;
    if (worked) {
        legacy::Report(who, "peer", peer);
    }
    return worked ? peer : "";
}

std::string CallClientStream(legacy::Echo::Stub *stub, const std::string &who) {
    grpc::ClientContext context;
    legacy::SetDeadline(&context);
    legacy::Reply reply;
    const auto writer = stub->ClientStream(&context, &reply);
    std::string sent;
    for (int i = 0; i < kMessages; i++) {
        legacy::Request request;
        request.set_text(std::to_string(i) + ",");
        if (!writer->Write(request)) {
            break;
        }
        sent += request.text();
    }
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    return Finish(who + " client-stream", status, reply.text() == sent, reply.peer());
}

std::string CallServerStream(legacy::Echo::Stub *stub, const std::string &who) {
    grpc::ClientContext context;
    legacy::SetDeadline(&context);
    legacy::Request request;
    request.set_text(who);
    request.set_count(kMessages);
    const auto reader = stub->ServerStream(&context, request);
    legacy::Reply reply;
    int received = 0;
    bool in_order = true;
    while (reader->Read(&reply)) {
        in_order = in_order && reply.sequence() == received;
        received++;
    }
    const grpc::Status status = reader->Finish();
    return Finish(who + " server-stream", status, in_order && received == kMessages, reply.peer());
}

std::string CallBidiStream(legacy::Echo::Stub *stub, const std::string &who) {
    grpc::ClientContext context;
    legacy::SetDeadline(&context);
    const auto stream = stub->BidiStream(&context);
    legacy::Reply reply;
    int received = 0;
    bool in_order = true;
    for (int i = 0; i < kMessages; i++) {
        legacy::Request request;
        request.set_text(who);
        if (!stream->Write(request) || !stream->Read(&reply)) {
            break;
        }
        in_order = in_order && reply.sequence() == received && reply.text() == who;
        received++;
    }
    stream->WritesDone();
    in_order = in_order && !stream->Read(&reply);
    const grpc::Status status = stream->Finish();
    return Finish(who + " bidi-stream", status, in_order && received == kMessages, reply.peer());
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "[--kind client|server|bidi]", {"--kind"});
    const std::string kind = command.Choice("--kind", {"client", "server", "bidi"});
    const auto call = kind == "client"   ? CallClientStream
                      : kind == "server" ? CallServerStream
                                         : CallBidiStream;

    const legacy::Client client(command);
    legacy::Echo::Stub *stub = client.stub.get();
    if (call(stub, "parent").empty()) {
        return 1;
    }
    const int result = legacy::CallForkCall(stub, [&](const std::string &parent_peer) {
        return legacy::OwnConnection(call(stub, "child"), parent_peer);
    });
    return call(stub, "parent after").empty() ? 1 : result;
}
