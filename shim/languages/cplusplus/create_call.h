// A wrapper around a C++ function of which only the first parameters are known.
//
// grpc_channel_create_call_with_arena_init(channel, parent, mask, queue, ...): what follows are C++
// types of versions that are not known here. The wrapper saves the registers that hold arguments,
// translates the handles among them, copies what lies on the stack as it is, calls the real
// function and records the call that it returns. (Jumping to it instead of calling it would spare
// the copy, but lose the call.)
//
// The import is found by how its name begins. Taking the old slot's content for the real
// function was wrong: before its first call that is the way to the loader, which then overwrites
// the slot.
//
// In a circle with cplusplus.c: what can't be said in C is in create_call_*.S, which calls the
// rest.
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_CREATE_CALL_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_CREATE_CALL_H

#include "cores/grpc_abi.h"

#if defined(__x86_64__)
#define GRPCFORKSHIM_HAS_CREATE_CALL 1
#define CREATE_CALL_REST 2 // rdi, rsi, rdx, rcx; r8, r9: System V ABI
#elif defined(__aarch64__)
#define GRPCFORKSHIM_HAS_CREATE_CALL 1
#define CREATE_CALL_REST 4 // x0 to x3; x4 to x7: AAPCS64
#endif

#if GRPCFORKSHIM_HAS_CREATE_CALL
// As create_call_*.S lay them out: the registers that hold arguments, in their order.
struct create_call_arguments {
    void *channel;
    grpc_call *parent;
    uintptr_t mask;
    void *queue;
    uintptr_t rest[CREATE_CALL_REST];
    void *queue_handle; // the program's, kept for create_call_after
    void *real;         // the real function
    const void *core;   // whose that is, kept for create_call_after
    uintptr_t padding;
};

// What is bound in place of the real function.
void create_call_wrapper(void);

// Called by the wrapper, in the thread that creates the call: before, to translate and to say which
// the real function is, and after, with what that returned; its result is what the program gets.
void create_call_before(struct create_call_arguments *arguments, const void *caller);
grpc_call *create_call_after(grpc_call *call, const grpc_completion_queue *queue, const void *core);
#endif

#endif
