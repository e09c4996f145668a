// What the sample clients share: the command line, the channel, the calls and the reports.

#ifndef LEGACY_H
#define LEGACY_H

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grpcpp/grpcpp.h>

#include "echo.grpc.pb.h"

namespace legacy {

using samples::Echo;
using samples::Reply;
using samples::Request;

// How long a call may take. Where all is well none needs as much, however busy the machine is.
inline std::chrono::seconds deadline{30};
inline std::chrono::seconds deadline_after_fork{30};

// `program ADDRESS [NUMBER]... [--OPTION VALUE]...`.  Every program has --tls, --mutual-tls,
// --deadline and --deadline-after-fork; the other options are its own.
class CommandLine {
  public:
    CommandLine(int argc, char **argv, const char *usage, std::set<std::string> options = {})
        : usage_(std::string("usage: ") + argv[0] +
                 " ADDRESS [--tls DIR | --mutual-tls DIR] [--deadline SECONDS]"
                 " [--deadline-after-fork SECONDS] " +
                 usage) {
        options.insert({"--tls", "--mutual-tls", "--deadline", "--deadline-after-fork"});
        for (int i = 1; i < argc; i++) {
            const std::string word = argv[i];
            if (word.compare(0, 2, "--") != 0) {
                words_.push_back(word);
            } else if (options.count(word) == 1 && i + 1 < argc) {
                values_[word] = argv[++i];
            } else {
                Refuse();
            }
        }
        if (words_.empty()) {
            Refuse();
        }
        if (values_.count("--deadline") == 1) {
            deadline = std::chrono::seconds(ToNumber(values_["--deadline"]));
        }
        if (values_.count("--deadline-after-fork") == 1) {
            deadline_after_fork = std::chrono::seconds(ToNumber(values_["--deadline-after-fork"]));
            pthread_atfork(nullptr, ShortenDeadline, ShortenDeadline);
        }
    }

    const std::string &address() const {
        return words_[0];
    }

    int Number(size_t position) const {
        if (position >= words_.size()) {
            Refuse();
        }
        return ToNumber(words_[position]);
    }

    // The first choice is the default.
    std::string Choice(const std::string &option,
                       std::initializer_list<const char *> choices) const {
        const auto found = values_.find(option);
        if (found == values_.end()) {
            return *choices.begin();
        }
        for (const char *choice : choices) {
            if (found->second == choice) {
                return choice;
            }
        }
        Refuse();
    }

    std::string Value(const std::string &option) const {
        const auto found = values_.find(option);
        return found == values_.end() ? "" : found->second;
    }

    [[noreturn]] void Refuse() const {
        std::cerr << usage_ << "\n";
        exit(2);
    }

  private:
    static void ShortenDeadline() {
        deadline = deadline_after_fork;
    }

    int ToNumber(const std::string &word) const {
        char *end = nullptr;
        const long number = strtol(word.c_str(), &end, 10);
        if (word.empty() || *end != '\0' || number < 0 || number > 1000000) {
            Refuse();
        }
        return static_cast<int>(number);
    }

    std::string usage_;
    std::vector<std::string> words_;
    std::map<std::string, std::string> values_;
};

template <typename Value>
void Report(const std::string &who, const std::string &what, const Value &value) {
    std::ostringstream line;
    line << who << " " << what << " " << value << "\n";
    std::cout << line.str() << std::flush;
}

// Returns whether the call worked.
inline bool ReportStatus(const std::string &who, const grpc::Status &status) {
    Report(who, "status", status.error_code());
    if (!status.ok()) {
        Report(who, "message", status.error_message());
    }
    return status.ok();
}

// --- channels -----------------------------------------------------------------------------------

#ifndef WITHOUT_TLS
inline std::string ReadFile(const std::string &path) {
    std::ifstream file(path);
    if (!file) {
        std::cerr << path << ": " << strerror(errno) << "\n";
        exit(2);
    }
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}
#endif

// Insecure, or by --tls DIR or --mutual-tls DIR.
inline std::shared_ptr<grpc::ChannelCredentials> MakeCredentials(const CommandLine &command) {
    const std::string tls = command.Value("--tls");
    const std::string mutual_tls = command.Value("--mutual-tls");
    if (tls.empty() && mutual_tls.empty()) {
        return grpc::InsecureChannelCredentials();
    }
#ifdef WITHOUT_TLS
    command.Refuse();
#else
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ReadFile((tls.empty() ? mutual_tls : tls) + "/ca.pem");
    if (!mutual_tls.empty()) {
        options.pem_private_key = ReadFile(mutual_tls + "/client.key");
        options.pem_cert_chain = ReadFile(mutual_tls + "/client.pem");
    }
    return grpc::SslCredentials(options);
#endif
}

inline grpc::ChannelArguments MakeArguments() {
    grpc::ChannelArguments arguments;
    // The server's certificate has no name for unix: and ipv6: addresses.
    arguments.SetString(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, "localhost");
    return arguments;
}

struct Client {
    explicit Client(const std::shared_ptr<grpc::Channel> &channel)
        : channel(channel), stub(Echo::NewStub(channel)) {
    }

