/*
 * power: what a program does to the files below one folder, written down in order. Preloaded; also
 * sees what libraries do (SQLite). Whoever replays the log knows at each moment what would survive
 * if the power failed.
 *
 * PD_POWER_ROOT names the folder, PD_POWER_LOG the log. A line for each call that succeeded:
 *   create INODE PATH | write INODE OFFSET LENGTH, then the bytes | truncate INODE SIZE
 *   sync INODE PATH | syncfs | mkdir PATH | rename OLD, NEW (a line each) | unlink PATH
 *   link INODE PATH
 * Paths come last and hold no newline. One lock is held over call and line: the order is the true
 * one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct {
    pthread_mutex_t lock;
    const char *root;
    FILE *log;
} power = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        abort();
    return found;
}

/* POSIX wants a cast of the pointer to a function through its bytes. */
#define REAL(result, name, params)                                                                 \
    result(*fn) params;                                                                            \
    *(void **)&fn = real(name)

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("PD_POWER_LOG");

    power.root = getenv("PD_POWER_ROOT");
    power.log = path && power.root ? fopen(path, "ae") : NULL;
}

static void enter(void)
{
    pthread_mutex_lock(&power.lock);
}

/* A power cut is not simulated by a log that ends early: every line is out before the next call. */
static void leave(void)
{
    int code = errno;

    if (power.log && fflush(power.log) != 0)
        abort();
    pthread_mutex_unlock(&power.lock);
    errno = code;
}

/* The absolute path of what `path` names from the folder `dir`. */
static void absolute(int dir, const char *path, char *out, size_t size)
{
    char link[64], base[PATH_MAX] = "";

    if (path[0] == '/') {
        snprintf(out, size, "%s", path);
        return;
    }
    snprintf(link, sizeof link, dir == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dir);
    ssize_t len = readlink(link, base, sizeof base - 1);
    base[len > 0 ? len : 0] = '\0';
    snprintf(out, size, "%s/%s", base, path);
}

static bool watched(const char *path)
{
    size_t len = power.root ? strlen(power.root) : 0;

    return power.log && strncmp(path, power.root, len) == 0 && path[len] == '/';
}

/* Path and inode of an open file; false when it is none of ours. */
static bool of_fd(int fd, char *path, size_t size, struct stat *st)
{
    char link[64];

    if (!power.log || fd == fileno(power.log))
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, size - 1);
    path[len > 0 ? len : 0] = '\0';
    return watched(path) && fstat(fd, st) == 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode));
}

static void log_write(int fd, off_t offset, const void *bytes, size_t len)
{
    char path[PATH_MAX];
    struct stat st;

    if (!of_fd(fd, path, sizeof path, &st))
        return;
    fprintf(power.log, "write %ju %jd %zu\n", (uintmax_t)st.st_ino, (intmax_t)offset, len);
    if (fwrite(bytes, 1, len, power.log) != len)
        abort();
    fputc('\n', power.log);
}

/* ---- names ---- */

static int open_logged(const char *symbol, int dir, const char *path, int flags, mode_t mode)
{
    REAL(int, symbol, (int, const char *, int, ...));
    char full[PATH_MAX * 2];
    struct stat st;

    enter();
    absolute(dir, path, full, sizeof full);
    bool ours = watched(full), existed = lstat(full, &st) == 0;
    int fd = fn(dir, path, flags, mode);
    if (fd >= 0 && ours && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if (!existed && (flags & O_TMPFILE) != O_TMPFILE)
            fprintf(power.log, "create %ju %s\n", (uintmax_t)st.st_ino, full);
        else if (flags & O_TRUNC)
            fprintf(power.log, "truncate %ju 0\n", (uintmax_t)st.st_ino);
    }
    leave();
    return fd;
}

#define OPEN(name, at_name)                                                                        \
    EXPORT int name(const char *path, int flags, ...)                                              \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = va_arg(args, mode_t);                                                        \
        va_end(args);                                                                              \
        return open_logged(at_name, AT_FDCWD, path, flags, mode);                                  \
    }
#define OPENAT(name)                                                                               \
    EXPORT int name(int dir, const char *path, int flags, ...)                                     \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = va_arg(args, mode_t);                                                        \
        va_end(args);                                                                              \
        return open_logged(#name, dir, path, flags, mode);                                         \
    }
#undef open
#undef open64
#undef openat
#undef openat64
OPEN(open64, "openat64")
OPENAT(openat64)

static int log_rename(int result, int a, const char *from, int b, const char *to)
{
    char old[PATH_MAX * 2], new[PATH_MAX * 2];

    absolute(a, from, old, sizeof old);
    absolute(b, to, new, sizeof new);
    if (result == 0 && (watched(old) || watched(new)))
        fprintf(power.log, "rename %s\n%s\n", old, new);
    leave();
    return result;
}

EXPORT int rename(const char *from, const char *to)
{
    REAL(int, "rename", (const char *, const char *));
    enter();
    return log_rename(fn(from, to), AT_FDCWD, from, AT_FDCWD, to);
}

