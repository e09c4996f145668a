#include "systemd_warnings.h"

#include "inspect.h"
#include "library.h"
#include "message.h"
#include "print.h"
#include "regular_file.h"
#include "syntax.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// systemd.exec(5), ExecSearchPath=.
#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// One line on standard output; printf-like.
__attribute__((format(printf, 1, 2))) static void warn(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    message_line(stdout, "warning: ", format, arguments);
    va_end(arguments);
}

// --- what the unit has already -------------------------------------------------------------------

// Later files win: systemd.unit(5) reads them in the order of their names.
static void warn_of_later_files(const struct service *service) {
    const struct unit *unit = service->unit;
    for (size_t i = 0; i < unit->count; i++) {
        const struct assignment *assignment = &unit->assignments[i];
        bool later = strcmp(assignment->file, unit->path) != 0 &&
                     strcmp(strrchr(assignment->file, '/') + 1, SYSTEMD_DROP_IN) > 0;
        if (!later || strcmp(assignment->key, "Environment") != 0)
            continue;
        char *preload = syntax_environment(assignment->value, "LD_PRELOAD");
        if (preload != NULL ? !library_is_in(preload, service->library)
                            : *assignment->value == '\0')
            warn("%s is read after the drop-in and %s", assignment->file,
                 preload != NULL
                     ? "sets LD_PRELOAD, too: add the shim there"
                     : "empties Environment=: rename it to come before " SYSTEMD_DROP_IN);
        free(preload);
    }
}

static void warn_of_file(const struct service *service, const char *path) {
    char *text = regular_file_text(path);
    if (text == NULL && errno != ENOENT)
        warn("EnvironmentFile=%s: %s: whether it sets LD_PRELOAD is not known", path,
             regular_file_error(errno));
    char *preload = text != NULL ? syntax_environment_file(text, "LD_PRELOAD") : NULL;
    if (preload != NULL && !library_is_in(preload, service->library))
        warn("EnvironmentFile=%s sets LD_PRELOAD, which takes the place of what the drop-in "
             "sets: add the shim there",
             path);
    free(preload);
    free(text);
}

