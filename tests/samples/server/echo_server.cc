// The server that the sample programs talk to.  It prints `listening ADDRESS PID` once for each of
// its addresses when it is ready, and serves until SIGTERM.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <grpcpp/grpcpp.h>

#include "echo.grpc.pb.h"

namespace {

struct Options {
    std::vector<std::string> addresses;
    std::string certificates;
    bool client_certificate_required = false;
    bool until_stdin_closes = false;
};

[[noreturn]] void Usage(const char *program) {
    std::cerr << "usage: " << program
              << " [--tls DIR | --mutual-tls DIR] [--listen ADDRESS]... [--until-stdin-closes]\n";
    exit(2);
}

Options ParseOptions(int argc, char **argv) {
    Options options;
    for (int i = 1; i < argc; i++) {
        const std::string option = argv[i];
        if (option == "--until-stdin-closes") {
            options.until_stdin_closes = true;
        } else if (i + 1 == argc) {
            Usage(argv[0]);
        } else if (option == "--listen") {
            options.addresses.push_back(argv[++i]);
        } else if (option == "--tls" || option == "--mutual-tls") {
            options.certificates = argv[++i];
            options.client_certificate_required = option == "--mutual-tls";
        } else {
            Usage(argv[0]);
        }
    }
    if (options.addresses.empty()) {
        options.addresses.push_back("127.0.0.1:0");
    }
    return options;
}

std::string ReadFile(const std::string &path) {
    std::ifstream file(path);
    if (!file) {
        std::cerr << path << ": " << strerror(errno) << "\n";
        exit(1);
    }
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

std::shared_ptr<grpc::ServerCredentials> MakeCredentials(const Options &options) {
    if (options.certificates.empty()) {
        return grpc::InsecureServerCredentials();
    }
    grpc::SslServerCredentialsOptions ssl(
        options.client_certificate_required
            ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
            : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    ssl.pem_root_certs = ReadFile(options.certificates + "/ca.pem");
    ssl.pem_key_cert_pairs.push_back({ReadFile(options.certificates + "/server.key"),
                                      ReadFile(options.certificates + "/server.pem")});
    return grpc::SslServerCredentials(ssl);
}

// The kernel's choice in the place of port 0.
std::string WithPort(const std::string &address, int port) {
    const std::string suffix = ":0";
    if (address.size() < suffix.size() ||
        address.compare(address.size() - suffix.size(), suffix.size(), suffix) != 0) {
        return address;
    }
    return address.substr(0, address.size() - 1) + std::to_string(port);
}

class EchoService final : public samples::Echo::Service {
  public:
    grpc::Status Unary(grpc::ServerContext *context, const samples::Request *request,
                       samples::Reply *reply) override {
        SendMetadataBack(context);
        if (Metadata(context, "grpc-previous-rpc-attempts") <
            Metadata(context, "x-fail-attempts")) {
            return grpc::Status(grpc::StatusCode::UNAVAILABLE, "asked to fail");
        }
        if (!Wait(context, request->delay_milliseconds())) {
            return grpc::Status::CANCELLED;
        }
        Fill(context, request->text(), 0, reply);
        return grpc::Status::OK;
    }

    // Answers with all texts, one after the other.
    grpc::Status ClientStream(grpc::ServerContext *context,
                              grpc::ServerReader<samples::Request> *reader,
                              samples::Reply *reply) override {
        SendMetadataBack(context);
        samples::Request request;
        std::string text;
        while (reader->Read(&request)) {
            text += request.text();
            if (!Wait(context, request.delay_milliseconds())) {
                return grpc::Status::CANCELLED;
            }
        }
        Fill(context, text, 0, reply);
        return grpc::Status::OK;
    }

    grpc::Status ServerStream(grpc::ServerContext *context, const samples::Request *request,
                              grpc::ServerWriter<samples::Reply> *writer) override {
        SendMetadataBack(context);
        samples::Reply reply;
        for (int sequence = 0; sequence < request->count(); sequence++) {
            if (sequence > 0 && !Wait(context, request->delay_milliseconds())) {
                return grpc::Status::CANCELLED;
            }
            Fill(context, request->text(), sequence, &reply);
            if (!writer->Write(reply)) {
                return grpc::Status::CANCELLED;
            }
        }
        return grpc::Status::OK;
    }

    grpc::Status
    BidiStream(grpc::ServerContext *context,
               grpc::ServerReaderWriter<samples::Reply, samples::Request> *stream) override {
        SendMetadataBack(context);
        samples::Request request;
        samples::Reply reply;
        for (int sequence = 0; stream->Read(&request); sequence++) {
            if (!Wait(context, request.delay_milliseconds())) {
                return grpc::Status::CANCELLED;
            }
            Fill(context, request.text(), sequence, &reply);
            if (!stream->Write(reply)) {
                return grpc::Status::CANCELLED;
            }
        }
        return grpc::Status::OK;
    }

  private:
    static void Fill(const grpc::ServerContext *context, const std::string &text, int sequence,
                     samples::Reply *reply) {
        reply->set_text(text);
        reply->set_peer(context->peer());
        reply->set_pid(getpid());
        reply->set_sequence(sequence);
    }

    // A number in the call's metadata, or 0.
    static int Metadata(const grpc::ServerContext *context, const char *key) {
        const auto found = context->client_metadata().find(key);
        return found == context->client_metadata().end()
                   ? 0
                   : atoi(std::string(found->second.data(), found->second.size()).c_str());
    }

    // The caller can only see by this that its channel's arguments and its credentials arrived.
    static void SendMetadataBack(grpc::ServerContext *context) {
        for (const char *key : {"user-agent", "authorization", "x-sample"}) {
            const auto found = context->client_metadata().find(key);
            if (found != context->client_metadata().end()) {
                context->AddTrailingMetadata(
                    std::string("echo-") + key,
                    std::string(found->second.data(), found->second.size()));
            }
        }
    }

    // The synchronous API can't wait for a cancellation, so it is asked for in short steps.
    static bool Wait(const grpc::ServerContext *context, int milliseconds) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
        while (!context->IsCancelled()) {
            const auto left = end - std::chrono::steady_clock::now();
            if (left <= left.zero()) {
                return true;
            }
            std::this_thread::sleep_for(
                std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(5)));
        }
        return false;
    }
};

// Returns when the server is asked to end.
void WaitForEnd(const sigset_t &signals, bool until_stdin_closes) {
    const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (signal_fd < 0) {
        perror("signalfd");
        exit(1);
    }
    pollfd waits[] = {{signal_fd, POLLIN, 0}, {until_stdin_closes ? STDIN_FILENO : -1, POLLIN, 0}};
    for (;;) {
        if (poll(waits, 2, -1) < 0) {
            continue;
        }
        if (waits[0].revents != 0) {
            return;
        }
        char ignored[256];
        if (waits[1].revents != 0 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0) {
            return;
        }
    }
}

} // namespace

int main(int argc, char **argv) {
    const Options options = ParseOptions(argc, argv);

    // Blocked before gRPC starts its threads, so that none of them takes the signal.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    EchoService service;
    grpc::ServerBuilder builder;
    builder.RegisterService(&service);
    // With it a second server could take half of the connections that are meant for this one.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    const auto credentials = MakeCredentials(options);
    std::vector<int> ports(options.addresses.size());
    for (size_t i = 0; i < options.addresses.size(); i++) {
        builder.AddListeningPort(options.addresses[i], credentials, &ports[i]);
    }
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server) {
        std::cerr << argv[0] << ": cannot listen\n";
        return 1;
    }
    for (size_t i = 0; i < options.addresses.size(); i++) {
        std::cout << "listening " << WithPort(options.addresses[i], ports[i]) << " " << getpid()
                  << std::endl;
    }

    WaitForEnd(signals, options.until_stdin_closes);
    server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
    return 0;
}
