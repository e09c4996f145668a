// A library with state of each kind, as gRPC has it. The program refers to some of its variables
// directly, so that a program that is not position-independent has them in copies of its own.
#ifndef GRPCFORKSHIM_TESTS_SNAPSHOT_STATE_H
#define GRPCFORKSHIM_TESTS_SNAPSHOT_STATE_H

#include <stdbool.h>

// Copied into the program: one that the library reaches through its table of addresses, and one to
// which only a pointer into its middle leads.
extern int state_copied;
extern int state_array[8];

void state_change(void);
bool state_is_initial(void);
int state_process(void);

// A pointer in the library's data. It is initialised with the address of an exported variable of
// the library, so the loader has a relocation for it; later it may hold any address.
void state_point_to(int *address);
int *state_pointed_to(void);

#endif
