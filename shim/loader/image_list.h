// Which images are loaded, as the loader lists them.
//
// In the process that this library was loaded in that is dl_iterate_phdr(3). In a child it is the
// list that the loader keeps for debuggers, read without a lock: that of dl_iterate_phdr may be
// held by a thread that the child does not have.
#ifndef GRPCFORKSHIM_LOADER_IMAGE_LIST_H
#define GRPCFORKSHIM_LOADER_IMAGE_LIST_H

#include "loader/image.h"

// Which images are visited: all; all but this library; those that the loader searches after it.
enum image_scope { IMAGES_ALL, IMAGES_OTHERS, IMAGES_BEHIND };

// What every copy of this library exports (process/record.c), and so is known by.
#define SHIM_SYMBOL "grpcforkshim_record"

// Calls `visit` for each loaded image of the scope but the vDSO, in the order in which the loader
// searches them, until it returns true; returns whether it did. The loader's list is locked
// meanwhile, but not in a child: `visit` must not load anything. Never waits for a thread that runs
// an image's constructor. Not async-signal-safe.
bool image_visit_scope(enum image_scope scope,
                       bool (*visit)(const struct image *image, void *context), void *context);

// The same for all others than this library.
bool image_visit(bool (*visit)(const struct image *image, void *context), void *context);

// Between the two, this thread's visits don't read each image again (0.7 million instructions where
// a program with sixty libraries is looked through for all that the shim needs), unless something
// was loaded or unloaded meanwhile. Any thread; not async-signal-safe. Where memory is lacking they
// are read as ever.
void image_list_keep(void);
void image_list_drop(void);

// This process is the one that the library was loaded in; in others the loader's lock is not taken.
// Once, from the constructor.
void image_note_process(void);

// This process is a child: from now on the loader's lock is taken only if it is known to be free
// (loader/loader_lock.h), or is found out to be. Child, async-signal-safe.
void image_note_fork(bool is_locked);

// True where the list of images can be read though other threads load and unload libraries; false
// in a child that does not know yet whether the loader's lock is free. Any thread.
bool image_list_is_locked(void);

// A child has learnt that the loader's lock is free: from now on it takes it. Any thread.
void image_list_is_free(void);

// How many images have been loaded since the process began. Not async-signal-safe.
unsigned long long image_loads(void);

// Whether the address is in data of some image that stays writable. Not async-signal-safe.
bool image_is_writable(const void *address);

// The first image that defines the symbol, in *found: of the scope, or of all others than this
// library. Other copies of this library count with IMAGES_ALL only. Not async-signal-safe.
bool image_defining_in(enum image_scope scope, const char *name, struct image *found);
bool image_defining(const char *name, struct image *found);

// Whether the image is still loaded, at the same place. Not async-signal-safe.
bool image_is_loaded(const struct image *image);

// Whether this is the first copy of the library in the process, to which the program's calls are
// bound. Two get there where one that was installed elsewhere is preloaded besides; both at work
// took each other for gRPC and called each other until the stack ended (measured).
bool image_is_first_shim(void);

#endif
