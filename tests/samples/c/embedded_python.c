// A program with an embedded interpreter, loaded late and with no Python of its own.
//
// usage: embedded_python LIBPYTHON PROGRAM [ARGUMENT...]
#include <dlfcn.h>
#include <stdio.h>

static void *find(void *library, const char *name) {
    void *address = dlsym(library, name);
    if (address == NULL)
        fprintf(stderr, "%s\n", dlerror());
    return address;
}

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: embedded_python LIBPYTHON PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    // Extension modules expect to find the interpreter's symbols.
    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int (*run)(int, char **) = (int (*)(int, char **))find(library, "Py_BytesMain");
    return run != NULL ? run(count - 1, arguments + 1) : 1;
}
