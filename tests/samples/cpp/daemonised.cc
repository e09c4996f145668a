// A daemon that opens its channels while it still has its privileges and the terminal, and then
// goes into the background.

#include "legacy.h"

#include "../c/daemonise.h"

namespace {

bool ReadStream(legacy::Echo::Stub *stub, const std::string &who) {
    grpc::ClientContext context;
    legacy::SetDeadline(&context);
    legacy::Request request;
    request.set_text(who);
    request.set_count(3);
    const auto reader = stub->ServerStream(&context, request);
    int count = 0;
    for (legacy::Reply reply; reader->Read(&reply);) {
        count++;
    }
    return legacy::ReportStatus(who + " stream", reader->Finish()) && count == 3;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "");
    const legacy::Client clients[] = {legacy::Client(command), legacy::Client(command)};
    const std::string peer = legacy::CallUnary(clients[0].stub.get(), "parent");
    if (peer.empty() || !ReadStream(clients[1].stub.get(), "parent")) {
        return 1;
    }

    FILE *daemon = nullptr;
    daemonise(&daemon);
    if (daemon != nullptr) {
        const int result = relay_daemon(daemon);
        return legacy::CallAgain(clients[0].stub.get(), peer) ? result : 1;
    }

    legacy::Report("daemon", "user", getuid());
    const std::string daemon_peer = legacy::CallUnary(clients[0].stub.get(), "daemon");
    const bool passed = legacy::OwnConnection(daemon_peer, peer) &&
                        ReadStream(clients[1].stub.get(), "daemon") &&
                        legacy::CallAgain(clients[0].stub.get(), daemon_peer, "daemon again");
    std::cout << "done " << (passed ? 0 : 1) << std::endl;
    return passed ? 0 : 1;
}
