// State that is copied, changed and put back. This program is linked to be not
// position-independent, so that it has copies of the library's variables.
//
// Each test runs in a child, since a snapshot is taken once in a process.
#include "child.h"
#include "one_core.h"
#include "snapshot_state.h"
#include "testing.h"

#include "cores/core_images.h"
#include "cores/snapshot.h"
#include "loader/image_list.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

static int program_data = 1;
static int program_zero;

static bool is_image(const struct image *image, void *context) {
    struct image *found = context;
    if (strcmp(image->path, found->path) != 0)
        return false;
    *found = *image;
    return true;
}

static struct image image_of(void *handle) {
    struct image found = {.path = ((const struct link_map *)handle)->l_name};
    require(image_visit(is_image, &found));
    return found;
}

static struct image state_image(void) {
    struct image found;
    require(image_defining("state_change", &found));
    return found;
}

static void take_of_state(void) {
    struct image image = state_image();
    require(core_images_add(core, &image));
    require(snapshot_prepare(core) && snapshot_take(core));
}

static void change_all(void) {
    state_change();
    program_data++;
    program_zero++;
}

static void rewind_once(void *context) {
    (void)context;
    take_of_state();
    require(state_is_initial());
    change_all();
    require(!state_is_initial());
    snapshot_rewind(core);
    require(state_is_initial());
    require(program_data == 2 && program_zero == 1);
    change_all();
    require(!state_is_initial());
    snapshot_rewind(core);
    require(state_is_initial());
    require(state_process() == getpid());
}

static void rewind_in_child(void *context) {
    (void)context;
    require(!state_is_initial());
    snapshot_rewind(core);
    require(state_is_initial());
    require(state_process() == getpid());
}

static void rewind_only_in_child(void *context) {
    (void)context;
    take_of_state();
    change_all();
    require(run_in_child(rewind_in_child, NULL) == 0);
    require(!state_is_initial());
}

static void tell_what_is_covered(void *context) {
    int on_stack;
    void *on_heap = malloc(10);
    (void)context;
    require(!core_images_cover((const void *)state_image().start));
    take_of_state();
    struct image image = state_image();
    require(core_images_cover((const void *)image.start));
    require(core_images_cover((const void *)(image.end - 1)));
    require(!core_images_cover((const void *)(image.start - 1)));
    require(!core_images_cover((const void *)image.end));
    require(!core_images_cover(&program_data) && !snapshot_rewinds(&program_data));
    require(!core_images_cover(&on_stack) && !snapshot_rewinds(&on_stack));
    require(!core_images_cover(on_heap) && !snapshot_rewinds(on_heap));
    require(!core_images_cover(NULL) && !snapshot_rewinds(NULL));
    // Code is covered and stays as it is.
    const void *code = dlsym(RTLD_DEFAULT, "state_change");
    require(code != NULL);
    require(image_contains(&image, (uintptr_t)image_symbol(&image, "state_change")));
    require(!snapshot_rewinds(image_symbol(&image, "state_change")));
    free(on_heap);
}

// The variables are the program's now: outside of the library, and rewound all the same.
static void rewind_copies(void *context) {
    (void)context;
    struct image image = state_image();
    require(!image_contains(&image, (uintptr_t)&state_copied));
    take_of_state();
    require(!core_images_cover(&state_copied));
    require(snapshot_rewinds(&state_copied));
    require(snapshot_rewinds((const char *)(&state_copied + 1) - 1));
    state_copied = 99;
    snapshot_rewind(core);
    require(state_copied == 5);
}

// The library knows this copy by a pointer into its middle only: nothing behind it may be touched.
static void respect_the_end_of_copies(void *context) {
    (void)context;
    struct image image = state_image();
    require(!image_contains(&image, (uintptr_t)state_array));
    take_of_state();
    require(!snapshot_rewinds(&state_array[8]));
    require(snapshot_rewinds(&state_array[0]) && snapshot_rewinds(&state_array[7]));
}

// What a pointer in the library's data points to is none of the library's, even if it was
// initialised with an address of its own.
static void respect_what_is_pointed_to(void *context) {
    (void)context;
    state_point_to(&program_data);
    take_of_state();
    program_data = 99;
    snapshot_rewind(core);
    require(program_data == 99);
    require(state_pointed_to() == &program_data);
}

static void *open_unique(const char *name) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s.so", FIXTURES, name);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    require(handle != NULL);
    return handle;
}

