// The descriptors that gRPC opened, so that a child can close them: these and no others.
//
// In the child they are closed and nothing else is done to them: epoll_ctl or shutdown would act on
// the open file that the parent shares.
//
// A number says little about what is behind it. So the kernel object (device, inode, type) is
// remembered with it and compared before the child closes it: sockets and pipes have an inode of
// their own, and event and epoll descriptors share one, which at least tells them from everything
// else. A number that the program closed and used again by ways that are not interposed (io_uring,
// a bare system call, inside libc) stays open.
//
// Hazards:
//
// - Numbers are reused. The kernel object (device, inode, type) is kept with the number and
//   compared before the child closes it. All sorts of anonymous descriptors share one inode, so
//   an epoll set can't be told from an event descriptor that way; for that the number must have
//   been closed behind libc's back and reused for one of these.
// - fork() copies descriptors before memory. A descriptor closed between the two is open in
//   the child, whose memory says that it is closed. So while a fork is under way a closed
//   descriptor stays in the table, and the child looks at the kernel object. Where gRPC got the
//   number again meanwhile, the child may have either object, and goes by the type; that also
//   holds where the thread that closed the first one has not come to say so. (That last case
//   went unnoticed until address sanitizer made forks long: up to 98 of 1,500 children of the
//   unit test kept a socket.)
// - A descriptor exists before anyone can remember it. The window between the system call and
//   the table was met in 1 of 3,000 forks while connections came and went. A lock held across
//   fork() would close it. Instead each opening is announced in memory of the process's own and
//   reported in memory that it shares with its children: the child sees which openings were in
//   the window at fork, waits for the parent's threads to report them (they are about to), and
//   closes what it has of it. 0 of 10,500 forks since.
// - vfork children close descriptors in their parent's memory (Python's subprocess closes all
//   from 3 up). The table is only changed by the process that it describes.
#ifndef GRPCFORKSHIM_DESCRIPTORS_DESCRIPTORS_H
#define GRPCFORKSHIM_DESCRIPTORS_DESCRIPTORS_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// More than any descriptor limit that a kernel allows by default (fs.nr_open is 2^20).
#define DESCRIPTORS_MAXIMUM (1 << 20)

// The table comes in pieces, made when gRPC gets the first descriptor of one and never moved or
// freed. It is NULL in a process whose gRPC never opened anything.
#define DESCRIPTORS_A_PIECE 1024
struct descriptors_piece;
struct descriptors_table {
    _Atomic(struct descriptors_piece *) pieces[DESCRIPTORS_MAXIMUM / DESCRIPTORS_A_PIECE];
    uint64_t openings[64]; // the numbers of those under way
};
extern _Atomic(struct descriptors_table *) descriptors_table;

// Whether a descriptor is in a piece's table; the slow part of the next function.
bool descriptors_tracked_in(const struct descriptors_piece *piece, int descriptor);

// Whether a descriptor is gRPC's. What every close() in the process pays.
static inline bool descriptors_tracked(int descriptor) {
    struct descriptors_table *table =
        atomic_load_explicit(&descriptors_table, memory_order_relaxed);
    if (likely(table == NULL) || (unsigned)descriptor >= DESCRIPTORS_MAXIMUM)
        return false;
    struct descriptors_piece *piece = atomic_load_explicit(
        &table->pieces[descriptor / DESCRIPTORS_A_PIECE], memory_order_relaxed);
    return unlikely(piece != NULL) && descriptors_tracked_in(piece, descriptor);
}

// Says in the process's record where the table is, for other processes. From the constructor.
void descriptors_describe_table(void);

// Makes what the functions below need, before gRPC opens anything; without it they manage, but
// each fork costs two page faults more. Any thread.
void descriptors_start(void);

// To be called before and after gRPC makes descriptors: `made` are those it got (-1 is none). What
// begins is ended with the same number. Neither waits for a fork, and no fork waits for them. Keep
// errno. Any thread.
int descriptors_opening(void);
void descriptors_opened(int opening, int made, int made_too);

// To be called before and after tracked descriptors are closed, by whomever; both ends are
// included. Between the two they may be open or not, and a child looks. In a child made by vfork(),
// which closes descriptors of its own while it uses its parent's memory, nothing is changed
// (Python's subprocess closes all from 3 up there). Any thread; async-signal-safe, as close() has
// to be.
void descriptors_closing(unsigned first, unsigned last);
void descriptors_closed(unsigned first, unsigned last);

// In place of the latter where they turned out to stay open.
void descriptors_not_closed(unsigned first, unsigned last);

// fork() copies the descriptors before the memory. One that another thread closes between the two
// is open in the child, while the child's memory says that it was closed. So while a fork is under
// way a closed descriptor is kept as "closing".
void descriptors_fork_begins(void);
void descriptors_fork_ended(void);

// The forks that were under way are the parent's. Every child, single-threaded, async-signal-safe.
void descriptors_note_fork(void);

// Closes all of them and forgets them. Child, single-threaded, async-signal-safe.
void descriptors_close_in_child(void);

// How many the last call closed, for the log.
unsigned descriptors_closed_in_child(void);

#endif
