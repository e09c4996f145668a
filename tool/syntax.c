#include "syntax.h"

#include "base/printable.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_in(char character, const char *set) {
    return character != '\0' && strchr(set, character) != NULL;
}

static bool is_space(char character) {
    return is_in(character, " \t\n\r");
}

static bool is_line_end(char character) {
    return is_in(character, "\n\r");
}

// --- escapes -------------------------------------------------------------------------------------

// A number of so many digits; false where there are fewer.
static bool read_number(const char *from, size_t digits, int base, uint32_t *number) {
    static const char characters[] = "0123456789abcdef";
    *number = 0;
    for (size_t i = 0; i < digits; i++) {
        char lower = from[i] >= 'A' && from[i] <= 'F' ? (char)(from[i] + 'a' - 'A') : from[i];
        const char *found = lower != '\0' ? strchr(characters, lower) : NULL;
        if (found == NULL || found - characters >= base)
            return false;
        *number = *number * (uint32_t)base + (uint32_t)(found - characters);
    }
    return true;
}

static char *put_character(char *end, uint32_t code) {
    if (code < 0x80) {
        *end++ = (char)code;
    } else if (code < 0x800) {
        *end++ = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        *end++ = (char)(0xe0 | code >> 12);
        *end++ = (char)(0x80 | (code >> 6 & 0x3f));
    } else {
        *end++ = (char)(0xf0 | code >> 18);
        *end++ = (char)(0x80 | (code >> 12 & 0x3f));
        *end++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    if (code >= 0x80)
        *end++ = (char)(0x80 | (code & 0x3f));
    return end;
}

// With x and in octal digits it is a byte, with u and U a character. None is 0.
static const struct {
    char letter;
    size_t digits;
    int base;
    uint32_t maximum;
} numbers[] = {{'x', 2, 16, 0xff}, {'u', 4, 16, 0xffff}, {'U', 8, 16, 0x10ffff}, {'0', 3, 8, 0xff}};

static bool put_number(const char **from, char **end) {
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        bool octal = numbers[i].base == 8;
        uint32_t number;
        if (octal ? !is_in(**from, "01234567") : **from != numbers[i].letter)
            continue;
        const char *digits = *from + !octal;
        if (!read_number(digits, numbers[i].digits, numbers[i].base, &number) || number == 0 ||
            number > numbers[i].maximum || (number >= 0xd800 && number <= 0xdfff))
            return false;
        *from = digits + numbers[i].digits;
        if (octal || numbers[i].letter == 'x')
            *(*end)++ = (char)number;
        else
            *end = put_character(*end, number);
        return true;
    }
    return false;
}

// What stands behind a backslash. False where systemd knows no such escape.
static bool put_escaped(const char **from, char **end, enum syntax syntax) {
    static const char letters[] = "abfnrtv\\\"'s", meanings[] = "\a\b\f\n\r\t\v\\\"' ";
    if (**from == '\0')
        return false;
    const char *letter = strchr(letters, **from);
    if (syntax == SYNTAX_ESCAPES && letter == NULL)
        return put_number(from, end);
    *(*end)++ = syntax == SYNTAX_ESCAPES ? meanings[letter - letters] : **from;
    ++*from;
    return true;
}

// --- words ---------------------------------------------------------------------------------------

// Into `word`, which has room for all of the value: no escape is shorter than what it means.
static bool read_word(const char **value, char *word, enum syntax syntax) {
    const char *from = *value;
    char quote = '\0', *end = word;
    while (*from != '\0' && (quote != '\0' || !is_space(*from))) {
        char character = *from++;
        if (character == '\\') {
            if (!put_escaped(&from, &end, syntax))
                return false;
        } else if (quote == '\0' && (character == '"' || character == '\'')) {
            quote = character;
        } else if (quote != '\0' && character == quote) {
            quote = '\0';
        } else {
            *end++ = character;
        }
    }
    *end = '\0';
    *value = from;
    return quote == '\0';
}

char *syntax_next_word(const char **value, enum syntax syntax) {
    while (is_space(**value))
        ++*value;
    char *word = **value != '\0' ? malloc(strlen(*value) + 1) : NULL;
    if (word == NULL || read_word(value, word, syntax))
        return word;
    // What comes behind it is not read either.
    *value += strlen(*value);
    free(word);
    return NULL;
}

