// cmocka, which wants these four headers before its own.
#ifndef GRPCFORKSHIM_TESTS_TESTING_H
#define GRPCFORKSHIM_TESTS_TESTING_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#endif
