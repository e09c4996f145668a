// One loaded ELF image, read where it lies in memory.
//
// Its program headers and its dynamic section say everything the shim needs: which symbols it
// defines, where an import is bound, what is writable. No file is opened and no name or version of
// gRPC is asked for. Which images there are: loader/image_list.h.
#ifndef GRPCFORKSHIM_LOADER_IMAGE_H
#define GRPCFORKSHIM_LOADER_IMAGE_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One loaded image. `path` and the tables belong to the loader and live as long as the image.
struct image {
    const char *path;         // "" for the main program
    uintptr_t base;           // what is added to the image's addresses
    uintptr_t start, end;     // all its segments
    uintptr_t writable_start; // the part that stays writable: its data without RELRO; both are 0
    uintptr_t writable_end;   // where there is none
    bool has_more_data;       // other segments stay writable, too; they are not read here
    const ElfW(Phdr) * data;  // the program header of the segment that this part is in
    const ElfW(Dyn) * dynamic;
    const ElfW(Phdr) * headers;
    size_t header_count;
    const ElfW(Sym) * symbols; // all NULL where the image has no dynamic symbols
    const char *strings;
    const uint32_t *gnu_hash;
    const void *relocations; // DT_RELA, DT_JMPREL
    const void *plt_relocations;
    size_t relocations_size; // bytes
    size_t plt_relocations_size;
    size_t relative_count;       // of the relocations, the first ones: without a symbol, some 90 %
    uintptr_t plt_slots;         // .got.plt
    bool has_packed_relocations; // DT_RELR, which are not read here
};

// An import of an image: the slot that the loader filled, and whose symbol it is.
struct import {
    const char *name;
    const ElfW(Sym) * symbol; // in the importing image's table
    void **slot;
    intptr_t addend;
    bool is_binding; // the loader's alone; else a variable that was initialised with the address
};

// Reads the image that dl_iterate_phdr(3) describes. False for the vDSO and for what has no dynamic
// section. Takes no lock.
bool image_read(const struct dl_phdr_info *info, struct image *image);

// The address of a symbol that the image itself defines, or NULL. Needs DT_GNU_HASH, which every
// library built in the last fifteen years has. Takes no lock.
void *image_symbol(const struct image *image, const char *name);

// The same with all that the symbol table says about it; the loader's.
const ElfW(Sym) * image_symbol_entry(const struct image *image, const char *name);

// The hash of a name, for one that is looked up in many images, and the look-up by it.
uint32_t image_hash(const char *name);
void *image_symbol_by_hash(const struct image *image, const char *name, uint32_t hash);

// Whether the image names the other one among those that it needs: it keeps that one loaded. By the
// last part of the path, or the name that the other has of itself. Takes no lock.
bool image_needs(const struct image *image, const struct image *other);

// Calls `visit` for each symbol that the image defines, until it returns true; returns whether it
// did. Takes no lock.
bool image_visit_definitions(const struct image *image,
                             bool (*visit)(const char *name, const ElfW(Sym) * symbol,
                                           void *context),
                             void *context);

// Calls `visit` for each import and each reference to a data symbol that the image has
// relocations for. Takes no lock.
void image_visit_imports(const struct image *image,
                         void (*visit)(const struct image *image, const struct import *import,
                                       void *context),
                         void *context);

// The name of the first symbol of which the condition holds among those that the image binds calls
// or addresses to; NULL where there is none. Takes no lock.
const char *image_find_import(const struct image *image, bool (*condition)(const char *name));

// Writes one of the image's slots, also where RELRO made it read-only. Returns false with nothing
// changed where the kernel refuses. The page is writable for a moment.
bool image_patch_slot(const struct image *image, void **slot, void *value);

// The first symbol of the image that begins and goes on like this, or NULL: for names of C++, whose
// inline namespaces carry versions. Takes no lock.
void *image_symbol_like(const struct image *image, const char *beginning, const char *part);

// A copy of a description, which is the caller's to free by record_free; NULL where memory is
// lacking. Any thread.
struct image *image_copy(const struct image *image);

// Whether a symbol's name begins like this. A call of strncmp(3) takes more than the few characters
// by which nearly all of an image's thousands of names differ.
static inline bool image_name_begins(const char *name, const char *beginning) {
    while (*beginning != '\0') {
        if (*name++ != *beginning++)
            return false;
    }
    return true;
}

static inline bool image_contains(const struct image *image, uintptr_t address) {
    return address >= image->start && address < image->end;
}

#endif
