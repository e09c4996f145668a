// A variable of which the process has one, however many libraries define it: what C++ makes of a
// static of a template or inline function.
extern int unknown_unique;

__asm__(".pushsection .data\n"
        ".globl unknown_unique\n"
        ".type unknown_unique, %gnu_unique_object\n"
        ".size unknown_unique, 4\n"
        ".balign 4\n"
        "unknown_unique: .long 0\n"
        ".popsection\n");
