#include "languages/cplusplus/server.h"

#include "base/compiler.h"
#include "base/generation.h"
#include "base/log.h"
#include "base/record_memory.h"
#include "cores/grpc_abi.h"
#include "life/first_use.h"
#include "loader/image.h"
#include "loader/image_list.h"
#include "operations/server.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// Long enough for any version's: ServerInterface has some fifteen virtual functions.
#define VIRTUAL_TABLE_WORDS 32

// The real functions of a libgrpc++, of which each core may have another.
struct server_class {
    struct server_class *next;
    void **table; // of virtual functions
    // grpc::Server::server(): which of the core's servers it is.
    grpc_server *(*get)(void *server);
    void (*destroy)(void *server);
    void (*delete)(void *server);
    void (*wait)(void *server);
    void (*shut_down)(void *server, gpr_timespec deadline);
};
static _Atomic(struct server_class *) server_classes; // only ever added to

static const struct server_class *class_of(void *server) {
    void **table = *(void ***)server;
    const struct server_class *class = atomic_load(&server_classes);
    while (class->table != table && class->next != NULL)
        class = class->next;
    return class;
}

static bool is_inherited(const struct server_class *class, void *server, const void *caller) {
    grpc_enter_release(caller);
    return current_generation() > 0 && server_is_inherited(class->get(server));
}

static bool can_end(const struct server_class *class, void *server, const void *caller) {
    return !is_inherited(class, server, caller) || server_can_end_in_child(class->get(server));
}

static void destroy_own(void *server) {
    const struct server_class *class = class_of(server);
    if (can_end(class, server, CALLER))
        class->destroy(server);
}

static void delete_own(void *server) {
    const struct server_class *class = class_of(server);
    if (can_end(class, server, CALLER))
        class->delete (server);
}

// It is shut down, so there is nothing to wait for.
static void wait_for_own(void *server) {
    const struct server_class *class = class_of(server);
    if (is_inherited(class, server, CALLER))
        server_say_not_serving();
    else
        class->wait(server);
}

// Its lock is held as long as that takes: a child of another thread must not try.
static void shut_down_own(void *server, gpr_timespec deadline) {
    const struct server_class *class = class_of(server);
    if (!can_end(class, server, CALLER))
        return;
    const grpc_server *core_server = class->get(server);
    server_note_shutdown(core_server, false);
    class->shut_down(server, deadline);
    server_note_shutdown(core_server, true);
}

struct virtual_function {
    const char *name; // of the member, mangled
    size_t real;      // where its address goes: a member of struct server_class
    void *own;
};

#define REAL(member) offsetof(struct server_class, member)
static const struct virtual_function functions[] = {
    {"6serverEv", REAL(get), NULL},
    {"D1Ev", REAL(destroy), (void *)(uintptr_t)destroy_own},
    {"D0Ev", REAL(delete), (void *)(uintptr_t)delete_own},
    {"4WaitEv", REAL(wait), (void *)(uintptr_t)wait_for_own},
    {"16ShutdownInternalE12gpr_timespec", REAL(shut_down), (void *)(uintptr_t)shut_down_own},
};

// grpc_impl was where the class lived for some versions around 1.30.
static const char *const classes[] = {"N4grpc6Server", "N9grpc_impl6Server"};

static void *member(const struct image *image, const char *class, const char *name) {
    char mangled[96];
    snprintf(mangled, sizeof(mangled), "_Z%s%s", class, name);
    return image_symbol(image, mangled);
}

static void patch(const struct image *image, void **table, void *real, void *own) {
    // Behind the offset and the type.
    for (size_t i = 2; i < VIRTUAL_TABLE_WORDS; i++) {
        if (table[i] == real) {
            image_patch_slot(image, &table[i], own);
            return;
        }
    }
}

static bool is_bound(void *const *table) {
    const struct server_class *class = atomic_load(&server_classes);
    while (class != NULL && class->table != table)
        class = class->next;
    return class != NULL;
}

static bool bind_class(const struct image *image, const char *class) {
    char mangled[96];
    snprintf(mangled, sizeof(mangled), "_ZTV%sE", class);
    void **table = image_symbol(image, mangled);
    void *addresses[ARRAY_LENGTH(functions)];
    if (table == NULL || is_bound(table + 2))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++) {
        addresses[i] = member(image, class, functions[i].name);
        if (addresses[i] == NULL)
            return false;
    }
    struct server_class *made = record_allocate_zeroed(sizeof(*made));
    if (made == NULL) {
        RECORD_LOST("servers of libgrpc++'s");
        return false;
    }
    // All are known before one is called.
    made->next = atomic_load(&server_classes);
    made->table = table + 2; // behind the offset and the type
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++)
        memcpy((char *)made + functions[i].real, &addresses[i], sizeof(addresses[i]));
    atomic_store(&server_classes, made);
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++) {
        if (functions[i].own != NULL)
            patch(image, table, addresses[i], functions[i].own);
    }
    log_write(LOG_DEBUG, "bound the servers of %s", image->path);
    return true;
}

static bool bind_in(const struct image *image, void *context) {
    (void)context;
    for (size_t i = 0; i < ARRAY_LENGTH(classes); i++)
        bind_class(image, classes[i]);
    return false;
}

void cplusplus_bind_server(void) {
    image_visit(bind_in, NULL);
}
