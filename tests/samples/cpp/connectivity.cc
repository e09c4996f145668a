// A client that watches its channel's connectivity.

#include "legacy.h"

namespace {

std::chrono::system_clock::time_point In(int milliseconds) {
    return std::chrono::system_clock::now() + std::chrono::milliseconds(milliseconds);
}

void *Tag(int number) {
    return reinterpret_cast<void *>(static_cast<intptr_t>(number));
}

// The next event of the queue as `NUMBER changed` or `NUMBER over`.
std::string Next(grpc::CompletionQueue *queue) {
    void *tag = nullptr;
    bool ok = false;
    if (queue->AsyncNext(&tag, &ok, In(30000)) != grpc::CompletionQueue::GOT_EVENT) {
        return "none";
    }
    return std::to_string(reinterpret_cast<intptr_t>(tag)) + (ok ? " changed" : " over");
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "");
    const legacy::Client client(command);
    grpc::CompletionQueue queue;
    if (!client.channel->WaitForConnected(In(30000))) {
        return 1;
    }
    legacy::Report("parent", "state", client.channel->GetState(false));
    client.channel->NotifyOnStateChange(GRPC_CHANNEL_READY, In(1500), &queue, Tag(1));

    const int result = legacy::CallForkCall(client.stub.get(), [&](const std::string &parent_peer) {
        const std::string inherited = Next(&queue);
        legacy::Report("child", "watch", inherited);
        const auto idle = client.channel->GetState(false);
        legacy::Report("child", "state", idle);
        client.channel->NotifyOnStateChange(idle, In(30000), &queue, Tag(2));
        legacy::Report("child", "state asked", client.channel->GetState(true));
        const std::string own = Next(&queue);
        legacy::Report("child", "watch", own);
        const bool connected = client.channel->WaitForConnected(In(30000));
        legacy::Report("child", "state then", client.channel->GetState(false));
        return inherited == "1 over" && idle == GRPC_CHANNEL_IDLE && own == "2 changed" &&
               connected && client.channel->GetState(false) == GRPC_CHANNEL_READY &&
               legacy::OwnConnection(legacy::CallUnary(client.stub.get(), "child"), parent_peer);
    });
    const std::string over = Next(&queue);
    legacy::Report("parent", "watch", over);
    return over == "1 over" ? result : 1;
}
