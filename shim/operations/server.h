// Servers. One that came through a fork is stopped: the parent alone goes on serving.
//
// In a circle with call.c, completion_queue.c and pending.c: see call.h.
#ifndef GRPCFORKSHIM_OPERATIONS_SERVER_H
#define GRPCFORKSHIM_OPERATIONS_SERVER_H

#include "cores/grpc_abi.h"

#include <stdbool.h>

struct core;

// Records a server that the program just made. Returns the server. Any thread.
grpc_server *server_record(const struct core *core, grpc_server *server);

// Notes that calls of the server come by this queue of the program's. Any thread.
void server_note_queue(const grpc_server *server, const grpc_completion_queue *queue);

// True for a server of a process before this one: gRPC must not see it. Any thread.
bool server_is_inherited(const grpc_server *server);

// Says once, at level info, that a server of a process before this one is waited for, or asked for
// calls: a program that started its server before it went into the background ends, or rests,
// without a word otherwise. Any thread of a child.
void server_say_not_serving(void);

// A grpc::Server begins to shut down in this process, or (`ends`) has shut down.
void server_note_shutdown(const grpc_server *server, bool ends);

// True for an inherited server that a grpc::Server can end in order: nothing of libgrpc++'s own,
// that stayed in the parent, has to end first. Any thread of a child.
bool server_can_end_in_child(const grpc_server *server);

#endif
