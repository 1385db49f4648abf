#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source_path_priv.h"

enum { LIST_MAX = 1 << 30 };

enum pd_status pd_source_path_add_word(char ***words, size_t *count, char *word,
                                       struct pd_error *err)
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

/* Is a component of the path ".."? Then only the disk knows where it leads. */
static bool goes_up(const char *path)
{
    for (const char *p = path; (p = strstr(p, "..")) != NULL; p++) {
        if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0')) {
            return true;
        }
    }
    return false;
}

/* "link/" and "link/." mean what the link leads to. */
static bool follows_link(const char *path, const char *clean)
{
    size_t len = strlen(path);
    bool open_end = len > 1 && (path[len - 1] == '/' || strcmp(path + len - 2, "/.") == 0);
    struct stat st;

    return open_end && lstat(clean, &st) == 0 && S_ISLNK(st.st_mode);
}

/* The path with all links in it followed, but for the last component, unless whole. */
static enum pd_status resolve(const char *path, const char *cwd, bool whole, char **out,
                              struct pd_error *err)
{
    struct pd_buf joined = PD_BUF_INIT;
    const char *last = NULL;
    char *real = NULL;
    enum pd_status status = pd_buf_printf(&joined, "%s%s%s", path[0] == '/' ? "" : cwd,
                                          path[0] == '/' ? "" : "/", path);

    if (status == PD_OK && !whole) {
        char *slash = strrchr(joined.data, '/');
        last = slash + 1;
        *slash = '\0';
    }
    if (status == PD_OK) {
        real = realpath(joined.data[0] ? joined.data : "/", NULL);
        if (!real) {
            status = pd_error_set(err, PD_USAGE, errno, "cannot tell where %s leads", path);
        } else {
            status = pd_path_absolute(last ? last : ".", real, out, err);
        }
    } else {
        status = pd_error_memory(err, "path");
    }
    free(real);
    pd_buf_free(&joined);
    return status;
}

enum pd_status pd_source_path_name(const char *path, const char *cwd, char **out,
                                   struct pd_error *err)
{
    char *clean = NULL;
    enum pd_status status = pd_path_absolute(path, cwd, &clean, err);
    bool follow = status == PD_OK && follows_link(path, clean);

    if (status == PD_OK && (follow || goes_up(path))) {
        const char *slash = strrchr(path, '/');
        const char *last = slash ? slash + 1 : path;
        bool whole = follow || !last[0] || strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
        free(clean);
        return resolve(path, cwd, whole, out, err);
    }
    *out = clean;
    return status;
}

static enum pd_status add_root(struct pd_source_path *source, const char *path, const char *cwd,
                               struct pd_error *err)
{
    char *clean = NULL;
    enum pd_status status = pd_source_path_name(path, cwd, &clean, err);

    if (status == PD_OK && (source->root_count & (source->root_count - 1)) == 0) {
        size_t cap = source->root_count ? source->root_count * 2 : 4;
        struct pd_path_root *grown = realloc(source->roots, cap * sizeof *grown);
        if (grown) {
            source->roots = grown;
        } else {
            free(clean);
            status = pd_error_memory(err, "paths");
        }
    }
    if (status == PD_OK) {
        source->roots[source->root_count++] = (struct pd_path_root){.path = clean};
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

/* '/' sorts before every other byte: a folder is followed by all that lies below it, as in the walk. */
static int compare_paths(const char *a, const char *b)
{
    const unsigned char *x = (const unsigned char *)a;
    const unsigned char *y = (const unsigned char *)b;

    while (*x && *x == *y) {
        x++;
        y++;
    }
    int left = *x == '/' ? 1 : *x ? *x + 1 : 0;
    int right = *y == '/' ? 1 : *y ? *y + 1 : 0;
    return left - right;
}

static int compare_roots(const void *a, const void *b)
{
    const struct pd_path_root *x = a;
    const struct pd_path_root *y = b;

    return compare_paths(x->path, y->path);
}

static void drop_doubles(struct pd_source_path *source)
{
    size_t kept = 0;

    if (source->root_count > 0) {
        qsort(source->roots, source->root_count, sizeof *source->roots, compare_roots);
    }
    for (size_t i = 0; i < source->root_count; i++) {
        if (kept > 0 && strcmp(source->roots[i].path, source->roots[kept - 1].path) == 0) {
            free(source->roots[i].path);
        } else {
            source->roots[kept++] = source->roots[i];
        }
    }
    source->root_count = kept;
}

void pd_source_path_saw(struct pd_source_path *source, const char *path, bool entered)
{
    while (source->next_seen < source->root_count &&
           compare_paths(source->roots[source->next_seen].path, path) < 0) {
        source->next_seen++;
    }
    if (source->next_seen < source->root_count &&
        strcmp(source->roots[source->next_seen].path, path) == 0) {
        source->roots[source->next_seen].seen = entered ? PD_ROOT_WALKED : PD_ROOT_GIVEN;
    }
}

const struct pd_path_root *pd_source_path_next_root(struct pd_source_path *source)
{
    const struct pd_path_root *root = NULL;

    while (source->next_root < source->root_count && !root) {
        if (source->next_root > 0) { /* a list may name very many */
            free(source->roots[source->next_root - 1].path);
            source->roots[source->next_root - 1].path = NULL;
        }
        root = &source->roots[source->next_root++];
        if (root->seen == PD_ROOT_WALKED) {
            root = NULL;
        }
    }
    source->next_seen = source->next_root; /* it may meet those that the walk before passed by */
    return root;
}

void pd_source_path_roots_free(struct pd_source_path *source)
{
    for (size_t i = 0; i < source->root_count; i++) {
        free(source->roots[i].path);
    }
    free(source->roots);
    for (size_t i = 0; i < source->exclude_count; i++) {
        free(source->excludes[i]);
    }
    free(source->excludes);
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
        status = pd_source_path_add_word(&source->excludes, &source->exclude_count,
                                         strdup(options->excludes[i]), err);
    }
    drop_doubles(source);
    return status;
}
