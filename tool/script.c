#include "script.h"

#include "by_name.h"
#include "inspect.h"
#include "regular_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The program that env(1) would start, of its arguments in one string: as env was told, where it is
// not found. NULL where there is none.
static char *program_of_env(char *arguments) {
    char *rest = arguments;
    for (char *word; (word = strsep(&rest, " \t")) != NULL;) {
        // These two have their value behind them.
        if (strcmp(word, "-u") == 0 || strcmp(word, "-C") == 0)
            strsep(&rest, " \t");
        else if (*word != '\0' && *word != '-' && strchr(word, '=') == NULL) {
            char *path = inspect_find_command(word);
            return path != NULL ? path : strdup(word);
        }
    }
    return NULL;
}

static bool read_beginning(char *line, size_t size, const char *path) {
    int descriptor = regular_file_open(path);
    ssize_t length = descriptor >= 0 ? read(descriptor, line, size - 1) : 0;
    if (descriptor >= 0)
        close(descriptor);
    line[length > 0 ? length : 0] = '\0';
    return length > 0;
}

char *script_interpreter(const char *path) {
    char line[500], *relative = NULL;
    if (!read_beginning(line, sizeof(line), path))
        return NULL;
    if (strncmp(line, "#!", 2) != 0)
        return interpreter_by_name(path);
    char *interpreter = line + 2 + strspn(line + 2, " \t");
    interpreter[strcspn(interpreter, "\n")] = '\0';
    char *arguments = interpreter + strcspn(interpreter, " \t");
    if (*arguments != '\0')
        *arguments++ = '\0';
    if (*interpreter == '\0')
        return NULL;
    const char *slash = strrchr(interpreter, '/');
    if (strcmp(slash != NULL ? slash + 1 : interpreter, "env") == 0) {
        char *program = program_of_env(arguments);
        if (program != NULL)
            return program;
    }
    // The kernel looks it up in the working directory.
    if (slash == NULL)
        return asprintf(&relative, "./%s", interpreter) >= 0 ? relative : NULL;
    return strdup(interpreter);
}
