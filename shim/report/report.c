#include "report/report.h"

#include "base/compiler.h"
#include "base/configuration.h"
#include "base/log.h"
#include "process/record.h"
#include "report/counters.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Of the line, as docs/machine-readable.md describes it: raised where what a key says changes, or
// one goes, not where keys are added.
#define REPORT_FORM "1"

// No stdio: it may be in use where the signal comes.
struct line {
    char text[400];
    size_t length;
};

static void add_text(struct line *line, const char *text) {
    size_t length = strlen(text);
    if (length > sizeof(line->text) - line->length)
        length = sizeof(line->text) - line->length;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void add_number(struct line *line, uint64_t number) {
    char digits[21];
    size_t begin = sizeof(digits) - 1;
    digits[begin] = '\0';
    do {
        digits[--begin] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add_text(line, digits + begin);
}

void report_write(void) {
#define NAME(name) #name,
    static const char *const counters[] = {COUNTERS(NAME)};
    static const char *const states[] = {RECORD_STATES(NAME)};
#undef NAME
    struct line line = {.length = 0};
    add_text(&line, "grpcforkshim[");
    add_number(&line, (uint64_t)syscall(SYS_getpid));
    add_text(&line, "]: report: form=" REPORT_FORM " grpc=");
    add_text(&line, states[atomic_load(&process_record.state)]);
    add_text(&line, " generation=");
    add_number(&line, atomic_load(&process_record.generation));
    for (int i = 0; i < COUNTER_KINDS; i++) {
        add_text(&line, " ");
        add_text(&line, counters[i]);
        add_text(&line, "=");
        add_number(&line, counters_get(i));
    }
    add_text(&line, "\n");
    log_put(line.text, line.length);
}

void report_at_end(void) {
    static _Atomic pid_t reported;
    enum report_at_end wanted = configuration()->report_at_end;
    if (likely(wanted == REPORT_NONE))
        return;
    int saved_errno = errno;
    pid_t self = (pid_t)syscall(SYS_getpid);
    bool has_grpc = atomic_load(&process_record.state) != RECORD_none;
    bool own_memory = atomic_load(&process_record.process) == (uint32_t)self;
    if ((has_grpc || wanted == REPORT_ALL) && own_memory &&
        atomic_exchange(&reported, self) != self)
        report_write();
    errno = saved_errno;
}

static void on_signal(int number) {
    (void)number;
    int saved_errno = errno;
    report_write();
    errno = saved_errno;
}

static void prepare_signal(int number) {
    struct sigaction present, ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&ours.sa_mask);
    // A constructor of another library may have come first.
    if (sigaction(number, NULL, &present) == 0 && present.sa_handler != SIG_DFL &&
        present.sa_handler != SIG_IGN)
        log_write(LOG_ERROR, "signal %d is in use already, it writes no report", number);
    else if (sigaction(number, &ours, NULL) != 0)
        log_write(LOG_ERROR, "can't handle signal %d: %s, it writes no report", number,
                  strerror(errno));
}

void report_start(void) {
    int saved_errno = errno;
    if (configuration()->report_at_end != REPORT_NONE && at_quick_exit(report_at_end) != 0)
        log_write(LOG_ERROR, "can't handle quick_exit, out of memory, it writes no report");
    if (configuration()->report_signal != 0)
        prepare_signal(configuration()->report_signal);
    errno = saved_errno;
}
