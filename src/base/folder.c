#include "pairdump/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum pd_status pd_folder_sync(const char *path, struct pd_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd), code = errno;

    if (fd >= 0) {
        close(fd);
    } else if (code == EACCES) { /* a folder that may be written but not read */
        sync();
        return PD_OK;
    }
    if (result == 0 || (fd >= 0 && code == EINVAL)) {
        return PD_OK;
    }
    return pd_error_set(err, pd_status_from_errno(code), code, "cannot sync the folder %s", path);
}

/* The folder that holds a path. */
static enum pd_status sync_parent(const char *path, struct pd_error *err)
{
    const char *slash = strrchr(path, '/');
    char *parent =
        slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));

    if (parent == NULL) {
        return pd_error_memory(err, "a folder name");
    }
    enum pd_status status = pd_folder_sync(parent, err);
    free(parent);
    return status;
}

enum pd_status pd_folder_make(const char *path, mode_t mode, bool existing, struct pd_error *err)
{
    if (mkdir(path, mode) == 0) {
        return sync_parent(path, err);
    }
    if (errno == EEXIST && existing) {
        return PD_OK;
    }
    return pd_error_set(err, errno == EEXIST ? PD_EXISTS : pd_status_from_errno(errno), errno,
                        "cannot make the folder %s", path);
}
