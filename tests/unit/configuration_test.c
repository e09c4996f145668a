// The GRPCFORKSHIM_ variables: what is understood, and what is said about the rest.
#include "child.h"
#include "testing.h"

#include "base/configuration.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

static char directory[] = "/tmp/configuration_test.XXXXXX";
static char file[64];
static bool privileged;

unsigned long __real_getauxval(unsigned long type);
unsigned long __wrap_getauxval(unsigned long type);

unsigned long __wrap_getauxval(unsigned long type) {
    return type == AT_SECURE && privileged ? 1 : __real_getauxval(type);
}

static int make_directory(void **state) {
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(file, sizeof(file), "%s/log", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    unlink(file);
    return rmdir(directory);
}

static int remove_file(void **state) {
    (void)state;
    unlink(file);
    privileged = false;
    return 0;
}

// What a process with this environment, ended by NULL, must read and say.
struct expectation {
    const char *environment[4];
    bool disabled;
    enum log_level level;
    const char *lines[4]; // the message of each; no others may come
};

static void read_and_check(void *context) {
    const struct expectation *expected = context;
    environ = (char **)(uintptr_t)expected->environment;
    require(!configuration()->disabled);
    errno = 4711;
    configuration_read();
    require(errno == 4711);
    require(configuration()->disabled == expected->disabled);
    require(log_enabled(expected->level));
    require(expected->level == LOG_DEBUG || !log_enabled(expected->level + 1));
}

// Takes the line out of the text, so that what remains was not expected.
static bool take_line(char *text, const char *message) {
    char *line = text;
    while (*line != '\0') {
        char *end = strchr(line, '\n');
        size_t length = strlen(message);
        if (end == NULL)
            return false;
        if ((size_t)(end - line) > length && strncmp(end - length, message, length) == 0 &&
            strncmp(end - length - 3, "]: ", 3) == 0) {
            memmove(line, end + 1, strlen(end + 1) + 1);
            return true;
        }
        line = end + 1;
    }
    return false;
}

static void check(const struct expectation *expected) {
    char text[5000];
    int status =
        run_in_child_with_stderr(read_and_check, (void *)(uintptr_t)expected, text, sizeof(text));
    for (size_t i = 0; i < 4 && expected->lines[i] != NULL; i++) {
        if (!take_line(text, expected->lines[i]))
            fail_msg("not said: %s\nbut: %s", expected->lines[i], text);
    }
    assert_string_equal(text, "");
    assert_int_equal(status, 0);
}

static void is_silent_without_variables(void **state) {
    (void)state;
    check(&(struct expectation){.level = LOG_ERROR});
    check(&(struct expectation){
        .environment = {"GRPC_VERBOSITY=nonsense", "GRPCFORKSHIM=nonsense",
                        "grpcforkshim_disable=1"},
        .level = LOG_ERROR,
    });
}

static void lacks_an_environment(void *context) {
    (void)context;
    environ = NULL;
    configuration_read();
    require(!configuration()->disabled && log_enabled(LOG_ERROR) && !log_enabled(LOG_INFO));
}

static void survives_the_lack_of_an_environment(void **state) {
    (void)state;
    assert_int_equal(run_in_child(lacks_an_environment, NULL), 0);
}

static void reads_the_level(void **state) {
    (void)state;
    check(&(struct expectation){{"GRPCFORKSHIM_LOG_LEVEL=off"}, false, LOG_OFF, {NULL}});
    check(&(struct expectation){{"GRPCFORKSHIM_LOG_LEVEL=error"}, false, LOG_ERROR, {NULL}});
    check(&(struct expectation){{"GRPCFORKSHIM_LOG_LEVEL=info"}, false, LOG_INFO, {NULL}});
    check(&(struct expectation){{"GRPCFORKSHIM_LOG_LEVEL=debug"}, false, LOG_DEBUG, {NULL}});
}

static void reads_whether_it_is_disabled(void **state) {
    (void)state;
    check(&(struct expectation){{"GRPCFORKSHIM_DISABLE=1"}, true, LOG_ERROR, {NULL}});
    check(&(struct expectation){{"GRPCFORKSHIM_DISABLE=0"}, false, LOG_ERROR, {NULL}});
    check(&(struct expectation){{"GRPCFORKSHIM_DISABLE="}, false, LOG_ERROR, {NULL}});
}

static void read_reports(void *context) {
    const char *const environment[] = {"GRPCFORKSHIM_REPORT=all",
                                       "GRPCFORKSHIM_REPORT_SIGNAL=SIGRTMIN+5", NULL};
    (void)context;
    environ = (char **)(uintptr_t)environment;
    configuration_read();
    require(configuration()->report_at_end == REPORT_ALL);
    require(configuration()->report_signal == SIGRTMIN + 5);
}

static void reads_signal(void *context) {
    static const struct {
        const char *variable;
        int signal;
    } signals[] = {
        {"GRPCFORKSHIM_REPORT_SIGNAL=10", 10},
        {"GRPCFORKSHIM_REPORT_SIGNAL=USR1", SIGUSR1},
        {"GRPCFORKSHIM_REPORT_SIGNAL=SIGUSR2", SIGUSR2},
        {"GRPCFORKSHIM_REPORT_SIGNAL=64", 64},
        {"GRPCFORKSHIM_REPORT_SIGNAL=0", 0},
    };
    static const char *environment[2];
    (void)context;
    environ = (char **)(uintptr_t)environment;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        environment[0] = signals[i].variable;
        configuration_read();
        require(configuration()->report_signal == signals[i].signal);
    }
}

