// Loaded images as the shim reads them, compared with what the loader says.
//
// The code under test is in this program, which is therefore "this library" that is not visited.
#include "child.h"
#include "image_fixture.h"
#include "testing.h"

#include "loader/image.h"
#include "loader/image_data.h"
#include "loader/image_list.h"
#include "loader/loader.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

struct loaded {
    void *handle;
    const struct fixture *fixture;
    struct image image;
};

// By the file's name.
static bool is_image(const struct image *image, void *context) {
    struct loaded *loaded = context;
    const struct link_map *map = loaded->handle;
    if (strcmp(image->path, map->l_name) != 0)
        return false;
    loaded->image = *image;
    return true;
}

static void load_path(struct loaded *loaded, const char *path, int mode) {
    loaded->handle = dlopen(path, mode | RTLD_LOCAL);
    if (loaded->handle == NULL)
        fail_msg("%s", dlerror());
    loaded->fixture = dlsym(loaded->handle, "fixture");
    assert_true(image_visit(is_image, loaded));
}

static struct loaded load(const char *name) {
    struct loaded loaded;
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s.so", FIXTURES, name);
    load_path(&loaded, path, RTLD_LAZY);
    return loaded;
}

struct visits {
    size_t count, stop_at;
    uintptr_t own, vdso;
};

static bool count_image(const struct image *image, void *context) {
    struct visits *visits = context;
    assert_false(image_contains(image, visits->own));
    assert_false(visits->vdso != 0 && image_contains(image, visits->vdso));
    assert_true(image->start < image->end);
    assert_true(image_contains(image, image->start) && !image_contains(image, image->end));
    assert_true(image->writable_start <= image->writable_end);
    assert_non_null(image->symbols);
    return ++visits->count == visits->stop_at;
}

static int count_loaded(struct dl_phdr_info *info, size_t size, void *context) {
    (void)info;
    (void)size;
    ++*(size_t *)context;
    return 0;
}

static void visits_all_but_this_library_and_the_vdso(void **state) {
    (void)state;
    struct visits visits = {
        .own = (uintptr_t)image_visit,
        .vdso = (uintptr_t)getauxval(AT_SYSINFO_EHDR),
    };
    size_t loaded = 0;
    dl_iterate_phdr(count_loaded, &loaded);
    assert_false(image_visit(count_image, &visits));
    assert_int_equal(visits.count, loaded - 1 - (visits.vdso != 0));
}

static void stops_where_it_is_told_to(void **state) {
    (void)state;
    struct visits visits = {.stop_at = 2};
    assert_true(image_visit(count_image, &visits));
    assert_int_equal(visits.count, 2);
}

struct listing {
    size_t count;
    struct image images[100];
};

static bool list_image(const struct image *image, void *context) {
    struct listing *listing = context;
    if (listing->count < sizeof(listing->images) / sizeof(listing->images[0]))
        listing->images[listing->count] = *image;
    listing->count++;
    return false;
}

static bool is_same(const struct image *one, const struct image *other) {
    return one->path == other->path && one->base == other->base && one->start == other->start &&
           one->end == other->end && one->dynamic == other->dynamic &&
           one->headers == other->headers && one->header_count == other->header_count &&
           one->symbols == other->symbols && one->writable_start == other->writable_start;
}

static bool lists(const struct listing *listing, const struct image *image) {
    for (size_t i = 0; i < listing->count; i++) {
        if (is_same(&listing->images[i], image))
            return true;
    }
    return false;
}

static void list_as_in_the_parent(void *context) {
    const struct listing *parents = context;
    static struct listing listing;
    image_note_fork(false);
    require(!image_visit_scope(IMAGES_ALL, list_image, &listing));
    require(listing.count == parents->count);
    for (size_t i = 0; i < listing.count; i++)
        require(is_same(&listing.images[i], &parents->images[i]));
}

// With one that was linked at an address of its own, and one whose program headers are in none of
// its segments.
static void visits_the_same_images_in_a_child(void **state) {
    (void)state;
    static struct listing listing;
    struct loaded based = load("image_fixture_based"), headerless = load("image_headerless");
    assert_true(based.image.base != based.image.start);
    assert_false(image_contains(&headerless.image, (uintptr_t)headerless.image.headers));
    listing.count = 0;
    image_visit_scope(IMAGES_ALL, list_image, &listing);
    assert_true(listing.count <= sizeof(listing.images) / sizeof(listing.images[0]));
    assert_true(lists(&listing, &based.image) && lists(&listing, &headerless.image));
    assert_int_equal(run_in_child(list_as_in_the_parent, &listing), 0);
    dlclose(based.handle);
    dlclose(headerless.handle);
}

