#include "cores/snapshot.h"

#include "base/lock.h"
#include "base/log.h"
#include "loader/image_list.h"
#include "process/shared_memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IMAGES_MAXIMUM 8 // whose ranges fill two cache lines
#define REGIONS_A_STEP 64

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

// On the heap, like all larger tables: see docs/architecture.md, "What it costs".
static struct image *images;
struct range {
    uintptr_t start, end;
};
// Of the images, as each call asks: four of these are in one cache line.
static HOT_DATA struct range *ranges;
HOT_DATA _Atomic size_t snapshot_image_count;
static struct region *regions;
static size_t region_count;
static bool out_of_memory;
static size_t total; // bytes
static unsigned char *copy;
static pid_t copy_made_in; // the process that made the memory of the copy
static struct kept *kept;
static _Atomic size_t kept_count;
static struct lock kept_lock = LOCK_INITIALIZER(LOCK_KEPT);

// Not getpid(): see life/fork.c.
static pid_t process_number(void) {
    return (pid_t)syscall(SYS_getpid);
}

void snapshot_begin(void) {
    atomic_store(&snapshot_image_count, 0);
    region_count = 0;
    out_of_memory = false;
}

// A range is complete before it is counted: other threads ask meanwhile.
bool snapshot_add_image(const struct image *image) {
    size_t count = atomic_load(&snapshot_image_count);
    if (images == NULL)
        images = calloc(IMAGES_MAXIMUM, sizeof(*images));
    if (ranges == NULL)
        ranges = aligned_alloc(CACHE_LINE, IMAGES_MAXIMUM * sizeof(*ranges));
    if (images == NULL || ranges == NULL || count == IMAGES_MAXIMUM)
        return false;
    images[count] = *image;
    ranges[count] = (struct range){image->start, image->end};
    atomic_store(&snapshot_image_count, count + 1);
    return true;
}

HOT bool snapshot_covers_some(const void *address) {
    size_t count = atomic_load_explicit(&snapshot_image_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        if ((uintptr_t)address >= ranges[i].start && (uintptr_t)address < ranges[i].end)
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
    if (region_count % REGIONS_A_STEP == 0) {
        size_t size = (region_count + REGIONS_A_STEP) * sizeof(*regions);
        struct region *more = realloc(regions, size);
        if (more == NULL) {
            out_of_memory = true;
            return;
        }
        regions = more;
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
    // Where another image has it among its constants it can't change.
    if (!image_is_writable((const void *)bound))
        return;
    add_region(bound, bound + symbol->st_size);
    log_write(LOG_DEBUG, "%s of %s is bound elsewhere, %zu bytes", import->name, image->path,
              (size_t)symbol->st_size);
}

static void save(unsigned char *to) {
    for (size_t i = 0; i < region_count; i++)
        memcpy(to + regions[i].offset, regions[i].address, regions[i].size);
}

unsigned char *snapshot_save(void) {
    unsigned char *to = malloc(total);
    if (to != NULL)
        save(to);
    return to;
}

void snapshot_restore(const unsigned char *saved) {
    for (size_t i = 0; i < region_count; i++)
        memcpy(regions[i].address, saved + regions[i].offset, regions[i].size);
}

bool snapshot_differs(void) {
    for (size_t i = 0; i < region_count; i++) {
        if (memcmp(regions[i].address, copy + regions[i].offset, regions[i].size) != 0)
            return true;
    }
    return false;
}

bool snapshot_prepare(void) {
    for (size_t i = 0; i < snapshot_image_count; i++)
        add_data(&images[i]);
    for (size_t i = 0; i < snapshot_image_count; i++)
        image_visit_imports(&images[i], add_bound_elsewhere, NULL);
    total = 0;
    for (size_t i = 0; i < region_count; i++) {
        regions[i].offset = total;
        total += regions[i].size;
    }
    if (out_of_memory || total == 0)
        return false;
    copy = shared_memory_for_constants(total);
    copy_made_in = process_number();
    if (kept == NULL)
        kept = calloc(KEPT_MAXIMUM, sizeof(*kept));
    return copy != NULL && kept != NULL;
}

bool snapshot_take(void) {
    // What was prepared before a fork is the parent's, which may be copying just now.
    if (copy_made_in != process_number()) {
        copy = shared_memory_for_constants(total);
        copy_made_in = process_number();
    }
    if (copy == NULL)
        return false;
    save(copy);
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
    snapshot_restore(copy);
    for (size_t i = 0; i < atomic_load(&kept_count); i++)
        memcpy(kept[i].address, kept[i].bytes, kept[i].size);
}
