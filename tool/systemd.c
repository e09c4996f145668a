#include "commands.h"
#include "inspect.h"
#include "library.h"
#include "message.h"
#include "print.h"
#include "settings.h"
#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "/etc/systemd/system"
// systemd.exec(5), ExecSearchPath=.
#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DROP_IN "50-grpcforkshim.conf"
// What the drop-in begins with: a file that does not is somebody else's.
#define MARK "# Written by 'grpcforkshim systemd'"

static const char help[] =
    "usage: grpcforkshim systemd [OPTION...] UNIT\n"
    "       grpcforkshim systemd --remove [--dry-run] UNIT\n"
    "\n"
    "Writes a drop-in that preloads the shim into a service, from its next start on, and says "
    "what\n"
    "it may be in the way of. The unit itself is not touched.\n"
    "\n"
    "  --remove              remove the drop-in instead\n"
    "  --dry-run             print what would be done, and do nothing\n" SETTINGS_HELP;

struct request {
    char *name;
    struct unit *unit;
    struct settings settings;
    char *library;
    char path[PATH_MAX]; // of the drop-in
    bool remove;
    bool dry_run;
};

__attribute__((format(printf, 1, 2))) static void warn(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("warning: ", stdout);
    vfprintf(stdout, format, arguments);
    putchar('\n');
    va_end(arguments);
}

// --- what the unit has already -------------------------------------------------------------------

// The value of LD_PRELOAD that a value of Environment= sets, into *context.
static void take_preload(const char *value, void *context) {
    char **preload = context;
    for (char *word; (word = unit_next_word(&value)) != NULL; free(word)) {
        if (strncmp(word, "LD_PRELOAD=", 11) == 0) {
            free(*preload);
            *preload = strdup(word + 11);
        }
    }
}

// Later files win: systemd.unit(5) reads them in the order of their names.
static void warn_of_later_files(const struct unit *unit) {
    for (size_t i = 0; i < unit->count; i++) {
        const struct assignment *assignment = &unit->assignments[i];
        bool later = strcmp(assignment->file, unit->path) != 0 &&
                     strcmp(strrchr(assignment->file, '/') + 1, DROP_IN) > 0;
        char *preload = NULL;
        if (!later || strcmp(assignment->key, "Environment") != 0)
            continue;
        take_preload(assignment->value, &preload);
        if (preload != NULL || *assignment->value == '\0')
            warn("%s is read after the drop-in and %s", assignment->file,
                 preload != NULL ? "sets LD_PRELOAD, too: add the shim there"
                                 : "empties Environment=: rename it to come before " DROP_IN);
        free(preload);
    }
}

static void warn_of_environment_file(const char *value, void *context) {
    const char *path = value + (*value == '-');
    char line[1000];
    FILE *file = fopen(path, "re");
    (void)context;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line + strspn(line, " \t"), "LD_PRELOAD=", 11) == 0)
            warn("EnvironmentFile=%s sets LD_PRELOAD, which takes the place of what the drop-in "
                 "sets: add the shim there",
                 path);
    }
    if (file != NULL)
        fclose(file);
}

static void warn_of_unset(const char *value, void *context) {
    (void)context;
    for (char *word; (word = unit_next_word(&value)) != NULL; free(word)) {
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
    const struct request *request;
    size_t key; // of hiding_keys
};

struct exception {
    const char *library;
    size_t longest; // of the directories that the library is under
};

static void find_exception(const char *value, void *context) {
    struct exception *exception = context;
    for (char *word; (word = unit_next_word(&value)) != NULL; free(word)) {
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
    struct exception exception = {hiding->request->library, 0};
    for (size_t i = 0; i < 2; i++) {
        const char *key = hiding_keys[hiding->key].exceptions[i];
        if (key != NULL)
            unit_each(hiding->request->unit, key, find_exception, &exception);
    }
    return exception.longest > strlen(directory);
}

static void warn_of_hiding(const char *value, void *context) {
    const struct hiding *hiding = context;
    for (char *word; (word = unit_next_word(&value)) != NULL; free(word)) {
        const char *path = word + strspn(word, "-+");
        char directory[PATH_MAX];
        snprintf(directory, sizeof(directory), "%.*s", (int)strcspn(path, ":"), path);
        if (is_under(hiding->request->library, directory) && !is_visible_again(hiding, directory))
            warn("%s=%s covers %s: the service can't load it", hiding_keys[hiding->key].key,
                 directory, hiding->request->library);
    }
}

// A library that the loader may not read is ignored, with a line on standard error.
static void warn_of_access(const struct request *request) {
    const char *user = unit_value(request->unit, "User");
    bool dynamic = unit_is_true(request->unit, "DynamicUser");
    char part[PATH_MAX];
    struct stat status;
    if (!dynamic && (user == NULL || strcmp(user, "root") == 0 || strcmp(user, "0") == 0))
        return;
    for (const char *end = request->library; *end != '\0';) {
        end += 1 + strcspn(end + 1, "/");
        snprintf(part, sizeof(part), "%.*s", (int)(end - request->library), request->library);
        mode_t needed = *end != '\0' ? S_IXOTH : S_IROTH;
        if (stat(part, &status) == 0 && (status.st_mode & needed) == 0) {
            warn("%s is not open to all: the service's user %s may be unable to load %s", part,
                 user != NULL ? user : "(DynamicUser=)", request->library);
            return;
        }
    }
}

static void warn_of_sandbox(const struct request *request) {
    const struct unit *unit = request->unit;
    const char *home = unit_value(unit, "ProtectHome"), *library = request->library;
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
        struct hiding hiding = {request, i};
        unit_each(unit, hiding_keys[i].key, warn_of_hiding, &hiding);
    }
}

static void warn_of_privileges(const struct request *request) {
    static const char *const transitions[] = {"SELinuxContext", "AppArmorProfile",
                                              "SmackProcessLabel"};
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
        if (unit_value(request->unit, transitions[i]) != NULL)
            warn("%s= must allow the service to read %s; a change of the security context may make "
                 "the loader ignore LD_PRELOAD",
                 transitions[i], request->library);
    }
}

