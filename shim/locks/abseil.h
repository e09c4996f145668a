// Abseil's global spinlocks, one of which a thread may have held that a child does not have.
//
// Abseil belongs to the program as much as to gRPC, so its data can't be rewound (measured: putting
// back that of its allocator crashed gRPC 1.83.0 with "bad magic number in Next()"). Without a cure
// 2 of 18,000 children hung on 1.51.1 and 19 of 13,000 on 1.83.0, all in AbslInternalSpinLockDelay.
//
// The cure: the child remembers, before any other code of it runs, what abseil's data looked like
// at fork. A spinlock that was held then has no holder in the child, for fork() took only this
// thread along and it is not inside abseil. Every wait for a spinlock passes through
// AbslInternalSpinLockDelay, which abseil lets others replace; in the child its imports are bound
// to ours, which frees such a lock, once, and lets every other waiter wait as before. What the lock
// protects may be half changed. That matters for one of them, the graph of abseil's deadlock
// detector (Debian builds abseil with it), held so often that it is nearly always the one. The
// detector is a debugging aid: it is switched off in children that use gRPC, and its graph never
// looked at again.
//
// The names carry abseil's inline namespace (_debian3, _lts_20230802), so they are found by how
// they begin.
//
// What a freed lock protected may be half changed. For abseil's thread identities that does no
// harm (a list, changed by single stores). For the deadlock detector's graph it does: the
// detector is switched off. For the allocator it does, too: with the lock merely freed, the
// child died with "bad magic number in Next()" in 2 of 12 runs of the sample that stops a thread
// inside the allocator. So the child asks the allocator for a byte while it has one thread; if
// that would wait, it jumps out and puts the allocator's image back to what the loader made of
// it (file contents, relocations, zeros).
//
// Spinlocks on the heap can't be told that way. The one that gRPC meets is in abseil's pool of
// random numbers (back-off times): the child puts that image back to its first day too, without
// asking. What the loader made of the two images is computed from their files when gRPC is
// found, so that the child needs no file.
//
// Tried before: rewinding abseil to the snapshot (crashed on 1.83.0: the allocator's free list
// had been in use when the copy was taken); only switching the detector off (does not help with
// the other locks).
#ifndef GRPCFORKSHIM_LOCKS_ABSEIL_H
#define GRPCFORKSHIM_LOCKS_ABSEIL_H

// Finds abseil's images that have spinlocks: when gRPC is found, and again when more was loaded
// since. One thread at a time; not in a child that has remembered data.
void abseil_find(void);

// Remembers abseil's data. Child, single-threaded, async-signal-safe: copies some 10 KiB.
void abseil_remember_in_child(void);

// Binds the waits to ours and switches the deadlock detector off. Child, at its first use of gRPC.
void abseil_release_in_child(void);

#endif
