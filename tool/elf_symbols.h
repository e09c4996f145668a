// The symbols of an ELF file.
#ifndef GRPCFORKSHIM_TOOL_ELF_SYMBOLS_H
#define GRPCFORKSHIM_TOOL_ELF_SYMBOLS_H

#include "elf_file.h"

// Whether the dynamic symbol table defines the symbol, or asks for it.
bool elf_symbols_export(const struct elf_file *file, const char *symbol);
bool elf_symbols_import(const struct elf_file *file, const char *symbol);

// Calls `visit` for each symbol that the dynamic table defines, until it returns true; returns
// whether it did.
bool elf_symbols_visit_exports(const struct elf_file *file,
                               bool (*visit)(const char *name, const GElf_Sym *symbol,
                                             void *context),
                               void *context);

// Whether the symbol table that strip(1) takes away defines the symbol, which other images can't
// see. Fast where the file has no such name.
bool elf_symbols_have_local(const struct elf_file *file, const char *symbol);

// The address of what the file defines by that name, in either table; false where it doesn't.
bool elf_symbols_address(const struct elf_file *file, const char *symbol, GElf_Addr *address);

#endif
