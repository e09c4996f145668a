// A systemd service as its files describe it (systemd.unit(5)): the unit's own file and its
// drop-ins, read here so that it also works where no systemd runs, in images and containers.
#ifndef GRPCFORKSHIM_TOOL_UNIT_H
#define GRPCFORKSHIM_TOOL_UNIT_H

#include <stdbool.h>
#include <stddef.h>

struct unit {
    char *name; // with ".service"
    char *path; // of the unit's own file
    struct assignment {
        char *key;
        char *value;
        char *file;  // in which it stands
    } * assignments; // of its section [Service], in the order in which they count
    size_t count;
};

// The name with ".service" behind it, where that was left out; that of the service itself where the
// name is an alias. NULL, after a message, for what is no service's. The caller frees it.
char *unit_full_name(const char *name);

// Reads a service; ".service" may be left out of the name. Drop-ins called `without` are left out.
// NULL, after a message, where there is none, or it is masked, or the name is not a service's. The
// caller frees it.
struct unit *unit_load(const char *name, const char *without);
void unit_free(struct unit *unit);

// The last value of a setting, or NULL where there is none or it was reset.
const char *unit_value(const struct unit *unit, const char *key);

// Whether a setting is a true boolean.
bool unit_is_true(const struct unit *unit, const char *key);

// Calls `visit` for each value of a setting that is a list, but for those that were reset.
void unit_each(const struct unit *unit, const char *key,
               void (*visit)(const char *value, void *context), void *context);

#endif
