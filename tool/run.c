#include "c_library.h"
#include "commands.h"
#include "inspect.h"
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

// Another C library's loader may do anything with the shim: musl's ends the program before it has
// begun (docs/containers.md). So such a program gets none.
static bool is_foreign(const char *program) {
    char *path = inspect_find_command(program);
    struct elf_file *file = path != NULL ? elf_file_open(path) : NULL;
    const char *name = file != NULL && file->interpreter != NULL ? c_library_foreign(file) : NULL;
    elf_file_close(file);
    free(path);
    if (name != NULL)
        complain("%s: its C library is %s, it runs without the shim", program, name);
    return name != NULL;
}

static int become(char **program, const char *library, const struct settings *settings) {
    if (!is_foreign(program[0]) && !library_put_into_environment(library))
        return 125;
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
    opterr = 0;
    // '+': the options end at the program's name.
    for (int option; (option = getopt_long(count, arguments, "+h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(help, stdout) < 0;
        if (!settings_take(&settings, option, optarg, arguments))
            return STATUS_USAGE;
    }
    if (optind == count) {
        complain("run: no program given");
        fputs(help, stderr);
        return STATUS_USAGE;
    }
    char *library = library_find(settings.library);
    int status = library != NULL ? become(arguments + optind, library, &settings) : 125;
    free(library);
    return status;
}
