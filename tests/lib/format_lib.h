/*
 * Help for the tests of the format room: tar streams in memory, a folder of one's own, shell tools.
 */
#ifndef FORMAT_LIB_H
#define FORMAT_LIB_H

#include "pairdump/tar.h"
#include "pairdump/text.h"

/* A sink that appends to a struct pd_buf. */
enum pd_status format_to_buf(void *arg, const void *bytes, size_t len, struct pd_error *err);

/* A source over memory, in steps of so many bytes (0: all at once); after `fail_at` bytes it gives
 * `fail` unless that is PD_OK. */
struct format_memory {
    const char *bytes;
    size_t len, at, step, fail_at;
    enum pd_status fail;
};
enum pd_status format_from_memory(void *arg, const void **bytes, size_t *len, struct pd_error *err);

/* A new empty folder, and its end with all that is in it. Both end the test when they fail. */
void format_dir_make(char *dir, size_t size);
void format_dir_remove(const char *dir);
void format_file_write(const char *dir, const char *name, const void *bytes, size_t len);
/* The whole file, NUL-terminated; the caller frees it. */
char *format_file_read(const char *dir, const char *name, size_t *len);

/* Runs a script with sh -e in the folder, LC_ALL=C and TZ=UTC, output to dir/out; its exit code. */
int format_sh(const char *dir, const char *script);

#endif
