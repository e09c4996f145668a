// A program that makes server credentials, serves with them, and forks; its child starts a server
// of its own with the same credentials and calls it.

#include <unistd.h>

#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/server_credentials.h>

#ifdef HAVE_TLS_SERVER_CREDENTIALS
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#endif

#include "pid_service.h"

namespace {

// What an application's own scheme would be: a call shows a token, and the server takes it.
class TokenProcessor final : public grpc::AuthMetadataProcessor {
  public:
    bool IsBlocking() const override {
        return false;
    }

    grpc::Status Process(const InputMetadata &metadata, grpc::AuthContext *, OutputMetadata *,
                         OutputMetadata *) override {
        const auto found = metadata.find("x-token");
        if (found != metadata.end() && found->second == "token") {
            return grpc::Status::OK;
        }
        return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "no token");
    }
};

struct Credentials {
    std::shared_ptr<grpc::ServerCredentials> server;
    std::shared_ptr<grpc::ChannelCredentials> channel;
    grpc::ChannelArguments arguments;
};

#ifdef HAVE_TLS_SERVER_CREDENTIALS
namespace tls = grpc::experimental;

// Certificates that are given once, or read from files again and again.
std::shared_ptr<tls::CertificateProviderInterface>
MakeProvider(bool files, const std::string &directory, const std::string &name) {
    const std::string key = directory + "/" + name + ".key";
    const std::string certificate = directory + "/" + name + ".pem";
    if (files) {
        return std::make_shared<tls::FileWatcherCertificateProvider>(key, certificate,
                                                                     directory + "/ca.pem", 1);
    }
    return std::make_shared<tls::StaticDataCertificateProvider>(
        legacy::ReadFile(directory + "/ca.pem"),
        std::vector<tls::IdentityKeyCertPair>{
            {legacy::ReadFile(key), legacy::ReadFile(certificate)}});
}

Credentials MakeTlsCredentials(bool files, const std::string &directory) {
    tls::TlsServerCredentialsOptions server(MakeProvider(files, directory, "server"));
    server.watch_root_certs();
    server.watch_identity_key_cert_pairs();
    server.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls::TlsChannelCredentialsOptions channel;
    channel.set_certificate_provider(MakeProvider(files, directory, "client"));
    channel.watch_root_certs();
    channel.watch_identity_key_cert_pairs();
    return {tls::TlsServerCredentials(server), tls::TlsCredentials(channel),
            legacy::MakeArguments()};
}
#endif

Credentials MakeCredentials(const std::string &kind, const std::string &directory) {
#ifdef HAVE_TLS_SERVER_CREDENTIALS
    if (kind == "tls" || kind == "tls-files") {
        return MakeTlsCredentials(kind == "tls-files", directory);
    }
#endif
    if (kind == "insecure") {
        return {grpc::InsecureServerCredentials(), grpc::InsecureChannelCredentials(), {}};
    }
    if (kind == "local") {
        return {grpc::experimental::LocalServerCredentials(LOCAL_TCP),
                grpc::experimental::LocalCredentials(LOCAL_TCP),
                {}};
    }
    grpc::SslServerCredentialsOptions server(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    server.pem_root_certs = legacy::ReadFile(directory + "/ca.pem");
    server.pem_key_cert_pairs.push_back(
        {legacy::ReadFile(directory + "/server.key"), legacy::ReadFile(directory + "/server.pem")});
    grpc::SslCredentialsOptions channel;
    channel.pem_root_certs = server.pem_root_certs;
    channel.pem_private_key = legacy::ReadFile(directory + "/client.key");
    channel.pem_cert_chain = legacy::ReadFile(directory + "/client.pem");
    Credentials credentials = {grpc::SslServerCredentials(server), grpc::SslCredentials(channel),
                               legacy::MakeArguments()};
    if (kind == "ssl-processor") {
        credentials.server->SetAuthMetadataProcessor(std::make_shared<TokenProcessor>());
    }
    return credentials;
}

bool Call(const Credentials &credentials, int port, const std::string &who,
          const std::string &token) {
    const legacy::Client client(grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(port), credentials.channel, credentials.arguments));
    grpc::ClientContext context;
    if (!token.empty()) {
        context.AddMetadata("x-token", token);
    }
    return !legacy::CallUnary(client.stub.get(), who, &context).empty();
}

bool ServeAndCall(const std::string &kind, const Credentials &credentials, const std::string &who) {
    legacy::PidService service;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.RegisterService(&service);
    builder.AddListeningPort("127.0.0.1:0", credentials.server, &port);
    const auto server = builder.BuildAndStart();
    if (!server || port == 0) {
        legacy::Report(who, "server", "none");
        return false;
    }
    const bool asks = kind == "ssl-processor";
    const bool called = Call(credentials, port, who, asks ? "token" : "");
    const bool refused = !asks || !Call(credentials, port, who + " refused", "");
    server->Shutdown();
    return called && refused;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(
        argc, argv,
        "--credentials insecure|local|ssl|ssl-processor|tls|tls-files "
        "(ADDRESS is the directory of the certificates)",
        {"--credentials"});
    const std::string kind =
        command.Choice("--credentials", {"insecure", "local", "ssl", "ssl-processor",
#ifdef HAVE_TLS_SERVER_CREDENTIALS
                                         "tls", "tls-files"
#endif
                                        });
    const Credentials credentials = MakeCredentials(kind, command.address());
    if (!ServeAndCall(kind, credentials, "parent")) {
        return 1;
    }
    const bool child_worked = legacy::WaitForChild(
        legacy::StartChild([&] { return ServeAndCall(kind, credentials, "child"); }));
    return ServeAndCall(kind, credentials, "parent after") && child_worked ? 0 : 1;
}
