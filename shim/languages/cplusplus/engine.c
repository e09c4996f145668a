#include "languages/cplusplus/engine.h"

#include "base/compiler.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/record_memory.h"
#include "cores/state.h"
#include "languages/cplusplus/functions.h"
#include "life/first_use.h"
#include "loader/image.h"
#include "loader/image_list.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// --- shares ------------------------------------------------------------------------------------

#if defined(__x86_64__)

// libstdc++'s std::shared_ptr and its control block (bits/shared_ptr_base.h), part of its ABI. The
// block is there as long as either count is not 0, the object as long as the first is not.
struct control {
    void *table;
    _Atomic int shares;
    _Atomic int weak;
};

struct shared_pointer {
    void *object;
    struct control *control;
};

// The engines of this process and of those before it, the newest first. At most one of a core's in
// a process is in use at a time: another is made when nobody has a share in the last one.
struct engine {
    struct engine *next;
    const struct core *core;
    void *object; // NULL: of a parent's that was over at fork
    struct control *control;
};
static _Atomic(struct engine *) engines;
static struct engine *first_inherited;
static struct lock engines_lock = LOCK_INITIALIZER(LOCK_ENGINES);

// This process's engine of the core, or NULL.
static struct engine *find_own(const struct core *core) {
    struct engine *engine = atomic_load(&engines);
    while (engine != first_inherited && engine->core != core)
        engine = engine->next;
    return engine != first_inherited ? engine : NULL;
}

// The weak share keeps the control block, some bytes, where gRPC is shut down and initialised
// again.
static void add_engine(const struct core *core, const struct shared_pointer *pointer) {
    struct engine *engine = find_own(core);
    bool is_new = engine == NULL;
    if (is_new) {
        engine = record_allocate(sizeof(*engine));
        if (engine == NULL) {
            RECORD_LOST("an event engine");
            return;
        }
        engine->next = atomic_load(&engines);
        engine->core = core;
    }
    atomic_fetch_add(&pointer->control->weak, 1);
    engine->object = pointer->object;
    engine->control = pointer->control;
    if (is_new)
        atomic_store(&engines, engine);
}

static bool is_known(const struct core *core, const struct control *control) {
    const struct engine *engine = find_own(core);
    return engine != NULL && engine->control == control;
}

static void remember(const struct core *core, const struct shared_pointer *pointer) {
    if (pointer->control == NULL || is_known(core, pointer->control))
        return;
    lock_acquire(&engines_lock);
    if (!is_known(core, pointer->control))
        add_engine(core, pointer);
    lock_release(&engines_lock);
}

// grpc_event_engine::experimental::GetDefaultEventEngine(), in some versions with the place of the
// call for a parameter. A result that is not trivial is written
// where the hidden first argument says, which is what the function returns (System V ABI); versions
// before shared pointers return the engine itself.
static struct shared_pointer *get_of(const struct core *core, struct shared_pointer *result,
                                     uintptr_t b, uintptr_t c) {
    struct shared_pointer *returned = cplusplus_functions_of(core)->get_engine(result, b, c);
    if (returned == result && core_is_protected(core))
        remember(core, result);
    return returned;
}

static struct shared_pointer *get_engine(struct shared_pointer *result, uintptr_t b, uintptr_t c) {
    return get_of(grpc_enter(CALLER), result, b, c);
}

static const struct binding bindings[] = {
    {.mangled = "_ZN17grpc_event_engine12experimental21GetDefaultEventEngineE",
     .wrapper = BINDING_ADDRESS(get_engine),
     .real = BINDING_REAL(get_engine)},
};

const struct binding_table cplusplus_engine_bindings = {bindings, ARRAY_LENGTH(bindings)};

void cplusplus_keep_engine(void) {
    struct engine *newest = atomic_load(&engines);
    lock_reset_in_child(&engines_lock);
    for (struct engine *engine = newest; engine != first_inherited; engine = engine->next) {
        if (atomic_load(&engine->control->shares) > 0)
            atomic_fetch_add(&engine->control->shares, 1);
        else
            engine->object = NULL;
    }
    first_inherited = newest;
}

bool engine_is_inherited(const void *object) {
    for (const struct engine *engine = first_inherited; engine != NULL; engine = engine->next) {
        if (engine->object == object)
            return true;
    }
    return false;
}

static const struct engine *find_inherited(const void *object) {
    const struct engine *engine = first_inherited;
    while (engine != NULL && engine->object != object)
        engine = engine->next;
    return engine;
}

// Behind the virtual table.
#define OBJECT_WORDS 8

void *engine_adopt(void *object, void *inherited) {
    void **words = object;
    const struct engine *engine = find_inherited(inherited);
    for (size_t i = 0; engine != NULL && i + 1 < OBJECT_WORDS; i++) {
        if (words[i] != inherited || words[i + 1] != engine->control)
            continue;
        struct shared_pointer own = {NULL, NULL};
        if (get_of(engine->core, &own, 0, 0) != &own || own.object == NULL)
            break;
        words[i] = own.object;
        words[i + 1] = own.control;
        return own.object;
    }
    return inherited;
}

