// The threads of libgrpc++: what is bound so that operations/thread.h knows them.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_THREAD_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_THREAD_H

#include <pthread.h>
#include <stdbool.h>

// For the table of bindings: grpc_core::Thread's constructor, and the function by which a channel
// or server gives back the queue that all callbacks without a queue of their own share (it waits
// for the queue's threads when the last one does).
void cplusplus_construct_thread(void *thread, const char *name, void (*body)(void *argument),
                                void *argument, bool *success, const void *options);
void cplusplus_release_callback_queue(void *queue);

// True where libgrpc++ waits for this thread and needs no answer of libc's. Any thread.
bool cplusplus_joins(pthread_t thread);

#endif
