#include "entry/make.h"

#include <string.h>

void *make_for(const void *caller, enum object_kind kind, const struct step *step) {
    process_enter(caller);
    return recipe_make(process_records(caller), kind, step);
}

void change_for(const void *caller, enum object_kind kind, const void *handle,
                const struct step *step) {
    process_enter(caller);
    recipe_change(process_records(caller), kind, handle, step);
}

void release_for(const void *caller, enum object_kind kind, const void *handle,
                 const void *function) {
    process_enter_release(caller);
    void (*release)(void *real);
    memcpy(&release, function, sizeof(release));
    void *real = object_release_handle(kind, handle);
    if (real != NULL)
        release(real);
}
