// A program without gRPC.  Without an argument it ends at once; `nothing memory` prints what it
// takes of memory, without taking more to find out.

#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv) {
    (void)argv;
    if (argc < 2) {
        return 0;
    }
    static char text[8192];
    int file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t length = read(file, text, sizeof(text));
    return length > 0 && write(STDOUT_FILENO, text, (size_t)length) == length ? 0 : 1;
}