static int *address_of_unique(void *handle) {
    int *(*unique_address)(void);
    *(void **)&unique_address = dlsym(handle, "unique_address");
    require(unique_address != NULL);
    return unique_address();
}

static void rewind_unique(void *context) {
    (void)context;
    void *program_s = open_unique("unique_object_first");
    void *grpc_s = open_unique("unique_object_second");
    struct image image = image_of(grpc_s);
    int *unique = address_of_unique(grpc_s);
    require(unique == address_of_unique(program_s));
    require(!image_contains(&image, (uintptr_t)unique));
    require(core_images_add(core, &image));
    require(snapshot_prepare(core) && snapshot_take(core));
    require(snapshot_rewinds(unique) && !snapshot_rewinds(unique + 1));
    *unique = 99;
    snapshot_rewind(core);
    require(*unique == 5);
}

static void find_slot(const struct image *image, const struct import *import, void *context) {
    (void)image;
    if (strcmp(import->name, "getpid") == 0)
        *(void ***)context = import->slot;
}

// A function that was bound between the copy and the rewinding stays bound.
static void keep_bound_functions(void *context) {
    (void)context;
    struct image image = state_image();
    void **slot = NULL;
    image_visit_imports(&image, find_slot, &slot);
    require(slot != NULL);
    require((uintptr_t)slot >= image.writable_start && (uintptr_t)slot < image.writable_end);
    const void *unbound = *slot;
    take_of_state();
    require(state_process() == getpid());
    const void *bound = *slot;
    require(bound != unbound);
    state_change();
    snapshot_rewind(core);
    require(*slot == bound);
    require(state_is_initial() && state_process() == getpid());
}

static void take_of_several(void *context) {
    (void)context;
    int *first = dlsym(open_unique("unique_object_first"), "unique_object");
    struct image others[] = {image_of(open_unique("unique_object_first")), state_image()};
    require(first != NULL && core_images_add(core, &others[0]) &&
            core_images_add(core, &others[1]));
    require(snapshot_prepare(core) && snapshot_take(core));
    ++*first;
    state_change();
    snapshot_rewind(core);
    require(*first == 5 && state_is_initial());
}

static void add_too_many(void *context) {
    (void)context;
    struct image image = {.start = 0x1000, .end = 0x2000};
    for (int i = 0; i < 24; i++) {
        require(core_images_add(core, &image));
        require(core_images_add(core, &image)); // once
        image.start += 0x1000;
        image.end += 0x1000;
    }
    require(!core_images_add(core, &image));
    require(core_images_core_at((const void *)(image.start - 1)) == core);
    require(core_images_core_at((const void *)image.start) == NULL);
}

static void take_nothing(void *context) {
    (void)context;
    require(!snapshot_prepare(core));
}

static void run(void (*test)(void *context)) {
    assert_int_equal(run_in_child(test, NULL), 0);
}

#define TEST(name, function)                                                                       \
    static void name(void **state) {                                                               \
        (void)state;                                                                               \
        run(function);                                                                             \
    }

TEST(rewinds_again_and_again, rewind_once)
TEST(rewinds_a_child_and_not_its_parent, rewind_only_in_child)
TEST(tells_what_it_covers, tell_what_is_covered)
TEST(rewinds_variables_that_the_program_has_copies_of, rewind_copies)
TEST(touches_nothing_behind_a_copy, respect_the_end_of_copies)
TEST(touches_nothing_that_is_only_pointed_to, respect_what_is_pointed_to)
TEST(rewinds_unique_variables_of_another_library, rewind_unique)
TEST(keeps_functions_bound, keep_bound_functions)
TEST(rewinds_several_images, take_of_several)
TEST(refuses_an_image_too_many, add_too_many)
TEST(does_not_take_nothing, take_nothing)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewinds_again_and_again),
        cmocka_unit_test(rewinds_a_child_and_not_its_parent),
        cmocka_unit_test(tells_what_it_covers),
        cmocka_unit_test(rewinds_variables_that_the_program_has_copies_of),
        cmocka_unit_test(touches_nothing_behind_a_copy),
        cmocka_unit_test(touches_nothing_that_is_only_pointed_to),
        cmocka_unit_test(rewinds_unique_variables_of_another_library),
        cmocka_unit_test(keeps_functions_bound),
        cmocka_unit_test(rewinds_several_images),
        cmocka_unit_test(refuses_an_image_too_many),
        cmocka_unit_test(does_not_take_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
