#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source_path_priv.h"

enum { LIST_MAX = 1 << 30, HELD_OPEN = 64 };

char pd_source_path_kind(mode_t mode)
{
    static const struct {
        mode_t type;
        char kind;
    } table[] = {
        {S_IFREG, PD_KIND_FILE},  {S_IFDIR, PD_KIND_DIR},  {S_IFLNK, PD_KIND_SYMLINK},
        {S_IFIFO, PD_KIND_FIFO},  {S_IFCHR, PD_KIND_CHAR}, {S_IFBLK, PD_KIND_BLOCK},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if ((mode & S_IFMT) == table[i].type) {
            return table[i].kind;
        }
    }
    return 0;
}

static enum pd_status tell(struct pd_source_path *source, const char *path, int sys_errno,
                           const char *what, struct pd_error *err)
{
    char message[160], reason[80];
    struct pd_problem problem = {.path = path, .sys_errno = sys_errno, .message = message};
    bool gone = sys_errno == ENOENT || sys_errno == ENOTDIR;

    problem.status = gone ? PD_SOURCE_VANISHED : PD_SOURCE_UNREADABLE;
    snprintf(message, sizeof message, "%s: %s", what,
             strerror_r(sys_errno, reason, sizeof reason));
    return source->on_problem ? source->on_problem(source->problem_arg, &problem, err) : PD_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_folder(struct pd_path_folder *folder)
{
    for (size_t i = 0; i < folder->count; i++) {
        free(folder->names[i]);
    }
    free(folder->names);
    if (folder->fd >= 0) {
        close(folder->fd);
    }
}

void pd_source_path_walk_free(struct pd_source_path *source)
{
    while (source->depth > 0) {
        free_folder(&source->stack[--source->depth]);
    }
    free(source->stack);
    pd_buf_free(&source->path);
    for (size_t i = 0; i < source->root_count; i++) {
        free(source->roots[i]);
    }
    free(source->roots);
    for (size_t i = 0; i < source->exclude_count; i++) {
        free(source->excludes[i]);
    }
    free(source->excludes);
}

static enum pd_status add_word(char ***words, size_t *count, char *word, struct pd_error *err)
{
    if ((*count & (*count - 1)) == 0) {
        char **grown = realloc(*words, (*count ? *count * 2 : 4) * sizeof **words);
        if (!grown) {
            free(word);
            return pd_error_memory(err, "paths");
        }
        *words = grown;
    }
    if (!word) {
        return pd_error_memory(err, "paths");
    }
    (*words)[(*count)++] = word;
    return PD_OK;
}

static enum pd_status add_root(struct pd_source_path *source, const char *path, const char *cwd,
                               struct pd_error *err)
{
    char *clean = NULL;
    enum pd_status status = pd_path_absolute(path, cwd, &clean, err);

    if (status == PD_OK) {
        status = add_word(&source->roots, &source->root_count, clean, err);
    }
    return status;
}

/* All bytes of a list file, "-" standing for fd 0. */
static enum pd_status slurp(const char *path, struct pd_buf *out, struct pd_error *err)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    enum pd_status status = PD_OK;
    char chunk[65536];

    if (fd < 0) {
        return pd_error_set(err, PD_USAGE, errno, "cannot read the list %s", path);
    }
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            status = pd_error_set(err, PD_USAGE, errno, "cannot read the list %s", path);
        } else if (out->len > LIST_MAX) {
            status = pd_error_set(err, PD_USAGE, 0, "the list %s is longer than 1 GiB", path);
        } else if (got > 0 && pd_buf_append(out, chunk, (size_t)got) != PD_OK) {
            status = pd_error_memory(err, "list of paths");
        }
        if (got <= 0 || status != PD_OK) {
            break;
        }
    }
    if (!standard) {
        close(fd);
    }
    return status;
}

static enum pd_status add_list(struct pd_source_path *source,
                               const struct pd_source_path_options *options,
                               struct pd_error *err)
{
    struct pd_buf list = PD_BUF_INIT;
    char separator = options->list_nul ? '\0' : '\n';
    enum pd_status status = slurp(options->list_file, &list, err);

    for (size_t at = 0; at < list.len && status == PD_OK;) {
        char *end = memchr(list.data + at, separator, list.len - at);
        size_t len = end ? (size_t)(end - list.data) - at : list.len - at;
        list.data[at + len] = '\0';
        if (strlen(list.data + at) != len) {
            status = pd_error_set(err, PD_USAGE, 0,
                                  "the list holds NUL bytes; did you mean -0?");
        } else if (len > 0) {
            status = add_root(source, list.data + at, options->cwd, err);
        }
        at += len + 1;
    }
    pd_buf_free(&list);
    return status;
}

