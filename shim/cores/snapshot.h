// The pristine copy of gRPC's data, and the way back to it.
//
// gRPC's singletons, locks, once-flags and thread counts all live in the writable data of its
// images. A copy taken before gRPC is first initialised, put back in a child while the child has no
// gRPC thread, makes gRPC there as if never used. The heap it had stays allocated and untouched.
// Measured on gRPC 1.51.1: 86 KiB, of which 29 KiB are the PLT slots that are left alone.
#ifndef GRPCFORKSHIM_CORES_SNAPSHOT_H
#define GRPCFORKSHIM_CORES_SNAPSHOT_H

#include "loader/image.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

// Forgets whatever a thread that a fork left behind in the parent was about to prepare. Any
// process, before anything is prepared in it; one thread.
void snapshot_begin(void);

// Remembers that this image's data belongs to gRPC. At most eight images; false beyond. One thread,
// before the copy.
bool snapshot_add_image(const struct image *image);

// Finds all regions and the memory for their copy, so that the copying itself needs neither the
// loader nor an allocation. Returns false where memory is lacking. One thread, with gRPC's images
// loaded.
bool snapshot_prepare(void);

// Copies all regions: before gRPC's first initialisation, with no other thread in gRPC. In a child
// of the process that prepared it, the copy gets memory of its own, and false is returned where
// that is lacking. One thread.
bool snapshot_take(void);

// Whether the data has changed since the copy was taken. Any thread.
bool snapshot_differs(void);

// Puts the copy back. Child, with no thread in gRPC. Writes memory and does nothing else.
void snapshot_rewind(void);

// What the data is now, which the caller frees; NULL where memory is lacking. And puts that back.
// As above.
unsigned char *snapshot_save(void);
void snapshot_restore(const unsigned char *saved);

// Keeps a piece of gRPC's data that the program holds a pointer to as it is now, in this process's
// children too. gRPC's tables of functions for channel arguments are such: since 1.4x they are
// statics that are filled on first use, and a rewound one would call address 0. Data that is not
// rewound is not touched. At most 32 bytes. Any thread.
void snapshot_keep(const void *address, size_t size);

// True for an address inside one of the images: whether a caller is gRPC itself. Any thread, any
// process; async-signal-safe.
bool snapshot_covers_some(const void *address);
extern _Atomic size_t snapshot_image_count;

static inline bool snapshot_covers(const void *address) {
    // Most programs have no gRPC.
    return atomic_load_explicit(&snapshot_image_count, memory_order_relaxed) > 0 &&
           snapshot_covers_some(address);
}

// True for an address in data that will be rewound. As above.
bool snapshot_rewinds(const void *address);

#endif
