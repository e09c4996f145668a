// Counts what the code under test allocates. The test program is linked with --wrap for malloc,
// calloc and free, so that libc's and cmocka's own allocations don't count.
#ifndef GRPCFORKSHIM_TESTS_ALLOCATION_H
#define GRPCFORKSHIM_TESTS_ALLOCATION_H

#include <stdbool.h>
#include <stddef.h>

// What every byte of a freed block is set to: reading a pointer of it and following that is fatal.
#define FREED_BYTE 0xDB

// Bytes that are allocated now, and the most since the last reset.
size_t allocation_bytes(void);
size_t allocation_peak(void);
void allocation_reset_peak(void);

// From now on every allocation fails, or none does.
void allocation_fail(bool fail);

#endif
