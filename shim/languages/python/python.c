#include "languages/python/python.h"

#include "base/configuration.h"
#include "base/generation.h"
#include "base/log.h"
#include "cores/detection.h"
#include "cores/state.h"
#include "cores/static_images.h"
#include "languages/python/copy.h"
#include "languages/python/interpreter.h"
#include "languages/python/names.h"
#include "life/finding.h"
#include "life/first_use.h"
#include "life/steps.h"
#include "loader/image.h"
#include "loader/image_list.h"
#include "process/page.h"
#include "python_module.h"
#include "report/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char init_symbol[] = "PyInit_cygrpc";

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
    if (found->generation == current_generation() && atomic_load(page_runtime_ready()) != 0)
        found->deallocate(object);
    else
        atomic_load(&python_interpreter)->Py_IncRef(object);
}

static bool contains(const struct image *image, void (*function)(PyObject *)) {
    return image_contains(image, (uintptr_t)function);
}

// guard(type): True where the type's objects are freed by code of cygrpc.
static PyObject *guard(PyObject *self, PyObject *argument) {
    struct interpreter *python = atomic_load(&python_interpreter);
    struct python_type *type = (struct python_type *)argument;
    (void)self;
    if (!contains(&python->newest, type->deallocate))
        return python->PyBool_FromLong(false);
    struct guarded *more = realloc(guarded, (guarded_count + 1) * sizeof(*guarded));
    if (more == NULL) {
        static bool said;
        log_once(said, LOG_ERROR,
                 "can't guard a type of grpc's, out of memory, a child that frees an object of it "
                 "runs its parent's code");
        return python->PyBool_FromLong(false);
    }
    guarded = more;
    guarded[guarded_count++] = (struct guarded){type, type->deallocate, current_generation()};
    type->deallocate = deallocate;
    return python->PyBool_FromLong(true);
}

// --- functions for revival.py ------------------------------------------------------------------

// begin_child(): does what fork() left to do, returns the generation.
static PyObject *begin_child(PyObject *self, PyObject *arguments) {
    (void)self;
    (void)arguments;
    return atomic_load(&python_interpreter)->PyLong_FromUnsignedLong(first_use_begin_child());
}

// generation(): how many forks lie behind this process.
static PyObject *generation(PyObject *self, PyObject *arguments) {
    (void)self;
    (void)arguments;
    return atomic_load(&python_interpreter)->PyLong_FromUnsignedLong(current_generation());
}

// count_channel(), count_call(): one was rebuilt, one is over.
static PyObject *count_channel(PyObject *self, PyObject *arguments) {
    (void)self;
    (void)arguments;
    counters_add(COUNTER_channels_rebuilt, 1);
    return atomic_load(&python_interpreter)->PyBool_FromLong(true);
}

static PyObject *count_call(PyObject *self, PyObject *arguments) {
    (void)self;
    (void)arguments;
    counters_add(COUNTER_calls_cancelled, 1);
    return atomic_load(&python_interpreter)->PyBool_FromLong(true);
}

// --- what revival.py tells ---------------------------------------------------------------------

static void log_object(enum log_level level, PyObject *object) {
    struct interpreter *python = atomic_load(&python_interpreter);
    PyObject *text = python->PyUnicode_AsUTF8String(object);
    if (text == NULL)
        return;
    log_write(level, "%s", python->PyBytes_AsString(text));
    python->Py_DecRef(text);
}

static PyObject *tell(PyObject *self, PyObject *text) {
    (void)self;
    log_object(LOG_ERROR, text);
    return atomic_load(&python_interpreter)->PyBool_FromLong(true);
}

static PyObject *inform(PyObject *self, PyObject *text) {
    (void)self;
    log_object(LOG_DEBUG, text);
    return atomic_load(&python_interpreter)->PyBool_FromLong(true);
}

static void give_up(struct interpreter *python) {
    python->replaces_handlers = false;
    python->failed = true;
    counters_set_protected(RECORD_EXTENSION, 0);
    counters_note_refused();
    if (!cores_protect_any())
        counters_set_state(RECORD_unprotected);
}

// leave_alone(): cygrpc's own at-fork handlers are to work as ever.
static PyObject *leave_alone(PyObject *self, PyObject *arguments) {
    struct interpreter *python = atomic_load(&python_interpreter);
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

// Python only reads them.
static const struct method methods[] = {
    {"guard", guard, WITH_ONE_ARGUMENT, NULL},
    {"begin_child", begin_child, WITHOUT_ARGUMENTS, NULL},
    {"generation", generation, WITHOUT_ARGUMENTS, NULL},
    {"count_channel", count_channel, WITHOUT_ARGUMENTS, NULL},
    {"count_call", count_call, WITHOUT_ARGUMENTS, NULL},
    {"disguise", python_disguise, WITH_ARGUMENTS, NULL},
    {"share_code", python_share_code, WITH_ARGUMENTS, NULL},
    {"find_names", python_find_names, WITH_ARGUMENTS, NULL},
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
                    python->PyMemoryView_FromMemory((char *)page_runtime_ready(), sizeof(uint32_t),
                                                    MEMORY_WRITABLE));
    for (size_t i = 0; done && i < ARRAY_LENGTH(methods); i++)
        done = put(python, globals, methods[i].name,
                   python->PyCFunction_NewEx((void *)(uintptr_t)&methods[i], NULL, NULL));
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

static bool has_known_layout(const struct image *image) {
    const struct python_type *number = image_symbol(image, "PyLong_Type");
    const struct python_type *truth = image_symbol(image, "PyBool_Type");
    const struct python_type *type = image_symbol(image, "PyType_Type");
    return number != NULL && truth != NULL && number->head.type == type &&
           strcmp(truth->name, "bool") == 0 && truth->base == number && number->item_size == 4 &&
           truth->deallocate != NULL;
}

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
    if (why == NULL && !finding_attach_static(image))
        why = "out of memory";
    if (why != NULL) {
        detection_unprotected(image->path, why);
        free(python);
        return;
    }
    python->newest = *image;
    python->state = python->PyInterpreterState_Get();
    python->replaces_handlers = true;
    counters_set_protected(RECORD_EXTENSION, image->start);
    atomic_store(page_runtime_ready(), 1);
    atomic_store(&python_interpreter, python);
    // Where a hook of the program's own objects, it raises no error and is not added.
    python->PySys_AddAuditHook(audit, python);
    log_write(LOG_DEBUG, "Python's gRPC is in %s", image->path);
}

static void look_at(const struct image *image) {
    if (image_symbol(image, init_symbol) == NULL)
        return;
    struct interpreter *python = atomic_load(&python_interpreter);
    if (python == NULL) {
        begin(image);
    } else if (!python->failed) {
        finding_attach_static(image);
        python->newest = *image;
    }
}

bool python_replaces_handlers(const void *handle) {
    const struct interpreter *python = atomic_load(&python_interpreter);
    return unlikely(python != NULL) && python->replaces_handlers && static_images_cover(handle);
}

void python_start(void) {
    static const struct steps steps = {.library_loaded = look_at};
    steps_add(&steps);
}
