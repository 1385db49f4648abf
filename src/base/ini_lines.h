/*
 * ini_lines: libinih with the checks that it leaves out.
 *
 * libinih cuts lines at its own limit, and joins or ignores what it does not understand; this reads
 * through it and refuses lines that are too long, NUL bytes, and every line it calls malformed.
 */
#ifndef PAIRDUMP_BASE_INI_LINES_H
#define PAIRDUMP_BASE_INI_LINES_H

#include "pairdump/error.h"

#define PD_INI_LINE_MAX 198 /* libinih as Debian builds it takes 200 bytes with newline and NUL */

/* Returns PD_OK to go on. line counts from 1. */
typedef enum pd_status (*pd_ini_fn)(void *arg, const char *section, const char *key,
                                    const char *value, int line, struct pd_error *err);

/* bad: the status for malformed text. name stands for the file in messages. */
PD_MUST_USE enum pd_status pd_ini_lines(const char *text, size_t len, const char *name,
                                        enum pd_status bad, pd_ini_fn fn, void *arg,
                                        struct pd_error *err);

#endif
