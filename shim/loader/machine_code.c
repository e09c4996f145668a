#include "loader/machine_code.h"

#include "base/compiler.h"

#include <string.h>

// How much is read of a function without a symbol, and how long a function may be that does little
// but lead to another one.
#define UNNAMED_BYTES 1024
#define JUMPING_BYTES 96
#define ADDRESSES_MAXIMUM 16
#define BRANCHES_MAXIMUM 4

struct code {
    uintptr_t start, end;
};

// What the code of one function was found to make, and where it leads to.
struct findings {
    const struct image *image;
    bool with_calls;
    size_t address_count, branch_count;
    uintptr_t addresses[ADDRESSES_MAXIMUM];
    uintptr_t branches[BRANCHES_MAXIMUM];
};

static bool is_code(const struct image *image, uintptr_t address) {
    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Phdr) *header = &image->headers[i];
        if (header->p_type == PT_LOAD && (header->p_flags & (PF_X | PF_R)) == (PF_X | PF_R) &&
            address - image->base - header->p_vaddr < header->p_memsz)
            return true;
    }
    return false;
}

static void note_address(struct findings *findings, uintptr_t address) {
    const struct image *image = findings->image;
    if (address >= image->writable_start && address < image->writable_end &&
        address % sizeof(uint32_t) == 0 && findings->address_count < ADDRESSES_MAXIMUM)
        findings->addresses[findings->address_count++] = address;
}

static void note_branch(struct findings *findings, const struct code *code, uintptr_t target) {
    if ((target < code->start || target >= code->end) && is_code(findings->image, target) &&
        findings->branch_count < BRANCHES_MAXIMUM)
        findings->branches[findings->branch_count++] = target;
}

#if defined(__x86_64__)
// Instructions have no fixed length, so one is looked for at each byte. What only looks like one
// makes an address that no other function makes.
#define REX_W 0x48
#define REX_WR 0x4c
#define LEA 0x8d
#define MODRM_RIP_MASK 0xc7
#define MODRM_RIP 0x05
#define JUMP 0xe9
#define CALL 0xe8
#define LEA_BYTES 7
#define BRANCH_BYTES 5

static uintptr_t relative(const uint8_t *displacement) {
    int32_t distance;
    memcpy(&distance, displacement, sizeof(distance));
    return (uintptr_t)displacement + sizeof(distance) + (uintptr_t)(intptr_t)distance;
}

static void read_code(struct findings *findings, const struct code *code) {
    const uint8_t *end = (const uint8_t *)code->end;
    for (const uint8_t *at = (const uint8_t *)code->start; at + BRANCH_BYTES <= end; at++) {
        if (at + LEA_BYTES <= end && (at[0] == REX_W || at[0] == REX_WR) && at[1] == LEA &&
            (at[2] & MODRM_RIP_MASK) == MODRM_RIP)
            note_address(findings, relative(at + 3));
        if (at[0] == JUMP || (at[0] == CALL && findings->with_calls))
            note_branch(findings, code, relative(at + 1));
    }
}
#elif defined(__aarch64__)
// An address is made of its page (adrp) and of its place there (add), by way of a neighbour's
// address sometimes (another add), or read from the slot that the loader filled with it (ldr).
#define BITS(word, first, count) (((word) >> (first)) & ((1u << (count)) - 1))
#define IS_ADRP(word) (((word)&0x9f000000) == 0x90000000)
#define IS_ADD(word) (((word)&0xffc00000) == 0x91000000)
#define IS_LOAD(word) (((word)&0xffc00000) == 0xf9400000)
#define IS_JUMP(word) (((word)&0xfc000000) == 0x14000000)
#define IS_CALL(word) (((word)&0xfc000000) == 0x94000000)
#define REGISTERS 32
#define PAGE ((uintptr_t)4096)

static intptr_t signed_bits(uint32_t value, unsigned count) {
    return (intptr_t)((uint64_t)value << (64 - count)) >> (64 - count);
}

