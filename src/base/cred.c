#include "pairdump/cred.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ini_lines.h"
#include "pairdump/size.h"

enum { FILE_MAX = 65536 };

static const struct {
    const char *key;
    size_t text_offset;   /* of a char *, or SIZE_MAX */
    size_t number_offset; /* of an unsigned, or SIZE_MAX */
} keys[] = {
    {"user", offsetof(struct pd_cred, user), SIZE_MAX},
    {"password", offsetof(struct pd_cred, password), SIZE_MAX},
    {"host", offsetof(struct pd_cred, host), SIZE_MAX},
    {"socket", offsetof(struct pd_cred, socket), SIZE_MAX},
    {"database", offsetof(struct pd_cred, database), SIZE_MAX},
    {"ssl-ca", offsetof(struct pd_cred, ssl_ca), SIZE_MAX},
    {"ssl-cert", offsetof(struct pd_cred, ssl_cert), SIZE_MAX},
    {"ssl-key", offsetof(struct pd_cred, ssl_key), SIZE_MAX},
    {"port", SIZE_MAX, offsetof(struct pd_cred, port)},
    {"connect-timeout", SIZE_MAX, offsetof(struct pd_cred, connect_timeout)},
};
enum { KEYS = sizeof keys / sizeof keys[0] };

struct reading {
    struct pd_cred *cred;
    const char *name;
    unsigned taken; /* bit per key of [pairdump] */
    bool any;
};

static void wipe(char *text)
{
    if (text) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

/* MySQL ends a value at a '#' outside of quotes, libinih does not; so nobody shall write one. */
static bool has_comment(const char *value)
{
    char quote = 0;
    bool escaped = false;

    for (; *value; value++) {
        if ((*value == '"' || *value == '\'') && !escaped) {
            quote = !quote ? *value : *value == quote ? 0 : quote;
        } else if (*value == '#' && !quote) {
            return true;
        }
        escaped = quote && *value == '\\' && !escaped;
    }
    return false;
}

/* The value as MySQL reads it: one pair of quotes around it goes, the escapes of the manual's
 * "Using Option Files" are taken, an unknown one stands for itself. */
static char *decoded(const char *value)
{
    static const char letters[] = "btnrs\\\"'";
    static const char bytes[] = "\b\t\n\r \\\"'";
    size_t len = strlen(value);
    size_t at = 0;

    if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0]) {
        value++;
        len -= 2;
    }
    char *out = malloc(len + 1);
    for (size_t i = 0; out && i < len; i++) {
        const char *known = NULL;
        if (value[i] == '\\' && i + 1 < len) {
            known = strchr(letters, value[i + 1]);
        }
        out[at++] = known ? bytes[known - letters] : value[i];
        i += known != NULL;
    }
    if (out) {
        out[at] = '\0';
    }
    return out;
}

static enum pd_status store(struct reading *reading, size_t k, const char *value, int line,
                            struct pd_error *err)
{
    char *base = (char *)reading->cred;

    if (keys[k].number_offset != SIZE_MAX) {
        uint64_t number;
        if (!pd_parse_u64(value, &number) || number > 65535) {
            return pd_error_set(err, PD_CREDENTIALS, 0, "%s:%d: %s takes a number up to 65535",
                                reading->name, line, keys[k].key);
        }
        *(unsigned *)(void *)(base + keys[k].number_offset) = (unsigned)number;
        return PD_OK;
    }
    if (has_comment(value)) {
        return pd_error_set(err, PD_CREDENTIALS, 0,
                            "%s:%d: put the value of %s into quotes, for it holds a #",
                            reading->name, line, keys[k].key);
    }
    char **text = (char **)(void *)(base + keys[k].text_offset);
    wipe(*text);
    *text = decoded(value);
    return *text ? PD_OK : pd_error_memory(err, "credentials");
}

