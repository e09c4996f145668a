#include "elf_symbols.h"

#include <stdint.h>
#include <string.h>

struct symbols {
    Elf_Data *table;
    size_t count;
    const char *strings;
    size_t strings_size;
};

// --- where the tables are ------------------------------------------------------------------------

static bool find_section(const struct elf_file *file, GElf_Word type, struct symbols *symbols) {
    for (Elf_Scn *section = NULL; (section = elf_nextscn(file->elf, section)) != NULL;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == NULL || header.sh_type != type ||
            header.sh_entsize == 0)
            continue;
        Elf_Scn *linked = elf_getscn(file->elf, header.sh_link);
        Elf_Data *strings = linked != NULL ? elf_getdata(linked, NULL) : NULL;
        symbols->table = elf_getdata(section, NULL);
        if (symbols->table == NULL || strings == NULL || strings->d_buf == NULL)
            return false;
        symbols->count = header.sh_size / header.sh_entsize;
        symbols->strings = strings->d_buf;
        symbols->strings_size = strings->d_size;
        return true;
    }
    return false;
}

struct dynamic {
    GElf_Addr symbols, strings, strings_size, hash;
};

static void read_dynamic(const struct elf_file *file, const GElf_Phdr *header,
                         struct dynamic *dynamic) {
    Elf_Data *data =
        elf_getdata_rawchunk(file->elf, (int64_t)header->p_offset, header->p_filesz, ELF_T_DYN);
    GElf_Dyn entry;
    for (int i = 0; data != NULL && gelf_getdyn(data, i, &entry) != NULL && entry.d_tag != DT_NULL;
         i++) {
        if (entry.d_tag == DT_SYMTAB)
            dynamic->symbols = entry.d_un.d_ptr;
        else if (entry.d_tag == DT_STRTAB)
            dynamic->strings = entry.d_un.d_ptr;
        else if (entry.d_tag == DT_STRSZ)
            dynamic->strings_size = entry.d_un.d_val;
        else if (entry.d_tag == DT_GNU_HASH)
            dynamic->hash = entry.d_un.d_ptr;
    }
}

// A word of the hash table, as this machine has it: a library of another byte order is of no use
// here.
static bool word(const struct elf_file *file, GElf_Addr address, uint32_t *value) {
    size_t length;
    const unsigned char *bytes = elf_file_bytes(file, address, &length);
    if (bytes == NULL || length < sizeof(*value))
        return false;
    memcpy(value, bytes, sizeof(*value));
    return true;
}

// How many symbols there are: the loader's table does not say, but its last chain ends with the
// last of them (DT_GNU_HASH).
static size_t count_symbols(const struct elf_file *file, GElf_Addr hash) {
    uint32_t buckets, first, filter, last = 0;
    GElf_Addr filter_word = file->header.e_ident[EI_CLASS] == ELFCLASS64 ? 8 : 4;
    if (hash == 0 || !word(file, hash, &buckets) || !word(file, hash + 4, &first) ||
        !word(file, hash + 8, &filter))
        return 0;
    GElf_Addr table = hash + 16 + filter * filter_word, chains = table + (GElf_Addr)buckets * 4;
    for (uint32_t i = 0, value; i < buckets; i++) {
        if (!word(file, table + (GElf_Addr)i * 4, &value))
            return 0;
        last = value > last ? value : last;
    }
    if (last < first)
        return first; // it defines nothing
    for (uint32_t value = 0; (value & 1) == 0; last++) {
        if (!word(file, chains + (GElf_Addr)(last - first) * 4, &value))
            return 0;
    }
    return last;
}

