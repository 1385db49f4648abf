#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pairdump/text.h"
#include "restore_priv.h"

/* The folder looked up last; files come folder by folder. */
struct place {
    char *path; /* NULL: none */
    int fd;
};

/* A folder whose metadata is set when all is in it. */
struct folder {
    char *rel;
    struct pd_restore_meta meta;
};

struct pd_restore_tree {
    const struct pd_env *env;
    int root;
    bool overwrite;
    struct place at;      /* of the file being made */
    struct place from;    /* of the file being linked to */
    struct folder *folders;
    size_t folder_count, folder_cap;
};

#define FOLDER_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static void forget(struct place *place)
{
    if (place->fd >= 0)
        (void)close(place->fd); /* O_PATH: nothing to write */
    free(place->path);
    place->path = NULL;
    place->fd = -1;
}

void pd_restore_tree_free(struct pd_restore_tree *tree)
{
    if (tree == NULL)
        return;
    forget(&tree->at);
    forget(&tree->from);
    for (size_t i = 0; i < tree->folder_count; i++) {
        free(tree->folders[i].rel);
        pd_restore_meta_release(&tree->folders[i].meta);
    }
    free(tree->folders);
    if (tree->root >= 0)
        (void)close(tree->root); /* opened for reading */
    free(tree);
}

enum pd_status pd_restore_tree_open(const struct pd_env *env, const char *destination,
                                    bool overwrite, struct pd_restore_tree **out,
                                    struct pd_error *err)
{
    struct pd_restore_tree *tree = calloc(1, sizeof(*tree));

    *out = NULL;
    if (tree == NULL)
        return pd_error_memory(err, "the destination");
    tree->env = env;
    tree->overwrite = overwrite;
    tree->at.fd = -1;
    tree->from.fd = -1;
    tree->root = -1;
    if (mkdir(destination, 0777) != 0 && errno != EEXIST) {
        pd_restore_tree_free(tree);
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot make the folder %s",
                            destination);
    }
    tree->root = open(destination, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree->root < 0) {
        pd_restore_tree_free(tree);
        return pd_error_set(err, pd_status_from_errno(errno), errno,
                            "cannot use the folder %s to restore to", destination);
    }
    *out = tree;
    return PD_OK;
}

/* Why a folder could not be entered. */
static enum pd_status not_a_folder(int dir, const char *name, int sys_errno, struct pd_error *err)
{
    struct stat st;

    if ((sys_errno == ENOTDIR || sys_errno == ELOOP) &&
        fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISLNK(st.st_mode))
            return pd_error_set(err, PD_UNSAFE_PATH, 0,
                                "a symbolic link stands where a folder should be; not followed");
        return pd_error_set(err, PD_RESTORE, 0, "a file stands where its folder should be");
    }
    return pd_error_set(err, pd_status_from_errno(sys_errno), sys_errno, "cannot enter its folder");
}

/* One step down; takes dir over. */
static int step(int dir, const char *name, bool make, enum pd_status *status, struct pd_error *err)
{
    int next = openat(dir, name, FOLDER_FLAGS);

    if (next < 0 && errno == ENOENT && make) {
        if (mkdirat(dir, name, 0777) != 0 && errno != EEXIST)
            *status = pd_error_set(err, pd_status_from_errno(errno), errno,
                                   "cannot make its folder");
        else
            next = openat(dir, name, FOLDER_FLAGS);
    }
    if (next < 0 && *status == PD_OK)
        *status = not_a_folder(dir, name, errno, err);
    (void)close(dir); /* O_PATH */
    return next;
}

/* Walks down step by step, never through a link. path of len bytes; 0: the destination itself. */
static enum pd_status walk(const struct pd_restore_tree *tree, const char *path, size_t len,
                           bool make, int *out, struct pd_error *err)
{
    const char *end = path + len;
    enum pd_status status = PD_OK;
    int dir = openat(tree->root, ".", FOLDER_FLAGS);

    *out = -1;
    if (dir < 0)
        return pd_error_set(err, pd_status_from_errno(errno), errno,
                            "cannot enter the destination");
    while (path < end && status == PD_OK) {
        const char *slash = memchr(path, '/', (size_t)(end - path));
        size_t name_len = (size_t)((slash == NULL ? end : slash) - path);
        char name[256];

        if (name_len == 0 || name_len >= sizeof(name)) {
            status = pd_error_set(err, PD_UNSAFE_PATH, 0, "a folder name of %zu bytes", name_len);
            (void)close(dir); /* O_PATH */
            dir = -1;
            break;
        }
        memcpy(name, path, name_len);
        name[name_len] = '\0';
        dir = step(dir, name, make, &status, err);
        path += name_len + (slash == NULL ? 0 : 1);
    }
    *out = dir;
    return status;
}