char *syntax_environment(const char *value, const char *variable) {
    size_t length = strlen(variable);
    char *result = NULL;
    for (char *word; (word = syntax_next_word(&value, SYNTAX_ESCAPES)) != NULL; free(word)) {
        if (strncmp(word, variable, length) != 0 || word[length] != '=' ||
            !syntax_is_value(word + length + 1))
            continue;
        free(result);
        result = strdup(word + length + 1);
    }
    return result;
}

// --- files of variables --------------------------------------------------------------------------

struct value {
    char *text;
    size_t length;
    size_t kept; // what stands behind is whitespace, which does not count at the end
};

static void put(struct value *value, char character) {
    value->text[value->length++] = character;
}

static void read_single_quoted(const char **at, struct value *value) {
    for (++*at; **at != '\0' && **at != '\''; ++*at)
        put(value, **at);
    *at += **at != '\0';
}

// As in a shell: a backslash is itself but for the characters that have a meaning there.
static void read_double_quoted(const char **at, struct value *value) {
    for (++*at; **at != '\0' && **at != '"'; ++*at) {
        if (**at == '\\' && (*at)[1] != '\0') {
            ++*at;
            if (**at == '\n')
                continue;
            if (!is_in(**at, "\"\\`$"))
                put(value, '\\');
        }
        put(value, **at);
    }
    *at += **at != '\0';
}

// Quotes count at the beginning, and behind other quotes.
static void read_value(const char **at, struct value *value) {
    for (bool begun = false; **at != '\0' && !is_line_end(**at);) {
        if (!begun && is_space(**at)) {
            ++*at;
        } else if (!begun && **at == '\'') {
            read_single_quoted(at, value);
            value->kept = value->length;
        } else if (!begun && **at == '"') {
            read_double_quoted(at, value);
            value->kept = value->length;
        } else if (**at == '\\') {
            begun = true;
            ++*at;
            if (**at != '\0' && !is_line_end(**at))
                put(value, **at);
            value->kept = value->length;
            *at += **at != '\0';
        } else {
            begun = true;
            put(value, **at);
            if (!is_space(*(*at)++))
                value->kept = value->length;
        }
    }
    value->text[value->kept] = '\0';
}

// What stands in front of an equals sign, without the space between; NULL in `*end` where there is
// none on the line.
static const char *read_name(const char **at, const char **end) {
    while (is_space(**at))
        ++*at;
    const char *name = *at;
    size_t length = strcspn(name, is_in(*name, "#;") ? "\n\r" : "=\n\r");
    *at = name + length;
    *end = **at == '=' ? *at : NULL;
    while (*end != NULL && *end > name && is_space((*end)[-1]))
        --*end;
    *at += **at == '=';
    return name;
}

char *syntax_environment_file(const char *text, const char *variable) {
    char *result = NULL;
    struct value value = {malloc(strlen(text) + 1), 0, 0};
    while (value.text != NULL && *text != '\0') {
        const char *end, *name = read_name(&text, &end);
        if (end == NULL)
            continue;
        value.length = value.kept = 0;
        read_value(&text, &value);
        if ((size_t)(end - name) == strlen(variable) &&
            strncmp(name, variable, strlen(variable)) == 0) {
            free(result);
            result = strdup(value.text);
        }
    }
    free(value.text);
    return result;
}

// --- what is written -----------------------------------------------------------------------------

bool syntax_is_value(const char *value) {
    for (size_t left = strlen(value); left > 0;) {
        size_t length = printable_character(value, left);
        if (length == 0)
            return false;
        value += length;
        left -= length;
    }
    return true;
}

void syntax_write_assignment(FILE *stream, const char *variable, const char *value) {
    fprintf(stream, "Environment=\"%s=", variable);
    for (; *value != '\0'; value++) {
        if ((unsigned char)*value < 0x20 || *value == 0x7f)
            fprintf(stream, "\\x%02x", (unsigned)*value);
        else if (is_in(*value, "\"\\"))
            fprintf(stream, "\\%c", *value);
        else
            fputc(*value, stream);
    }
    fputs("\"\n", stream);
}
