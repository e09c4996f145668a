// The counters as one line of text, where the log goes:
//
//   grpcforkshim[PID]: report: form=1 grpc=protected generation=0 forks=1 children_using_grpc=1 ...
//
// at the end of a process (GRPCFORKSHIM_REPORT) and on a signal (GRPCFORKSHIM_REPORT_SIGNAL).
#ifndef GRPCFORKSHIM_REPORT_REPORT_H
#define GRPCFORKSHIM_REPORT_REPORT_H

// Prepares both, as configured. From the constructor.
void report_start(void);

// Writes the line, if that is configured for such a process and it has not written it yet. Nothing
// in a child made by vfork(), which is in its parent's memory. Any thread; async-signal-safe.
void report_at_end(void);

// Writes the line now. Any thread; async-signal-safe; keeps errno.
void report_write(void);

#endif
