// A client whose child calls through what it inherited, wherever that lives, or through a channel
// of its own.

#include "legacy.h"

namespace {

std::unique_ptr<legacy::Client> static_client;

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv,
                                      "[--channel heap|static|new] [--before call|nothing]",
                                      {"--channel", "--before"});
    const std::string channel = command.Choice("--channel", {"heap", "static", "new"});

    legacy::Client *client = nullptr;
    if (channel == "static") {
        static_client = std::make_unique<legacy::Client>(command);
        client = static_client.get();
    } else {
        client = new legacy::Client(command);
    }

    const auto call = [&](const std::string &parent_peer) {
        if (channel != "new") {
            return legacy::OwnConnection(legacy::CallUnary(client->stub.get(), "child"),
                                         parent_peer);
        }
        legacy::Client own(command);
        return legacy::OwnConnection(legacy::CallUnary(own.stub.get(), "child"), parent_peer);
    };
    if (command.Choice("--before", {"call", "nothing"}) == "call") {
        return legacy::CallForkCall(client->stub.get(), call);
    }
    const bool child_worked = legacy::WaitForChild(legacy::StartChild([&] { return call(""); }));
    return !legacy::CallUnary(client->stub.get(), "parent after").empty() && child_worked ? 0 : 1;
}
