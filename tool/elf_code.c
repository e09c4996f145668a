#include "elf_code.h"

#include <stdint.h>
#include <string.h>

// The instructions are those of Intel's manual, volume 2, and of Arm's A64 instruction set.

// How far from the reference what is used together with it is looked for, in bytes.
#define NEAR 160

struct code {
    const unsigned char *bytes;
    size_t length;
    GElf_Addr address; // of the first byte
};

// What an instruction does with an address.
enum use { USE_NONE, USE_REFERS, USE_CALLS };
struct instruction {
    enum use use;
    GElf_Addr target;
};

static uint32_t word_at(const unsigned char *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static GElf_Addr relative_to(GElf_Addr address, const unsigned char *displacement) {
    return address + (GElf_Addr)(int64_t)(int32_t)word_at(displacement);
}

// --- segments ------------------------------------------------------------------------------------

// The next segment that is mapped with these rights and never written to.
static bool next_segment(const struct elf_file *file, size_t *index, GElf_Word flags,
                         struct code *segment) {
    size_t size;
    const char *raw = elf_rawfile(file->elf, &size);
    GElf_Phdr header;
    while (raw != NULL && elf_file_header(file, *index, &header)) {
        ++*index;
        if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0 ||
            (header.p_flags & flags) != flags || header.p_offset > size ||
            header.p_filesz > size - header.p_offset)
            continue;
        *segment = (struct code){(const unsigned char *)raw + header.p_offset, header.p_filesz,
                                 header.p_vaddr};
        return true;
    }
    return false;
}

static bool find_constant(const struct elf_file *file, const void *bytes, size_t length,
                          GElf_Addr *address) {
    struct code segment;
    for (size_t i = 0; next_segment(file, &i, PF_R, &segment);) {
        const unsigned char *found = memmem(segment.bytes, segment.length, bytes, length);
        if (found != NULL) {
            *address = segment.address + (GElf_Addr)(found - segment.bytes);
            return true;
        }
    }
    return false;
}

bool elf_code_has_constant(const struct elf_file *file, const void *bytes, size_t length) {
    GElf_Addr address;
    return find_constant(file, bytes, length, &address);
}

// --- x86-64 --------------------------------------------------------------------------------------

// lea displacement(%rip), register; mov $address, register, in programs that are not
// position-independent; call displacement. At any byte: where an instruction begins is not known.
static struct instruction read_x86_64(const struct code *code, size_t at) {
    const unsigned char *byte = code->bytes + at;
    GElf_Addr here = code->address + at;
    size_t left = code->length - at;
    if (left >= 7 && (byte[0] & 0xfb) == 0x48 && byte[1] == 0x8d && (byte[2] & 0xc7) == 0x05)
        return (struct instruction){USE_REFERS, relative_to(here + 7, byte + 3)};
    if (left >= 5 && (byte[0] & 0xf8) == 0xb8)
        return (struct instruction){USE_REFERS, word_at(byte + 1)};
    if (left >= 5 && byte[0] == 0xe8)
        return (struct instruction){USE_CALLS, relative_to(here + 5, byte + 1)};
    return (struct instruction){USE_NONE, 0};
}

static size_t skip(const struct code *code, size_t at, const char *bytes, size_t length) {
    bool there = code->length - at >= length && memcmp(code->bytes + at, bytes, length) == 0;
    return there ? at + length : at;
}

// [endbr64] [push %rbp; mov %rsp, %rbp] lea displacement(%rip), %rax | mov $address, %eax
// [pop %rbp] ret
static GElf_Addr returned_x86_64(const struct code *code) {
    size_t at = skip(code, 0, "\xf3\x0f\x1e\xfa", 4);
    at = skip(code, at, "\x55\x48\x89\xe5", 4);
    bool relative = skip(code, at, "\x48\x8d\x05", 3) != at;
    if (!relative && (code->length == at || code->bytes[at] != 0xb8))
        return 0;
    struct instruction instruction = read_x86_64(code, at);
    at = skip(code, at + (relative ? 7 : 5), "\x5d", 1);
    return instruction.use == USE_REFERS && skip(code, at, "\xc3", 1) != at ? instruction.target
                                                                            : 0;
}

// --- aarch64 -------------------------------------------------------------------------------------

