// libc's list of exit functions, and what is being put into it at a fork.
//
// A child is forked while another thread registers something: the lock is freed there
// (locks/libc_lock.h), and the newest entry of the list may be half written. Compilers write "this
// is a C++ destructor" before its address (seen in glibc 2.36, 2.41 and 2.43; with a thread stopped
// after each instruction, 3 of 156 children crashed at exit). So each registration is announced
// here first, and the child drops what was announced: for it the fork came before.
#ifndef GRPCFORKSHIM_LOCKS_EXIT_LIST_H
#define GRPCFORKSHIM_LOCKS_EXIT_LIST_H

#include <stdbool.h>

// libc's functions of these names, announced. Any thread. Not async-signal-safe.
int exit_register(void (*destructor)(void *), void *object, void *image); // __cxa_atexit
int exit_register_quick(void (*function)(void *), void *image);           // __cxa_at_quick_exit
int exit_register_with_status(void (*function)(int status, void *object), void *object); // on_exit

// No registration of the parent's is under way here. `was_registering`: the list's lock was held,
// so what was announced is dropped. Child, single-threaded, async-signal-safe.
void exit_forget_registrations_in_child(bool was_registering);

#endif
