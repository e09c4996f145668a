// A program that knows nothing of gRPC and loads plugins, each for itself alone and with a gRPC
// core of its own: each core has to be its plugin's, before a fork, and in parent and child after
// it.
//
// several_cores [--one-core] ADDRESS SCENARIO PLUGIN PLUGIN...
//
// With --one-core the loader has bound all plugins to one core, which the program is linked with:
// they have one connection, and what else each brought is not asked anything. The plugins are
// core_plugin.h's. What the scenarios do is told beside the functions below; after each child the
// parent calls in each plugin that it has open.

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core_plugin.h"
#include "descriptor_list.h"

#define MAXIMUM_PLUGINS 8
#define THREADS_OF_EACH 2
#define FORKS_UNDER_THREADS 20
// All calls of a child, one after the other, each of which ends at its own deadline.
#define CHILD_SECONDS (6 * PLUGIN_CALL_SECONDS)

static struct plugin {
    const char *path;
    void *handle;
    // Of the core itself: whoever stands in front of it is not asked.
    int (*core_is_initialized)(void);
    __typeof__(plugin_open) *open;
    __typeof__(plugin_call) *call, *call_new;
    __typeof__(plugin_call_quietly) *call_quietly;
    __typeof__(plugin_peer) *peer;
    __typeof__(plugin_close) *close;
    __typeof__(plugin_version) *version;
    bool is_open;
    // The process that its connection is of.
    pid_t process;
} plugins[MAXIMUM_PLUGINS];

static const char *address;
static int plugin_count;
static bool one_core;
static struct descriptor_list at_start;
// gRPC keeps some descriptors when it is shut down.
static bool any_descriptors;
// What whoever runs is called in what it prints.
static char self[32] = "parent";

static bool report(const char *subject, int number, bool passed) {
    printf("%s %d %s %s\n", self, number, subject, passed ? "ok" : "FAILED");
    return passed;
}

// --- plugins
// --------------------------------------------------------------------------------------

