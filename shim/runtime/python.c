#include "runtime/python.h"

#include "base/configuration.h"
#include "base/log.h"
#include "core/counters.h"
#include "core/detection.h"
#include "core/image.h"
#include "core/image_list.h"
#include "core/process.h"
#include "core/static_images.h"
#include "python_module.h"
#include "runtime/python_symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char init_symbol[] = "PyInit_cygrpc";

#define MEMBER(result, name, parameters) result(*name) parameters;

// All that is known of the interpreter; on the heap, since most programs have none.
struct interpreter {
    PYTHON_SYMBOLS(MEMBER)
    const void *module_type;
    void *state;         // the (sub)interpreter that imported grpc
    PyObject *on_import; // revival.py's function; NULL until it is brought in
    struct image newest; // the copy of cygrpc that was loaded last
    bool working;        // our own imports meanwhile
    bool failed;
    bool replaces_handlers;
};
static struct interpreter *_Atomic interpreter;

static bool started;
const void *_Atomic python_last_library;

// --- objects -----------------------------------------------------------------------------------

// How objects and types begin (Include/object.h, cpython/object.h). The same in all versions of
// CPython 3, but in those without a global interpreter lock; `has_known_layout` looks.
struct python_object {
    ssize_t references;
    struct python_type *type;
};
struct python_type {
    struct python_object head;
    ssize_t size;
    const char *name;
    ssize_t basic_size;
    ssize_t item_size;
    void (*deallocate)(PyObject *object);
    void *slots[25];
    struct python_type *base;
};

static bool has_known_layout(const struct image *image) {
    const struct python_type *number = image_symbol(image, "PyLong_Type");
    const struct python_type *truth = image_symbol(image, "PyBool_Type");
    const struct python_type *type = image_symbol(image, "PyType_Type");
    return number != NULL && truth != NULL && number->head.type == type &&
           strcmp(truth->name, "bool") == 0 && truth->base == number && number->item_size == 4 &&
           truth->deallocate != NULL;
}

// --- guarded types -----------------------------------------------------------------------------

// A type of cygrpc's whose objects are given back to the core that they belong to, and to no other
// process's. Written and read with the interpreter's lock held.
struct guarded {
    const struct python_type *type;
    void (*deallocate)(PyObject *object);
    uint32_t generation;
};
static struct guarded *guarded;
static size_t guarded_count;

static const struct guarded *find_guarded(const struct python_type *type) {
    // A class of Python's that is derived from the type comes here too.
    for (; type != NULL; type = type->base) {
        for (size_t i = guarded_count; i > 0; i--) {
            if (guarded[i - 1].type == type)
                return &guarded[i - 1];
        }
    }
    return NULL;
}

// In a child the objects of its parent's core stay for ever: freeing them would run code of a core
// whose locks and threads are not there. What they refer to stays as well.
static void deallocate(PyObject *object) {
    const struct guarded *found = find_guarded(object->type);
    if (found == NULL)
        return;
    if (found->generation == process_generation() && atomic_load(process_runtime_ready()) != 0)
        found->deallocate(object);
    else
        atomic_load(&interpreter)->Py_IncRef(object);
}

static bool contains(const struct image *image, void (*function)(PyObject *)) {
    return image_contains(image, (uintptr_t)function);
}

// guard(type): True where the type's objects are freed by code of cygrpc.
static PyObject *guard(PyObject *self, PyObject *argument) {
    struct interpreter *python = atomic_load(&interpreter);
    struct python_type *type = (struct python_type *)argument;
    (void)self;
    if (!contains(&python->newest, type->deallocate))
        return python->PyBool_FromLong(false);
    struct guarded *more = realloc(guarded, (guarded_count + 1) * sizeof(*guarded));
    if (more == NULL)
        return python->PyBool_FromLong(false);
    guarded = more;
    guarded[guarded_count++] = (struct guarded){type, type->deallocate, process_generation()};
    type->deallocate = deallocate;
    return python->PyBool_FromLong(true);
}

// --- functions for revival.py ------------------------------------------------------------------

// begin_child(): does what fork() left to do, returns the generation.
static PyObject *begin_child(PyObject *self, PyObject *arguments) {
    (void)self;
    (void)arguments;
    return atomic_load(&interpreter)->PyLong_FromUnsignedLong(process_begin_child());
}

