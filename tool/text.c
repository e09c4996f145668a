#include "text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// How many bytes the character has that begins there; 0 where it is not UTF-8. Jansson knows what
// is.
static size_t character_length(const char *bytes) {
    size_t available = strnlen(bytes, 4);
    for (size_t length = 1; length <= available; length++) {
        json_t *character = json_stringn(bytes, length);
        json_decref(character);
        if (character != NULL)
            return length;
    }
    return 0;
}

json_t *text_json(const char *bytes) {
    static const char replacement[] = "\xef\xbf\xbd";
    json_t *string = json_string(bytes);
    if (string != NULL)
        return string;
    char *text = malloc(strlen(bytes) * (sizeof(replacement) - 1) + 1), *end = text;
    while (text != NULL && *bytes != '\0') {
        size_t length = character_length(bytes);
        end = mempcpy(end, length > 0 ? bytes : replacement,
                      length > 0 ? length : sizeof(replacement) - 1);
        bytes += length > 0 ? length : 1;
    }
    if (text != NULL)
        string = json_stringn(text, (size_t)(end - text));
    free(text);
    return string;
}

// C0, DEL, and C1, which UTF-8 has as 0xc2 and the character.
static bool is_control(const unsigned char *character) {
    return character[0] < 0x20 || character[0] == 0x7f ||
           (character[0] == 0xc2 && character[1] >= 0x80 && character[1] < 0xa0);
}

static void make_string_printable(json_t *string) {
    char *text = strdup(json_string_value(string)), *end = text;
    if (text == NULL)
        return;
    for (const char *from = text; *from != '\0'; from++) {
        bool control = is_control((const unsigned char *)from);
        from += control && (unsigned char)*from == 0xc2;
        *end++ = control ? '?' : *from;
    }
    *end = '\0';
    json_string_set(string, text);
    free(text);
}

void text_make_printable(json_t *tree) {
    const char *key;
    json_t *value;
    size_t index;
    if (json_is_string(tree)) {
        make_string_printable(tree);
    } else if (json_is_object(tree)) {
        json_object_foreach(tree, key, value) {
            text_make_printable(value);
        }
    } else if (json_is_array(tree)) {
        json_array_foreach(tree, index, value) {
            text_make_printable(value);
        }
    }
}
