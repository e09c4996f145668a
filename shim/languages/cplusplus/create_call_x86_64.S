// See create_call.h. System V ABI, x86-64.
// In a circle with cplusplus.c: see create_call.h.

#define STACK_BYTES 256 // of arguments on the stack: more than any version has; a multiple of 16

        .hidden create_call_real
        .hidden create_call_before
        .hidden create_call_after

        .bss
        .globl  create_call_real
        .balign 8
        .type   create_call_real, @object
        .size   create_call_real, 8
create_call_real:
        .zero   8

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
        // struct create_call_arguments at -64(%rbp)
        subq    $64, %rsp
        movq    %rdi, -64(%rbp)
        movq    %rsi, -56(%rbp)
        movq    %rdx, -48(%rbp)
        movq    %rcx, -40(%rbp)
        movq    %r8, -32(%rbp)
        movq    %r9, -24(%rbp)
        leaq    -64(%rbp), %rdi
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
        movq    -64(%rbp), %rdi
        movq    -56(%rbp), %rsi
        movq    -48(%rbp), %rdx
        movq    -40(%rbp), %rcx
        movq    -32(%rbp), %r8
        movq    -24(%rbp), %r9
        call    *create_call_real(%rip)
        movq    %rax, %rdi
        movq    -16(%rbp), %rsi
        call    create_call_after
        leave
        .cfi_def_cfa %rsp, 8
        ret
        .cfi_endproc
        .size   create_call_wrapper, . - create_call_wrapper

        .section .note.GNU-stack, "", @progbits