static void reads_what_to_report(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(run_in_child_with_stderr(read_reports, NULL, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    assert_int_equal(run_in_child_with_stderr(reads_signal, NULL, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

static void complains_of_an_unknown_value(void **state) {
    (void)state;
    check(&(struct expectation){
        {"GRPCFORKSHIM_LOG_LEVEL=Debug"},
        false,
        LOG_ERROR,
        {"GRPCFORKSHIM_LOG_LEVEL: unknown value \"Debug\", using \"error\""},
    });
    check(&(struct expectation){
        {"GRPCFORKSHIM_DISABLE=yes", "GRPCFORKSHIM_LOG_LEVEL=info"},
        false,
        LOG_INFO,
        {"GRPCFORKSHIM_DISABLE: unknown value \"yes\", using \"0\""},
    });
    check(&(struct expectation){
        {"GRPCFORKSHIM_DISABLE=2", "GRPCFORKSHIM_LOG_LEVEL=3"},
        false,
        LOG_ERROR,
        {"GRPCFORKSHIM_DISABLE: unknown value \"2\", using \"0\"",
         "GRPCFORKSHIM_LOG_LEVEL: unknown value \"3\", using \"error\""},
    });
    check(&(struct expectation){
        {"GRPCFORKSHIM_REPORT=2", "GRPCFORKSHIM_REPORT_SIGNAL=STOP"},
        false,
        LOG_ERROR,
        {"GRPCFORKSHIM_REPORT: unknown value \"2\", using \"0\"",
         "GRPCFORKSHIM_REPORT_SIGNAL: no such signal \"STOP\", using none"},
    });
}

static void complains_of_each_unknown_variable(void **state) {
    (void)state;
    check(&(struct expectation){
        {"GRPCFORKSHIM_LOG=debug", "GRPCFORKSHIM_DISABLE=1"},
        true,
        LOG_ERROR,
        {"GRPCFORKSHIM_LOG: unknown variable, ignoring it"},
    });
    check(&(struct expectation){
        {"GRPCFORKSHIM_LOG_LEVELS=debug", "GRPCFORKSHIM_DISABLED=1", "GRPCFORKSHIM_=1"},
        false,
        LOG_ERROR,
        {"GRPCFORKSHIM_LOG_LEVELS: unknown variable, ignoring it",
         "GRPCFORKSHIM_DISABLED: unknown variable, ignoring it",
         "GRPCFORKSHIM_: unknown variable, ignoring it"},
    });
}

static void complains_of_a_file_that_cannot_be_opened(void **state) {
    (void)state;
    check(&(struct expectation){
        {"GRPCFORKSHIM_LOG_FILE=/no such directory/log", "GRPCFORKSHIM_LOG_LEVEL=info"},
        false,
        LOG_INFO,
        {"GRPCFORKSHIM_LOG_FILE: can't open \"/no such directory/log\": No such file or directory, "
         "logging to stderr"},
    });
}

static void read_log(char *text, size_t size) {
    int descriptor = open(file, O_RDONLY);
    ssize_t length = descriptor >= 0 ? read(descriptor, text, size - 1) : 0;
    text[length > 0 ? length : 0] = '\0';
    close(descriptor);
}

static void complains_in_the_file(void **state) {
    (void)state;
    char variable[100], text[1000];
    snprintf(variable, sizeof(variable), "GRPCFORKSHIM_LOG_FILE=%s", file);
    check(&(struct expectation){{"GRPCFORKSHIM_DISABLE=no", variable}, false, LOG_ERROR, {NULL}});
    read_log(text, sizeof(text));
    assert_true(take_line(text, "GRPCFORKSHIM_DISABLE: unknown value \"no\", using \"0\""));
    assert_string_equal(text, "");
}

// setproctitle(3) and its like write the program's name over the arguments and the environment.
static void overwrite_the_environment(void *context) {
    char variable[100];
    (void)context;
    snprintf(variable, sizeof(variable), "GRPCFORKSHIM_LOG_FILE=%s", file);
    const char *const variables[] = {variable, NULL};
    environ = (char **)(uintptr_t)variables;
    configuration_read();
    memset(variable, 0, sizeof(variable));
    log_write(LOG_ERROR, "a message");
}

static void keeps_the_file_when_the_environment_is_overwritten(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(run_in_child_with_stderr(overwrite_the_environment, NULL, text, sizeof(text)),
                     0);
    assert_string_equal(text, "");
    read_log(text, sizeof(text));
    assert_true(take_line(text, "a message"));
}

static void reads_nothing_with_raised_privileges(void **state) {
    (void)state;
    char variable[100];
    snprintf(variable, sizeof(variable), "GRPCFORKSHIM_LOG_FILE=%s", file);
    privileged = true;
    check(&(struct expectation){
        {"GRPCFORKSHIM_DISABLE=1", "GRPCFORKSHIM_LOG_LEVEL=nonsense", variable},
        false,
        LOG_ERROR,
        {NULL},
    });
    assert_int_equal(access(file, F_OK), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_silent_without_variables),
        cmocka_unit_test(survives_the_lack_of_an_environment),
        cmocka_unit_test(reads_the_level),
        cmocka_unit_test(reads_whether_it_is_disabled),
        cmocka_unit_test(reads_what_to_report),
        cmocka_unit_test(complains_of_an_unknown_value),
        cmocka_unit_test(complains_of_each_unknown_variable),
        cmocka_unit_test(complains_of_a_file_that_cannot_be_opened),
        cmocka_unit_test_teardown(complains_in_the_file, remove_file),
        cmocka_unit_test_teardown(keeps_the_file_when_the_environment_is_overwritten, remove_file),
        cmocka_unit_test_teardown(reads_nothing_with_raised_privileges, remove_file),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
