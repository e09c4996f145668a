#include "settings.h"

#include "base/signal_name.h"
#include "message.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LEVEL, LOG_FILE, REPORT, REPORT_SIGNAL };

void settings_begin(struct settings *settings) {
    *settings = (struct settings){.variables = {
                                      [LOG_LEVEL] = {"GRPCFORKSHIM_LOG_LEVEL", NULL},
                                      [LOG_FILE] = {"GRPCFORKSHIM_LOG_FILE", NULL},
                                      [REPORT] = {"GRPCFORKSHIM_REPORT", NULL},
                                      [REPORT_SIGNAL] = {"GRPCFORKSHIM_REPORT_SIGNAL", NULL},
                                  }};
}

static bool is_one_of(const char *value, const char *const *values) {
    for (; *values != NULL; values++) {
        if (strcmp(value, *values) == 0)
            return true;
    }
    return false;
}

static bool set(struct settings *settings, int which, const char *value) {
    free(settings->variables[which].value);
    settings->variables[which].value = strdup(value);
    return true;
}

static bool set_known(struct settings *settings, int which, const char *option, const char *value,
                      const char *const *values) {
    if (is_one_of(value, values))
        return set(settings, which, value);
    complain("--%s: unknown value \"%s\"", option, value);
    return false;
}

// Absolute: the program may run elsewhere, and systemd has no directory of ours.
static bool set_file(struct settings *settings, const char *value) {
    char directory[PATH_MAX], path[2 * PATH_MAX];
    if (*value == '\0') {
        complain("--log-file: not the name of a file");
        return false;
    }
    if (value[0] == '/')
        return set(settings, LOG_FILE, value);
    if (getcwd(directory, sizeof(directory)) == NULL)
        return false;
    snprintf(path, sizeof(path), "%s/%s", directory, value);
    return set(settings, LOG_FILE, path);
}

bool settings_take(struct settings *settings, int option, const char *value,
                   char *const *arguments) {
    static const char *const levels[] = {"off", "error", "info", "debug", NULL};
    static const char *const reports[] = {"0", "1", "all", NULL};
    switch (option) {
    case OPTION_LIBRARY:
        settings->library = value;
        return true;
    case OPTION_LOG_LEVEL:
        return set_known(settings, LOG_LEVEL, "log-level", value, levels);
    case OPTION_LOG_FILE:
        return set_file(settings, value);
    case OPTION_REPORT:
        return set_known(settings, REPORT, "report", value != NULL ? value : "1", reports);
    case OPTION_REPORT_SIGNAL:
        if (signal_by_name(value) > 0)
            return set(settings, REPORT_SIGNAL, value);
        complain("--report-signal: no such signal \"%s\"", value);
        return false;
    default:
        complain_of_option(arguments);
        return false;
    }
}