// A pattern, which a minus sign in front allows to match nothing (systemd.exec(5)).
static void warn_of_environment_file(const char *value, void *context) {
    glob_t found;
    if (glob(value + (*value == '-'), 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        warn_of_file(context, found.gl_pathv[i]);
    globfree(&found);
}

static void warn_of_unset(const char *value, void *context) {
    (void)context;
    for (char *word; (word = syntax_next_word(&value, SYNTAX_ESCAPES)) != NULL; free(word)) {
        if (strncmp(word, "LD_PRELOAD", 10) == 0 && (word[10] == '\0' || word[10] == '='))
            warn("UnsetEnvironment= takes LD_PRELOAD away again");
    }
}

// --- what may be in the way ----------------------------------------------------------------------

static bool is_under(const char *path, const char *directory) {
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/')
        length--;
    return strncmp(path, directory, length) == 0 &&
           (path[length] == '/' || path[length] == '\0' || length == 1);
}

// What makes parts of what another setting hides visible again.
static const struct {
    const char *key;
    const char *exceptions[2];
} hiding_keys[] = {{"InaccessiblePaths", {NULL}},
                   {"TemporaryFileSystem", {"BindPaths", "BindReadOnlyPaths"}},
                   {"NoExecPaths", {"ExecPaths"}}};

struct hiding {
    const struct service *service;
    size_t key; // of hiding_keys
};

struct exception {
    const char *library;
    size_t longest; // of the directories that the library is under
};

static void find_exception(const char *value, void *context) {
    struct exception *exception = context;
    for (char *word; (word = syntax_next_word(&value, SYNTAX_PLAIN)) != NULL; free(word)) {
        const char *path = word + strspn(word, "-+");
        char directory[PATH_MAX];
        // Bound to where it comes from, or elsewhere.
        const char *colon = strchr(path, ':'), *to = colon != NULL ? colon + 1 : path;
        snprintf(directory, sizeof(directory), "%.*s", (int)strcspn(to, ":"), to);
        if (is_under(exception->library, directory) && strlen(directory) > exception->longest)
            exception->longest = strlen(directory);
    }
}

static bool is_visible_again(const struct hiding *hiding, const char *directory) {
    struct exception exception = {hiding->service->library, 0};
    for (size_t i = 0; i < 2; i++) {
        const char *key = hiding_keys[hiding->key].exceptions[i];
        if (key != NULL)
            unit_each(hiding->service->unit, key, find_exception, &exception);
    }
    return exception.longest > strlen(directory);
}

static void warn_of_hiding(const char *value, void *context) {
    const struct hiding *hiding = context;
    for (char *word; (word = syntax_next_word(&value, SYNTAX_PLAIN)) != NULL; free(word)) {
        const char *path = word + strspn(word, "-+");
        char directory[PATH_MAX];
        snprintf(directory, sizeof(directory), "%.*s", (int)strcspn(path, ":"), path);
        if (is_under(hiding->service->library, directory) && !is_visible_again(hiding, directory))
            warn("%s=%s covers %s: the service can't load it", hiding_keys[hiding->key].key,
                 directory, hiding->service->library);
    }
}

// A library that the loader may not read is ignored, with a line on standard error.
static void warn_of_access(const struct service *service) {
    const char *user = unit_value(service->unit, "User");
    bool dynamic = unit_is_true(service->unit, "DynamicUser");
    char part[PATH_MAX];
    struct stat status;
    if (!dynamic && (user == NULL || strcmp(user, "root") == 0 || strcmp(user, "0") == 0))
        return;
    for (const char *end = service->library; *end != '\0';) {
        end += 1 + strcspn(end + 1, "/");
        snprintf(part, sizeof(part), "%.*s", (int)(end - service->library), service->library);
        mode_t needed = *end != '\0' ? S_IXOTH : S_IROTH;
        if (stat(part, &status) == 0 && (status.st_mode & needed) == 0) {
            warn("%s is not open to all: the service's user %s may be unable to load %s", part,
                 user != NULL ? user : "(DynamicUser=)", service->library);
            return;
        }
    }
}

static void warn_of_sandbox(const struct service *service) {
    const struct unit *unit = service->unit;
    const char *home = unit_value(unit, "ProtectHome"), *library = service->library;
    const char *root = unit_value(unit, "RootDirectory");
    if (root == NULL)
        root = unit_value(unit, "RootImage");
    if (root != NULL)
        warn("the service sees %s as its root directory: %s must exist in there", root, library);
    if (home != NULL && strcasecmp(home, "no") != 0 && strcmp(home, "read-only") != 0 &&
        (is_under(library, "/home") || is_under(library, "/root") ||
         is_under(library, "/run/user")))
        warn("ProtectHome=%s hides %s from the service", home, library);
    if (unit_is_true(unit, "PrivateTmp") &&
        (is_under(library, "/tmp") || is_under(library, "/var/tmp")))
        warn("PrivateTmp= hides %s from the service", library);
    for (size_t i = 0; i < sizeof(hiding_keys) / sizeof(hiding_keys[0]); i++) {
        struct hiding hiding = {service, i};
        unit_each(unit, hiding_keys[i].key, warn_of_hiding, &hiding);
    }
}

static void warn_of_privileges(const struct service *service) {
    static const char *const transitions[] = {"SELinuxContext", "AppArmorProfile",
                                              "SmackProcessLabel"};
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
        if (unit_value(service->unit, transitions[i]) != NULL)
            warn("%s= must allow the service to read %s; a change of the security context may make "
                 "the loader ignore LD_PRELOAD",
                 transitions[i], service->library);
    }
}

static void warn_of_log_file(const struct service *service) {
    const char *protection = unit_value(service->unit, "ProtectSystem");
    for (int i = 0; i < SETTINGS_VARIABLES; i++) {
        const struct setting *setting = &service->settings->variables[i];
        if (strcmp(setting->variable, "GRPCFORKSHIM_LOG_FILE") != 0 || setting->value == NULL)
            continue;
        if (protection != NULL && strcmp(protection, "strict") == 0)
            warn("ProtectSystem=strict: %s must be in ReadWritePaths= or the like", setting->value);
        if (unit_value(service->unit, "User") != NULL || unit_is_true(service->unit, "DynamicUser"))
            warn("the service's user must be able to write to %s", setting->value);
    }
}

static bool only_privileges(const json_t *findings) {
    const json_t *obstacles = json_object_get(json_object_get(findings, "preload"), "obstacles");
    const json_t *obstacle;
    size_t index;
    json_array_foreach(obstacles, index, obstacle) {
        const char *code = json_string_value(json_object_get(obstacle, "code"));
        if (strcmp(code, "setuid") != 0 && strcmp(code, "setgid") != 0 &&
            strcmp(code, "capabilities") != 0)
            return false;
    }
    return json_array_size(obstacles) > 0;
}

static void check_program(const struct service *service, const char *program) {
    // Not this process's PATH, and never a file in its working directory (systemd-path(1)).
    char *path =
        strchr(program, '/') != NULL ? strdup(program) : inspect_find_in(SEARCH_PATH, program);
    if (strchr(program, '%') != NULL || path == NULL) {
        warn("can't tell which program %s is", program);
        free(path);
        return;
    }
    json_t *findings = inspect_file(path);
    enum coverage coverage = inspect_coverage(findings);
    print_verdict(stdout, coverage == COVERED ? "" : "warning: ", findings);
    if (only_privileges(findings) && unit_is_true(service->unit, "NoNewPrivileges"))
        warn("with NoNewPrivileges= it does not get them: the shim is loaded, and the program runs "
             "without");
    json_decref(findings);
    free(path);
}

static bool is_separator(const char *at) {
    return *at == ';' && (at[1] == '\0' || strchr(" \t", at[1]) != NULL);
}

// Behind a backslash a semicolon is an argument, though that is no escape of C's.
static bool skip_escaped_semicolon(const char **at) {
    bool there = **at == '\\' && is_separator(*at + 1);
    *at += there ? 2 : 0;
    return there;
}

// Moves on behind the next separator, or to the end.
static void skip_arguments(const char **value) {
    for (;;) {
        *value += strspn(*value, " \t");
        if (is_separator(*value)) {
            ++*value;
            return;
        }
        if (skip_escaped_semicolon(value))
            continue;
        char *word = syntax_next_word(value, SYNTAX_ESCAPES);
        if (word == NULL)
            return;
        free(word);
    }
}

// The programs of a command line: systemd.service(5) has prefixes in front of each, inside of
// quotes, too, and a semicolon between them.
static void check_commands(const char *value, void *context) {
    const char *whole = value;
    for (char *word; (word = syntax_next_word(&value, SYNTAX_ESCAPES)) != NULL; free(word)) {
        const char *program = word + strspn(word, "-@:+!|");
        if (*program != '\0')
            check_program(context, program);
        else
            warn("ExecStart=%s names no program: systemd ignores it", whole);
        skip_arguments(&value);
    }
}

void systemd_warn(const struct service *service) {
    struct service *context = (struct service *)service;
    if (unit_value(service->unit, "ExecStart") == NULL)
        warn("%s has no ExecStart=", service->unit->name);
    unit_each(service->unit, "ExecStart", check_commands, context);
    warn_of_later_files(service);
    unit_each(service->unit, "EnvironmentFile", warn_of_environment_file, context);
    unit_each(service->unit, "UnsetEnvironment", warn_of_unset, NULL);
    warn_of_privileges(service);
    warn_of_access(service);
    warn_of_sandbox(service);
    warn_of_log_file(service);
}
