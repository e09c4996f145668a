// A client that shows the server a token, by one of the ways that gRPC has for it.

#include <utility>

#include <grpcpp/security/credentials.h>

#include "legacy.h"

namespace {

// What an application's own scheme would be.
class TokenPlugin final : public grpc::MetadataCredentialsPlugin {
  public:
    TokenPlugin(std::string token, bool blocking) : token_(std::move(token)), blocking_(blocking) {
    }

    bool IsBlocking() const override {
        return blocking_;
    }

    grpc::Status GetMetadata(grpc::string_ref, grpc::string_ref, const grpc::AuthContext &,
                             std::multimap<std::string, std::string> *metadata) override {
        metadata->insert({"authorization", "Bearer " + token_});
        return grpc::Status::OK;
    }

  private:
    const std::string token_;
    const bool blocking_;
};

std::shared_ptr<grpc::CallCredentials> MakeCallCredentials(const std::string &kind) {
    if (kind == "plugin" || kind == "blocking-plugin") {
        return grpc::MetadataCredentialsFromPlugin(
            std::make_unique<TokenPlugin>("plugin", kind == "blocking-plugin"));
    }
    return grpc::AccessTokenCredentials("token");
}

// Returns the peer if the server was shown what it should have been.
std::string CallWithToken(legacy::Echo::Stub *stub, const std::string &who,
                          const std::shared_ptr<grpc::CallCredentials> &credentials,
                          const std::string &expected) {
    grpc::ClientContext context;
    if (credentials) {
        context.set_credentials(credentials);
    }
    const std::string peer = legacy::CallUnary(stub, who, &context);
    const std::string shown = legacy::TrailingMetadata(context, "echo-authorization");
    legacy::Report(who, "authorization", shown.empty() ? "none" : shown);
    return shown == expected ? peer : "";
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(
        argc, argv,
        "[--token access|plugin|blocking-plugin|none] [--of channel|call] "
        "[--channel inherited|new]",
        {"--token", "--of", "--channel"});
    const std::string token =
        command.Choice("--token", {"access", "plugin", "blocking-plugin", "none"});
    const bool of_call = command.Choice("--of", {"channel", "call"}) == "call";
    const bool new_channel = command.Choice("--channel", {"inherited", "new"}) == "new";

    std::shared_ptr<grpc::ChannelCredentials> channel_credentials =
        legacy::MakeCredentials(command);
    std::shared_ptr<grpc::CallCredentials> call_credentials;
    std::string expected;
    if (token != "none") {
        const auto credentials = MakeCallCredentials(token);
        expected = token == "access" ? "Bearer token" : "Bearer plugin";
        if (of_call) {
            call_credentials = credentials;
        } else {
            channel_credentials =
                grpc::CompositeChannelCredentials(channel_credentials, credentials);
        }
    }

    const legacy::Client client(
        grpc::CreateCustomChannel(command.address(), channel_credentials, legacy::MakeArguments()));
    if (CallWithToken(client.stub.get(), "parent token", call_credentials, expected).empty()) {
        return 1;
    }
    const auto call = [&](legacy::Echo::Stub *stub, const std::string &parent_peer) {
        return legacy::OwnConnection(CallWithToken(stub, "child", call_credentials, expected),
                                     parent_peer);
    };
    return legacy::CallForkCall(client.stub.get(), [&](const std::string &parent_peer) {
        if (!new_channel) {
            return call(client.stub.get(), parent_peer);
        }
        const legacy::Client own(grpc::CreateCustomChannel(command.address(), channel_credentials,
                                                           legacy::MakeArguments()));
        return call(own.stub.get(), parent_peer);
    });
}
