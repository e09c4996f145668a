// The subcommands: each gets the arguments from its own name on and returns the exit status.
#ifndef GRPCFORKSHIM_TOOL_COMMANDS_H
#define GRPCFORKSHIM_TOOL_COMMANDS_H

// Becomes the program; returns only where that fails: 127 where it is not found, 126 where it can't
// be executed, 125 where the shim is the reason.
int command_run(int count, char **arguments);

// enum coverage: 0 covered, 1 partly, 2 not, 3 could not tell.
int command_check(int count, char **arguments);

// 0 where the drop-in is as it should be, 1 where it could not be written or removed.
int command_systemd(int count, char **arguments);

#endif
