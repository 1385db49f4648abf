#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/size.h"
#include "target_disk_priv.h"

enum pd_status pd_target_disk_lock(struct pd_target_disk *disk, struct pd_error *err)
{
    int result;

    do
        result = flock(disk->folder_fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return PD_OK;
    if (errno == EWOULDBLOCK)
        return pd_error_set(err, PD_BUSY, 0, "%s is being written by another run",
                            disk->folder_name);
    return pd_error_set(err, PD_UNSUPPORTED, errno,
                        "cannot lock %s; its file system must know flock(2)", disk->folder_name);
}

/* What is there may lack a tape file: for mending it is taken as it is. */
static enum pd_status hold(struct pd_target_disk *disk, struct pd_error *err)
{
    enum pd_status status = disk->locked ? PD_OK : pd_target_disk_lock(disk, err);

    if (status == PD_OK)
        status = pd_target_disk_scan(disk->folder_fd, disk->folder_name, &disk->folder, err);
    return status == PD_OK ? pd_target_disk_sweep(disk, err) : status;
}

static enum pd_status put_at(int fd, const char *bytes, size_t len, uint64_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return PD_IO;
        }
        bytes += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0 ? PD_OK : PD_IO;
}

/* fd is closed. */
static enum pd_status patch_file(const struct pd_target_disk *disk, int fd, const char *name,
                                 uint64_t record, const void *bytes, size_t len,
                                 struct pd_error *err)
{
    uint64_t at = pd_mul_sat(record, len);
    enum pd_status status = PD_OK;
    struct stat st;
    int code;

    if (fstat(fd, &st) != 0)
        status = pd_error_set(err, pd_status_from_errno(errno), errno, "cannot look at %s/%s",
                              disk->folder_name, name);
    else if (!S_ISREG(st.st_mode))
        status =
            pd_error_set(err, PD_FOREIGN, 0, "%s/%s is no plain file", disk->folder_name, name);
    else if (pd_add_sat(at, len) > (uint64_t)st.st_size)
        status = pd_error_set(err, PD_TRUNCATED, 0, "%s/%s ends before record %" PRIu64,
                              disk->folder_name, name, record);
    else if (put_at(fd, bytes, len, at) != PD_OK)
        status = pd_error_set(err, pd_status_from_errno(errno), errno,
                              "cannot write record %" PRIu64 " of %s/%s", record, disk->folder_name,
                              name);
    else /* what is read next comes from the medium */
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    code = close(fd) != 0 && errno != EINTR ? errno : 0;
    if (status == PD_OK && code != 0)
        status = pd_error_set(err, pd_status_from_errno(code), code, "cannot close %s/%s",
                              disk->folder_name, name);
    return status;
}

enum pd_status pd_target_disk_patch(void *impl, uint32_t file_no, uint64_t record,
                                    const void *bytes, size_t len, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    const struct pd_target_disk_file *file = NULL;
    enum pd_status status = hold(disk, err);
    int fd;

    if (status == PD_OK)
        status = pd_target_disk_find(&disk->folder, disk->folder_name, file_no, &file, err);
    if (status != PD_OK)
        return status;
    fd = pd_target_disk_openat(disk->folder_fd, file->name, O_WRONLY, 0);
    if (fd < 0)
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot open %s/%s to mend it",
                            disk->folder_name, file->name);
    return patch_file(disk, fd, file->name, record, bytes, len, err);
}

enum pd_status pd_target_disk_rewrite(void *impl, uint32_t file_no, const char *name,
                                      struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    const struct pd_target_disk_file *file = NULL;
    struct pd_error missing = PD_ERROR_INIT;
    char *final = NULL;
    enum pd_status status = hold(disk, err), found;

    if (status != PD_OK)
        return status;
    found = pd_target_disk_find(&disk->folder, disk->folder_name, file_no, &file, &missing);
    if (found != PD_OK && found != PD_MISSING) {
        *err = missing;
        return found;
    }
    if (found == PD_OK)
        final = strdup(file->name);
    else if (asprintf(&final, "%04" PRIu32 "-%s.tar", file_no, name) < 0)
        final = NULL;
    if (final == NULL)
        return pd_error_memory(err, "a file name");
    status = pd_target_disk_create(disk, final, err);
    disk->over = status == PD_OK;
    free(final);
    return status;
}

enum pd_status pd_target_disk_ended(struct pd_target_disk *disk, struct pd_error *err)
{
    enum pd_status status =
        disk->over ? pd_target_disk_scan(disk->folder_fd, disk->folder_name, &disk->folder, err)
                   : pd_target_disk_add(&disk->folder, (uint32_t)disk->folder.count, disk->written,
                                        disk->final, err);

    if (status == PD_OK)
        pd_target_disk_forget(disk);
    return status;
}
