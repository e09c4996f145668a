#include "languages/cplusplus/server.h"

#include "base/compiler.h"
#include "base/generation.h"
#include "base/log.h"
#include "cores/grpc_abi.h"
#include "life/first_use.h"
#include "loader/image.h"
#include "loader/image_list.h"
#include "operations/server.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// Long enough for any version's: ServerInterface has some fifteen virtual functions.
#define VIRTUAL_TABLE_WORDS 32

// The real functions. grpc_server *grpc::Server::server() tells which of the core's servers it is.
static grpc_server *(*get_server)(void *server);
static void (*destroy_server)(void *server);
static void (*delete_server)(void *server);
static void (*wait_for_server)(void *server);
static void (*shut_server_down)(void *server, gpr_timespec deadline);

static bool is_inherited(void *server) {
    grpc_enter_release(__builtin_return_address(0));
    return current_generation() > 0 && server_is_inherited(get_server(server));
}

static bool can_end(void *server) {
    return !is_inherited(server) || server_can_end_in_child(get_server(server));
}

static void destroy_own(void *server) {
    if (can_end(server))
        destroy_server(server);
}

static void delete_own(void *server) {
    if (can_end(server))
        delete_server(server);
}

// It is shut down, so there is nothing to wait for.
static void wait_for_own(void *server) {
    if (is_inherited(server))
        server_say_not_serving();
    else
        wait_for_server(server);
}

// Its lock is held as long as that takes: a child of another thread must not try.
static void shut_down_own(void *server, gpr_timespec deadline) {
    if (!can_end(server))
        return;
    const grpc_server *core = get_server(server);
    server_note_shutdown(core, false);
    shut_server_down(server, deadline);
    server_note_shutdown(core, true);
}

struct virtual_function {
    const char *name; // of the member, mangled
    void *real;       // where its address goes
    void *own;
};

static const struct virtual_function functions[] = {
    {"6serverEv", &get_server, NULL},
    {"D1Ev", &destroy_server, (void *)(uintptr_t)destroy_own},
    {"D0Ev", &delete_server, (void *)(uintptr_t)delete_own},
    {"4WaitEv", &wait_for_server, (void *)(uintptr_t)wait_for_own},
    {"16ShutdownInternalE12gpr_timespec", &shut_server_down, (void *)(uintptr_t)shut_down_own},
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

static bool bind_class(const struct image *image, const char *class) {
    char mangled[96];
    snprintf(mangled, sizeof(mangled), "_ZTV%sE", class);
    void **table = image_symbol(image, mangled);
    void *addresses[ARRAY_LENGTH(functions)];
    if (table == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++) {
        addresses[i] = member(image, class, functions[i].name);
        if (addresses[i] == NULL)
            return false;
    }
    // All are known before one is called.
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++)
        memcpy(functions[i].real, &addresses[i], sizeof(addresses[i]));
    for (size_t i = 0; i < ARRAY_LENGTH(functions); i++) {
        if (functions[i].own != NULL)
            patch(image, table, addresses[i], functions[i].own);
    }
    log_write(LOG_DEBUG, "bound the servers of %s", image->path);
    return true;
}

static bool bind_in(const struct image *image, void *context) {
    (void)context;
    for (size_t i = 0; i < ARRAY_LENGTH(classes); i++) {
        if (bind_class(image, classes[i]))
            return true;
    }
    return false;
}

void cplusplus_bind_server(void) {
    if (get_server == NULL)
        image_visit(bind_in, NULL);
}