#else

const struct binding_table cplusplus_engine_bindings = {NULL, 0};

void cplusplus_keep_engine(void) {
}

bool engine_is_inherited(const void *object) {
    (void)object;
    return false;
}

void *engine_adopt(void *object, void *inherited) {
    (void)object;
    return inherited;
}

#endif

// --- functions ---------------------------------------------------------------------------------

// A class of engines, by the part of its mangled name that has its length and name.
#define NAMESPACE "17grpc_event_engine12experimental"
#define CLASSES_MAXIMUM 16 // of all cores
#define VIRTUAL_TABLE_WORDS 32
struct engine_class {
    const char *name;
    size_t length;
    void **table; // of functions
    void *addresses[3];
    struct engine_functions real;
};
static struct engine_class *classes; // on the heap: the library's variables are to fit one page
static size_t class_count;

// How the functions go on after the class, and a part of the types of their parameters: each has
// another form that takes a closure of the program's.
static const char *const members[3][2] = {
    {"8RunAfterE", "AnyInvocable"},
    {"6CancelE", "TaskHandle"},
    {"3RunE", "AnyInvocable"},
};

static bool skip_prefix(const char **name, const char *prefix) {
    size_t length = strlen(prefix);
    if (strncmp(*name, prefix, length) != 0)
        return false;
    *name += length;
    return true;
}

static bool ends_with(const char *name, const char *end) {
    size_t length = strlen(name), end_length = strlen(end);
    return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

// Classes of one core: others may have a copy of a virtual table of the abstract class.
struct search {
    const struct image *image;
    size_t first;
};

static bool find_class(const char *name, const ElfW(Sym) * symbol, void *context) {
    const struct image *image = ((const struct search *)context)->image;
    if (class_count == CLASSES_MAXIMUM)
        return true;
    if (!skip_prefix(&name, "_ZTVN" NAMESPACE) || !isdigit((unsigned char)*name) ||
        !ends_with(name, "EventEngineE"))
        return false;
    classes[class_count++] = (struct engine_class){
        .name = name,
        .length = strlen(name) - strlen("E"),
        // Behind the offset and the type.
        .table = (void **)(image->base + symbol->st_value) + 2,
    };
    return false;
}

static bool find_members(const char *name, const ElfW(Sym) * symbol, void *context) {
    const struct search *search = context;
    const struct image *image = search->image;
    if (!skip_prefix(&name, "_ZN" NAMESPACE))
        return false;
    for (struct engine_class *type = classes + search->first; type < classes + class_count;
         type++) {
        const char *member = name + type->length;
        if (strncmp(name, type->name, type->length) != 0)
            continue;
        for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
            if (strncmp(member, members[i][0], strlen(members[i][0])) == 0 &&
                strstr(member, members[i][1]) != NULL)
                type->addresses[i] = (void *)(image->base + symbol->st_value);
        }
    }
    return false;
}

static void **find_slot(const struct engine_class *type, const void *address) {
    for (size_t i = 0; address != NULL && i < VIRTUAL_TABLE_WORDS; i++) {
        if (type->table[i] == address)
            return &type->table[i];
    }
    return NULL;
}

static bool bind_class(const struct image *image, struct engine_class *type,
                       const struct engine_functions *own) {
    void **slots[ARRAY_LENGTH(members)];
    void *replacements[ARRAY_LENGTH(members)];
    memcpy(replacements, own, sizeof(replacements));
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        slots[i] = find_slot(type, type->addresses[i]);
        if (slots[i] == NULL)
            return false;
    }
    // All are known before one is called.
    memcpy(&type->real, type->addresses, sizeof(type->addresses));
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        image_patch_slot(image, slots[i], replacements[i]);
    log_write(LOG_DEBUG, "bound %.*s of %s", (int)type->length, type->name, image->path);
    return true;
}

bool engine_bind(const struct image *core, const struct engine_functions *own) {
    bool bound = false;
    _Static_assert(sizeof(*own) == ARRAY_LENGTH(members) * sizeof(void *), "one of each");
    if (classes == NULL)
        classes = record_allocate_zeroed(CLASSES_MAXIMUM * sizeof(*classes));
    if (classes == NULL) {
        RECORD_LOST("alarms");
        return false;
    }
    struct search search = {core, class_count};
    image_visit_definitions(core, find_class, &search);
    image_visit_definitions(core, find_members, &search);
    for (size_t i = search.first; i < class_count; i++)
        bound |= bind_class(core, &classes[i], own);
    return bound;
}

const struct engine_functions *engine_functions_of(const void *engine) {
    void *const *table = *(void *const *const *)engine;
    const struct engine_class *type = classes;
    while (type->table != table && type < classes + class_count - 1)
        type++;
    return &type->real;
}
