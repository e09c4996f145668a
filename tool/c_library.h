// Which C library a program or a library is made for.
#ifndef GRPCFORKSHIM_TOOL_C_LIBRARY_H
#define GRPCFORKSHIM_TOOL_C_LIBRARY_H

#include "elf_file.h"

// The name of the C library, if it is another than GNU's: "musl", "uClibc", "Bionic". NULL for
// GNU's, and where nothing tells, as in what is linked statically. Static memory.
const char *c_library_foreign(const struct elf_file *file);

#endif
