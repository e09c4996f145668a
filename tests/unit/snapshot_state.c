#include "snapshot_state.h"

#include <string.h>
#include <unistd.h>

int state_copied = 5;
int state_array[8] = {1, 2, 3, 4, 5, 6, 7, 8};
int state_target = 6;

// Volatile, or the compiler would do without what nothing here changes.
static int *volatile middle = &state_array[5];
static int *pointer = &state_target;
static int data = 7;
static int large_data[3000] = {1};
static int zeros[3000];

void state_change(void) {
    state_copied++;
    data++;
    for (int i = 0; i < 3000; i++) {
        large_data[i]++;
        zeros[i]++;
    }
}

bool state_is_initial(void) {
    static const int one_and_zeros[3000] = {1}, only_zeros[3000];
    return state_copied == 5 && *middle == 6 && data == 7 &&
           memcmp(large_data, one_and_zeros, sizeof(one_and_zeros)) == 0 &&
           memcmp(zeros, only_zeros, sizeof(only_zeros)) == 0;
}

int state_process(void) {
    return getpid();
}

void state_point_to(int *address) {
    pointer = address;
}

int *state_pointed_to(void) {
    return pointer;
}