static enum pd_status take_pair(void *arg, const char *section, const char *key, const char *value,
                                int line, struct pd_error *err)
{
    struct reading *reading = arg;
    bool ours = strcmp(section, "pairdump") == 0;
    char name[32];

    if (!key || (!ours && strcmp(section, "client") != 0)) {
        return PD_OK; /* other programs' sections */
    }
    snprintf(name, sizeof name, "%s", key);
    for (char *c = name; *c; c++) {
        *c = *c == '_' ? '-' : *c;
    }
    for (size_t k = 0; k < KEYS; k++) {
        if (strcmp(keys[k].key, name) != 0) {
            continue;
        }
        reading->any = true;
        if (!ours && (reading->taken & 1U << k)) {
            return PD_OK;
        }
        reading->taken |= ours ? 1U << k : 0;
        return store(reading, k, value, line, err);
    }
    if (ours) {
        return pd_error_set(err, PD_CREDENTIALS, 0, "%s:%d: unknown key in [pairdump]",
                            reading->name, line);
    }
    return PD_OK; /* [client] is shared with other programs */
}

enum pd_status pd_cred_parse(const char *text, size_t len, const char *name, struct pd_cred *out,
                             struct pd_error *err)
{
    struct reading reading = {.cred = out, .name = name};
    enum pd_status status;

    memset(out, 0, sizeof *out);
    status = pd_ini_lines(text, len, name, PD_CREDENTIALS, take_pair, &reading, err);
    if (status == PD_OK && !reading.any) {
        status = pd_error_set(err, PD_CREDENTIALS, 0,
                              "%s has no credentials; give user and password under [client]", name);
    }
    if (status != PD_OK) {
        pd_cred_release(out);
    }
    return status;
}

static enum pd_status check_file(int fd, const char *path, struct stat *st, struct pd_error *err)
{
    if (fstat(fd, st) != 0) {
        return pd_error_set(err, PD_CREDENTIALS, errno, "cannot look at %s", path);
    }
    if (!S_ISREG(st->st_mode)) {
        return pd_error_set(err, PD_CREDENTIALS, 0, "%s is not a regular file", path);
    }
    if (st->st_uid != geteuid() && st->st_uid != 0) {
        return pd_error_set(err, PD_CREDENTIALS, 0,
                            "%s belongs to another user; chown it to yourself", path);
    }
    if (st->st_mode & 077) {
        return pd_error_set(err, PD_CREDENTIALS, 0, "%s can be read by others; run: chmod 600 %s",
                            path, path);
    }
    if (st->st_size == 0) {
        return pd_error_set(err, PD_CREDENTIALS, 0, "%s is empty", path);
    }
    if (st->st_size > FILE_MAX) {
        return pd_error_set(err, PD_CREDENTIALS, 0, "%s is too long to be a credentials file",
                            path);
    }
    return PD_OK;
}

enum pd_status pd_cred_load(const char *path, struct pd_cred *out, struct pd_error *err)
{
    struct stat st;
    char *text = NULL;
    enum pd_status status;

    memset(out, 0, sizeof *out);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return pd_error_set(err, PD_CREDENTIALS, errno, "cannot read %s", path);
    }
    status = check_file(fd, path, &st, err);
    if (status != PD_OK) {
        goto out;
    }
    status = pd_ini_lines_read(fd, (size_t)st.st_size, path, PD_CREDENTIALS, &text, err);
    if (status == PD_OK) {
        status = pd_cred_parse(text, (size_t)st.st_size, path, out, err);
    }
out:
    if (text) {
        explicit_bzero(text, (size_t)st.st_size);
        free(text);
    }
    close(fd);
    return status;
}

void pd_cred_release(struct pd_cred *cred)
{
    char *texts[] = {cred->user,     cred->password, cred->host,     cred->socket,
                     cred->database, cred->ssl_ca,   cred->ssl_cert, cred->ssl_key};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        wipe(texts[i]);
    }
    memset(cred, 0, sizeof *cred);
}
