// A server whose handler forks, as job servers do. The child calls somewhere else through a stub of
// its parent's, in the name of the call that is being served, and leaves; then the handler answers.
//
// in_handler ADDRESS [--server sync|callback] [--leave exit|_exit]

#include "legacy.h"

namespace {

std::unique_ptr<legacy::Client> elsewhere;
std::string elsewhere_peer;
bool by_exit = true;

// Returns in the parent only: whether the child worked.
bool ForkWork(std::unique_ptr<grpc::ClientContext> context) {
    const pid_t child = fork();
    if (child != 0) {
        return legacy::WaitForChild(child);
    }
    const bool worked = legacy::OwnConnection(
        legacy::CallUnary(elsewhere->stub.get(), "child", context.get()), elsewhere_peer);
    context.reset();
    if (by_exit) {
        exit(worked ? 0 : 1);
    }
    _exit(worked ? 0 : 1);
}

void Answer(const legacy::Request &request, legacy::Reply *reply, bool worked) {
    reply->set_text(request.text());
    reply->set_pid(worked ? getpid() : 0);
}

class SyncService final : public legacy::Echo::Service {
    grpc::Status Unary(grpc::ServerContext *context, const legacy::Request *request,
                       legacy::Reply *reply) override {
        Answer(*request, reply, ForkWork(grpc::ClientContext::FromServerContext(*context)));
        return grpc::Status::OK;
    }
};

#ifdef HAVE_CALLBACK_SERVICES
class CallbackService final : public legacy::Echo::CallbackService {
    grpc::ServerUnaryReactor *Unary(grpc::CallbackServerContext *context,
                                    const legacy::Request *request, legacy::Reply *reply) override {
        Answer(*request, reply, ForkWork(grpc::ClientContext::FromCallbackServerContext(*context)));
        grpc::ServerUnaryReactor *reactor = context->DefaultReactor();
        reactor->Finish(grpc::Status::OK);
        return reactor;
    }
};
#endif

// The server is alive when the children end, and the parent.
std::unique_ptr<grpc::Service> service;
std::unique_ptr<grpc::Server> server;

std::string StartServer() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.RegisterService(service.get());
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    server = builder.BuildAndStart();
    return "127.0.0.1:" + std::to_string(port);
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "[--server sync|callback] [--leave exit|_exit]",
                                      {"--server", "--leave"});
    by_exit = command.Choice("--leave", {"exit", "_exit"}) == "exit";
    if (command.Choice("--server", {"sync", "callback"}) == "sync") {
        service = std::make_unique<SyncService>();
    } else {
#ifdef HAVE_CALLBACK_SERVICES
        service = std::make_unique<CallbackService>();
#else
        command.Refuse();
#endif
    }
    elsewhere = std::make_unique<legacy::Client>(command);
    elsewhere_peer = legacy::CallUnary(elsewhere->stub.get(), "parent");
    const legacy::Client own(
        grpc::CreateChannel(StartServer(), grpc::InsecureChannelCredentials()));
    bool worked = !elsewhere_peer.empty();
    for (int i = 0; i < 5 && worked; i++) {
        grpc::ClientContext context;
        // Longer than the calls of the children.
        context.set_deadline(std::chrono::system_clock::now() + 2 * legacy::deadline);
        legacy::Request request;
        legacy::Reply reply;
        const grpc::Status status = own.stub->Unary(&context, request, &reply);
        legacy::Report("handler", "status", status.error_code());
        worked = status.ok() && reply.pid() == getpid();
    }
    worked = legacy::CallAgain(elsewhere->stub.get(), elsewhere_peer) && worked;
    server->Shutdown();
    return worked ? 0 : 1;
}
