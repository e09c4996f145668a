// A variable that the loader binds to one definition in the whole process, however the libraries
// that define it were loaded: what C++ makes of a static of a template or inline function.
extern int unique_object;

__asm__(".pushsection .data\n"
        ".globl unique_object\n"
        ".type unique_object, %gnu_unique_object\n"
        ".size unique_object, 4\n"
        ".balign 4\n"
        "unique_object:\n"
        ".long 5\n"
        ".popsection\n");

int *unique_address(void);

int *unique_address(void) {
    return &unique_object;
}