static void warn_of_log_file(const struct request *request) {
    const char *protection = unit_value(request->unit, "ProtectSystem");
    for (int i = 0; i < SETTINGS_VARIABLES; i++) {
        const struct setting *setting = &request->settings.variables[i];
        if (strcmp(setting->variable, "GRPCFORKSHIM_LOG_FILE") != 0 || setting->value == NULL)
            continue;
        if (protection != NULL && strcmp(protection, "strict") == 0)
            warn("ProtectSystem=strict: %s must be in ReadWritePaths= or the like", setting->value);
        if (unit_value(request->unit, "User") != NULL || unit_is_true(request->unit, "DynamicUser"))
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

static void check_program(const struct request *request, const char *program) {
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
    if (only_privileges(findings) && unit_is_true(request->unit, "NoNewPrivileges"))
        warn("with NoNewPrivileges= it does not get them: the shim is loaded, and the program runs "
             "without");
    json_decref(findings);
    free(path);
}

// The programs of a command line: systemd.service(5) has prefixes in front of each, and a semicolon
// between them.
static void check_commands(const char *value, void *context) {
    bool first = true;
    for (;;) {
        value += strspn(value, " \t");
        bool separator = *value == ';' && (value[1] == '\0' || strchr(" \t", value[1]) != NULL);
        if (first)
            value += strspn(value, "-@:+!|");
        char *word = unit_next_word(&value);
        if (word == NULL)
            return;
        if (first && !separator)
            check_program(context, word);
        free(word);
        first = separator;
    }
}

static void check(const struct request *request) {
    struct request *context = (struct request *)request;
    if (unit_value(request->unit, "ExecStart") == NULL)
        warn("%s has no ExecStart=", request->unit->name);
    unit_each(request->unit, "ExecStart", check_commands, context);
    warn_of_later_files(request->unit);
    unit_each(request->unit, "EnvironmentFile", warn_of_environment_file, NULL);
    unit_each(request->unit, "UnsetEnvironment", warn_of_unset, NULL);
    warn_of_privileges(request);
    warn_of_access(request);
    warn_of_sandbox(request);
    warn_of_log_file(request);
}

// --- the drop-in ---------------------------------------------------------------------------------

// Where a percent sign is no specifier (systemd.unit(5)). The caller frees it.
static char *escape_specifiers(const char *text) {
    char *escaped = malloc(2 * strlen(text) + 1), *end = escaped;
    if (escaped == NULL)
        return NULL;
    for (; *text != '\0'; text++) {
        if (*text == '%')
            *end++ = '%';
        *end++ = *text;
    }
    *end = '\0';
    return escaped;
}

// In double quotes: systemd.exec(5), Environment=. Specifiers in the value count.
static void write_assignment(FILE *stream, const char *variable, const char *value) {
    fprintf(stream, "Environment=\"%s=", variable);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            fputc('\\', stream);
        fputc(*value, stream);
    }
    fputs("\"\n", stream);
}

// The caller frees it; NULL where memory is lacking.
static char *make_contents(const struct request *request) {
    char *contents = NULL, *present = NULL;
    size_t size;
    FILE *stream = open_memstream(&contents, &size);
    if (stream == NULL)
        return NULL;
    unit_each(request->unit, "Environment", take_preload, &present);
    char *library = escape_specifiers(request->library);
    char *preload = library != NULL ? library_preload(library, present) : NULL;
    bool made = preload != NULL;
    fprintf(stream, MARK "; 'grpcforkshim systemd --remove %s' removes it.\n[Service]\n",
            request->name);
    write_assignment(stream, "LD_PRELOAD", made ? preload : "");
    for (int i = 0; i < SETTINGS_VARIABLES; i++) {
        const struct setting *setting = &request->settings.variables[i];
        char *value = setting->value != NULL ? escape_specifiers(setting->value) : NULL;
        if (value != NULL)
            write_assignment(stream, setting->variable, value);
        free(value);
    }
    made = fclose(stream) == 0 && made;
    free(library);
    free(preload);
    free(present);
    if (!made) {
        free(contents);
        return NULL;
    }
    return contents;
}

static bool make_directories(const char *path) {
    char part[PATH_MAX];
    for (const char *slash = path; (slash = strchr(slash + 1, '/')) != NULL;) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return false;
    }
    return true;
}

