// A pool of servers: the master calls somewhere else first, binds nothing, and each worker serves
// on the same port (SO_REUSEPORT).
//
// prefork ADDRESS WORKERS
//
// Calls go to the pool until every worker has answered.  A worker that is told to end by SIGTERM is
// replaced once, then all are.

#include <set>

#include <arpa/inet.h>
#include <csignal>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "pid_service.h"

namespace {

using legacy::Report;

// A port that the workers can share: bound by the master as well, which does not listen.
int ReservePort(int *descriptor) {
    const int on = 1;
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    *descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (setsockopt(*descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        bind(*descriptor, reinterpret_cast<sockaddr *>(&address), size) != 0 ||
        getsockname(*descriptor, reinterpret_cast<sockaddr *>(&address), &size) != 0) {
        perror("port");
        exit(1);
    }
    return ntohs(address.sin_port);
}

// SIGTERM is blocked in the whole program.
bool Serve(const std::string &address, legacy::Echo::Stub *upstream) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    const int told = signalfd(-1, &signals, SFD_CLOEXEC);
    grpc::ServerBuilder builder;
    legacy::PidService service;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (server == nullptr || legacy::CallUnary(upstream, "worker").empty()) {
        return false;
    }
    signalfd_siginfo signal;
    const bool ended = read(told, &signal, sizeof(signal)) == sizeof(signal);
    server->Shutdown();
    server->Wait();
    return ended;
}

// Returns the pid of the worker that answered, or 0 where none was there yet.
int64_t Ask(const std::string &address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    legacy::Client client(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    legacy::SetDeadline(&context);
    legacy::Request request;
    legacy::Reply reply;
    return client.stub->Unary(&context, request, &reply).ok() ? reply.pid() : 0;
}

// Whether every worker answers, of calls that each go to any of them.
bool AskAll(const std::string &address, const std::set<pid_t> &workers) {
    std::set<pid_t> silent = workers;
    for (int i = 0; i < 1000 && !silent.empty(); i++) {
        silent.erase(static_cast<pid_t>(Ask(address)));
    }
    return silent.empty();
}

bool End(pid_t worker) {
    kill(worker, SIGTERM);
    return legacy::WaitForChild(worker, "worker");
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "WORKERS");
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, nullptr);

    legacy::Client upstream(command);
    const std::string peer = legacy::CallUnary(upstream.stub.get(), "parent");
    int reserved = -1;
    const std::string address = "127.0.0.1:" + std::to_string(ReservePort(&reserved));
    std::set<pid_t> workers;
    const auto start = [&] {
        workers.insert(legacy::StartChild([&] { return Serve(address, upstream.stub.get()); }));
    };
    for (int i = 0; i < command.Number(1); i++) {
        start();
    }
    bool worked = AskAll(address, workers);
    Report("pool", "complete", worked);
    const pid_t first = *workers.begin();
    worked &= End(first);
    workers.erase(first);
    start();
    const bool replaced = AskAll(address, workers);
    Report("pool", "complete again", replaced);
    for (const pid_t worker : workers) {
        worked &= End(worker);
    }
    close(reserved);
    return worked && replaced && legacy::CallAgain(upstream.stub.get(), peer) ? 0 : 1;
}
