// See thunk.h. System V ABI, x86-64: r11 is nobody's at the entry of a function, and all registers
// that hold arguments are left as they are.

#define THUNKS 2048 // as in thunk.h

        .bss
        .balign 8
        .globl  thunk_entries
        .hidden thunk_entries
        .type   thunk_entries, @object
        .size   thunk_entries, 8
thunk_entries:
        .zero   8

        .section .tbss, "awT", @nobits
        .balign 8
        .globl  thunk_core
        .hidden thunk_core
        .type   thunk_core, @object
        .size   thunk_core, 8
thunk_core:
        .zero   8

        .text
        .balign 16
        .globl  thunk_first
        .hidden thunk_first
        .type   thunk_first, @function
thunk_first:
        .cfi_startproc
        .set    number, 0
        .rept   THUNKS
        .balign 16
        endbr64
        movl    $number, %r11d
        jmp     thunk_pass
        .set    number, number + 1
        .endr
        .cfi_endproc
        .size   thunk_first, . - thunk_first

        .balign 16
        .type   thunk_pass, @function
thunk_pass:
        .cfi_startproc
        shlq    $4, %r11
        addq    thunk_entries(%rip), %r11
        // struct thunk_entry: the core, the function
        pushq   %rax
        .cfi_adjust_cfa_offset 8
        pushq   %rcx
        .cfi_adjust_cfa_offset 8
        movq    (%r11), %rax
        movq    thunk_core@gottpoff(%rip), %rcx
        movq    %rax, %fs:(%rcx)
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        popq    %rax
        .cfi_adjust_cfa_offset -8
        jmp     *8(%r11)
        .cfi_endproc
        .size   thunk_pass, . - thunk_pass

        .section .note.GNU-stack, "", @progbits
