#include "objects/channel_arguments.h"

#include "base/generation.h"
#include "cores/snapshot.h"
#include "objects/revival.h"

#include <stdlib.h>
#include <string.h>

struct copied_argument {
    grpc_arg argument;
    struct object *object; // the record of what a pointer leads to, or NULL
};

struct channel_arguments {
    size_t count;
    struct copied_argument arguments[];
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

static struct copied_argument copy_argument(const grpc_arg *argument) {
    struct copied_argument copy = {.argument = *argument};
    copy.argument.key = strdup(argument->key);
    if (argument->type == GRPC_ARG_STRING && argument->value.string != NULL) {
        copy.argument.value.string = strdup(argument->value.string);
    } else if (argument->type == GRPC_ARG_POINTER) {
        void *pointer = argument->value.pointer.p;
        snapshot_keep(argument->value.pointer.vtable, sizeof(*argument->value.pointer.vtable));
        copy.object = acquire(pointer);
        copy.argument.value.pointer.p = argument->value.pointer.vtable->copy(pointer);
    }
    return copy;
}

struct channel_arguments *channel_arguments_copy(const grpc_channel_args *arguments) {
    if (arguments == NULL)
        return NULL;
    struct channel_arguments *copy =
        malloc(sizeof(*copy) + arguments->num_args * sizeof(copy->arguments[0]));
    if (copy == NULL)
        return NULL;
    copy->count = arguments->num_args;
    for (size_t i = 0; i < copy->count; i++)
        copy->arguments[i] = copy_argument(&arguments->args[i]);
    return copy;
}

void channel_arguments_free(struct channel_arguments *copy, bool inherited) {
    for (size_t i = 0; copy != NULL && i < copy->count; i++) {
        grpc_arg *argument = &copy->arguments[i].argument;
        free(argument->key);
        if (argument->type == GRPC_ARG_STRING)
            free(argument->value.string);
        else if (argument->type == GRPC_ARG_POINTER && !inherited)
            argument->value.pointer.vtable->destroy(argument->value.pointer.p);
        object_unreference(copy->arguments[i].object);
    }
    free(copy);
}

// Room for the arguments and, behind them, for one flag each: whether the object was built for this
// use only.
static grpc_channel_args *make_room(size_t count) {
    grpc_channel_args *room = calloc(1, sizeof(*room) + count * (sizeof(grpc_arg) + sizeof(bool)));
    if (room == NULL)
        return NULL;
    room->num_args = count;
    room->args = (grpc_arg *)(room + 1);
    return room;
}

static bool *temporary_flags(grpc_channel_args *room) {
    return (bool *)(room->args + room->num_args);
}

grpc_channel_args *channel_arguments_begin_use_of_copy(const struct channel_arguments *copy) {
    grpc_channel_args *room = copy != NULL ? make_room(copy->count) : NULL;
    for (size_t i = 0; room != NULL && i < copy->count; i++) {
        room->args[i] = copy->arguments[i].argument;
        if (copy->arguments[i].object != NULL)
            room->args[i].value.pointer.p =
                object_borrow(copy->arguments[i].object, &temporary_flags(room)[i]);
    }
    return room;
}

void channel_arguments_end_use_of_copy(const struct channel_arguments *copy,
                                       grpc_channel_args *real) {
    for (size_t i = 0; real != NULL && i < copy->count; i++) {
        if (copy->arguments[i].object != NULL)
            object_return(copy->arguments[i].object, real->args[i].value.pointer.p,
                          temporary_flags(real)[i]);
    }
    free(real);
}

grpc_channel_args *channel_arguments_begin_use(const grpc_channel_args *arguments) {
    if (arguments == NULL || current_generation() == 0)
        return (grpc_channel_args *)arguments;
    grpc_channel_args *room = make_room(arguments->num_args);
    for (size_t i = 0; room != NULL && i < arguments->num_args; i++) {
        room->args[i] = arguments->args[i];
        if (room->args[i].type == GRPC_ARG_POINTER)
            room->args[i].value.pointer.p = translate(room->args[i].value.pointer.p);
    }
    return room;
}

void channel_arguments_end_use(grpc_channel_args *real, const grpc_channel_args *arguments) {
    if (real != arguments)
        free(real);
}
