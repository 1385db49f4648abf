#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "rebuild_priv.h"

static enum pd_status failed(struct pd_error *err, const char *what, const char *dir)
{
    int why = errno;

    return pd_error_set(err, pd_status_from_errno(why), why, "cannot %s a file in %s", what, dir);
}

/* Without a name, so that nothing of it is left behind. */
enum pd_status pd_rebuild_spool_open(struct pd_rebuild *r, struct pd_error *err)
{
    struct pd_buf path = PD_BUF_INIT;
    const char *dir = r->options->state_dir;
    int fd = -1;

    if (pd_buf_printf(&path, "%s/rebuild.XXXXXX", dir) != PD_OK) {
        return pd_error_memory(err, "a path");
    }
    fd = mkostemp(path.data, O_CLOEXEC);
    if (fd >= 0 && unlink(path.data) == 0) {
        r->spool = fdopen(fd, "w+");
    }
    pd_buf_free(&path);
    if (r->spool) {
        return PD_OK;
    }
    enum pd_status status = failed(err, "make", dir);
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

enum pd_status pd_rebuild_spool_put(struct pd_rebuild *r, const struct pd_toc *toc,
                                    struct pd_rebuild_entry *entry, struct pd_error *err)
{
    struct pd_buf text = PD_BUF_INIT;
    enum pd_status status =
        pd_index_encode(toc, 1, &text) == PD_OK ? PD_OK : pd_error_memory(err, "an index");

    entry->offset = r->spooled;
    entry->len = text.len;
    if (status == PD_OK) {
        entry->digest = pd_record_digest(text.data, text.len);
        errno = 0;
        if (fwrite(text.data, 1, text.len, r->spool) != text.len) {
            status = failed(err, "write to", r->options->state_dir);
        }
        r->spooled += text.len;
    }
    pd_buf_free(&text);
    return status;
}

enum pd_status pd_rebuild_spool_get(struct pd_rebuild *r, const struct pd_rebuild_entry *entry,
                                    struct pd_toc *toc, struct pd_error *err)
{
    char *text = malloc((size_t)entry->len + 1);
    enum pd_status status = text ? PD_OK : pd_error_memory(err, "an index");
    uint32_t tape_file;

    pd_toc_init(toc);
    errno = 0;
    if (status == PD_OK && (fseeko(r->spool, (off_t)entry->offset, SEEK_SET) != 0 ||
                            fread(text, 1, (size_t)entry->len, r->spool) != entry->len)) {
        status = failed(err, "read", r->options->state_dir);
    }
    if (status == PD_OK) {
        status = pd_index_decode(text, (size_t)entry->len, toc, &tape_file, err);
    }
    free(text);
    return status;
}
