// A destructor of another library's, as std::ios_base::Init has one: says what is destroyed.
#pragma once

void unknown_destroy(void *what);
