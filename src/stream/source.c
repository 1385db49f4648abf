#include "pairdump/source.h"

#include <stdlib.h>
#include <string.h>

struct pd_source {
    const struct pd_source_ops *ops;
    void *impl;
    bool begun; /* an item was asked for */
};

enum pd_status pd_source_new(const struct pd_source_ops *ops, void *impl, struct pd_source **out,
                             struct pd_error *err)
{
    struct pd_source *source = NULL;

    if (!ops->scheme || !ops->roots || !ops->next || !ops->open || !ops->read || !ops->close_file ||
        !ops->close) {
        if (ops->close) {
            ops->close(impl);
        }
        return pd_error_set(err, PD_INTERNAL, 0, "a source driver lacks a call");
    }
    source = calloc(1, sizeof *source);
    if (!source) {
        ops->close(impl);
        return pd_error_memory(err, "source");
    }
    source->ops = ops;
    source->impl = impl;
    *out = source;
    return PD_OK;
}

/* A failure must say what it is. */
static enum pd_status checked(enum pd_status status, const char *call, struct pd_error *err)
{
    if (status != PD_OK && ((unsigned)status >= PD_STATUS_COUNT || err->status != status)) {
        return pd_error_set(err, PD_INTERNAL, 0, "source: %s failed without an error", call);
    }
    return status;
}

enum pd_status pd_source_roots(struct pd_source *source, pd_root_fn fn, void *arg,
                               struct pd_error *err)
{
    if (source->begun) {
        return pd_error_set(err, PD_INTERNAL, 0, "source: its roots are asked for after its items");
    }
    return checked(source->ops->roots(source->impl, fn, arg, err), "roots", err);
}

enum pd_status pd_source_next(struct pd_source *source, struct pd_item *out, struct pd_error *err)
{
    source->begun = true;
    enum pd_status status = source->ops->next(source->impl, out, err);

    if (status == PD_OK && (!out->path || out->path[0] != '/' ||
                            strlen(out->path) != out->path_len)) {
        return pd_error_set(err, PD_INTERNAL, 0, "source: a path is not absolute or of another length");
    }
    return checked(status, "next", err);
}

enum pd_status pd_source_open(struct pd_source *source, const struct pd_item *item,
                              struct archive_entry *entry, struct pd_source_file **out,
                              struct pd_error *err)
{
    return checked(source->ops->open(source->impl, item, entry, out, err), "open", err);
}

enum pd_status pd_source_read(struct pd_source *source, struct pd_source_file *file, void *buf,
                              size_t size, uint64_t offset, size_t *got, struct pd_error *err)
{
    enum pd_status status = source->ops->read(source->impl, file, buf, size, offset, got, err);

    if (status == PD_OK && *got > size) {
        return pd_error_set(err, PD_INTERNAL, 0, "source: read gave more than asked for");
    }
    return checked(status, "read", err);
}

enum pd_status pd_source_close_file(struct pd_source *source, struct pd_source_file *file,
                                    struct pd_error *err)
{
    return checked(source->ops->close_file(source->impl, file, err), "close", err);
}

void pd_source_close(struct pd_source *source)
{
    if (source) {
        source->ops->close(source->impl);
        free(source);
    }
}
