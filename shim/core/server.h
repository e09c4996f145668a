// Servers. One that came through a fork is stopped: the parent alone goes on serving.
#ifndef GRPCFORKSHIM_CORE_SERVER_H
#define GRPCFORKSHIM_CORE_SERVER_H

#include "core/grpc_abi.h"

#include <stdbool.h>

// Records a server that the program just made. Returns the server. Any thread.
grpc_server *server_record(grpc_server *server);

// True for a server of a process before this one: gRPC must not see it. Any thread.
bool server_is_inherited(const grpc_server *server);

#endif
