// The plugin of late_server: a server in C++ and nothing else.

#include <memory>

#include <unistd.h>

#include <grpcpp/grpcpp.h>

#include "echo.grpc.pb.h"

namespace {

samples::Echo::Service service;
std::unique_ptr<grpc::Server> server;

} // namespace

extern "C" {

void plugin_start() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    server = builder.BuildAndStart();
}

void plugin_stop() {
    server->Shutdown();
    server->Wait();
    server.reset();
}

} // extern "C"
