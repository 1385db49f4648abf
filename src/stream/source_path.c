#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source_path_priv.h"

struct pd_source_file {
    int fd; /* -1 for what has no data */
    struct stat st;
    struct pd_error lack; /* an attribute that could not be read */
};

static enum pd_status cannot(struct pd_error *err, const char *what)
{
    bool gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO;

    return pd_error_set(err, gone ? PD_SOURCE_VANISHED : PD_SOURCE_UNREADABLE, errno, "%s", what);
}

/* O_NOATIME is for the owner and root only, open(2). */
int pd_source_path_open_file(const char *path)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    int fd = open(path, flags | O_NOATIME);

    if (fd < 0 && errno == EPERM) {
        fd = open(path, flags);
    }
    return fd;
}

/* The time within which two changes may leave the same time stamp: a tick of the kernel's clock, or
 * what file systems keep that know no fractions of a second (two seconds on FAT). */
static int64_t granularity_ns(const struct timespec *time)
{
    return time->tv_nsec == 0 ? 2 * PD_NS_PER_S : PD_NS_PER_S / 50;
}

/* Time to wait until a change now would show in this time stamp. */
static int64_t wait_ns(const struct pd_source_path *source, const struct timespec *time)
{
    int64_t granularity = granularity_ns(time);
    int64_t age = pd_clock_utc(source->env->clock) -
                  ((int64_t)time->tv_sec * PD_NS_PER_S + time->tv_nsec);

    return age >= 0 && age < granularity ? granularity - age : 0;
}

/* Opens the file's state for reading: from here on, no change goes without a new ctime. Pages that a
 * program has mapped and altered are written out, as only the first store to a clean page sets the
 * time stamps; a file changed just now is left to age for a tick. */
static enum pd_status settle(const struct pd_source_path *source, struct pd_source_file *file,
                             struct pd_error *err)
{
    unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                   SYNC_FILE_RANGE_WAIT_AFTER;
    bool synced = sync_file_range(file->fd, 0, 0, all) == 0 || fdatasync(file->fd) == 0;

    if (!synced && errno == EIO) {
        return cannot(err, "cannot write out what was stored in it");
    }
    if (fstat(file->fd, &file->st) != 0) {
        return cannot(err, "cannot look at it");
    }
    int64_t wait = wait_ns(source, &file->st.st_ctim);
    if (wait > 0) {
        pd_clock_sleep(source->env->clock, (uint64_t)wait);
        if (fstat(file->fd, &file->st) != 0) {
            return cannot(err, "cannot look at it");
        }
    }
    return PD_OK;
}

static enum pd_status path_open(void *impl, const struct pd_item *item,
                                struct archive_entry *entry, struct pd_source_file **out,
                                struct pd_error *err)
{
    struct pd_source_path *source = impl;
    struct pd_source_file *file = calloc(1, sizeof *file);
    enum pd_status status = PD_OK;

    if (!file) {
        return pd_error_memory(err, "file");
    }
    file->fd = -1;
    if (item->kind == PD_KIND_FILE) {
        file->fd = pd_source_path_open_file(item->path);
        if (file->fd < 0) {
            status = cannot(err, "cannot open it");
        } else {
            status = settle(source, file, err);
        }
    } else if (lstat(item->path, &file->st) != 0) {
        status = cannot(err, "cannot look at it");
    }
    if (status == PD_OK && pd_source_path_kind(file->st.st_mode) != item->kind) {
        status = pd_error_set(err, PD_SOURCE_VANISHED, 0,
                              "became something else since it was listed");
    }
    if (status == PD_OK) {
        status = pd_source_path_meta(source, file->fd, item->path, &file->st, entry, &file->lack,
                                     err);
    }
    if (status != PD_OK) {
        if (file->fd >= 0) {
            close(file->fd);
        }
        free(file);
        return status;
    }
    *out = file;
    return PD_OK;
}

static enum pd_status path_read(void *impl, struct pd_source_file *file, void *buf, size_t size,
                                uint64_t offset, size_t *got, struct pd_error *err)
{
    (void)impl;
    *got = 0;
    while (*got < size) {
        ssize_t n = pread(file->fd, (char *)buf + *got, size - *got, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return pd_error_set(err, PD_SOURCE_UNREADABLE, errno, "cannot read it");
        }
        if (n == 0) {
            break;
        }
        *got += (size_t)n;
    }
    return PD_OK;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Files of procfs and the like, which take no blocks, have bytes beyond the size that they claim. */
static bool has_more(const struct pd_source_file *file)
{
    char byte;

    return file->st.st_blocks == 0 && pread(file->fd, &byte, 1, file->st.st_size) > 0;
}

static enum pd_status path_close_file(void *impl, struct pd_source_file *file,
                                      struct pd_error *err)
{
    enum pd_status status = PD_OK;
    struct stat now;

    (void)impl;
    if (file->fd >= 0) {
        if (fstat(file->fd, &now) != 0) {
            status = cannot(err, "cannot look at it again");
        } else if (now.st_size != file->st.st_size ||
                   !same_time(now.st_mtim, file->st.st_mtim) ||
                   !same_time(now.st_ctim, file->st.st_ctim)) {
            status = pd_error_set(err, PD_SOURCE_CHANGED, 0, "changed while it was read");
        } else if (has_more(file)) {
            status = pd_error_set(err, PD_SOURCE_CHANGED, 0, "holds more bytes than its size says");
        }
        close(file->fd);
    }
    if (status == PD_OK && file->lack.status != PD_OK) {
        *err = file->lack;
        status = file->lack.status;
    }
    free(file);
    return status;
}

static void path_close(void *impl)
{
    pd_source_path_walk_free(impl);
    free(impl);
}

static enum pd_status path_roots(void *impl, pd_root_fn fn, void *arg, struct pd_error *err)
{
    const struct pd_source_path *source = impl;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < source->root_count && status == PD_OK; i++) {
        status = fn(arg, source->roots[i].path, err);
    }
    return status;
}

static const struct pd_source_ops path_ops = {
    "path", path_roots, pd_source_path_walk, path_open, path_read, path_close_file, path_close,
};

enum pd_status pd_source_path_open(const struct pd_env *env,
                                   const struct pd_source_path_options *options,
                                   struct pd_source **out, struct pd_error *err)
{
    struct pd_source_path *source = calloc(1, sizeof *source);

    if (!source) {
        return pd_error_memory(err, "source");
    }
    source->env = env;
    source->recurse = !options->list_file || options->list_recurse;
    source->one_file_system = options->one_file_system;
    source->on_problem = options->on_problem;
    source->problem_arg = options->problem_arg;
    enum pd_status status = pd_source_path_roots(source, options, err);
    if (status != PD_OK) {
        path_close(source);
        return status;
    }
    return pd_source_new(&path_ops, source, out, err);
}
