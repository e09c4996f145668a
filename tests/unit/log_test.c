// The log: what is written, where, and that nothing else changes.
#include "child.h"
#include "testing.h"

#include "base/compiler.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_MAXIMUM 1000

static char directory[] = "/tmp/log_test.XXXXXX";
static char file[64];
static char link_to_file[64];

static int make_directory(void **state) {
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(file, sizeof(file), "%s/log", directory);
    snprintf(link_to_file, sizeof(link_to_file), "%s/link", directory);
    return symlink(file, link_to_file);
}

static int remove_directory(void **state) {
    (void)state;
    unlink(file);
    unlink(link_to_file);
    return rmdir(directory);
}

static int remove_file(void **state) {
    (void)state;
    unlink(file);
    return 0;
}

static void read_file(char *text, size_t size) {
    int descriptor = open(file, O_RDONLY);
    assert_true(descriptor >= 0);
    ssize_t length = read(descriptor, text, size - 1);
    assert_true(length >= 0);
    text[length] = '\0';
    close(descriptor);
}

static void write_of_each_level(void *context) {
    const enum log_level *level = context;
    log_configure(*level, NULL);
    log_write(LOG_ERROR, "an error");
    log_write(LOG_INFO, "information");
    log_write(LOG_DEBUG, "detail");
    require(log_enabled(LOG_ERROR) == (*level >= LOG_ERROR));
    require(log_enabled(LOG_INFO) == (*level >= LOG_INFO));
    require(log_enabled(LOG_DEBUG) == (*level >= LOG_DEBUG));
}

static void writes_what_its_level_lets_through(void **state) {
    (void)state;
    for (enum log_level level = LOG_OFF; level <= LOG_DEBUG; level++) {
        char text[1000];
        assert_int_equal(run_in_child_with_stderr(write_of_each_level, &level, text, sizeof(text)),
                         0);
        assert_int_equal(strstr(text, "an error\n") != NULL, level >= LOG_ERROR);
        assert_int_equal(strstr(text, "information\n") != NULL, level >= LOG_INFO);
        assert_int_equal(strstr(text, "detail\n") != NULL, level >= LOG_DEBUG);
        assert_int_equal(text[0] == '\0', level == LOG_OFF);
    }
}

static void write_before_configuration(void *context) {
    (void)context;
    log_write(LOG_ERROR, "an error of %d", (int)getpid());
    log_write(LOG_INFO, "information");
}

static void begins_a_line_with_the_process(void **state) {
    (void)state;
    char text[1000];
    int pid, same_pid, length = 0;
    assert_int_equal(run_in_child_with_stderr(write_before_configuration, NULL, text, sizeof(text)),
                     0);
    assert_int_equal(sscanf(text, "grpcforkshim[%d]: an error of %d\n%n", &pid, &same_pid, &length),
                     2);
    assert_int_equal(pid, same_pid);
    assert_int_not_equal(pid, getpid());
    assert_int_equal(length, strlen(text));
}

static void write_of_length(void *context) {
    const size_t *length = context;
    char message[6000];
    memset(message, 'x', sizeof(message));
    message[*length] = '\0';
    log_write(LOG_ERROR, "%s", message);
}

static void cuts_a_line_at_a_thousand_bytes(void **state) {
    (void)state;
    for (size_t length = 970; length < 6000; length = length < 1010 ? length + 1 : length * 2) {
        char text[7000];
        assert_int_equal(run_in_child_with_stderr(write_of_length, &length, text, sizeof(text)), 0);
        const char *message = strchr(text, 'x');
        assert_non_null(message);
        size_t whole = (size_t)(message - text) + length + 1;
        assert_int_equal(strlen(text), whole < LINE_MAXIMUM ? whole : LINE_MAXIMUM);
        assert_int_equal(strspn(message, "x"), strlen(message) - 1);
        assert_int_equal(text[strlen(text) - 1], '\n');
    }
}

static void write_of_text(void *context) {
    log_write(LOG_ERROR, "%s", (const char *)context);
}

static void makes_a_message_printable(void **state) {
    static const char *const texts[][2] = {
        {"plain, caf\xc3\xa9, \xe2\x82\xac, \xf0\x9f\x98\x80", NULL},
        {"a\nb\tc\rd\033[31m\177", "a?b?c?d?[31m?"},
        {"\xc2\x9b\xc2\xa0", "??\xc2\xa0"},                        // C1, and the first behind it
        {"\x80\xbf\xff", "???"},                                   // no first byte
        {"\xc3|\xe2\x82|\xf0\x9f\x98", "?|??|???"},                // the rest is missing
        {"\xc0\xaf|\xe0\x9f\xbf|\xf0\x8f\xbf\xbf", "??|???|????"}, // longer than needed
        {"\xed\xa0\x80|\xf4\x90\x80\x80", "???|????"},             // no characters
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        char text[200];
        const char *expected = texts[i][texts[i][1] != NULL];
        assert_int_equal(
            run_in_child_with_stderr(write_of_text, (void *)texts[i][0], text, sizeof(text)), 0);
        const char *message = strstr(text, ": ");
        assert_non_null(message);
        assert_int_equal(strlen(message + 2), strlen(expected) + 1);
        assert_memory_equal(message + 2, expected, strlen(expected));
        assert_int_equal(text[strlen(text) - 1], '\n');
    }
}

