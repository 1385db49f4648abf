#include "pairdump/target.h"

#include "pairdump/size.h"

/* Where a target stands in its life; each call is allowed in a set of these. */
enum state {
    NO_VOLUME = 1,
    MOUNTED = 2,
    WRITING = 4,
    BROKEN = 8, /* a write or end failed: the tape file can only be abandoned */
    READING = 16,
};

#define ANY_STATE (NO_VOLUME | MOUNTED | WRITING | BROKEN | READING)

struct pd_target {
    const struct pd_target_ops *ops;
    void *impl;
    char *url;
    struct pd_target_caps caps;
    enum state state;
    struct pd_label label; /* valid unless NO_VOLUME */
};

static const char *state_name(unsigned state)
{
    switch (state) {
    case NO_VOLUME:
        return "without a volume";
    case MOUNTED:
        return "mounted";
    case WRITING:
        return "writing a tape file";
    case BROKEN:
        return "left with a tape file that failed";
    case READING:
        return "reading a tape file";
    case NO_VOLUME | MOUNTED:
    case NO_VOLUME | MOUNTED | BROKEN:
        return "without an open tape file";
    case MOUNTED | WRITING:
        return "mounted or writing";
    case WRITING | BROKEN:
        return "writing a tape file";
    default:
        return "in any state";
    }
}

static const char *place(const struct pd_target *target)
{
    return target->state == NO_VOLUME ? target->url : target->label.label;
}

static enum pd_status allow(const struct pd_target *target, const char *call, unsigned states,
                            struct pd_error *err)
{
    if ((target->state & states) != 0)
        return PD_OK;
    (void)pd_error_set(err, PD_INTERNAL, 0, "%s: called on a target %s, but needs one %s", call,
                       state_name(target->state), state_name(states));
    pd_error_context(err, place(target), NULL, NULL);
    return PD_INTERNAL;
}

static enum pd_status bad_call(const struct pd_target *target, const char *what,
                               struct pd_error *err)
{
    (void)pd_error_set(err, PD_INTERNAL, 0, "%s", what);
    pd_error_context(err, place(target), NULL, NULL);
    return PD_INTERNAL;
}

/* What every call goes through on its way out: a failure has its status, a message and a volume. */
static enum pd_status leave_at(const struct pd_target *target, const char *volume, const char *call,
                               enum pd_status status, const struct pd_error *found,
                               struct pd_error *err)
{
    if (status == PD_OK)
        return PD_OK;
    if ((unsigned)status >= PD_STATUS_COUNT || found->status != status ||
        found->message[0] == '\0') {
        (void)pd_error_set(err, PD_INTERNAL, 0,
                           "%s of the %s target failed (%s) without saying why", call,
                           target->ops->scheme, pd_status_name(status));
        status = PD_INTERNAL;
    } else {
        *err = *found;
    }
    pd_error_context(err, volume != NULL ? volume : place(target), NULL, NULL);
    return status;
}

static enum pd_status leave(const struct pd_target *target, const char *call, enum pd_status status,
                            const struct pd_error *found, struct pd_error *err)
{
    return leave_at(target, NULL, call, status, found, err);
}

/* Nothing but pointers stands in the table, so it can be looked through as an array of them. */
static bool has_gap(const struct pd_target_ops *ops)
{
    void (*slot)(void);

    for (size_t at = 0; at < sizeof(*ops); at += sizeof(slot)) {
        memcpy(&slot, (const char *)ops + at, sizeof(slot));
        if (slot == NULL)
            return true;
    }
    return false;
}

enum pd_status pd_target_new(const struct pd_target_ops *ops, void *impl, const char *url,
                             struct pd_target_caps caps, struct pd_target **out,
                             struct pd_error *err)
{
    struct pd_target *target = NULL;
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status;

    *out = NULL;
    if (has_gap(ops)) {
        status = pd_error_set(err, PD_INTERNAL, 0, "target driver %s has an empty slot",
                              ops->scheme != NULL ? ops->scheme : "without a name");
        goto fail;
    }
    target = calloc(1, sizeof(*target));
    if (target != NULL)
        target->url = strdup(url);
    if (target == NULL || target->url == NULL) {
        status = pd_error_memory(err, "a target");
        goto fail;
    }
    target->ops = ops;
    target->impl = impl;
    target->caps = caps;
    target->state = NO_VOLUME;
    *out = target;
    return PD_OK;
fail:
    free(target);
    if (ops->close != NULL)
        (void)!ops->close(impl, &ignored);
    return status;
}

