#include "cores/functions.h"

#include "base/compiler.h"
#include "base/log.h"
#include "loader/image_list.h"

#include <string.h>

struct ares_functions ares_bound;

struct entry {
    const char *name;
    size_t offset;
};

#define GRPC_ENTRY(result, name, parameters) {#name, offsetof(struct grpc_functions, name)},
#define ARES_ENTRY(result, name, parameters) {#name, offsetof(struct ares_functions, name)},

static const struct entry grpc_entries[] = {GRPC_SYMBOLS(GRPC_ENTRY, GRPC_ENTRY)};
static const struct entry ares_entries[] = {ARES_SYMBOLS(ARES_ENTRY)};

void *function_absent(void) {
    static bool said;
    log_once(said, LOG_ERROR, "a function was called that this gRPC does not have, returning 0");
    return NULL;
}

// ISO C has no conversion from object to function pointers; POSIX has. Several threads may bind the
// same function, to the same address.
typedef void *function_address __attribute__((may_alias));

static void set(void *member, void *address) {
    __atomic_store_n((function_address *)member, address, __ATOMIC_RELAXED);
}

// Of a table of functions, what has been found.
#define ENTRIES_MAXIMUM 256
struct search {
    const struct entry *entries;
    size_t count;
    size_t missing;
    const struct image *image; // where they are looked for first
    uint32_t hashes[ENTRIES_MAXIMUM];
    void *addresses[ENTRIES_MAXIMUM];
};
_Static_assert(ARRAY_LENGTH(grpc_entries) <= ENTRIES_MAXIMUM, "a place for each function");

// True where nothing is missing any more.
static bool find_missing(const struct image *image, void *context) {
    struct search *search = context;
    for (size_t i = 0; i < search->count && search->missing > 0; i++) {
        if (search->addresses[i] != NULL)
            continue;
        search->addresses[i] =
            image_symbol_by_hash(image, search->entries[i].name, search->hashes[i]);
        search->missing -= search->addresses[i] != NULL;
    }
    return search->missing == 0;
}

static bool find_missing_in_needed(const struct image *image, void *context) {
    const struct search *search = context;
    return image_needs(search->image, image) && find_missing(image, context);
}

// Another copy of this library has nothing to do.
static bool find_missing_in_others(const struct image *image, void *context) {
    return image_symbol(image, SHIM_SYMBOL) == NULL && find_missing(image, context);
}

// A function that the image lacks may be in another: gpr_* are in a library of their own, of which
// each core may have another. Each image is looked at once, for all of them.
static void bind_all(void *functions, const struct entry *entries, size_t count,
                     const struct image *image) {
    struct search search = {.entries = entries, .count = count, .missing = count, .image = image};
    for (size_t i = 0; i < count; i++)
        search.hashes[i] = image_hash(entries[i].name);
    if (image != NULL && !find_missing(image, &search) &&
        !image_visit(find_missing_in_needed, &search))
        image_visit(find_missing_in_others, &search);
    for (size_t i = 0; i < count; i++) {
        void *address = search.addresses[i];
        set((char *)functions + entries[i].offset,
            address != NULL ? address : (void *)(uintptr_t)function_absent);
    }
}

void functions_bind(struct grpc_functions *grpc, const struct image *core) {
    bind_all(grpc, grpc_entries, ARRAY_LENGTH(grpc_entries), core);
}

void functions_bind_ares(void) {
    struct image image;
    bool found = image_defining("ares_process_fd", &image);
    bind_all(&ares_bound, ares_entries, ARRAY_LENGTH(ares_entries), found ? &image : NULL);
}

bool functions_any(const struct grpc_functions *grpc, bool (*condition)(const void *function)) {
    for (size_t i = 0; i < ARRAY_LENGTH(grpc_entries); i++) {
        const char *member = (const char *)grpc + grpc_entries[i].offset;
        void *address;
        memcpy(&address, member, sizeof(address));
        if (function_present(member) && condition(address))
            return true;
    }
    return false;
}

bool function_present(const void *member) {
    void *address;
    memcpy(&address, member, sizeof(address));
    return address != NULL && address != (void *)(uintptr_t)function_absent;
}
