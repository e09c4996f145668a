// call_time: picoseconds of one close() of nothing, of one socket() and its close(), of one dup()
// and its close(), and of one epoll_create1() and its close(), in a program without gRPC.

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

#define REPETITIONS 1000

static void close_nothing(void) {
    close(-1);
}

static void open_socket(void) {
    close(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static void duplicate(void) {
    close(dup(STDERR_FILENO));
}

static void open_epoll(void) {
    close(epoll_create1(EPOLL_CLOEXEC));
}

static int64_t time_picoseconds(void (*operation)(void)) {
    int64_t before = now_nanoseconds();
    for (int i = 0; i < REPETITIONS; i++) {
        operation();
    }
    return (now_nanoseconds() - before) * 1000 / REPETITIONS;
}

int main(void) {
    struct samples samples;
    while (next_burst(&samples, 4)) {
        for (size_t i = 0; i < samples.count; i++) {
            int64_t *sample = samples.values + 4 * i;
            sample[0] = time_picoseconds(close_nothing);
            sample[1] = time_picoseconds(open_socket);
            sample[2] = time_picoseconds(duplicate);
            sample[3] = time_picoseconds(open_epoll);
        }
        finish_burst(&samples);
    }
    return 0;
}
