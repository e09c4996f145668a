// std::function of libstdc++, whose layout is part of its ABI since GCC 4 (bits/std_function.h).
#ifndef GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_STANDARD_FUNCTION_H
#define GRPCFORKSHIM_LANGUAGES_CPLUSPLUS_STANDARD_FUNCTION_H

// Of any signature: what `invoke` is given and returns depends on it.
struct standard_function {
    void *storage[2];
    int (*manage)(void **to, void *const *from, int operation);
    void (*invoke)(void *const *storage);
};

// Operations of `manage`. A function without a manager holds nothing.
enum { MANAGE_TYPE = 0, MANAGE_POINTER = 1, MANAGE_CLONE = 2, MANAGE_DESTROY = 3 };

#endif