const char *pd_target_url(const struct pd_target *target)
{
    return target->url;
}

struct pd_target_caps pd_target_caps(const struct pd_target *target)
{
    return target->caps;
}

const struct pd_label *pd_target_label(const struct pd_target *target)
{
    return target->state == NO_VOLUME ? NULL : &target->label;
}

enum pd_status pd_target_volumes(struct pd_target *target, pd_volume_fn fn, void *arg,
                                 struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "volumes", NO_VOLUME | MOUNTED, err);

    if (status != PD_OK)
        return status;
    status = target->ops->volumes(target->impl, fn, arg, &found);
    return leave(target, "volumes", status, &found, err);
}

struct search {
    const char *label;
    bool found;
};

static enum pd_status compare(void *arg, const char *label, struct pd_error *err)
{
    struct search *search = arg;

    (void)err;
    search->found = search->found || strcmp(label, search->label) == 0;
    return PD_OK;
}

enum pd_status pd_target_has(struct pd_target *target, const char *label, bool *has,
                             struct pd_error *err)
{
    struct search search = {label, false};
    enum pd_status status = pd_target_volumes(target, compare, &search, err);

    *has = status == PD_OK && search.found;
    return status;
}

enum pd_status pd_target_mount(struct pd_target *target, const char *label, struct pd_error *err)
{
    struct pd_label mounted = {0};
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "mount", NO_VOLUME | MOUNTED | BROKEN, err);

    if (status != PD_OK)
        return status;
    if (label != NULL && !pd_label_is_valid(label)) {
        (void)pd_error_set(err, PD_USAGE, 0, "\"%s\" is no volume label (1 to 8 of A-Z 0-9 - _)",
                           label);
        pd_error_context(err, target->url, NULL, NULL);
        return PD_USAGE;
    }
    target->state = NO_VOLUME;
    status = target->ops->mount(target->impl, label, &mounted, &found);
    if (status != PD_OK)
        return leave_at(target, label, "mount", status, &found, err);
    if (!pd_label_is_valid(mounted.label) || mounted.block_size == 0 ||
        (label != NULL && strcmp(mounted.label, label) != 0))
        return bad_call(target, "mount gave another volume than asked for, and said OK", err);
    target->label = mounted;
    target->state = MOUNTED;
    return PD_OK;
}

typedef enum pd_status (*label_fn)(void *impl, const struct pd_label *label, struct pd_error *err);

static enum pd_status call_with_label(struct pd_target *target, const char *call, label_fn fn,
                                      const struct pd_label *label, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, call, NO_VOLUME | MOUNTED, err);

    if (status != PD_OK)
        return status;
    if (!pd_label_is_valid(label->label) || label->block_size == 0)
        return bad_call(target, "format: the label is not valid", err);
    target->state = NO_VOLUME;
    status = fn(target->impl, label, &found);
    return status == PD_OK ? PD_OK : leave_at(target, label->label, call, status, &found, err);
}

enum pd_status pd_target_may_format(struct pd_target *target, const struct pd_label *label,
                                    struct pd_error *err)
{
    return call_with_label(target, "may_format", target->ops->may_format, label, err);
}

enum pd_status pd_target_format(struct pd_target *target, const struct pd_label *label,
                                struct pd_error *err)
{
    enum pd_status status = call_with_label(target, "format", target->ops->format, label, err);

    if (status != PD_OK)
        return status;
    target->label = *label;
    target->state = MOUNTED;
    return PD_OK;
}

enum pd_status pd_target_relabel(struct pd_target *target, const char *old_uuid,
                                 const struct pd_label *label, pd_before_fn before, void *arg,
                                 struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "relabel", MOUNTED, err);

    if (status != PD_OK)
        return status;
    if (!pd_label_is_valid(label->label) || label->block_size == 0 ||
        strcmp(label->uuid, old_uuid) == 0)
        return bad_call(target, "relabel: the label is not valid, or not a new one", err);
    if (strcmp(target->label.uuid, old_uuid) != 0)
        return bad_call(target, "relabel: another volume is mounted than the one named", err);
    target->state = NO_VOLUME;
    status = target->ops->relabel(target->impl, old_uuid, label, before, arg, &found);
    if (status != PD_OK)
        return leave_at(target, target->label.label, "relabel", status, &found, err);
    target->label = *label;
    target->state = MOUNTED;
    return PD_OK;
}

