#include "objects/recipe.h"

#include "base/log.h"
#include "base/record_memory.h"
#include "objects/revival.h"

#include <string.h>

struct recorded_argument {
    struct argument argument; // a text, texts or a block: a copy of our own
    struct object *record;    // of a handle; NULL: what has no record is used as it was inherited
};

struct recorded_step {
    _Atomic(struct recorded_step *) next;
    uintptr_t function; // see struct step
    size_t count;
    struct recorded_argument arguments[];
};

// A step is complete before it is linked: a child may see the list at any instant.
struct recipe {
    struct object object;
    _Atomic(struct recorded_step *) first;
    _Atomic(struct recorded_step *) *end;
};

static const struct object_operations operations[OBJECT_KINDS];

// Integers and addresses are passed in the same registers, and a function does not see those that
// it has no parameters for (System V ABI, AAPCS64).
typedef uintptr_t (*word_function)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                                   uintptr_t);

static uintptr_t call(const struct core *core, uintptr_t function,
                      const uintptr_t words[ARGUMENTS_MAXIMUM]) {
    if (function >= sizeof(core->grpc))
        return ((word_function)function)((uintptr_t)core, words[0], words[1], words[2], words[3],
                                         words[4]);
    word_function member;
    memcpy(&member, (const char *)&core->grpc + function, sizeof(member));
    return member(words[0], words[1], words[2], words[3], words[4], words[5]);
}

static uintptr_t call_for_program(const struct core *core, const struct step *step) {
    uintptr_t words[ARGUMENTS_MAXIMUM] = {0};
    for (size_t i = 0; i < ARGUMENTS_MAXIMUM; i++) {
        const struct argument *argument = &step->arguments[i];
        words[i] = argument->kind >= ARGUMENT_OBJECT
                       ? (uintptr_t)object_translate(argument->object, (void *)argument->value)
                       : argument->value;
    }
    return call(core, step->function, words);
}

// The strings and the table of their addresses in one block.
static void *copy_texts(const char *const *texts, size_t count) {
    size_t size = count * sizeof(char *);
    for (size_t i = 0; i < count; i++)
        size += texts[i] != NULL ? strlen(texts[i]) + 1 : 0;
    char **copy = record_allocate(size);
    char *end = (char *)(copy + count);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = texts[i] != NULL ? end : NULL;
        if (texts[i] != NULL)
            end = stpcpy(end, texts[i]) + 1;
    }
    return copy;
}

static void *copy_block(const void *block, size_t size, size_t destroy) {
    char *copy = record_allocate(size);
    if (copy == NULL)
        return NULL;
    memcpy(copy, block, size);
    if (destroy > 0)
        memset(copy + destroy, 0, sizeof(uintptr_t));
    return copy;
}

static struct recipe *copy_recipe(const struct recipe *recipe);

// False where memory is lacking, as of the next one.
static bool copy_value(const struct argument *argument, struct argument *copy) {
    const void *pointer = (const void *)argument->value;
    *copy = *argument;
    if (pointer == NULL)
        return true;
    if (argument->kind == ARGUMENT_TEXT)
        copy->value = (uintptr_t)record_copy_text(pointer);
    else if (argument->kind == ARGUMENT_TEXTS)
        copy->value = (uintptr_t)copy_texts(pointer, argument->size);
    else if (argument->kind == ARGUMENT_BLOCK)
        copy->value = (uintptr_t)copy_block(pointer, argument->size, argument->destroy);
    return copy->value != 0;
}

static bool copy_argument(const struct argument *argument, struct recorded_argument *copy) {
    if (!copy_value(argument, &copy->argument))
        return false;
    if (argument->value == 0 || argument->kind < ARGUMENT_OBJECT || argument->kind == ARGUMENT_SELF)
        return true;
    copy->record = registry_acquire(argument->object, (const void *)argument->value, 0);
    if (argument->kind != ARGUMENT_SNAPSHOT || copy->record == NULL)
        return true;
    struct object *changing = copy->record;
    copy->record = (struct object *)copy_recipe((const struct recipe *)changing);
    object_unreference(changing);
    return copy->record != NULL;
}

static void free_argument(struct recorded_argument *argument) {
    if (argument->argument.kind == ARGUMENT_TEXT || argument->argument.kind == ARGUMENT_TEXTS ||
        argument->argument.kind == ARGUMENT_BLOCK)
        record_free((void *)argument->argument.value);
    // What was consumed ends with what consumed it, and gRPC may then use its address again.
    if (argument->argument.kind == ARGUMENT_CONSUMED && argument->record != NULL &&
        registry_remove_object(argument->record))
        object_unreference(argument->record);
    object_unreference(argument->record);
}

static void free_step(struct recorded_step *step) {
    for (size_t i = 0; i < step->count; i++)
        free_argument(&step->arguments[i]);
    record_free(step);
}

static struct recorded_step *make_step(uintptr_t function, size_t count) {
    struct recorded_step *step =
        record_allocate_zeroed(sizeof(*step) + count * sizeof(step->arguments[0]));
    if (step != NULL) {
        step->function = function;
        step->count = count;
    }
    return step;
}

