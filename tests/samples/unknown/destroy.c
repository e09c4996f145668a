#include "destroy.h"

#include <stdio.h>

void unknown_destroy(void *what) {
    printf("destroyed %s\n", (const char *)what);
    fflush(stdout);
}