// generation(): how many forks lie behind this process.
static PyObject *generation(PyObject *self, PyObject *arguments) {
    (void)self;
    (void)arguments;
    return atomic_load(&interpreter)->PyLong_FromUnsignedLong(process_generation());
}

// count_channel(), count_call(): one was rebuilt, one is over.
static PyObject *count_channel(PyObject *self, PyObject *arguments) {
    (void)self;
    (void)arguments;
    counters_add(COUNTER_channels_rebuilt, 1);
    return atomic_load(&interpreter)->PyBool_FromLong(true);
}

static PyObject *count_call(PyObject *self, PyObject *arguments) {
    (void)self;
    (void)arguments;
    counters_add(COUNTER_calls_cancelled, 1);
    return atomic_load(&interpreter)->PyBool_FromLong(true);
}

// Puts the original file's pages in the place of the copy's, where both are the same and are never
// written to, and gives the copy's back.
static size_t share(const struct image *image, int original, int copy) {
    size_t page = (size_t)getpagesize(), shared = 0;
    for (size_t i = 0; i < image->header_count; i++) {
        const ElfW(Phdr) *header = &image->headers[i];
        if (header->p_type != PT_LOAD || (header->p_flags & PF_W) != 0)
            continue;
        uintptr_t start = (image->base + header->p_vaddr) & ~(page - 1);
        uintptr_t end = (image->base + header->p_vaddr + header->p_filesz + page - 1) & ~(page - 1);
        off_t offset = (off_t)(header->p_offset & ~(page - 1));
        int protection = PROT_READ | ((header->p_flags & PF_X) != 0 ? PROT_EXEC : 0);
        if (mmap((void *)start, end - start, protection, MAP_PRIVATE | MAP_FIXED, original,
                 offset) == MAP_FAILED)
            break;
        // The last page may hold the beginning of the data, which stays the copy's.
        size_t whole = (header->p_offset + header->p_filesz) & ~(page - 1);
        if (whole > (size_t)offset)
            (void)fallocate(copy, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                            (off_t)(whole - (size_t)offset));
        shared += end - start;
    }
    return shared;
}

// share_code((original, copy)): two descriptors; the copy was just imported. Returns the number of
// bytes that are shared.
static PyObject *share_code(PyObject *self, PyObject *arguments) {
    struct interpreter *python = atomic_load(&interpreter);
    (void)self;
    int original = (int)python->PyLong_AsLong(python->PyTuple_GetItem(arguments, 0));
    int copy = (int)python->PyLong_AsLong(python->PyTuple_GetItem(arguments, 1));
    return python->PyLong_FromUnsignedLong(share(&python->newest, original, copy));
}

// The loader knows a file that is loaded by its device and inode (struct r_file_id), which it keeps
// behind the part of struct link_map that <link.h> shows: at byte 968 in glibc 2.36, in other
// places in others, so it is looked for. With another inode there the same file is loaded once
// more, with its code shared, at no cost: a copy of it takes 3 to 8 ms.
#define LINK_MAP_SEARCHED 1088 // bytes; it has more
struct file_identity {
    uint64_t device;
    uint64_t inode;
};

static struct file_identity *find_identity(struct link_map *map, const struct stat *file) {
    struct file_identity *found = NULL;
    for (size_t at = sizeof(*map); at + sizeof(*found) <= LINK_MAP_SEARCHED; at += sizeof(void *)) {
        struct file_identity *candidate = (struct file_identity *)((char *)map + at);
        if (candidate->device == file->st_dev &&
            (candidate->inode == file->st_ino || candidate->inode == ~file->st_ino)) {
            if (found != NULL)
                return NULL;
            found = candidate;
        }
    }
    return found;
}

// Changes or restores what the loader keeps of the file, however often it is loaded; returns how
// often that is, as far as it is found.
static size_t disguise_all(const struct stat *file, bool hide) {
    size_t count = 0;
    for (struct link_map *map = _r_debug.r_map; map != NULL; map = map->l_next) {
        struct file_identity *identity = find_identity(map, file);
        if (identity == NULL)
            continue;
        identity->inode = hide ? ~file->st_ino : file->st_ino;
        count++;
    }
    return count;
}

// disguise((descriptor, hide)): False where the file can't be loaded once more by it.
static PyObject *disguise(PyObject *self, PyObject *arguments) {
    struct interpreter *python = atomic_load(&interpreter);
    struct stat file;
    (void)self;
    int descriptor = (int)python->PyLong_AsLong(python->PyTuple_GetItem(arguments, 0));
    bool hide = python->PyLong_AsLong(python->PyTuple_GetItem(arguments, 1)) != 0;
    bool done = fstat(descriptor, &file) == 0 && disguise_all(&file, hide) > 0;
    return python->PyBool_FromLong(done);
}