static struct recorded_step *copy_step(const struct step *step) {
    size_t count = 0;
    while (count < ARGUMENTS_MAXIMUM && step->arguments[count].kind != ARGUMENT_NONE)
        count++;
    struct recorded_step *copy = make_step(step->function, count);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        if (!copy_argument(&step->arguments[i], &copy->arguments[i])) {
            free_step(copy);
            return NULL;
        }
    }
    return copy;
}

static void append(struct recipe *recipe, struct recorded_step *step) {
    atomic_store(recipe->end, step);
    recipe->end = &step->next;
}

static struct recipe *make_recipe(const struct core *core, enum object_kind kind, void *handle) {
    struct recipe *recipe = record_allocate_zeroed(sizeof(*recipe));
    if (recipe == NULL)
        return NULL;
    object_initialise(&recipe->object, &operations[kind], core, handle);
    recipe->end = &recipe->first;
    return recipe;
}

static struct recorded_step *copy_recorded_step(const struct recorded_step *step) {
    struct recorded_step *copy = make_step(step->function, step->count);
    for (size_t i = 0; copy != NULL && i < step->count; i++) {
        if (!copy_value(&step->arguments[i].argument, &copy->arguments[i].argument)) {
            free_step(copy);
            return NULL;
        }
        copy->arguments[i].record = step->arguments[i].record;
        if (copy->arguments[i].record != NULL)
            atomic_fetch_add(&copy->arguments[i].record->references, 1);
    }
    return copy;
}

// A recipe of its own that nobody has a handle of.
static struct recipe *copy_recipe(const struct recipe *recipe) {
    struct recipe *copy = make_recipe(object_core(&recipe->object), recipe->object.kind, NULL);
    const struct recorded_step *step = atomic_load(&recipe->first);
    for (; copy != NULL && step != NULL; step = atomic_load(&step->next)) {
        struct recorded_step *copied = copy_recorded_step(step);
        if (copied == NULL) {
            object_unreference(&copy->object);
            return NULL;
        }
        append(copy, copied);
    }
    if (copy != NULL)
        atomic_store(&copy->object.handles, 0);
    return copy;
}

// An object that consumed something without a record can't be made a second time.
static bool can_be_repeated(const struct recorded_step *step) {
    for (size_t i = 0; i < step->count; i++) {
        const struct recorded_argument *argument = &step->arguments[i];
        if (argument->argument.kind == ARGUMENT_CONSUMED && argument->argument.value != 0 &&
            argument->record == NULL)
            return false;
    }
    return true;
}

static bool has_same_only_step(const struct recipe *recipe, const struct step *step) {
    const struct recorded_step *first = atomic_load(&recipe->first);
    return first != NULL && first->function == step->function && atomic_load(&first->next) == NULL;
}

// gRPC hands out some objects again and again, such as insecure credentials since 1.51: the handles
// of the one record are counted. For a function with arguments, and for one whose result was
// changed since, a record under the address of a new object is old.
static bool is_known_singleton(enum object_kind kind, const void *handle, const struct step *step) {
    if (step->arguments[0].kind != ARGUMENT_NONE)
        return false;
    struct object *known = registry_acquire(kind, handle, 0);
    bool same = known != NULL && !object_is_inherited(known) &&
                has_same_only_step((const struct recipe *)known, step);
    if (same)
        registry_add_handle(kind, handle);
    object_unreference(known);
    return same;
}

// Half a recipe would make other credentials than the program's.
static void lose(enum object_kind kind, const void *handle) {
    static bool said;
    recipe_forget(kind, handle);
    log_once(said, LOG_ERROR,
             "can't record how credentials were made, out of memory, children use them as they "
             "inherited them");
}

static void record(const struct core *core, enum object_kind kind, void *handle,
                   const struct step *step) {
    struct recipe *recipe = make_recipe(core, kind, handle);
    struct recorded_step *first = recipe != NULL ? copy_step(step) : NULL;
    if (first == NULL) {
        lose(kind, handle);
        if (recipe != NULL)
            object_unreference(&recipe->object);
        return;
    }
    append(recipe, first);
    if (can_be_repeated(first)) {
        object_record(&recipe->object);
    } else {
        recipe_forget(kind, handle);
        object_unreference(&recipe->object);
    }
}

void *recipe_record(struct core *core, bool records, enum object_kind kind, void *handle,
                    const struct step *step) {
    if (handle != NULL && records && !is_known_singleton(kind, handle, step))
        record(core, kind, handle, step);
    return handle;
}

void *recipe_make(struct core *core, bool records, enum object_kind kind, const struct step *step) {
    return recipe_record(core, records, kind, (void *)call_for_program(core, step), step);
}

uintptr_t recipe_change(struct core *core, bool records, enum object_kind kind, const void *handle,
                        const struct step *step) {
    uintptr_t result = call_for_program(core, step);
    struct object *object = records ? registry_acquire(kind, handle, 0) : NULL;
    struct recorded_step *copy = object != NULL ? copy_step(step) : NULL;
    if (copy != NULL)
        append((struct recipe *)object, copy);
    else if (object != NULL)
        lose(kind, handle);
    object_unreference(object);
    return result;
}

