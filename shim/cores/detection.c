#include "cores/detection.h"

#include "base/compiler.h"
#include "base/configuration.h"
#include "base/log.h"
#include "cores/core_images.h"
#include "cores/static_images.h"
#include "loader/image.h"
#include "loader/image_list.h"
#include "report/counters.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What to say of an image with a gRPC of its own. On the heap, and complete: it is said in an
// at-fork handler, which must not format it.
static _Atomic(const char *) found;
static bool said;

#define UNPROTECTED_FORMAT                                                                         \
    "gRPC in %s is not protected, %s, forked children get it as without the shim"

static const char *name_of(const char *path) {
    return path[0] != '\0' ? path : "the program";
}

void detection_unprotected(const char *what, const char *why) {
    counters_note_refused();
    log_once(said, LOG_ERROR, UNPROTECTED_FORMAT, name_of(what), why);
}

void detection_found(const char *path, const char *why) {
    counters_note_refused();
    char *text = NULL;
    if (atomic_load(&found) != NULL)
        return;
    if (asprintf(&text, UNPROTECTED_FORMAT, name_of(path), why) > 0)
        atomic_store(&found, text);
    else
        atomic_store(&found, "a gRPC is not protected, out of memory, forked children get it as "
                             "without the shim");
}

// The text stays: a thread that forks may be writing it.
void detection_withdraw(const char *path) {
    const char *text = atomic_load(&found);
    if (text != NULL && strstr(text, name_of(path)) != NULL)
        atomic_store(&found, NULL);
}

// src/core/lib/iomgr/timer_manager.cc, executor.cc; src/core/lib/event_engine/thread_pool; the
// names are cut at 15 characters.
static bool is_name_of_grpc(const char *name) {
    static const char *const beginnings[] = {"grpc_", "event_engine", "timer_manager",
                                             "default-execut"};
    for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++) {
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    }
    return false;
}

// Other programs may name their threads so too; the name of this header field only gRPC has.
static bool holds_grpc(const struct image *image) {
    static const char constant[] = "grpc-accept-encoding";
    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Phdr) *header = &image->headers[i];
        if (header->p_type == PT_LOAD && (header->p_flags & (PF_R | PF_W)) == PF_R &&
            memmem((const void *)(image->base + header->p_vaddr), header->p_memsz, constant,
                   sizeof(constant) - 1) != NULL)
            return true;
    }
    return false;
}

// Images that were searched in vain: that may take milliseconds. On the heap, like all larger
// variables; without memory for it they are searched again.
#define IN_VAIN_MAXIMUM 16
struct in_vain {
    _Atomic size_t count;
    _Atomic uintptr_t images[IN_VAIN_MAXIMUM];
};
static _Atomic(struct in_vain *) in_vain;

static struct in_vain *get_in_vain(void) {
    struct in_vain *existing = atomic_load(&in_vain);
    struct in_vain *made = existing == NULL ? calloc(1, sizeof(*made)) : NULL;
    if (made == NULL || atomic_compare_exchange_strong(&in_vain, &existing, made))
        return made != NULL ? made : existing;
    free(made);
    return existing;
}

static bool was_in_vain(const struct image *image) {
    const struct in_vain *known = atomic_load(&in_vain);
    for (size_t i = 0; known != NULL && i < IN_VAIN_MAXIMUM; i++) {
        if (atomic_load(&known->images[i]) == image->start)
            return true;
    }
    return known != NULL && atomic_load(&known->count) >= IN_VAIN_MAXIMUM;
}

static void note_in_vain(const struct image *image) {
    struct in_vain *known = get_in_vain();
    if (known != NULL)
        atomic_store(&known->images[atomic_fetch_add(&known->count, 1) % IN_VAIN_MAXIMUM],
                     image->start);
}

static bool look(const struct image *image, void *caller) {
    if (!image_contains(image, (uintptr_t)caller))
        return false;
    if (was_in_vain(image))
        return true;
    if (holds_grpc(image))
        detection_found(image->path, "it is linked in statically");
    else
        note_in_vain(image);
    return true;
}

void detection_thread_named(const char *name, const void *caller) {
    if (likely(!is_name_of_grpc(name)) || core_images_cover(caller) ||
        static_images_cover(caller) || configuration()->disabled || atomic_load(&found) != NULL)
        return;
    image_visit(look, (void *)(uintptr_t)caller);
}

void detection_report(void) {
    const char *text = atomic_load_explicit(&found, memory_order_relaxed);
    if (unlikely(text != NULL) && !__atomic_test_and_set(&said, __ATOMIC_RELAXED))
        log_text(LOG_ERROR, text);
}
