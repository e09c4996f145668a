#include "coverage.h"

const char *coverage_name(enum coverage coverage) {
    static const char *const names[] = {"covered", "partly", "not", "unknown"};
    return names[coverage];
}

enum coverage coverage_worse(enum coverage one, enum coverage other) {
    static const int badness[] = {[COVERED] = 0, [PARTLY] = 1, [UNKNOWN] = 2, [NOT_COVERED] = 3};
    return badness[one] >= badness[other] ? one : other;
}
