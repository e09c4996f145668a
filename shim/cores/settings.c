#include "cores/settings.h"

#include "base/lock.h"
#include "base/record_memory.h"
#include "cores/functions.h"

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

static _Atomic(void *) log_function;
static _Atomic bool has_log_function;
static _Atomic int verbosity;
static _Atomic bool has_verbosity;
static _Atomic(void *) roots_callback;
static struct tracer *tracers;
static _Atomic size_t tracer_count;
static struct lock lock = LOCK_INITIALIZER(LOCK_SETTINGS); // of writers of the tracers

void settings_record_log_function(void (*function)(void *line)) {
    atomic_store(&log_function, (void *)(uintptr_t)function);
    atomic_store(&has_log_function, true);
}

void settings_record_verbosity(int severity) {
    atomic_store(&verbosity, severity);
    atomic_store(&has_verbosity, true);
}

void settings_record_roots_callback(int (*callback)(char **roots)) {
    atomic_store(&roots_callback, (void *)(uintptr_t)callback);
}

static bool is_called(const struct tracer *tracer, const char *name) {
    return tracer->name != NULL && strcmp(tracer->name, name) == 0;
}

// An entry is complete before it is counted: a child may see the table at any instant.
void settings_record_tracer(const char *name, int enabled) {
    lock_acquire(&lock);
    if (tracers == NULL)
        tracers = calloc(TRACERS_MAXIMUM, sizeof(*tracers));
    size_t count = atomic_load(&tracer_count);
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
        atomic_store(&tracer_count, count + 1);
    }
    lock_release(&lock);
}

void settings_replay_before_initialisation(void) {
    lock_reset_in_child(&lock);
    if (atomic_load(&has_log_function))
        grpc.gpr_set_log_function((void (*)(void *))(uintptr_t)atomic_load(&log_function));
    if (atomic_load(&has_verbosity))
        grpc.gpr_set_log_verbosity(atomic_load(&verbosity));
    if (atomic_load(&roots_callback) != NULL)
        grpc.grpc_set_ssl_roots_override_callback(
            (int (*)(char **))(uintptr_t)atomic_load(&roots_callback));
}

void settings_replay_after_initialisation(void) {
    for (size_t i = 0; i < atomic_load(&tracer_count); i++)
        grpc.grpc_tracer_set_enabled(tracers[i].name, atomic_load(&tracers[i].enabled));
}