/* '/' sorts before every other byte, so that a folder is followed by all that lies below it. */
static int compare_roots(const void *a, const void *b)
{
    const unsigned char *x = *(unsigned char *const *)a;
    const unsigned char *y = *(unsigned char *const *)b;

    while (*x && *x == *y) {
        x++;
        y++;
    }
    int left = *x == '/' ? 1 : *x ? *x + 1 : 0;
    int right = *y == '/' ? 1 : *y ? *y + 1 : 0;
    return left - right;
}

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    if (strcmp(folder, "/") == 0) {
        return true;
    }
    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static void drop_covered(struct pd_source_path *source)
{
    size_t kept = 0;

    if (source->root_count == 0) {
        return;
    }
    qsort(source->roots, source->root_count, sizeof *source->roots, compare_roots);
    for (size_t i = 0; i < source->root_count; i++) {
        const char *last = kept > 0 ? source->roots[kept - 1] : NULL;
        bool covered = last && (source->recurse ? is_below(source->roots[i], last)
                                                : strcmp(source->roots[i], last) == 0);
        if (covered) {
            free(source->roots[i]);
        } else {
            source->roots[kept++] = source->roots[i];
        }
    }
    source->root_count = kept;
}

enum pd_status pd_source_path_roots(struct pd_source_path *source,
                                    const struct pd_source_path_options *options,
                                    struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < options->path_count && status == PD_OK; i++) {
        status = options->paths[i][0] ? add_root(source, options->paths[i], options->cwd, err)
                                      : pd_error_set(err, PD_USAGE, 0, "a path is empty");
    }
    if (status == PD_OK && options->list_file) {
        status = add_list(source, options, err);
    }
    for (size_t i = 0; i < options->exclude_count && status == PD_OK; i++) {
        status = add_word(&source->excludes, &source->exclude_count,
                          strdup(options->excludes[i]), err);
    }
    drop_covered(source);
    return status;
}

static bool is_excluded(const struct pd_source_path *source, const char *path, const char *name)
{
    for (size_t i = 0; i < source->exclude_count; i++) {
        const char *pattern = source->excludes[i];
        if (fnmatch(pattern, strchr(pattern, '/') ? path : name, 0) == 0) {
            return true;
        }
    }
    return false;
}

/* All names in an open folder but "." and ".."; *failed is readdir's errno. */
static enum pd_status read_names(DIR *dir, struct pd_path_folder *folder, int *failed,
                                 struct pd_error *err)
{
    enum pd_status status = PD_OK;

    *failed = 0;
    while (status == PD_OK) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            *failed = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            status = add_word(&folder->names, &folder->count, strdup(entry->d_name), err);
        }
    }
    if (folder->count > 0) {
        qsort(folder->names, folder->count, sizeof *folder->names, compare_names);
    }
    return status;
}

static enum pd_status push(struct pd_source_path *source, const struct pd_path_folder *folder,
                           struct pd_error *err)
{
    if (source->depth == source->stack_cap) {
        size_t cap = source->stack_cap ? source->stack_cap * 2 : 16;
        struct pd_path_folder *grown = realloc(source->stack, cap * sizeof *grown);
        if (!grown) {
            return pd_error_memory(err, "folders");
        }
        source->stack = grown;
        source->stack_cap = cap;
    }
    source->stack[source->depth++] = *folder;
    return PD_OK;
}