static void skip_what_is_not_mapped(void *context) {
    const struct loaded *loaded = context;
    const struct image *image = &loaded->image;
    uintptr_t page_size = (uintptr_t)getpagesize();
    uintptr_t end = (image->end + page_size - 1) & ~(page_size - 1);
    static struct listing listing;
    image_note_fork(false);
    _r_debug.r_state = RT_DELETE;
    require(munmap((void *)image->start, end - image->start) == 0);
    require(!image_visit_scope(IMAGES_ALL, list_image, &listing));
    require(listing.count > 0 && !lists(&listing, image));
}

// What a child finds that was forked while another thread was unloading a library.
static void leaves_out_what_was_just_unmapped(void **state) {
    (void)state;
    struct loaded loaded = load("image_fixture_now");
    assert_int_equal(run_in_child(skip_what_is_not_mapped, &loaded), 0);
}

static size_t symbol_count(const struct image *image) {
    // Nothing says so, but all linkers put the strings right behind the symbols.
    return (size_t)((const ElfW(Sym) *)image->strings - image->symbols);
}

static const char *name_of(const struct image *image, size_t index) {
    return image->strings + image->symbols[index].st_name;
}

// Whether dlsym has to agree: it runs an indirect function's resolver, gives this thread's
// variables, and the default of several versions.
static bool is_plain(const struct image *image, size_t index, size_t count) {
    const ElfW(Sym) *symbol = &image->symbols[index];
    if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS ||
        (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC &&
         ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT))
        return false;
    for (size_t i = 1; i < count; i++) {
        if (i != index && strcmp(name_of(image, i), name_of(image, index)) == 0)
            return false;
    }
    return true;
}

static void finds_all_symbols_of_libc(void **state) {
    (void)state;
    struct loaded libc;
    assert_true(image_defining("gnu_get_libc_version", &libc.image));
    libc.handle = dlopen(libc.image.path, RTLD_LAZY | RTLD_NOLOAD);
    assert_non_null(libc.handle);
    size_t compared = 0, count = symbol_count(&libc.image);
    for (size_t i = 1; i < count; i++) {
        const char *name = name_of(&libc.image, i);
        void *expected = dlsym(libc.handle, name);
        if (expected == NULL || !is_plain(&libc.image, i, count))
            continue;
        if (image_symbol(&libc.image, name) != expected)
            fail_msg("%s is at %p, not at %p", name, expected, image_symbol(&libc.image, name));
        compared++;
    }
    assert_true(compared > 1500);
}

static void finds_the_symbols_of_a_library(void **state) {
    (void)state;
    static const char *const defined[] = {"fixture", "fixture_number", "fixture_zeros",
                                          "fixture_pointer"};
    static const char *const not_defined[] = {"getpid",   "secure_getenv", "grpc_init", "fixtur",
                                              "fixture_", "hidden_number", "",          "x"};
    struct loaded loaded = load("image_fixture_now");
    for (size_t i = 0; i < sizeof(defined) / sizeof(defined[0]); i++) {
        assert_non_null(image_symbol(&loaded.image, defined[i]));
        assert_ptr_equal(image_symbol(&loaded.image, defined[i]), dlsym(loaded.handle, defined[i]));
    }
    for (size_t i = 0; i < sizeof(not_defined) / sizeof(not_defined[0]); i++)
        assert_null(image_symbol(&loaded.image, not_defined[i]));
}

static void finds_symbols_by_parts(void **state) {
    (void)state;
    struct loaded loaded = load("image_fixture_now");
    const void *expected = dlsym(loaded.handle, "_ZN4absl10some_space8SpinLock8SlowLockEv");
    assert_non_null(expected);
    assert_ptr_equal(image_symbol_like(&loaded.image, "_ZN4absl", "8SlowLock"), expected);
    assert_null(image_symbol_like(&loaded.image, "_ZN4absm", "8SlowLock"));
    assert_null(image_symbol_like(&loaded.image, "_ZN4absl", "8SlowUnlock"));
    assert_null(image_symbol_like(&loaded.image, "8SpinLock", "8SlowLock"));
    assert_null(image_symbol_like(&loaded.image, "getpi", "d"));
}

static void finds_the_definition_in_a_local_library(void **state) {
    (void)state;
    struct image found;
    struct loaded loaded = load("image_fixture_now");
    assert_true(image_defining("fixture", &found));
    assert_string_equal(found.path, loaded.image.path);
    assert_false(image_defining("no_such_symbol_anywhere", &found));
}

// The permissions of the page in /proc/self/maps.
static void read_permissions(const void *address, char permissions[5]) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[5000];
    memcpy(permissions, "none", 5);
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start, end;
        char found[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, found) == 3 && (uintptr_t)address >= start &&
            (uintptr_t)address < end)
            memcpy(permissions, found, 5);
    }
    if (maps != NULL)
        fclose(maps);
}

