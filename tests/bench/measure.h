// What the benchmarks have in common: a clock, bursts on demand, and printing samples afterwards.
//
// A benchmark reads one number per line from its standard input, takes that many samples, prints
// them in one line, and ends with the end of its input.  So whoever compares two processes can let
// them take turns, and whatever slows the machine down for a while slows both down.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t now_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct samples {
    size_t count;
    // `columns` values each; those of one sample are printed with a comma between them.
    size_t columns;
    int64_t *values;
};

// False at the end of the input.  The memory is touched before the samples are taken.
static inline bool next_burst(struct samples *samples, size_t columns) {
    unsigned int count;
    if (scanf("%u", &count) != 1) {
        return false;
    }
    samples->count = count;
    samples->columns = columns;
    samples->values = malloc(count * columns * sizeof(int64_t));
    if (samples->values == NULL) {
        abort();
    }
    for (size_t i = 0; i < count * columns; i++) {
        samples->values[i] = -1;
    }
    return true;
}

static inline void finish_burst(struct samples *samples) {
    for (size_t i = 0; i < samples->count; i++) {
        for (size_t column = 0; column < samples->columns; column++) {
            printf("%s%lld",
                   column > 0 ? ","
                   : i > 0    ? " "
                              : "",
                   (long long)samples->values[i * samples->columns + column]);
        }
    }
    printf("\n");
    fflush(stdout);
    free(samples->values);
}
