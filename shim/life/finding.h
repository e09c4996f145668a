// Finding gRPC in a process, when its libraries are loaded: all that a fork or a first call will
// need of memory or of the loader is got ready then (life/fork.h says why).
#ifndef GRPCFORKSHIM_LIFE_FINDING_H
#define GRPCFORKSHIM_LIFE_FINDING_H

#include "cores/core.h"
#include "loader/image.h"

#include <stdbool.h>

// Looks for a gRPC that came in before this library's constructor, when the languages have added
// their steps, and from here on at each library that is loaded. From the constructor.
void finding_begin(void);

// A library registers an exit-time destructor, by its handle (its __dso_handle), as those written
// in C++ do when they are loaded, and gRPC is one of them. Any thread; keeps errno.
void finding_library_loaded(const void *handle);

// Looks for cores that no constructor has told of, where none is known. Between work_begin and
// work_end.
void finding_look(void);

// Gets a core ready at the first call into it that was not got ready when it was loaded, or says
// why it is left alone. As above.
void finding_at_call(struct core *core);

// The program initialises gRPC: looks for cores that have come in and of which nothing has told, if
// the call is from an image that none came from yet. True where there are more than before: the
// call may be another one's then. Any thread; keeps errno. Nothing of ours may be locked.
bool finding_notice_caller(const void *caller);

// A library is about to be unloaded, or was. Any thread.
void finding_forget_callers(void);

// Keeps cores that were not found yet loaded, before the former. Takes the loader's lock: nothing
// of ours may be locked. Any thread.
void finding_pin(void);

// Follows an image that has a gRPC of its own (cores/static_images.h) from now on. Any thread, also
// one that runs the image's constructors. False where memory is lacking.
bool finding_attach_static(const struct image *image);

#endif
