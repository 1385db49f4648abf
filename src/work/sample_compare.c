#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "pairdump/sample.h"
#include "pairdump/text.h"

#define CHUNK ((size_t)256 << 10)

/* First path at which a file with several names was met in one of the trees. */
struct inode {
    dev_t dev;
    ino_t ino;
    char path[];
};

struct comparison {
    const struct pd_env *env;
    pd_sample_diff_fn fn;
    void *arg;
    uint64_t differences;
    struct pd_buf path; /* below the roots */
    void *inodes[2];    /* tsearch(3) trees of struct inode */
    uint8_t *chunk[2];
};

static void PD_PRINTF(2, 3) differ(struct comparison *c, const char *fmt, ...)
{
    char what[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    c->differences++;
    if (c->fn != NULL)
        c->fn(c->arg, c->path.len == 0 ? "." : c->path.data, what);
}

/* ---- hard links ---- */

static int compare_inodes(const void *a, const void *b)
{
    const struct inode *x = a, *y = b;

    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* The path where this file was met first, which may be this one. NULL: no memory. */
static const char *first_path(struct comparison *c, size_t side, const struct stat *st)
{
    struct inode *inode = malloc(sizeof(*inode) + c->path.len + 1);
    struct inode **found;

    if (inode == NULL)
        return NULL;
    inode->dev = st->st_dev;
    inode->ino = st->st_ino;
    memcpy(inode->path, c->path.data, c->path.len + 1);
    found = tsearch(inode, &c->inodes[side], compare_inodes);
    if (found == NULL || *found != inode)
        free(inode);
    return found == NULL ? NULL : (*found)->path;
}

static enum pd_status compare_names(struct comparison *c, const struct stat st[2],
                                    struct pd_error *err)
{
    const char *first[2];

    if (S_ISDIR(st[0].st_mode) || (st[0].st_nlink == 1 && st[1].st_nlink == 1))
        return PD_OK;
    for (size_t i = 0; i < 2; i++) {
        first[i] = first_path(c, i, &st[i]);
        if (first[i] == NULL)
            return pd_error_memory(err, "hard links");
    }
    if (strcmp(first[0], first[1]) != 0)
        differ(c, "hard link: the same file as %s / as %s", first[0], first[1]);
    return PD_OK;
}

/* ---- extended attributes, ACLs among them ---- */

/* A descriptor of the file itself, for calls that take paths only. */
static bool object_name(int dir, const char *name, int *fd, char *out, size_t size)
{
    *fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    snprintf(out, size, "/proc/self/fd/%d", *fd);
    return *fd >= 0;
}

/* Names of the attributes; *len 0 where there are none or the file system knows none. NULL: they
 * cannot be listed. */
static char *list_xattrs(const char *path, size_t *len)
{
    ssize_t size = listxattr(path, NULL, 0);
    char *names = calloc(1, size > 0 ? (size_t)size + 1 : 1);

    *len = 0;
    if (names != NULL && size > 0)
        size = listxattr(path, names, (size_t)size);
    if (names != NULL && size < 0 && errno != EOPNOTSUPP) {
        free(names);
        return NULL;
    }
    if (names != NULL && size > 0)
        *len = (size_t)size;
    return names;
}

/* Value of an attribute, NULL if it is not there. */
static char *get_xattr(const char *path, const char *name, size_t *len)
{
    ssize_t size = getxattr(path, name, NULL, 0);
    char *value = size < 0 ? NULL : malloc((size_t)size + 1);

    *len = 0;
    if (value != NULL) {
        size = getxattr(path, name, value, (size_t)size);
        *len = size < 0 ? 0 : (size_t)size;
    }
    return value;
}

/* Every attribute of a is in b; values are compared once, when a is the first tree. */
static void compare_xattrs_one_way(struct comparison *c, const char *a, const char *b, bool values)
{
    size_t len, at = 0;
    char *names = list_xattrs(a, &len);

    if (names == NULL)
        differ(c, "extended attributes cannot be listed: %s", strerror(errno));
    while (names != NULL && at < len) {
        const char *name = names + at;
        size_t a_len, b_len;
        char *b_value = get_xattr(b, name, &b_len);

        at += strlen(name) + 1;
        if (b_value == NULL) {
            differ(c, "extended attribute %s: only in the %s", name, values ? "first" : "second");
        } else if (values) {
            char *a_value = get_xattr(a, name, &a_len);

            if (a_value == NULL || a_len != b_len || memcmp(a_value, b_value, a_len) != 0)
                differ(c, "extended attribute %s: values differ", name);
            free(a_value);
        }
        free(b_value);
    }
    free(names);
}

static void compare_xattrs(struct comparison *c, const int dir[2], const char *const name[2])
{
    char path[2][32];
    int fd[2];
    bool a = object_name(dir[0], name[0], &fd[0], path[0], sizeof(path[0]));
    bool b = object_name(dir[1], name[1], &fd[1], path[1], sizeof(path[1]));

    if (a && b) {
        compare_xattrs_one_way(c, path[0], path[1], true);
        compare_xattrs_one_way(c, path[1], path[0], false);
    } else {
        differ(c, "cannot be looked at: %s", strerror(errno));
    }
    for (size_t i = 0; i < 2; i++)
        if (fd[i] >= 0)
            (void)close(fd[i]); /* O_PATH */
}

/* ---- content ---- */

/* Fills the chunk as far as the file goes; -1 with errno. */
static ssize_t read_chunk(int fd, uint8_t *out)
{
    size_t got = 0;

    while (got < CHUNK) {
        ssize_t done = read(fd, out + got, CHUNK - got);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        if (done == 0)
            break;
        got += (size_t)done;
    }
    return (ssize_t)got;
}

static void compare_content(struct comparison *c, const int dir[2], const char *const name[2])
{
    uint64_t at = 0;
    ssize_t got[2];
    int fd[2];

    for (size_t i = 0; i < 2; i++) {
        fd[i] = openat(dir[i], name[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd[i] < 0)
            differ(c, "cannot be read in the %s: %s", i == 0 ? "first" : "second",
                   strerror(errno));
    }
    while (fd[0] >= 0 && fd[1] >= 0) {
        got[0] = read_chunk(fd[0], c->chunk[0]);
        got[1] = read_chunk(fd[1], c->chunk[1]);
        if (got[0] < 0 || got[1] < 0) {
            differ(c, "cannot be read: %s", strerror(errno));
            break;
        }
        if (got[0] != got[1] || memcmp(c->chunk[0], c->chunk[1], (size_t)got[0]) != 0) {
            differ(c, "content differs within the %zu bytes from %llu on", CHUNK,
                   (unsigned long long)at);
            break;
        }
        if (got[0] == 0)
            break;
        at += (uint64_t)got[0];
    }
    for (size_t i = 0; i < 2; i++)
        if (fd[i] >= 0)
            (void)close(fd[i]); /* opened for reading */
}

static void compare_targets(struct comparison *c, const int dir[2], const char *const name[2])
{
    ssize_t len[2];

    for (size_t i = 0; i < 2; i++) {
        len[i] = readlinkat(dir[i], name[i], (char *)c->chunk[i], CHUNK);
        if (len[i] < 0) {
            differ(c, "link cannot be read: %s", strerror(errno));
            return;
        }
    }
    if (len[0] != len[1] || memcmp(c->chunk[0], c->chunk[1], (size_t)len[0]) != 0)
        differ(c, "link target: %.*s / %.*s", (int)len[0], (char *)c->chunk[0], (int)len[1],
               (char *)c->chunk[1]);
}

/* ---- one file ---- */

static void compare_stat(struct comparison *c, const struct stat *a, const struct stat *b)
{
    if ((a->st_mode & 07777) != (b->st_mode & 07777))
        differ(c, "mode: %04o / %04o", a->st_mode & 07777, b->st_mode & 07777);
    if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
        differ(c, "owner: %u:%u / %u:%u", a->st_uid, a->st_gid, b->st_uid, b->st_gid);
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
        differ(c, "modified: %lld.%09ld / %lld.%09ld", (long long)a->st_mtim.tv_sec,
               a->st_mtim.tv_nsec, (long long)b->st_mtim.tv_sec, b->st_mtim.tv_nsec);
    if (S_ISREG(a->st_mode) && a->st_size != b->st_size)
        differ(c, "size: %lld / %lld", (long long)a->st_size, (long long)b->st_size);
    if ((S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode)) && a->st_rdev != b->st_rdev)
        differ(c, "device: %u,%u / %u,%u", major(a->st_rdev), minor(a->st_rdev),
               major(b->st_rdev), minor(b->st_rdev));
}

static const char *kind_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "folder";
    case S_IFLNK:
        return "symbolic link";
    case S_IFIFO:
        return "fifo";
    case S_IFCHR:
        return "character device";
    case S_IFBLK:
        return "block device";
    default:
        return "socket";
    }
}

