// Wrappers of functions that make, change and release what is made again by its recipe
// (objects/recipe.h). There are many, and every program maps them: they are small.
#ifndef GRPCFORKSHIM_ENTRY_MAKE_H
#define GRPCFORKSHIM_ENTRY_MAKE_H

#include "entry/entry.h"
#include "objects/recipe.h"
#include "objects/revival.h"

// What a wrapper does, with the return address of its call. Any thread.
void *make_for(const void *caller, enum object_kind kind, const struct step *step);
void change_for(const void *caller, enum object_kind kind, const void *handle,
                const struct step *step);
void release_for(const void *caller, enum object_kind kind, const void *handle, uintptr_t member);

// `function` is an ADAPTER.
#define MAKE_BY(function, kind, ...) make_for(CALLER, kind, STEP(function, ##__VA_ARGS__))
#define MAKE(name, kind, ...) MAKE_BY(MEMBER(name), kind, ##__VA_ARGS__)
#define CHANGE_BY(function, kind, handle, ...)                                                     \
    change_for(CALLER, kind, handle, STEP(function, SELF(kind, handle), ##__VA_ARGS__))
#define CHANGE(name, kind, handle, ...) CHANGE_BY(MEMBER(name), kind, handle, ##__VA_ARGS__)
#define RELEASE(name, kind, handle) release_for(CALLER, kind, handle, MEMBER(name))

#endif
