// A client with credentials of Google's kinds, made from files, whose tokens need no network; and
// with kinds that do, whose calls fail where there is none.

#include <grpcpp/security/credentials.h>

#include "legacy.h"

namespace {

std::shared_ptr<grpc::CallCredentials> MakeCallCredentials(const std::string &kind,
                                                           const std::string &file) {
    if (kind == "jwt") {
        return grpc::ServiceAccountJWTAccessCredentials(legacy::ReadFile(file), 3600);
    }
    if (kind == "refresh-token") {
        return grpc::GoogleRefreshTokenCredentials(legacy::ReadFile(file));
    }
    if (kind == "iam") {
        return grpc::GoogleIAMCredentials("token", "selector");
    }
    if (kind == "sts") {
        grpc::experimental::StsCredentialsOptions options;
        options.token_exchange_service_uri = "https://127.0.0.1:1/exchange";
        options.subject_token_path = file;
        options.subject_token_type = "urn:ietf:params:oauth:token-type:jwt";
        return grpc::experimental::StsCredentials(options);
    }
    if (kind == "composite") {
        return grpc::CompositeCallCredentials(grpc::AccessTokenCredentials("token"),
                                              grpc::GoogleIAMCredentials("token", "selector"));
    }
    return nullptr;
}

// "Bearer" and the beginning of the token, since a JWT says when it was made.
std::string Shown(const grpc::ClientContext &context) {
    const std::string shown = legacy::TrailingMetadata(context, "echo-authorization");
    return shown.empty() ? "none" : shown.substr(0, 9);
}

// What the call came to: the status and what the server was shown.
std::string Outcome(legacy::Echo::Stub *stub, const std::string &who,
                    grpc::ClientContext *context) {
    legacy::SetDeadline(context);
    legacy::Request request;
    request.set_text(who);
    legacy::Reply reply;
    const grpc::Status status = stub->Unary(context, request, &reply);
    legacy::ReportStatus(who, status);
    if (status.ok()) {
        legacy::Report(who, "peer", reply.peer());
    }
    std::string outcome = std::to_string(status.error_code()) + " " + Shown(*context);
    legacy::Report(who, "outcome", outcome);
    return outcome;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(
        argc, argv,
        "[--kind jwt|refresh-token|iam|sts|composite|google-default] [--file FILE] "
        "[--channel inherited|new]",
        {"--kind", "--file", "--channel"});
    const std::string kind = command.Choice(
        "--kind", {"jwt", "refresh-token", "iam", "sts", "composite", "google-default"});
    const bool new_channel = command.Choice("--channel", {"inherited", "new"}) == "new";
    const auto channel_credentials = kind == "google-default" ? grpc::GoogleDefaultCredentials()
                                                              : legacy::MakeCredentials(command);
    const auto call_credentials = MakeCallCredentials(kind, command.Value("--file"));
    const auto make_client = [&] {
        return legacy::Client(grpc::CreateCustomChannel(command.address(), channel_credentials,
                                                        legacy::MakeArguments()));
    };
    const legacy::Client client = make_client();
    // All are made before the fork, and have their credentials by then.
    grpc::ClientContext contexts[3];
    for (grpc::ClientContext &context : contexts) {
        if (call_credentials) {
            context.set_credentials(call_credentials);
        }
    }
    const std::string in_parent = Outcome(client.stub.get(), "parent", &contexts[0]);
    const bool child_worked = legacy::WaitForChild(legacy::StartChild([&] {
        if (!new_channel) {
            return Outcome(client.stub.get(), "child", &contexts[1]) == in_parent;
        }
        return Outcome(make_client().stub.get(), "child", &contexts[1]) == in_parent;
    }));
    const bool parent_worked =
        Outcome(client.stub.get(), "parent after", &contexts[2]) == in_parent;
    return child_worked && parent_worked ? 0 : 1;
}
