// What the test library for images offers under the symbol `fixture`.
#ifndef GRPCFORKSHIM_TESTS_IMAGE_FIXTURE_H
#define GRPCFORKSHIM_TESTS_IMAGE_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

struct fixture {
    pid_t (*process)(void);     // by the imported getpid()
    bool (*calls_others)(void); // imports that nothing else uses; returns true
    void (*change)(void);
    void (*change_pointers)(void);
    bool (*is_pristine)(void);
    bool (*has_pristine_pointers)(void);
};

#endif
