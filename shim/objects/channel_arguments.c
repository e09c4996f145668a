#include "objects/channel_arguments.h"

#include "base/generation.h"
#include "base/log.h"
#include "base/record_memory.h"
#include "cores/snapshot.h"
#include "objects/revival.h"

#include <string.h>

// One block: this, the arguments as gRPC takes them, and for each the record of what it points to.
struct channel_arguments {
    grpc_channel_args arguments;
    struct object **objects; // NULL where it points to nothing that has one
    size_t object_count;     // of those that have one
};

// What an argument may point to that a child makes again.
static const enum object_kind pointed_to[] = {OBJECT_RESOURCE_QUOTA, OBJECT_SSL_SESSION_CACHE};

static struct object *acquire(const void *pointer) {
    struct object *object = NULL;
    for (size_t i = 0; object == NULL && i < ARRAY_LENGTH(pointed_to); i++)
        object = registry_acquire(pointed_to[i], pointer, 0);
    return object;
}

static void *translate(void *pointer) {
    for (size_t i = 0; i < ARRAY_LENGTH(pointed_to); i++)
        pointer = object_translate(pointed_to[i], pointer);
    return pointer;
}

// False where memory is lacking; then there is nothing to free.
static bool copy_argument(const grpc_arg *argument, grpc_arg *copy, struct object **object) {
    const char *text = argument->type == GRPC_ARG_STRING ? argument->value.string : NULL;
    char *text_copy = record_copy_text(text);
    char *key_copy = record_copy_text(argument->key);
    if (key_copy == NULL || (text != NULL && text_copy == NULL)) {
        record_free(key_copy);
        record_free(text_copy);
        return false;
    }
    *copy = *argument;
    copy->key = key_copy;
    if (argument->type == GRPC_ARG_STRING) {
        copy->value.string = text_copy;
    } else if (argument->type == GRPC_ARG_POINTER) {
        void *pointer = argument->value.pointer.p;
        snapshot_keep(argument->value.pointer.vtable, sizeof(*argument->value.pointer.vtable));
        *object = acquire(pointer);
        copy->value.pointer.p = argument->value.pointer.vtable->copy(pointer);
    }
    return true;
}

struct channel_arguments *channel_arguments_copy(const grpc_channel_args *arguments) {
    if (arguments == NULL)
        return NULL;
    size_t count = arguments->num_args;
    struct channel_arguments *copy = record_allocate_zeroed(
        sizeof(*copy) + count * (sizeof(grpc_arg) + sizeof(copy->objects[0])));
    if (copy == NULL)
        return NULL;
    copy->arguments.args = (grpc_arg *)(copy + 1);
    copy->objects = (struct object **)(copy->arguments.args + count);
    for (size_t i = 0; i < count; i++) {
        if (!copy_argument(&arguments->args[i], &copy->arguments.args[i], &copy->objects[i])) {
            channel_arguments_free(copy, false);
            return NULL;
        }
        copy->arguments.num_args++;
        copy->object_count += copy->objects[i] != NULL;
    }
    return copy;
}

void channel_arguments_free(struct channel_arguments *copy, bool inherited) {
    for (size_t i = 0; copy != NULL && i < copy->arguments.num_args; i++) {
        grpc_arg *argument = &copy->arguments.args[i];
        record_free(argument->key);
        if (argument->type == GRPC_ARG_STRING)
            record_free(argument->value.string);
        else if (argument->type == GRPC_ARG_POINTER && !inherited)
            argument->value.pointer.vtable->destroy(argument->value.pointer.p);
        object_unreference(copy->objects[i]);
    }
    record_free(copy);
}

// Room for the arguments and, behind them, for one flag each: whether the object was built for this
// use only. NULL where memory is lacking.
static grpc_channel_args *make_room(const grpc_channel_args *arguments) {
    size_t count = arguments->num_args;
    grpc_channel_args *room =
        record_allocate_zeroed(sizeof(*room) + count * (sizeof(grpc_arg) + sizeof(bool)));
    if (room == NULL) {
        static bool said;
        log_once(said, LOG_ERROR,
                 "can't translate what a channel's arguments point to, out of memory, it is used "
                 "as this process inherited it");
        return NULL;
    }
    room->num_args = count;
    room->args = (grpc_arg *)(room + 1);
    memcpy(room->args, arguments->args, count * sizeof(room->args[0]));
    return room;
}

static bool *temporary_flags(grpc_channel_args *room) {
    return (bool *)(room->args + room->num_args);
}

grpc_channel_args *channel_arguments_begin_use_of_copy(const struct channel_arguments *copy) {
    if (copy == NULL)
        return NULL;
    grpc_channel_args *room = copy->object_count > 0 ? make_room(&copy->arguments) : NULL;
    for (size_t i = 0; room != NULL && i < room->num_args; i++) {
        if (copy->objects[i] != NULL)
            room->args[i].value.pointer.p =
                object_borrow(copy->objects[i], &temporary_flags(room)[i]);
    }
    return room != NULL ? room : (grpc_channel_args *)&copy->arguments;
}

void channel_arguments_end_use_of_copy(const struct channel_arguments *copy,
                                       grpc_channel_args *real) {
    if (copy == NULL || real == &copy->arguments)
        return;
    for (size_t i = 0; i < real->num_args; i++) {
        if (copy->objects[i] != NULL)
            object_return(copy->objects[i], real->args[i].value.pointer.p,
                          temporary_flags(real)[i]);
    }
    record_free(real);
}

static bool has_pointers(const grpc_channel_args *arguments) {
    for (size_t i = 0; i < arguments->num_args; i++) {
        if (arguments->args[i].type == GRPC_ARG_POINTER)
            return true;
    }
    return false;
}

grpc_channel_args *channel_arguments_begin_use(const grpc_channel_args *arguments) {
    if (arguments == NULL || current_generation() == 0 || !has_pointers(arguments))
        return (grpc_channel_args *)arguments;
    grpc_channel_args *room = make_room(arguments);
    for (size_t i = 0; room != NULL && i < room->num_args; i++) {
        if (room->args[i].type == GRPC_ARG_POINTER)
            room->args[i].value.pointer.p = translate(room->args[i].value.pointer.p);
    }
    return room != NULL ? room : (grpc_channel_args *)arguments;
}

void channel_arguments_end_use(grpc_channel_args *real, const grpc_channel_args *arguments) {
    if (real != arguments)
        record_free(real);
}
