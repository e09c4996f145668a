#include "core/image.h"

#include "base/compiler.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Any address of this library will do to recognise it.
static const char own_marker;

static void read_segments(struct image *image, const struct dl_phdr_info *info,
                          const ElfW(Dyn) * *dynamic) {
    uintptr_t relro_end = 0;
    image->start = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        uintptr_t end = start + header->p_memsz;
        switch (header->p_type) {
        case PT_LOAD:
            image->start = start < image->start ? start : image->start;
            image->end = end > image->end ? end : image->end;
            if (header->p_flags & PF_W) {
                // One writable segment is what linkers make; of several the last has the .bss.
                image->writable_start = start;
                image->writable_end = end;
            }
            break;
        case PT_GNU_RELRO:
            relro_end = end & ~((uintptr_t)getpagesize() - 1);
            break;
        case PT_DYNAMIC:
            *dynamic = (const ElfW(Dyn) *)start;
            break;
        default:
            break;
        }
    }
    if (relro_end > image->writable_start && relro_end <= image->writable_end)
        image->writable_start = relro_end;
}

// glibc adds the load address to the dynamic section's pointers, but not for the vDSO; that one
// is left out by its lack of a path, and the main program's are relocated like the others'.
static void read_dynamic(struct image *image, const ElfW(Dyn) * dynamic) {
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        uintptr_t pointer = dynamic->d_un.d_ptr;
        switch (dynamic->d_tag) {
        case DT_SYMTAB:
            image->symbols = (const ElfW(Sym) *)pointer;
            break;
        case DT_STRTAB:
            image->strings = (const char *)pointer;
            break;
        case DT_GNU_HASH:
            image->gnu_hash = (const uint32_t *)pointer;
            break;
        case DT_RELA:
            image->relocations = (const void *)pointer;
            break;
        case DT_RELASZ:
            image->relocations_size = dynamic->d_un.d_val;
            break;
        case DT_JMPREL:
            image->plt_relocations = (const void *)pointer;
            break;
        case DT_PLTRELSZ:
            image->plt_relocations_size = dynamic->d_un.d_val;
            break;
        case DT_PLTGOT:
            image->plt_slots = pointer;
            break;
        default:
            break;
        }
    }
}

struct visit {
    bool (*visit)(const struct image *image, void *context);
    void *context;
};

static int visit_one(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    const struct visit *visit = context;
    struct image image = {.path = info->dlpi_name, .base = info->dlpi_addr};
    const ElfW(Dyn) *dynamic = NULL;
    read_segments(&image, info, &dynamic);
    if (dynamic == NULL || image_contains(&image, (uintptr_t)&own_marker))
        return 0;
    if (strncmp(image.path, "linux-vdso", 10) == 0 || strncmp(image.path, "linux-gate", 10) == 0)
        return 0;
    read_dynamic(&image, dynamic);
    return visit->visit(&image, visit->context);
}

bool image_visit(bool (*visit)(const struct image *image, void *context), void *context) {
    struct visit closure = {visit, context};
    return dl_iterate_phdr(visit_one, &closure) != 0;
}

// The hash function of DT_GNU_HASH (Bernstein's).
static uint32_t gnu_hash(const char *name) {
    uint32_t hash = 5381;
    for (; *name != '\0'; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

struct hash_table {
    uint32_t bucket_count, first_symbol, bloom_size, bloom_shift;
    // then: bloom filter words, buckets, chains
};

void *image_symbol(const struct image *image, const char *name) {
    if (image->symbols == NULL || image->strings == NULL || image->gnu_hash == NULL)
        return NULL;
    const struct hash_table *table = (const struct hash_table *)image->gnu_hash;
    const ElfW(Addr) *bloom = (const ElfW(Addr) *)(table + 1);
    const uint32_t *buckets = (const uint32_t *)(bloom + table->bloom_size);
    const uint32_t *chains = buckets + table->bucket_count;
    const unsigned bits = sizeof(ElfW(Addr)) * 8;
    uint32_t hash = gnu_hash(name);
    ElfW(Addr) word = bloom[(hash / bits) % table->bloom_size];
    if (table->bucket_count == 0 || !(word >> (hash % bits) & 1) ||
        !(word >> ((hash >> table->bloom_shift) % bits) & 1))
        return NULL;
    uint32_t index = buckets[hash % table->bucket_count];
    if (index < table->first_symbol)
        return NULL;
    for (;; index++) {
        uint32_t chain = chains[index - table->first_symbol];
        const ElfW(Sym) *symbol = &image->symbols[index];
        if ((chain | 1) == (hash | 1) && strcmp(image->strings + symbol->st_name, name) == 0)
            return symbol->st_shndx == SHN_UNDEF ? NULL
                                                 : (void *)(image->base + symbol->st_value);
        if (chain & 1)
            return NULL;
    }
}

struct definition {
    const char *name;
    struct image *found;
};

static bool defines(const struct image *image, void *context) {
    const struct definition *definition = context;
    if (image_symbol(image, definition->name) == NULL)
        return false;
    *definition->found = *image;
    return true;
}

bool image_defining(const char *name, struct image *found) {
    struct definition definition = {name, found};
    return image_visit(defines, &definition);
}

#if defined(__x86_64__)
enum { SLOT_IMPORT = R_X86_64_GLOB_DAT, SLOT_CALL = R_X86_64_JUMP_SLOT, SLOT_POINTER = R_X86_64_64 };
#elif defined(__aarch64__)
enum {
    SLOT_IMPORT = R_AARCH64_GLOB_DAT,
    SLOT_CALL = R_AARCH64_JUMP_SLOT,
    SLOT_POINTER = R_AARCH64_ABS64,
};
#else
#error "the relocation types of this architecture are not known here"
#endif

static void visit_table(const struct image *image, const void *table, size_t size,
                        void (*visit)(const struct image *, const struct import *, void *),
                        void *context) {
    const ElfW(Rela) *relocations = table;
    for (size_t i = 0; i < size / sizeof(*relocations); i++) {
        unsigned long type = ELF64_R_TYPE(relocations[i].r_info);
        if (type != SLOT_IMPORT && type != SLOT_CALL && type != SLOT_POINTER)
            continue;
        struct import import = {
            .symbol = &image->symbols[ELF64_R_SYM(relocations[i].r_info)],
            .slot = (void **)(image->base + relocations[i].r_offset),
        };
        import.name = image->strings + import.symbol->st_name;
        visit(image, &import, context);
    }
}

void image_visit_imports(const struct image *image,
                         void (*visit)(const struct image *image, const struct import *import,
                                       void *context),
                         void *context) {
    if (image->symbols == NULL || image->strings == NULL)
        return;
    visit_table(image, image->relocations, image->relocations_size, visit, context);
    visit_table(image, image->plt_relocations, image->plt_relocations_size, visit, context);
}

bool image_patch_slot(const struct image *image, void **slot, void *value) {
    uintptr_t address = (uintptr_t)slot;
    if (address >= image->writable_start && address < image->writable_end) {
        *slot = value;
        return true;
    }
    uintptr_t page_size = (uintptr_t)getpagesize();
    void *page = (void *)(address & ~(page_size - 1));
    if (mprotect(page, page_size, PROT_READ | PROT_WRITE) != 0)
        return false;
    *slot = value;
    mprotect(page, page_size, PROT_READ);
    return true;
}

bool image_pin(const struct image *image) {
    if (image->path[0] == '\0')
        return true; // the main program stays
    return dlopen(image->path, RTLD_NOLOAD | RTLD_LAZY | RTLD_NODELETE) != NULL;
}
