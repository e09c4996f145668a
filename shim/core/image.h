// Loaded ELF images, read where they lie in memory.
//
// The loader's own tables (dl_iterate_phdr(3), each image's dynamic section) say everything the
// shim needs: which image defines a symbol, where an import is bound, what is writable. No file is
// opened and no name or version of gRPC is asked for.
#ifndef GRPCFORKSHIM_CORE_IMAGE_H
#define GRPCFORKSHIM_CORE_IMAGE_H

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

// Which images are visited: all; all but this library; those that the loader searches after it.
enum image_scope { IMAGES_ALL, IMAGES_OTHERS, IMAGES_BEHIND };

// Calls `visit` for each loaded image of the scope but the vDSO, in the order in which the loader
// searches them, until it returns true; returns whether it did. The loader's list is locked
// meanwhile, but not in a child: `visit` must not load anything. Never waits for a thread that runs
// an image's constructor. Not async-signal-safe.
bool image_visit_scope(enum image_scope scope,
                       bool (*visit)(const struct image *image, void *context), void *context);

// The same for all others than this library.
bool image_visit(bool (*visit)(const struct image *image, void *context), void *context);

// This process is the one that the library was loaded in; in others the loader's lock is not taken.
// Once, from the constructor.
void image_note_process(void);

// This process is a child made by fork(): from now on the loader's lock is not taken. Child,
// async-signal-safe.
void image_note_fork(void);

// True where the list of images can be read though other threads load and unload libraries; false
// in a child that does not know yet whether the loader's lock is free. Any thread.
bool image_list_is_locked(void);

// Finds that out, in a thread of its own, which waits for ever where the lock's holder is not in
// this process. Once for each child that uses gRPC. Does nothing elsewhere.
void image_ask_loader(void);

// How many images have been loaded since the process began. Not async-signal-safe.
unsigned long long image_loads(void);

// The address of a symbol that the image itself defines, or NULL. Needs DT_GNU_HASH, which every
// library built in the last fifteen years has. Takes no lock.
void *image_symbol(const struct image *image, const char *name);

// Calls `visit` for each symbol that the image defines, until it returns true; returns whether it
// did. Takes no lock.
bool image_visit_definitions(const struct image *image,
                             bool (*visit)(const char *name, const ElfW(Sym) * symbol,
                                           void *context),
                             void *context);

// Whether the address is in data of some image that stays writable. Not async-signal-safe.
bool image_is_writable(const void *address);

// The first image that defines the symbol, in *found: of the scope, or of all others than this
// library. Other copies of this library count with IMAGES_ALL only. Not async-signal-safe.
bool image_defining_in(enum image_scope scope, const char *name, struct image *found);
bool image_defining(const char *name, struct image *found);

// Whether this is the first copy of the library in the process, to which the program's calls are
// bound. Two get there where one that was installed elsewhere is preloaded besides; both at work
// took each other for gRPC and called each other until the stack ended (measured).
bool image_is_first_shim(void);

// Calls `visit` for each import and each reference to a data symbol that the image has
// relocations for. Takes no lock.
void image_visit_imports(const struct image *image,
                         void (*visit)(const struct image *image, const struct import *import,
                                       void *context),
                         void *context);

// Writes one of the image's slots, also where RELRO made it read-only. Returns false with nothing
// changed where the kernel refuses. The page is writable for a moment.
bool image_patch_slot(const struct image *image, void **slot, void *value);

// What the loader made of the image's writable data before any code of the image ran: the file's
// contents, zeros behind, relocations applied (a pointer to another image's symbol as it is now).
// The caller frees it. NULL where the file can't be read or is another by now. Reads the file.
unsigned char *image_original_data(const struct image *image);

// Writes such contents over the image's data. Only where no other thread runs code of the image.
void image_put_data(const struct image *image, const unsigned char *contents);

// Both at once; false with nothing changed where the first fails.
bool image_reset_data(const struct image *image);

// The first symbol of the image that begins and goes on like this, or NULL: for names of C++, whose
// inline namespaces carry versions. Takes no lock.
void *image_symbol_like(const struct image *image, const char *beginning, const char *part);

// A copy of a description on the heap, which is the caller's; NULL where memory is lacking. Any
// thread.
struct image *image_copy(const struct image *image);

// Takes the loader's lock, which another thread holds while it runs a constructor: nothing of ours
// may be locked. Keeps the image loaded to the end of the process (dlopen(3): RTLD_NOLOAD,
// RTLD_NODELETE), which dlclose would otherwise end under the shim's feet. Returns false where the
// loader refuses.
bool image_pin(const struct image *image);

static inline bool image_contains(const struct image *image, uintptr_t address) {
    return address >= image->start && address < image->end;
}

#endif
