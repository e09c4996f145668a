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

// Opens and reads it. NULL where that can't be done, with errno (ENOEXEC: it is no ELF file). To be
// closed by the caller.
struct elf_file *elf_file_open(const char *path);
void elf_file_close(struct elf_file *file);

// Whether the loader would put both into one process.
bool elf_file_fits(const struct elf_file *file, const struct elf_file *other);

// "x86-64", "aarch64" and so on; a number for what is rare. Static memory.
const char *elf_file_architecture(const struct elf_file *file);

// Whether the dynamic symbol table defines the symbol, or asks for it. False, too, where a file was
// stripped of its section headers.
bool elf_file_defines(const struct elf_file *file, const char *symbol);
bool elf_file_imports(const struct elf_file *file, const char *symbol);

// The address of what the file defines by that name, in any symbol table; false where it doesn't.
bool elf_file_address(const struct elf_file *file, const char *symbol, GElf_Addr *address);

// The address that the file's first byte is mapped at, before the loader adds what it adds to all
// of its addresses; 0 where it is mapped nowhere.
GElf_Addr elf_file_first_address(const struct elf_file *file);

// Whether these bytes are in what is mapped read-only or executable: found in stripped files too.
bool elf_file_contains(const struct elf_file *file, const void *bytes, size_t length);

// The string that a function returns whose whole body is `return "...";`, read from its machine
// code; NULL for other functions and architectures than x86-64 and aarch64. Caller frees.
char *elf_file_returned_string(const struct elf_file *file, const char *function);

#endif
