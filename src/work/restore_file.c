#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "restore_priv.h"

static enum pd_status refused(struct pd_error *err, const char *what)
{
    return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot %s", what);
}

static enum pd_status write_all(int fd, const void *bytes, size_t len, uint64_t offset,
                                struct pd_error *err)
{
    const char *next = bytes;

    while (len > 0) {
        ssize_t done = pwrite(fd, next, len, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            if (done == 0)
                errno = EIO;
            return refused(err, "write it");
        }
        next += done;
        offset += (uint64_t)done;
        len -= (size_t)done;
    }
    return PD_OK;
}

static enum pd_status hash_data(struct pd_tar_reader *reader, const struct pd_toc_file *expect,
                                struct pd_digest *digest, pd_restore_data_fn take, void *arg,
                                bool *place, struct pd_error *err)
{
    uint8_t found[PD_DIGEST_MAX];
    enum pd_status status = PD_OK;
    uint64_t done = 0;

    for (;;) {
        const void *bytes;
        uint64_t offset;
        size_t len;

        status = pd_tar_block(reader, &bytes, &len, &offset, err);
        if (status != PD_OK || len == 0)
            break;
        if (offset < done || offset > expect->size || len > expect->size - offset)
            return pd_error_set(err, PD_BAD_FILE, 0, "the archive has more bytes than its size");
        status = pd_digest_zeros(digest, offset - done, err);
        if (status == PD_OK)
            status = pd_digest_update(digest, bytes, len, err);
        if (status != PD_OK)
            return status;
        done = offset + len;
        status = take(arg, bytes, len, offset, err);
        if (status != PD_OK) {
            *place = true;
            return status;
        }
    }
    if (status == PD_OK)
        status = pd_digest_zeros(digest, expect->size - done, err);
    if (status == PD_OK)
        status = pd_digest_final(digest, found, err);
    if (status != PD_OK)
        return status;
    if (memcmp(found, expect->digest, pd_digest_len(digest)) != 0)
        return pd_error_set(err, PD_BAD_FILE, 0, "its content does not match its %s",
                            pd_digest_alg_info(expect->alg)->title);
    return PD_OK;
}

enum pd_status pd_restore_data(struct pd_tar_reader *reader, const struct pd_toc_file *expect,
                               pd_restore_data_fn take, void *arg, bool *place,
                               struct pd_error *err)
{
    struct pd_digest *digest = NULL;
    enum pd_status status;

    if (!expect->has_digest || expect->size > INT64_MAX)
        return pd_error_set(err, PD_BAD_FILE, 0, "no digest of its content is known");
    status = pd_digest_new(pd_digest_alg_info(expect->alg)->name, &digest, err);
    if (status == PD_OK)
        status = hash_data(reader, expect, digest, take, arg, place, err);
    pd_digest_free(digest);
    return status;
}

/* Holes are left as holes. */
static enum pd_status write_block(void *arg, const void *bytes, size_t len, uint64_t offset,
                                  struct pd_error *err)
{
    const int *fd = arg;

    return write_all(*fd, bytes, len, offset, err);
}

static enum pd_status make_regular(struct pd_tar_reader *reader, int dir, const char *temp,
                                   const struct pd_toc_file *expect, int *fd, bool *place,
                                   struct pd_error *err)
{
    enum pd_status status;

    *fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd < 0) {
        *place = true;
        return refused(err, "make it");
    }
    status = pd_restore_data(reader, expect, write_block, fd, place, err);
    if (status == PD_OK && ftruncate(*fd, (off_t)expect->size) != 0) {
        *place = true;
        status = refused(err, "set its size");
    }
    return status;
}

