// What the constants and the machine code of an ELF file tell, also where it was stripped. Code is
// read for x86-64 and aarch64.
#ifndef GRPCFORKSHIM_TOOL_ELF_CODE_H
#define GRPCFORKSHIM_TOOL_ELF_CODE_H

#include "elf_file.h"

// Whether these bytes are in what is mapped and never written to.
bool elf_code_has_constant(const struct elf_file *file, const void *bytes, size_t length);

// The string that a function returns whose whole body is `return "...";`, or NULL. It belongs to
// the file.
const char *elf_code_returned_string(const struct elf_file *file, GElf_Addr function);

// Looks where the code refers to the constant `text`, and near by for a string that `wanted` takes:
// one that the code refers to, too, or that a function returns which it calls. NULL where there is
// none. The string belongs to the file.
const char *elf_code_string_beside(const struct elf_file *file, const char *text,
                                   bool (*wanted)(const char *string));

#endif
