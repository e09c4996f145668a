// A client whose child calls through what it inherited, wherever that lives, or through a channel
// of its own.

#include "legacy.h"

namespace {

std::unique_ptr<legacy::Client> static_client;

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "[--channel heap|static|new]", {"--channel"});
    const std::string channel = command.Choice("--channel", {"heap", "static", "new"});

    legacy::Client *client = nullptr;
    if (channel == "static") {
        static_client = std::make_unique<legacy::Client>(command);
        client = static_client.get();
    } else {
        client = new legacy::Client(command);
    }

    return legacy::CallForkCall(client->stub.get(), [&](const std::string &parent_peer) {
        if (channel != "new") {
            return legacy::OwnConnection(legacy::CallUnary(client->stub.get(), "child"),
                                         parent_peer);
        }
        legacy::Client own(command);
        return legacy::OwnConnection(legacy::CallUnary(own.stub.get(), "child"), parent_peer);
    });
}