/* The same, remembered. */
static enum pd_status enter(const struct pd_restore_tree *tree, struct place *place,
                            const char *path, size_t len, bool make, struct pd_error *err)
{
    enum pd_status status;

    if (place->path != NULL && strlen(place->path) == len && memcmp(place->path, path, len) == 0)
        return PD_OK;
    forget(place);
    status = walk(tree, path, len, make, &place->fd, err);
    if (status != PD_OK)
        return status;
    place->path = strndup(path, len);
    if (place->path == NULL) {
        forget(place);
        return pd_error_memory(err, "a folder name");
    }
    return PD_OK;
}

static enum pd_status split(const char *rel, size_t *folder_len, const char **leaf,
                            struct pd_error *err)
{
    const char *slash = strrchr(rel, '/');

    if (!pd_path_is_safe(rel, strlen(rel)) || rel[strlen(rel) - 1] == '/')
        return pd_error_set(err, PD_UNSAFE_PATH, 0, "refused: the path may lead elsewhere");
    *folder_len = slash == NULL ? 0 : (size_t)(slash - rel);
    *leaf = slash == NULL ? rel : slash + 1;
    return PD_OK;
}

enum pd_status pd_restore_tree_parent(struct pd_restore_tree *tree, const char *rel, int *dir,
                                      const char **leaf, struct pd_error *err)
{
    size_t len;
    enum pd_status status = split(rel, &len, leaf, err);

    if (status == PD_OK)
        status = enter(tree, &tree->at, rel, len, true, err);
    *dir = tree->at.fd;
    return status;
}

enum pd_status pd_restore_tree_look(struct pd_restore_tree *tree, const char *rel, bool *there,
                                    struct stat *st, struct pd_error *err)
{
    const char *leaf;
    size_t len;
    enum pd_status status = split(rel, &len, &leaf, err);

    *there = false;
    if (status != PD_OK)
        return status;
    status = enter(tree, &tree->at, rel, len, false, err);
    if (status == PD_NOT_FOUND)
        return PD_OK;
    if (status != PD_OK)
        return status;
    if (fstatat(tree->at.fd, leaf, st, AT_SYMLINK_NOFOLLOW) == 0)
        *there = true;
    else if (errno != ENOENT)
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot look at it");
    return PD_OK;
}

void pd_restore_tree_temp(struct pd_restore_tree *tree, char out[PD_RESTORE_TEMP])
{
    snprintf(out, PD_RESTORE_TEMP, ".pairdump-%016llx.part",
             (unsigned long long)pd_rng_next(tree->env->rng));
}

/* A rename that does not replace, also where the file system cannot do that at once (NFS). */
static int rename_new(int dir, const char *temp, const char *leaf)
{
    if (renameat2(dir, temp, dir, leaf, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(dir, temp, dir, leaf, 0) != 0)
        return -1;
    return unlinkat(dir, temp, 0);
}

enum pd_status pd_restore_tree_publish(struct pd_restore_tree *tree, int dir, const char *temp,
                                       const char *leaf, struct pd_error *err)
{
    enum pd_status status = PD_OK;
    int result = tree->overwrite ? renameat(dir, temp, dir, leaf) : rename_new(dir, temp, leaf);
    int sys_errno = errno;

    if (result == 0 && tree->overwrite) {
        /* Renaming one name of a file over another of its names does nothing at all. */
        (void)unlinkat(dir, temp, 0);
        return PD_OK;
    }
    if (result == 0)
        return PD_OK;
    if (sys_errno == EEXIST)
        status = pd_error_set(err, PD_EXISTS, 0, "exists already; kept");
    else if (sys_errno == EISDIR || sys_errno == ENOTEMPTY)
        status = pd_error_set(err, PD_EXISTS, 0, "a folder of this name exists; kept");
    else
        status = pd_error_set(err, pd_status_from_errno(sys_errno), sys_errno,
                              "cannot be given its name");
    (void)unlinkat(dir, temp, 0); /* the failure above is what counts */
    return status;
}

/* Opens a folder that was made or found, so that it can be filled whatever its mode was. */
static enum pd_status open_folder(int dir, const char *leaf, int *out, struct pd_error *err)
{
    int found = openat(dir, leaf, FOLDER_FLAGS);
    enum pd_status status = PD_OK;
    struct stat st;

    *out = -1;
    if (found < 0)
        return not_a_folder(dir, leaf, errno, err);
    if (fstat(found, &st) == 0 && (st.st_mode & 0700) != 0700 && geteuid() != 0) {
        char name[32];

        snprintf(name, sizeof(name), "/proc/self/fd/%d", found);
        (void)chmod(name, (st.st_mode & 07777) | 0700); /* else the open below says it */
    }
    *out = openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out < 0)
        status = pd_error_set(err, pd_status_from_errno(errno), errno, "cannot open the folder");
    (void)close(found); /* O_PATH */
    return status;
}

/* Remembers what the folder gets last; takes meta over. */
static enum pd_status add_folder(struct pd_restore_tree *tree, const char *rel,
                                 struct pd_restore_meta *meta, struct pd_error *err)
{
    char *copy = strdup(rel);

