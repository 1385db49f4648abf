#include "pairdump/sample.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "pairdump/text.h"

#define FILES_PER_DIR 64
#define CHUNK         65536
#define SPARSE_MIN    ((uint64_t)256 << 10) /* a file so large may get a hole */
#define EPOCH         INT64_C(1262304000)   /* 2010-01-01, the earliest time given */
#define EPOCH_SPAN    UINT64_C(315360000)   /* ten years */

struct maker {
    const struct pd_env *env;
    int root;
    struct pd_rng *rng; /* decides sizes, times and content */
    uint8_t *chunk;
    const struct pd_sample_options *options;
};

static enum pd_status failed(struct pd_error *err, const char *what, const char *path)
{
    return pd_error_set(err, pd_status_from_errno(errno), errno, "test data: cannot %s %s", what,
                        path);
}

/* splitmix64 (Steele, Lea, Flood 2014): content without the lock of the shared generator. */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void fill(uint8_t *out, size_t len, bool text, uint64_t *state)
{
    static const char letters[] = "etaoin shrdlu cmfwyp vbgkqj xz,.\nETAOIN 0123456789 -_ the and of ";
    _Static_assert(sizeof(letters) > 64, "an index of six bits");

    for (size_t i = 0; i < len; i += 8) {
        uint64_t bits = mix(state);

        for (size_t k = 0; k < 8 && i + k < len; k++, bits >>= 8)
            out[i + k] = text ? (uint8_t)letters[bits & 63] : (uint8_t)bits;
    }
}

static enum pd_status set_times(struct maker *maker, const char *path, struct pd_error *err)
{
    struct timespec times[2];

    times[0].tv_sec = (time_t)(EPOCH + (int64_t)pd_rng_below(maker->rng, EPOCH_SPAN));
    times[0].tv_nsec = (long)pd_rng_below(maker->rng, 1000000000);
    times[1] = times[0];
    if (utimensat(maker->root, path, times, AT_SYMLINK_NOFOLLOW) != 0)
        return failed(err, "set the times of", path);
    return PD_OK;
}

/* ---- names ---- */

/* Folder of the n-th group of files: every eighth group goes one level deeper. */
static void dir_name(uint64_t group, char *out, size_t size)
{
    static const char *const words[] = {"run", "night log", "Pl\xc3\xa4ne", "a.b"};
    int used = 0;

    if (group >= 8) {
        dir_name(group / 8 - 1, out, size);
        used = (int)strlen(out);
    }
    snprintf(out + used, size - (size_t)used, "%s%s %llu", used > 0 ? "/" : "", words[group % 4],
             (unsigned long long)group);
}

static void file_name(uint64_t i, const char *tail, char *out, size_t size)
{
    static const char *const words[] = {"data", "notes of day", "\xe6\xb8\xac\xe5\xae\x9a", ".hidden"};
    char dir[512];

    dir_name(i / FILES_PER_DIR, dir, sizeof(dir));
    snprintf(out, size, "%s/%s %llu%s", dir, words[i % 4], (unsigned long long)i, tail);
}

/* ---- making ---- */

/* Sizes spread over 13 powers of two, some empty, that add up exactly. */
static enum pd_status choose_sizes(struct maker *maker, uint64_t **out, struct pd_error *err)
{
    const struct pd_sample_options *options = maker->options;
    uint64_t *sizes, total = 0, given = 0, largest = 0;

    *out = NULL;
    sizes = options->files > SIZE_MAX / sizeof(*sizes)
                ? NULL
                : calloc((size_t)options->files, sizeof(*sizes));
    if (sizes == NULL)
        return pd_error_memory(err, "test data sizes");
    for (uint64_t i = 0; i < options->files; i++) {
        sizes[i] = i > 0 && pd_rng_below(maker->rng, 16) == 0
                       ? 0
                       : UINT64_C(1) << pd_rng_below(maker->rng, 13);
        sizes[i] += sizes[i] > 0 ? pd_rng_below(maker->rng, sizes[i]) : 0;
        total += sizes[i];
        if (sizes[i] > sizes[largest])
            largest = i;
    }
    for (uint64_t i = 0; i < options->files; i++) {
        sizes[i] = (uint64_t)((unsigned __int128)options->bytes * sizes[i] / total);
        given += sizes[i];
    }
    sizes[largest] += options->bytes - given;
    *out = sizes;
    return PD_OK;
}

