#include "base/printable.h"

#include <stdbool.h>

// How many bytes the character has that begins there, as its first byte says; 0 for none's. Bytes
// that would make a longer form than needed of some character are none's (RFC 3629).
static size_t length_by_first(unsigned char first) {
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

// Of three and four bytes, the second has less room behind some first ones.
static bool is_second(unsigned char first, unsigned char second) {
    unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return second >= least && second <= most;
}

size_t printable_character(const char *text, size_t available) {
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = available > 0 ? length_by_first(bytes[0]) : 0;
    if (length > available || (length > 1 && !is_second(bytes[0], bytes[1])))
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

// C0, DEL, and C1, which is 0xc2 and the character.
static bool is_control(const unsigned char *bytes, size_t length) {
    return length == 1 ? bytes[0] < 0x20 || bytes[0] == 0x7f
                       : length == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0;
}

void printable_make(char *text, size_t length) {
    for (size_t at = 0; at < length;) {
        size_t whole = printable_character(text + at, length - at);
        bool shown = whole > 0 && !is_control((const unsigned char *)text + at, whole);
        if (!shown)
            text[at] = '?';
        at += shown ? whole : 1;
    }
}
