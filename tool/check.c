#include "commands.h"
#include "inspect.h"
#include "message.h"
#include "print.h"
#include "process.h"
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: grpcforkshim check [--json] PROGRAM|SCRIPT|LIBRARY|PID\n"
    "\n"
    "Tells whether the shim can be preloaded, where gRPC is and what of the contract will hold;\n"
    "for a process, what the shim has done in it. Runs nothing of the program.\n"
    "\n"
    "  --json  the same for machines\n"
    "\n"
    "Exit status: 0 covered, 1 partly covered, 2 not covered, 3 could not tell.\n";

// Of what --json prints (docs/machine-readable.md): raised where a reader of the one before it
// would be told something else than it takes it to be, not where keys are added.
enum { FORM = 1 };

// A number is a process, unless there is a file of that name.
static pid_t process_of(const char *target) {
    char *end;
    long number = strtol(target, &end, 10);
    bool is_number = *target != '\0' && *end == '\0' && number > 0 && number < 1 << 30;
    return is_number && access(target, F_OK) != 0 ? (pid_t)number : 0;
}

// The form comes first, where people look for it.
static bool print_for_machines(FILE *stream, json_t *findings) {
    json_t *object = json_object();
    json_object_set_new(object, "form", json_integer(FORM));
    json_object_update(object, findings);
    int failed = json_dumpf(object, stream, JSON_INDENT(2));
    json_decref(object);
    return failed == 0 && fputc('\n', stream) != EOF;
}

// False where it could not be written: then there is no answer, whatever it would have been.
static bool print(FILE *stream, json_t *findings, bool json) {
    if (!json)
        print_findings(stream, findings);
    if ((!json || print_for_machines(stream, findings)) && fflush(stream) == 0 && !ferror(stream))
        return true;
    complain("check: can't write: %s", strerror(errno));
    return false;
}

int command_check(int count, char **arguments) {
    static const struct option options[] = {{"json", no_argument, NULL, OPTION_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    bool json = false;
    opterr = 0;
    for (int option; (option = getopt_long(count, arguments, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0;
        if (option != OPTION_JSON) {
            complain_of_option(arguments);
            return STATUS_USAGE;
        }
        json = true;
    }
    if (optind + 1 != count) {
        complain("check: one program or process, please");
        fputs(help, stderr);
        return STATUS_USAGE;
    }
    pid_t pid = process_of(arguments[optind]);
    json_t *findings = pid != 0 ? process_inspect(pid) : inspect_file(arguments[optind]);
    int status = print(stdout, findings, json) ? (int)inspect_coverage(findings) : UNKNOWN;
    json_decref(findings);
    return status;
}
