#include "loader/loader.h"

#include "loader/image_list.h"
#include "loader/libc.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static int stop(struct dl_phdr_info *info, size_t size, void *context) {
    (void)info;
    (void)size;
    (void)context;
    return 1;
}

static void *wait_for_loader(void *context) {
    (void)context;
    dl_iterate_phdr(stop, NULL);
    image_list_is_free();
    return NULL;
}

// Without it a child went on reading the list without a lock, and died when it made a channel while
// another of its threads unloaded a library (4 of 4 runs of such a program).
void loader_ask(void) {
    static _Atomic pid_t asked;
    pid_t self = (pid_t)syscall(SYS_getpid);
    if (image_list_is_locked() || atomic_exchange(&asked, self) == self)
        return;
    pthread_t thread;
    sigset_t all, before;
    // The program's signals are none of that thread's. On Linux this is the calling thread's mask,
    // as pthread_sigmask's, which is not in libc itself before glibc 2.32.
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    if (libc_function(pthread_create)(&thread, NULL, wait_for_loader, NULL) == 0)
        libc_function(pthread_detach)(thread);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

bool loader_pin(const struct image *image) {
    if (image->path[0] == '\0')
        return true; // the main program stays
    return libc_function(dlopen)(image->path, RTLD_NOLOAD | RTLD_LAZY | RTLD_NODELETE) != NULL;
}
