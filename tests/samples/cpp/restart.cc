// A client that takes gRPC down in its child by destroying everything that it has, and then
// starts again.

#include <thread>

#include <grpc/grpc.h>

#include "legacy.h"

namespace {

// gRPC ends on a thread of its own, and nothing tells when.
bool IsDown(const std::string &who) {
    const auto end = std::chrono::steady_clock::now() + legacy::deadline;
    while (grpc_is_initialized() != 0 && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const int initialized = grpc_is_initialized();
    legacy::Report(who, "initialized", initialized);
    return initialized == 0;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "[--child calls|idle]", {"--child"});
    const bool calls = command.Choice("--child", {"calls", "idle"}) == "calls";

    auto client = std::make_unique<legacy::Client>(command);
    auto queue = std::make_unique<grpc::CompletionQueue>();
    const int result =
        legacy::CallForkCall(client->stub.get(), [&](const std::string &parent_peer) {
            // Without a call the objects are destroyed as they came from the parent.
            bool worked =
                !calls ||
                legacy::OwnConnection(legacy::CallUnary(client->stub.get(), "child"), parent_peer);
            queue.reset();
            client.reset();
            worked = IsDown("child") && worked;

            {
                const legacy::Client own(command);
                worked = legacy::OwnConnection(legacy::CallUnary(own.stub.get(), "child again"),
                                               parent_peer) &&
                         worked;
            }
            return IsDown("child again") && worked;
        });
    queue.reset();
    client.reset();
    return IsDown("parent") ? result : 1;
}
