// Functions of the core that libgrpc++ makes channels and credentials by and that are no part of
// the C API.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_CHANNEL_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_CHANNEL_H

#include "languages/cplusplus/binding.h"

// The functions, to be bound.
extern const struct binding_table cplusplus_channel_bindings;

#endif
