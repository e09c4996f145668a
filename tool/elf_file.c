#include "elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool each_header(const struct elf_file *file, size_t index, GElf_Phdr *header) {
    size_t count;
    return elf_getphdrnum(file->elf, &count) == 0 && index < count &&
           gelf_getphdr(file->elf, (int)index, header) != NULL;
}

// The file's bytes from an address to the end of its segment.
static const unsigned char *bytes_at(const struct elf_file *file, GElf_Addr address,
                                     size_t *length) {
    size_t size;
    const char *raw = elf_rawfile(file->elf, &size);
    GElf_Phdr header;
    for (size_t i = 0; raw != NULL && each_header(file, i, &header); i++) {
        if (header.p_type != PT_LOAD || address < header.p_vaddr ||
            address - header.p_vaddr >= header.p_filesz || header.p_offset > size ||
            header.p_filesz > size - header.p_offset)
            continue;
        *length = header.p_filesz - (address - header.p_vaddr);
        return (const unsigned char *)raw + header.p_offset + (address - header.p_vaddr);
    }
    return NULL;
}

// A string inside the file, or NULL where it does not end inside its segment.
static const char *string_at(const struct elf_file *file, GElf_Addr address) {
    size_t length;
    const unsigned char *bytes = bytes_at(file, address, &length);
    return bytes != NULL && memchr(bytes, '\0', length) != NULL ? (const char *)bytes : NULL;
}

static char *copy_at(const struct elf_file *file, GElf_Addr address) {
    const char *string = string_at(file, address);
    return string != NULL ? strdup(string) : NULL;
}

static void add_needed(struct elf_file *file, const char *name) {
    char **grown =
        name != NULL ? realloc(file->needed, (file->needed_count + 2) * sizeof(*grown)) : NULL;
    if (grown == NULL)
        return;
    file->needed = grown;
    grown[file->needed_count++] = strdup(name);
    grown[file->needed_count] = NULL;
}

static void read_entry(struct elf_file *file, const GElf_Dyn *entry, GElf_Addr strings) {
    GElf_Addr address = strings + entry->d_un.d_val;
    switch (entry->d_tag) {
    case DT_NEEDED:
        add_needed(file, string_at(file, address));
        break;
    case DT_SONAME:
        file->soname = copy_at(file, address);
        break;
    case DT_RPATH:
        file->rpath = copy_at(file, address);
        break;
    case DT_RUNPATH:
        file->runpath = copy_at(file, address);
        break;
    default:
        break;
    }
}

// By the program headers, as the loader does: section headers may be stripped.
static void read_dynamic(struct elf_file *file, const GElf_Phdr *header) {
    Elf_Data *data =
        elf_getdata_rawchunk(file->elf, (int64_t)header->p_offset, header->p_filesz, ELF_T_DYN);
    GElf_Addr strings = 0;
    GElf_Dyn entry;
    if (data == NULL)
        return;
    for (int i = 0; gelf_getdyn(data, i, &entry) != NULL && entry.d_tag != DT_NULL; i++) {
        if (entry.d_tag == DT_STRTAB)
            strings = entry.d_un.d_ptr;
    }
    for (int i = 0; gelf_getdyn(data, i, &entry) != NULL && entry.d_tag != DT_NULL; i++)
        read_entry(file, &entry, strings);
}

static void read_headers(struct elf_file *file) {
    GElf_Phdr header;
    for (size_t i = 0; each_header(file, i, &header); i++) {
        if (header.p_type == PT_INTERP) {
            size_t size;
            const char *raw = elf_rawfile(file->elf, &size);
            if (raw != NULL && header.p_offset < size)
                file->interpreter = strndup(raw + header.p_offset, size - header.p_offset);
        } else if (header.p_type == PT_DYNAMIC) {
            file->is_dynamic = true;
            read_dynamic(file, &header);
        }
    }
}

struct elf_file *elf_file_open(const char *path) {
    struct stat status;
    // Not to wait for the other end of a fifo, nor to wind a tape.
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0)
        return NULL;
    struct elf_file *file = calloc(1, sizeof(*file));
    elf_version(EV_CURRENT);
    if (file != NULL && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))
        file->elf = elf_begin(descriptor, ELF_C_READ_MMAP, NULL);
    if (file == NULL || file->elf == NULL || elf_kind(file->elf) != ELF_K_ELF ||
        gelf_getehdr(file->elf, &file->header) == NULL) {
        if (file != NULL && file->elf != NULL)
            elf_end(file->elf);
        free(file);
        close(descriptor);
        errno = ENOEXEC;
        return NULL;
    }
    file->descriptor = descriptor;
    file->path = strdup(path);
    read_headers(file);
    return file;
}

void elf_file_close(struct elf_file *file) {
    if (file == NULL)
        return;
    for (size_t i = 0; i < file->needed_count; i++)
        free(file->needed[i]);
    free(file->needed);
    free(file->interpreter);
    free(file->soname);
    free(file->rpath);
    free(file->runpath);
    free(file->path);
    elf_end(file->elf);
    close(file->descriptor);
    free(file);
}

bool elf_file_fits(const struct elf_file *file, const struct elf_file *other) {
    return file->header.e_machine == other->header.e_machine &&
           file->header.e_ident[EI_CLASS] == other->header.e_ident[EI_CLASS] &&
           file->header.e_ident[EI_DATA] == other->header.e_ident[EI_DATA];
}

