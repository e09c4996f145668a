// A library of the program's that has a variable in common with gRPC, and is there before it.
#include "unique.h"

int *unknown_unique_address(void);

int *unknown_unique_address(void) {
    return &unknown_unique;
}
