#include "cores/settings.h"

#include "base/lock.h"
#include "base/record_memory.h"
#include "cores/core.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// More than gRPC has tracers; a name that is set again takes its old place.
#define TRACERS_MAXIMUM 256

struct tracer {
    char *name;
    _Atomic int enabled;
};

// Made at the first setting; a core of which nothing was set has none.
struct settings {
    _Atomic(void *) log_function;
    _Atomic bool has_log_function;
    _Atomic int verbosity;
    _Atomic bool has_verbosity;
    _Atomic(void *) roots_callback;
    struct tracer *tracers;
    _Atomic size_t tracer_count;
};
static struct lock lock = LOCK_INITIALIZER(LOCK_SETTINGS); // of writers of the tracers

// NULL where memory is lacking, and for a core that does not exist.
static struct settings *get(struct core *core) {
    struct settings *existing = atomic_load(&core->settings);
    if (existing != NULL || core == &core_absent)
        return existing;
    struct settings *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        RECORD_LOST("a setting");
        return NULL;
    }
    if (atomic_compare_exchange_strong(&core->settings, &existing, made))
        return made;
    free(made);
    return existing;
}

void settings_record_log_function(struct core *core, void (*function)(void *line)) {
    struct settings *settings = get(core);
    if (settings == NULL)
        return;
    atomic_store(&settings->log_function, (void *)(uintptr_t)function);
    atomic_store(&settings->has_log_function, true);
}

void settings_record_verbosity(struct core *core, int severity) {
    struct settings *settings = get(core);
    if (settings == NULL)
        return;
    atomic_store(&settings->verbosity, severity);
    atomic_store(&settings->has_verbosity, true);
}

void settings_record_roots_callback(struct core *core, int (*callback)(char **roots)) {
    struct settings *settings = get(core);
    if (settings != NULL)
        atomic_store(&settings->roots_callback, (void *)(uintptr_t)callback);
}

static bool is_called(const struct tracer *tracer, const char *name) {
    return tracer->name != NULL && strcmp(tracer->name, name) == 0;
}

// An entry is complete before it is counted: a child may see the table at any instant.
static void record_tracer(struct settings *settings, const char *name, int enabled) {
    if (settings->tracers == NULL)
        settings->tracers = calloc(TRACERS_MAXIMUM, sizeof(*settings->tracers));
    struct tracer *tracers = settings->tracers;
    size_t count = atomic_load(&settings->tracer_count);
    size_t place = 0;
    while (tracers != NULL && place < count && !is_called(&tracers[place], name))
        place++;
    char *copy = tracers != NULL && place == count && count < TRACERS_MAXIMUM
                     ? record_copy_text(name)
                     : NULL;
    if (place < count) {
        atomic_store(&tracers[place].enabled, enabled);
    } else if (count < TRACERS_MAXIMUM && copy == NULL) {
        RECORD_LOST("a tracer");
    } else if (copy != NULL) {
        tracers[place].name = copy;
        atomic_store(&tracers[place].enabled, enabled);
        atomic_store(&settings->tracer_count, count + 1);
    }
}

void settings_record_tracer(struct core *core, const char *name, int enabled) {
    struct settings *settings = get(core);
    if (settings == NULL)
        return;
    lock_acquire(&lock);
    record_tracer(settings, name, enabled);
    lock_release(&lock);
}

void settings_reset_lock_in_child(void) {
    lock_reset_in_child(&lock);
}

void settings_replay_before_initialisation(const struct core *core) {
    const struct settings *settings = atomic_load(&core->settings);
    if (settings == NULL)
        return;
    if (atomic_load(&settings->has_log_function))
        core->grpc.gpr_set_log_function(
            (void (*)(void *))(uintptr_t)atomic_load(&settings->log_function));
    if (atomic_load(&settings->has_verbosity))
        core->grpc.gpr_set_log_verbosity(atomic_load(&settings->verbosity));
    if (atomic_load(&settings->roots_callback) != NULL)
        core->grpc.grpc_set_ssl_roots_override_callback(
            (int (*)(char **))(uintptr_t)atomic_load(&settings->roots_callback));
}

void settings_replay_after_initialisation(const struct core *core) {
    const struct settings *settings = atomic_load(&core->settings);
    for (size_t i = 0; settings != NULL && i < atomic_load(&settings->tracer_count); i++)
        core->grpc.grpc_tracer_set_enabled(settings->tracers[i].name,
                                           atomic_load(&settings->tracers[i].enabled));
}
