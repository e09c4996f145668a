#include "cores/exit.h"

#include "base/generation.h"
#include "cores/snapshot.h"
#include "cores/state.h"
#include "cores/static_images.h"
#include "life/fork.h"
#include "process/identity.h"

#include <stdlib.h>

struct registration {
    void (*destructor)(void *);
    void *object;
    uint32_t generation;
};

static void run(void *context) {
    const struct registration *registration = context;
    identity_notice_child();
    if (registration->generation == current_generation())
        registration->destructor(registration->object);
}

void exit_bind_to_process(void (**destructor)(void *), void **object, const void *image) {
    // What gRPC's constructors register when it is loaded is every process's: see the header.
    bool is_ours = grpc_is_protected() && snapshot_covers(image);
    if (!is_ours && !static_images_cover(image))
        return;
    struct registration *registration = malloc(sizeof(*registration));
    if (registration == NULL)
        return;
    *registration = (struct registration){*destructor, *object, current_generation()};
    *destructor = run;
    *object = registration;
}
