#include "base/signal_name.h"

#include <signal.h>
#include <string.h>

// A decimal number without a sign, or -1.
static int read_number(const char *digits) {
    int number = 0;
    if (*digits == '\0')
        return -1;
    for (; *digits != '\0'; digits++) {
        if (*digits < '0' || *digits > '9' || number > 1000)
            return -1;
        number = number * 10 + *digits - '0';
    }
    return number;
}

// Signals that are free for a program's use, by name, and any by number. SIGRTMIN is libc's
// decision, so it is asked for.
static int read_name(const char *name) {
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    if (strcmp(name, "USR1") == 0)
        return SIGUSR1;
    if (strcmp(name, "USR2") == 0)
        return SIGUSR2;
    int from_minimum = strncmp(name, "RTMIN+", 6) == 0 ? read_number(name + 6) : -1;
    if (from_minimum >= 0)
        return SIGRTMIN + from_minimum;
    int from_maximum = strncmp(name, "RTMAX-", 6) == 0 ? read_number(name + 6) : -1;
    if (from_maximum >= 0)
        return SIGRTMAX - from_maximum;
    return read_number(name);
}

int signal_by_name(const char *name) {
    int number = read_name(name);
    return number <= SIGRTMAX && number != SIGKILL && number != SIGSTOP ? number : -1;
}
