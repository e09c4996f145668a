// Files that a user, a unit or a package names: they may be anything, also a fifo or a device.
#ifndef GRPCFORKSHIM_TOOL_REGULAR_FILE_H
#define GRPCFORKSHIM_TOOL_REGULAR_FILE_H

#include <stdbool.h>
#include <stddef.h>

// Opens a regular file for reading. -1 with errno; 0 in errno is for what is no regular file, which
// is not even opened. The caller closes the descriptor.
int regular_file_open(const char *path);

// The text of a regular file, where it has no more than REGULAR_FILE_TEXT_MAXIMUM bytes. A byte of
// 0 ends a line, as it does for systemd. NULL with errno, as above; EFBIG for a longer one. The
// caller frees it.
#define REGULAR_FILE_TEXT_MAXIMUM (4u << 20)
char *regular_file_text(const char *path);

// What errno says after one of these. Static memory, or strerror's.
const char *regular_file_error(int error);

#endif
