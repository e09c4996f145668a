#include "core/server.h"

#include "core/revival.h"

#include <stdlib.h>

grpc_server *server_record(grpc_server *handle) {
    struct object *server = handle != NULL ? calloc(1, sizeof(*server)) : NULL;
    if (server == NULL)
        return handle;
    object_initialise(server, OBJECT_SERVER, handle);
    object_record(server);
    return handle;
}

bool server_is_inherited(const grpc_server *handle) {
    if (likely(process_generation() == 0))
        return false;
    const struct object *server = registry_find(OBJECT_SERVER, handle, 0);
    return server != NULL && object_is_inherited(server);
}

static void dispose(struct object *object) {
    (void)object;
}

const struct object_operations server_operations = {NULL, NULL, dispose};