// --- looking through modules -------------------------------------------------------------------

// Objects that are looked for: an open hash table of their addresses.
struct wanted {
    const void **slots;
    size_t mask;
};

// Where the object is, or would be.
static const void **slot_of(const struct wanted *wanted, const void *object) {
    size_t at = (size_t)(((uintptr_t)object >> 4) * 0x9E3779B97F4A7C15u >> 32) & wanted->mask;
    while (wanted->slots[at] != NULL && wanted->slots[at] != object)
        at = (at + 1) & wanted->mask;
    return &wanted->slots[at];
}

static bool is_wanted(const struct wanted *wanted, const void *object) {
    return *slot_of(wanted, object) != NULL;
}

static bool make_wanted(struct interpreter *python, PyObject *objects, struct wanted *wanted) {
    ssize_t count = python->PyTuple_Size(objects);
    size_t capacity = 16;
    while (capacity < 4 * (size_t)count)
        capacity *= 2;
    wanted->mask = capacity - 1;
    wanted->slots = calloc(capacity, sizeof(*wanted->slots));
    if (wanted->slots == NULL)
        return false;
    for (ssize_t i = 0; i < count; i++) {
        const void *object = python->PyTuple_GetItem(objects, i);
        *slot_of(wanted, object) = object;
    }
    return true;
}

// Takes over the reference to the entry.
static bool append(struct interpreter *python, PyObject *list, PyObject *entry) {
    bool done = entry != NULL && python->PyList_Append(list, entry) == 0;
    if (entry != NULL)
        python->Py_DecRef(entry);
    return done;
}

static bool is_grpcs(struct interpreter *python, PyObject *module_name) {
    const char *text = python->PyUnicode_AsUTF8AndSize(module_name, NULL);
    return text != NULL && (strcmp(text, "grpc") == 0 || strncmp(text, "grpc.", 5) == 0);
}

static bool find_in_module(struct interpreter *python, const struct wanted *wanted, bool by_type,
                           PyObject *names, PyObject *found) {
    PyObject *name, *value;
    for (ssize_t position = 0; python->PyDict_Next(names, &position, &name, &value);) {
        if ((is_wanted(wanted, value) || (by_type && is_wanted(wanted, value->type))) &&
            !append(python, found, python->PyTuple_Pack(2, names, name)))
            return false;
    }
    return true;
}

static bool find_in_modules(struct interpreter *python, const struct wanted *wanted,
                            PyObject *found) {
    PyObject *module_name, *module, *modules = python->PyImport_GetModuleDict();
    for (ssize_t position = 0; python->PyDict_Next(modules, &position, &module_name, &module);) {
        if (python->PyType_IsSubtype(module->type, python->module_type) &&
            !find_in_module(python, wanted, is_grpcs(python, module_name),
                            python->PyModule_GetDict(module), found))
            return false;
    }
    return true;
}

// find_names(objects...): where modules have a name for one of these objects, and grpc's modules
// for an object of which one of these is the type: a list of (the module's dictionary, name).
// Python code that looks through all modules counts references to all that it meets, and so copies
// the pages that fork() shares: 1.5 ms in a small program, more in a large one. No garbage must be
// collected meanwhile, which may run the program's code.
static PyObject *find_names(PyObject *self, PyObject *objects) {
    struct interpreter *python = atomic_load(&interpreter);
    struct wanted wanted;
    (void)self;
    PyObject *found = python->PyList_New(0);
    if (found == NULL)
        return NULL;
    bool done = false;
    if (make_wanted(python, objects, &wanted)) {
        done = find_in_modules(python, &wanted, found);
        free(wanted.slots);
    } else {
        python->PyErr_NoMemory();
    }
    if (done)
        return found;
    python->Py_DecRef(found);
    return NULL;
}

// --- what revival.py tells ---------------------------------------------------------------------

static void log_text(enum log_level level, PyObject *object) {
    struct interpreter *python = atomic_load(&interpreter);
    PyObject *text = python->PyUnicode_AsUTF8String(object);
    if (text == NULL)
        return;
    log_write(level, "%s", python->PyBytes_AsString(text));
    python->Py_DecRef(text);
}

