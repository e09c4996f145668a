// How systemd reads the values of settings (systemd.syntax(7), systemd.exec(5)), and how they are
// written for it. Specifiers stay as they are: systemd expands them after all of this.
#ifndef GRPCFORKSHIM_TOOL_SYNTAX_H
#define GRPCFORKSHIM_TOOL_SYNTAX_H

#include <stdbool.h>
#include <stdio.h>

// What a backslash means in a setting: that the next character has no meaning, or what it means in
// C (systemd.service(5), "Command Lines").
enum syntax { SYNTAX_PLAIN, SYNTAX_ESCAPES };

// Takes the next word from a value, without its quotes, and moves the value on; NULL at the end,
// and where systemd would not read on: at an unknown escape, or a quote that is not closed. The
// caller frees it.
char *syntax_next_word(const char **value, enum syntax syntax);

// The value that a value of Environment= gives to a variable; NULL where it gives none. The caller
// frees it.
char *syntax_environment(const char *value, const char *variable);

// The value that a file for EnvironmentFile= gives to a variable; NULL where it gives none. The
// caller frees it.
char *syntax_environment_file(const char *text, const char *variable);

// Whether systemd would put such a value into an environment: it ignores those that are not UTF-8.
bool syntax_is_value(const char *value);

// Writes what Environment= needs to set the variable to the value.
void syntax_write_assignment(FILE *stream, const char *variable, const char *value);

#endif
