#include "pairdump/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Copies text escaped into out, ended by "..." when it does not fit. */
static void put_escaped(char *out, size_t size, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t at = 0;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = c >= 0x20 && c != 0x7f;
        if (at + (plain ? 1 : 3) + 4 > size) {
            memcpy(out + at, "...", 3);
            at += 3;
            break;
        }
        if (plain) {
            out[at++] = (char)c;
        } else {
            out[at++] = '%';
            out[at++] = hex[c >> 4];
            out[at++] = hex[c & 15];
        }
    }
    out[at] = '\0';
}

void pd_error_clear(struct pd_error *err)
{
    memset(err, 0, sizeof *err);
}

enum pd_status pd_error_set(struct pd_error *err, enum pd_status status, int sys_errno,
                            const char *fmt, ...)
{
    char text[sizeof err->message];
    char whole[sizeof err->message + 96];
    char reason[80];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (sys_errno != 0) {
        snprintf(whole, sizeof whole, "%s: %s", text, strerror_r(sys_errno, reason, sizeof reason));
    } else {
        snprintf(whole, sizeof whole, "%s", text);
    }
    pd_error_clear(err);
    err->status = status;
    err->sys_errno = sys_errno;
    put_escaped(err->message, sizeof err->message, whole);
    return status;
}

enum pd_status pd_error_memory(struct pd_error *err, const char *what)
{
    return pd_error_set(err, PD_NO_MEMORY, ENOMEM, "no memory for %s", what);
}

static void fill(char *field, size_t size, const char *value)
{
    if (value && !field[0]) {
        put_escaped(field, size, value);
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
        {0, PD_INTERNAL},         {ENOSPC, PD_NO_SPACE}, {EDQUOT, PD_NO_SPACE},
        {EROFS, PD_WRITE_PROTECTED}, {ENOMEM, PD_NO_MEMORY}, {EINTR, PD_AGAIN},
        {EAGAIN, PD_AGAIN},       {ENOENT, PD_NOT_FOUND}, {EBUSY, PD_BUSY},
        {EEXIST, PD_EXISTS},
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
