// What an image's writable data was on its first day, and the way back there.
#ifndef GRPCFORKSHIM_LOADER_IMAGE_DATA_H
#define GRPCFORKSHIM_LOADER_IMAGE_DATA_H

#include "loader/image.h"

// What the loader made of the image's writable data before any code of the image ran: the file's
// contents, zeros behind, relocations applied (a pointer to another image's symbol as it is now).
// The caller frees it. NULL where the file can't be read or is another by now. Reads the file.
unsigned char *image_original_data(const struct image *image);

// Writes such contents over the image's data. Only where no other thread runs code of the image.
void image_put_data(const struct image *image, const unsigned char *contents);

// Both at once; false with nothing changed where the first fails.
bool image_reset_data(const struct image *image);

#endif
