// A library to be preloaded that refuses the shim what a kernel or the C library may refuse.
//
//   REFUSE_WIPING=1   madvise(MADV_WIPEONFORK), as kernels before 4.14 do

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

int madvise(void *address, size_t length, int advice) {
    int (*real)(void *, size_t, int) = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "madvise");
    if (advice == MADV_WIPEONFORK && getenv("REFUSE_WIPING") != NULL) {
        errno = EINVAL;
        return -1;
    }
    return real(address, length, advice);
}
