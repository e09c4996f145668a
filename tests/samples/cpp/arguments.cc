// A client with channel arguments that it can see the effects of.

#include "legacy.h"

namespace {

constexpr int kReceiveLimit = 16 * 1024;

// A reply over the channel's limit is refused, one under it arrives, and the server is told the
// user agent.
std::string CallWithinLimits(legacy::Echo::Stub *stub, const std::string &who) {
    legacy::Request request;
    request.set_text(std::string(2 * kReceiveLimit, 'x'));
    legacy::Reply reply;
    grpc::ClientContext large;
    legacy::SetDeadline(&large);
    const grpc::Status status = stub->Unary(&large, request, &reply);
    legacy::ReportStatus(who + " large", status);

    grpc::ClientContext small;
    const std::string peer = legacy::CallUnary(stub, who, &small);
    const std::string user_agent = legacy::TrailingMetadata(small, "echo-user-agent");
    legacy::Report(who, "user-agent", user_agent);

    const bool applied = status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
                         user_agent.compare(0, 11, "legacy/1.0 ") == 0;
    return applied ? peer : "";
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "[--channel inherited|new]", {"--channel"});
    const bool new_channel = command.Choice("--channel", {"inherited", "new"}) == "new";

    grpc::ChannelArguments arguments = legacy::MakeArguments();
    {
        grpc::ResourceQuota quota("legacy");
        quota.Resize(8 * 1024 * 1024);
        arguments.SetResourceQuota(quota);
    }
    arguments.SetMaxReceiveMessageSize(kReceiveLimit);
    arguments.SetUserAgentPrefix("legacy/1.0");
    arguments.SetCompressionAlgorithm(GRPC_COMPRESS_GZIP);

    const auto credentials = legacy::MakeCredentials(command);
    const legacy::Client client(
        grpc::CreateCustomChannel(command.address(), credentials, arguments));
    const std::string peer = CallWithinLimits(client.stub.get(), "parent limits");
    if (peer.empty()) {
        return 1;
    }
    return legacy::CallForkCall(client.stub.get(), [&](const std::string &parent_peer) {
        if (!new_channel) {
            return legacy::OwnConnection(CallWithinLimits(client.stub.get(), "child"), parent_peer);
        }
        const legacy::Client own(
            grpc::CreateCustomChannel(command.address(), credentials, arguments));
        return legacy::OwnConnection(CallWithinLimits(own.stub.get(), "child"), parent_peer);
    });
}
