#include "pairdump/bag.h"

#include <stdarg.h>

#include "pairdump/size.h"

const char *pd_bagit_txt(void)
{
    return "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
}

enum pd_status pd_bag_manifest_line(struct pd_buf *out, const char *hex, const char *path,
                                    size_t len)
{
    size_t before = out->len;
    enum pd_status status = pd_buf_puts(out, hex);

    if (status == PD_OK)
        status = pd_buf_append(out, "  ", 2);
    if (status == PD_OK)
        status = pd_escape_manifest(out, path, len);
    if (status == PD_OK)
        status = pd_buf_append(out, "\n", 1);
    if (status != PD_OK)
        out->len = before; /* no half lines */
    return status;
}

enum pd_status pd_bag_info_line(struct pd_buf *out, const char *label, const char *fmt, ...)
{
    char *value = NULL;
    enum pd_status status;
    va_list args;
    int len;

    va_start(args, fmt);
    len = vasprintf(&value, fmt, args);
    va_end(args);
    if (len < 0)
        return PD_NO_MEMORY;
    for (char *p = value; *p != '\0'; p++)
        if (*p == '\r' || *p == '\n')
            *p = ' ';
    status = pd_buf_printf(out, "%s: %s\n", label, value);
    free(value);
    return status;
}

void pd_bag_manifest_name(enum pd_digest_alg alg, bool tags, char out[PD_BAG_MANIFEST_TEXT])
{
    (void)snprintf(out, PD_BAG_MANIFEST_TEXT, "%smanifest-%s.txt", tags ? "tag" : "",
                   pd_digest_alg_info(alg)->bagit);
}

bool pd_bag_is_manifest(const char *name, enum pd_digest_alg *alg)
{
    static const char head[] = "manifest-", tail[] = ".txt";
    size_t len = strlen(name);
    char known[PD_BAG_MANIFEST_TEXT];
    unsigned i = 0;

    if (len < sizeof(head) + sizeof(tail) - 1 || strncmp(name, head, sizeof(head) - 1) != 0 ||
        strcmp(name + len - (sizeof(tail) - 1), tail) != 0 || strchr(name, '/') != NULL)
        return false;
    for (; i < PD_DIGEST_ALGS; i++) {
        pd_bag_manifest_name((enum pd_digest_alg)i, false, known);
        if (strcmp(name, known) == 0)
            break;
    }
    *alg = (enum pd_digest_alg)i;
    return true;
}

enum pd_status pd_bag_manifest(struct pd_buf *out, const struct pd_toc *toc)
{
    const size_t len = pd_digest_alg_info(toc->alg)->len;
    enum pd_status status = PD_OK;

    for (uint64_t i = 0; i < toc->file_count && status == PD_OK; i++) {
        const struct pd_toc_file *file = &toc->files[i];
        char head[PD_DIGEST_TEXT + 6];

        if (!file->has_digest)
            continue;
        pd_hex_encode(file->digest, len, head);
        memcpy(head + 2 * len, "  data", 6);
        status = pd_buf_append(out, head, 2 * len + 6);
        if (status == PD_OK)
            status = pd_escape_manifest(out, file->path, strlen(file->path));
        if (status == PD_OK)
            status = pd_buf_append(out, "\n", 1);
    }
    return status;
}

enum pd_status pd_bag_not_whole(struct pd_buf *out, const struct pd_toc *toc)
{
    enum pd_status status = PD_OK;

    for (uint64_t i = 0; i < toc->file_count && status == PD_OK; i++) {
        const struct pd_toc_file *file = &toc->files[i];

        if (file->state == PD_WHOLE)
            continue;
        status = pd_buf_printf(out, "%c data", file->state);
        if (status == PD_OK)
            status = pd_escape_manifest(out, file->path, strlen(file->path));
        if (status == PD_OK)
            status = pd_buf_append(out, "\n", 1);
    }
    return status;
}

/* Takes one line off the text: ended by LF, CR or CR LF (RFC 8493, 2.1.3). False when the text does
 * not end with a line end: then it was cut. */
