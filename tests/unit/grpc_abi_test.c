// Compares the shim's declarations of gRPC with the headers of the gRPC that is installed.
#include "grpc_abi_test.h"
#include "testing.h"

#include <stdbool.h>
#include <string.h>

static void agrees_in_sizes_offsets_and_values(void **state) {
    const struct abi_fact *shim = shim_facts(), *installed = installed_facts();
    int different = 0;
    (void)state;
    for (; shim->expression != NULL; shim++, installed++) {
        assert_string_equal(shim->expression, installed->expression);
        if (shim->value == installed->value)
            continue;
        print_error("%s: %lld in the shim, %lld in gRPC\n", shim->expression, shim->value,
                    installed->value);
        different++;
    }
    assert_null(installed->expression);
    assert_int_equal(different, 0);
}

// A function that was given more parameters over time: the shim passes as many as any version
// takes, and a version that takes fewer does not see the others.
static const char *const grown[] = {"grpc_google_default_credentials_create"};

// A function that was given another parameter between two: its wrapper tells by the value.
static const char *const split[] = {"grpc_tls_certificate_provider_file_watcher_create"};

// A function that has lost its result between two: its wrapper has one.
static const char *const silenced[] = {"grpc_tls_credentials_options_set_cert_request_type"};

static bool agree(const struct abi_prototype *shim, const struct abi_prototype *installed) {
    for (size_t i = 0; i < sizeof(grown) / sizeof(grown[0]); i++) {
        size_t all_but_parenthesis = strlen(installed->prototype) - 1;
        if (strcmp(shim->name, grown[i]) == 0)
            return strncmp(shim->prototype, installed->prototype, all_but_parenthesis) == 0;
    }
    for (size_t i = 0; i < sizeof(split) / sizeof(split[0]); i++) {
        if (strcmp(shim->name, split[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof(silenced) / sizeof(silenced[0]); i++) {
        if (strcmp(shim->name, silenced[i]) == 0)
            return strcmp(strchr(shim->prototype, '('), strchr(installed->prototype, '(')) == 0;
    }
    return strcmp(shim->prototype, installed->prototype) == 0;
}

static void agrees_in_prototypes(void **state) {
    const struct abi_prototype *shim = shim_prototypes(), *installed = installed_prototypes();
    int different = 0, declared = 0;
    (void)state;
    for (; shim->name != NULL; shim++, installed++) {
        assert_string_equal(shim->name, installed->name);
        declared += installed->prototype[0] != '\0';
        if (installed->prototype[0] == '\0' || agree(shim, installed))
            continue;
        print_error("%s: %s in the shim, %s in gRPC\n", shim->name, shim->prototype,
                    installed->prototype);
        different++;
    }
    assert_null(installed->name);
    print_message("%d functions compared\n", declared);
    assert_true(declared > 40);
    assert_int_equal(different, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_in_sizes_offsets_and_values),
        cmocka_unit_test(agrees_in_prototypes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
