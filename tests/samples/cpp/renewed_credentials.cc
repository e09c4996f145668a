// A program that makes credentials, drops them unused and makes others, which gRPC likes to put in
// the same place.
//
// renewed_credentials ADDRESS --tls DIR

#include "legacy.h"

namespace {

// A certificate, but none that vouches for the server.
void MakeAndDrop(const std::string &directory) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = legacy::ReadFile(directory + "/client.pem");
    grpc::SslCredentials(options).reset();
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "");
    MakeAndDrop(command.Value("--tls"));
    legacy::Client client(command);
    return legacy::CallForkCall(client.stub.get(), [&](const std::string &parent_peer) {
        return legacy::OwnConnection(legacy::CallUnary(client.stub.get(), "child"), parent_peer);
    });
}
