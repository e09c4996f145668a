// The options that `run` and `systemd` share: they become variables of the environment.
#ifndef GRPCFORKSHIM_TOOL_SETTINGS_H
#define GRPCFORKSHIM_TOOL_SETTINGS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

struct settings {
    const char *library; // --library, or NULL
    struct setting {
        const char *variable;
        char *value; // NULL where it is not to be set
    } variables[4];
};

#define SETTINGS_VARIABLES 4

// Values above those of characters, for struct option.
enum {
    OPTION_LIBRARY = 1000,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FILE,
    OPTION_REPORT,
    OPTION_REPORT_SIGNAL,
    OPTION_JSON,
    OPTION_REMOVE,
    OPTION_DRY_RUN,
};

#define SETTINGS_OPTIONS                                                                           \
    {"library", required_argument, NULL, OPTION_LIBRARY},                                          \
        {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},                                  \
        {"log-file", required_argument, NULL, OPTION_LOG_FILE},                                    \
        {"report", optional_argument, NULL, OPTION_REPORT}, {                                      \
        "report-signal", required_argument, NULL, OPTION_REPORT_SIGNAL                             \
    }

#define SETTINGS_HELP                                                                              \
    "  --log-level LEVEL     off, error (default), info or debug\n"                                \
    "  --log-file FILE       append the log to FILE instead of standard error\n"                   \
    "  --report[=all]        each process with gRPC (or every one) logs its counters as it ends\n" \
    "  --report-signal SIG   a process logs its counters when it gets SIG: RTMIN+5, USR2, ...\n"   \
    "  --library FILE        the shim to preload, instead of the one installed with this "         \
    "command\n"

// Nothing set.
void settings_begin(struct settings *settings);

// Takes an option of SETTINGS_OPTIONS, which getopt_long(3) has just read from `arguments`; false,
// after a message, where its value makes no sense or the option is none of these.
bool settings_take(struct settings *settings, int option, const char *value,
                   char *const *arguments);

#endif