static void *look_up(const struct plugin *plugin, const char *name) {
    void *symbol = dlsym(plugin->handle, name);
    if (symbol == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return symbol;
}

static void load(int number) {
    struct plugin *plugin = &plugins[number - 1];
    plugin->handle = dlopen(plugin->path, RTLD_NOW | RTLD_LOCAL);
    if (plugin->handle == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    plugin->core_is_initialized = (int (*)(void))look_up(plugin, "grpc_is_initialized");
    plugin->open = (__typeof__(plugin->open))look_up(plugin, "plugin_open");
    plugin->call = (__typeof__(plugin->call))look_up(plugin, "plugin_call");
    plugin->call_new = (__typeof__(plugin->call_new))look_up(plugin, "plugin_call_new");
    plugin->call_quietly = (__typeof__(plugin->call_quietly))look_up(plugin, "plugin_call_quietly");
    plugin->peer = (__typeof__(plugin->peer))look_up(plugin, "plugin_peer");
    plugin->close = (__typeof__(plugin->close))look_up(plugin, "plugin_close");
    plugin->version = (__typeof__(plugin->version))look_up(plugin, "plugin_version");
    Dl_info information;
    if (dladdr((void *)plugin->core_is_initialized, &information) != 0)
        printf("%s %d core %s version %s\n", self, number, information.dli_fname,
               plugin->version());
}

static const char *who(int number, const char *what) {
    static char name[64];
    snprintf(name, sizeof(name), "%s %d%s", self, number, what);
    return name;
}

// Two cores with one connection would be one core: channels that are alike share one.
static bool has_own_connection(int number) {
    for (int other = 1; other <= plugin_count; other++) {
        if (other == number || !plugins[other - 1].is_open ||
            plugins[other - 1].process != getpid())
            continue;
        bool is_same = strcmp(plugins[other - 1].peer(), plugins[number - 1].peer()) == 0;
        if (is_same != one_core)
            return report(one_core ? "same_connection" : "own_connection", number, false);
    }
    return true;
}

// The process that used gRPC last. In a child that has not, a core has its parent's state, which it
// gets rid of at its first use: only who asks the core itself sees that.
static pid_t user;

static bool core_is(int number, bool initialized) {
    return one_core || user != getpid() ||
           report(initialized ? "core_initialized" : "core_not_initialized", number,
                  (plugins[number - 1].core_is_initialized() != 0) == initialized);
}

// Old versions shut down in a thread, and nothing tells when it is done.
static bool core_is_shut_down(int number) {
    for (int i = 0;
         !one_core && user == getpid() && plugins[number - 1].core_is_initialized() && i < 10000;
         i++)
        usleep(1000);
    return core_is(number, false);
}

static bool open_plugin(int number) {
    struct plugin *plugin = &plugins[number - 1];
    bool was_down = core_is(number, false);
    bool passed = plugin->open(who(number, ""), address);
    plugin->is_open = true;
    plugin->process = getpid();
    bool is_up = core_is(number, true);
    return has_own_connection(number) && passed && was_down && is_up;
}

static bool close_plugin(int number) {
    plugins[number - 1].close();
    plugins[number - 1].is_open = false;
    return core_is_shut_down(number);
}

static bool call(int number) {
    bool passed = plugins[number - 1].call(who(number, ""));
    plugins[number - 1].process = getpid();
    user = getpid();
    return passed && has_own_connection(number);
}

static bool call_new(int number) {
    return plugins[number - 1].call_new(who(number, " new"));
}

static bool call_all(void) {
    bool passed = true;
    for (int number = 1; number <= plugin_count; number++) {
        if (plugins[number - 1].is_open)
            passed = call(number) && passed;
    }
    return passed;
}

static bool call_all_and_new(void) {
    bool passed = true;
    for (int number = 1; number <= plugin_count; number++) {
        passed = call(number) && passed;
        passed = call_new(number) && passed;
    }
    return passed;
}

// --- processes
// ------------------------------------------------------------------------------------

// What gRPC had open is closed in the child, whichever core's it is, and nothing else.
static bool has_programs_descriptors(void) {
    static struct descriptor_list now;
    list_descriptors(&now);
    size_t changes = print_difference(self, "still_open", &now, &at_start);
    changes += print_difference(self, "missing", &at_start, &now);
    return changes == 0;
}

// The child ends with what its body returns, by exit() or by _exit().
static bool in_child(const char *name, bool (*body)(void), void (*leave)(int)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == -1) {
        perror("fork");
        exit(2);
    }
    if (child == 0) {
        alarm(CHILD_SECONDS);
        snprintf(self, sizeof(self), "%s", name);
        bool passed = any_descriptors || has_programs_descriptors();
        passed = body() && passed;
        fflush(NULL);
        leave(passed ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    printf("%s %s exit %d\n", self, name, code);
    return code == 0;
}

static bool use_nothing(void) {
    return true;
}

static bool use_second(void) {
    return call(2) && call_new(2);
}

static bool use_all_backwards(void) {
    bool passed = true;
    for (int number = plugin_count; number > 0; number--) {
        passed = call_new(number) && passed;
        passed = call(number) && passed;
    }
    return passed;
}

// --- scenarios
// ------------------------------------------------------------------------------------

static bool open_all(void) {
    bool passed = true;
    for (int number = 1; number <= plugin_count; number++)
        load(number);
    for (int number = 1; number <= plugin_count; number++)
        passed = open_plugin(number) && passed;
    return passed;
}

// Without any fork.
static bool run_calls(void) {
    return call_all_and_new();
}

// Each plugin is loaded when the ones before it are in use. Without any fork.
static bool run_one_by_one(void) {
    bool passed = true;
    for (int number = 1; number <= plugin_count; number++) {
        load(number);
        passed = open_plugin(number) && passed;
    }
    return call_all_and_new() && passed;
}

static bool take_turns(void) {
    bool passed = true;
    for (int number = 1; number <= plugin_count; number++) {
        passed = open_plugin(number) && passed;
        passed = call_new(number) && passed;
        passed = close_plugin(number) && passed;
    }
    return passed;
}

// Never more than one in use. Without any fork.
static bool run_turns(void) {
    for (int number = 1; number <= plugin_count; number++)
        load(number);
    return take_turns();
}

static bool use_first_then_second(void) {
    bool passed = call(1);
    passed = close_plugin(1) && passed;
    passed = open_plugin(2) && passed;
    return close_plugin(2) && passed;
}

// Never more than one in use, but each in its turn at a fork.
static bool run_turns_in_children(void) {
    bool passed = true;
    for (int number = 1; number <= plugin_count; number++)
        load(number);
    passed = open_plugin(1) && passed;
    passed = in_child("child", use_first_then_second, exit) && passed;
    passed = call(1) && passed;
    passed = close_plugin(1) && passed;
    passed = in_child("without", take_turns, exit) && passed;
    passed = open_plugin(2) && passed;
    passed = in_child("second", use_second, exit) && passed;
    return call(2) && passed;
}

// The child uses each core: what it inherited, and a new channel.
static bool run_both(void) {
    return in_child("child", call_all_and_new, _exit);
}

static bool run_backwards(void) {
    return in_child("child", use_all_backwards, _exit);
}

static bool run_second(void) {
    return in_child("child", use_second, _exit);
}

// The child uses none, and ends as programs do.
static bool run_none(void) {
    return in_child("child", use_nothing, exit);
}

// The child uses all, and ends as programs do.
static bool run_exit(void) {
    return in_child("child", call_all_and_new, exit);
}

static bool close_all_and_open_again(void) {
    bool passed = true;
    for (int number = 1; number <= plugin_count; number++)
        passed = close_plugin(number) && passed;
    for (int number = plugin_count; number > 0; number--)
        passed = open_plugin(number) && passed;
    return passed;
}

// The child shuts one core down after the other, and begins again.
static bool run_close(void) {
    return in_child("child", close_all_and_open_again, exit);
}

static bool use_first_and_fork(void) {
    bool passed = call(1);
    passed = in_child("grandchild", use_all_backwards, _exit) && passed;
    passed = call(1) && passed;
    return call(2) && passed;
}

static bool fork_only(void) {
    return in_child("grandchild", call_all_and_new, _exit);
}

// One core is the child's, the other still its parent's, when it forks itself; then neither is.
static bool run_grandchild(void) {
    bool passed = in_child("child", use_first_and_fork, _exit);
    passed = call_all() && passed;
    return in_child("idle", fork_only, exit) && passed;
}

static bool use_first(void) {
    bool passed = call(1);
    return call_new(1) && passed;
}

// The second plugin comes after the first fork.
static bool run_late(void) {
    load(1);
    bool passed = open_plugin(1);
    passed = in_child("before", use_first, exit) && passed;
    passed = call(1) && passed;
    load(2);
    passed = open_plugin(2) && passed;
    return in_child("child", call_all_and_new, exit) && passed;
}

static bool load_second_and_use_all(void) {
    load(2);
    bool passed = open_plugin(2);
    passed = call_all_and_new() && passed;
    passed = in_child("grandchild", call_all_and_new, _exit) && passed;
    return call_all() && passed;
}

// The second plugin comes in a child alone.
static bool run_in_child(void) {
    load(1);
    bool passed = open_plugin(1);
    return in_child("child", load_second_and_use_all, exit) && passed;
}

static bool open_first_and_use_all(void) {
    bool passed = call(2);
    passed = open_plugin(1) && passed;
    return call_all_and_new() && passed;
}

// One core is shut down at the fork, the other in use.
static bool run_unequal(void) {
    bool passed = close_plugin(1);
    passed = in_child("child", open_first_and_use_all, exit) && passed;
    passed = open_plugin(1) && passed;
    return in_child("again", call_all_and_new, exit) && passed;
}

// Whether it is gone is the loader's decision: what C++ has once in a process keeps a library
// there.
static void unload(int number) {
    Dl_info information;
    dlclose(plugins[number - 1].handle);
    bool is_gone = dladdr((void *)plugins[number - 1].core_is_initialized, &information) == 0;
    printf("%s %d %s\n", self, number, is_gone ? "unloaded" : "still loaded");
}

static bool unload_second_and_load_again(void) {
    bool passed = use_first();
    passed = close_plugin(2) && passed;
    unload(2);
    passed = use_first() && passed;
    load(2);
    return open_plugin(2) && passed;
}

// The second plugin is unloaded, and loaded again. Without any fork.
static bool run_unload(void) {
    return unload_second_and_load_again();
}

// No gRPC is in use, and the second is not there any more, when a child is forked that does
// nothing.
static bool run_unload_and_fork(void) {
    bool passed = close_plugin(1);
    passed = close_plugin(2) && passed;
    unload(2);
    any_descriptors = true;
    return in_child("child", use_nothing, exit) && passed;
}

// The second is not there when the first child is forked; then it is unloaded in one.
static bool run_unload_in_children(void) {
    bool passed = close_plugin(2);
    unload(2);
    passed = in_child("child", use_first, exit) && passed;
    passed = call(1) && passed;
    load(2);
    passed = open_plugin(2) && passed;
    passed = in_child("again", call_all_and_new, exit) && passed;
    return in_child("without", unload_second_and_load_again, exit) && passed;
}

static atomic_bool is_over;
static atomic_int failed_calls;

static void *call_until_over(void *argument) {
    const struct plugin *plugin = argument;
    while (!atomic_load(&is_over)) {
        if (!plugin->call_quietly())
            atomic_fetch_add(&failed_calls, 1);
    }
    return NULL;
}

// Threads call in each plugin while the program forks.
static bool run_threads(void) {
    static bool (*const bodies[])(void) = {call_all_and_new, use_second, use_nothing};
    pthread_t threads[MAXIMUM_PLUGINS * THREADS_OF_EACH];
    int count = 0;
    bool passed = true;
    for (; count < plugin_count * THREADS_OF_EACH; count++) {
        if (pthread_create(&threads[count], NULL, call_until_over,
                           &plugins[count / THREADS_OF_EACH]) != 0)
            exit(2);
    }
    for (int fork = 0; fork < FORKS_UNDER_THREADS && passed; fork++)
        passed = in_child("child", bodies[fork % 3], fork % 2 == 0 ? exit : _exit);
    atomic_store(&is_over, true);
    while (count > 0)
        pthread_join(threads[--count], NULL);
    printf("parent failed_calls %d\n", atomic_load(&failed_calls));
    return passed && atomic_load(&failed_calls) == 0;
}

// Waits for the end of standard input, to be looked at.
static bool run_wait(void) {
    char byte;
    puts("ready");
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return true;
}

static const struct scenario {
    const char *name;
    bool (*run)(void);
    // Loads and opens plugins itself.
    bool opens;
} scenarios[] = {
    {"calls", run_calls, false},
    {"one-by-one", run_one_by_one, true},
    {"turns", run_turns, true},
    {"turns-in-children", run_turns_in_children, true},
    {"both", run_both, false},
    {"backwards", run_backwards, false},
    {"second", run_second, false},
    {"none", run_none, false},
    {"exit", run_exit, false},
    {"close", run_close, false},
    {"grandchild", run_grandchild, false},
    {"late", run_late, true},
    {"in-child", run_in_child, true},
    {"unequal", run_unequal, false},
    {"unload", run_unload, false},
    {"unload-and-fork", run_unload_and_fork, false},
    {"unload-in-children", run_unload_in_children, false},
    {"threads", run_threads, false},
    {"wait", run_wait, false},
};

static const struct scenario *find_scenario(const char *name) {
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    }
    fprintf(stderr, "no scenario %s\n", name);
    exit(2);
}

int main(int argc, char **argv) {
    user = getpid();
    if (argc > 1 && strcmp(argv[1], "--one-core") == 0) {
        one_core = true;
        argv++;
        argc--;
    }
    if (argc < 5 || argc - 3 > MAXIMUM_PLUGINS) {
        fprintf(stderr, "usage: several_cores [--one-core] ADDRESS SCENARIO PLUGIN PLUGIN...\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    address = argv[1];
    const struct scenario *scenario = find_scenario(argv[2]);
    plugin_count = argc - 3;
    for (int i = 0; i < plugin_count; i++)
        plugins[i].path = argv[3 + i];
    list_descriptors(&at_start);

    bool passed = scenario->opens || open_all();
    passed = scenario->run() && passed;
    passed = call_all() && passed;
    for (int number = 1; number <= plugin_count; number++) {
        if (plugins[number - 1].is_open)
            passed = close_plugin(number) && passed;
    }
    printf("parent all %s\n", passed ? "ok" : "FAILED");
    return passed ? 0 : 1;
}