static bool take_line(const char **text, const char *end, const char **line, size_t *len)
{
    const char *p = *text;

    *line = p;
    while (p < end && *p != '\n' && *p != '\r')
        p++;
    *len = (size_t)(p - *line);
    if (p == end)
        return false;
    *text = p + 1;
    if (*p == '\r' && *text < end && **text == '\n')
        ++*text;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Splits "<hex> <mark><path>": the mark is a space or '*' as sha256sum prints and the path is all
 * that follows; other writers may put blanks of any kind and number before it (RFC 8493, 2.1.3). */
static bool split_manifest_line(const char *line, size_t len, size_t digest_len, uint8_t *digest,
                                struct pd_buf *path)
{
    size_t at = 2 * digest_len;

    if (len < at + 3 || !pd_hex_decode(line, digest, digest_len))
        return false;
    if (!is_blank(line[at]))
        return false;
    if (line[at] == ' ' && (line[at + 1] == ' ' || line[at + 1] == '*'))
        at += 2;
    else
        while (at < len && is_blank(line[at]))
            at++;
    pd_buf_clear(path);
    return at < len && pd_unescape(line + at, len - at, path) && path->len > 0 &&
           pd_path_is_safe(path->data, path->len);
}

enum pd_status pd_bag_manifest_parse(const char *text, size_t len, size_t digest_len,
                                     pd_bag_line_fn fn, void *arg, struct pd_error *err)
{
    const char *end = text + len;
    struct pd_buf path = PD_BUF_INIT;
    enum pd_status status = PD_OK;
    uint8_t digest[PD_DIGEST_MAX];

    if (digest_len == 0 || digest_len > sizeof(digest))
        return pd_error_set(err, PD_INTERNAL, 0, "manifest: digests of %zu bytes", digest_len);
    for (uint64_t number = 1; text < end && status == PD_OK; number++) {
        const char *line;
        size_t line_len;

        if (!take_line(&text, end, &line, &line_len))
            status = pd_error_set(err, PD_BAD_FORMAT, 0, "manifest: line %llu is cut short",
                                  (unsigned long long)number);
        else if (!split_manifest_line(line, line_len, digest_len, digest, &path))
            status = pd_error_set(err, PD_BAD_FORMAT, 0,
                                  "manifest: line %llu is not a digest and a safe path",
                                  (unsigned long long)number);
        else
            status = fn(arg, digest, path.data, path.len, err);
    }
    pd_buf_free(&path);
    return status;
}

/* Appends to a fixed text what fits. */
static void put(char *out, size_t size, size_t *used, const char *text, size_t len)
{
    size_t room = size - 1 - *used;

    if (len > room)
        len = room;
    memcpy(out + *used, text, len);
    *used += len;
    out[*used] = '\0';
}

bool pd_bag_info_get(const char *text, size_t len, const char *label, char *out, size_t size)
{
    const char *end = text + len;
    size_t label_len = strlen(label), used = 0;
    bool found = false;

    out[0] = '\0';
    while (text < end) {
        const char *line;
        size_t line_len, at;

        if (!take_line(&text, end, &line, &line_len))
            text = end;
        if (line_len == 0)
            continue;
        if (is_blank(line[0])) { /* goes on with the line before */
            at = 0;
            if (!found)
                continue;
            put(out, size, &used, " ", 1);
        } else if (found) {
            break;
        } else if (line_len > label_len && line[label_len] == ':' &&
                   strncasecmp(line, label, label_len) == 0) {
            at = label_len + 1;
            found = true;
        } else {
            continue;
        }
        while (at < line_len && is_blank(line[at]))
            at++;
        while (line_len > at && is_blank(line[line_len - 1]))
            line_len--;
        put(out, size, &used, line + at, line_len - at);
    }
    return found;
}

bool pd_bag_info_text(const char *text, size_t len, const char *label, char *out, size_t size)
{
    char value[1024];

    if (!pd_bag_info_get(text, len, label, value, sizeof(value)) || strlen(value) >= size ||
        strlen(value) == sizeof(value) - 1)
        return false;
    memcpy(out, value, strlen(value) + 1);
    return true;
}

bool pd_bag_info_u64(const char *text, size_t len, const char *label, uint64_t max, uint64_t *out)
{
    char value[32];

    return pd_bag_info_text(text, len, label, value, sizeof(value)) && pd_parse_u64(value, out) &&
           *out <= max;
}
