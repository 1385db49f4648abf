/*
 * utf8: which bytes a terminal and JSON can show.
 */
#ifndef PAIRDUMP_BASE_UTF8_H
#define PAIRDUMP_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the printable UTF-8 character at s, of which len > 0 bytes may be looked at; 0 for a
 * control character and for what is not UTF-8 (RFC 3629: no overlong forms, no surrogates). */
size_t pd_utf8_printable(const char *s, size_t len);

/* Copies text into out (size > 0) with everything that is not printable as %XX; ends it by "..."
 * when it does not fit. A '%' stands for itself: this is for people, not for reading back. */
void pd_utf8_show(char *out, size_t size, const char *text);

#endif