    if (tree->folder_count == tree->folder_cap) {
        size_t cap = tree->folder_cap == 0 ? 64 : tree->folder_cap * 2;
        struct folder *bigger = realloc(tree->folders, cap * sizeof(*bigger));

        if (bigger != NULL) {
            tree->folders = bigger;
            tree->folder_cap = cap;
        }
    }
    if (copy == NULL || tree->folder_count == tree->folder_cap) {
        free(copy);
        pd_restore_meta_release(meta);
        return pd_error_memory(err, "a folder");
    }
    tree->folders[tree->folder_count++] = (struct folder){copy, *meta};
    return PD_OK;
}

/* The folder itself; an existing file goes only if files are to be overwritten, a link never. */
static enum pd_status make_folder(struct pd_restore_tree *tree, int dir, const char *leaf, int *out,
                                  struct pd_error *err)
{
    struct stat st;

    *out = -1;
    if (tree->overwrite && fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode) && unlinkat(dir, leaf, 0) != 0)
        return pd_error_set(err, pd_status_from_errno(errno), errno,
                            "cannot remove the file that stands in the folder's place");
    if (mkdirat(dir, leaf, 0700) != 0 && errno != EEXIST)
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot make the folder");
    return open_folder(dir, leaf, out, err);
}

enum pd_status pd_restore_tree_dir(struct pd_restore_tree *tree, const char *rel,
                                   struct archive_entry *entry, struct pd_error *err)
{
    struct pd_restore_object object = {.fd = -1, .kind = PD_KIND_DIR};
    struct pd_restore_meta meta;
    const char *leaf = "";
    enum pd_status status = PD_OK, set;
    int dir = -1;

    if (rel[0] == '\0') {
        object.fd = openat(tree->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (object.fd < 0)
            status = pd_error_set(err, pd_status_from_errno(errno), errno,
                                  "cannot open the destination");
    } else {
        status = pd_restore_tree_parent(tree, rel, &dir, &leaf, err);
        if (status == PD_OK)
            status = make_folder(tree, dir, leaf, &object.fd, err);
    }
    if (status != PD_OK)
        goto out;
    set = pd_restore_meta_xattrs(&object, entry, err);
    status = pd_restore_meta_take(entry, &meta, err);
    if (status == PD_OK)
        status = add_folder(tree, rel, &meta, err);
    if (status == PD_OK)
        status = set;
out:
    if (object.fd >= 0)
        (void)close(object.fd); /* opened for reading */
    return status;
}

enum pd_status pd_restore_tree_link(struct pd_restore_tree *tree, const char *from, const char *rel,
                                    struct pd_error *err)
{
    char temp[PD_RESTORE_TEMP];
    const char *leaf, *from_leaf;
    size_t len;
    int dir;
    enum pd_status status = split(from, &len, &from_leaf, err);

    if (status == PD_OK)
        status = enter(tree, &tree->from, from, len, false, err);
    if (status == PD_OK)
        status = pd_restore_tree_parent(tree, rel, &dir, &leaf, err);
    if (status != PD_OK)
        return status;
    pd_restore_tree_temp(tree, temp);
    if (linkat(tree->from.fd, from_leaf, dir, temp, 0) != 0)
        return pd_error_set(err, pd_status_from_errno(errno), errno,
                            "cannot be made a hard link to a file restored before");
    return pd_restore_tree_publish(tree, dir, temp, leaf, err);
}

/* Sets what one folder gets last. */
static enum pd_status finish_folder(const struct pd_restore_tree *tree, const struct folder *folder,
                                    struct pd_error *err)
{
    struct pd_restore_object object = {.fd = -1, .kind = PD_KIND_DIR};
    int dir = -1;
    enum pd_status status = walk(tree, folder->rel, strlen(folder->rel), false, &dir, err);

    if (status != PD_OK)
        return status;
    object.fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (object.fd < 0) {
        status = pd_error_set(err, pd_status_from_errno(errno), errno, "cannot open the folder");
    } else {
        status = pd_restore_meta_apply(&object, &folder->meta, NULL, err);
        (void)close(object.fd); /* opened for reading */
    }
    (void)close(dir); /* O_PATH */
    return status;
}

enum pd_status pd_restore_tree_finish(struct pd_restore_tree *tree, pd_restore_trouble_fn trouble,
                                      void *arg, struct pd_error *err)
{
    forget(&tree->at);
    forget(&tree->from);
    while (tree->folder_count > 0) {
        struct folder *folder = &tree->folders[tree->folder_count - 1];
        struct pd_error error = PD_ERROR_INIT;

        if (finish_folder(tree, folder, &error) != PD_OK)
            trouble(arg, folder->rel, &error);
        free(folder->rel);
        pd_restore_meta_release(&folder->meta);
        tree->folder_count--;
    }
    if (syncfs(tree->root) != 0)
        return pd_error_set(err, pd_status_from_errno(errno), errno,
                            "the destination could not write everything down");
    return PD_OK;
}