enum pd_status pd_target_claim(struct pd_target *target, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "claim", MOUNTED, err);

    if (status != PD_OK)
        return status;
    status = target->ops->claim(target->impl, &found);
    return leave(target, "claim", status, &found, err);
}

enum pd_status pd_target_position(struct pd_target *target, struct pd_target_position *out,
                                  struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "position", MOUNTED, err);

    if (status != PD_OK)
        return status;
    status = target->ops->position(target->impl, out, &found);
    if (status == PD_OK && out->file_count == 0)
        return bad_call(target, "position counts no tape file where the label is one", err);
    return leave(target, "position", status, &found, err);
}

enum pd_status pd_target_cut(struct pd_target *target, uint32_t file_no, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "cut", MOUNTED, err);

    if (status != PD_OK)
        return status;
    if (file_no == 0)
        return bad_call(target, "cut: the label is not to be forgotten", err);
    status = target->ops->cut(target->impl, file_no, &found);
    return leave(target, "cut", status, &found, err);
}

/* ---- writing ---- */

enum pd_status pd_target_begin(struct pd_target *target, const char *name, uint32_t *file_no,
                               struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "begin", MOUNTED, err);

    if (status != PD_OK)
        return status;
    if (name[0] == '\0' || strchr(name, '/') != NULL)
        return bad_call(target, "begin: a tape file's name is empty or holds a slash", err);
    status = target->ops->begin(target->impl, name, file_no, &found);
    if (status != PD_OK)
        return leave(target, "begin", status, &found, err);
    target->state = *file_no == 0 ? BROKEN : WRITING;
    if (*file_no == 0)
        return bad_call(target, "begin gave out number 0, which is the label's", err);
    return PD_OK;
}

enum pd_status pd_target_write(struct pd_target *target, const void *record, size_t len,
                               struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "write", WRITING, err);

    if (status != PD_OK)
        return status;
    if (record == NULL || len != target->label.block_size)
        return bad_call(target, "write: a record is not of the volume's block size", err);
    status = target->ops->write(target->impl, record, len, &found);
    if (status != PD_OK)
        target->state = BROKEN;
    return leave(target, "write", status, &found, err);
}

enum pd_status pd_target_end(struct pd_target *target, bool durable, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "end", WRITING, err);

    if (status != PD_OK)
        return status;
    status = target->ops->end(target->impl, durable, &found);
    target->state = status == PD_OK ? MOUNTED : BROKEN;
    return leave(target, "end", status, &found, err);
}

enum pd_status pd_target_abandon(struct pd_target *target, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "abandon", WRITING | BROKEN, err);

    if (status != PD_OK)
        return status;
    status = target->ops->abandon(target->impl, &found);
    target->state = status == PD_OK ? MOUNTED : BROKEN;
    return leave(target, "abandon", status, &found, err);
}

enum pd_status pd_target_patch(struct pd_target *target, uint32_t file_no, uint64_t record,
                               const void *bytes, size_t len, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "patch", MOUNTED, err);

    if (status != PD_OK)
        return status;
    if (file_no == 0 || bytes == NULL || len != target->label.block_size)
        return bad_call(target, "patch: the label, or no record of the volume's block size", err);
    if (pd_mul_sat(pd_add_sat(record, 1), len) > INT64_MAX)
        return bad_call(target, "patch: the record number is out of range", err);
    status = target->ops->patch(target->impl, file_no, record, bytes, len, &found);
    return leave(target, "patch", status, &found, err);
}

enum pd_status pd_target_rewrite(struct pd_target *target, uint32_t file_no, const char *name,
                                 struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "rewrite", MOUNTED, err);

    if (status != PD_OK)
        return status;
    if (file_no == 0 || name[0] == '\0' || strchr(name, '/') != NULL)
        return bad_call(target, "rewrite: the label, or a name that is empty or holds a slash",
                        err);
    status = target->ops->rewrite(target->impl, file_no, name, &found);
    if (status == PD_OK)
        target->state = WRITING;
    return leave(target, "rewrite", status, &found, err);
}

