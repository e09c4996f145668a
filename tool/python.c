#include "python.h"

#include "elf_symbols.h"
#include "languages/python/symbols.h"

#include <stdint.h>
#include <string.h>

// As languages/python/python.c decides in the process.

static bool has_functions(const struct elf_file *file) {
#define NAME(result, name, parameters) #name,
    static const char *const names[] = {PYTHON_SYMBOLS(NAME) "PyModule_Type"};
#undef NAME
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!elf_symbols_export(file, names[i]))
            return false;
    }
    return true;
}

// The size of an item of an int: digits of four bytes. An interpreter without the global lock, or
// one that traces references, has more in front of it, so that something else is here.
#define ITEM_SIZE_AT 40

static bool has_known_layout(const struct elf_file *file) {
    GElf_Addr type;
    size_t length;
    int64_t item_size;
    if (!elf_symbols_address(file, "PyLong_Type", &type))
        return false;
    const unsigned char *bytes = elf_file_bytes(file, type + ITEM_SIZE_AT, &length);
    if (bytes == NULL || length < sizeof(item_size))
        return false;
    memcpy(&item_size, bytes, sizeof(item_size));
    return item_size == 4;
}

const char *python_refusal(const struct libraries *libraries) {
    for (size_t i = 0; i < libraries->count; i++) {
        const struct elf_file *file = libraries->items[i].file;
        if (!elf_symbols_export(file, "PyLong_Type"))
            continue;
        if (!has_functions(file))
            return "it is in the extension of Python, of which the shim knows CPython from 3.9 on";
        if (!has_known_layout(file))
            return "it is in the extension of Python, whose objects are not laid out as the shim "
                   "knows them";
        return NULL;
    }
    return "it is in the extension of Python: which interpreter loads it decides";
}
