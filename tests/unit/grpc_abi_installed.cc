// The declarations of the gRPC that is installed.
#include "grpc_abi_facts.h"

// Everything that gRPC's headers include, so that nothing of it gets into the namespace below.
#include <cassert>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

namespace outside {

// A function that this gRPC does not declare is found here, as the inner namespace is searched
// first.
#define DECLARE_ABSENT(result, name, parameters) extern absent name;
GRPC_SYMBOLS(DECLARE_ABSENT, DECLARE_ABSENT)

namespace installed {

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/sync.h>
#include <grpc/support/time.h>
#ifdef HAVE_GRPC_CREDENTIALS_H
#include <grpc/credentials.h>
#endif
#ifdef HAVE_GRPC_IMPL_PROPAGATION_BITS_H
#include <grpc/impl/propagation_bits.h>
#else
#include <grpc/impl/codegen/propagation_bits.h>
#endif

#ifndef HAVE_GRPC_COMPLETION_QUEUE_FUNCTOR
typedef grpc_experimental_completion_queue_functor grpc_completion_queue_functor;
#endif

#include "grpc_abi_lists.h"

} // namespace installed

} // namespace outside

const struct abi_fact *installed_facts(void) {
    return outside::installed::facts;
}

const struct abi_prototype *installed_prototypes(void) {
    return outside::installed::list_prototypes();
}
