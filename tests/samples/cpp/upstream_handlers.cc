// A program that follows upstream's advice for forks: it calls gRPC's at-fork functions itself, by
// at-fork handlers of its own, and is run with GRPC_ENABLE_FORK_SUPPORT=1. Other threads call
// meanwhile.

#include <atomic>
#include <thread>

#include <grpc/fork.h>
#include <pthread.h>

#include "legacy.h"

int main(int argc, char **argv) {
    const legacy::CommandLine command(argc, argv, "THREADS FORKS");
    const int forks = command.Number(2);
    pthread_atfork(grpc_prefork, grpc_postfork_parent, grpc_postfork_child);

    const legacy::Client client(command);
    const std::string peer = legacy::CallUnary(client.stub.get(), "parent");
    if (peer.empty()) {
        return 1;
    }
    std::atomic<bool> over{false};
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < command.Number(1); i++) {
        threads.emplace_back([&] {
            while (!over) {
                grpc::ClientContext context;
                legacy::SetDeadline(&context);
                legacy::Request request;
                legacy::Reply reply;
                failed += client.stub->Unary(&context, request, &reply).ok() ? 0 : 1;
            }
        });
    }
    int worked = 0;
    for (int i = 0; i < forks; i++) {
        worked += legacy::WaitForChild(legacy::StartChild([&] {
            return legacy::OwnConnection(legacy::CallUnary(client.stub.get(), "child"), peer);
        }));
    }
    over = true;
    for (std::thread &thread : threads) {
        thread.join();
    }
    legacy::Report("children", "worked", worked);
    legacy::Report("parent", "failed", failed);
    return worked == forks && failed == 0 && legacy::CallAgain(client.stub.get(), peer) ? 0 : 1;
}
