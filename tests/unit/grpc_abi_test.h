// One set of declarations, in numbers and words.
#ifndef GRPCFORKSHIM_TESTS_GRPC_ABI_TEST_H
#define GRPCFORKSHIM_TESTS_GRPC_ABI_TEST_H

#ifdef __cplusplus
extern "C" {
#endif

struct abi_fact {
    const char *expression;
    long long value;
};

struct abi_prototype {
    const char *name;
    const char *prototype; // "" where the set does not declare the function
};

// Both sets have the same entries in the same order. The lists end with a name that is NULL.
const struct abi_fact *shim_facts(void);
const struct abi_fact *installed_facts(void);
const struct abi_prototype *shim_prototypes(void);
const struct abi_prototype *installed_prototypes(void);

#ifdef __cplusplus
}
#endif

#endif
