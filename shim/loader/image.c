#include "loader/image.h"

#include "base/record_memory.h"
#include "loader/relocation.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
                // One is what GNU ld makes; of several the last has the .bss.
                image->writable_start = start;
                image->writable_end = end;
                image->data = header;
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
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        // lld gives RELRO a segment of its own.
        if (header->p_type == PT_LOAD && (header->p_flags & PF_W) && header != image->data &&
            info->dlpi_addr + header->p_vaddr + header->p_memsz > relro_end)
            image->has_more_data = true;
    }
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
        case DT_RELACOUNT:
            image->relative_count = dynamic->d_un.d_val;
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
        case 36: // DT_RELR, which elf.h has since glibc 2.36
            image->has_packed_relocations = true;
            break;
        default:
            break;
        }
    }
}

bool image_read(const struct dl_phdr_info *info, struct image *image) {
    const ElfW(Dyn) *dynamic = NULL;
    *image = (struct image){
        .path = info->dlpi_name,
        .base = info->dlpi_addr,
        .headers = info->dlpi_phdr,
        .header_count = info->dlpi_phnum,
    };
    read_segments(image, info, &dynamic);
    if (dynamic == NULL || strncmp(image->path, "linux-vdso", 10) == 0 ||
        strncmp(image->path, "linux-gate", 10) == 0)
        return false;
    image->dynamic = dynamic;
    read_dynamic(image, dynamic);
    return true;
}

// The hash function of DT_GNU_HASH (Bernstein's).
uint32_t image_hash(const char *name) {
    uint32_t hash = 5381;
    for (; *name != '\0'; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

struct hash_table {
    uint32_t bucket_count, first_symbol, bloom_size, bloom_shift;
    // then: bloom filter words, buckets, chains
};

static const ElfW(Sym) * find_symbol(const struct image *image, const char *name, uint32_t hash) {
    if (image->symbols == NULL || image->strings == NULL || image->gnu_hash == NULL)
        return NULL;
    const struct hash_table *table = (const struct hash_table *)image->gnu_hash;
    const ElfW(Addr) *bloom = (const ElfW(Addr) *)(table + 1);
    const uint32_t *buckets = (const uint32_t *)(bloom + table->bloom_size);
    const uint32_t *chains = buckets + table->bucket_count;
    const unsigned bits = sizeof(ElfW(Addr)) * 8;
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
            return symbol->st_shndx == SHN_UNDEF ? NULL : symbol;
        if (chain & 1)
            return NULL;
    }
}

void *image_symbol(const struct image *image, const char *name) {
    return image_symbol_by_hash(image, name, image_hash(name));
}

void *image_symbol_by_hash(const struct image *image, const char *name, uint32_t hash) {
    const ElfW(Sym) *symbol = find_symbol(image, name, hash);
    return symbol != NULL ? (void *)(image->base + symbol->st_value) : NULL;
}

const ElfW(Sym) * image_symbol_entry(const struct image *image, const char *name) {
    return find_symbol(image, name, image_hash(name));
}

// NULL where the image has none.
static const char *own_name(const struct image *image) {
    for (const ElfW(Dyn) *entry = image->dynamic; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_SONAME && image->strings != NULL)
            return image->strings + entry->d_un.d_val;
    }
    return NULL;
}

bool image_needs(const struct image *image, const struct image *other) {
    const char *slash = strrchr(other->path, '/');
    const char *file = slash != NULL ? slash + 1 : other->path;
    const char *name = own_name(other);
    for (const ElfW(Dyn) *entry = image->dynamic; entry->d_tag != DT_NULL; entry++) {
        const char *needed = image->strings + entry->d_un.d_val;
        if (entry->d_tag == DT_NEEDED &&
            (strcmp(needed, file) == 0 || (name != NULL && strcmp(needed, name) == 0)))
            return true;
    }
    return false;
}

// The symbol table's length is not written down; the hash table's chains lead to every definition.
bool image_visit_definitions(const struct image *image,
                             bool (*visit)(const char *name, const ElfW(Sym) * symbol,
                                           void *context),
                             void *context) {
    if (image->symbols == NULL || image->strings == NULL || image->gnu_hash == NULL)
        return false;
    const struct hash_table *table = (const struct hash_table *)image->gnu_hash;
    const uint32_t *buckets =
        (const uint32_t *)((const ElfW(Addr) *)(table + 1) + table->bloom_size);
    const uint32_t *chains = buckets + table->bucket_count;
    for (uint32_t bucket = 0; bucket < table->bucket_count; bucket++) {
        for (uint32_t index = buckets[bucket]; index >= table->first_symbol; index++) {
            const ElfW(Sym) *symbol = &image->symbols[index];
            if (symbol->st_shndx != SHN_UNDEF &&
                visit(image->strings + symbol->st_name, symbol, context))
                return true;
            if (chains[index - table->first_symbol] & 1)
                break;
        }
    }
    return false;
}

struct resemblance {
    const char *beginning, *part;
    uintptr_t found; // in the image
};

static bool resembles(const char *name, const ElfW(Sym) * symbol, void *context) {
    struct resemblance *wanted = context;
    if (!image_name_begins(name, wanted->beginning) || strstr(name, wanted->part) == NULL)
        return false;
    wanted->found = symbol->st_value;
    return true;
}

void *image_symbol_like(const struct image *image, const char *beginning, const char *part) {
    struct resemblance wanted = {beginning, part, 0};
    if (!image_visit_definitions(image, resembles, &wanted))
        return NULL;
    return (void *)(image->base + wanted.found);
}

static void visit_table(const struct image *image, const void *table, size_t first, size_t size,
                        void (*visit)(const struct image *, const struct import *, void *),
                        void *context) {
    const ElfW(Rela) *relocations = table;
    for (size_t i = first; i < size / sizeof(*relocations); i++) {
        unsigned long type = ELF64_R_TYPE(relocations[i].r_info);
        if (type != SLOT_IMPORT && type != SLOT_CALL && type != SLOT_POINTER)
            continue;
        struct import import = {
            .symbol = &image->symbols[ELF64_R_SYM(relocations[i].r_info)],
            .slot = (void **)(image->base + relocations[i].r_offset),
            .addend = relocations[i].r_addend,
            .is_binding = type == SLOT_IMPORT || type == SLOT_CALL,
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
    visit_table(image, image->relocations, image->relative_count, image->relocations_size, visit,
                context);
    visit_table(image, image->plt_relocations, 0, image->plt_relocations_size, visit, context);
}

static const char *find_in_table(const struct image *image, const void *table, size_t first,
                                 size_t size, bool (*condition)(const char *name)) {
    const ElfW(Rela) *relocations = table;
    for (size_t i = first; i < size / sizeof(*relocations); i++) {
        unsigned long type = ELF64_R_TYPE(relocations[i].r_info);
        if (type != SLOT_IMPORT && type != SLOT_CALL)
            continue;
        const char *name =
            image->strings + image->symbols[ELF64_R_SYM(relocations[i].r_info)].st_name;
        if (condition(name))
            return name;
    }
    return NULL;
}

const char *image_find_import(const struct image *image, bool (*condition)(const char *name)) {
    if (image->symbols == NULL || image->strings == NULL)
        return NULL;
    const char *name =
        find_in_table(image, image->plt_relocations, 0, image->plt_relocations_size, condition);
    if (name == NULL)
        name = find_in_table(image, image->relocations, image->relative_count,
                             image->relocations_size, condition);
    return name;
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

struct image *image_copy(const struct image *image) {
    struct image *copy = record_allocate(sizeof(*copy));
    if (copy != NULL)
        *copy = *image;
    return copy;
}
