// Signals as the user names them.
#ifndef GRPCFORKSHIM_BASE_SIGNAL_NAME_H
#define GRPCFORKSHIM_BASE_SIGNAL_NAME_H

// The number of "USR1", "SIGUSR2", "RTMIN+5", "RTMAX-3" or "42"; -1 for others, and for signals
// that can't be handled. 0 is none. Any thread; async-signal-safe.
int signal_by_name(const char *name);

#endif
