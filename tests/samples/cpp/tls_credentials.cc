// A client whose TLS credentials come from a certificate provider: fixed data, or files that are
// watched; with or without a certificate of its own; with gRPC's verifier or the program's.

#include <atomic>
#include <thread>

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "legacy.h"

namespace {

namespace tls = grpc::experimental;

std::atomic<int> verified{0};

// Accepts what gRPC has checked already, and counts.
class CountingVerifier final : public tls::ExternalCertificateVerifier {
  public:
    bool Verify(tls::TlsCustomVerificationCheckRequest *, std::function<void(grpc::Status)>,
                grpc::Status *status) override {
        verified++;
        *status = grpc::Status::OK;
        return true;
    }

    void Cancel(tls::TlsCustomVerificationCheckRequest *) override {
    }
};

struct Materials {
    std::string roots, key, certificates; // files; key and certificates may be ""
};

std::shared_ptr<tls::CertificateProviderInterface> MakeProvider(const std::string &kind,
                                                                const Materials &materials) {
    if (kind == "files") {
        return std::make_shared<tls::FileWatcherCertificateProvider>(
            materials.key, materials.certificates, materials.roots, 1);
    }
    std::vector<tls::IdentityKeyCertPair> pairs;
    if (!materials.key.empty()) {
        pairs.push_back(
            {legacy::ReadFile(materials.key), legacy::ReadFile(materials.certificates)});
    }
    return std::make_shared<tls::StaticDataCertificateProvider>(legacy::ReadFile(materials.roots),
                                                                pairs);
}

tls::TlsChannelCredentialsOptions
MakeOptions(const std::shared_ptr<tls::CertificateProviderInterface> &provider, bool has_identity,
            bool own_verifier) {
    tls::TlsChannelCredentialsOptions options;
    options.set_certificate_provider(provider);
    options.watch_root_certs();
    if (has_identity) {
        options.watch_identity_key_cert_pairs();
    }
    if (own_verifier) {
#ifndef __clang_analyzer__ // which takes what this template gives to gRPC for a leak
        options.set_certificate_verifier(
            tls::ExternalCertificateVerifier::Create<CountingVerifier>());
#endif
        options.set_check_call_host(false);
    }
    return options;
}

// A channel that shares no connection with any before.
std::unique_ptr<legacy::Client>
NewClient(const legacy::CommandLine &command,
          const std::shared_ptr<grpc::ChannelCredentials> &credentials) {
    static int number = 0;
    grpc::ChannelArguments arguments = legacy::MakeArguments();
    arguments.SetInt("sample.number", number++);
    return std::make_unique<legacy::Client>(
        grpc::CreateCustomChannel(command.address(), credentials, arguments));
}

// The files are read again every second: once they hold roots that the server's certificate is not
// of, no new connection is made. The file is replaced, not rewritten: whoever reads it meanwhile
// sees one or the other.
bool NoticesNewRoots(const legacy::CommandLine &command, const std::string &roots,
                     const std::shared_ptr<grpc::ChannelCredentials> &credentials) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(45);
    if (rename((roots + ".other").c_str(), roots.c_str()) != 0) {
        perror("rename");
        return false;
    }
    while (std::chrono::steady_clock::now() < end) {
        if (legacy::CallUnary(NewClient(command, credentials)->stub.get(), "child watching")
                .empty()) {
            legacy::Report("child", "roots", "noticed");
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100)); // each connects anew
    }
    legacy::Report("child", "roots", "missed");
    return false;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(
        argc, argv,
        "--roots FILE [--key FILE --certificates FILE] [--provider fixed|files] "
        "[--verifier host|own] [--use channel|credentials|options] [--watch no|yes]",
        {"--roots", "--key", "--certificates", "--provider", "--verifier", "--use", "--watch"});
    const Materials materials = {command.Value("--roots"), command.Value("--key"),
                                 command.Value("--certificates")};
    const std::string kind = command.Choice("--provider", {"fixed", "files"});
    const std::string use = command.Choice("--use", {"channel", "credentials", "options"});
    const bool own_verifier = command.Choice("--verifier", {"host", "own"}) == "own";
    const bool watch = command.Choice("--watch", {"no", "yes"}) == "yes";

    const auto provider = MakeProvider(kind, materials);
    const auto make_options = [&] {
        return MakeOptions(provider, !materials.key.empty(), own_verifier);
    };
    const auto credentials = tls::TlsCredentials(make_options());
    const auto inherited_options = make_options();
    const auto client = NewClient(command, credentials);
    return legacy::CallForkCall(client->stub.get(), [&](const std::string &parent_peer) {
        verified = 0;
        std::unique_ptr<legacy::Client> own;
        if (use == "credentials") {
            own = NewClient(command, credentials);
        } else if (use == "options") {
            own = NewClient(command, tls::TlsCredentials(inherited_options));
        }
        const std::string peer = legacy::CallUnary((own ? own : client)->stub.get(), "child");
        legacy::Report("child", "verified", verified);
        return legacy::OwnConnection(peer, parent_peer) && own_verifier == (verified > 0) &&
               (!watch || NoticesNewRoots(command, materials.roots, credentials));
    });
}
