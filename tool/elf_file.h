// What an ELF file says of itself: read with libelf, nothing of it is run.
#ifndef GRPCFORKSHIM_TOOL_ELF_FILE_H
#define GRPCFORKSHIM_TOOL_ELF_FILE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>

struct elf_file {
    char *path;
    int descriptor;
    Elf *elf;
    GElf_Ehdr header;
    bool is_dynamic;   // it has a dynamic section: the loader has work with it
    char *interpreter; // the loader that a program asks for, or NULL
    char *soname;      // these are NULL where absent
    char *rpath;
    char *runpath;
    char **needed; // ended by NULL
    size_t needed_count;
};

// Opens and reads it. NULL where that can't be done, with errno (ENOEXEC: it is no ELF file; EFBIG:
// it has more than 4 GiB). To be closed by the caller.
struct elf_file *elf_file_open(const char *path);
void elf_file_close(struct elf_file *file);

// Whether the loader would put both into one process.
bool elf_file_fits(const struct elf_file *file, const struct elf_file *other);

// "x86-64", "aarch64" and so on; a number for what is rare. Static memory.
const char *elf_file_architecture(const struct elf_file *file);

// The program header with that index; false where there are fewer.
bool elf_file_header(const struct elf_file *file, size_t index, GElf_Phdr *header);

// The file's bytes from an address to the end of its segment, or NULL. They belong to the file.
const unsigned char *elf_file_bytes(const struct elf_file *file, GElf_Addr address, size_t *length);

// The string at an address, or NULL where none ends inside its segment. It belongs to the file.
const char *elf_file_string(const struct elf_file *file, GElf_Addr address);

// The address that the file's first byte is mapped at, before the loader adds what it adds to all
// of its addresses; 0 where it is mapped nowhere.
GElf_Addr elf_file_first_address(const struct elf_file *file);

#endif