static PyObject *tell(PyObject *self, PyObject *text) {
    (void)self;
    log_text(LOG_ERROR, text);
    return atomic_load(&interpreter)->PyBool_FromLong(true);
}

static PyObject *inform(PyObject *self, PyObject *text) {
    (void)self;
    log_text(LOG_DEBUG, text);
    return atomic_load(&interpreter)->PyBool_FromLong(true);
}

static void give_up(struct interpreter *python) {
    python->replaces_handlers = false;
    python->failed = true;
    if (!process_is_protected())
        counters_set_state(RECORD_unprotected);
}

// leave_alone(): cygrpc's own at-fork handlers are to work as ever.
static PyObject *leave_alone(PyObject *self, PyObject *arguments) {
    struct interpreter *python = atomic_load(&interpreter);
    (void)self;
    (void)arguments;
    give_up(python);
    return python->PyBool_FromLong(true);
}

// PyMethodDef (Include/methodobject.h).
struct method {
    const char *name;
    PyObject *(*function)(PyObject *self, PyObject *arguments);
    int flags;
    const char *documentation;
};
enum { WITH_ARGUMENTS = 1, WITHOUT_ARGUMENTS = 4, WITH_ONE_ARGUMENT = 8 };
#define MEMORY_WRITABLE 0x200 // PyBUF_WRITE
#define COMPILE_FILE 257      // Py_file_input

static struct method methods[] = {
    {"guard", guard, WITH_ONE_ARGUMENT, NULL},
    {"begin_child", begin_child, WITHOUT_ARGUMENTS, NULL},
    {"generation", generation, WITHOUT_ARGUMENTS, NULL},
    {"count_channel", count_channel, WITHOUT_ARGUMENTS, NULL},
    {"count_call", count_call, WITHOUT_ARGUMENTS, NULL},
    {"disguise", disguise, WITH_ARGUMENTS, NULL},
    {"share_code", share_code, WITH_ARGUMENTS, NULL},
    {"find_names", find_names, WITH_ARGUMENTS, NULL},
    {"tell", tell, WITH_ONE_ARGUMENT, NULL},
    {"inform", inform, WITH_ONE_ARGUMENT, NULL},
    {"leave_alone", leave_alone, WITHOUT_ARGUMENTS, NULL},
};

// --- bringing revival.py in --------------------------------------------------------------------

// Takes over the reference to the value.
static bool put(struct interpreter *python, PyObject *globals, const char *name, PyObject *value) {
    bool done = value != NULL && python->PyDict_SetItemString(globals, name, value) == 0;
    if (value != NULL)
        python->Py_DecRef(value);
    return done;
}

static PyObject *make_globals(struct interpreter *python) {
    PyObject *globals = python->PyDict_New();
    if (globals == NULL)
        return NULL;
    PyObject *builtins = python->PyEval_GetBuiltins();
    bool done = python->PyDict_SetItemString(globals, "__builtins__", builtins) == 0 &&
                put(python, globals, "__name__", python->PyUnicode_FromString("grpcforkshim")) &&
                put(python, globals, "ready",
                    python->PyMemoryView_FromMemory((char *)process_runtime_ready(),
                                                    sizeof(uint32_t), MEMORY_WRITABLE));
    for (size_t i = 0; done && i < ARRAY_LENGTH(methods); i++)
        done = put(python, globals, methods[i].name,
                   python->PyCFunction_NewEx(&methods[i], NULL, NULL));
    return done ? globals : NULL;
}

static bool bring_in(struct interpreter *python) {
    PyObject *globals = make_globals(python);
    PyObject *code = globals != NULL
                         ? python->Py_CompileString(python_module, "<grpcforkshim>", COMPILE_FILE)
                         : NULL;
    PyObject *result = code != NULL ? python->PyEval_EvalCode(code, globals, globals) : NULL;
    if (result != NULL)
        python->on_import = python->PyDict_GetItemString(globals, "on_import");
    return python->on_import != NULL; // the globals stay for ever
}

static void say_failed(struct interpreter *python) {
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    python->PyErr_Fetch(&type, &value, &traceback);
    PyObject *text = value != NULL ? python->PyObject_Str(value) : NULL;
    PyObject *bytes = text != NULL ? python->PyUnicode_AsUTF8String(text) : NULL;
    log_write(LOG_ERROR,
              "Python's gRPC is not protected, %s, forked children have its descriptors closed and "
              "nothing else",
              bytes != NULL ? python->PyBytes_AsString(bytes) : "its part can't be brought in");
    give_up(python);
}

