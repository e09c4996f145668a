#include "unit.h"

#include "message.h"
#include "regular_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// systemd.unit(5), "Unit File Load Path"; what comes first wins.
static const char *const directories[] = {
    "/etc/systemd/system.control",  "/run/systemd/system.control",   "/run/systemd/transient",
    "/run/systemd/generator.early", "/etc/systemd/system",           "/run/systemd/system",
    "/run/systemd/generator",       "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system",          "/run/systemd/generator.late",
};
#define DIRECTORY_COUNT (sizeof(directories) / sizeof(directories[0]))

// --- one file ------------------------------------------------------------------------------------

static char *strip(char *text) {
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\n\r", text[length - 1]) != NULL)
        text[--length] = '\0';
    return text;
}

static void add(struct unit *unit, const char *key, const char *value, const char *file) {
    struct assignment *grown =
        realloc(unit->assignments, (unit->count + 1) * sizeof(*unit->assignments));
    if (grown == NULL)
        return;
    unit->assignments = grown;
    grown[unit->count++] = (struct assignment){strdup(key), strdup(value), strdup(file)};
}

// Whether the backslash at the end has a meaning: it has none behind another that has.
static bool is_continued(const char *line) {
    size_t count = 0;
    for (size_t length = strlen(line); length > count && line[length - 1 - count] == '\\';)
        count++;
    return count % 2 == 1;
}

// The next line with what continues it, and moves the text on; a comment between does not end it
// (systemd.syntax(7)). NULL at the end. The caller frees it.
static char *next_logical_line(char **text) {
    char *whole = NULL, *joined;
    for (char *line; (line = strsep(text, "\n")) != NULL;) {
        const char *beginning = line + strspn(line, " \t");
        if (*beginning == '#' || *beginning == ';')
            continue;
        line[strcspn(line, "\r")] = '\0';
        if (asprintf(&joined, "%s%s", whole != NULL ? whole : "", line) < 0)
            break;
        free(whole);
        whole = joined;
        if (!is_continued(whole))
            break;
        whole[strlen(whole) - 1] = ' ';
    }
    return whole;
}

static bool read_file(struct unit *unit, const char *path) {
    char *whole = regular_file_text(path), *text = whole;
    bool in_service = false;
    if (whole == NULL)
        return false;
    for (char *line; (line = next_logical_line(&text)) != NULL; free(line)) {
        char *stripped = strip(line), *equals = strchr(stripped, '=');
        if (*stripped == '[') {
            in_service = strcmp(stripped, "[Service]") == 0;
        } else if (in_service && equals != NULL) {
            *equals = '\0';
            add(unit, strip(stripped), strip(equals + 1), path);
        }
    }
    free(whole);
    return true;
}

// --- all files -----------------------------------------------------------------------------------

struct drop_in {
    char *name;
    char *path;
};

struct drop_ins {
    struct drop_in *items;
    size_t count;
};

// The first directory that has a drop-in of some name hides others of that name.
static void add_drop_in(struct drop_ins *list, const char *directory, const char *name) {
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) == 0)
            return;
    }
    char *path = NULL;
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return;
    struct drop_in *grown = realloc(list->items, (list->count + 1) * sizeof(*grown));
    if (grown == NULL) {
        free(path);
        return;
    }
    list->items = grown;
    grown[list->count++] = (struct drop_in){strdup(name), path};
}

static void find_drop_ins(struct drop_ins *list, const char *unit_name, const char *without) {
    char path[PATH_MAX];
    for (size_t i = 0; i < DIRECTORY_COUNT; i++) {
        snprintf(path, sizeof(path), "%s/%s.d", directories[i], unit_name);
        DIR *directory = opendir(path);
        const struct dirent *entry;
        while (directory != NULL && (entry = readdir(directory)) != NULL) {
            size_t length = strlen(entry->d_name);
            if (length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0 &&
                strcmp(entry->d_name, without) != 0)
                add_drop_in(list, path, entry->d_name);
        }
        if (directory != NULL)
            closedir(directory);
    }
}

static int compare_names(const void *one, const void *other) {
    return strcmp(((const struct drop_in *)one)->name, ((const struct drop_in *)other)->name);
}

// "a@b.service" has those of "a@.service" too, "a-b.service" those of "a-.service", and each those
// of "service".
static void find_all_drop_ins(struct drop_ins *list, const char *name, const char *without) {
    char other[NAME_MAX + 20];
    const char *at = strchr(name, '@');
    find_drop_ins(list, name, without);
    if (at != NULL) {
        snprintf(other, sizeof(other), "%.*s@.service", (int)(at - name), name);
        find_drop_ins(list, other, without);
    }
    for (size_t i = strcspn(name, "@."); i > 0; i--) {
        snprintf(other, sizeof(other), "%.*s.service", (int)i, name);
        if (name[i - 1] == '-')
            find_drop_ins(list, other, without);
    }
    find_drop_ins(list, "service", without);
}

// By a link to /dev/null; any other device, and an empty file, mask as well.
static bool is_masked(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode) ||
                                        (S_ISREG(status.st_mode) && status.st_size == 0));
}

static void read_drop_ins(struct unit *unit, const char *without) {
    struct drop_ins list = {NULL, 0};
    find_all_drop_ins(&list, unit->name, without);
    if (list.count > 0)
        qsort(list.items, list.count, sizeof(*list.items), compare_names);
    for (size_t i = 0; i < list.count; i++) {
        if (!is_masked(list.items[i].path) && !read_file(unit, list.items[i].path))
            complain("%s: %s, not read", list.items[i].path, regular_file_error(errno));
        free(list.items[i].name);
        free(list.items[i].path);
    }
    free(list.items);
}

