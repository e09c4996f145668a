// A plugin whose constructor waits for a thread that opens and closes descriptors.

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static void *open_and_close(void *argument) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
        close(pair[0]);
        close(pair[1]);
    }
    return argument;
}

__attribute__((constructor)) static void construct(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, open_and_close, NULL) == 0) {
        pthread_join(thread, NULL);
    }
}