static void assert_permissions(const void *address, const char *expected) {
    char permissions[5];
    read_permissions(address, permissions);
    assert_string_equal(permissions, expected);
}

static bool check_writable_part(const struct image *image, void *context) {
    (void)context;
    if (image->writable_start == image->writable_end)
        return false;
    assert_permissions((const void *)image->writable_start, "rw-p");
    assert_permissions((const void *)(image->writable_end - 1), "rw-p");
    return false;
}

static bool is_writable(const struct image *image, uintptr_t address) {
    return address >= image->writable_start && address < image->writable_end;
}

static void knows_what_is_writable(void **state) {
    (void)state;
    struct loaded loaded = load("image_fixture_now");
    image_visit(check_writable_part, NULL);
    const struct image *image = &loaded.image;
    uintptr_t data = (uintptr_t)dlsym(loaded.handle, "fixture_number");
    uintptr_t zeros = (uintptr_t)dlsym(loaded.handle, "fixture_zeros");
    uintptr_t constant = (uintptr_t)loaded.fixture; // relocated, then read-only
    assert_true(is_writable(image, data) && is_writable(image, data + sizeof(int) - 1));
    assert_true(is_writable(image, zeros) && is_writable(image, zeros + 5000 * sizeof(int) - 1));
    assert_false(is_writable(image, constant));
    assert_true(image_contains(image, constant));
}

struct named_slot {
    const char *name;
    void **slot;
    size_t count;
};

static void find_slot(const struct image *image, const struct import *import, void *context) {
    struct named_slot *named = context;
    assert_true(image_contains(image, (uintptr_t)import->slot));
    if (strcmp(import->name, named->name) == 0) {
        named->slot = import->slot;
        named->count++;
    }
}

static void **slot_of(const struct image *image, const char *name) {
    struct named_slot named = {.name = name};
    image_visit_imports(image, find_slot, &named);
    if (named.count == 0)
        fail_msg("%s is not imported", name);
    return named.slot;
}

static void visits_imports_with_their_values(void **state) {
    (void)state;
    static const char *const functions[] = {"getpid", "secure_getenv", "gnu_get_libc_version"};
    struct loaded loaded = load("image_fixture_now");
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        assert_ptr_equal(*slot_of(&loaded.image, functions[i]), dlsym(RTLD_DEFAULT, functions[i]));
    assert_ptr_equal(*slot_of(&loaded.image, "fixture_zeros"),
                     dlsym(loaded.handle, "fixture_zeros"));
    struct named_slot unknown = {.name = "grpc_init"};
    image_visit_imports(&loaded.image, find_slot, &unknown);
    assert_int_equal(unknown.count, 0);
}

static pid_t replacement(void) {
    return 4711;
}

static void patch_and_call(const char *name, const char *permissions) {
    struct loaded loaded = load(name);
    assert_int_equal(loaded.fixture->process(), getpid());
    void **slot = slot_of(&loaded.image, "getpid");
    void *original = *slot;
    assert_permissions(slot, permissions);
    assert_true(image_patch_slot(&loaded.image, slot, (void *)(uintptr_t)replacement));
    assert_int_equal(loaded.fixture->process(), 4711);
    assert_permissions(slot, permissions);
    assert_true(image_patch_slot(&loaded.image, slot, original));
    assert_int_equal(loaded.fixture->process(), getpid());
    assert_permissions(slot, permissions);
}

static void patches_a_read_only_slot(void **state) {
    (void)state;
    patch_and_call("image_fixture_now", "r--p");
}

static void patches_a_writable_slot(void **state) {
    (void)state;
    patch_and_call("image_fixture_lazy", "rw-p");
    patch_and_call("image_fixture_norelro", "rw-p");
}

static void reset_data(void *context) {
    const struct loaded *loaded = context;
    require(loaded->fixture->is_pristine() && loaded->fixture->has_pristine_pointers());
    loaded->fixture->change();
    require(!loaded->fixture->is_pristine());
    require(image_reset_data(&loaded->image));
    require(loaded->fixture->is_pristine() && loaded->fixture->has_pristine_pointers());
    require(loaded->fixture->process() == getpid());
    require(loaded->fixture->calls_others());
}

static void reset_pointers(void *context) {
    const struct loaded *loaded = context;
    loaded->fixture->change_pointers();
    require(!loaded->fixture->has_pristine_pointers());
    require(image_reset_data(&loaded->image));
    require(loaded->fixture->is_pristine());
    require(loaded->fixture->has_pristine_pointers());
}

