#include "utf8.h"

#include <stdint.h>
#include <string.h>

size_t pd_utf8_printable(const char *s, size_t len)
{
    static const struct {
        uint8_t first_low, first_high, second_low, second_high;
        size_t length;
    } forms[] = {
        {0x20, 0x7e, 0, 0, 1},       {0xc2, 0xc2, 0xa0, 0xbf, 2}, /* U+0080..U+009F are controls */
        {0xc3, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const uint8_t *b = (const uint8_t *)s;

    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        size_t n = forms[f].length;
        if (b[0] < forms[f].first_low || b[0] > forms[f].first_high) {
            continue;
        }
        if (n > len || (n > 1 && (b[1] < forms[f].second_low || b[1] > forms[f].second_high))) {
            return 0;
        }
        for (size_t i = 2; i < n; i++) {
            if ((b[i] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return n;
    }
    return 0;
}

void pd_utf8_show(char *out, size_t size, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t left = strlen(text);
    size_t at = 0;
    size_t dots = 0; /* last place where "..." still fits */

    while (left > 0) {
        size_t n = pd_utf8_printable(text, left);
        size_t width = n > 0 ? n : 3;
        if (at + 4 <= size) {
            dots = at;
        }
        if (at + width >= size) {
            at = dots;
            for (int i = 0; i < 3 && at + 1 < size; i++) {
                out[at++] = '.';
            }
            break;
        }
        if (n > 0) {
            memcpy(out + at, text, n);
        } else {
            out[at] = '%';
            out[at + 1] = hex[(uint8_t)*text >> 4];
            out[at + 2] = hex[(uint8_t)*text & 15];
            n = 1;
        }
        at += width;
        text += n;
        left -= n;
    }
    out[at] = '\0';
}
