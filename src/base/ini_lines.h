/*
 * ini_lines: libinih with the checks that it leaves out.
 *
 * libinih, as Debian builds it, cuts lines at 199 bytes, section names at 49, text after a ']' and
 * values at white space before ';', says nothing of empty sections, and takes an indented line for
 * more of the value before it. This reads through it and refuses all that would be cut, NUL bytes,
 * and every line that libinih calls malformed; a line may be indented and means the same.
 */
#ifndef PAIRDUMP_BASE_INI_LINES_H
#define PAIRDUMP_BASE_INI_LINES_H

#include "pairdump/error.h"

#define PD_INI_LINE_MAX    198 /* bytes with the newline */
#define PD_INI_SECTION_MAX 49

/* Called for each [section] with key and value NULL, and for each pair. Returns PD_OK to go on.
 * line counts from 1. */
typedef enum pd_status (*pd_ini_fn)(void *arg, const char *section, const char *key,
                                    const char *value, int line, struct pd_error *err);

/* bad: the status for malformed text. name stands for the file in messages, which never quote what
 * the file holds. */
PD_MUST_USE enum pd_status pd_ini_lines(const char *text, size_t len, const char *name,
                                        enum pd_status bad, pd_ini_fn fn, void *arg,
                                        struct pd_error *err);

/* All of an open regular file of size bytes, with a NUL behind, for the caller to free; bad if it
 * turns out shorter or longer. */
PD_MUST_USE enum pd_status pd_ini_lines_read(int fd, size_t size, const char *path,
                                             enum pd_status bad, char **text, struct pd_error *err);

#endif
