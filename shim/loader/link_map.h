// The loader's own list of images, read without its lock.
//
// dl_iterate_phdr(3) takes a lock that a child may wait for in vain. What the loader keeps for
// debuggers (_r_debug) has each image's load address and dynamic section, and that is not enough:
// where the program headers are it does not say. The load address is not where the image begins if
// it was linked at an address of its own, and an image need not have its headers mapped at all, in
// which case the loader has a copy on the heap. The loader knows where: behind the part of struct
// link_map that <link.h> shows.
#ifndef GRPCFORKSHIM_LOADER_LINK_MAP_H
#define GRPCFORKSHIM_LOADER_LINK_MAP_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

// Where in struct link_map the loader keeps the address of an image's program headers: the entry of
// the main program says, whose headers the kernel told us. 0 where no such place is found. Any
// process; async-signal-safe.
size_t link_map_headers_place(void);

// What dl_iterate_phdr(3) says of an entry of the list; `place` is what the function above
// returned. False for an image that is not there (a thread that the child does not have was
// unloading it) and for one whose headers are not found. Any process; async-signal-safe.
bool link_map_describe(const struct link_map *map, size_t place, struct dl_phdr_info *info);

#endif