static enum pd_status compare_folders(struct comparison *c, const int dir[2],
                                      const char *const name[2], struct pd_error *err);

static enum pd_status compare_one(struct comparison *c, const int dir[2],
                                  const char *const name[2], struct pd_error *err)
{
    enum pd_status status = pd_env_check(c->env, err);
    struct stat st[2];

    if (status != PD_OK)
        return status;
    if (fstatat(dir[0], name[0], &st[0], AT_SYMLINK_NOFOLLOW) != 0 ||
        fstatat(dir[1], name[1], &st[1], AT_SYMLINK_NOFOLLOW) != 0) {
        differ(c, "cannot be looked at: %s", strerror(errno));
        return PD_OK;
    }
    if ((st[0].st_mode & S_IFMT) != (st[1].st_mode & S_IFMT)) {
        differ(c, "kind: %s / %s", kind_name(st[0].st_mode), kind_name(st[1].st_mode));
        return PD_OK;
    }
    compare_stat(c, &st[0], &st[1]);
    compare_xattrs(c, dir, name);
    status = compare_names(c, st, err);
    if (status != PD_OK)
        return status;
    if (S_ISREG(st[0].st_mode) && st[0].st_size == st[1].st_size)
        compare_content(c, dir, name);
    else if (S_ISLNK(st[0].st_mode))
        compare_targets(c, dir, name);
    else if (S_ISDIR(st[0].st_mode))
        return compare_folders(c, dir, name, err);
    return PD_OK;
}

