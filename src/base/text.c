#include "pairdump/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

static enum pd_status reserve(struct pd_buf *buf, size_t more)
{
    if (more >= SIZE_MAX / 4 || buf->len >= SIZE_MAX / 4) {
        return PD_NO_MEMORY;
    }
    size_t need = buf->len + more + 1;
    if (need <= buf->cap) {
        return PD_OK;
    }
    size_t cap = buf->cap < 64 ? 64 : buf->cap;
    while (cap < need) {
        cap += cap / 2;
    }
    char *data = realloc(buf->data, cap);
    if (!data) {
        return PD_NO_MEMORY;
    }
    buf->data = data;
    buf->cap = cap;
    return PD_OK;
}

enum pd_status pd_buf_append(struct pd_buf *buf, const void *bytes, size_t len)
{
    enum pd_status status = reserve(buf, len);

    if (status == PD_OK) {
        if (len > 0) {
            memcpy(buf->data + buf->len, bytes, len);
        }
        buf->len += len;
        buf->data[buf->len] = '\0';
    }
    return status;
}

enum pd_status pd_buf_puts(struct pd_buf *buf, const char *text)
{
    return pd_buf_append(buf, text, strlen(text));
}

enum pd_status pd_buf_printf(struct pd_buf *buf, const char *fmt, ...)
{
    va_list ap, again;
    size_t room = buf->cap - buf->len;
    enum pd_status status = PD_NO_MEMORY;

    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(buf->data ? buf->data + buf->len : NULL, room, fmt, ap);
    if (len >= 0 && reserve(buf, (size_t)len) == PD_OK) {
        if ((size_t)len >= room) {
            vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, again);
        }
        buf->len += (size_t)len;
        status = PD_OK;
    } else if (buf->data) {
        buf->data[buf->len] = '\0';
    }
    va_end(again);
    va_end(ap);
    return status;
}

void pd_buf_clear(struct pd_buf *buf)
{
    buf->len = 0;
    if (buf->data) {
        buf->data[0] = '\0';
    }
}

void pd_buf_free(struct pd_buf *buf)
{
    free(buf->data);
    *buf = (struct pd_buf)PD_BUF_INIT;
}

void pd_hex_encode(const void *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = bytes;

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * len] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool pd_hex_decode(const char *text, void *out, size_t len)
{
    uint8_t *b = out;

    for (size_t i = 0; i < len; i++) {
        int high = hex_value(text[2 * i]);
        int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        b[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f || c == '%';
}

static bool is_manifest_special(unsigned char c)
{
    return c == '\n' || c == '\r' || c == '%';
}

static enum pd_status append_escape(struct pd_buf *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char text[3] = {'%', digits[c >> 4], digits[c & 15]};

    return pd_buf_append(out, text, sizeof text);
}

static enum pd_status escape_where(struct pd_buf *out, const char *bytes, size_t len,
                                   bool (*special)(unsigned char))
{
    size_t plain = 0;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < len && status == PD_OK; i++) {
        if (special((unsigned char)bytes[i])) {
            status = pd_buf_append(out, bytes + plain, i - plain);
            if (status == PD_OK) {
                status = append_escape(out, (unsigned char)bytes[i]);
            }
            plain = i + 1;
        }
    }
    return status == PD_OK ? pd_buf_append(out, bytes + plain, len - plain) : status;
}

enum pd_status pd_escape(struct pd_buf *out, const char *bytes, size_t len)
{
    return escape_where(out, bytes, len, is_control);
}

enum pd_status pd_escape_manifest(struct pd_buf *out, const char *bytes, size_t len)
{
    return escape_where(out, bytes, len, is_manifest_special);
}

bool pd_unescape(const char *text, size_t len, struct pd_buf *out)
{
    if (pd_buf_append(out, "", 0) != PD_OK) {
        return false;
    }
    for (size_t i = 0; i < len;) {
        const char *percent = memchr(text + i, '%', len - i);
        size_t plain = percent ? (size_t)(percent - text) - i : len - i;
        uint8_t byte;

        if (memchr(text + i, '\0', plain) || pd_buf_append(out, text + i, plain) != PD_OK) {
            return false;
        }
        i += plain;
        if (!percent) {
            break;
        }
        if (len - i < 3 || !pd_hex_decode(text + i + 1, &byte, 1) || byte == 0 ||
            pd_buf_append(out, &byte, 1) != PD_OK) {
            return false;
        }
        i += 3;
    }
    return true;
}

enum pd_status pd_escape_utf8(struct pd_buf *out, const char *bytes, size_t len)
{
    enum pd_status status = pd_buf_append(out, "", 0);

    for (size_t i = 0; i < len && status == PD_OK;) {
        size_t n = bytes[i] == '%' ? 0 : pd_utf8_printable(bytes + i, len - i);

        if (n == 0) {
            status = append_escape(out, (unsigned char)bytes[i]);
            n = 1;
        } else {
            status = pd_buf_append(out, bytes + i, n);
        }
        i += n;
    }
    return status;
}

bool pd_text_is_utf8(const char *text)
{
    for (size_t len = strlen(text); len > 0;) {
        unsigned char c = (unsigned char)*text;
        size_t n = c < 0x80 ? 1 : pd_utf8_printable(text, len);
        if (n == 0) {
            return false;
        }
        text += n;
        len -= n;
    }
    return true;
}

bool pd_path_is_safe(const char *path, size_t len)
{
    size_t start = 0;

    if (len == 0 || path[0] == '/' || memchr(path, '\0', len)) {
        return false;
    }
    if (path[len - 1] == '/') {
        len--;
    }
    for (size_t i = 0; i <= len; i++) {
        if (i < len && path[i] != '/') {
            continue;
        }
        size_t n = i - start;
        if (n == 0 || (n == 1 && path[start] == '.') ||
            (n == 2 && path[start] == '.' && path[start + 1] == '.')) {
            return false;
        }
        start = i + 1;
    }
    return true;
}

enum pd_status pd_path_absolute(const char *path, const char *cwd, char **out, struct pd_error *err)
{
    size_t size = strlen(path) + strlen(cwd) + 3;
    char *joined = malloc(size);
    char *clean = malloc(size);
    size_t at = 0;

    if (!joined || !clean) {
        free(joined);
        free(clean);
        return pd_error_memory(err, "path");
    }
    snprintf(joined, size, "%s%s%s", path[0] == '/' ? "" : cwd, path[0] == '/' ? "" : "/", path);
    for (const char *p = joined; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            while (at > 0 && clean[--at] != '/') {
            }
        } else if (n > 0 && !(n == 1 && p[0] == '.')) {
            clean[at++] = '/';
            memcpy(clean + at, p, n);
            at += n;
        }
        p += n;
        p += *p == '/';
    }
    if (at == 0) {
        clean[at++] = '/';
    }
    clean[at] = '\0';
    free(joined);
    *out = clean;
    return PD_OK;
}

bool pd_label_is_valid(const char *label)
{
    size_t len = strlen(label);

    return len >= 1 && len <= 8 && strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}