enum pd_status pd_target_sync(struct pd_target *target, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "sync", MOUNTED, err);

    if (status != PD_OK)
        return status;
    status = target->ops->sync(target->impl, &found);
    return leave(target, "sync", status, &found, err);
}

enum pd_status pd_target_use_reserve(struct pd_target *target, bool on, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "use_reserve", MOUNTED | WRITING, err);

    if (status != PD_OK)
        return status;
    status = target->ops->use_reserve(target->impl, on, &found);
    return leave(target, "use_reserve", status, &found, err);
}

/* ---- reading ---- */

enum pd_status pd_target_open_file(struct pd_target *target, uint32_t file_no, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "open_file", MOUNTED, err);

    if (status != PD_OK)
        return status;
    status = target->ops->open_file(target->impl, file_no, &found);
    if (status == PD_OK)
        target->state = READING;
    return leave(target, "open_file", status, &found, err);
}

enum pd_status pd_target_read(struct pd_target *target, void *buf, size_t size, size_t *got,
                              struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "read", READING, err);

    *got = 0;
    if (status != PD_OK)
        return status;
    if (buf == NULL || size < target->label.block_size)
        return bad_call(target, "read: the buffer is smaller than a record", err);
    size = (size_t)target->label.block_size;
    status = target->ops->read(target->impl, buf, size, got, &found);
    if (status == PD_OK && (*got == 0 || *got > size)) {
        *got = 0;
        return bad_call(target, "read gave no record, or one larger than asked, and said OK", err);
    }
    if (status != PD_OK)
        *got = 0;
    return leave(target, "read", status, &found, err);
}

enum pd_status pd_target_seek(struct pd_target *target, uint64_t record, uint64_t record_size,
                              struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "seek", READING, err);

    if (status != PD_OK)
        return status;
    if (record_size != target->label.block_size)
        return bad_call(target, "seek: the record size is not the volume's block size", err);
    if (pd_mul_sat(pd_add_sat(record, 1), record_size) > INT64_MAX)
        return bad_call(target, "seek: the record number is out of range", err);
    status = target->ops->seek(target->impl, record, record_size, &found);
    return leave(target, "seek", status, &found, err);
}

enum pd_status pd_target_close_file(struct pd_target *target, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "close_file", READING, err);

    if (status != PD_OK)
        return status;
    status = target->ops->close_file(target->impl, &found);
    target->state = MOUNTED;
    return leave(target, "close_file", status, &found, err);
}

/* ---- the rest ---- */

enum pd_status pd_target_space_left(struct pd_target *target, struct pd_target_space *out,
                                    struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "space_left", ANY_STATE, err);

    if (status != PD_OK)
        return status;
    status = target->ops->space_left(target->impl, out, &found);
    return leave(target, "space_left", status, &found, err);
}

enum pd_status pd_target_unmount(struct pd_target *target, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "unmount", NO_VOLUME | MOUNTED | BROKEN, err);

    if (status != PD_OK)
        return status;
    status = target->ops->unmount(target->impl, &found);
    status = leave(target, "unmount", status, &found, err);
    target->state = NO_VOLUME;
    return status;
}

enum pd_status pd_target_put_back(struct pd_target *target, struct pd_error *err)
{
    return target != NULL && target->caps.library ? pd_target_unmount(target, err) : PD_OK;
}

enum pd_status pd_target_drive(struct pd_target *target, struct pd_drive_status *out,
                               struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = allow(target, "drive", NO_VOLUME | MOUNTED, err);

    memset(out, 0, sizeof(*out));
    if (status != PD_OK)
        return status;
    target->state = NO_VOLUME;
    status = target->ops->drive(target->impl, out, &found);
    if (status == PD_OK && !out->loaded)
        return bad_call(target, "drive: it is empty, and said OK", err);
    return leave(target, "drive", status, &found, err);
}

enum pd_status pd_target_close(struct pd_target *target, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status;

    if (target == NULL)
        return PD_OK;
    status = target->ops->close(target->impl, &found);
    status = leave(target, "close", status, &found, err);
    free(target->url);
    free(target);
    return status;
}

void *pd_record_alloc(size_t size)
{
    uint64_t whole = pd_round_up(size > 0 ? size : 1, PD_RECORD_ALIGN);

    return whole > SIZE_MAX / 2 ? NULL : aligned_alloc(PD_RECORD_ALIGN, (size_t)whole);
}
