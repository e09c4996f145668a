// The shim's own declarations.
#include "cores/grpc_abi.h"

typedef grpc_ssl_verify_peer_options verify_peer_options;

#include "grpc_abi_facts.h"

extern "C" {
#define DECLARE(result, name, parameters) result name parameters;
GRPC_SYMBOLS(DECLARE, DECLARE)
}

#include "grpc_abi_lists.h"

const struct abi_fact *shim_facts(void) {
    return facts;
}

const struct abi_prototype *shim_prototypes(void) {
    return list_prototypes();
}
