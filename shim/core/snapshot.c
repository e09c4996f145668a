#include "core/snapshot.h"

#include "base/lock.h"
#include "base/log.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES_MAXIMUM 8
#define REGIONS_MAXIMUM 1024

struct region {
    unsigned char *address;
    size_t size;   // bytes
    size_t offset; // of its copy
};

#define KEPT_MAXIMUM 64
#define KEPT_SIZE 32

struct kept {
    void *address;
    size_t size; // bytes
    unsigned char bytes[KEPT_SIZE];
};

static struct image images[IMAGES_MAXIMUM];
size_t snapshot_image_count;
static struct region regions[REGIONS_MAXIMUM];
static size_t region_count;
static bool overflow;
static unsigned char *copy;
static struct kept kept[KEPT_MAXIMUM];
static _Atomic size_t kept_count;
static struct lock kept_lock = LOCK_INITIALIZER;

bool snapshot_add_image(const struct image *image) {
    if (snapshot_image_count == IMAGES_MAXIMUM)
        return false;
    images[snapshot_image_count++] = *image;
    return true;
}

bool snapshot_covers_some(const void *address) {
    for (size_t i = 0; i < snapshot_image_count; i++) {
        if (image_contains(&images[i], (uintptr_t)address))
            return true;
    }
    return false;
}

bool snapshot_rewinds(const void *address) {
    for (size_t i = 0; i < region_count; i++) {
        if ((uintptr_t)address - (uintptr_t)regions[i].address < regions[i].size)
            return true;
    }
    return false;
}

static void add_region(uintptr_t start, uintptr_t end) {
    if (start >= end || snapshot_rewinds((const void *)start))
        return;
    if (region_count == REGIONS_MAXIMUM) {
        overflow = true;
        return;
    }
    regions[region_count++] =
        (struct region){.address = (unsigned char *)start, .size = end - start};
}

// The PLT's slots are left out where they lie in plain data (lazy binding): a slot holds the same
// address in parent and child, and resolving some hundred functions anew would cost each child half
// a millisecond and the loader's lock.
static void add_data(const struct image *image) {
    // Three slots of the loader's own, then one per function.
    size_t calls = image->plt_relocations_size / sizeof(ElfW(Rela));
    uintptr_t slots_start = image->plt_slots;
    uintptr_t slots_end = slots_start + (3 + calls) * sizeof(void *);
    // Linkers put the loader's three slots into RELRO and the rest behind it.
    if (slots_start < image->writable_start)
        slots_start = image->writable_start;
    if (slots_end > slots_start && slots_end <= image->writable_end) {
        add_region(image->writable_start, slots_start);
        add_region(slots_end, image->writable_end);
    } else {
        add_region(image->writable_start, image->writable_end);
    }
}

// Whether this is what the loader binds the name to: the first definition, in the program's scope
// or, for libraries that were loaded locally, at all.
static bool is_definition(const char *name, uintptr_t address) {
    struct image image;
    return image_defining_in(IMAGES_ALL, name, &image) &&
           (uintptr_t)image_symbol(&image, name) == address;
}

// A data symbol that an image defines may be bound to another definition: STB_GNU_UNIQUE symbols
// (templates' and inline functions' statics) to that of whichever image was loaded first, and any
// symbol to a copy in a program that is not position-independent. gRPC's data is then there. The
// slot tells.
static void add_bound_elsewhere(const struct image *image, const struct import *import,
                                void *context) {
    (void)context;
    const ElfW(Sym) *symbol = import->symbol;
    uintptr_t own = image->base + symbol->st_value;
    uintptr_t bound = (uintptr_t)*import->slot - (uintptr_t)import->addend;
    if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_shndx == SHN_UNDEF ||
        symbol->st_size == 0 || bound == 0)
        return;
    // Constants have no state, whoever's are used.
    if (own < image->writable_start || own >= image->writable_end || bound == own)
        return;
    // A variable with the address in it may have been changed by now: ask the loader's way.
    if (!import->is_binding && !is_definition(import->name, bound))
        return;
    add_region(bound, bound + symbol->st_size);
    log_write(LOG_DEBUG, "%s of %s is bound elsewhere, %zu bytes", import->name, image->path,
              (size_t)symbol->st_size);
}

bool snapshot_take(void) {
    for (size_t i = 0; i < snapshot_image_count; i++)
        add_data(&images[i]);
    for (size_t i = 0; i < snapshot_image_count; i++)
        image_visit_imports(&images[i], add_bound_elsewhere, NULL);
    size_t total = 0;
    for (size_t i = 0; i < region_count; i++) {
        regions[i].offset = total;
        total += regions[i].size;
    }
    if (overflow || total == 0)
        return false;
    // On the heap: each mapping of its own costs every fork half a microsecond.
    copy = malloc(total);
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < region_count; i++)
        memcpy(copy + regions[i].offset, regions[i].address, regions[i].size);
    log_write(LOG_INFO, "copied %zu bytes of gRPC's data in %zu regions", total, region_count);
    return true;
}

// An entry is complete before it is counted: a child may see the table at any instant.
void snapshot_keep(const void *address, size_t size) {
    if (!snapshot_rewinds(address) || size > KEPT_SIZE)
        return;
    lock_acquire(&kept_lock);
    size_t count = atomic_load(&kept_count);
    size_t place = 0;
    while (place < count && kept[place].address != address)
        place++;
    if (place == KEPT_MAXIMUM)
        log_write(LOG_ERROR, "too many kinds of channel arguments, children can't use one of them");
    else if (place == count) {
        kept[count] = (struct kept){.address = (void *)(uintptr_t)address, .size = size};
        memcpy(kept[count].bytes, address, size);
        atomic_store(&kept_count, count + 1);
    }
    lock_release(&kept_lock);
}

void snapshot_rewind(void) {
    lock_reset_in_child(&kept_lock);
    for (size_t i = 0; i < region_count; i++)
        memcpy(regions[i].address, copy + regions[i].offset, regions[i].size);
    for (size_t i = 0; i < atomic_load(&kept_count); i++)
        memcpy(kept[i].address, kept[i].bytes, kept[i].size);
}