/* ---- folders ---- */

struct names {
    char **list;
    size_t count, cap;
};

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_name(struct names *names, const char *name)
{
    char *copy = strdup(name);

    if (names->count == names->cap) {
        size_t cap = names->cap == 0 ? 64 : names->cap * 2;
        char **bigger = realloc(names->list, cap * sizeof(*bigger));

        if (bigger != NULL) {
            names->list = bigger;
            names->cap = cap;
        }
    }
    if (copy == NULL || names->count == names->cap) {
        free(copy);
        return false;
    }
    names->list[names->count++] = copy;
    return true;
}

static enum pd_status read_names(int fd, struct names *names, struct pd_error *err)
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    enum pd_status status = PD_OK;
    const struct dirent *entry;

    if (dir == NULL) {
        status = pd_error_set(err, pd_status_from_errno(errno), errno, "cannot read a folder");
        if (own >= 0)
            (void)close(own); /* a folder */
        return status;
    }
    while (status == PD_OK && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !add_name(names, entry->d_name))
            status = pd_error_memory(err, "names");
    (void)closedir(dir); /* read only */
    if (names->count > 1)
        qsort(names->list, names->count, sizeof(*names->list), compare_text);
    return status;
}

/* Walks both sorted lists; names in one of them only are differences. */
static enum pd_status merge(struct comparison *c, const int fd[2], const struct names names[2],
                            struct pd_error *err)
{
    size_t at[2] = {0, 0}, path_len = c->path.len;
    enum pd_status status = PD_OK;

    while (status == PD_OK && (at[0] < names[0].count || at[1] < names[1].count)) {
        const char *pair[2];
        int order;

        for (size_t i = 0; i < 2; i++)
            pair[i] = at[i] < names[i].count ? names[i].list[at[i]] : NULL;
        order = pair[0] == NULL ? 1 : pair[1] == NULL ? -1 : strcmp(pair[0], pair[1]);
        status = pd_buf_printf(&c->path, "%s%s", path_len > 0 ? "/" : "",
                               order <= 0 ? pair[0] : pair[1]);
        if (status != PD_OK) {
            status = pd_error_memory(err, "a path");
        } else if (order == 0) {
            status = compare_one(c, fd, pair, err);
        } else {
            differ(c, "only in the %s", order < 0 ? "first" : "second");
        }
        at[0] += order <= 0;
        at[1] += order >= 0;
        c->path.len = path_len;
        c->path.data[path_len] = '\0';
    }
    return status;
}

static enum pd_status compare_folders(struct comparison *c, const int dir[2],
                                      const char *const name[2], struct pd_error *err)
{
    struct names names[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    enum pd_status status = PD_OK;
    int fd[2] = {-1, -1};

    for (size_t i = 0; i < 2; i++) {
        struct pd_error error = PD_ERROR_INIT;

        fd[i] = openat(dir[i], name[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd[i] < 0 || read_names(fd[i], &names[i], &error) != PD_OK) {
            differ(c, "folder cannot be read in the %s: %s", i == 0 ? "first" : "second",
                   fd[i] < 0 ? strerror(errno) : error.message);
            goto out;
        }
    }
    status = merge(c, fd, names, err);
out:
    for (size_t i = 0; i < 2; i++) {
        if (fd[i] >= 0)
            (void)close(fd[i]); /* a folder */
        free_names(&names[i]);
    }
    return status;
}

enum pd_status pd_sample_compare(const struct pd_env *env, const char *a, const char *b,
                                 pd_sample_diff_fn fn, void *arg, struct pd_error *err)
{
    struct comparison c = {.env = env, .fn = fn, .arg = arg, .path = PD_BUF_INIT};
    const char *const roots[2] = {a, b};
    const int here[2] = {AT_FDCWD, AT_FDCWD};
    enum pd_status status = PD_OK;
    struct stat st;

    for (size_t i = 0; i < 2; i++)
        if (stat(roots[i], &st) != 0)
            return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot compare %s",
                                roots[i]);
    for (size_t i = 0; i < 2; i++) {
        c.chunk[i] = malloc(CHUNK);
        if (c.chunk[i] == NULL)
            status = pd_error_memory(err, "a comparison");
    }
    if (status == PD_OK && pd_buf_append(&c.path, "", 0) != PD_OK)
        status = pd_error_memory(err, "a comparison");
    if (status == PD_OK)
        status = compare_one(&c, here, roots, err);
    if (status == PD_OK && c.differences > 0)
        status = pd_error_set(err, PD_BAD_FILE, 0, "%s and %s differ in %llu places", a, b,
                              (unsigned long long)c.differences);
    for (size_t i = 0; i < 2; i++) {
        tdestroy(c.inodes[i], free);
        free(c.chunk[i]);
    }
    pd_buf_free(&c.path);
    return status;
}
