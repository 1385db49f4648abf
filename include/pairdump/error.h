/*
 * error: what went wrong, where, and what to do, as one value that the caller owns.
 *
 * A function that can fail takes a struct pd_error * (never NULL) as its last argument, fills it
 * with pd_error_set() and returns the same status. On success it leaves the error untouched.
 * Context (volume, archive, file) is added on the way up by whoever knows it; the first to set a
 * field wins. Fields are fixed buffers: setting never allocates, long text is cut with "...".
 * Bytes that are not printable UTF-8 are percent-escaped, so that an error fits one line of any
 * terminal or JSON text; a '%' stands for itself.
 */
#ifndef PAIRDUMP_ERROR_H
#define PAIRDUMP_ERROR_H

#include <stdint.h>

#include "pairdump/status.h"

struct pd_error {
    enum pd_status status;
    int sys_errno;     /* errno at the place of failure, 0 if none */
    char message[512]; /* one line, no trailing dot or newline */
    char volume[64];   /* label or target, "" if unknown */
    char archive[128];
    char file[512];
};

#define PD_ERROR_INIT {.status = PD_OK}

void pd_error_clear(struct pd_error *err);

/* Fills status, errno and message (replacing what was there, context fields included) and returns
 * status. With sys_errno != 0 the text of strerror is appended to the message. */
enum pd_status pd_error_set(struct pd_error *err, enum pd_status status, int sys_errno,
                            const char *fmt, ...) PD_PRINTF(4, 5);

/* Shorthand for malloc failures: PD_NO_MEMORY naming what was to be allocated. */
enum pd_status pd_error_memory(struct pd_error *err, const char *what);

/* Add context; each argument may be NULL (left as is) and fills only an empty field. */
void pd_error_context(struct pd_error *err, const char *volume, const char *archive,
                      const char *file);

/* Maps errno of ordinary file calls by table (ENOSPC -> PD_NO_SPACE, EROFS -> PD_WRITE_PROTECTED,
 * EDQUOT -> PD_NO_SPACE, ENOMEM -> PD_NO_MEMORY, EINTR/EAGAIN -> PD_AGAIN, ENOENT -> PD_NOT_FOUND,
 * EEXIST -> PD_EXISTS, EBUSY -> PD_BUSY, others -> PD_IO). 0 maps to PD_INTERNAL. */
enum pd_status pd_status_from_errno(int sys_errno);

/* One line: "VOLUME: ARCHIVE: FILE: message: text of the status [status-name]", NUL-terminated,
 * cut to size. */
void pd_error_format(const struct pd_error *err, char *out, size_t size);

#endif
