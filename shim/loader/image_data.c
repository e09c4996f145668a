#include "loader/image_data.h"

#include "loader/relocation.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

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
