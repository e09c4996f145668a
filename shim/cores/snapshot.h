// The pristine copy of a core's data, and the way back to it.
//
// gRPC's singletons, locks, once-flags and thread counts all live in the writable data of its
// images. A copy taken before gRPC is first initialised, put back in a child while the child has no
// gRPC thread, makes gRPC there as if never used. The heap it had stays allocated and untouched.
// Measured on gRPC 1.51.1: 86 KiB, of which 29 KiB are the PLT slots that are left alone.
#ifndef GRPCFORKSHIM_CORES_SNAPSHOT_H
#define GRPCFORKSHIM_CORES_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

struct core;
struct snapshot;

// Finds all regions of the core's data, which is that of its images (cores/core_images.h), and the
// memory for their copy, so that the copying itself needs neither the loader nor an allocation.
// Forgets whatever a thread that a fork left behind in the parent was about to prepare. Returns
// false where memory is lacking. One thread, with the core's images loaded.
bool snapshot_prepare(struct core *core);

// Copies all regions: before the core's first initialisation, with no other thread in it. In a
// child of the process that prepared it, the copy gets memory of its own, and false is returned
// where that is lacking. One thread.
bool snapshot_take(struct core *core);

// Whether the data has changed since the copy was taken. Any thread.
bool snapshot_differs(const struct core *core);

// Puts the copy back. Child, with no thread in the core. Writes memory and does nothing else.
void snapshot_rewind(const struct core *core);

// What the data is now, which the caller frees; NULL where memory is lacking. And puts that back.
// As above.
unsigned char *snapshot_save(const struct core *core);
void snapshot_restore(const struct core *core, const unsigned char *saved);

// Keeps a piece of a core's data that the program holds a pointer to as it is now, in this
// process's children too. gRPC's tables of functions for channel arguments are such: since 1.4x
// they are statics that are filled on first use, and a rewound one would call address 0. Data that
// is not rewound is not touched. At most 32 bytes. Any thread.
void snapshot_keep(const void *address, size_t size);

// Puts what was kept back. Child, when all was rewound.
void snapshot_put_kept_back(void);

// True for an address in data of any core that will be rewound. Any thread.
bool snapshot_rewinds(const void *address);

#endif