void *recipe_record_copy(struct core *core, bool records, enum object_kind kind, void *handle,
                         const void *original) {
    struct object *object = records ? registry_acquire(kind, original, 0) : NULL;
    if (object == NULL || handle == NULL)
        return handle;
    struct recipe *copy = copy_recipe((struct recipe *)object);
    object_unreference(object);
    if (copy == NULL) {
        lose(kind, handle);
        return handle;
    }
    object_initialise(&copy->object, &operations[kind], core, handle);
    object_record(&copy->object);
    return handle;
}

void recipe_forget(enum object_kind kind, const void *handle) {
    struct object *object = registry_acquire(kind, handle, 0);
    if (object != NULL && !object_is_inherited(object) && registry_remove_object(object))
        object_unreference(object);
    object_unreference(object);
}

// The arguments of a step for one call in this process.
struct use {
    uintptr_t words[ARGUMENTS_MAXIMUM];
    bool temporary[ARGUMENTS_MAXIMUM];
};

static uintptr_t begin_use(const struct recorded_argument *argument, void *self, bool *temporary) {
    struct object *record = argument->record;
    switch (argument->argument.kind) {
    case ARGUMENT_SELF:
        return (uintptr_t)self;
    case ARGUMENT_OBJECT:
    case ARGUMENT_SNAPSHOT:
        if (record != NULL)
            return (uintptr_t)object_borrow(record, temporary);
        return argument->argument.value;
    case ARGUMENT_CONSUMED:
        return record != NULL ? (uintptr_t)object_build(record) : 0;
    default:
        return argument->argument.value;
    }
}

static uintptr_t repeat(const struct core *core, const struct recorded_step *step, void *self) {
    struct use use = {{0}, {false}};
    for (size_t i = 0; i < step->count; i++)
        use.words[i] = begin_use(&step->arguments[i], self, &use.temporary[i]);
    uintptr_t result = call(core, step->function, use.words);
    for (size_t i = 0; i < step->count; i++)
        object_return(step->arguments[i].record, (void *)use.words[i], use.temporary[i]);
    return result;
}

static void *build(struct object *object) {
    struct recipe *recipe = (struct recipe *)object;
    const struct core *core = object_core(object);
    const struct recorded_step *step = atomic_load(&recipe->first);
    void *made = step != NULL ? (void *)repeat(core, step, NULL) : NULL;
    while (made != NULL && (step = atomic_load(&step->next)) != NULL)
        repeat(core, step, made);
    return made;
}

static void dispose(struct object *object) {
    struct recipe *recipe = (struct recipe *)object;
    struct recorded_step *step = atomic_load(&recipe->first);
    while (step != NULL) {
        struct recorded_step *next = atomic_load(&step->next);
        free_step(step);
        step = next;
    }
}

#define FOR_EACH_KIND(KIND)                                                                        \
    KIND(channel_credentials, OBJECT_CHANNEL_CREDENTIALS, grpc_channel_credentials_release)        \
    KIND(call_credentials, OBJECT_CALL_CREDENTIALS, grpc_call_credentials_release)                 \
    KIND(server_credentials, OBJECT_SERVER_CREDENTIALS, grpc_server_credentials_release)           \
    KIND(tls_options, OBJECT_TLS_OPTIONS, grpc_tls_credentials_options_destroy)                    \
    KIND(tls_provider, OBJECT_TLS_PROVIDER, grpc_tls_certificate_provider_release)                 \
    KIND(tls_verifier, OBJECT_TLS_VERIFIER, grpc_tls_certificate_verifier_release)                 \
    KIND(tls_identity_pairs, OBJECT_TLS_IDENTITY_PAIRS, grpc_tls_identity_pairs_destroy)           \
    KIND(alts_options, OBJECT_ALTS_OPTIONS, grpc_alts_credentials_options_destroy)                 \
    KIND(ssl_server_config, OBJECT_SSL_SERVER_CONFIG, grpc_ssl_server_certificate_config_destroy)  \
    KIND(ssl_server_options, OBJECT_SSL_SERVER_OPTIONS,                                            \
         grpc_ssl_server_credentials_options_destroy)                                              \
    KIND(ssl_session_cache, OBJECT_SSL_SESSION_CACHE, grpc_ssl_session_cache_destroy)

#define DESTROY(name, kind, release)                                                               \
    static void name##_destroy(const struct object *object, void *real) {                          \
        const struct core *core = object_core(object);                                             \
        if (function_present(&core->grpc.release))                                                 \
            core->grpc.release(real);                                                              \
    }
FOR_EACH_KIND(DESTROY)

#define OPERATIONS(name, kind, release) [kind] = {kind, build, name##_destroy, dispose},
static const struct object_operations operations[OBJECT_KINDS] = {FOR_EACH_KIND(OPERATIONS)};