static void refuse_to_reset(void *context) {
    const struct loaded *loaded = context;
    int changed = *(int *)dlsym(loaded->handle, "fixture_number") + 1;
    loaded->fixture->change();
    loaded->fixture->change_pointers();
    require(!image_reset_data(&loaded->image));
    require(!loaded->fixture->is_pristine() && !loaded->fixture->has_pristine_pointers());
    require(*(int *)dlsym(loaded->handle, "fixture_number") == changed);
}

static void check_with(const char *name, void (*check)(void *context)) {
    struct loaded loaded = load(name);
    assert_int_equal(run_in_child(check, &loaded), 0);
}

static void resets_data(void **state) {
    (void)state;
    check_with("image_fixture_now", reset_data);
}

// Functions are bound after the reset, by two slots of the loader's own.
static void resets_data_with_lazy_binding(void **state) {
    (void)state;
    check_with("image_fixture_lazy", reset_data);
}

static void resets_data_without_relro(void **state) {
    (void)state;
    check_with("image_fixture_norelro", reset_data);
}

static void resets_changed_pointers(void **state) {
    (void)state;
    check_with("image_fixture_now", reset_pointers);
}

static void does_not_reset_with_packed_relocations(void **state) {
    (void)state;
#ifdef HAVE_PACKED_RELOCATIONS
    check_with("image_fixture_packed", refuse_to_reset);
#else
    skip();
#endif
}

// A copy of a library that can be removed, or replaced.
static void copy_file(const char *name, const char *to) {
    char path[4096], buffer[65536];
    snprintf(path, sizeof(path), "%s/%s.so", FIXTURES, name);
    int source = open(path, O_RDONLY), target = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    assert_true(source >= 0 && target >= 0);
    ssize_t length;
    while ((length = read(source, buffer, sizeof(buffer))) > 0)
        assert_int_equal(write(target, buffer, (size_t)length), length);
    close(source);
    close(target);
}

static void load_copy(struct loaded *loaded, char directory[], char path[100]) {
    assert_non_null(mkdtemp(directory));
    snprintf(path, 100, "%s/copy.so", directory);
    copy_file("image_fixture_now", path);
    load_path(loaded, path, RTLD_NOW);
    unlink(path);
}

static void does_not_reset_without_the_file(void **state) {
    (void)state;
    char directory[] = "/tmp/image_test.XXXXXX", path[100];
    struct loaded loaded;
    load_copy(&loaded, directory, path);
    rmdir(directory);
    assert_int_equal(run_in_child(refuse_to_reset, &loaded), 0);
}

// An upgrade puts another file in its place while the program runs.
static void does_not_reset_from_another_file(void **state) {
    (void)state;
    char directory[] = "/tmp/image_test.XXXXXX", path[100];
    struct loaded loaded;
    load_copy(&loaded, directory, path);
    copy_file("image_fixture_upgraded", path);
    int status = run_in_child(refuse_to_reset, &loaded);
    unlink(path);
    rmdir(directory);
    assert_int_equal(status, 0);
}

static void pins(void **state) {
    (void)state;
    char directory[] = "/tmp/image_test.XXXXXX", path[100];
    struct loaded loaded;
    load_copy(&loaded, directory, path);
    rmdir(directory);
    assert_true(loader_pin(&loaded.image));
    const struct fixture *fixture = loaded.fixture;
    // Once for the handle of the test, once for what was pinned.
    dlclose(loaded.handle);
    dlclose(loaded.handle);
    assert_permissions(fixture, "r--p");
    assert_int_equal(fixture->process(), getpid());
    assert_false(loader_pin(&(struct image){.path = "/no such directory/lib.so"}));
    assert_true(loader_pin(&(struct image){.path = ""}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(visits_all_but_this_library_and_the_vdso),
        cmocka_unit_test(stops_where_it_is_told_to),
        cmocka_unit_test(visits_the_same_images_in_a_child),
        cmocka_unit_test(leaves_out_what_was_just_unmapped),
        cmocka_unit_test(finds_all_symbols_of_libc),
        cmocka_unit_test(finds_the_symbols_of_a_library),
        cmocka_unit_test(finds_symbols_by_parts),
        cmocka_unit_test(finds_the_definition_in_a_local_library),
        cmocka_unit_test(knows_what_is_writable),
        cmocka_unit_test(visits_imports_with_their_values),
        cmocka_unit_test(patches_a_read_only_slot),
        cmocka_unit_test(patches_a_writable_slot),
        cmocka_unit_test(resets_data),
        cmocka_unit_test(resets_data_with_lazy_binding),
        cmocka_unit_test(resets_data_without_relro),
        cmocka_unit_test(resets_changed_pointers),
        cmocka_unit_test(does_not_reset_with_packed_relocations),
        cmocka_unit_test(does_not_reset_without_the_file),
        cmocka_unit_test(does_not_reset_from_another_file),
        cmocka_unit_test(pins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
