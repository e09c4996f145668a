#include "elf_file.h"

#include "regular_file.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool elf_file_header(const struct elf_file *file, size_t index, GElf_Phdr *header) {
    size_t count;
    return elf_getphdrnum(file->elf, &count) == 0 && index < count &&
           gelf_getphdr(file->elf, (int)index, header) != NULL;
}

const unsigned char *elf_file_bytes(const struct elf_file *file, GElf_Addr address,
                                    size_t *length) {
    size_t size;
    const char *raw = elf_rawfile(file->elf, &size);
    GElf_Phdr header;
    for (size_t i = 0; raw != NULL && elf_file_header(file, i, &header); i++) {
        if (header.p_type != PT_LOAD || address < header.p_vaddr ||
            address - header.p_vaddr >= header.p_filesz || header.p_offset > size ||
            header.p_filesz > size - header.p_offset)
            continue;
        *length = header.p_filesz - (address - header.p_vaddr);
        return (const unsigned char *)raw + header.p_offset + (address - header.p_vaddr);
    }
    return NULL;
}

const char *elf_file_string(const struct elf_file *file, GElf_Addr address) {
    size_t length;
    const unsigned char *bytes = elf_file_bytes(file, address, &length);
    return bytes != NULL && memchr(bytes, '\0', length) != NULL ? (const char *)bytes : NULL;
}

static char *copy_at(const struct elf_file *file, GElf_Addr address) {
    const char *string = elf_file_string(file, address);
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
        add_needed(file, elf_file_string(file, address));
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

// As far as its segment goes: a file may lack the byte that ends it.
static char *read_interpreter(const struct elf_file *file, const GElf_Phdr *header) {
    size_t size;
    const char *raw = elf_rawfile(file->elf, &size);
    if (raw == NULL || header->p_offset > size || header->p_filesz > size - header->p_offset ||
        header->p_filesz > PATH_MAX)
        return NULL;
    return strndup(raw + header->p_offset, header->p_filesz);
}

static void read_headers(struct elf_file *file) {
    GElf_Phdr header;
    for (size_t i = 0; elf_file_header(file, i, &header); i++) {
        if (header.p_type == PT_INTERP) {
            free(file->interpreter);
            file->interpreter = read_interpreter(file, &header);
        } else if (header.p_type == PT_DYNAMIC) {
            file->is_dynamic = true;
            read_dynamic(file, &header);
        }
    }
}

// The largest libraries that are known to have gRPC in them take 0.8 GB. A file of terabytes with
// nothing in it is made in no time, and would be searched for hours.
#define SIZE_MAXIMUM ((off_t)4 << 30)

static Elf *begin(int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return NULL;
    if (status.st_size > SIZE_MAXIMUM) {
        errno = EFBIG;
        return NULL;
    }
    errno = ENOEXEC;
    return elf_begin(descriptor, ELF_C_READ_MMAP, NULL);
}

static struct elf_file *close_unread(struct elf_file *file, int error) {
    if (file->elf != NULL)
        elf_end(file->elf);
    close(file->descriptor);
    free(file);
    errno = error;
    return NULL;
}

struct elf_file *elf_file_open(const char *path) {
    struct elf_file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        return NULL;
    elf_version(EV_CURRENT);
    file->descriptor = regular_file_open(path);
    if (file->descriptor < 0) {
        int error = errno != 0 ? errno : ENOEXEC;
        free(file);
        errno = error;
        return NULL;
    }
    file->elf = begin(file->descriptor);
    if (file->elf == NULL)
        return close_unread(file, errno != 0 ? errno : ENOEXEC);
    if (elf_kind(file->elf) != ELF_K_ELF || gelf_getehdr(file->elf, &file->header) == NULL)
        return close_unread(file, ENOEXEC);
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

GElf_Addr elf_file_first_address(const struct elf_file *file) {
    GElf_Phdr header;
    for (size_t i = 0; elf_file_header(file, i, &header); i++) {
        if (header.p_type == PT_LOAD && header.p_offset < (GElf_Off)getpagesize())
            return header.p_vaddr - header.p_offset;
    }
    return 0;
}
