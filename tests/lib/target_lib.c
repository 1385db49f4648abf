#include "target_lib.h"

static enum pd_status not_here(struct pd_error *err)
{
    return pd_error_set(err, PD_UNSUPPORTED, 0, "not in this test");
}

static enum pd_status do_format(void *impl, const struct pd_label *label, struct pd_error *err)
{
    (void)impl;
    (void)label;
    return not_here(err);
}

static enum pd_status do_relabel(void *impl, const char *old_uuid, const struct pd_label *label,
                                 pd_before_fn before, void *arg, struct pd_error *err)
{
    (void)impl;
    (void)old_uuid;
    (void)label;
    (void)before;
    (void)arg;
    return not_here(err);
}

static enum pd_status do_begin(void *impl, const char *name, uint32_t *file_no,
                               struct pd_error *err)
{
    (void)impl;
    (void)name;
    (void)file_no;
    return not_here(err);
}

static enum pd_status do_write(void *impl, const void *record, size_t len, struct pd_error *err)
{
    (void)impl;
    (void)record;
    (void)len;
    return not_here(err);
}

static enum pd_status do_end(void *impl, bool durable, struct pd_error *err)
{
    (void)impl;
    (void)durable;
    return not_here(err);
}

static enum pd_status do_nothing(void *impl, struct pd_error *err)
{
    (void)impl;
    (void)err;
    return PD_OK;
}

static enum pd_status do_reserve(void *impl, bool on, struct pd_error *err)
{
    (void)impl;
    (void)on;
    return not_here(err);
}

static enum pd_status do_open(void *impl, uint32_t file_no, struct pd_error *err)
{
    (void)impl;
    (void)file_no;
    return not_here(err);
}

static enum pd_status do_read(void *impl, void *buf, size_t size, size_t *got, struct pd_error *err)
{
    (void)impl;
    (void)buf;
    (void)size;
    *got = 0;
    return not_here(err);
}

static enum pd_status do_seek(void *impl, uint64_t record, uint64_t record_size,
                              struct pd_error *err)
{
    (void)impl;
    (void)record;
    (void)record_size;
    return not_here(err);
}

static enum pd_status do_space(void *impl, struct pd_target_space *out, struct pd_error *err)
{
    (void)impl;
    (void)out;
    return not_here(err);
}

static enum pd_status do_volumes(void *impl, pd_volume_fn fn, void *arg, struct pd_error *err)
{
    (void)impl;
    (void)fn;
    (void)arg;
    return not_here(err);
}

static enum pd_status do_mount(void *impl, const char *label, struct pd_label *out,
                               struct pd_error *err)
{
    (void)impl;
    (void)label;
    (void)out;
    return not_here(err);
}

static enum pd_status do_position(void *impl, struct pd_target_position *out, struct pd_error *err)
{
    (void)impl;
    (void)out;
    return not_here(err);
}

static enum pd_status do_drive(void *impl, struct pd_drive_status *out, struct pd_error *err)
{
    (void)impl;
    (void)out;
    return not_here(err);
}

static enum pd_status do_patch(void *impl, uint32_t file_no, uint64_t record, const void *bytes,
                               size_t len, struct pd_error *err)
{
    (void)impl, (void)file_no, (void)record, (void)bytes, (void)len;
    return not_here(err);
}

static enum pd_status do_rewrite(void *impl, uint32_t file_no, const char *name,
                                 struct pd_error *err)
{
    (void)impl, (void)file_no, (void)name;
    return not_here(err);
}

const struct pd_target_ops target_lib_ops = {
    .scheme = "memory",
    .volumes = do_volumes,
    .mount = do_mount,
    .may_format = do_format,
    .format = do_format,
    .relabel = do_relabel,
    .claim = do_nothing,
    .position = do_position,
    .cut = do_open,
    .begin = do_begin,
    .write = do_write,
    .end = do_end,
    .abandon = do_nothing,
    .patch = do_patch,
    .rewrite = do_rewrite,
    .sync = do_nothing,
    .use_reserve = do_reserve,
    .open_file = do_open,
    .read = do_read,
    .seek = do_seek,
    .close_file = do_nothing,
    .space_left = do_space,
    .unmount = do_nothing,
    .drive = do_drive,
    .close = do_nothing,
};
