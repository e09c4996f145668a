#include "commands.h"
#include "inspect.h"
#include "message.h"
#include "print.h"
#include "process.h"
#include "settings.h"

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

// A number is a process, unless there is a file of that name.
static pid_t process_of(const char *target) {
    char *end;
    long number = strtol(target, &end, 10);
    bool is_number = *target != '\0' && *end == '\0' && number > 0 && number < 1 << 30;
    return is_number && access(target, F_OK) != 0 ? (pid_t)number : 0;
}

int command_check(int count, char **arguments) {
    static const struct option options[] = {{"json", no_argument, NULL, OPTION_JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    bool json = false;
    for (int option; (option = getopt_long(count, arguments, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0;
        if (option != OPTION_JSON)
            return STATUS_USAGE;
        json = true;
    }
    if (optind + 1 != count) {
        complain("check: one program or process, please");
        fputs(help, stderr);
        return STATUS_USAGE;
    }
    pid_t pid = process_of(arguments[optind]);
    json_t *findings = pid != 0 ? process_inspect(pid) : inspect_file(arguments[optind]);
    if (json) {
        json_dumpf(findings, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_findings(stdout, findings);
    }
    int status = (int)inspect_coverage(findings);
    json_decref(findings);
    return status;
}
