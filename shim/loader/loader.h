// What the loader is asked to do.
#ifndef GRPCFORKSHIM_LOADER_LOADER_H
#define GRPCFORKSHIM_LOADER_LOADER_H

#include "loader/image.h"

#include <stdbool.h>

// Finds out in a child whether the loader's list of images can be asked for (loader/image_list.h),
// in a thread of its own, which waits for ever if the lock's holder is not in this process. Once
// for each child that uses gRPC; does nothing elsewhere.
void loader_ask(void);

// Keeps the image loaded to the end of the process (dlopen(3): RTLD_NOLOAD, RTLD_NODELETE), which
// dlclose would otherwise end under the shim's feet. Takes the loader's lock, which another thread
// holds while it runs a constructor: nothing of ours may be locked. Returns false if the loader
// refuses.
bool loader_pin(const struct image *image);

#endif
