#include "cores/scope.h"

#include "base/lock.h"
#include "base/log.h"
#include "cores/core_images.h"
#include "cores/thunk.h"
#include "loader/image_list.h"

#include <stdlib.h>

// --- what is known ------------------------------------------------------------------------------

struct binding {
    uintptr_t start, end;
    struct core *core;
};

// Read without a lock, by each call: a reader looks whether anything was written meanwhile.
#define KNOWN_MAXIMUM 64
struct known {
    _Atomic uint32_t version; // odd while it is written to
    _Atomic size_t count;
    struct binding bindings[KNOWN_MAXIMUM];
};
static _Atomic(struct known *) known;
static struct lock known_lock = LOCK_INITIALIZER(LOCK_SCOPE);

static struct core *look_up(const struct known *table, uintptr_t address) {
    for (size_t i = 0; i < table->count && i < KNOWN_MAXIMUM; i++) {
        const struct binding *binding = &table->bindings[i];
        if (address >= binding->start && address < binding->end)
            return binding->core;
    }
    return NULL;
}

static struct core *find_known(uintptr_t address) {
    const struct known *table = atomic_load(&known);
    if (table == NULL)
        return NULL;
    uint32_t before = atomic_load(&table->version);
    struct core *core = look_up(table, address);
    atomic_thread_fence(memory_order_acquire);
    return before % 2 == 0 && atomic_load(&table->version) == before ? core : NULL;
}

static struct known *begin_writing(void) {
    lock_acquire(&known_lock);
    struct known *table = atomic_load(&known);
    if (table == NULL) {
        table = calloc(1, sizeof(*table));
        if (table == NULL)
            return NULL;
        atomic_store(&known, table);
    }
    atomic_fetch_add(&table->version, 1);
    return table;
}

static void end_writing(struct known *table) {
    if (table != NULL)
        atomic_fetch_add(&table->version, 1);
    lock_release(&known_lock);
}

// Without memory it is asked for again at each call.
static void note(const struct image *image, struct core *core) {
    struct known *table = begin_writing();
    if (table != NULL) {
        size_t count = atomic_load(&table->count) % KNOWN_MAXIMUM;
        table->bindings[count] = (struct binding){image->start, image->end, core};
        atomic_store(&table->count, count + 1);
    }
    end_writing(table);
}

void scope_forget(void) {
    if (cores_count() < 2)
        return;
    struct known *table = begin_writing();
    if (table != NULL)
        table->count = 0;
    end_writing(table);
}

void scope_reset_in_child(void) {
    struct known *table = atomic_load(&known);
    lock_reset_in_child(&known_lock);
    thunk_reset_in_child();
    if (table != NULL && atomic_load(&table->version) % 2 != 0) {
        table->count = 0;
        atomic_fetch_add(&table->version, 1);
    }
}

// --- what the loader did ------------------------------------------------------------------------

struct question {
    const struct image *image;
    struct core *answer;
    struct core *own; // no answer
    const char *name; // of the symbol that told
};

static struct core *core_with(const void *address) {
    FOR_EACH_CORE(core) {
        if (image_contains(&core->image, (uintptr_t)address))
            return core;
    }
    return NULL;
}

// gRPC's core exports functions that this library does not stand in front of, and classes. A slot
// for one of them that the loader has filled says which core it found.
static void ask_slot(const struct image *image, const struct import *import, void *context) {
    struct question *question = context;
    // A unique symbol's first definition is everybody's, in whatever scope.
    if (question->answer != NULL || image_contains(image, (uintptr_t)*import->slot) ||
        ELF64_ST_BIND(import->symbol->st_info) == STB_GNU_UNIQUE)
        return;
    question->answer = core_with(*import->slot);
}

// The first of the process's cores that the image needs, directly or by others that it needs: the
// nearest.
#define DEPTH_MAXIMUM 5
struct search {
    const struct image *from;
    unsigned depth;
    struct core *found;
};

static bool is_needed_core(const struct image *image, void *context) {
    struct search *search = context;
    if (!image_needs(search->from, image))
        return false;
    if (search->depth == 0) {
        search->found = cores_find(image);
        return search->found != NULL;
    }
    struct search next = {.from = image, .depth = search->depth - 1};
    if (image_visit(is_needed_core, &next))
        search->found = next.found;
    return search->found != NULL;
}

static struct core *nearest_needed(const struct image *image) {
    struct search search = {.from = image};
    for (; search.found == NULL && search.depth < DEPTH_MAXIMUM; search.depth++)
        image_visit(is_needed_core, &search);
    return search.found;
}

// A library that does not say that it needs gRPC has it by one that needs both.
struct user {
    const struct image *image;
    struct core *core;
};

static bool uses_both(const struct image *image, void *context) {
    struct user *user = context;
    if (image_needs(image, user->image))
        user->core = nearest_needed(image);
    return user->core != NULL;
}

