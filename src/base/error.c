#include "pairdump/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

void pd_error_clear(struct pd_error *err)
{
    memset(err, 0, sizeof *err);
}

enum pd_status pd_error_set(struct pd_error *err, enum pd_status status, int sys_errno,
                            const char *fmt, ...)
{
    char text[sizeof err->message + 1]; /* what is cut here is marked as cut below */
    char reason[80] = "";
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (sys_errno != 0) {
        char known[sizeof reason - 2];
        snprintf(reason, sizeof reason, ": %s", strerror_r(sys_errno, known, sizeof known));
    }
    pd_error_clear(err);
    err->status = status;
    err->sys_errno = sys_errno;
    /* the reason always fits; what is long is cut before it */
    size_t room = sizeof err->message - strlen(reason);
    pd_utf8_show(err->message, room, text);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, "%s", reason);
    return status;
}

enum pd_status pd_error_memory(struct pd_error *err, const char *what)
{
    return pd_error_set(err, PD_NO_MEMORY, ENOMEM, "no memory for %s", what);
}

static void fill(char *field, size_t size, const char *value)
{
    if (value && !field[0]) {
        pd_utf8_show(field, size, value);
    }
}

void pd_error_context(struct pd_error *err, const char *volume, const char *archive,
                      const char *file)
{
    fill(err->volume, sizeof err->volume, volume);
    fill(err->archive, sizeof err->archive, archive);
    fill(err->file, sizeof err->file, file);
}

enum pd_status pd_status_from_errno(int sys_errno)
{
    static const struct {
        int sys_errno;
        enum pd_status status;
    } table[] = {
        {0, PD_INTERNAL},       {ENOSPC, PD_NO_SPACE},
        {EDQUOT, PD_NO_SPACE},  {EROFS, PD_WRITE_PROTECTED},
        {ENOMEM, PD_NO_MEMORY}, {EINTR, PD_AGAIN},
        {EAGAIN, PD_AGAIN},     {ENOENT, PD_NOT_FOUND},
        {EBUSY, PD_BUSY},       {EEXIST, PD_EXISTS},
        {EACCES, PD_DENIED},    {EPERM, PD_DENIED},
        {ENOTDIR, PD_DENIED},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].sys_errno == sys_errno) {
            return table[i].status;
        }
    }
    return PD_IO;
}

void pd_error_format(const struct pd_error *err, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s%s%s%s%s%s%s [%s]", err->volume, err->volume[0] ? ": " : "",
             err->archive, err->archive[0] ? ": " : "", err->file, err->file[0] ? ": " : "",
             err->message, err->message[0] ? ": " : "", pd_status_text(err->status),
             pd_status_name(err->status));
}
