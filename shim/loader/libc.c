#include "loader/libc.h"

#include "loader/image_list.h"

#include <string.h>

struct libc_functions libc_bound;

// close_range and closefrom came with glibc 2.34.
static int absent_from_libc(void) {
    return 0;
}

// Several threads may bind the same function, to the same address.
typedef void *function_address __attribute__((may_alias));

bool libc_has(const void *member) {
    void *address;
    memcpy(&address, member, sizeof(address));
    return address != NULL && address != (void *)(uintptr_t)absent_from_libc;
}

void libc_bind(void *member, const char *name) {
    struct image image;
    void *address = image_defining_in(IMAGES_BEHIND, name, &image)
                        ? image_symbol(&image, name)
                        : (void *)(uintptr_t)absent_from_libc;
    __atomic_store_n((function_address *)member, address, __ATOMIC_RELAXED);
}
