#include "commands.h"
#include "library.h"
#include "message.h"
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: grpcforkshim run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
    "\n"
    "Becomes PROGRAM with the shim preloaded, in front of what LD_PRELOAD already has.\n"
    "\n" SETTINGS_HELP;

static int become(char **program, const char *library, const struct settings *settings) {
    char *preload = library_preload(library, getenv("LD_PRELOAD"));
    if (preload == NULL || setenv("LD_PRELOAD", preload, 1) != 0) {
        complain("%s", strerror(errno));
        return 125;
    }
    free(preload);
    for (int i = 0; i < SETTINGS_VARIABLES; i++) {
        if (settings->variables[i].value != NULL)
            setenv(settings->variables[i].variable, settings->variables[i].value, 1);
    }
    execvp(program[0], program);
    int status = errno == ENOENT ? 127 : 126;
    complain("%s: %s", program[0], strerror(errno));
    return status;
}

int command_run(int count, char **arguments) {
    static const struct option options[] = {
        SETTINGS_OPTIONS, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    struct settings settings;
    settings_begin(&settings);
    // '+': the options end at the program's name.
    for (int option; (option = getopt_long(count, arguments, "+h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0;
        if (!settings_take(&settings, option, optarg))
            return STATUS_USAGE;
    }
    if (optind == count) {
        complain("run: no program given");
        fputs(help, stderr);
        return STATUS_USAGE;
    }
    char *library = library_path(settings.library);
    int status = library != NULL ? become(arguments + optind, library, &settings) : 125;
    free(library);
    return status;
}
