#include "cores/snapshot.h"

#include "base/lock.h"
#include "base/log.h"
#include "cores/core.h"
#include "cores/core_images.h"
#include "loader/image_list.h"
#include "process/shared_memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REGIONS_A_STEP 64

struct region {
    unsigned char *address;
    size_t size;   // bytes
    size_t offset; // of its copy
};

struct snapshot {
    struct region *regions;
    size_t region_count;
    bool out_of_memory;
    size_t total; // bytes
    unsigned char *copy;
    pid_t copy_made_in; // the process that made the memory of the copy
};

#define KEPT_MAXIMUM 64
#define KEPT_SIZE 32

struct kept {
    void *address;
    size_t size; // bytes
    unsigned char bytes[KEPT_SIZE];
};

// On the heap, like all larger tables: see docs/architecture.md, "What it costs".
static struct kept *kept;
static _Atomic size_t kept_count;
static struct lock kept_lock = LOCK_INITIALIZER(LOCK_KEPT);

// Not getpid(): see life/fork.c.
static pid_t process_number(void) {
    return (pid_t)syscall(SYS_getpid);
}

static bool has(const struct snapshot *snapshot, const void *address) {
    for (size_t i = 0; i < snapshot->region_count; i++) {
        const struct region *region = &snapshot->regions[i];
        if ((uintptr_t)address - (uintptr_t)region->address < region->size)
            return true;
    }
    return false;
}

bool snapshot_rewinds(const void *address) {
    FOR_EACH_CORE(core) {
        if (core->snapshot != NULL && has(core->snapshot, address))
            return true;
    }
    return false;
}

static void add_region(struct snapshot *snapshot, uintptr_t start, uintptr_t end) {
    if (start >= end || snapshot_rewinds((const void *)start))
        return;
    if (snapshot->region_count % REGIONS_A_STEP == 0) {
        size_t size = (snapshot->region_count + REGIONS_A_STEP) * sizeof(*snapshot->regions);
        struct region *more = realloc(snapshot->regions, size);
        if (more == NULL) {
            snapshot->out_of_memory = true;
            return;
        }
        snapshot->regions = more;
    }
    snapshot->regions[snapshot->region_count++] =
        (struct region){.address = (unsigned char *)start, .size = end - start};
}

// The PLT's slots are left out where they lie in plain data (lazy binding): a slot holds the same
// address in parent and child, and resolving some hundred functions anew would cost each child half
// a millisecond and the loader's lock.
static void add_data(const struct image *image, void *context) {
    struct snapshot *snapshot = context;
    // Three slots of the loader's own, then one per function.
    size_t calls = image->plt_relocations_size / sizeof(ElfW(Rela));
    uintptr_t slots_start = image->plt_slots;
    uintptr_t slots_end = slots_start + (3 + calls) * sizeof(void *);
    // Linkers put the loader's three slots into RELRO and the rest behind it.
    if (slots_start < image->writable_start)
        slots_start = image->writable_start;
    if (slots_end > slots_start && slots_end <= image->writable_end) {
        add_region(snapshot, image->writable_start, slots_start);
        add_region(snapshot, slots_end, image->writable_end);
    } else {
        add_region(snapshot, image->writable_start, image->writable_end);
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
    // Where another image has it among its constants it can't change.
    if (!image_is_writable((const void *)bound))
        return;
    add_region(context, bound, bound + symbol->st_size);
    log_write(LOG_DEBUG, "%s of %s is bound elsewhere, %zu bytes", import->name, image->path,
              (size_t)symbol->st_size);
}

static void add_data_elsewhere(const struct image *image, void *snapshot) {
    image_visit_imports(image, add_bound_elsewhere, snapshot);
}

static void save(const struct snapshot *snapshot, unsigned char *to) {
    for (size_t i = 0; i < snapshot->region_count; i++) {
        const struct region *region = &snapshot->regions[i];
        memcpy(to + region->offset, region->address, region->size);
    }
}

unsigned char *snapshot_save(const struct core *core) {
    unsigned char *to = malloc(core->snapshot->total);
    if (to != NULL)
        save(core->snapshot, to);
    return to;
}

void snapshot_restore(const struct core *core, const unsigned char *saved) {
    for (size_t i = 0; i < core->snapshot->region_count; i++) {
        const struct region *region = &core->snapshot->regions[i];
        memcpy(region->address, saved + region->offset, region->size);
    }
}

bool snapshot_differs(const struct core *core) {
    const struct snapshot *snapshot = core->snapshot;
    for (size_t i = 0; i < snapshot->region_count; i++) {
        const struct region *region = &snapshot->regions[i];
        if (memcmp(region->address, snapshot->copy + region->offset, region->size) != 0)
            return true;
    }
    return false;
}

// The former one, if there is any, was the beginning of this in a process before this one.
static struct snapshot *begin(struct core *core) {
    if (core->snapshot == NULL)
        core->snapshot = calloc(1, sizeof(*core->snapshot));
    if (core->snapshot != NULL) {
        core->snapshot->region_count = 0;
        core->snapshot->out_of_memory = false;
    }
    return core->snapshot;
}

bool snapshot_prepare(struct core *core) {
    struct snapshot *snapshot = begin(core);
    if (snapshot == NULL)
        return false;
    core_images_visit(core, add_data, snapshot);
    core_images_visit(core, add_data_elsewhere, snapshot);
    snapshot->total = 0;
    for (size_t i = 0; i < snapshot->region_count; i++) {
        snapshot->regions[i].offset = snapshot->total;
        snapshot->total += snapshot->regions[i].size;
    }
    if (snapshot->out_of_memory || snapshot->total == 0)
        return false;
    snapshot->copy = shared_memory_for_constants(snapshot->total);
    snapshot->copy_made_in = process_number();
    if (kept == NULL)
        kept = calloc(KEPT_MAXIMUM, sizeof(*kept));
    return snapshot->copy != NULL && kept != NULL;
}

bool snapshot_take(struct core *core) {
    struct snapshot *snapshot = core->snapshot;
    // What was prepared before a fork is the parent's, which may be copying just now.
    if (snapshot->copy_made_in != process_number()) {
        snapshot->copy = shared_memory_for_constants(snapshot->total);
        snapshot->copy_made_in = process_number();
    }
    if (snapshot->copy == NULL)
        return false;
    save(snapshot, snapshot->copy);
    log_write(LOG_INFO, "copied %zu bytes of gRPC's data in %zu regions", snapshot->total,
              snapshot->region_count);
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

void snapshot_rewind(const struct core *core) {
    snapshot_restore(core, core->snapshot->copy);
}

void snapshot_put_kept_back(void) {
    lock_reset_in_child(&kept_lock);
    for (size_t i = 0; i < atomic_load(&kept_count); i++)
        memcpy(kept[i].address, kept[i].bytes, kept[i].size);
}