// Slots lie in what is constant after relocation. Variables that are pointers don't.
static uintptr_t slot_contents(const struct image *image, uintptr_t slot) {
    bool is_slot = slot < image->writable_start && image_contains(image, slot) &&
                   slot % sizeof(uintptr_t) == 0 && !is_code(image, slot);
    return is_slot ? *(const uintptr_t *)slot : 0;
}

static uintptr_t page_of(uintptr_t at, uint32_t adrp) {
    intptr_t pages = signed_bits(BITS(adrp, 5, 19) << 2 | BITS(adrp, 29, 2), 21);
    return (at & ~(PAGE - 1)) + (uintptr_t)pages * PAGE;
}

static void read_code(struct findings *findings, const struct code *code) {
    uintptr_t registers[REGISTERS] = {0}; // what is known of them
    for (uintptr_t at = code->start; at + sizeof(uint32_t) <= code->end; at += sizeof(uint32_t)) {
        uint32_t word = *(const uint32_t *)at;
        uintptr_t *target = &registers[BITS(word, 0, 5)];
        uintptr_t source = registers[BITS(word, 5, 5)];
        if (IS_ADRP(word)) {
            *target = page_of(at, word);
        } else if (IS_ADD(word) && source != 0) {
            *target = source + BITS(word, 10, 12);
            note_address(findings, *target);
        } else if (IS_LOAD(word) && source != 0) {
            *target = slot_contents(findings->image, source + BITS(word, 10, 12) * 8);
            note_address(findings, *target);
        } else if (IS_JUMP(word) || (IS_CALL(word) && findings->with_calls)) {
            note_branch(findings, code,
                        at + (uintptr_t)signed_bits(BITS(word, 0, 26), 26) * sizeof(uint32_t));
        }
    }
}
#else
#error "how this architecture makes addresses is not known here"
#endif

static bool read_function(struct findings *findings, const char *name) {
    const ElfW(Sym) *symbol = image_symbol_entry(findings->image, name);
    if (symbol == NULL || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC)
        return false;
    struct code code = {findings->image->base + symbol->st_value,
                        findings->image->base + symbol->st_value + symbol->st_size};
    if (!is_code(findings->image, code.start) || !is_code(findings->image, code.end - 1))
        return false;
    read_code(findings, &code);
    size_t branches = symbol->st_size <= JUMPING_BYTES ? findings->branch_count : 0;
    for (size_t i = 0; i < branches; i++) {
        struct code target = {findings->branches[i], findings->branches[i] + UNNAMED_BYTES};
        if (code.start > target.start && code.start < target.end)
            target.end = code.start;
        if (is_code(findings->image, target.end - 1))
            read_code(findings, &target);
    }
    return true;
}

static bool makes(const struct findings *findings, uintptr_t address) {
    for (size_t i = 0; i < findings->address_count; i++) {
        if (findings->addresses[i] == address)
            return true;
    }
    return false;
}

// Leaves what the function makes, too.
static bool intersect(struct findings *common, const char *function) {
    struct findings findings = {.image = common->image, .with_calls = common->with_calls};
    size_t left = 0;
    if (!read_function(&findings, function))
        return false;
    for (size_t i = 0; i < common->address_count; i++) {
        if (makes(&findings, common->addresses[i]))
            common->addresses[left++] = common->addresses[i];
    }
    common->address_count = left;
    return true;
}

static bool is_among(uintptr_t address, void *const *others) {
    for (; *others != NULL; others++) {
        if ((uintptr_t)*others == address)
            return true;
    }
    return false;
}

void *code_common_variable(const struct image *image, const char *const *functions, bool with_calls,
                           void *const *others) {
    struct findings common = {.image = image, .with_calls = with_calls};
    if (!read_function(&common, functions[0]))
        return NULL;
    for (functions++; *functions != NULL; functions++) {
        if (!intersect(&common, *functions))
            return NULL;
    }
    uintptr_t found = 0;
    for (size_t i = 0; i < common.address_count; i++) {
        if (is_among(common.addresses[i], others) || common.addresses[i] == found)
            continue;
        if (found != 0)
            return NULL;
        found = common.addresses[i];
    }
    return (void *)found;
}
