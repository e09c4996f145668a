#include "record_reader.h"

#include "elf_file.h"
#include "elf_symbols.h"
#include "memory.h"
#include "process/shared_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct search {
    pid_t pid;
    char library[4096];
    uint64_t address; // 0: not found
};

// Of several copies one is at work; what the others have there is as it was in the file.
static bool is_at_work(pid_t pid, uint64_t address) {
    struct record record;
    return memory_read(pid, address, &record, sizeof(record)) && atomic_load(&record.process) != 0;
}

// By what it exports.
static bool is_shim(const struct mapping *mapping, void *context) {
    struct search *search = context;
    GElf_Addr value = 0;
    // A first look that spares reading every library.
    if (strstr(strrchr(mapping->path, '/'), "forkshim") == NULL)
        return false;
    struct elf_file *file = elf_file_open(mapping->file);
    bool found = file != NULL && elf_symbols_export(file, RECORD_SYMBOL) &&
                 elf_symbols_address(file, RECORD_SYMBOL, &value);
    // The mapping is that of the file's first byte.
    uint64_t address = found ? mapping->start + (value - elf_file_first_address(file)) : 0;
    bool at_work = found && is_at_work(search->pid, address);
    if (at_work || (search->address == 0 && (found || file == NULL)))
        snprintf(search->library, sizeof(search->library), "%s", mapping->path);
    if (at_work || (search->address == 0 && found))
        search->address = address;
    elf_file_close(file);
    return at_work;
}

static void read_counters(pid_t pid, struct process_record *result) {
    static struct shared_memory shared; // of which only the beginning is read
    uint64_t address = atomic_load(&result->record.shared_memory);
    for (int i = 0; i < COUNTER_KINDS; i++)
        result->counters[i] = atomic_load(&result->record.counters[i]);
    if (address == 0 ||
        !memory_read(pid, address, &shared, offsetof(struct shared_memory, openings)))
        return;
    result->counters[COUNTER_forks] += atomic_load(&shared.forks);
    result->counters[COUNTER_children_using_grpc] += atomic_load(&shared.children_using_grpc);
}

enum reading record_read(pid_t pid, struct process_record *result) {
    struct search search = {.pid = pid};
    memset(result, 0, sizeof(*result));
    bool listed = memory_visit_files(pid, is_shim, &search) || errno == 0;
    int error = errno;
    bool found = listed && search.address != 0;
    snprintf(result->library, sizeof(result->library), "%s", search.library);
    if (!found && search.library[0] != '\0')
        return READING_NO_FILE;
    if (!found && (error == EACCES || error == EPERM))
        return READING_NOT_PERMITTED;
    if (!found)
        return error == ENOENT || error == ESRCH ? READING_NO_PROCESS : READING_NO_SHIM;
    if (!memory_read(pid, search.address, &result->record, sizeof(result->record)))
        return errno == EPERM ? READING_NOT_PERMITTED : READING_FAILED;
    if (strncmp(result->record.magic, RECORD_MAGIC, sizeof(result->record.magic)) != 0)
        return READING_FAILED;
    if (result->record.layout != RECORD_LAYOUT || result->record.size != sizeof(result->record))
        return READING_OTHER_VERSION;
    read_counters(pid, result);
    return READING_DONE;
}

bool record_tracks(pid_t pid, const struct record *record, unsigned descriptor) {
    uint64_t table, piece, word;
    unsigned size = record->descriptors_a_piece;
    if (size == 0 || descriptor / size >= record->pieces)
        return false;
    return memory_read(pid, record->descriptors_table, &table, sizeof(table)) && table != 0 &&
           memory_read(pid, table + descriptor / size * sizeof(piece), &piece, sizeof(piece)) &&
           piece != 0 &&
           memory_read(pid, piece + descriptor % size / 64 * sizeof(word), &word, sizeof(word)) &&
           (word >> (descriptor % 64) & 1) != 0;
}