/* Symbolic links, fifos, devices. */
static enum pd_status make_node(struct archive_entry *entry, int dir, const char *temp, char kind,
                                int *fd, struct pd_error *err)
{
    const char *target;
    int result = -1;

    switch (kind) {
    case PD_KIND_SYMLINK:
        target = archive_entry_symlink(entry);
        result = target == NULL ? -1 : symlinkat(target, dir, temp);
        break;
    case PD_KIND_FIFO:
        result = mknodat(dir, temp, S_IFIFO | 0600, 0);
        break;
    case PD_KIND_CHAR:
        result = mknodat(dir, temp, S_IFCHR | 0600, archive_entry_rdev(entry));
        break;
    case PD_KIND_BLOCK:
        result = mknodat(dir, temp, S_IFBLK | 0600, archive_entry_rdev(entry));
        break;
    default:
        return pd_error_set(err, PD_INTERNAL, 0, "a file of unknown kind");
    }
    if (result != 0)
        return refused(err, kind == PD_KIND_CHAR || kind == PD_KIND_BLOCK
                                ? "make a device (the superuser can)"
                                : "make it");
    *fd = openat(dir, temp, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return *fd < 0 ? refused(err, "open it") : PD_OK;
}

/* All that is set through the descriptor; trouble with it does not keep the file back. */
static enum pd_status set_meta(struct archive_entry *entry, char kind, int fd, struct pd_error *err)
{
    struct pd_restore_object object = {.fd = fd, .kind = kind, .path_only = kind != PD_KIND_FILE};
    struct pd_restore_meta meta;
    enum pd_status status = pd_restore_meta_take(entry, &meta, err);

    if (status != PD_OK)
        return status;
    status = pd_restore_meta_apply(&object, &meta, entry, err);
    pd_restore_meta_release(&meta);
    return status;
}

/* Everything but folders: under a temporary name first. */
static enum pd_status restore_named(struct pd_restore_tree *tree, struct pd_tar_reader *reader,
                                    struct archive_entry *entry, const struct pd_toc_file *expect,
                                    const char *rel, struct pd_restore_outcome *outcome,
                                    struct pd_error *err)
{
    struct pd_error meta_error = PD_ERROR_INIT;
    enum pd_status status, meta = PD_OK;
    char temp[PD_RESTORE_TEMP];
    const char *leaf;
    int dir, fd = -1;

    status = pd_restore_tree_parent(tree, rel, &dir, &leaf, err);
    if (status != PD_OK) {
        outcome->place = true;
        return status;
    }
    pd_restore_tree_temp(tree, temp);
    if (expect->kind == PD_KIND_FILE) {
        status = make_regular(reader, dir, temp, expect, &fd, &outcome->place, err);
    } else {
        status = make_node(entry, dir, temp, expect->kind, &fd, err);
        outcome->place = status != PD_OK;
    }
    if (status == PD_OK)
        meta = set_meta(entry, expect->kind, fd, &meta_error);
    if (fd >= 0 && close(fd) != 0 && status == PD_OK) {
        outcome->place = true;
        status = refused(err, "finish writing it");
    }
    if (status != PD_OK) {
        if (fd >= 0 || expect->kind != PD_KIND_FILE)
            (void)unlinkat(dir, temp, 0); /* the failure above is what counts */
        return status;
    }
    status = pd_restore_tree_publish(tree, dir, temp, leaf, err);
    outcome->back = status == PD_OK;
    if (status == PD_OK && meta != PD_OK) {
        *err = meta_error;
        status = meta;
    }
    outcome->place = status != PD_OK;
    return status;
}

enum pd_status pd_restore_file(struct pd_restore_tree *tree, struct pd_tar_reader *reader,
                               struct archive_entry *entry, const struct pd_toc_file *expect,
                               const char *rel, struct pd_restore_outcome *outcome,
                               struct pd_error *err)
{
    enum pd_status status;

    outcome->back = false;
    outcome->place = false;
    if (expect->kind != PD_KIND_DIR)
        return restore_named(tree, reader, entry, expect, rel, outcome, err);
    status = pd_restore_tree_dir(tree, rel, entry, err);
    outcome->back = status == PD_OK || status == PD_RESTORE;
    outcome->place = status != PD_OK;
    return status;
}
