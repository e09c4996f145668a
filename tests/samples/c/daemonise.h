// The way into the background that daemons have gone since ever: fork, a session of its own, fork
// again, nothing of the terminal's left, another user.
#pragma once

#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

// The user and group that a daemon becomes that root has started: nobody's.
#define DAEMON_USER 65534

// Goes on in the daemon, with standard output connected to the process that started it. That one
// goes on as well: it gets the other end in *daemon, and what comes from the daemon ends when the
// daemon does. In the daemon *daemon is NULL. Ends the program if that fails.
void daemonise(FILE **daemon);

// Copies what the daemon says to standard output, to its end; its last line has to be `done 0`.
int relay_daemon(FILE *daemon);

#ifdef __cplusplus
}
#endif