static enum pd_status write_content(struct maker *maker, int fd, uint64_t i, uint64_t size,
                                    const char *path, struct pd_error *err)
{
    bool sparse = size >= SPARSE_MIN && i % 8 == 3, text = i % 2 == 1;
    uint64_t state = pd_rng_next(maker->rng), at = 0;

    while (at < size) {
        size_t len = size - at < CHUNK ? (size_t)(size - at) : CHUNK;

        if (!sparse || at < size / 4 || at >= size / 4 * 3) {
            fill(maker->chunk, len, text, &state);
            if (pwrite(fd, maker->chunk, len, (off_t)at) != (ssize_t)len)
                return failed(err, "write", path);
        }
        at += len;
    }
    if (ftruncate(fd, (off_t)size) != 0)
        return failed(err, "set the size of", path);
    return pd_env_check(maker->env, err);
}

static enum pd_status make_file(struct maker *maker, uint64_t i, uint64_t size,
                                struct pd_error *err)
{
    static const mode_t modes[] = {0644, 0600, 0444, 0755, 0640};
    enum pd_status status;
    char path[600];
    int fd;

    file_name(i, "", path, sizeof(path));
    fd = openat(maker->root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(err, "make", path);
    status = write_content(maker, fd, i, size, path, err);
    if (status == PD_OK && i % 32 == 5 && fsetxattr(fd, "user.sample", &i, sizeof(i), 0) != 0 &&
        errno != EOPNOTSUPP)
        status = failed(err, "set an extended attribute of", path);
    if (status == PD_OK && fchmod(fd, modes[i % 5]) != 0)
        status = failed(err, "set the mode of", path);
    if (close(fd) != 0 && status == PD_OK)
        status = failed(err, "finish", path);
    return status == PD_OK ? set_times(maker, path, err) : status;
}

/* Other names: symbolic links, some to nothing, and hard links. */
static enum pd_status make_links(struct maker *maker, uint64_t i, struct pd_error *err)
{
    char path[600], link[600];
    enum pd_status status = PD_OK;

    file_name(i, "", path, sizeof(path));
    if (i % 16 == 2) {
        file_name(i, " link", link, sizeof(link));
        if (symlinkat(i % 64 == 2 ? "nowhere/at all" : strrchr(path, '/') + 1, maker->root, link) !=
            0)
            return failed(err, "make", link);
        status = set_times(maker, link, err);
    }
    if (i % 32 == 7) {
        file_name(i, " again", link, sizeof(link));
        if (linkat(maker->root, path, maker->root, link, 0) != 0)
            return failed(err, "make", link);
    }
    return status;
}

static enum pd_status make_dirs(struct maker *maker, uint64_t groups, struct pd_error *err)
{
    char path[512];

    for (uint64_t group = 0; group < groups; group++) {
        dir_name(group, path, sizeof(path));
        if (mkdirat(maker->root, path, 0700) != 0 ||
            fchmodat(maker->root, path, group % 3 == 1 ? 0750 : 0755, 0) != 0)
            return failed(err, "make", path);
    }
    return PD_OK;
}

static enum pd_status make_tree(struct maker *maker, struct pd_error *err)
{
    uint64_t files = maker->options->files, groups = (files - 1) / FILES_PER_DIR + 1;
    uint64_t *sizes = NULL;
    char path[512];
    enum pd_status status = choose_sizes(maker, &sizes, err);

