// calls_cpp ADDRESS COUNT: so many synchronous unary calls in C++, and the end: for counting
// instructions.

#include <cstdio>
#include <cstdlib>

#include <grpcpp/grpcpp.h>

#include "echo.grpc.pb.h"

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s ADDRESS COUNT\n", argv[0]);
        return 2;
    }
    const auto stub =
        samples::Echo::NewStub(grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials()));
    for (int i = atoi(argv[2]); i > 0; i--) {
        grpc::ClientContext context;
        samples::Request request;
        samples::Reply reply;
        request.set_text("unary");
        const grpc::Status status = stub->Unary(&context, request, &reply);
        if (!status.ok()) {
            fprintf(stderr, "call: %s\n", status.error_message().c_str());
            return 1;
        }
    }
    return 0;
}
