#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/size.h"
#include "target_disk_priv.h"

/* What the cache holds of a file is dropped, so that reads reach the medium. */
static void drop_cache(int fd)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

enum pd_status pd_target_disk_open_input(struct pd_target_disk *disk,
                                         const struct pd_target_disk_file *file,
                                         struct pd_error *err)
{
    struct stat st;
    int code;

    disk->direct = true;
    disk->in = pd_target_disk_openat(disk->folder_fd, file->name, O_RDONLY | O_DIRECT, 0);
    if (disk->in < 0 && errno == EINVAL) {
        disk->direct = false;
        disk->in = pd_target_disk_openat(disk->folder_fd, file->name, O_RDONLY, 0);
    }
    if (disk->in < 0 || fstat(disk->in, &st) != 0) {
        code = errno;
        if (disk->in >= 0)
            (void)close(disk->in);
        disk->in = -1;
        return pd_error_set(err, code == ENOENT ? PD_MISSING : pd_status_from_errno(code), code,
                            "cannot open %s/%s", disk->folder_name, file->name);
    }
    drop_cache(disk->in);
    disk->in_number = file->number;
    disk->in_size = (uint64_t)st.st_size;
    disk->in_at = 0;
    return PD_OK;
}

void pd_target_disk_close_input(struct pd_target_disk *disk)
{
    if (disk->in >= 0)
        (void)close(disk->in); /* only read */
    disk->in = -1;
}

/* O_DIRECT was taken at open, but not for this place, length or buffer. */
static int go_buffered(struct pd_target_disk *disk)
{
    int flags = fcntl(disk->in, F_GETFL);

    if (flags < 0 || fcntl(disk->in, F_SETFL, flags & ~O_DIRECT) != 0)
        return -1;
    disk->direct = false;
    drop_cache(disk->in);
    return 0;
}

/* Asks for size bytes, as O_DIRECT wants whole blocks, and is content with want. */
static int fetch(struct pd_target_disk *disk, char *buf, size_t size, size_t want, size_t *got)
{
    while (*got < want) {
        ssize_t n = pread(disk->in, buf + *got, size - *got, (off_t)(disk->in_at + *got));

        if (n == 0)
            break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno == EINVAL && disk->direct && go_buffered(disk) == 0)
            continue;
        else if (errno != EINTR)
            return -1;
    }
    if (*got > want)
        *got = want;
    return 0;
}

enum pd_status pd_target_disk_read(void *impl, void *buf, size_t size, size_t *got,
                                   struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    uint64_t left = disk->in_size - disk->in_at;
    size_t want = left < size ? (size_t)left : size;
    uint64_t record = disk->in_at / size;

    *got = 0;
    if (want > 0 && fetch(disk, buf, size, want, got) != 0) {
        disk->in_at += want;
        return pd_error_set(err, PD_IO, errno,
                            "cannot read record %" PRIu64 " of tape file %" PRIu32, record,
                            disk->in_number);
    }
    if (*got == 0) /* the end, or the file was cut since it was opened */
        return pd_error_set(err, PD_END_OF_FILE, 0, "end of tape file %" PRIu32, disk->in_number);
    disk->in_at += *got;
    return PD_OK;
}

enum pd_status pd_target_disk_seek(void *impl, uint64_t record, uint64_t record_size,
                                   struct pd_error *err)
{
    struct pd_target_disk *disk = impl;
    uint64_t at = pd_mul_sat(record, record_size);

    if (record > disk->in_size / record_size + (disk->in_size % record_size != 0)) {
        disk->in_at = disk->in_size;
        return pd_error_set(err, PD_END_OF_FILE, 0, "tape file %" PRIu32 " has no record %" PRIu64,
                            disk->in_number, record);
    }
    disk->in_at = at < disk->in_size ? at : disk->in_size;
    return PD_OK;
}
