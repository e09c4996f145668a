#include "core/image.h"

#include "base/compiler.h"
#include "core/functions.h"
#include "core/record.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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

struct visit {
    bool (*visit)(const struct image *image, void *context);
    void *context;
    enum image_scope scope;
    bool past_own; // whether this library came by
};

static int visit_one(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    struct visit *visit = context;
    struct image image = {
        .path = info->dlpi_name,
        .base = info->dlpi_addr,
        .headers = info->dlpi_phdr,
        .header_count = info->dlpi_phnum,
    };
    const ElfW(Dyn) *dynamic = NULL;
    read_segments(&image, info, &dynamic);
    if (dynamic == NULL || strncmp(image.path, "linux-vdso", 10) == 0 ||
        strncmp(image.path, "linux-gate", 10) == 0)
        return 0;
    bool own = image_contains(&image, (uintptr_t)&own_marker);
    bool wanted = visit->scope == IMAGES_ALL || (visit->scope == IMAGES_OTHERS && !own) ||
                  (visit->scope == IMAGES_BEHIND && visit->past_own);
    visit->past_own |= own;
    if (!wanted)
        return 0;
    image.dynamic = dynamic;
    read_dynamic(&image, dynamic);
    return visit->visit(&image, visit->context);
}

// The loader's lock may be held for ever by a thread that a child does not have: glibc does not
// free dl_load_write_lock in a child (measured with 2.36: 5 of 5 children hang in dl_iterate_phdr
// while a thread of the parent is in it). So a child reads the list that the loader keeps for
// debuggers, without a lock.
static _Atomic bool in_child;
// Programs without gRPC fork without handlers of ours, and their children come here too, for the
// functions of libc. Nothing is written by them: a child of vfork() has its parent's memory.
static _Atomic pid_t first_process;

void image_note_process(void) {
    atomic_store(&first_process, (pid_t)syscall(SYS_getpid));
}

void image_note_fork(void) {
    atomic_store(&in_child, true);
}

static bool is_child(void) {
    pid_t first = atomic_load(&first_process);
    return atomic_load(&in_child) || (first != 0 && first != (pid_t)syscall(SYS_getpid));
}

bool image_list_is_locked(void) {
    return !is_child();
}

static int stop(struct dl_phdr_info *info, size_t size, void *context) {
    (void)info;
    (void)size;
    (void)context;
    return 1;
}

static void *wait_for_loader(void *context) {
    (void)context;
    dl_iterate_phdr(stop, NULL);
    atomic_store(&first_process, (pid_t)syscall(SYS_getpid));
    atomic_store(&in_child, false);
    return NULL;
}

// Without it a child went on reading the list without a lock, and died when it made a channel while
// another of its threads unloaded a library (4 of 4 runs of such a program).
void image_ask_loader(void) {
    static _Atomic pid_t asked;
    pid_t self = (pid_t)syscall(SYS_getpid);
    if (!is_child() || atomic_exchange(&asked, self) == self)
        return;
    pthread_t thread;
    sigset_t all, before;
    // The program's signals are none of that thread's. On Linux this is the calling thread's mask,
    // as pthread_sigmask's, which is not in libc itself before glibc 2.32.
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    if (libc_function(pthread_create)(&thread, NULL, wait_for_loader, NULL) == 0)
        libc_function(pthread_detach)(thread);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static bool describe(const struct link_map *map, struct dl_phdr_info *info) {
    bool program = map->l_name[0] == '\0' && map->l_prev == NULL;
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)map->l_addr;
    *info = (struct dl_phdr_info){.dlpi_addr = map->l_addr, .dlpi_name = map->l_name};
    if (program) {
        info->dlpi_phdr = (const ElfW(Phdr) *)getauxval(AT_PHDR);
        info->dlpi_phnum = (ElfW(Half))getauxval(AT_PHNUM);
    } else if (strncmp(map->l_name, "linux-", 6) != 0) {
        info->dlpi_phdr = (const ElfW(Phdr) *)(map->l_addr + header->e_phoff);
        info->dlpi_phnum = header->e_phnum;
    }
    return info->dlpi_phdr != NULL;
}

