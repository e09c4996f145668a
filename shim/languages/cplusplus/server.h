// Servers of C++ that came through a fork.
//
// The parent alone serves. In the child a grpc::Server with services that are synchronous or called
// back would wait for what stayed there: threads of its pools, calls that are being served. So it
// is left as it is, and its functions that wait or destroy do nothing. One whose services are all
// asynchronous has nothing to wait for and ends in order.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_SERVER_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_SERVER_H

// Finds the virtual table of grpc::Server and binds what matters of it; once. One at a time, before
// a fork: a child that destroys a server need not have used gRPC.
void cplusplus_bind_server(void);

#endif
