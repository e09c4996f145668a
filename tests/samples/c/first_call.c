// Eight threads make the program's first call into gRPC together.  Nobody forks.
//
// first_call

#include <pthread.h>
#include <stdio.h>

#include <grpc/grpc.h>

#define THREADS 8

static pthread_barrier_t barrier;

static void *use(void *argument) {
    pthread_barrier_wait(&barrier);
    grpc_init();
    grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    grpc_completion_queue_destroy(queue);
    grpc_shutdown();
    return argument;
}

int main(void) {
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, use, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    puts("threads 8");
    return 0;
}