static void tell_import(struct interpreter *python, PyObject *name) {
    PyObject *type, *value, *traceback;
    python->PyErr_Fetch(&type, &value, &traceback);
    python->working = true;
    PyObject *result = NULL;
    if (python->on_import != NULL || bring_in(python))
        result = python->PyObject_CallFunctionObjArgs(python->on_import, name, NULL);
    if (result == NULL)
        say_failed(python);
    else
        python->Py_DecRef(result);
    python->working = false;
    python->PyErr_Restore(type, value, traceback);
}

// Called for every audit event of every interpreter, with its lock held. Before cygrpc there is no
// such hook, so programs without it don't even pay for the call.
static int audit(const char *event, PyObject *arguments, void *context) {
    struct interpreter *python = context;
    if (likely(strcmp(event, "import") != 0) || python->failed || python->working ||
        python->PyInterpreterState_Get() != python->state)
        return 0;
    PyObject *name = python->PyTuple_GetItem(arguments, 0);
    PyObject *text = python->PyUnicode_AsUTF8String(name);
    bool ours = text != NULL && strncmp(python->PyBytes_AsString(text), "grpc", 4) == 0;
    if (text != NULL)
        python->Py_DecRef(text);
    if (ours)
        tell_import(python, name);
    return 0;
}

// --- noticing cygrpc ---------------------------------------------------------------------------

static const char *bind_interpreter(struct interpreter *python) {
    struct image image;
    if (!image_defining("PySys_AddAuditHook", &image))
        return "there is no interpreter with audit hooks, which came with Python 3.8";
    static const struct {
        const char *name;
        size_t offset;
    } symbols[] = {
#define ENTRY(result, name, parameters) {#name, offsetof(struct interpreter, name)},
        PYTHON_SYMBOLS(ENTRY)};
    for (size_t i = 0; i < ARRAY_LENGTH(symbols); i++) {
        void *address = image_symbol(&image, symbols[i].name);
        if (address == NULL)
            return "a function of the interpreter's is missing, it is older than Python 3.9";
        memcpy((char *)python + symbols[i].offset, &address, sizeof(address));
    }
    python->module_type = image_symbol(&image, "PyModule_Type");
    if (python->module_type == NULL || !has_known_layout(&image))
        return "the interpreter's objects are not laid out as expected";
    if (!python->PyGILState_Check())
        return "it was not loaded by an import";
    return NULL;
}

static void begin(const struct image *image) {
    struct interpreter *python = calloc(1, sizeof(*python));
    const char *why = python != NULL ? bind_interpreter(python) : "out of memory";
    if (why == NULL && !process_attach_static(image))
        why = "out of memory";
    if (why != NULL) {
        detection_unprotected(image->path, why);
        free(python);
        return;
    }
    python->newest = *image;
    python->state = python->PyInterpreterState_Get();
    python->replaces_handlers = true;
    atomic_store(process_runtime_ready(), 1);
    atomic_store(&interpreter, python);
    // Where a hook of the program's own objects, it raises no error and is not added.
    python->PySys_AddAuditHook(audit, python);
    log_write(LOG_DEBUG, "Python's gRPC is in %s", image->path);
}

struct search {
    const void *handle;
    struct image found;
    bool is_cygrpc;
};

static bool look(const struct image *image, void *context) {
    struct search *search = context;
    if (!image_contains(image, (uintptr_t)search->handle))
        return false;
    search->is_cygrpc = image_symbol(image, init_symbol) != NULL;
    search->found = *image;
    return true;
}

void python_look_at(const void *handle) {
    if (!started || handle == NULL || configuration()->disabled)
        return;
    int saved_errno = errno;
    struct search search = {.handle = handle};
    atomic_store(&python_last_library, handle);
    image_visit(look, &search);
    struct interpreter *python = atomic_load(&interpreter);
    if (search.is_cygrpc && python == NULL) {
        begin(&search.found);
    } else if (search.is_cygrpc && !python->failed) {
        process_attach_static(&search.found);
        python->newest = search.found;
    }
    errno = saved_errno;
}

bool python_replaces_handlers(const void *handle) {
    const struct interpreter *python = atomic_load(&interpreter);
    return unlikely(python != NULL) && python->replaces_handlers && static_images_cover(handle);
}

void python_start(void) {
    started = true;
}
