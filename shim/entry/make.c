#include "entry/make.h"

#include "cores/state.h"
#include "life/first_use.h"

#include <string.h>

void *make_for(const void *caller, enum object_kind kind, const struct step *step) {
    grpc_enter(caller);
    return recipe_make(grpc_records(caller), kind, step);
}

void change_for(const void *caller, enum object_kind kind, const void *handle,
                const struct step *step) {
    grpc_enter(caller);
    recipe_change(grpc_records(caller), kind, handle, step);
}

void release_for(const void *caller, enum object_kind kind, const void *handle,
                 const void *function) {
    grpc_enter_release(caller);
    void (*release)(void *real);
    memcpy(&release, function, sizeof(release));
    void *real = object_release_handle(kind, handle);
    if (real != NULL)
        release(real);
}
