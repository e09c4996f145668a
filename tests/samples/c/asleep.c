#include "asleep.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool is_asleep(const char *thread) {
    char path[300], state = 'R';
    snprintf(path, sizeof(path), "/proc/self/task/%s/stat", thread);
    FILE *file = fopen(path, "r");
    // One that has gone does nothing any more.
    if (file == NULL) {
        return true;
    }
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
        state = 'R';
    }
    fclose(file);
    return state == 'S';
}

static bool others_sleep(void) {
    char self[16];
    snprintf(self, sizeof(self), "%d", (int)getpid());
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL) {
        return false;
    }
    bool asleep = true;
    const struct dirent *task;
    while (asleep && (task = readdir(tasks)) != NULL) {
        asleep =
            task->d_name[0] == '.' || strcmp(task->d_name, self) == 0 || is_asleep(task->d_name);
    }
    closedir(tasks);
    return asleep;
}

void await_others_asleep(void) {
    while (!others_sleep()) {
    }
}
