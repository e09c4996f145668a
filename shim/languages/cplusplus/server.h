// Servers of C++ that came through a fork.
//
// The parent alone serves. In the child a grpc::Server with services that are synchronous or called
// back would wait for what stayed there: threads of its pools, calls that are being served. So it
// is left as it is, and its functions that wait or destroy do nothing. One whose services are all
// asynchronous has nothing to wait for and ends in order.
//
// grpc::Server's destructor and Shutdown wait: for its pools' threads, for callbacks under way.
// Running the pools' threads again was weighed: their number at fork and the server's own count
// differ whenever a thread is just being made or ending, and then the wait has no end. So the
// virtual functions that wait or destroy are replaced in the virtual table, and do nothing for a
// server that came through a fork; Server::server() tells which of the core's servers it is. A
// server whose services are all asynchronous has none of these threads: it ends in order, which
// also tells its queues (debug builds of libgrpc++ complain of a queue that is shut down before
// its server).
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_SERVER_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_SERVER_H

// Finds the virtual table of grpc::Server and binds what matters of it; once. One at a time, before
// a fork: a child that destroys a server need not have used gRPC.
void cplusplus_bind_server(void);

#endif
