// A program that is linked with libgrpc, and with a library that has another gRPC in it.
//
// two_cores: uses both, says so, and waits for the end of its input.

#include <stdio.h>
#include <unistd.h>

#include <grpc/grpc.h>

int embedded_library_start(void);

int main(void) {
    char byte;
    grpc_init();
    printf("ready %d %d\n", grpc_is_initialized(), embedded_library_start());
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    grpc_shutdown();
    return 0;
}
