#include "regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Files of /proc and /sys are regular ones, too, and some of them wait for their next line.
#define READING (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static int close_with(int descriptor, int error) {
    close(descriptor);
    errno = error;
    return -1;
}

int regular_file_open(const char *path) {
    struct stat status;
    char name[50];
    // To open a device is to do something to it: a tape is wound, a watchdog begins to count.
    int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0)
        return -1;
    if (fstat(place, &status) != 0)
        return close_with(place, errno);
    if (!S_ISREG(status.st_mode))
        return close_with(place, 0);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", place);
    int descriptor = open(name, READING);
    int error = errno;
    if (descriptor < 0 && error == ENOENT) { // no /proc
        descriptor = open(path, READING);
        error = errno;
    }
    close(place);
    errno = error;
    return descriptor;
}

// Into `text`, which has room for `size` bytes; how many there were, or -1.
static ssize_t read_all(int descriptor, char *text, size_t size) {
    size_t length = 0;
    while (length < size) {
        ssize_t count = read(descriptor, text + length, size - length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        length += (size_t)count;
    }
    return (ssize_t)length;
}

static char *read_text(int descriptor) {
    char *text = malloc(REGULAR_FILE_TEXT_MAXIMUM + 2);
    ssize_t length = text != NULL ? read_all(descriptor, text, REGULAR_FILE_TEXT_MAXIMUM + 1) : -1;
    if (length < 0 || length > (ssize_t)REGULAR_FILE_TEXT_MAXIMUM) {
        int error = length < 0 ? errno : EFBIG;
        free(text);
        errno = error;
        return NULL;
    }
    for (ssize_t i = 0; i < length; i++) {
        if (text[i] == '\0')
            text[i] = '\n';
    }
    text[length] = '\0';
    return text;
}

char *regular_file_text(const char *path) {
    int descriptor = regular_file_open(path);
    if (descriptor < 0)
        return NULL;
    char *text = read_text(descriptor);
    int error = errno;
    close(descriptor);
    errno = error;
    return text;
}

const char *regular_file_error(int error) {
    return error != 0 ? strerror(error) : "not a regular file";
}
