// Memory for records: of objects, and of what they are made of.
//
// The call that a record is made for has succeeded, and the parent must not notice if memory is
// lacking for it. But a child that finds no record of an object takes its address for gRPC's own,
// and hangs or crashes. So there is a reserve, which is used where malloc fails, and which is
// given back to like any other memory. gRPC itself ends the process where it gets no memory, so
// that more than some blocks are needed at a time only where all of the shim's requests fail and
// none of gRPC's.
//
// Measured before: each of the some 70 requests for memory that the shim makes in a client was
// refused in turn; in four samples 32 of 262 runs went wrong, with children that hung until
// their deadline or crashed, and not one said why. Now the registry's first tables are there
// before anything is recorded, too. What is larger than a block of the reserve is not copied,
// and then the object is not half recorded either: calls on the channel fail at once in children
// and say why, credentials are used as they were inherited, and a line on standard error says so
// when it happens. Tested by refusing each request again (tests/bats/memory.bats).
#ifndef GRPCFORKSHIM_BASE_RECORD_MEMORY_H
#define GRPCFORKSHIM_BASE_RECORD_MEMORY_H

#include "base/compiler.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define RECORD_BLOCK_SIZE 512 // bytes
#define RECORD_BLOCKS 32

struct record_block {
    _Alignas(max_align_t) unsigned char bytes[RECORD_BLOCK_SIZE];
};

// Not for other modules: what the inline functions read. NULL until it is made.
extern struct record_block *record_reserve;

// Makes the reserve, once. False where memory is lacking. One thread.
bool record_memory_start(void);

// What malloc and calloc do, from the reserve. NULL where it is used up, or for what is larger than
// one of its blocks. Any thread.
void *record_take_block(size_t size);

// Gives a block back. Any thread.
void record_give_block(void *block);

// As malloc, calloc, strdup (of NULL: NULL) and free. NULL where memory is lacking, the reserve's
// too, but for small records: see above. Any thread.
static inline void *record_allocate(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL)
        return record_take_block(size);
    return memory;
}

void *record_allocate_zeroed(size_t size);
char *record_copy_text(const char *text);

static inline void record_free(void *memory) {
    uintptr_t offset = (uintptr_t)memory - (uintptr_t)record_reserve;
    if (unlikely(offset < sizeof(struct record_block) * RECORD_BLOCKS) && record_reserve != NULL)
        record_give_block(memory);
    else
        free(memory);
}

// Says, once, that there is no record of something.
#define RECORD_LOST(what)                                                                          \
    do {                                                                                           \
        static bool said;                                                                          \
        log_once(said, LOG_ERROR,                                                                  \
                 "can't record " what ", out of memory, children that use it get it as without "   \
                 "the shim");                                                                      \
    } while (0)

#endif