// adrp register, page; add other, register, offset: 0 where the instructions are others.
static GElf_Addr page_and_offset(uint32_t adrp, uint32_t add, GElf_Addr address) {
    if ((adrp & 0x9f000000) != 0x90000000 || (add & 0xffc00000) != 0x91000000 ||
        (adrp & 0x1f) != (add >> 5 & 0x1f))
        return 0;
    uint32_t immediate = (adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3);
    int64_t pages = (int64_t)((uint64_t)immediate << 43) >> 43;
    return ((address & ~(GElf_Addr)0xfff) + ((GElf_Addr)pages << 12)) + (add >> 10 & 0xfff);
}

// The compiler puts other instructions between the two of a reference.
#define BETWEEN 8

static struct instruction read_aarch64(const struct code *code, size_t at) {
    if (at % 4 != 0 || code->length - at < 4)
        return (struct instruction){USE_NONE, 0};
    uint32_t word = word_at(code->bytes + at);
    GElf_Addr here = code->address + at;
    if ((word & 0xfc000000) == 0x94000000) { // bl
        int64_t words = (int64_t)((uint64_t)(word & 0x3ffffff) << 38) >> 38;
        return (struct instruction){USE_CALLS, here + (GElf_Addr)(words * 4)};
    }
    for (size_t next = at + 4; next <= at + 4 * BETWEEN && code->length - next >= 4; next += 4) {
        GElf_Addr target = page_and_offset(word, word_at(code->bytes + next), here);
        if (target != 0)
            return (struct instruction){USE_REFERS, target};
    }
    return (struct instruction){USE_NONE, 0};
}

// [bti c] adrp x0, page; add x0, x0, offset; ret
static GElf_Addr returned_aarch64(const struct code *code) {
    size_t at = code->length >= 4 && word_at(code->bytes) == 0xd503245f ? 4 : 0;
    if (code->length - at < 12 || (word_at(code->bytes + at + 4) & 0x1f) != 0 ||
        word_at(code->bytes + at + 8) != 0xd65f03c0)
        return 0;
    return page_and_offset(word_at(code->bytes + at), word_at(code->bytes + at + 4),
                           code->address + at);
}

// --- both ----------------------------------------------------------------------------------------

static struct instruction read_instruction(const struct elf_file *file, const struct code *code,
                                           size_t at) {
    if (file->header.e_machine == EM_X86_64)
        return read_x86_64(code, at);
    if (file->header.e_machine == EM_AARCH64)
        return read_aarch64(code, at);
    return (struct instruction){USE_NONE, 0};
}

const char *elf_code_returned_string(const struct elf_file *file, GElf_Addr function) {
    struct code code = {.address = function};
    GElf_Addr string = 0;
    code.bytes = elf_file_bytes(file, function, &code.length);
    if (code.bytes != NULL && file->header.e_machine == EM_X86_64)
        string = returned_x86_64(&code);
    else if (code.bytes != NULL && file->header.e_machine == EM_AARCH64)
        string = returned_aarch64(&code);
    return string != 0 ? elf_file_string(file, string) : NULL;
}

static const char *string_near(const struct elf_file *file, const struct code *code, size_t at,
                               bool (*wanted)(const char *string)) {
    size_t from = at > NEAR ? at - NEAR : 0;
    size_t to = code->length - at > NEAR ? at + NEAR : code->length;
    for (; from < to; from++) {
        struct instruction instruction = read_instruction(file, code, from);
        const char *string = NULL;
        if (instruction.use == USE_CALLS)
            string = elf_code_returned_string(file, instruction.target);
        else if (instruction.use == USE_REFERS)
            string = elf_file_string(file, instruction.target);
        if (string != NULL && wanted(string))
            return string;
    }
    return NULL;
}

const char *elf_code_string_beside(const struct elf_file *file, const char *text,
                                   bool (*wanted)(const char *string)) {
    GElf_Addr address;
    struct code code;
    if (!find_constant(file, text, strlen(text), &address))
        return NULL;
    for (size_t i = 0; next_segment(file, &i, PF_R | PF_X, &code);) {
        for (size_t at = 0; at < code.length; at++) {
            struct instruction instruction = read_instruction(file, &code, at);
            const char *found = instruction.use == USE_REFERS && instruction.target == address
                                    ? string_near(file, &code, at, wanted)
                                    : NULL;
            if (found != NULL)
                return found;
        }
    }
    return NULL;
}
