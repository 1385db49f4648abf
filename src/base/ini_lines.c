#include "ini_lines.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct walk {
    const char *text;
    size_t len, at;
    int line; /* last one given to libinih */
    const char *name;
    enum pd_status bad;
    pd_ini_fn fn;
    void *arg;
    struct pd_error *err;
    enum pd_status status;
};

static char *refuse(struct walk *walk, const char *reason)
{
    walk->status =
        pd_error_set(walk->err, walk->bad, 0, "%s:%d: %s", walk->name, walk->line, reason);
    return NULL;
}

static bool is_space(char c)
{
    return isspace((unsigned char)c) != 0;
}

/* Where libinih begins an inline comment: at ';' after white space. */
static bool has_inline_comment(const char *line)
{
    for (const char *c = line; *c; c++) {
        if (is_space(c[0]) && c[1] == ';') {
            return true;
        }
    }
    return false;
}

/* NULL if the line, which begins with '[', is a good section header. */
static const char *take_header(struct walk *walk, const char *line)
{
    char section[PD_INI_SECTION_MAX + 1];
    size_t n = strcspn(line + 1, "]");
    const char *rest = line + 1 + n;

    if (*rest != ']') {
        return "section without a closing ]";
    }
    if (n > PD_INI_SECTION_MAX) {
        return "name of the section is longer than 49 bytes";
    }
    memcpy(section, line + 1, n);
    section[n] = '\0';
    if (has_inline_comment(section)) {
        return "comment in the name of a section";
    }
    for (rest++; is_space(*rest); rest++) {
    }
    if (*rest != '\0' && *rest != ';' && *rest != '#') {
        return "text behind the ] of a section";
    }
    walk->status = walk->fn(walk->arg, section, NULL, NULL, walk->line, walk->err);
    return NULL;
}

/* libinih's reader, as fgets: one line of at most size - 1 bytes. */
static char *read_line(char *out, int size, void *arg)
{
    struct walk *walk = arg;
    const char *start = walk->text + walk->at;
    size_t left = walk->len - walk->at;
    const char *reason = NULL;

    if (left == 0 || walk->status != PD_OK) {
        return NULL;
    }
    const char *newline = memchr(start, '\n', left);
    size_t n = newline ? (size_t)(newline - start) + 1 : left;
    walk->line++;
    walk->at += n;
    if (n > PD_INI_LINE_MAX || n >= (size_t)size) {
        return refuse(walk, "line is longer than 197 bytes");
    }
    if (memchr(start, '\0', n)) {
        return refuse(walk, "NUL byte");
    }
    for (; n > 1 && is_space(*start); start++, n--) {
    }
    memcpy(out, start, n);
    out[n] = '\0';
    if (out[0] == '[') {
        reason = take_header(walk, out);
    } else if (out[0] != ';' && out[0] != '#' && has_inline_comment(out)) {
        reason = "\";\" after white space begins a comment; comments need lines of their own";
    }
    if (reason) {
        return refuse(walk, reason);
    }
    return walk->status == PD_OK ? out : NULL;
}

static int take_pair(void *arg, const char *section, const char *key, const char *value)
{
    struct walk *walk = arg;

    if (walk->status == PD_OK) {
        walk->status = walk->fn(walk->arg, section, key, value, walk->line, walk->err);
    }
    return walk->status == PD_OK;
}

enum pd_status pd_ini_lines(const char *text, size_t len, const char *name, enum pd_status bad,
                            pd_ini_fn fn, void *arg, struct pd_error *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct walk walk = {.text = text,
                        .len = len,
                        .name = name,
                        .bad = bad,
                        .fn = fn,
                        .arg = arg,
                        .err = err,
                        .status = PD_OK};

    if (len >= sizeof bom - 1 && memcmp(text, bom, sizeof bom - 1) == 0) {
        walk.at = sizeof bom - 1;
    }
    int failed = ini_parse_stream(read_line, &walk, take_pair, &walk);
    if (walk.status == PD_OK && failed < 0) {
        return pd_error_memory(err, "lines of a file");
    }
    if (walk.status == PD_OK && failed > 0) {
        return pd_error_set(err, bad, 0, "%s:%d: neither [section] nor key = value", name, failed);
    }
    return walk.status;
}

enum pd_status pd_ini_lines_read(int fd, size_t size, const char *path, enum pd_status bad,
                                 char **text, struct pd_error *err)
{
    char *buf = calloc(1, size + 1);
    size_t at = 0;
    ssize_t got = 1;
    enum pd_status status = PD_OK;

    if (!buf) {
        return pd_error_memory(err, "contents of a file");
    }
    /* one byte more than there should be, to see the end */
    while (got != 0 && at <= size) {
        got = read(fd, buf + at, size + 1 - at);
        if (got < 0 && errno != EINTR) {
            status = pd_error_set(err, bad, errno, "cannot read %s", path);
            goto out;
        }
        at += got > 0 ? (size_t)got : 0;
    }
    if (at != size) {
        status = pd_error_set(err, bad, 0, "%s changed while it was read; try again", path);
        goto out;
    }
    *text = buf;
    buf = NULL;
out:
    if (buf) {
        explicit_bzero(buf, size + 1);
        free(buf);
    }
    return status;
}
