#include "languages/python/copy.h"

#include "base/file_status.h"
#include "languages/python/interpreter.h"

#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Puts the original file's pages in the place of the copy's, where both are the same and are never
// written to, and gives the copy's back.
static size_t share(const struct image *image, int original, int copy) {
    size_t page = (size_t)getpagesize(), shared = 0;
    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Phdr) *header = &image->headers[i];
        if (header->p_type != PT_LOAD || (header->p_flags & PF_W) != 0)
            continue;
        uintptr_t start = (image->base + header->p_vaddr) & ~(page - 1);
        uintptr_t end = (image->base + header->p_vaddr + header->p_filesz + page - 1) & ~(page - 1);
        off_t offset = (off_t)(header->p_offset & ~(page - 1));
        int protection = PROT_READ | ((header->p_flags & PF_X) != 0 ? PROT_EXEC : 0);
        if (mmap((void *)start, end - start, protection, MAP_PRIVATE | MAP_FIXED, original,
                 offset) == MAP_FAILED)
            break;
        // The last page may hold the beginning of the data, which stays the copy's.
        size_t whole = (header->p_offset + header->p_filesz) & ~(page - 1);
        if (whole > (size_t)offset)
            (void)fallocate(copy, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                            (off_t)(whole - (size_t)offset));
        shared += end - start;
    }
    return shared;
}

PyObject *python_share_code(PyObject *self, PyObject *arguments) {
    struct interpreter *python = atomic_load(&python_interpreter);
    (void)self;
    int original = (int)python->PyLong_AsLong(python->PyTuple_GetItem(arguments, 0));
    int copy = (int)python->PyLong_AsLong(python->PyTuple_GetItem(arguments, 1));
    return python->PyLong_FromUnsignedLong(share(&python->newest, original, copy));
}

// The loader knows a file that is loaded by its device and inode (struct r_file_id), which it keeps
// behind the part of struct link_map that <link.h> shows: at byte 968 in glibc 2.36, in other
// places in others, so it is looked for. With another inode there the same file is loaded once
// more, with its code shared, at no cost: a copy of it takes 3 to 8 ms.
#define LINK_MAP_SEARCHED 1088 // bytes; it has more
struct file_identity {
    uint64_t device;
    uint64_t inode;
};

static struct file_identity *find_identity(struct link_map *map, const struct stat *file) {
    struct file_identity *found = NULL;
    for (size_t at = sizeof(*map); at + sizeof(*found) <= LINK_MAP_SEARCHED; at += sizeof(void *)) {
        struct file_identity *candidate = (struct file_identity *)((char *)map + at);
        if (candidate->device == file->st_dev &&
            (candidate->inode == file->st_ino || candidate->inode == ~file->st_ino)) {
            if (found != NULL)
                return NULL;
            found = candidate;
        }
    }
    return found;
}

// Changes or restores what the loader keeps of the file, however often it is loaded; returns how
// often that is, as far as it is found.
static size_t disguise_all(const struct stat *file, bool hide) {
    size_t count = 0;
    for (struct link_map *map = _r_debug.r_map; map != NULL; map = map->l_next) {
        struct file_identity *identity = find_identity(map, file);
        if (identity == NULL)
            continue;
        identity->inode = hide ? ~file->st_ino : file->st_ino;
        count++;
    }
    return count;
}

PyObject *python_disguise(PyObject *self, PyObject *arguments) {
    struct interpreter *python = atomic_load(&python_interpreter);
    struct stat file;
    (void)self;
    int descriptor = (int)python->PyLong_AsLong(python->PyTuple_GetItem(arguments, 0));
    bool hide = python->PyLong_AsLong(python->PyTuple_GetItem(arguments, 1)) != 0;
    bool done = file_status(descriptor, &file) && disguise_all(&file, hide) > 0;
    return python->PyBool_FromLong(done);
}
