// Sets its environment after gRPC was loaded and before it is initialised; what gRPC says then is
// standard error's.
//
// late_environment_cpp [silent]     silent: gRPC is not used at all

#include <cstdlib>
#include <cstring>
#include <iostream>

#include <unistd.h>

#include <grpcpp/grpcpp.h>

// Before main().
static grpc::ChannelArguments arguments;

int main(int argc, char **argv) {
    arguments.SetInt("an argument", 1);
    std::cout << "version " << grpc::Version() << std::endl;
    std::cerr << "loaded\n";
    if (argc > 1 && strcmp(argv[1], "silent") == 0) {
        return 0;
    }
    setenv("GRPC_VERBOSITY", "debug", 1);
    setenv("GRPC_TRACE", "api", 1);
    setenv("GRPC_POLL_STRATEGY", "poll", 1);
    grpc::CreateCustomChannel("localhost:1", grpc::InsecureChannelCredentials(), arguments);
    std::cerr << "made\n";
    _exit(0);
}
