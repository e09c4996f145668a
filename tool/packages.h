// The libraries that lie in the packages which a script may import. What a script imports in the
// end, and what that imports, is known when it runs.
#ifndef GRPCFORKSHIM_TOOL_PACKAGES_H
#define GRPCFORKSHIM_TOOL_PACKAGES_H

#include "list.h"

#include <stdbool.h>

// Calls `visit` for each file below the directories that may be a library, with the name of the
// package that it is in. False where there were too many files to look at all.
bool packages_visit(char *const *directories,
                    void (*visit)(const char *file, const char *package, void *context),
                    void *context);

// Adds the packages and extensions that lie beside a script and that it names.
void packages_beside(struct list *list, const char *script);

// Whether a script has the name of a package in it, as a word.
bool packages_named(const char *script, const char *package);

#endif
