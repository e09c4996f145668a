// What the machine code of a function tells about an image's variables that have no symbol.
//
// A function that uses a variable makes its address, by one of the few instructions that its
// architecture has for that. Several functions that are known to share one variable and nothing
// else have one such address in common, whatever the compiler made of the rest.
#ifndef GRPCFORKSHIM_LOADER_MACHINE_CODE_H
#define GRPCFORKSHIM_LOADER_MACHINE_CODE_H

#include "loader/image.h"

// The one address of the image's writable data that each of these functions makes, but for the
// addresses of `others`; NULL where there is none or more than one, or where the image lacks one of
// the functions. Both lists end with NULL. What a function jumps to instead of returning is read as
// part of it, and so is what it calls, where `with_calls` says so. Any thread, any process; takes
// no lock.
void *code_common_variable(const struct image *image, const char *const *functions, bool with_calls,
                           void *const *others);

#endif
