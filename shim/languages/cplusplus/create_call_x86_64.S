// See create_call.h. System V ABI, x86-64.
// In a circle with cplusplus.c: see create_call.h.

#define STACK_BYTES 256 // of arguments on the stack: more than any version has; a multiple of 16

        .hidden create_call_before
        .hidden create_call_after

        .text
        .globl  create_call_wrapper
        .hidden create_call_wrapper
        .type   create_call_wrapper, @function
create_call_wrapper:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        // struct create_call_arguments at -80(%rbp)
        subq    $80, %rsp
        movq    %rdi, -80(%rbp)
        movq    %rsi, -72(%rbp)
        movq    %rdx, -64(%rbp)
        movq    %rcx, -56(%rbp)
        movq    %r8, -48(%rbp)
        movq    %r9, -40(%rbp)
        leaq    -80(%rbp), %rdi
        movq    8(%rbp), %rsi
        call    create_call_before
        // The caller's arguments on the stack begin behind its return address. Where there are
        // fewer, what lies above them is copied too, and not looked at.
        subq    $STACK_BYTES, %rsp
        leaq    16(%rbp), %rsi
        movq    %rsp, %rdi
        movl    $(STACK_BYTES / 8), %ecx
        cld
        rep movsq
        movq    -80(%rbp), %rdi
        movq    -72(%rbp), %rsi
        movq    -64(%rbp), %rdx
        movq    -56(%rbp), %rcx
        movq    -48(%rbp), %r8
        movq    -40(%rbp), %r9
        call    *-24(%rbp)
        movq    %rax, %rdi
        movq    -32(%rbp), %rsi
        movq    -16(%rbp), %rdx
        call    create_call_after
        leave
        .cfi_def_cfa %rsp, 8
        ret
        .cfi_endproc
        .size   create_call_wrapper, . - create_call_wrapper

        .section .note.GNU-stack, "", @progbits
