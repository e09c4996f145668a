#include "entry/make.h"

#include "cores/state.h"
#include "life/first_use.h"

#include <string.h>

void *make_for(const void *caller, enum object_kind kind, const struct step *step) {
    struct core *core = grpc_enter(caller);
    return recipe_make(core, core_records(core, caller), kind, step);
}

void change_for(const void *caller, enum object_kind kind, const void *handle,
                const struct step *step) {
    struct core *core = grpc_enter(caller);
    recipe_change(core, core_records(core, caller), kind, handle, step);
}

void release_for(const void *caller, enum object_kind kind, const void *handle, uintptr_t member) {
    const struct core *core = grpc_enter_release(caller);
    void (*release)(void *real);
    memcpy(&release, (const char *)&core->grpc + member, sizeof(release));
    void *real = object_release_handle(kind, handle);
    if (real != NULL)
        release(real);
}
