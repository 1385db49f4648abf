/*
 * text: growable byte buffers, hex, percent-escapes and path checks.
 *
 * A struct pd_buf is zero-initialized with PD_BUF_INIT, grows on append, and is released with
 * pd_buf_free. data is always NUL-terminated after a successful append; len does not count it.
 * Appends return PD_OK or PD_NO_MEMORY (then the buffer is unchanged). Not thread-safe.
 */
#ifndef PAIRDUMP_TEXT_H
#define PAIRDUMP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pairdump/error.h"

struct pd_buf {
    char *data; /* NULL while empty */
    size_t len;
    size_t cap;
};

#define PD_BUF_INIT {NULL, 0, 0}

PD_MUST_USE enum pd_status pd_buf_append(struct pd_buf *buf, const void *bytes, size_t len);
PD_MUST_USE enum pd_status pd_buf_puts(struct pd_buf *buf, const char *text);
PD_MUST_USE enum pd_status pd_buf_printf(struct pd_buf *buf, const char *fmt, ...) PD_PRINTF(2, 3);
void pd_buf_clear(struct pd_buf *buf); /* len = 0, keeps the memory */
void pd_buf_free(struct pd_buf *buf);  /* releases; the buffer is as after PD_BUF_INIT */

/* Lower-case hex. out takes 2 * len + 1 bytes. */
void pd_hex_encode(const void *bytes, size_t len, char *out);
/* Exactly 2 * len hex digits (either case) at text; false on anything else. */
bool pd_hex_decode(const char *text, void *out, size_t len);

/*
 * Percent-escape for one-line text files: every byte below 0x20, 0x7f and '%' becomes %XX (upper
 * case), as RFC 8493 section 2.1.3 does for CR, LF and '%'. All other bytes stand for themselves,
 * so raw bytes of any encoding survive a round trip.
 */
PD_MUST_USE enum pd_status pd_escape(struct pd_buf *out, const char *bytes, size_t len);
/* The manifest form of RFC 8493: only CR, LF and '%'. */
PD_MUST_USE enum pd_status pd_escape_manifest(struct pd_buf *out, const char *bytes, size_t len);
/* The reverse of both; false when a '%' is not followed by two hex digits, or a NUL results. */
bool pd_unescape(const char *text, size_t len, struct pd_buf *out);

/* Appends text that a terminal and JSON can show: escapes as pd_escape, and bytes that are not
 * part of valid UTF-8 too. Not ambiguous: pd_unescape gives the bytes back. */
PD_MUST_USE enum pd_status pd_escape_utf8(struct pd_buf *out, const char *bytes, size_t len);

/* No byte that is not part of UTF-8 (RFC 3629); control characters pass. */
bool pd_text_is_utf8(const char *text);

/*
 * True if path may be created below a folder: not empty, relative, no empty, "." or ".."
 * component, no NUL within len. A single trailing slash is allowed.
 */
bool pd_path_is_safe(const char *path, size_t len);

/* Absolute, lexically clean form of path ("." and "//" removed, ".." folded, no trailing slash but
 * for "/"): relative ones are joined to cwd. Symbolic links are not followed. Caller frees *out. */
PD_MUST_USE enum pd_status pd_path_absolute(const char *path, const char *cwd, char **out,
                                            struct pd_error *err);

/* A volume label: 1 to 8 characters A-Z 0-9 '-' '_' . */
bool pd_label_is_valid(const char *label);

#endif
