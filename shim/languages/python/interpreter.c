#include "languages/python/interpreter.h"

#include <stddef.h>

struct interpreter *_Atomic python_interpreter = NULL;
