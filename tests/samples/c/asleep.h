// Whether threads of this process sleep: what they had to do is done then.
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// Of a thread, by its number as /proc has it; true for one that has gone.
bool is_asleep(const char *thread);

// For the main thread: waits until all others sleep at once.
void await_others_asleep(void);

#ifdef __cplusplus
}
#endif
