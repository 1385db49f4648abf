#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target_disk_priv.h"

#define FLUSH_STEP (UINT64_C(32) << 20)

bool pd_target_disk_is_full(int code)
{
    return code == ENOSPC || code == EDQUOT;
}

/* Errors of writing: a full file system is the end of the volume. */
enum pd_status pd_target_disk_write_failed(const struct pd_target_disk *disk, int code,
                                           const char *what, struct pd_error *err)
{
    return pd_error_set(err,
                        pd_target_disk_is_full(code) ? PD_VOLUME_FULL : pd_status_from_errno(code),
                        code, "cannot %s %s in %s", what, disk->partial, disk->folder_name);
}

int pd_target_disk_openat(int fd, const char *name, int flags, mode_t mode)
{
    int result;

    do
        result = openat(fd, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    while (result < 0 && errno == EINTR);
    return result;
}

enum pd_status pd_target_disk_sync_folder(int fd, const char *name, struct pd_error *err)
{
    /* EINVAL: a file system that has nothing to sync in folders. */
    if (fsync(fd) != 0 && errno != EINVAL)
        return pd_error_set(err, pd_target_disk_is_full(errno) ? PD_VOLUME_FULL : PD_IO, errno,
                            "cannot sync the folder %s", name);
    return PD_OK;
}

void pd_target_disk_forget(struct pd_target_disk *disk)
{
    free(disk->partial);
    free(disk->final);
    disk->partial = NULL;
    disk->final = NULL;
    disk->renamed = disk->over = false;
    disk->out = -1;
}

/* What a killed run left unfinished. */
enum pd_status pd_target_disk_sweep(struct pd_target_disk *disk, struct pd_error *err)
{
    for (size_t i = 0; i < disk->folder.partial_count; i++) {
        const char *name = disk->folder.partials[i];

        if (unlinkat(disk->folder_fd, name, 0) != 0 && errno != ENOENT)
            return pd_error_set(err, pd_status_from_errno(errno), errno,
                                "cannot remove the unfinished file %s/%s", disk->folder_name, name);
    }
    return PD_OK;
}

/* Starts NAME.partial. */
enum pd_status pd_target_disk_create(struct pd_target_disk *disk, const char *name,
                                     struct pd_error *err)
{
    enum pd_status status;

    disk->final = strdup(name);
    if (disk->final == NULL || asprintf(&disk->partial, "%s" PD_TARGET_DISK_PARTIAL, name) < 0) {
        disk->partial = NULL;
        pd_target_disk_forget(disk);
        return pd_error_memory(err, "a file name");
    }
    disk->written = disk->flushing = disk->flushed = 0;
    disk->out =
        pd_target_disk_openat(disk->folder_fd, disk->partial, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (disk->out >= 0)
        return PD_OK;
    status = pd_target_disk_write_failed(disk, errno, "create", err);
    pd_target_disk_forget(disk);
    return status;
}

/* Keeps writeback going, and no more than two steps dirty: the fsync at the end is short, and an
 * error of the medium is met early. What waits for writeback may consume its error: check it. */
static enum pd_status flush_step(struct pd_target_disk *disk, struct pd_error *err)
{
    uint64_t start = disk->flushed;
    unsigned wait =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    int result = sync_file_range(disk->out, (off_t)start, (off_t)(disk->written - start),
                                 SYNC_FILE_RANGE_WRITE);

    if (result == 0 && start > disk->flushing) {
        result = sync_file_range(disk->out, (off_t)disk->flushing, (off_t)(start - disk->flushing),
                                 wait);
        if (result == 0)
            (void)posix_fadvise(disk->out, (off_t)disk->flushing, (off_t)(start - disk->flushing),
                                POSIX_FADV_DONTNEED);
    }
    if (result != 0 && errno != ENOSYS && errno != EINVAL && errno != ESPIPE)
        return pd_target_disk_write_failed(disk, errno, "write", err);
    disk->flushing = start;
    disk->flushed = disk->written;
    return PD_OK;
}

enum pd_status pd_target_disk_put(struct pd_target_disk *disk, const void *bytes, size_t len,
                                  struct pd_error *err)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t n = write(disk->out, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pd_target_disk_write_failed(disk, errno, "write", err);
        if (n == 0)
            return pd_error_set(err, PD_SHORT_WRITE, 0, "%s/%s takes no more bytes",
                                disk->folder_name, disk->partial);
        at += n;
        len -= (size_t)n;
        disk->written += (uint64_t)n;
    }
    return disk->written - disk->flushed >= FLUSH_STEP ? flush_step(disk, err) : PD_OK;
}

/* Gives the finished file its name; over another one only when it is to take that one's place. */
static int rename_output(struct pd_target_disk *disk)
{
    struct stat st;

    if (disk->over)
        return renameat(disk->folder_fd, disk->partial, disk->folder_fd, disk->final);
    if (renameat2(disk->folder_fd, disk->partial, disk->folder_fd, disk->final, RENAME_NOREPLACE) ==
        0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* A file system without that flag; the lock keeps other runs of ours out. */
    if (fstatat(disk->folder_fd, disk->final, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(disk->folder_fd, disk->partial, disk->folder_fd, disk->final);
}

/* The file's bytes are on the medium after this; a failure is final (fsync reports it once). */
enum pd_status pd_target_disk_sync_file(struct pd_target_disk *disk, struct pd_error *err)
{
    int fd = disk->out;

    if (fsync(fd) != 0)
        return pd_target_disk_write_failed(disk, errno, "sync", err);
    disk->out = -1;
    if (close(fd) != 0 && errno != EINTR)
        return pd_target_disk_write_failed(disk, errno, "close", err);
    return PD_OK;
}

enum pd_status pd_target_disk_finish(struct pd_target_disk *disk, struct pd_error *err)
{
    enum pd_status status = disk->out >= 0 ? pd_target_disk_sync_file(disk, err) : PD_OK;

    if (status != PD_OK)
        return status;
    if (rename_output(disk) != 0)
        return pd_target_disk_write_failed(disk, errno, "rename", err);
    disk->renamed = true;
    return pd_target_disk_sync_folder(disk->folder_fd, disk->folder_name, err);
}

enum pd_status pd_target_disk_discard(struct pd_target_disk *disk, struct pd_error *err)
{
    const char *name = disk->renamed ? disk->final : disk->partial;
    enum pd_status status = PD_OK;

    if (name == NULL)
        return PD_OK;
    if (disk->out >= 0)
        (void)close(disk->out); /* its bytes are given up */
    disk->out = -1;
    if (unlinkat(disk->folder_fd, name, 0) != 0 && errno != ENOENT)
        status = pd_error_set(err, pd_status_from_errno(errno), errno,
                              "cannot remove the given-up file %s/%s", disk->folder_name, name);
    else if (disk->renamed)
        status = pd_target_disk_sync_folder(disk->folder_fd, disk->folder_name, err);
    if (status == PD_OK)
        pd_target_disk_forget(disk);
    return status;
}

enum pd_status pd_target_disk_cut(void *impl, uint32_t file_no, struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    struct pd_target_disk_folder *folder = &disk->folder;
    enum pd_status status = pd_target_disk_claim(disk, err);

    for (size_t i = folder->count; i > file_no && status == PD_OK; i--) {
        const char *name = folder->files[i - 1].name;
        if (unlinkat(disk->folder_fd, name, 0) != 0 && errno != ENOENT)
            status = pd_error_set(err, pd_status_from_errno(errno), errno,
                                  "cannot remove the unrecorded file %s/%s", disk->folder_name,
                                  name);
    }
    if (status == PD_OK)
        status = pd_target_disk_sync_folder(disk->folder_fd, disk->folder_name, err);
    return status == PD_OK
               ? pd_target_disk_scan(disk->folder_fd, disk->folder_name, folder, err)
               : status;
}

/* ---- what disks do not ---- */

/* A folder may hold what somebody wants back: that it goes away is for its owner to do. */
enum pd_status pd_target_disk_relabel(void *impl, const char *old_uuid, const struct pd_label *label,
                                   pd_before_fn before, void *arg, struct pd_error *err)
{
    (void)impl, (void)old_uuid, (void)label, (void)before, (void)arg;
    return pd_error_set(err, PD_UNSUPPORTED, 0, "remove its folder, and label a new one");
}

enum pd_status pd_target_disk_drive(void *impl, struct pd_drive_status *out, struct pd_error *err)
{
    (void)impl, (void)out;
    return pd_error_set(err, PD_UNSUPPORTED, 0, "a disk is no tape drive");
}
