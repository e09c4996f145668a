// A program that serves itself through a channel inside the process. A child does not have the
// server's threads: its calls say so; a server of its own serves it.

#include "pid_service.h"

namespace {

struct Server {
    Server() {
        grpc::ServerBuilder builder;
        builder.RegisterService(&service);
        server = builder.BuildAndStart();
    }

    std::shared_ptr<grpc::Channel> Channel() const {
        return server->InProcessChannel(grpc::ChannelArguments());
    }

    legacy::PidService service;
    std::unique_ptr<grpc::Server> server;
};

// Such a channel's peer has no address in every version.
bool Call(legacy::Echo::Stub *stub, const std::string &who) {
    grpc::ClientContext context;
    legacy::SetDeadline(&context);
    legacy::Request request;
    legacy::Reply reply;
    return legacy::ReportStatus(who, stub->Unary(&context, request, &reply)) &&
           reply.pid() == getpid();
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "(ADDRESS is not used)");
    const Server server;
    const legacy::Client client(server.Channel());
    if (!Call(client.stub.get(), "parent")) {
        return 1;
    }
    const bool child_worked = legacy::WaitForChild(legacy::StartChild([&] {
        const bool inherited_failed = !Call(client.stub.get(), "child");
        const bool new_failed = !Call(legacy::Client(server.Channel()).stub.get(), "child new");
        const Server own;
        return inherited_failed && new_failed &&
               Call(legacy::Client(own.Channel()).stub.get(), "child own");
    }));
    const bool parent_worked = Call(client.stub.get(), "parent after");
    return child_worked && parent_worked ? 0 : 1;
}
