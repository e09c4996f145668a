#include "contract.h"

#include "inspect.h"

#include <stdbool.h>
#include <string.h>

// Where a row holds: with the shim at work; and without, for a gRPC that it can't protect.
static const struct row {
    const char *text;
    const char *unprotected;
} rows[] = {
    {"the parent is neither stopped nor slowed, and its connections stay whole", "no"},
    {"a child closes the descriptors of its parent's gRPC at once, and only those", "no"},
    {"a child that uses no gRPC starts none", "yes"},
    {"a child's first use of gRPC begins anew, and can't be blocked by its parent's threads", "no"},
    {"inherited channels work, on connections of their own", "no"},
    {"inherited calls are over: CANCELLED", "no"},
    {"inherited completion queues work", "no"},
    {"servers of the parent are stopped in the child", "no"},
    {"inherited credentials work", "no"},
    {"grpc_init and grpc_shutdown balance as the program sees them", "no"},
    {"exit() in a child ends", "no"},
    {"the same for grandchildren", "no"},
    {"any thread may fork at any time", "no"},
    {"vfork, posix_spawn, system and popen are untouched", "yes"},
    {"what can't be protected is said once, and runs as without the shim", "yes"},
};

enum { RUNS_AS_WITHOUT = 15 };

// The loader of another C library does not leave the shim out, it gives up.
static bool ends_program(const json_t *findings) {
    const json_t *obstacles = json_object_get(json_object_get(findings, "preload"), "obstacles");
    const json_t *obstacle;
    size_t index;
    json_array_foreach(obstacles, index, obstacle) {
        if (strcmp(json_string_value(json_object_get(obstacle, "code")), "libc") == 0)
            return true;
    }
    return false;
}

json_t *contract_describe(const json_t *findings) {
    json_t *contract = json_array();
    enum coverage coverage = inspect_coverage(findings);
    const char *linkage =
        json_string_value(json_object_get(json_object_get(findings, "grpc"), "linkage"));
    if (linkage != NULL && strcmp(linkage, "absent") == 0 && coverage == NOT_COVERED)
        return contract; // about nothing
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *holds = rows[i].unprotected;
        if (coverage == COVERED)
            holds = "yes";
        else if (strcmp(holds, "no") == 0 && coverage != NOT_COVERED)
            holds = coverage == PARTLY ? "partly" : "unknown";
        if (i + 1 == RUNS_AS_WITHOUT && ends_program(findings))
            holds = "no";
        json_t *row = json_object();
        json_object_set_new(row, "row", json_integer((json_int_t)i + 1));
        json_object_set_new(row, "text", json_string(rows[i].text));
        json_object_set_new(row, "holds", json_string(holds));
        json_array_append_new(contract, row);
    }
    return contract;
}