static void write_into_packets(void *context) {
    const int *ends = context;
    dup2(ends[1], STDERR_FILENO);
    log_write(LOG_ERROR, "%s and %d", "one", 1);
    log_write(LOG_ERROR, "%s and %d", "two", 2);
}

static void writes_a_line_at_once(void **state) {
    (void)state;
    int ends[2];
    // Each write is a packet, and read takes one at a time.
    assert_int_equal(pipe2(ends, O_DIRECT), 0);
    assert_int_equal(run_in_child(write_into_packets, ends), 0);
    close(ends[1]);
    char text[1000];
    ssize_t length = read(ends[0], text, sizeof(text) - 1);
    assert_true(length > 0);
    text[length] = '\0';
    assert_non_null(strstr(text, "one and 1\n"));
    length = read(ends[0], text, sizeof(text) - 1);
    assert_true(length > 0);
    text[length] = '\0';
    assert_non_null(strstr(text, "two and 2\n"));
    assert_int_equal(read(ends[0], text, sizeof(text)), 0);
    close(ends[0]);
}

static void write_with_errno(void *context) {
    errno = 4711;
    log_write(LOG_ERROR, "an error");
    require(errno == 4711);
    log_configure(LOG_ERROR, "/no such directory/log");
    log_write(LOG_ERROR, "an error");
    require(errno == 4711);
    close(STDERR_FILENO);
    log_write(LOG_ERROR, "an error");
    (void)context;
    _exit(errno == 4711 ? 0 : 1);
}

static void keeps_errno(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(run_in_child_with_stderr(write_with_errno, NULL, text, sizeof(text)), 0);
}

static int count_descriptors(void) {
    int count = 0;
    DIR *descriptors = opendir("/proc/self/fd");
    require(descriptors != NULL);
    while (readdir(descriptors) != NULL)
        count++;
    closedir(descriptors);
    return count;
}

static void write_to_the_file(void *context) {
    const char *path = context;
    int before = count_descriptors();
    umask(0);
    log_configure(LOG_INFO, path);
    log_write(LOG_INFO, "first");
    log_write(LOG_ERROR, "second");
    require(count_descriptors() == before);
}

static void appends_to_a_file_of_the_owner(void **state) {
    (void)state;
    char text[1000];
    struct stat status;
    for (int run = 1; run <= 2; run++) {
        assert_int_equal(run_in_child_with_stderr(write_to_the_file, file, text, sizeof(text)), 0);
        assert_string_equal(text, "");
        assert_int_equal(stat(file, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        read_file(text, sizeof(text));
        int lines = 0;
        for (const char *character = text; *character != '\0'; character++)
            lines += *character == '\n';
        assert_int_equal(lines, 2 * run);
        assert_non_null(strstr(text, ": first\n"));
        assert_non_null(strstr(text, ": second\n"));
    }
}

static void does_not_follow_a_symbolic_link(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(run_in_child_with_stderr(write_to_the_file, link_to_file, text, sizeof(text)),
                     0);
    assert_non_null(strstr(text, ": first\n"));
    assert_non_null(strstr(text, ": second\n"));
    assert_int_equal(access(file, F_OK), -1);
}

static void falls_back_to_stderr(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(run_in_child_with_stderr(write_to_the_file, directory, text, sizeof(text)), 0);
    assert_non_null(strstr(text, ": first\n"));
    assert_non_null(strstr(text, ": second\n"));
}

static void write_once_in_parent_and_child(void *context) {
    static bool said;
    for (int i = 0; i < 3; i++)
        log_once(said, LOG_ERROR, "once");
    if (context == NULL && run_in_child(write_once_in_parent_and_child, &said) != 0)
        _exit(1);
}

static void says_once_what_is_to_be_said_once(void **state) {
    (void)state;
    char text[1000];
    assert_int_equal(
        run_in_child_with_stderr(write_once_in_parent_and_child, NULL, text, sizeof(text)), 0);
    const char *first = strstr(text, ": once\n");
    assert_non_null(first);
    assert_null(strstr(first + strlen(": once\n"), "once"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_its_level_lets_through),
        cmocka_unit_test(begins_a_line_with_the_process),
        cmocka_unit_test(cuts_a_line_at_a_thousand_bytes),
        cmocka_unit_test(makes_a_message_printable),
        cmocka_unit_test(writes_a_line_at_once),
        cmocka_unit_test(keeps_errno),
        cmocka_unit_test_teardown(appends_to_a_file_of_the_owner, remove_file),
        cmocka_unit_test_teardown(does_not_follow_a_symbolic_link, remove_file),
        cmocka_unit_test(falls_back_to_stderr),
        cmocka_unit_test(says_once_what_is_to_be_said_once),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
