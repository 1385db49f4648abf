/*
 * faulty: calls of the C library and of SQLite that fail once, at a count. Linked into a program of
 * its own by the linker's --wrap, so that all calls of pairdump's own code come here.
 *
 * PD_FAULTY=CLASS@N=EFFECT: the Nth call of a class fails. Classes: memory; sql; source (calls on
 * what lies under the folder PD_FAULTY_SOURCE); io (all other system calls). Effects: an errno by
 * name; `short` (half of a read or write is done); `lost` (done, and said to have failed).
 * PD_FAULTY_COUNTS names a file that gets "CLASS CALLS" lines, and where the fault struck.
 */
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum class { MEMORY, SQL, SOURCE, IO, CLASSES };
enum effect { NONE, FAIL, SHORT, LOST };
enum { FDS = 4096 };

static const char *const class_names[CLASSES] = {"memory", "sql", "source", "io"};
static const struct {
    const char *name;
    enum effect effect;
    int code;
} effects[] = {
    {"EIO", FAIL, EIO},     {"ENOSPC", FAIL, ENOSPC}, {"ENOMEM", FAIL, ENOMEM},
    {"EINTR", FAIL, EINTR}, {"EACCES", FAIL, EACCES}, {"EMFILE", FAIL, EMFILE},
    {"short", SHORT, EIO},  {"lost", LOST, EIO},
};

static struct {
    atomic_ulong calls[CLASSES];
    atomic_bool of_source[FDS];
    unsigned long at;
    enum class class;
    enum effect effect;
    int code;
    const char *source;
    const char *counts;
    int out;
} faulty = {.class = CLASSES};

int __real_open64(const char *path, int flags, ...);
int __real_close(int fd);
ssize_t __real_write(int fd, const void *buf, size_t len);

static void say(const char *text)
{
    if (faulty.out >= 0 && __real_write(faulty.out, text, strlen(text)) < 0)
        abort();
}

__attribute__((constructor)) static void begin(void)
{
    const char *plan = getenv("PD_FAULTY");

    faulty.source = getenv("PD_FAULTY_SOURCE");
    faulty.counts = getenv("PD_FAULTY_COUNTS");
    faulty.out = faulty.counts
                     ? __real_open64(faulty.counts, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)
                     : -1;
    if (!plan)
        return;
    const char *at = strchr(plan, '@');
    const char *is = strchr(plan, '=');
    if (!at || !is)
        abort();
    for (size_t i = 0; i < CLASSES; i++) {
        if (strlen(class_names[i]) == (size_t)(at - plan) &&
            strncmp(plan, class_names[i], (size_t)(at - plan)) == 0)
            faulty.class = (enum class)i;
    }
    for (size_t i = 0; i < sizeof effects / sizeof effects[0]; i++) {
        if (strcmp(is + 1, effects[i].name) == 0) {
            faulty.effect = effects[i].effect;
            faulty.code = effects[i].code;
        }
    }
    faulty.at = strtoul(at + 1, NULL, 10);
    if (faulty.class == CLASSES || faulty.effect == NONE || faulty.at == 0)
        abort();
}

__attribute__((destructor)) static void end(void)
{
    for (size_t i = 0; i < CLASSES; i++) {
        char line[64];

        snprintf(line, sizeof line, "%s %lu\n", class_names[i], atomic_load(&faulty.calls[i]));
        say(line);
    }
}

/* Whether this call fails, and how; errno is set to match. */
static enum effect strike(enum class class, const char *what)
{
    unsigned long call = atomic_fetch_add(&faulty.calls[class], 1) + 1;

    if (class != faulty.class || call != faulty.at)
        return NONE;
    say("struck ");
    say(what);
    say("\n");
    if (faulty.out >= 0) {
        void *frames[8];
        int found = backtrace(frames, 8);

        backtrace_symbols_fd(frames, found, faulty.out);
    }
    errno = faulty.code;
    return faulty.effect;
}

static bool under_source(const char *path)
{
    size_t len = faulty.source ? strlen(faulty.source) : 0;

    return len > 0 && strncmp(path, faulty.source, len) == 0 &&
           (path[len] == '/' || path[len] == '\0');
}

static enum class of_fd(int fd) {
    return fd >= 0 && fd < FDS && atomic_load(&faulty.of_source[fd]) ? SOURCE : IO;
}

static enum class of_path(int dir, const char *path) {
    return path[0] == '/' ? (under_source(path) ? SOURCE : IO) : of_fd(dir);
}

static int opened(int fd, enum class class)
{
    if (fd >= 0 && fd < FDS)
        atomic_store(&faulty.of_source[fd], class == SOURCE);
    return fd;
}

/* ---- memory ---- */

