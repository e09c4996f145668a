// See create_call.h. AAPCS64.
// In a circle with cplusplus.c: see create_call.h.

#define STACK_BYTES 256 // of arguments on the stack: more than any version has; a multiple of 16
#define FRAME_BYTES 112 // frame record, struct create_call_arguments

        .hidden create_call_before
        .hidden create_call_after

        .text
        .globl  create_call_wrapper
        .hidden create_call_wrapper
        .balign 4
        .type   create_call_wrapper, %function
create_call_wrapper:
        .cfi_startproc
        hint    #34 // bti c
        stp     x29, x30, [sp, #-FRAME_BYTES]!
        .cfi_def_cfa_offset FRAME_BYTES
        .cfi_offset x29, -FRAME_BYTES
        .cfi_offset x30, -FRAME_BYTES + 8
        mov     x29, sp
        .cfi_def_cfa_register x29
        stp     x0, x1, [x29, #16]
        stp     x2, x3, [x29, #32]
        stp     x4, x5, [x29, #48]
        stp     x6, x7, [x29, #64]
        add     x0, x29, #16
        mov     x1, x30
        bl      create_call_before
        // The caller's arguments on the stack. Where there are fewer, what lies above them is copied
        // too, and not looked at.
        sub     sp, sp, #STACK_BYTES
        add     x9, x29, #FRAME_BYTES
        mov     x10, sp
        mov     x11, #STACK_BYTES
1:      ldp     x12, x13, [x9], #16
        stp     x12, x13, [x10], #16
        subs    x11, x11, #16
        b.ne    1b
        ldp     x0, x1, [x29, #16]
        ldp     x2, x3, [x29, #32]
        ldp     x4, x5, [x29, #48]
        ldp     x6, x7, [x29, #64]
        ldr     x16, [x29, #88]
        blr     x16
        ldr     x1, [x29, #80]
        ldr     x2, [x29, #96]
        bl      create_call_after
        mov     sp, x29
        .cfi_def_cfa_register sp
        ldp     x29, x30, [sp], #FRAME_BYTES
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        ret
        .cfi_endproc
        .size   create_call_wrapper, . - create_call_wrapper

        .section .note.GNU-stack, "", %progbits