    if (status == PD_OK)
        status = make_dirs(maker, groups, err);
    for (uint64_t i = 0; i < files && status == PD_OK; i++)
        status = make_file(maker, i, sizes[i], err);
    for (uint64_t i = 0; i < files && status == PD_OK; i++)
        status = make_links(maker, i, err);
    for (uint64_t group = groups; group > 0 && status == PD_OK; group--) {
        dir_name(group - 1, path, sizeof(path));
        status = set_times(maker, path, err);
    }
    if (status == PD_OK)
        status = set_times(maker, ".", err);
    free(sizes);
    return status;
}

/* 1 if the folder is empty, 0 if not, -1 with errno. */
static int is_empty(int fd)
{
    int own = dup(fd), empty = 1;
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    const struct dirent *entry;

    if (dir == NULL) {
        if (own >= 0)
            (void)close(own); /* a folder */
        return -1;
    }
    while (empty && (entry = readdir(dir)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    (void)closedir(dir); /* read only */
    return empty;
}

enum pd_status pd_sample_make(const struct pd_env *env, const char *dir,
                              const struct pd_sample_options *options, struct pd_error *err)
{
    struct maker maker = {.env = env, .root = -1, .options = options};
    enum pd_status status = PD_OK;
    int empty;

    if (options->files == 0 || options->bytes > INT64_MAX)
        return pd_error_set(err, PD_USAGE, 0, "test data needs at least one file");
    maker.root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (maker.root < 0) {
        status = failed(err, "open the folder", dir);
        goto out;
    }
    empty = is_empty(maker.root);
    if (empty <= 0) {
        status = empty < 0 ? failed(err, "read the folder", dir)
                           : pd_error_set(err, PD_EXISTS, 0,
                                          "the folder %s for test data is not empty", dir);
        goto out;
    }
    maker.chunk = malloc(CHUNK);
    if (maker.chunk == NULL) {
        status = pd_error_memory(err, "test data");
        goto out;
    }
    status = pd_rng_new(&options->seed, &maker.rng, err);
    if (status == PD_OK)
        status = make_tree(&maker, err);
out:
    pd_rng_free(maker.rng);
    free(maker.chunk);
    if (maker.root >= 0)
        (void)close(maker.root); /* a folder */
    return status;
}

/* ---- removing ---- */

static enum pd_status remove_below(int dir, const char *name, struct pd_error *err);

static enum pd_status remove_one(int dir, const struct dirent *entry, struct pd_error *err)
{
    const char *name = entry->d_name;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return PD_OK;
    if (unlinkat(dir, name, 0) == 0)
        return PD_OK;
    if (errno != EISDIR && errno != EPERM)
        return failed(err, "remove", name);
    return remove_below(dir, name, err);
}

/* Empties and removes one folder. */
static enum pd_status remove_below(int dir, const char *name, struct pd_error *err)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum pd_status status = PD_OK;
    const struct dirent *entry;
    DIR *stream;

    if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
        fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failed(err, "remove", name);
    if (fchmod(fd, 0700) != 0 && errno != EPERM && errno != EROFS)
        status = failed(err, "open up", name);
    stream = fdopendir(fd);
    if (stream == NULL) {
        status = failed(err, "read", name);
        (void)close(fd); /* a folder */
        return status;
    }
    while (status == PD_OK && (entry = readdir(stream)) != NULL)
        status = remove_one(dirfd(stream), entry, err);
    (void)closedir(stream); /* read only */
    if (status == PD_OK && unlinkat(dir, name, AT_REMOVEDIR) != 0)
        status = failed(err, "remove", name);
    return status;
}

enum pd_status pd_sample_remove(const char *dir, struct pd_error *err)
{
    struct stat st, root;

    if (stat("/", &root) != 0 || lstat(dir, &st) != 0)
        return failed(err, "remove", dir);
    if (!S_ISDIR(st.st_mode) || (st.st_dev == root.st_dev && st.st_ino == root.st_ino))
        return pd_error_set(err, PD_USAGE, 0, "%s is no folder of test data", dir);
    return remove_below(AT_FDCWD, dir, err);
}
