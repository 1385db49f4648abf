#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ini_lines.h"
#include "pairdump/config.h"
#include "pairdump/text.h"

enum { CONFIG_FILE_MAX = 1048576 };

static enum pd_status read_file(const char *path, char **text, size_t *len, struct pd_error *err)
{
    struct stat st;
    enum pd_status status = PD_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    *text = NULL;
    if (fd < 0) {
        return pd_error_set(err, PD_CONFIG, errno, "cannot read %s", path);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > CONFIG_FILE_MAX) {
        status = pd_error_set(err, PD_CONFIG, 0, "%s is no regular file of up to 1 MiB", path);
    } else {
        status = pd_ini_lines_read(fd, (size_t)st.st_size, path, PD_CONFIG, text, err);
        *len = (size_t)st.st_size;
    }
    close(fd);
    return status;
}

/* True unless there certainly is nothing: what cannot be looked at must not pass as missing. */
static bool may_exist(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* The first place that holds a file; NULL in *path when there is none. */
static enum pd_status search(const char *(*getenv_fn)(const char *name), char **path,
                             struct pd_error *err)
{
    static const char everybody[] = "/etc/pairdump/pairdump.conf";
    const char *named = getenv_fn("PAIRDUMP_CONF");
    const char *home = getenv_fn("HOME");
    struct pd_buf buf = PD_BUF_INIT;

    if (named && named[0]) {
        *path = strdup(named);
        return *path ? PD_OK : pd_error_memory(err, "configuration");
    }
    if (home && home[0] == '/') {
        if (pd_buf_printf(&buf, "%s/.config/pairdump/pairdump.conf", home) != PD_OK) {
            return pd_error_memory(err, "configuration");
        }
        if (may_exist(buf.data)) {
            *path = buf.data;
            return PD_OK;
        }
        pd_buf_free(&buf);
    }
    if (may_exist(everybody)) {
        *path = strdup(everybody);
        return *path ? PD_OK : pd_error_memory(err, "configuration");
    }
    return PD_OK;
}

enum pd_status pd_config_load(const char *file, const char *(*getenv_fn)(const char *name),
                              struct pd_config **out, struct pd_error *err)
{
    char *path = NULL;
    char *text = NULL;
    size_t len = 0;
    enum pd_status status;

    *out = NULL;
    if (file) {
        path = strdup(file);
        status = path ? PD_OK : pd_error_memory(err, "configuration");
    } else {
        status = search(getenv_fn, &path, err);
    }
    if (status == PD_OK && path) {
        status = read_file(path, &text, &len, err);
    }
    if (status == PD_OK) {
        status =
            pd_config_parse(text ? text : "", len, path ? path : "defaults", getenv_fn, out, err);
    }
    if (status == PD_OK) {
        (*out)->path = path;
        path = NULL;
    }
    free(path);
    free(text);
    return status;
}
