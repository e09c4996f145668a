// Forks before, during and after the process's first use of gRPC.
//
//   before   a child is the first to use gRPC
//   during   children end at once, while another thread makes the process's first call
//   after    a child calls over the channel that its parent has called over

#include "legacy.h"

#include <atomic>
#include <thread>

namespace {

bool ForkBefore(const legacy::CommandLine &command) {
    return legacy::WaitForChild(legacy::StartChild([&] {
        legacy::Client own(command);
        return !legacy::CallUnary(own.stub.get(), "child").empty();
    }));
}

bool EndsAtOnce() {
    const pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

std::unique_ptr<legacy::Client> ForkDuring(const legacy::CommandLine &command) {
    std::unique_ptr<legacy::Client> client;
    std::atomic<bool> begins{false};
    std::atomic<bool> called{false};
    std::thread first([&] {
        begins = true;
        client = std::make_unique<legacy::Client>(command);
        if (legacy::CallUnary(client->stub.get(), "parent").empty()) {
            client.reset();
        }
        called = true;
    });
    while (!begins) {
        std::this_thread::yield();
    }
    int failed = 0;
    do {
        failed += EndsAtOnce() ? 0 : 1;
    } while (!called);
    first.join();
    legacy::Report("during", "failed", failed);
    return failed == 0 ? std::move(client) : nullptr;
}

} // namespace

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "[--until during|after]", {"--until"});
    bool passed = ForkBefore(command);
    const auto client = ForkDuring(command);
    passed = passed && client != nullptr;
    if (!passed || command.Choice("--until", {"after", "during"}) == "during") {
        return passed ? 0 : 1;
    }
    return legacy::CallForkCall(client->stub.get(), [&](const std::string &parent_peer) {
        return legacy::OwnConnection(legacy::CallUnary(client->stub.get(), "child"), parent_peer);
    });
}
