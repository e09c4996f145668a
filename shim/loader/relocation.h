// The kinds of relocations that are read, by what they are in each architecture's psABI.
#ifndef GRPCFORKSHIM_LOADER_RELOCATION_H
#define GRPCFORKSHIM_LOADER_RELOCATION_H

#include <elf.h>

// A slot for the address of another image's symbol; the same for calls; a variable that was
// initialised with the address of a symbol, or of a place in its own image.
#if defined(__x86_64__)
enum {
    SLOT_IMPORT = R_X86_64_GLOB_DAT,
    SLOT_CALL = R_X86_64_JUMP_SLOT,
    SLOT_POINTER = R_X86_64_64,
    SLOT_RELATIVE = R_X86_64_RELATIVE
};
#elif defined(__aarch64__)
enum {
    SLOT_IMPORT = R_AARCH64_GLOB_DAT,
    SLOT_CALL = R_AARCH64_JUMP_SLOT,
    SLOT_POINTER = R_AARCH64_ABS64,
    SLOT_RELATIVE = R_AARCH64_RELATIVE,
};
#else
#error "the relocation types of this architecture are not known here"
#endif

#endif
