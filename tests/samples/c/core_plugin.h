// What several_cores loads: a plugin with a client of the echo server, on a gRPC core that came
// with it. There is one in C and one in C++.
//
// Any process may call these, but for plugin_call_quietly() one thread at a time. WHO begins each
// line that is printed. A call is refused, and the line says why, if it failed, if it came over the
// parent's connection, or if the connection is not the one that this process had before.
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// Where all is well no call needs as much.
#define PLUGIN_CALL_SECONDS 10
#define PLUGIN_PEER_SIZE 128

// Initialises gRPC, makes a channel, and calls.
bool plugin_open(const char *who, const char *address);
// Calls on the channel of plugin_open(), which a parent may have called.
bool plugin_call(const char *who);
// Makes another channel, calls, and closes it.
bool plugin_call_new(const char *who);
// As plugin_call(), for any thread, and prints nothing unless the call is refused.
bool plugin_call_quietly(void);
// Of the connection of the last plugin_open() or plugin_call(), as the server sees it. Valid until
// the next one.
const char *plugin_peer(void);
// Closes the channel and shuts gRPC down.
void plugin_close(void);
// Of the gRPC that answers. Not to be freed.
const char *plugin_version(void);

#ifdef __cplusplus
}
#endif
