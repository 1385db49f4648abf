#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source_path_priv.h"

enum { HELD_OPEN = 64 };

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
    pd_source_path_roots_free(source);
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
            status = pd_source_path_add_word(&folder->names, &folder->count,
                                             strdup(entry->d_name), err);
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

/* Looks at the path in source->path. *given false: nothing to give, go on. A root that was given
 * already, but not entered, is entered. */
static enum pd_status visit(struct pd_source_path *source, const struct pd_path_root *root,
                            struct pd_item *out, bool *given, struct pd_error *err)
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
    if (look(source, root != NULL, &st) != 0) {
        return tell(source, path, errno, "cannot look at it", err);
    }
    char kind = pd_source_path_kind(st.st_mode);
    if (root) {
        source->device = st.st_dev;
    }
    bool enter = kind == PD_KIND_DIR && source->recurse &&
                 (!source->one_file_system || st.st_dev == source->device);
    *given = kind != 0 && !(root && root->seen == PD_ROOT_GIVEN);
    if (kind == 0) {
        pd_log_line(source->env->log, PD_LOG_NOTE, "%s: a socket has nothing to archive", path);
    }
    if (*given) {
        fill_item(source, &st, kind, out);
    }
    if (!root) {
        pd_source_path_saw(source, path, enter || kind != PD_KIND_DIR);
    }
    return enter ? push_folder(source, err) : PD_OK;
}

/* Sets source->path to the next place to look at; *more false at the end. */
static enum pd_status advance(struct pd_source_path *source, const struct pd_path_root **root,
                              bool *more, struct pd_error *err)
{
    enum pd_status status;

    *more = true;
    *root = NULL;
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
    *root = pd_source_path_next_root(source);
    if (!*root) {
        *more = false;
        return PD_OK;
    }
    pd_buf_clear(&source->path);
    status = pd_buf_puts(&source->path, (*root)->path);
    return status == PD_OK ? PD_OK : pd_error_memory(err, "path");
}

enum pd_status pd_source_path_walk(void *impl, struct pd_item *out, struct pd_error *err)
{
    struct pd_source_path *source = impl;
    bool given = false;

    while (!given) {
        const struct pd_path_root *root;
        bool more;
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
