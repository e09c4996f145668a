#include "process.h"

#include "cores.h"
#include "inspect.h"
#include "libraries.h"
#include "record_reader.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// --- /proc ---------------------------------------------------------------------------------------

static bool read_link(char *target, size_t size, pid_t pid, const char *name) {
    char path[100];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    ssize_t length = readlink(path, target, size - 1);
    target[length > 0 ? length : 0] = '\0';
    return length > 0;
}

// A number of /proc/PID/status: the last of its line, which for NSpid is that of the innermost
// namespace. -1 where there is none.
static long read_status(pid_t pid, const char *key) {
    char path[50], line[500];
    long number = -1;
    size_t length = strlen(key);
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, length) != 0 || line[length] != ':')
            continue;
        char *last = line + length + 1;
        for (char *at = last; *at != '\0'; at++) {
            if ((*at == ' ' || *at == '\t') && at[1] >= '0' && at[1] <= '9')
                last = at + 1;
        }
        number = strtol(last, NULL, 10);
    }
    fclose(file);
    return number;
}

// Calls `visit` for each open descriptor; false where they can't be listed.
static bool each_descriptor(pid_t pid, void (*visit)(unsigned descriptor, void *context),
                            void *context) {
    char path[50];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    const struct dirent *entry;
    if (directory == NULL)
        return false;
    while ((entry = readdir(directory)) != NULL) {
        char *end;
        unsigned long number = strtoul(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0')
            visit((unsigned)number, context);
    }
    closedir(directory);
    return true;
}

// --- descriptors ---------------------------------------------------------------------------------

struct owned {
    pid_t pid;
    const struct record *record;
    unsigned *descriptors;
    size_t count;
};

static void add_if_tracked(unsigned descriptor, void *context) {
    struct owned *owned = context;
    if (!record_tracks(owned->pid, owned->record, descriptor))
        return;
    unsigned *grown = realloc(owned->descriptors, (owned->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return;
    owned->descriptors = grown;
    grown[owned->count++] = descriptor;
}

// Those that the process's gRPC has open; false where that can't be known.
static bool find_owned(struct owned *owned, pid_t pid, const struct record *record) {
    *owned = (struct owned){pid, record, NULL, 0};
    return each_descriptor(pid, add_if_tracked, owned);
}

struct comparison {
    pid_t pid;
    const struct owned *parents;
    json_t *inherited;
};

// The same open file, as the kernel sees it (kcmp(2)): many have no other identity.
static bool is_same_file(pid_t pid, unsigned descriptor, pid_t other, unsigned other_descriptor) {
    return syscall(SYS_kcmp, pid, other, KCMP_FILE, (unsigned long)descriptor,
                   (unsigned long)other_descriptor) == 0;
}

static void add_if_inherited(unsigned descriptor, void *context) {
    const struct comparison *comparison = context;
    char name[50], target[PATH_MAX];
    for (size_t i = 0; i < comparison->parents->count; i++) {
        if (!is_same_file(comparison->pid, descriptor, comparison->parents->pid,
                          comparison->parents->descriptors[i]))
            continue;
        json_t *found = json_object();
        snprintf(name, sizeof(name), "fd/%u", descriptor);
        read_link(target, sizeof(target), comparison->pid, name);
        json_object_set_new(found, "descriptor", json_integer(descriptor));
        json_object_set_new(found, "target", text_json(target));
        json_array_append_new(comparison->inherited, found);
        return;
    }
}

static json_t *find_inherited(pid_t pid) {
    struct process_record record;
    struct owned parents;
    long parent = read_status(pid, "PPid");
    if (parent <= 0 || record_read((pid_t)parent, &record) != READING_DONE ||
        !find_owned(&parents, (pid_t)parent, &record.record))
        return json_null();
    struct comparison comparison = {pid, &parents, json_array()};
    each_descriptor(pid, add_if_inherited, &comparison);
    free(parents.descriptors);
    return comparison.inherited;
}

// --- the process ---------------------------------------------------------------------------------

static json_t *describe_descriptors(pid_t pid, const struct record *record) {
    json_t *descriptors = json_object();
    struct owned owned;
    if (find_owned(&owned, pid, record))
        json_object_set_new(descriptors, "grpc", json_integer((json_int_t)owned.count));
    free(owned.descriptors);
    json_object_set_new(descriptors, "inherited", find_inherited(pid));
    return descriptors;
}

static enum record_state describe_record(json_t *process, pid_t pid,
                                         const struct process_record *found) {
#define NAME(name) #name,
    static const char *const counters[] = {COUNTERS(NAME)};
    static const char *const states[] = {RECORD_STATES(NAME)};
#undef NAME
    uint32_t state = atomic_load(&found->record.state);
    if (state >= RECORD_STATE_KINDS)
        state = RECORD_none;
    json_object_set_new(process, "state", json_string(states[state]));
    json_object_set_new(process, "generation",
                        json_integer(atomic_load(&found->record.generation)));
    json_t *values = json_object();
    // A child without gRPC has no handler that would have begun its record anew.
    bool own = atomic_load(&found->record.process) == (uint32_t)read_status(pid, "NSpid");
    for (int i = 0; i < COUNTER_KINDS; i++)
        json_object_set_new(values, counters[i],
                            json_integer(own ? (json_int_t)found->counters[i] : 0));
    json_object_set_new(process, "counters", values);
    json_object_set_new(process, "descriptors", describe_descriptors(pid, &found->record));
    return (enum record_state)state;
}

// What was concluded of its cores stands where one of them is worse off than the shim knows.
static void conclude_protected(json_t *findings) {
    const json_t *inherited = json_object_get(
        json_object_get(json_object_get(findings, "process"), "descriptors"), "inherited");
    const json_t *cores = json_object_get(json_object_get(findings, "grpc"), "cores");
    if (json_array_size(cores) == 0)
        inspect_conclude(findings, UNKNOWN,
                         "the shim protects a gRPC, of which no file that it has loaded tells");
    else if (inspect_coverage(findings) == COVERED && json_array_size(inherited) > 0)
        inspect_conclude(findings, PARTLY,
                         "the shim protects it, but it has descriptors of its parent's gRPC");
    else if (inspect_coverage(findings) == COVERED)
        inspect_conclude(findings, COVERED, "the shim protects its gRPC");
}

static void conclude_by_state(json_t *findings, enum record_state state) {
    switch (state) {
    case RECORD_protected:
    case RECORD_inherited:
        conclude_protected(findings);
        break;
    case RECORD_unprotected:
        inspect_conclude(findings, NOT_COVERED, "the shim is there and can't protect its gRPC");
        break;
    case RECORD_disabled:
        inspect_conclude(findings, NOT_COVERED, "the shim is there, and disabled");
        break;
    default:
        // What its program says of it stands; it is there in any case.
        inspect_note(findings, "the process has not used gRPC yet");
        break;
    }
}

// A process that went into the background after it had started its server has one that nobody
// serves: the process that did has gone. Its number may be in use again, so where there is one
// nothing is said; nor where the two numbers may be of different namespaces.
static void note_servers(json_t *findings, pid_t pid, const struct record *record) {
    pid_t server = (pid_t)atomic_load(&record->server_process);
    if (atomic_load(&record->inherited_servers) == 0 || server <= 0 ||
        read_status(pid, "NSpid") != pid || kill(server, 0) == 0 || errno != ESRCH)
        return;
    inspect_note(findings,
                 "it has a server of process %d, which started it before the fork and has gone: "
                 "nobody serves it",
                 (int)server);
}

static void conclude_without_record(json_t *findings, enum reading reading) {
    switch (reading) {
    case READING_NO_SHIM:
        inspect_conclude(findings, NOT_COVERED, "the shim is not in this process");
        break;
    case READING_NOT_PERMITTED:
        inspect_conclude(findings, UNKNOWN,
                         "its memory may not be read: try as root, or as its user");
        break;
    case READING_OTHER_VERSION:
        inspect_conclude(findings, UNKNOWN, "the shim in it is of another version");
        break;
    case READING_NO_FILE:
        inspect_conclude(findings, UNKNOWN,
                         "the shim's file can't be read, or was replaced since: try as root");
        break;
    case READING_NO_PROCESS:
        inspect_conclude(findings, UNKNOWN, "there is no such process");
        break;
    default:
        inspect_conclude(findings, UNKNOWN, "its memory can't be read");
        break;
    }
}

static json_t *inspect_with_record(pid_t pid, enum reading reading,
                                   const struct process_record *found) {
    char path[50];
    struct protection protection = {.refused = false};
    for (int i = 0; i < RECORD_IMAGES; i++)
        protection.images[i] = atomic_load(&found->record.protected_images[i]);
    protection.refused = atomic_load(&found->record.refused) != 0;
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    return inspect_running(path, libraries_mapped(pid),
                           reading == READING_DONE ? &protection : NULL);
}

json_t *process_inspect(pid_t pid) {
    char program[PATH_MAX];
    struct process_record found;
    enum reading reading = record_read(pid, &found);
    json_t *findings = inspect_with_record(pid, reading, &found);
    json_t *process = json_object(), *shim = json_object();
    json_object_set_new(findings, "target", json_sprintf("%d", (int)pid));
    json_object_set_new(findings, "kind", json_string("process"));
    json_object_set_new(findings, "process", process);
    json_object_set_new(process, "pid", json_integer(pid));
    json_object_set_new(process, "shim", shim);
    if (read_link(program, sizeof(program), pid, "exe"))
        json_object_set_new(process, "program", text_json(program));
    json_object_set_new(shim, "loaded", json_boolean(found.library[0] != '\0'));
    if (found.library[0] != '\0')
        json_object_set_new(shim, "file", text_json(found.library));
    if (reading == READING_DONE) {
        conclude_by_state(findings, describe_record(process, pid, &found));
        note_servers(findings, pid, &found.record);
    } else {
        conclude_without_record(findings, reading);
    }
    return findings;
}
