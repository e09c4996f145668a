#include "cores.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// --- finding them --------------------------------------------------------------------------------

// A file has several names: /lib may be /usr/lib.
static bool is_same_file(const struct place *one, const struct place *other) {
    return one->device == other->device && one->inode == other->inode;
}

static bool is_same(const struct place *one, const struct place *other) {
    return is_same_file(one, other) && one->start == other->start;
}

static bool was_seen(struct cores *cores, const struct place *place) {
    for (size_t i = 0; i < cores->seen_count; i++) {
        if (is_same(&cores->seen[i], place))
            return true;
    }
    struct place *grown = realloc(cores->seen, (cores->seen_count + 1) * sizeof(*grown));
    if (grown != NULL) {
        cores->seen = grown;
        grown[cores->seen_count++] = *place;
    }
    return false;
}

// What was there perhaps is known to be loaded now.
static void note_loaded(struct cores *cores, const struct place *place, enum core_loaded loaded) {
    for (size_t i = 0; i < cores->count; i++) {
        struct core *core = &cores->items[i];
        if (is_same(&core->place, place) && loaded < core->loaded)
            core->loaded = loaded;
    }
}

static char *copy(const char *text) {
    return text != NULL ? strdup(text) : NULL;
}

// What an interpreter loads as gRPC for its language; other cores are none of its packages' of that
// name.
static bool is_of_language(const struct core *core) {
    return core->loaded == CORE_LATER || core->kind == CORE_LIBRARY || core->kind == CORE_EXTENSION;
}

static char *find_release(const struct core *core, const struct libraries *libraries) {
    char *release = NULL;
    if (core->extension != NULL)
        release = grpc_core_release_of_extension(core->extension);
    if (release == NULL && (core->kind == CORE_LIBRARY || core->kind == CORE_REFUSED))
        release = grpc_core_release(libraries);
    return release;
}

static struct place place_of(const struct library *library) {
    struct place place = {.start = library->start};
    struct stat status;
    if (fstat(library->file->descriptor, &status) == 0) {
        place.device = status.st_dev;
        place.inode = status.st_ino;
    }
    return place;
}

