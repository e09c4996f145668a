#include "loader/loader_lock.h"

#include "base/log.h"
#include "base/own_threads.h"
#include "loader/image_list.h"

#include <link.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t *lock;

// How the loader's variables begin: the list of images, and how many there are. exit() ends the
// process where the two don't agree ("Inconsistency detected by ld.so").
struct loader_list {
    const struct link_map *first;
    unsigned count;
};
static struct loader_list *list; // NULL where it isn't so

struct search {
    const struct image *loader;
    int thread;
    const pthread_mutex_t *other; // not this one
    pthread_mutex_t *found;
    size_t count;
};

static bool is_held(const pthread_mutex_t *mutex, int thread) {
    return mutex->__data.__owner == thread && mutex->__data.__lock != 0 &&
           mutex->__data.__count != 0 && mutex->__data.__kind == PTHREAD_MUTEX_RECURSIVE_NP;
}

static void look(struct search *search) {
    const uintptr_t alignment = _Alignof(pthread_mutex_t);
    uintptr_t at = (search->loader->writable_start + alignment - 1) & ~(alignment - 1);
    for (; at + sizeof(pthread_mutex_t) <= search->loader->writable_end; at += alignment) {
        pthread_mutex_t *mutex = (pthread_mutex_t *)at;
        if (mutex == search->other || !is_held(mutex, search->thread))
            continue;
        search->found = mutex;
        search->count++;
    }
}

static unsigned count_images(void) {
    unsigned count = 0;
    for (const struct link_map *map = _r_debug.r_map; map != NULL; map = map->l_next)
        count++;
    return count;
}

static void find_list(const struct image *loader) {
    struct loader_list *candidate = image_symbol(loader, "_rtld_global");
    if (candidate->first == _r_debug.r_map && candidate->count == count_images())
        list = candidate;
}

static int called_back(struct dl_phdr_info *info, size_t size, void *context) {
    (void)info;
    (void)size;
    struct search *search = context;
    look(search);
    find_list(search->loader);
    return 1;
}

void loader_lock_find(void) {
    struct image loader;
    // In a child that does not know whether the lock is free, the list is read without it.
    if (!image_list_is_locked() || !image_defining_in(IMAGES_ALL, "_rtld_global", &loader))
        return;
    struct search before = {.loader = &loader, .thread = (int)syscall(SYS_gettid)};
    look(&before); // the loader's other lock, in a thread that runs a constructor
    struct search search = before;
    search.other = before.found;
    search.count = 0;
    dl_iterate_phdr(called_back, &search);
    if (before.count <= 1 && search.count == 1)
        lock = search.found;
    else
        log_write(LOG_DEBUG, "the loader's lock was not found");
}

bool loader_lock_free_in_child(bool is_alone) {
    static const pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    if (lock == NULL)
        return false;
    if (lock->__data.__lock == 0)
        return true;
    // Between taking it and saying so, nobody is its owner.
    int owner = lock->__data.__owner;
    if (owner == 0 ? is_alone : !thread_is_here(owner)) {
        *lock = fresh;
        // The vanished thread may have been between the two.
        if (list != NULL && list->count != count_images())
            list->count = count_images();
    }
    return owner != 0 || is_alone;
}