#define MEMORY_CALL(name, params, args)                                                            \
    void *__real_##name params;                                                                    \
    void *__wrap_##name params;                                                                    \
    void *__wrap_##name params                                                                     \
    {                                                                                              \
        return strike(MEMORY, #name) == NONE ? __real_##name args : NULL;                          \
    }

MEMORY_CALL(malloc, (size_t size), (size))
MEMORY_CALL(calloc, (size_t n, size_t size), (n, size))
MEMORY_CALL(realloc, (void *old, size_t size), (old, size))
MEMORY_CALL(reallocarray, (void *old, size_t n, size_t size), (old, n, size))
MEMORY_CALL(aligned_alloc, (size_t align, size_t size), (align, size))
MEMORY_CALL(strdup, (const char *text), (text))
MEMORY_CALL(strndup, (const char *text, size_t len), (text, len))

int __real_vasprintf(char **out, const char *format, va_list args);
int __wrap_vasprintf(char **out, const char *format, va_list args);
int __wrap_asprintf(char **out, const char *format, ...);

__attribute__((format(printf, 2, 0))) int __wrap_vasprintf(char **out, const char *format,
                                                           va_list args)
{
    return strike(MEMORY, "vasprintf") == NONE ? __real_vasprintf(out, format, args) : -1;
}

__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **out, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int result = __wrap_vasprintf(out, format, args);
    va_end(args);
    return result;
}

/* ---- SQLite ---- */

static int sql_code(void)
{
    return faulty.code == ENOSPC   ? SQLITE_FULL
           : faulty.code == ENOMEM ? SQLITE_NOMEM
                                   : SQLITE_IOERR;
}

#define SQL_CALL(name, params, args)                                                               \
    int __real_##name params;                                                                      \
    int __wrap_##name params;                                                                      \
    int __wrap_##name params                                                                       \
    {                                                                                              \
        enum effect effect = strike(SQL, #name);                                                   \
        int code = effect == NONE || effect == LOST ? __real_##name args : SQLITE_OK;              \
        return effect == NONE ? code : sql_code();                                                 \
    }

SQL_CALL(sqlite3_step, (sqlite3_stmt * stmt), (stmt))
SQL_CALL(sqlite3_exec,
         (sqlite3 * db, const char *sql, int (*fn)(void *, int, char **, char **), void *arg,
          char **message),
         (db, sql, fn, arg, message))
SQL_CALL(sqlite3_bind_int64, (sqlite3_stmt * stmt, int i, sqlite3_int64 n), (stmt, i, n))
SQL_CALL(sqlite3_bind_null, (sqlite3_stmt * stmt, int i), (stmt, i))
SQL_CALL(sqlite3_bind_text64,
         (sqlite3_stmt * stmt, int i, const char *text, sqlite3_uint64 len, void (*fn)(void *),
          unsigned char text_code),
         (stmt, i, text, len, fn, text_code))
SQL_CALL(sqlite3_bind_blob64,
         (sqlite3_stmt * stmt, int i, const void *data, sqlite3_uint64 len, void (*fn)(void *)),
         (stmt, i, data, len, fn))

int __real_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags,
                              sqlite3_stmt **stmt, const char **tail);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags,
                              sqlite3_stmt **stmt, const char **tail);

int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags,
                              sqlite3_stmt **stmt, const char **tail)
{
    *stmt = NULL;
    return strike(SQL, "sqlite3_prepare_v3") == NONE
               ? __real_sqlite3_prepare_v3(db, sql, len, flags, stmt, tail)
               : sql_code();
}

/* ---- system calls ---- */

int __wrap_open64(const char *path, int flags, ...);
int __real_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...);
int __wrap_close(int fd);

int __wrap_open64(const char *path, int flags, ...)
{
    enum class class = of_path(-1, path);
    va_list args;

    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t);
    va_end(args);
    return strike(class, "open64") == NONE ? opened(__real_open64(path, flags, mode), class) : -1;
}

int __wrap_openat64(int dir, const char *path, int flags, ...)
{
    enum class class = of_path(dir, path);
    va_list args;

    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t);
    va_end(args);
    return strike(class, "openat64") == NONE
               ? opened(__real_openat64(dir, path, flags, mode), class)
               : -1;
}

/* A close that fails has closed. */
int __wrap_close(int fd)
{
    enum effect effect = strike(of_fd(fd), "close");
    int result = __real_close(fd);

    if (effect != NONE)
        errno = faulty.code;
    return effect == NONE ? result : -1;
}

