/*
 * render: values as people and programs read them: text on a stream, or jansson values.
 *
 * Paths are shown percent-escaped (text.h, pd_escape_utf8), so that every path is one line of valid
 * UTF-8 and can be turned back into its bytes. The ticker is the one progress line on a terminal.
 */
#ifndef PAIRDUMP_FACE_RENDER_H
#define PAIRDUMP_FACE_RENDER_H

#include <jansson.h>
#include <stdio.h>

#include "pairdump/catalog.h"
#include "pairdump/env.h"

/* An escaped copy to free(3); "?" when memory is out (never NULL is not promised: check). */
char *pd_render_path(const char *path);
void pd_render_print_path(FILE *out, const char *path);
/* RFC 3339, or "-" for 0. out takes 32 bytes. */
void pd_render_time(int64_t utc_ns, char *out, size_t size);
/* The same, and how long ago: "2026-01-02T10:00:00Z, 323 days ago". out takes 64 bytes. */
void pd_render_age(const struct pd_clock *clock, int64_t utc_ns, char *out, size_t size);

json_t *pd_render_json_path(const char *path);
json_t *pd_render_json_time(int64_t utc_ns); /* null for 0 */
json_t *pd_render_json_u64(uint64_t value);
json_t *pd_render_json_error(const struct pd_error *err);

void pd_render_help(FILE *out, const char *name);
void pd_render_bash_completion(FILE *out);

/* One line on stderr, drawn twice a second by its own thread. NULL when memory is out. */
struct pd_ticker;
struct pd_ticker *pd_ticker_start(const struct pd_env *env, FILE *out);
/* Erases the line; log lines call it so that they do not mix. */
void pd_ticker_clear(struct pd_ticker *ticker);
void pd_ticker_stop(struct pd_ticker *ticker);

#endif
