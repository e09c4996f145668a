// grpcforkshim: puts the shim in front of programs, and tells what it can do for them.
#include "commands.h"
#include "message.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: grpcforkshim run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
    "       grpcforkshim check [--json] PROGRAM|SCRIPT|LIBRARY|PID\n"
    "       grpcforkshim systemd [OPTION...] UNIT\n"
    "       grpcforkshim --help | --version\n"
    "\n"
    "  run      runs a program with the shim, which makes its gRPC survive fork()\n"
    "  check    tells beforehand what will be covered, or what happens in a process\n"
    "  systemd  runs a service with the shim from its next start on, or no longer\n"
    "\n"
    "Each of them has --help; see also grpcforkshim(1) and libgrpcforkshim(7).\n";

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        int (*run)(int count, char **arguments);
    } commands[] = {{"run", command_run}, {"check", command_check}, {"systemd", command_systemd}};
    const char *name = count > 1 ? arguments[1] : "";
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(count - 1, arguments + 1);
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return fputs(help, stdout) < 0;
    if (strcmp(name, "--version") == 0)
        return puts("grpcforkshim " VERSION) < 0;
    if (*name != '\0')
        complain("unknown command: %s", name);
    fputs(help, stderr);
    return STATUS_USAGE;
}