const char *elf_file_architecture(const struct elf_file *file) {
    static char number[40];
    bool wide = file->header.e_ident[EI_CLASS] == ELFCLASS64;
    switch (file->header.e_machine) {
    case EM_X86_64:
        return wide ? "x86-64" : "x32";
    case EM_386:
        return "i386";
    case EM_AARCH64:
        return "aarch64";
    case EM_ARM:
        return "arm";
    case EM_RISCV:
        return wide ? "riscv64" : "riscv32";
    case EM_PPC64:
        return "ppc64";
    case EM_S390:
        return "s390";
    default:
        snprintf(number, sizeof(number), "ELF machine %u", file->header.e_machine);
        return number;
    }
}

static bool find_in_table(const struct elf_file *file, Elf_Scn *section, const GElf_Shdr *header,
                          const char *name, bool defined, GElf_Sym *found) {
    Elf_Data *data = elf_getdata(section, NULL);
    if (data == NULL || header->sh_entsize == 0)
        return false;
    for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
        if (gelf_getsym(data, (int)i, found) == NULL)
            return false;
        const char *symbol = elf_strptr(file->elf, header->sh_link, found->st_name);
        if (symbol != NULL && (found->st_shndx != SHN_UNDEF) == defined &&
            strcmp(symbol, name) == 0)
            return true;
    }
    return false;
}

static bool find_symbol(const struct elf_file *file, bool only_dynamic, const char *name,
                        bool defined, GElf_Sym *found) {
    for (Elf_Scn *section = NULL; (section = elf_nextscn(file->elf, section)) != NULL;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) != NULL &&
            (header.sh_type == SHT_DYNSYM || (header.sh_type == SHT_SYMTAB && !only_dynamic)) &&
            find_in_table(file, section, &header, name, defined, found))
            return true;
    }
    return false;
}

bool elf_file_defines(const struct elf_file *file, const char *symbol) {
    GElf_Sym found;
    return find_symbol(file, true, symbol, true, &found);
}

bool elf_file_imports(const struct elf_file *file, const char *symbol) {
    GElf_Sym found;
    return find_symbol(file, true, symbol, false, &found);
}

bool elf_file_address(const struct elf_file *file, const char *symbol, GElf_Addr *address) {
    GElf_Sym found;
    if (!find_symbol(file, false, symbol, true, &found))
        return false;
    *address = found.st_value;
    return true;
}

GElf_Addr elf_file_first_address(const struct elf_file *file) {
    GElf_Phdr header;
    for (size_t i = 0; each_header(file, i, &header); i++) {
        if (header.p_type == PT_LOAD && header.p_offset < (GElf_Off)getpagesize())
            return header.p_vaddr - header.p_offset;
    }
    return 0;
}

bool elf_file_contains(const struct elf_file *file, const void *bytes, size_t length) {
    size_t size;
    const char *raw = elf_rawfile(file->elf, &size);
    GElf_Phdr header;
    for (size_t i = 0; raw != NULL && each_header(file, i, &header); i++) {
        if (header.p_type == PT_LOAD && (header.p_flags & PF_W) == 0 && header.p_offset <= size &&
            header.p_filesz <= size - header.p_offset &&
            memmem(raw + header.p_offset, header.p_filesz, bytes, length) != NULL)
            return true;
    }
    return false;
}

static uint32_t word_at(const unsigned char *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

// [endbr64] lea displacement(%rip), %rax. Intel's manual, volume 2.
static GElf_Addr returned_address_x86_64(const unsigned char *code, size_t length,
                                         GElf_Addr address) {
    static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa}, lea[] = {0x48, 0x8d, 0x05};
    size_t at = length >= 4 && memcmp(code, endbr64, 4) == 0 ? 4 : 0;
    if (length < at + 8 || memcmp(code + at, lea, sizeof(lea)) != 0 || code[at + 7] != 0xc3)
        return 0;
    return address + at + 7 + (GElf_Addr)(int64_t)(int32_t)word_at(code + at + 3);
}

// adrp x0, page; add x0, x0, offset. Arm's A64 instruction set.
static GElf_Addr returned_address_aarch64(const unsigned char *code, size_t length,
                                          GElf_Addr address) {
    size_t at = length >= 4 && word_at(code) == 0xd503245f ? 4 : 0; // bti c
    if (length < at + 8)
        return 0;
    uint32_t adrp = word_at(code + at), add = word_at(code + at + 4);
    if ((adrp & 0x9f00001f) != 0x90000000 || (add & 0xffc003ff) != 0x91000000)
        return 0;
    uint32_t immediate = (adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3);
    int64_t pages = (int64_t)((uint64_t)immediate << 43) >> 43;
    return (((address + at) & ~(GElf_Addr)0xfff) + ((GElf_Addr)pages << 12)) + (add >> 10 & 0xfff);
}

char *elf_file_returned_string(const struct elf_file *file, const char *function) {
    GElf_Addr address, string = 0;
    size_t length;
    if (!elf_file_address(file, function, &address))
        return NULL;
    const unsigned char *code = bytes_at(file, address, &length);
    if (code != NULL && file->header.e_machine == EM_X86_64)
        string = returned_address_x86_64(code, length, address);
    else if (code != NULL && file->header.e_machine == EM_AARCH64)
        string = returned_address_aarch64(code, length, address);
    return string != 0 ? copy_at(file, string) : NULL;
}
