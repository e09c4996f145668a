// The service of samples that serve themselves: its answers tell which process gave them.

#ifndef PID_SERVICE_H
#define PID_SERVICE_H

#include <unistd.h>

#include "legacy.h"

namespace legacy {

class PidService final : public Echo::Service {
  public:
    grpc::Status Unary(grpc::ServerContext *context, const Request *request,
                       Reply *reply) override {
        reply->set_text(request->text());
        reply->set_peer(context->peer());
        reply->set_pid(getpid());
        return grpc::Status::OK;
    }
};

} // namespace legacy

#endif
