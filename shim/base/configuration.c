#include "base/configuration.h"

#include "base/compiler.h"
#include "base/log.h"
#include "base/signal_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PREFIX "GRPCFORKSHIM_"
#define UNKNOWN_MAXIMUM 16

static struct configuration current;

// Constructors of other libraries may run before ours, so the pieces are gathered first and the
// log is set up before anything is said.
struct reading {
    enum log_level level;
    const char *level_complaint;
    const char *file;
    int file_error;
    const char *disable_complaint;
    const char *report_complaint;
    const char *signal_complaint;
    const char *unknown[UNKNOWN_MAXIMUM];
    size_t unknown_count;
};

const struct configuration *configuration(void) {
    return &current;
}

static void read_level(struct reading *reading, const char *value) {
    static const char *const names[] = {"off", "error", "info", "debug"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            reading->level = (enum log_level)i;
            return;
        }
    }
    reading->level_complaint = value;
}

static void read_file(struct reading *reading, const char *value) {
    int descriptor = log_open(value);
    reading->file = value;
    if (descriptor < 0)
        reading->file_error = errno;
    else
        syscall(SYS_close, descriptor);
}

static void read_disable(struct reading *reading, const char *value) {
    if (strcmp(value, "1") == 0)
        current.disabled = true;
    else if (strcmp(value, "0") != 0)
        reading->disable_complaint = value;
}

static void read_report(struct reading *reading, const char *value) {
    static const char *const names[] = {"0", "1", "all"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            current.report_at_end = (enum report_at_end)i;
            return;
        }
    }
    reading->report_complaint = value;
}

static void read_signal(struct reading *reading, const char *value) {
    int number = signal_by_name(value);
    if (number >= 0)
        current.report_signal = number;
    else
        reading->signal_complaint = value;
}

// An empty value counts as none.
static void read_variable(struct reading *reading, const char *variable) {
    static const struct {
        const char *name;
        void (*read)(struct reading *reading, const char *value);
    } variables[] = {
        {PREFIX "LOG_LEVEL=", read_level},      {PREFIX "LOG_FILE=", read_file},
        {PREFIX "DISABLE=", read_disable},      {PREFIX "REPORT=", read_report},
        {PREFIX "REPORT_SIGNAL=", read_signal},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++) {
        size_t length = strlen(variables[i].name);
        if (strncmp(variable, variables[i].name, length) == 0) {
            if (variable[length] != '\0')
                variables[i].read(reading, variable + length);
            return;
        }
    }
    if (reading->unknown_count < UNKNOWN_MAXIMUM)
        reading->unknown[reading->unknown_count++] = variable;
}

static void complain(const struct reading *reading) {
    if (reading->level_complaint != NULL)
        log_write(LOG_ERROR, PREFIX "LOG_LEVEL: unknown value \"%s\", using \"error\"",
                  reading->level_complaint);
    if (reading->file_error != 0)
        log_write(LOG_ERROR, PREFIX "LOG_FILE: can't open \"%s\": %s, logging to stderr",
                  reading->file, strerror(reading->file_error));
    if (reading->disable_complaint != NULL)
        log_write(LOG_ERROR, PREFIX "DISABLE: unknown value \"%s\", using \"0\"",
                  reading->disable_complaint);
    if (reading->report_complaint != NULL)
        log_write(LOG_ERROR, PREFIX "REPORT: unknown value \"%s\", using \"0\"",
                  reading->report_complaint);
    if (reading->signal_complaint != NULL)
        log_write(LOG_ERROR, PREFIX "REPORT_SIGNAL: no such signal \"%s\", using none",
                  reading->signal_complaint);
    for (size_t i = 0; i < reading->unknown_count; i++)
        log_write(LOG_ERROR, "%.*s: unknown variable, ignoring it",
                  (int)strcspn(reading->unknown[i], "="), reading->unknown[i]);
}

void configuration_read(void) {
    struct reading reading = {.level = LOG_ERROR};
    int saved_errno = errno;
    if (getauxval(AT_SECURE) == 0 && environ != NULL) {
        for (char **variable = environ; *variable != NULL; variable++) {
            if (strncmp(*variable, PREFIX, strlen(PREFIX)) == 0)
                read_variable(&reading, *variable);
        }
    }
    log_configure(reading.level, reading.file_error == 0 ? reading.file : NULL);
    complain(&reading);
    errno = saved_errno;
}