/* A call that fails without being done, or (lost) once it is. */
#define PLAIN_CALL(name, class, params, args)                                                      \
    int __real_##name params;                                                                      \
    int __wrap_##name params;                                                                      \
    int __wrap_##name params                                                                       \
    {                                                                                              \
        enum effect effect = strike(class, #name);                                                 \
        int result = effect == NONE || effect == LOST ? __real_##name args : -1;                   \
        if (effect != NONE)                                                                        \
            errno = faulty.code;                                                                   \
        return effect == NONE ? result : -1;                                                       \
    }

PLAIN_CALL(fsync, IO, (int fd), (fd))
PLAIN_CALL(fdatasync, of_fd(fd), (int fd), (fd))
PLAIN_CALL(syncfs, IO, (int fd), (fd))
PLAIN_CALL(ftruncate64, IO, (int fd, off_t size), (fd, size))
PLAIN_CALL(fstat64, of_fd(fd), (int fd, struct stat64 *st), (fd, st))
PLAIN_CALL(stat64, of_path(-1, path), (const char *path, struct stat64 *st), (path, st))
PLAIN_CALL(lstat64, of_path(-1, path), (const char *path, struct stat64 *st), (path, st))
PLAIN_CALL(fstatat64, of_path(dir, path), (int dir, const char *path, struct stat64 *st, int flags),
           (dir, path, st, flags))
PLAIN_CALL(mkdir, IO, (const char *path, mode_t mode), (path, mode))
PLAIN_CALL(mkdirat, IO, (int dir, const char *path, mode_t mode), (dir, path, mode))
PLAIN_CALL(rename, IO, (const char *from, const char *to), (from, to))
PLAIN_CALL(renameat, IO, (int a, const char *from, int b, const char *to), (a, from, b, to))
PLAIN_CALL(renameat2, IO, (int a, const char *from, int b, const char *to, unsigned flags),
           (a, from, b, to, flags))
PLAIN_CALL(unlink, IO, (const char *path), (path))
PLAIN_CALL(unlinkat, IO, (int dir, const char *path, int flags), (dir, path, flags))
PLAIN_CALL(linkat, IO, (int a, const char *from, int b, const char *to, int flags),
           (a, from, b, to, flags))
PLAIN_CALL(symlinkat, IO, (const char *text, int dir, const char *path), (text, dir, path))
PLAIN_CALL(fchmod, IO, (int fd, mode_t mode), (fd, mode))
PLAIN_CALL(flock, IO, (int fd, int what), (fd, what))
PLAIN_CALL(futimens, IO, (int fd, const struct timespec times[2]), (fd, times))
PLAIN_CALL(utimensat, IO, (int dir, const char *path, const struct timespec times[2], int flags),
           (dir, path, times, flags))

/* Bytes moved: half of them, when it is to be short. */
#define MOVING_CALL(name, buf_type, more_params, more_args)                                        \
    ssize_t __real_##name(int fd, buf_type buf, size_t len more_params);                           \
    ssize_t __wrap_##name(int fd, buf_type buf, size_t len more_params);                           \
    ssize_t __wrap_##name(int fd, buf_type buf, size_t len more_params)                            \
    {                                                                                              \
        enum effect effect = strike(of_fd(fd), #name);                                             \
        if (effect == FAIL)                                                                        \
            return -1;                                                                             \
        ssize_t moved =                                                                            \
            __real_##name(fd, buf, effect == SHORT && len > 1 ? len / 2 : len more_args);          \
        if (effect == LOST)                                                                        \
            errno = faulty.code;                                                                   \
        return effect == LOST ? -1 : moved;                                                        \
    }
#define AND_OFFSET , off_t offset
#define OFFSET     , offset

MOVING_CALL(read, void *, , )
MOVING_CALL(write, const void *, , )
MOVING_CALL(pread64, void *, AND_OFFSET, OFFSET)
MOVING_CALL(pwrite64, const void *, AND_OFFSET, OFFSET)

ssize_t __real_pwritev64(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int n, off_t offset)
{
    enum effect effect = strike(of_fd(fd), "pwritev64");

    if (effect == SHORT)
        return __real_pwrite64(fd, parts[0].iov_base, (parts[0].iov_len + 1) / 2, offset);
    return effect == FAIL ? -1 : __real_pwritev64(fd, parts, n, offset);
}

DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
struct dirent64 *__real_readdir64(DIR *dir);
struct dirent64 *__wrap_readdir64(DIR *dir);

DIR *__wrap_fdopendir(int fd)
{
    return strike(of_fd(fd), "fdopendir") == NONE ? __real_fdopendir(fd) : NULL;
}

struct dirent64 *__wrap_readdir64(DIR *dir)
{
    return strike(of_fd(dirfd(dir)), "readdir64") == NONE ? __real_readdir64(dir) : NULL;
}

/* ---- and what returns lengths ---- */

#define LENGTH_CALL(name, class, params, args)                                                     \
    ssize_t __real_##name params;                                                                  \
    ssize_t __wrap_##name params;                                                                  \
    ssize_t __wrap_##name params                                                                   \
    {                                                                                              \
        return strike(class, #name) == NONE ? __real_##name args : -1;                             \
    }

LENGTH_CALL(flistxattr, of_fd(fd), (int fd, char *names, size_t size), (fd, names, size))
LENGTH_CALL(readlinkat, of_path(dir, path), (int dir, const char *path, char *out, size_t size),
            (dir, path, out, size))
LENGTH_CALL(readlink, of_path(-1, path), (const char *path, char *out, size_t size),
            (path, out, size))
