// What a program that takes what there is finds of functions that libc has only since 2.34.
//
// later_calls

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NUMBERS 3
#define APART 40

static int numbers[NUMBERS];

static bool open_some(void) {
    for (int i = 0; i < NUMBERS; i++) {
        numbers[i] = fcntl(STDIN_FILENO, F_DUPFD, 100 + i * APART);
        if (numbers[i] < 0) {
            return false;
        }
    }
    return true;
}

static int count_open(void) {
    int count = 0;
    for (int i = 0; i < NUMBERS; i++) {
        count += fcntl(numbers[i], F_GETFD) >= 0;
    }
    return count;
}

int main(void) {
    int (*close_range)(unsigned, unsigned, int) =
        (int (*)(unsigned, unsigned, int))dlsym(RTLD_DEFAULT, "close_range");
    void (*closefrom)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "closefrom");
    if (!open_some()) {
        perror("fcntl");
        return 1;
    }
    if (close_range != NULL) {
        errno = 0;
        int result = close_range((unsigned)numbers[0], (unsigned)numbers[1], 0);
        const char *error = strerror(errno);
        printf("close_range %d: %s, open %d\n", result, error, count_open());
    }
    if (closefrom != NULL) {
        if (!open_some()) {
            perror("fcntl");
            return 1;
        }
        closefrom(numbers[1]);
        printf("closefrom: open %d\n", count_open());
    }
    return 0;
}
