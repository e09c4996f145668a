// A server that is started while there is still a terminal to complain to, and goes into the
// background then.
//
// server_daemon [wait | rest | fork]
//
//   wait   as such a server does: daemon(), then Wait(), twice
//   rest   the daemon says "ready PID" and waits for a signal instead
//   fork   the same in a child whose parent goes on serving until its input ends

#include <iostream>
#include <memory>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "pid_service.h"

namespace {

int Rest() {
    std::cout << "ready " << getpid() << std::endl;
    pause();
    return 1;
}

int Wait(grpc::Server *server) {
    server->Wait();
    std::cout << "waited once" << std::endl;
    server->Wait();
    std::cout << "waited twice" << std::endl;
    return 0;
}

// The parent's end is the child's.
int Fork() {
    const pid_t child = fork();
    if (child == 0) {
        return Rest();
    }
    char byte = 0;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    kill(child, SIGTERM);
    waitpid(child, nullptr, 0);
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    const std::string what = argc > 1 ? argv[1] : "wait";
    legacy::PidService service;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (server == nullptr) {
        return 1;
    }
    std::cout << "started" << std::endl;
    if (what == "fork") {
        return Fork();
    }
    if (daemon(1, 1) != 0) {
        return 1;
    }
    return what == "rest" ? Rest() : Wait(server.get());
}