// As the loader finds them: section headers may be stripped.
static bool find_dynamic(const struct elf_file *file, struct symbols *symbols) {
    struct dynamic dynamic = {0};
    GElf_Phdr header;
    size_t length, strings_length, size = gelf_fsize(file->elf, ELF_T_SYM, 1, EV_CURRENT);
    for (size_t i = 0; elf_file_header(file, i, &header); i++) {
        if (header.p_type == PT_DYNAMIC)
            read_dynamic(file, &header, &dynamic);
    }
    const unsigned char *table = elf_file_bytes(file, dynamic.symbols, &length);
    const unsigned char *strings = elf_file_bytes(file, dynamic.strings, &strings_length);
    symbols->count = count_symbols(file, dynamic.hash);
    size_t whole;
    const char *raw = elf_rawfile(file->elf, &whole);
    if (table == NULL || strings == NULL || raw == NULL || size == 0 ||
        symbols->count > length / size)
        return false;
    symbols->table = elf_getdata_rawchunk(file->elf, (const char *)table - raw,
                                          symbols->count * size, ELF_T_SYM);
    symbols->strings = (const char *)strings;
    symbols->strings_size =
        dynamic.strings_size < strings_length ? dynamic.strings_size : strings_length;
    return symbols->table != NULL;
}

static bool find_exported(const struct elf_file *file, struct symbols *symbols) {
    return find_section(file, SHT_DYNSYM, symbols) || find_dynamic(file, symbols);
}

// --- looking in them -----------------------------------------------------------------------------

// The name of the symbol with that index, or NULL where the table ends or is broken.
static const char *read_symbol(const struct symbols *symbols, size_t index, GElf_Sym *symbol) {
    if (index >= symbols->count || gelf_getsym(symbols->table, (int)index, symbol) == NULL ||
        symbol->st_name >= symbols->strings_size)
        return NULL;
    const char *name = symbols->strings + symbol->st_name;
    return memchr(name, '\0', symbols->strings_size - symbol->st_name) != NULL ? name : NULL;
}

static bool find(const struct symbols *symbols, const char *wanted, bool defined, GElf_Sym *found) {
    const char *name;
    for (size_t i = 0; (name = read_symbol(symbols, i, found)) != NULL; i++) {
        if ((found->st_shndx != SHN_UNDEF) == defined && strcmp(name, wanted) == 0)
            return true;
    }
    return false;
}

bool elf_symbols_export(const struct elf_file *file, const char *symbol) {
    struct symbols symbols;
    GElf_Sym found;
    return find_exported(file, &symbols) && find(&symbols, symbol, true, &found);
}

bool elf_symbols_import(const struct elf_file *file, const char *symbol) {
    struct symbols symbols;
    GElf_Sym found;
    return find_exported(file, &symbols) && find(&symbols, symbol, false, &found);
}

bool elf_symbols_visit_exports(const struct elf_file *file,
                               bool (*visit)(const char *name, const GElf_Sym *symbol,
                                             void *context),
                               void *context) {
    struct symbols symbols;
    GElf_Sym symbol;
    const char *name;
    if (!find_exported(file, &symbols))
        return false;
    for (size_t i = 0; (name = read_symbol(&symbols, i, &symbol)) != NULL; i++) {
        if (symbol.st_shndx != SHN_UNDEF && visit(name, &symbol, context))
            return true;
    }
    return false;
}

// One search of the strings spares a walk through 70,000 symbols (libarrow_flight.so).
static bool find_local(const struct elf_file *file, const char *symbol, GElf_Sym *found) {
    struct symbols symbols;
    return find_section(file, SHT_SYMTAB, &symbols) &&
           memmem(symbols.strings, symbols.strings_size, symbol, strlen(symbol) + 1) != NULL &&
           find(&symbols, symbol, true, found);
}

bool elf_symbols_have_local(const struct elf_file *file, const char *symbol) {
    GElf_Sym found;
    return find_local(file, symbol, &found);
}

bool elf_symbols_address(const struct elf_file *file, const char *symbol, GElf_Addr *address) {
    struct symbols symbols;
    GElf_Sym found;
    if (!(find_exported(file, &symbols) && find(&symbols, symbol, true, &found)) &&
        !find_local(file, symbol, &found))
        return false;
    *address = found.st_value;
    return true;
}
