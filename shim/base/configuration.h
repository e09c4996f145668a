// The GRPCFORKSHIM_ variables of the environment.
#ifndef GRPCFORKSHIM_BASE_CONFIGURATION_H
#define GRPCFORKSHIM_BASE_CONFIGURATION_H

#include <stdbool.h>

// GRPCFORKSHIM_REPORT: which processes write a report as they end.
enum report_at_end { REPORT_NONE, REPORT_THOSE_WITH_GRPC, REPORT_ALL };

struct configuration {
    bool disabled; // GRPCFORKSHIM_DISABLE=1: every call passes through untouched.
    enum report_at_end report_at_end;
    int report_signal; // GRPCFORKSHIM_REPORT_SIGNAL: writes a report; 0: none
};

// Reads the environment, sets up the log and says in one line each what it can't make sense of;
// the default is used then. In a process that runs with raised privileges (AT_SECURE, see
// getauxval(3)) nothing is read, as with secure_getenv(3). Called once, from the constructor.
void configuration_read(void);

// What was read; the defaults before that. Any thread.
const struct configuration *configuration(void);

#endif