// Under another name first: systemd may read it at any time.
static bool write_file(const char *path, const char *contents) {
    char temporary[PATH_MAX + 20];
    snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    int descriptor = make_directories(path) ? mkstemp(temporary) : -1;
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (file == NULL)
        return false;
    bool written = fchmod(descriptor, 0644) == 0 && fputs(contents, file) >= 0 &&
                   fflush(file) == 0 && fsync(descriptor) == 0;
    written = fclose(file) == 0 && written && rename(temporary, path) == 0;
    if (!written) {
        int error = errno;
        unlink(temporary);
        errno = error;
    }
    return written;
}

static void say_what_to_reload(const struct request *request) {
    const char *at = strchr(request->name, '@');
    bool template = at != NULL && strcmp(at, "@.service") == 0;
    printf("now: systemctl daemon-reload && systemctl restart %.*s%s%s\n",
           template ? (int)(at - request->name) + 1 : (int)strlen(request->name), request->name,
           template ? "INSTANCE.service" : "", template ? ", for each instance" : "");
}

// Says so where the file is there and was not written by this command.
static bool is_others(const char *path) {
    char beginning[sizeof(MARK)] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool own = fgets(beginning, sizeof(beginning), file) != NULL && strcmp(beginning, MARK) == 0;
    fclose(file);
    if (!own)
        complain("%s: not written by this command, left alone", path);
    return !own;
}

static int write_drop_in(const struct request *request) {
    char *contents = make_contents(request);
    int status = 0;
    check(request);
    if (contents == NULL) {
        complain("%s", strerror(ENOMEM));
        status = STATUS_FAILED;
    } else if (is_others(request->path)) {
        status = STATUS_FAILED;
    } else if (request->dry_run) {
        printf("would write %s:\n%s", request->path, contents);
    } else if (!write_file(request->path, contents)) {
        complain("%s: %s", request->path, strerror(errno));
        status = STATUS_FAILED;
    } else {
        printf("wrote %s\n", request->path);
        say_what_to_reload(request);
    }
    free(contents);
    return status;
}

static int remove_drop_in(const struct request *request) {
    char directory[PATH_MAX];
    if (access(request->path, F_OK) != 0) {
        complain("%s: %s", request->path, strerror(errno));
        return STATUS_FAILED;
    }
    if (is_others(request->path))
        return STATUS_FAILED;
    if (request->dry_run) {
        printf("would remove %s\n", request->path);
        return 0;
    }
    if (unlink(request->path) != 0) {
        complain("%s: %s", request->path, strerror(errno));
        return STATUS_FAILED;
    }
    snprintf(directory, sizeof(directory), "%s", request->path);
    *strrchr(directory, '/') = '\0';
    rmdir(directory); // unless there are others in it
    printf("removed %s\n", request->path);
    say_what_to_reload(request);
    return 0;
}

static int add_drop_in(struct request *request) {
    int status = STATUS_FAILED;
    request->unit = unit_load(request->name, DROP_IN);
    request->library = request->unit != NULL ? library_path(request->settings.library) : NULL;
    if (request->library != NULL)
        status = write_drop_in(request);
    free(request->library);
    unit_free(request->unit);
    return status;
}

static int perform(struct request *request, const char *name) {
    int status = STATUS_FAILED;
    request->name = unit_full_name(name);
    if (request->name == NULL)
        return status;
    snprintf(request->path, sizeof(request->path), DIRECTORY "/%s.d/" DROP_IN, request->name);
    // The unit itself may have gone already.
    status = request->remove ? remove_drop_in(request) : add_drop_in(request);
    free(request->name);
    return status;
}

int command_systemd(int count, char **arguments) {
    static const struct option options[] = {SETTINGS_OPTIONS,
                                            {"remove", no_argument, NULL, OPTION_REMOVE},
                                            {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct request request = {.remove = false};
    settings_begin(&request.settings);
    for (int option; (option = getopt_long(count, arguments, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0;
        if (option == OPTION_REMOVE)
            request.remove = true;
        else if (option == OPTION_DRY_RUN)
            request.dry_run = true;
        else if (!settings_take(&request.settings, option, optarg))
            return STATUS_USAGE;
    }
    if (optind + 1 != count) {
        complain("systemd: one unit, please");
        fputs(help, stderr);
        return STATUS_USAGE;
    }
    return perform(&request, arguments[optind]);
}