static bool visit_in_child(struct visit *visit) {
    for (const struct link_map *map = _r_debug.r_map; map != NULL; map = map->l_next) {
        struct dl_phdr_info info;
        if (describe(map, &info) && visit_one(&info, sizeof(info), visit))
            return true;
    }
    return false;
}

bool image_visit_scope(enum image_scope scope,
                       bool (*visit)(const struct image *image, void *context), void *context) {
    struct visit closure = {visit, context, scope, false};
    if (is_child())
        return visit_in_child(&closure);
    return dl_iterate_phdr(visit_one, &closure) != 0;
}

bool image_visit(bool (*visit)(const struct image *image, void *context), void *context) {
    return image_visit_scope(IMAGES_OTHERS, visit, context);
}

static int read_loads(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    *(unsigned long long *)context = info->dlpi_adds;
    return 1; // each image says the same
}

unsigned long long image_loads(void) {
    unsigned long long loads = 0;
    if (is_child()) {
        for (const struct link_map *map = _r_debug.r_map; map != NULL; map = map->l_next)
            loads++;
        return loads;
    }
    dl_iterate_phdr(read_loads, &loads);
    return loads;
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
            return symbol->st_shndx == SHN_UNDEF ? NULL : (void *)(image->base + symbol->st_value);
        if (chain & 1)
            return NULL;
    }
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
    if (strncmp(name, wanted->beginning, strlen(wanted->beginning)) != 0 ||
        strstr(name, wanted->part) == NULL)
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

static bool has_writable(const struct image *image, void *address) {
    return (uintptr_t)address >= image->writable_start && (uintptr_t)address < image->writable_end;
}

bool image_is_writable(const void *address) {
    return image_visit_scope(IMAGES_ALL, has_writable, (void *)(uintptr_t)address);
}

struct definition {
    const char *name;
    struct image *found;
    bool but_shims;
};

static bool defines(const struct image *image, void *context) {
    const struct definition *definition = context;
    if (image_symbol(image, definition->name) == NULL)
        return false;
    // Another copy of this library has nothing to do: see image_is_first_shim.
    if (definition->but_shims && image_symbol(image, RECORD_SYMBOL) != NULL)
        return false;
    *definition->found = *image;
    return true;
}

bool image_defining(const char *name, struct image *found) {
    return image_defining_in(IMAGES_OTHERS, name, found);
}

bool image_defining_in(enum image_scope scope, const char *name, struct image *found) {
    struct definition definition = {name, found, scope != IMAGES_ALL};
    return image_visit_scope(scope, defines, &definition);
}

bool image_is_first_shim(void) {
    struct image first;
    return !image_defining_in(IMAGES_ALL, RECORD_SYMBOL, &first) ||
           image_contains(&first, (uintptr_t)&own_marker);
}