    explicit Client(const CommandLine &command)
        : Client(grpc::CreateCustomChannel(command.address(), MakeCredentials(command),
                                           MakeArguments())) {
    }

    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<Echo::Stub> stub;
};

// --- calls --------------------------------------------------------------------------------------

inline void SetDeadline(grpc::ClientContext *context) {
    context->set_deadline(std::chrono::system_clock::now() + deadline);
}

inline std::string TrailingMetadata(const grpc::ClientContext &context, const std::string &key) {
    const auto &metadata = context.GetServerTrailingMetadata();
    const auto found = metadata.find(key);
    return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

// Returns the client's address as the server sees it, or "" if the call failed.
inline std::string CallUnary(Echo::Stub *stub, const std::string &who,
                             grpc::ClientContext *context) {
    SetDeadline(context);
    Request request;
    request.set_text(who);
    Reply reply;
    if (!ReportStatus(who, stub->Unary(context, request, &reply))) {
        return "";
    }
    Report(who, "server", reply.pid());
    Report(who, "peer", reply.peer());
    return reply.text() == who ? reply.peer() : "";
}

inline std::string CallUnary(Echo::Stub *stub, const std::string &who) {
    grpc::ClientContext context;
    return CallUnary(stub, who, &context);
}

// The clients of a unix: server have no address that could tell them apart.
inline bool IsUnnamed(const std::string &peer) {
    return peer.compare(0, 5, "unix:") == 0;
}

// Whether a process that reached the server did so by a connection of its own.
inline bool OwnConnection(const std::string &peer, const std::string &parent_peer) {
    return !peer.empty() && (IsUnnamed(peer) || peer != parent_peer);
}

// --- processes ----------------------------------------------------------------------------------

// Returns in the parent only.  The child ends with status 0 if its work returns true.
inline pid_t StartChild(const std::function<bool()> &work) {
    const pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    if (pid == 0) {
        exit(work() ? 0 : 1);
    }
    return pid;
}

// Returns whether the child ended with status 0.
inline bool WaitForChild(pid_t pid, const std::string &who = "child") {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            perror("waitpid");
            return false;
        }
    }
    if (WIFSIGNALED(status)) {
        Report(who, "signal", WTERMSIG(status));
        return false;
    }
    Report(who, "exit", WEXITSTATUS(status));
    return WEXITSTATUS(status) == 0;
}

// Whether the parent's connection is the one that it had before.
inline bool CallAgain(Echo::Stub *stub, const std::string &peer,
                      const std::string &who = "parent after") {
    const std::string peer_now = CallUnary(stub, who);
    return !peer_now.empty() && peer_now == peer;
}

// The parent calls, its child works, the parent calls again.  The child is told the parent's
// peer.  Returns main's result.
inline int CallForkCall(Echo::Stub *stub,
                        const std::function<bool(const std::string &parent_peer)> &work) {
    const std::string peer = CallUnary(stub, "parent");
    if (peer.empty()) {
        return 1;
    }
    const bool child_worked = WaitForChild(StartChild([&] { return work(peer); }));
    const bool parent_worked = CallAgain(stub, peer);
    return child_worked && parent_worked ? 0 : 1;
}

} // namespace legacy

#endif