// The file of a unit, or of the template that it is an instance of; the caller frees it.
static char *find_file(const char *name) {
    char path[PATH_MAX], template[NAME_MAX + 20] = "";
    const char *at = strchr(name, '@');
    if (at != NULL)
        snprintf(template, sizeof(template), "%.*s@.service", (int)(at - name), name);
    const char *const names[] = {name, template};
    for (size_t i = 0; i < (at != NULL ? 2 : 1); i++) {
        for (size_t j = 0; j < DIRECTORY_COUNT; j++) {
            snprintf(path, sizeof(path), "%s/%s", directories[j], names[i]);
            if (access(path, F_OK) == 0)
                return strdup(path);
        }
    }
    return NULL;
}

static bool is_unit_directory(const char *path, size_t length) {
    for (size_t i = 0; i < DIRECTORY_COUNT; i++) {
        if (strlen(directories[i]) == length && strncmp(directories[i], path, length) == 0)
            return true;
    }
    return false;
}

// The service that the name is an alias of (systemd.unit(5)): a symbolic link to another unit's
// file; an instance's leads to a template. NULL where it is none.
static char *alias_of(const char *name) {
    char resolved[PATH_MAX], *service = NULL, *file = find_file(name);
    const char *slash = NULL, *at = strchr(name, '@');
    if (file != NULL && realpath(file, resolved) != NULL)
        slash = strrchr(resolved, '/');
    if (slash != NULL && is_unit_directory(resolved, (size_t)(slash - resolved)) &&
        strcmp(strrchr(file, '/'), slash) != 0) {
        size_t length = strcspn(slash + 1, "@");
        if (slash[1 + length] == '\0' || at == NULL)
            service = strdup(slash + 1);
        else if (asprintf(&service, "%.*s%s", (int)length, slash + 1, at) < 0)
            service = NULL;
    }
    free(file);
    return service;
}

// systemd.unit(5); whatever else is in a name has no place in a path or a file of ours.
static bool is_name(const char *name) {
    static const char characters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@";
    static const char *const others[] = {".socket", ".timer", ".target", ".mount",  ".path",
                                         ".slice",  ".scope", ".swap",   ".device", ".automount"};
    const char *dot = strrchr(name, '.');
    bool known =
        *name != '\0' && strspn(name, characters) == strlen(name) && strlen(name) <= NAME_MAX - 20;
    for (size_t i = 0; dot != NULL && i < sizeof(others) / sizeof(others[0]); i++)
        known = known && strcmp(dot, others[i]) != 0;
    return known;
}

char *unit_full_name(const char *name) {
    char *full = NULL;
    const char *dot = strrchr(name, '.');
    if (!is_name(name)) {
        complain("%s: not the name of a service", name);
        return NULL;
    }
    if (dot != NULL && strcmp(dot, ".service") == 0)
        full = strdup(name);
    else if (asprintf(&full, "%s.service", name) < 0)
        return NULL;
    char *service = alias_of(full);
    if (service == NULL)
        return full;
    free(full);
    return service;
}

struct unit *unit_load(const char *name, const char *without) {
    struct unit *unit = calloc(1, sizeof(*unit));
    if (unit == NULL)
        return NULL;
    unit->name = unit_full_name(name);
    unit->path = unit->name != NULL ? find_file(unit->name) : NULL;
    if (unit->name == NULL) {
        // It has been said.
    } else if (unit->path == NULL) {
        complain("%s: no such unit", unit->name);
    } else if (is_masked(unit->path)) {
        complain("%s: the unit is masked", unit->name);
    } else if (!read_file(unit, unit->path)) {
        complain("%s: %s", unit->path, regular_file_error(errno));
    } else {
        read_drop_ins(unit, without);
        return unit;
    }
    unit_free(unit);
    return NULL;
}

void unit_free(struct unit *unit) {
    if (unit == NULL)
        return;
    for (size_t i = 0; i < unit->count; i++) {
        free(unit->assignments[i].key);
        free(unit->assignments[i].value);
        free(unit->assignments[i].file);
    }
    free(unit->assignments);
    free(unit->name);
    free(unit->path);
    free(unit);
}

// --- values --------------------------------------------------------------------------------------

const char *unit_value(const struct unit *unit, const char *key) {
    const char *value = NULL;
    for (size_t i = 0; i < unit->count; i++) {
        if (strcmp(unit->assignments[i].key, key) == 0)
            value = unit->assignments[i].value;
    }
    return value != NULL && *value != '\0' ? value : NULL;
}

bool unit_is_true(const struct unit *unit, const char *key) {
    static const char *const words[] = {"1", "yes", "y", "true", "t", "on"};
    const char *value = unit_value(unit, key);
    for (size_t i = 0; value != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(value, words[i]) == 0)
            return true;
    }
    return false;
}

void unit_each(const struct unit *unit, const char *key,
               void (*visit)(const char *value, void *context), void *context) {
    size_t first = 0;
    for (size_t i = 0; i < unit->count; i++) {
        if (strcmp(unit->assignments[i].key, key) == 0 && *unit->assignments[i].value == '\0')
            first = i + 1;
    }
    for (size_t i = first; i < unit->count; i++) {
        if (strcmp(unit->assignments[i].key, key) == 0)
            visit(unit->assignments[i].value, context);
    }
}
