#include "commands.h"
#include "library.h"
#include "message.h"
#include "regular_file.h"
#include "settings.h"
#include "syntax.h"
#include "systemd_warnings.h"
#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "/etc/systemd/system"
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

// The last value counts.
static void take_preload(const char *value, void *context) {
    char *preload = syntax_environment(value, "LD_PRELOAD");
    if (preload == NULL)
        return;
    free(*(char **)context);
    *(char **)context = preload;
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
    syntax_write_assignment(stream, "LD_PRELOAD", made ? preload : "");
    for (int i = 0; i < SETTINGS_VARIABLES; i++) {
        const struct setting *setting = &request->settings.variables[i];
        char *value = setting->value != NULL ? escape_specifiers(setting->value) : NULL;
        if (value != NULL)
            syntax_write_assignment(stream, setting->variable, value);
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
    say("now: systemctl daemon-reload && systemctl restart %.*s%s%s",
        template ? (int)(at - request->name) + 1 : (int)strlen(request->name), request->name,
        template ? "INSTANCE.service" : "", template ? ", for each instance" : "");
}

// Says so where the file is there and was not written by this command.
static bool is_others(const char *path) {
    char beginning[sizeof(MARK)] = "";
    struct stat status;
    if (lstat(path, &status) != 0)
        return false;
    int descriptor = regular_file_open(path);
    bool own = descriptor >= 0 && read(descriptor, beginning, sizeof(MARK) - 1) > 0 &&
               strcmp(beginning, MARK) == 0;
    if (descriptor >= 0)
        close(descriptor);
    if (!own)
        complain("%s: not written by this command, left alone", path);
    return !own;
}

// systemd would ignore the drop-in's line, without a word but in its own log.
static bool values_are_valid(const struct request *request) {
    const char *invalid = syntax_is_value(request->library) ? NULL : request->library;
    for (int i = 0; i < SETTINGS_VARIABLES; i++) {
        const char *value = request->settings.variables[i].value;
        if (value != NULL && !syntax_is_value(value))
            invalid = value;
    }
    if (invalid != NULL)
        complain("%s: systemd takes no value that is not UTF-8", invalid);
    return invalid == NULL;
}

static void print_contents(const char *contents) {
    while (*contents != '\0') {
        size_t length = strcspn(contents, "\n");
        say("%.*s", (int)length, contents);
        contents += length + (contents[length] != '\0');
    }
}

static int write_drop_in(const struct request *request) {
    const struct service service = {request->unit, request->library, &request->settings};
    char *contents = make_contents(request);
    int status = 0;
    systemd_warn(&service);
    if (contents == NULL) {
        complain("%s", strerror(ENOMEM));
        status = STATUS_FAILED;
    } else if (is_others(request->path)) {
        status = STATUS_FAILED;
    } else if (request->dry_run) {
        say("would write %s:", request->path);
        print_contents(contents);
    } else if (!write_file(request->path, contents)) {
        complain("%s: %s", request->path, strerror(errno));
        status = STATUS_FAILED;
    } else {
        say("wrote %s", request->path);
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
        say("would remove %s", request->path);
        return 0;
    }
    if (unlink(request->path) != 0) {
        complain("%s: %s", request->path, strerror(errno));
        return STATUS_FAILED;
    }
    snprintf(directory, sizeof(directory), "%s", request->path);
    *strrchr(directory, '/') = '\0';
    rmdir(directory); // unless there are others in it
    say("removed %s", request->path);
    say_what_to_reload(request);
    return 0;
}

static int add_drop_in(struct request *request) {
    int status = STATUS_FAILED;
    request->unit = unit_load(request->name, SYSTEMD_DROP_IN);
    request->library = request->unit != NULL ? library_path(request->settings.library) : NULL;
    if (request->library != NULL && values_are_valid(request))
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
    snprintf(request->path, sizeof(request->path), DIRECTORY "/%s.d/" SYSTEMD_DROP_IN,
             request->name);
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
    opterr = 0;
    for (int option; (option = getopt_long(count, arguments, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0;
        if (option == OPTION_REMOVE)
            request.remove = true;
        else if (option == OPTION_DRY_RUN)
            request.dry_run = true;
        else if (!settings_take(&request.settings, option, optarg, arguments))
            return STATUS_USAGE;
    }
    if (optind + 1 != count) {
        complain("systemd: one unit, please");
        fputs(help, stderr);
        return STATUS_USAGE;
    }
    return perform(&request, arguments[optind]);
}