#if defined(__x86_64__)
enum {
    SLOT_IMPORT = R_X86_64_GLOB_DAT,
    SLOT_CALL = R_X86_64_JUMP_SLOT,
    SLOT_POINTER = R_X86_64_64,
    SLOT_RELATIVE = R_X86_64_RELATIVE
};
#elif defined(__aarch64__)
enum {
    SLOT_IMPORT = R_AARCH64_GLOB_DAT,
    SLOT_CALL = R_AARCH64_JUMP_SLOT,
    SLOT_POINTER = R_AARCH64_ABS64,
    SLOT_RELATIVE = R_AARCH64_RELATIVE,
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

// What the loader writes into a slot, where that takes no search for a symbol; else what is there
// now.
static uintptr_t relocated(const struct image *image, const ElfW(Rela) * relocation) {
    unsigned long type = ELF64_R_TYPE(relocation->r_info);
    const ElfW(Sym) *symbol = &image->symbols[ELF64_R_SYM(relocation->r_info)];
    if (type == SLOT_RELATIVE)
        return image->base + (uintptr_t)relocation->r_addend;
    if (type == SLOT_POINTER && symbol->st_shndx != SHN_UNDEF)
        return image->base + symbol->st_value + (uintptr_t)relocation->r_addend;
    return *(const uintptr_t *)(image->base + relocation->r_offset);
}

// Applies relocations to `contents`, the copy of the writable data.
static void relocate(const struct image *image, const void *table, size_t size,
                     unsigned char *contents) {
    const ElfW(Rela) *relocations = table;
    for (size_t i = 0; i < size / sizeof(*relocations); i++) {
        uintptr_t slot = image->base + relocations[i].r_offset;
        uintptr_t value;
        if (slot < image->writable_start || slot + sizeof(value) > image->writable_end)
            continue;
        value = relocated(image, &relocations[i]);
        memcpy(contents + (slot - image->writable_start), &value, sizeof(value));
    }
}

static void keep(const struct image *image, uintptr_t start, size_t size, unsigned char *contents) {
    if (start >= image->writable_start && start + size <= image->writable_end)
        memcpy(contents + (start - image->writable_start), (const void *)start, size);
}

// What the loader changes without any relocation, where it is plain data: the first slots of the
// PLT and the dynamic section.
static void keep_loaders_own(const struct image *image, unsigned char *contents) {
    size_t entries = 1;
    for (const ElfW(Dyn) *entry = image->dynamic; entry->d_tag != DT_NULL; entry++)
        entries++;
    keep(image, (uintptr_t)image->dynamic, entries * sizeof(*image->dynamic), contents);
    keep(image, image->plt_slots, 3 * sizeof(void *), contents);
}

// Whether the file is still the one that is mapped, which an upgrade may have replaced: its first
// page has the headers and the build ID.
static bool is_mapped_file(const struct image *image, int file) {
    unsigned char start[4096];
    const ElfW(Phdr) *first = image->headers;
    while (first < image->headers + image->header_count && first->p_type != PT_LOAD)
        first++;
    if (first == image->headers + image->header_count || first->p_offset != 0)
        return false;
    size_t size = first->p_filesz < sizeof(start) ? first->p_filesz : sizeof(start);
    return pread(file, start, size, 0) == (ssize_t)size &&
           memcmp(start, (const void *)(image->base + first->p_vaddr), size) == 0;
}

// The file's part of the writable data; the rest of `contents` is zero already.
static bool read_contents(const struct image *image, unsigned char *contents) {
    uintptr_t file_end = image->base + image->data->p_vaddr + image->data->p_filesz;
    if (file_end <= image->writable_start)
        return true;
    size_t size = file_end - image->writable_start;
    off_t offset =
        (off_t)(image->data->p_offset + image->writable_start - image->base - image->data->p_vaddr);
    int file = (int)syscall(SYS_openat, AT_FDCWD, image->path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool complete =
        is_mapped_file(image, file) && pread(file, contents, size, offset) == (ssize_t)size;
    syscall(SYS_close, file);
    return complete;
}

unsigned char *image_original_data(const struct image *image) {
    size_t size = image->writable_end - image->writable_start;
    if (image->has_packed_relocations || size == 0)
        return NULL;
    unsigned char *contents = calloc(1, size);
    if (contents == NULL || !read_contents(image, contents)) {
        free(contents);
        return NULL;
    }
    relocate(image, image->relocations, image->relocations_size, contents);
    relocate(image, image->plt_relocations, image->plt_relocations_size, contents);
    keep_loaders_own(image, contents);
    return contents;
}

void image_put_data(const struct image *image, const unsigned char *contents) {
    memcpy((void *)image->writable_start, contents, image->writable_end - image->writable_start);
}

bool image_reset_data(const struct image *image) {
    unsigned char *contents = image_original_data(image);
    if (contents != NULL)
        image_put_data(image, contents);
    free(contents);
    return contents != NULL;
}

bool image_pin(const struct image *image) {
    if (image->path[0] == '\0')
        return true; // the main program stays
    return libc_function(dlopen)(image->path, RTLD_NOLOAD | RTLD_LAZY | RTLD_NODELETE) != NULL;
}

struct image *image_copy(const struct image *image) {
    struct image *copy = malloc(sizeof(*copy));
    if (copy != NULL)
        *copy = *image;
    return copy;
}
