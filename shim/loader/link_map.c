#include "loader/link_map.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

// The address of the headers, the entry point and the number of headers follow each other in glibc
// (include/link.h): at byte 680 in 2.31, 704 in 2.36, 736 in 2.41 and 2.43. All three values are
// known of the program, so that what is found is no chance.
struct headers {
    const ElfW(Phdr) * first;
    ElfW(Addr) entry;
    ElfW(Half) count;
};
#define LINK_MAP_SEARCHED 1088 // bytes; it has more

size_t link_map_headers_place(void) {
    const struct headers program = {(const ElfW(Phdr) *)getauxval(AT_PHDR), getauxval(AT_ENTRY),
                                    (ElfW(Half))getauxval(AT_PHNUM)};
    const char *map = (const char *)_r_debug.r_map;
    size_t place = sizeof(struct link_map);
    for (; program.first != NULL && place + sizeof(program) <= LINK_MAP_SEARCHED;
         place += sizeof(void *)) {
        const struct headers *headers = (const struct headers *)(map + place);
        if (headers->first == program.first && headers->entry == program.entry &&
            headers->count == program.count)
            return place;
    }
    return 0;
}

// The kernel reads the set before it finds that it does not know what to do with it. NULL would be
// no set.
static bool is_readable(const void *address) {
    int saved_errno = errno;
    const int unknown = ~0;
    bool readable = address != NULL &&
                    (syscall(SYS_rt_sigprocmask, unknown, address, NULL, sizeof(uint64_t)) == 0 ||
                     errno != EFAULT);
    errno = saved_errno;
    return readable;
}

// Where another version of the loader is not understood: most libraries begin with their header, at
// the load address. Only a first page is looked at.
static bool read_header(const struct link_map *map, struct dl_phdr_info *info) {
    if (map == _r_debug.r_map) { // the program
        info->dlpi_phdr = (const ElfW(Phdr) *)getauxval(AT_PHDR);
        info->dlpi_phnum = (ElfW(Half))getauxval(AT_PHNUM);
        return info->dlpi_phdr != NULL;
    }
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)map->l_addr;
    if (!is_readable(header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_phoff + header->e_phnum * sizeof(ElfW(Phdr)) > (size_t)getpagesize())
        return false;
    info->dlpi_phdr = (const ElfW(Phdr) *)(map->l_addr + header->e_phoff);
    info->dlpi_phnum = header->e_phnum;
    return true;
}

// The two ways to an image lead to the same one.
static bool has_dynamic_section(const struct link_map *map, const struct dl_phdr_info *info) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            return map->l_addr + info->dlpi_phdr[i].p_vaddr == (uintptr_t)map->l_ld;
    }
    return false;
}

bool link_map_describe(const struct link_map *map, size_t place, struct dl_phdr_info *info) {
    *info = (struct dl_phdr_info){.dlpi_addr = map->l_addr, .dlpi_name = map->l_name};
    // The loader unmaps an image before it takes it off the list, and says when it is at that: a
    // fork in between leaves the child an entry that leads nowhere, for ever.
    if (_r_debug.r_state != RT_CONSISTENT && !is_readable(map->l_ld))
        return false;
    if (place != 0) {
        const struct headers *headers = (const struct headers *)((const char *)map + place);
        info->dlpi_phdr = headers->first;
        info->dlpi_phnum = headers->count;
    } else if (!read_header(map, info)) {
        return false;
    }
    return info->dlpi_phdr != NULL && has_dynamic_section(map, info);
}
