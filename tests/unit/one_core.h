// A process with one core, which is protected: what objects and operations take for granted. Its
// functions are for the test to set.
#ifndef GRPCFORKSHIM_TESTS_ONE_CORE_H
#define GRPCFORKSHIM_TESTS_ONE_CORE_H

#include "cores/core.h"

extern struct core one_core;
static struct core *const core = &one_core;

#endif
