// What of a service may be in the shim's way.
#ifndef GRPCFORKSHIM_TOOL_SYSTEMD_WARNINGS_H
#define GRPCFORKSHIM_TOOL_SYSTEMD_WARNINGS_H

#include "settings.h"
#include "unit.h"

// The name of the drop-in that puts the shim into a service.
#define SYSTEMD_DROP_IN "50-grpcforkshim.conf"

struct service {
    const struct unit *unit;
    const char *library; // that is to be preloaded
    const struct settings *settings;
};

// Says what the shim can do for the service's programs, and warns of what may keep it from them, on
// standard output.
void systemd_warn(const struct service *service);

#endif
