// A client one of whose channels is lame: gRPC made it, and fails every call of it at once.

#include "legacy.h"

namespace {

// Less than the call's deadline: what it tells apart is whether the call has waited for that.
constexpr std::chrono::seconds kSoon{15};

grpc::Status CallLame(legacy::Echo::Stub *stub, const std::string &who, bool *soon) {
    grpc::ClientContext context;
    legacy::SetDeadline(&context);
    legacy::Reply reply;
    const auto start = std::chrono::steady_clock::now();
    grpc::Status status = stub->Unary(&context, legacy::Request(), &reply);
    *soon = std::chrono::steady_clock::now() - start < kSoon;
    legacy::ReportStatus(who + " lame", status);
    legacy::Report(who + " lame", "soon", *soon);
    return status;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "[--lacks target|credentials]", {"--lacks"});
    const bool no_target = command.Choice("--lacks", {"target", "credentials"}) == "target";

    const legacy::Client client(command);
    const legacy::Client lame(
        no_target ? grpc::CreateCustomChannel("ipv4:nowhere", grpc::InsecureChannelCredentials(),
                                              legacy::MakeArguments())
                  : grpc::CreateCustomChannel(command.address(), nullptr, legacy::MakeArguments()));
    bool soon = false;
    const grpc::Status expected = CallLame(lame.stub.get(), "parent", &soon);
    if (expected.ok() || !soon) {
        return 1;
    }
    return legacy::CallForkCall(client.stub.get(), [&](const std::string &parent_peer) {
        const grpc::Status status = CallLame(lame.stub.get(), "child", &soon);
        const bool same = status.error_code() == expected.error_code() &&
                          status.error_message() == expected.error_message();
        const std::string peer = legacy::CallUnary(client.stub.get(), "child");
        return legacy::OwnConnection(peer, parent_peer) && same && soon;
    });
}