static void add(struct cores *cores, const struct libraries *libraries, size_t index,
                const struct loading *loading) {
    const struct library *library = &libraries->items[index];
    struct core core = {.loaded = loading->loaded, .place = place_of(library)};
    note_loaded(cores, &core.place, core.loaded);
    if (was_seen(cores, &core.place))
        return;
    core.kind = grpc_core_kind(library->file, &core.refusal);
    if (core.kind == CORE_NONE)
        return;
    struct core *grown = realloc(cores->items, (cores->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return;
    core.file = strdup(library->file->path);
    core.extension = copy(loading->extension);
    if (core.extension == NULL && core.kind == CORE_EXTENSION)
        core.extension = strdup(core.file);
    if (core.kind == CORE_EXTENSION)
        core.language = "python";
    else
        core.language = is_of_language(&core) ? loading->language : NULL;
    core.version = grpc_core_version(library->file);
    core.release = find_release(&core, libraries);
    cores->items = grown;
    grown[cores->count++] = core;
}

void cores_add(struct cores *cores, const struct libraries *libraries,
               const struct loading *loading) {
    for (size_t i = 0; i < libraries->count; i++)
        add(cores, libraries, i, loading);
}

static void free_core(struct core *core) {
    free(core->file);
    free(core->extension);
    free(core->version);
    free(core->release);
}

void cores_free(struct cores *cores) {
    for (size_t i = 0; i < cores->count; i++)
        free_core(&cores->items[i]);
    free(cores->items);
    free(cores->seen);
    *cores = (struct cores){0};
}

// --- what the shim does for each -----------------------------------------------------------------

static const char by_its_log[] = "the shim can't protect it, and has said why in its log";

static void conclude(struct core *core, enum coverage coverage, const char *verdict) {
    core->coverage = coverage;
    core->verdict = verdict;
}

static bool is_protected_library(const struct protection *protection, uint64_t start) {
    for (int i = 0; i < RECORD_LIBRARIES; i++) {
        if (protection->images[i] == start)
            return true;
    }
    return false;
}

static bool is_any_protected(const struct protection *protection) {
    for (int i = 0; i < RECORD_LIBRARIES; i++) {
        if (protection->images[i] != 0)
            return true;
    }
    return false;
}

static void judge_library(struct core *core, const struct protection *protection) {
    static const char other[] =
        "another gRPC of the process is protected, and this one is not in use";
    if (protection == NULL || is_protected_library(protection, core->place.start))
        conclude(core, COVERED, "gRPC is linked dynamically");
    else if (protection->refused)
        conclude(core, NOT_COVERED, by_its_log);
    else if (is_any_protected(protection))
        conclude(core, COVERED, other);
    else
        conclude(core, COVERED, "gRPC is linked dynamically");
}

// A child has the file that its parent had once more.
static bool is_protected_extension(const struct cores *cores, const struct core *core,
                                   uint64_t image) {
    for (size_t i = 0; i < cores->count; i++) {
        if (cores->items[i].place.start == image &&
            is_same_file(&cores->items[i].place, &core->place))
            return true;
    }
    return false;
}

static void judge_extension(const struct cores *cores, struct core *core, const char *python,
                            const struct protection *protection) {
    if (protection != NULL &&
        !is_protected_extension(cores, core, protection->images[RECORD_EXTENSION]))
        conclude(core, NOT_COVERED,
                 protection->refused ? by_its_log : "the shim is there and does not protect it");
    else if (protection == NULL && python != NULL)
        conclude(core, core->loaded == CORE_AT_START ? UNKNOWN : NOT_COVERED, python);
    else
        conclude(core, COVERED, "gRPC is in the extension of Python, which the shim knows");
}

// It is one to the reader.
static void drop_copies_of_extensions(struct cores *cores) {
    size_t kept = 0;
    for (size_t i = 0; i < cores->count; i++) {
        struct core *core = &cores->items[i];
        bool copy = false;
        for (size_t j = 0; j < kept && core->kind == CORE_EXTENSION; j++)
            copy = copy || is_same_file(&cores->items[j].place, &core->place);
        if (copy)
            free_core(core);
        else
            cores->items[kept++] = *core;
    }
    cores->count = kept;
}

void cores_judge(struct cores *cores, const char *python, const struct protection *protection) {
    for (struct core *core = cores->items; core < cores->items + cores->count; core++) {
        switch (core->kind) {
        case CORE_LIBRARY:
            judge_library(core, protection);
            break;
        case CORE_EXTENSION:
            judge_extension(cores, core, python, protection);
            break;
        case CORE_REFUSED:
            conclude(core, NOT_COVERED, core->refusal);
            break;
        default:
            conclude(core, NOT_COVERED, "gRPC is linked statically: there is nothing to hook into");
            break;
        }
    }
    drop_copies_of_extensions(cores);
}

static enum coverage counted(const struct core *core) {
    return core->loaded == CORE_PERHAPS && core->coverage == NOT_COVERED ? UNKNOWN : core->coverage;
}

const struct core *cores_worst(const struct cores *cores, enum coverage *coverage) {
    const struct core *worst = NULL;
    *coverage = COVERED;
    for (size_t i = 0; i < cores->count; i++) {
        const struct core *core = &cores->items[i];
        // The first of equals.
        if (worst != NULL && coverage_worse(*coverage, counted(core)) == *coverage)
            continue;
        worst = core;
        *coverage = counted(core);
    }
    return worst;
}

bool cores_have_kind(const struct cores *cores, enum core_kind kind) {
    for (size_t i = 0; i < cores->count; i++) {
        if (cores->items[i].kind == kind)
            return true;
    }
    return false;
}

bool cores_have_language(const struct cores *cores, const char *language) {
    for (size_t i = 0; i < cores->count; i++) {
        const char *own = cores->items[i].language;
        if (own != NULL && strcmp(own, language) == 0)
            return true;
    }
    return false;
}

// --- for the reader ------------------------------------------------------------------------------

static void set(json_t *object, const char *key, const char *value) {
    if (value != NULL)
        json_object_set_new(object, key, text_json(value));
}

static json_t *describe(const struct core *core) {
    static const char *const loaded[] = {"start", "later", "perhaps", "already"};
    json_t *object = json_object();
    set(object, "file", core->file);
    set(object, "linkage", core->kind == CORE_LIBRARY ? "dynamic" : "static");
    set(object, "loaded", loaded[core->loaded]);
    set(object, "extension", core->extension);
    set(object, "language", core->language);
    set(object, "core_version", core->version);
    set(object, "release", core->release);
    set(object, "coverage", coverage_name(core->coverage));
    set(object, "verdict", core->verdict);
    return object;
}

json_t *cores_json(const struct cores *cores) {
    json_t *array = json_array();
    for (size_t i = 0; i < cores->count; i++)
        json_array_append_new(array, describe(&cores->items[i]));
    return array;
}
