#include "by_name.h"

#include "inspect.h"

#include <stddef.h>
#include <string.h>

char *interpreter_by_name(const char *path) {
    static const struct {
        const char *end;
        const char *interpreter;
    } kinds[] = {{".py", "python3"}, {".rb", "ruby"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(dot, kinds[i].end) == 0)
            return inspect_find_command(kinds[i].interpreter);
    }
    return NULL;
}
