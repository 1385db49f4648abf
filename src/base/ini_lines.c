#include "ini_lines.h"

#include <ini.h>
#include <string.h>

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

/* libinih's reader, as fgets: one line of at most size - 1 bytes. */
static char *read_line(char *out, int size, void *arg)
{
    struct walk *walk = arg;
    const char *start = walk->text + walk->at;
    size_t left = walk->len - walk->at;

    if (left == 0 || walk->status != PD_OK) {
        return NULL;
    }
    const char *newline = memchr(start, '\n', left);
    size_t n = newline ? (size_t)(newline - start) + 1 : left;
    walk->line++;
    if (n > PD_INI_LINE_MAX || n >= (size_t)size) {
        walk->status = pd_error_set(walk->err, walk->bad, 0, "%s:%d: line is longer than %d bytes",
                                    walk->name, walk->line, PD_INI_LINE_MAX);
        return NULL;
    }
    if (memchr(start, '\0', n)) {
        walk->status = pd_error_set(walk->err, walk->bad, 0, "%s:%d: NUL byte", walk->name,
                                    walk->line);
        return NULL;
    }
    memcpy(out, start, n);
    out[n] = '\0';
    walk->at += n;
    return out;
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
    struct walk walk = {.text = text, .len = len, .name = name, .bad = bad,
                        .fn = fn,     .arg = arg, .err = err,   .status = PD_OK};
    int failed = ini_parse_stream(read_line, &walk, take_pair, &walk);

    if (walk.status == PD_OK && failed != 0) {
        return pd_error_set(err, bad, 0, "%s:%d: neither [section] nor key = value", name,
                            failed > 0 ? failed : walk.line);
    }
    return walk.status;
}