/* Puts the names of the folder at source->path on the stack. One that cannot be listed is told. */
static enum pd_status push_folder(struct pd_source_path *source, struct pd_error *err)
{
    struct pd_path_folder folder = {.path_len = source->path.len, .fd = -1};
    int failed = 0;
    int fd = open(source->path.data,
                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (!dir) {
        int saved = errno;
        if (fd >= 0) {
            close(fd);
        }
        return tell(source, source->path.data, saved, "cannot list the folder", err);
    }
    enum pd_status status = read_names(dir, &folder, &failed, err);
    if (source->depth < HELD_OPEN) {
        folder.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    closedir(dir);
    if (status == PD_OK && failed) {
        status = tell(source, source->path.data, failed, "cannot list the whole folder", err);
    }
    if (status == PD_OK) {
        status = push(source, &folder, err);
    }
    if (status != PD_OK) {
        free_folder(&folder);
    }
    return status;
}

static void fill_item(const struct pd_source_path *source, const struct stat *st, char kind,
                      struct pd_item *out)
{
    uint64_t blocks = (uint64_t)st->st_blocks * 512;

    memset(out, 0, sizeof *out);
    out->path = source->path.data;
    out->path_len = source->path.len;
    out->kind = kind;
    out->mtime = st->st_mtim.tv_sec;
    out->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
    out->ctime = st->st_ctim.tv_sec;
    out->ctime_ns = (uint32_t)st->st_ctim.tv_nsec;
    out->size = kind == PD_KIND_FILE ? (uint64_t)st->st_size : 0;
    /* fewer blocks than bytes: holes, or compression, which saves nothing in an archive; small
     * files may lie in their inode */
    out->stored = out->size > 65536 && blocks < out->size
                      ? pd_source_path_stored(source->path.data, out->size)
                      : out->size;
    out->dev = st->st_dev;
    out->ino = st->st_ino;
    out->nlink = st->st_nlink;
}

/* lstat of source->path, from its folder where that is open: the way down a deep tree takes longer
 * than the rest of the call. */
static int look(const struct pd_source_path *source, bool root, struct stat *st)
{
    const struct pd_path_folder *top = root ? NULL : &source->stack[source->depth - 1];

    if (!top || top->fd < 0) {
        return lstat(source->path.data, st);
    }
    return fstatat(top->fd, top->names[top->next - 1], st, AT_SYMLINK_NOFOLLOW);
}

/* Looks at the path in source->path. *given false: nothing to give, go on. */
static enum pd_status visit(struct pd_source_path *source, bool root, struct pd_item *out,
                            bool *given, struct pd_error *err)
{
    const char *path = source->path.data;
    struct stat st;

    *given = false;
    if (source->path.len >= PATH_MAX) {
        return tell(source, path, ENAMETOOLONG, "cannot look at it", err);
    }
    if (is_excluded(source, path, strrchr(path, '/') + 1)) {
        return PD_OK;
    }
    if (look(source, root, &st) != 0) {
        return tell(source, path, errno, "cannot look at it", err);
    }
    char kind = pd_source_path_kind(st.st_mode);
    if (kind == 0) {
        pd_log_line(source->env->log, PD_LOG_NOTE, "%s: a socket has nothing to archive", path);
        return PD_OK;
    }
    if (root) {
        source->device = st.st_dev;
    }
    fill_item(source, &st, kind, out);
    *given = true;
    if (kind == PD_KIND_DIR && source->recurse &&
        (!source->one_file_system || st.st_dev == source->device)) {
        return push_folder(source, err);
    }
    return PD_OK;
}

/* Sets source->path to the next place to look at; false at the end. */
static enum pd_status advance(struct pd_source_path *source, bool *root, bool *more,
                              struct pd_error *err)
{
    enum pd_status status;

    *more = true;
    *root = false;
    while (source->depth > 0) {
        struct pd_path_folder *top = &source->stack[source->depth - 1];
        if (top->next < top->count) {
            const char *name = top->names[top->next++];
            source->path.len = top->path_len;
            status = top->path_len > 1 ? pd_buf_append(&source->path, "/", 1) : PD_OK;
            if (status == PD_OK) {
                status = pd_buf_puts(&source->path, name);
            }
            return status == PD_OK ? PD_OK : pd_error_memory(err, "path");
        }
        free_folder(top);
        source->depth--;
    }
    if (source->next_root == source->root_count) {
        *more = false;
        return PD_OK;
    }
    *root = true;
    pd_buf_clear(&source->path);
    status = pd_buf_puts(&source->path, source->roots[source->next_root]);
    free(source->roots[source->next_root]); /* a list may name very many */
    source->roots[source->next_root++] = NULL;
    return status == PD_OK ? PD_OK : pd_error_memory(err, "path");
}

enum pd_status pd_source_path_walk(void *impl, struct pd_item *out, struct pd_error *err)
{
    struct pd_source_path *source = impl;
    bool given = false;

    while (!given) {
        bool root, more;
        enum pd_status status = advance(source, &root, &more, err);
        if (status == PD_OK && !more) {
            return pd_error_set(err, PD_END_OF_DATA, 0, "no more files");
        }
        if (status == PD_OK) {
            status = visit(source, root, out, &given, err);
        }
        if (status != PD_OK) {
            return status;
        }
    }
    return PD_OK;
}
