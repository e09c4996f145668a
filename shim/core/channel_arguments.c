#include "core/channel_arguments.h"

#include "core/revival.h"

#include <stdlib.h>
#include <string.h>

static grpc_arg copy_argument(const grpc_arg *argument) {
    grpc_arg copy = *argument;
    copy.key = strdup(argument->key);
    if (argument->type == GRPC_ARG_STRING && argument->value.string != NULL)
        copy.value.string = strdup(argument->value.string);
    else if (argument->type == GRPC_ARG_POINTER)
        copy.value.pointer.p = argument->value.pointer.vtable->copy(argument->value.pointer.p);
    return copy;
}

grpc_channel_args *channel_arguments_copy(const grpc_channel_args *arguments) {
    if (arguments == NULL)
        return NULL;
    grpc_channel_args *copy =
        malloc(sizeof(*copy) + arguments->num_args * sizeof(arguments->args[0]));
    if (copy == NULL)
        return NULL;
    copy->num_args = arguments->num_args;
    copy->args = (grpc_arg *)(copy + 1);
    for (size_t i = 0; i < arguments->num_args; i++)
        copy->args[i] = copy_argument(&arguments->args[i]);
    return copy;
}

void channel_arguments_free(grpc_channel_args *arguments, bool inherited) {
    for (size_t i = 0; arguments != NULL && i < arguments->num_args; i++) {
        grpc_arg *argument = &arguments->args[i];
        free(argument->key);
        if (argument->type == GRPC_ARG_STRING)
            free(argument->value.string);
        else if (argument->type == GRPC_ARG_POINTER && !inherited)
            argument->value.pointer.vtable->destroy(argument->value.pointer.p);
    }
    free(arguments);
}

grpc_channel_args *channel_arguments_begin_use(const grpc_channel_args *arguments) {
    if (arguments == NULL || process_generation() == 0)
        return (grpc_channel_args *)arguments;
    size_t size = arguments->num_args * sizeof(arguments->args[0]);
    grpc_channel_args *copy = malloc(sizeof(*copy) + size);
    if (copy == NULL)
        return NULL;
    copy->num_args = arguments->num_args;
    copy->args = (grpc_arg *)(copy + 1);
    memcpy(copy->args, arguments->args, size);
    for (size_t i = 0; i < copy->num_args; i++) {
        if (copy->args[i].type == GRPC_ARG_POINTER)
            copy->args[i].value.pointer.p =
                object_translate(OBJECT_RESOURCE_QUOTA, copy->args[i].value.pointer.p);
    }
    return copy;
}

void channel_arguments_end_use(grpc_channel_args *real, const grpc_channel_args *arguments) {
    if (real != arguments)
        free(real);
}