static struct core *ask_loader(const struct image *image) {
    struct question question = {.image = image};
    image_visit_imports(image, ask_slot, &question);
    if (question.answer == NULL)
        question.answer = nearest_needed(image);
    if (question.answer != NULL)
        return question.answer;
    struct user user = {.image = image};
    return image_visit(uses_both, &user) ? user.core : cores_at(0);
}

struct core *scope_of_image(const struct image *image) {
    struct core *core = cores_find(image);
    if (core == NULL)
        core = core_images_core_at((const void *)image->start);
    if (core == NULL && cores_count() > 1)
        core = ask_loader(image);
    else if (core == NULL)
        core = cores_count() == 1 ? cores_at(0) : &core_absent;
    return core->bound_to;
}

struct place {
    const void *address;
    struct core *core;
};

static bool is_here(const struct image *image, void *context) {
    struct place *place = context;
    if (!image_contains(image, (uintptr_t)place->address))
        return false;
    place->core = scope_of_image(image);
    note(image, place->core);
    return true;
}

struct core *scope_core_of(const void *caller) {
    struct core *said = thunk_take_core();
    return said != NULL ? said : scope_core_at(caller);
}

struct core *scope_core_at(const void *caller) {
    if (cores_count() < 2)
        return core_of(caller);
    struct core *core = core_images_core_at(caller);
    if (core != NULL)
        return core->bound_to;
    core = find_known((uintptr_t)caller);
    if (likely(core != NULL))
        return core;
    struct place place = {.address = caller};
    // This library's own calls, or code that was made while the program runs.
    return image_visit(is_here, &place) ? place.core : cores_at(0)->bound_to;
}

// --- thunks -------------------------------------------------------------------------------------

struct calls {
    const struct image *own; // this library
    struct core *core;       // of the image at hand; NULL: not asked for yet
};

// A slot that leads to a wrapper, or would once it has been asked for, or to a thunk of another
// time.
static void bind_call(const struct image *image, const struct import *import, void *context) {
    struct calls *calls = context;
    if (!image_name_begins(import->name, "grpc_") && !image_name_begins(import->name, "gpr_") &&
        !image_name_begins(import->name, "_Z"))
        return;
    void *wrapper = image_symbol(calls->own, import->name);
    bool is_unbound = import->is_binding && image_contains(image, (uintptr_t)*import->slot);
    if (wrapper == NULL || import->addend != 0 ||
        (*import->slot != wrapper && !is_unbound && !thunk_is_one(*import->slot)))
        return;
    // Most images call nothing of gRPC's.
    if (calls->core == NULL)
        calls->core = scope_of_image(image);
    void *thunk = thunk_to(calls->core, wrapper);
    if (*import->slot != thunk)
        image_patch_slot(image, import->slot, thunk);
}

static bool bind_calls_of(const struct image *image, void *own) {
    struct calls calls = {.own = own};
    image_visit_imports(image, bind_call, &calls);
    return false;
}

static bool is_own(const struct image *image, void *own) {
    static const char marker;
    *(struct image *)own = *image;
    return image_contains(image, (uintptr_t)&marker);
}

// How many images had been loaded by then; 0: all are to be asked anew.
static _Atomic unsigned long long seen;

void scope_bind_calls(void) {
    struct image own;
    if (cores_count() < 2 || !image_list_is_locked())
        return;
    unsigned long long loads = image_loads();
    if (atomic_exchange(&seen, loads) != loads && image_visit_scope(IMAGES_ALL, is_own, &own))
        image_visit(bind_calls_of, &own);
}

// Of what a core defines and refers to itself, the loader took the first definition in the order in
// which it looks: an earlier core's, if that one is there for all.
static void ask_own_slot(const struct image *image, const struct import *import, void *context) {
    struct question *question = context;
    if (question->answer != NULL || import->symbol->st_shndx == SHN_UNDEF ||
        ELF64_ST_BIND(import->symbol->st_info) != STB_GLOBAL ||
        image_contains(image, (uintptr_t)*import->slot))
        return;
    struct core *other = core_with(*import->slot);
    if (other == NULL || other == question->own)
        return;
    question->answer = other;
    question->name = import->name;
}

void scope_add(struct core *core) {
    struct question question = {.image = &core->image, .own = core};
    if (core->index > 0)
        image_visit_imports(&core->image, ask_own_slot, &question);
    if (question.answer != NULL) {
        core->bound_to = question.answer->bound_to;
        atomic_store(&core->bound_to->has_unprotected, true);
        log_write(LOG_INFO, "the calls of %s are bound to %s, as %s is", core->image.path,
                  core->bound_to->image.path, question.name);
    }
    scope_forget();
    // What came with it was perhaps taken for another one's, before this one's constructors ran.
    atomic_store(&seen, 0);
}
