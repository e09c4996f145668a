// What this process has done, in numbers: for reports (report/report.h), for debuggers and tracers,
// and for `grpcforkshim check PID`, which reads the record from the process's memory.
//
// Each point is also a probe of SystemTap's kind (USDT: bpftrace, perf, SystemTap, gdb) where the
// library was built with <sys/sdt.h>: one no-operation instruction.
#ifndef GRPCFORKSHIM_REPORT_COUNTERS_H
#define GRPCFORKSHIM_REPORT_COUNTERS_H

#include "process/record.h"

#include <stdbool.h>

#ifdef HAVE_SYS_SDT_H
// Arguments in registers: gdb can't read those that are static variables.
#define STAP_SDT_ARG_CONSTRAINT nr
#include <sys/sdt.h>
#define PROBE1(name, a) STAP_PROBE1(grpcforkshim, name, a)
#define PROBE3(name, a, b, c) STAP_PROBE3(grpcforkshim, name, a, b, c)
#else
#define PROBE1(name, a) ((void)0)
#define PROBE3(name, a, b, c) ((void)0)
#endif

// Adds to one counter of this process. Any thread; async-signal-safe.
static inline void counters_add(enum counter counter, uint64_t count) {
    atomic_fetch_add_explicit(&process_record.counters[counter], count, memory_order_relaxed);
}

// A counter of this process. Any thread; async-signal-safe.
uint64_t counters_get(enum counter counter);

// What has become of gRPC in this process. Any thread.
void counters_set_state(enum record_state state);

// The gRPC in the image that begins there is protected; 0: none is any more. `place` is a core's
// index, or RECORD_EXTENSION. Any thread.
void counters_set_protected(unsigned place, uintptr_t image);

// A gRPC was met that can't be protected. Any thread.
void counters_note_refused(void);

// A server was made, or ended: one of this process's own, or one that it inherited. Any thread.
void counters_server_made(void);
void counters_server_ended(bool inherited);

// One more fork. Before it: afterwards a write would cost the parent a page. Any thread.
void counters_fork_begins(void);

// Writes down which process this is; from the constructor.
void counters_start(void);

// All begins anew. Child, single-threaded, async-signal-safe.
void counters_reset_in_child(uint32_t generation);

// This process, a child, uses gRPC: counted here and in its parent. Child, one thread.
void counters_child_uses_grpc(void);

#endif
