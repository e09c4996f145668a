#include "life/steps.h"

const struct steps *steps_added[STEPS_MAXIMUM];
size_t steps_count;

void steps_add(const struct steps *steps) {
    if (steps_count < STEPS_MAXIMUM)
        steps_added[steps_count++] = steps;
}