EXPORT int renameat(int a, const char *from, int b, const char *to)
{
    REAL(int, "renameat", (int, const char *, int, const char *));
    enter();
    return log_rename(fn(a, from, b, to), a, from, b, to);
}

EXPORT int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
    REAL(int, "renameat2", (int, const char *, int, const char *, unsigned));
    enter();
    return log_rename(fn(a, from, b, to, flags), a, from, b, to);
}

static int log_path(int result, const char *what, int dir, const char *path)
{
    char full[PATH_MAX * 2];

    absolute(dir, path, full, sizeof full);
    if (result == 0 && watched(full))
        fprintf(power.log, "%s %s\n", what, full);
    leave();
    return result;
}

EXPORT int unlink(const char *path)
{
    REAL(int, "unlink", (const char *));
    enter();
    return log_path(fn(path), "unlink", AT_FDCWD, path);
}

EXPORT int unlinkat(int dir, const char *path, int flags)
{
    REAL(int, "unlinkat", (int, const char *, int));
    enter();
    return log_path(fn(dir, path, flags), "unlink", dir, path);
}

EXPORT int rmdir(const char *path)
{
    REAL(int, "rmdir", (const char *));
    enter();
    return log_path(fn(path), "unlink", AT_FDCWD, path);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
    REAL(int, "mkdir", (const char *, mode_t));
    enter();
    return log_path(fn(path, mode), "mkdir", AT_FDCWD, path);
}

EXPORT int mkdirat(int dir, const char *path, mode_t mode)
{
    REAL(int, "mkdirat", (int, const char *, mode_t));
    enter();
    return log_path(fn(dir, path, mode), "mkdir", dir, path);
}

EXPORT int linkat(int a, const char *from, int b, const char *to, int flags)
{
    REAL(int, "linkat", (int, const char *, int, const char *, int));
    char full[PATH_MAX * 2];
    struct stat st;

    enter();
    int result = fn(a, from, b, to, flags);
    absolute(b, to, full, sizeof full);
    if (result == 0 && watched(full) && stat(full, &st) == 0)
        fprintf(power.log, "link %ju %s\n", (uintmax_t)st.st_ino, full);
    leave();
    return result;
}

/* ---- bytes ---- */

EXPORT ssize_t write(int fd, const void *bytes, size_t len)
{
    REAL(ssize_t, "write", (int, const void *, size_t));

    enter();
    off_t at = lseek(fd, 0, SEEK_CUR);
    int code = errno;
    ssize_t done = fn(fd, bytes, len);
    if (done > 0 && at >= 0)
        log_write(fd, lseek(fd, 0, SEEK_CUR) - done, bytes, (size_t)done);
    else if (done > 0)
        errno = code;
    leave();
    return done;
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
    REAL(ssize_t, "pwrite64", (int, const void *, size_t, off_t));

    enter();
    ssize_t done = fn(fd, bytes, len, offset);
    if (done > 0)
        log_write(fd, offset, bytes, (size_t)done);
    leave();
    return done;
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int n, off_t offset)
{
    REAL(ssize_t, "pwritev64", (int, const struct iovec *, int, off_t));

    enter();
    ssize_t done = fn(fd, parts, n, offset), left = done;
    for (int i = 0; i < n && left > 0; i++) {
        size_t len = parts[i].iov_len < (size_t)left ? parts[i].iov_len : (size_t)left;

        log_write(fd, offset, parts[i].iov_base, len);
        offset += (off_t)len;
        left -= (ssize_t)len;
    }
    leave();
    return done;
}

EXPORT int ftruncate64(int fd, off_t size)
{
    REAL(int, "ftruncate64", (int, off_t));
    char path[PATH_MAX];
    struct stat st;

    enter();
    int result = fn(fd, size);
    if (result == 0 && of_fd(fd, path, sizeof path, &st))
        fprintf(power.log, "truncate %ju %jd\n", (uintmax_t)st.st_ino, (intmax_t)size);
    leave();
    return result;
}

/* ---- promises ---- */

static int log_sync(int result, int fd)
{
    char path[PATH_MAX];
    struct stat st;

    if (result == 0 && of_fd(fd, path, sizeof path, &st))
        fprintf(power.log, "sync %ju %s\n", (uintmax_t)st.st_ino, path);
    leave();
    return result;
}

EXPORT int fsync(int fd)
{
    REAL(int, "fsync", (int));
    enter();
    return log_sync(fn(fd), fd);
}

EXPORT int fdatasync(int fd)
{
    REAL(int, "fdatasync", (int));
    enter();
    return log_sync(fn(fd), fd);
}

EXPORT int syncfs(int fd)
{
    REAL(int, "syncfs", (int));
    enter();
    int result = fn(fd);
    if (result == 0 && power.log)
        fprintf(power.log, "syncfs\n");
    leave();
    return result;
}
