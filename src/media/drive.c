#include "pairdump/drive.h"

struct pd_drive {
    const struct pd_drive_ops *ops;
    void *impl;
};

/* Nothing but pointers stands in the table, so it can be looked through as an array of them. */
static bool has_gap(const struct pd_drive_ops *ops)
{
    void (*slot)(void);

    for (size_t at = 0; at < sizeof(*ops); at += sizeof(slot)) {
        memcpy(&slot, (const char *)ops + at, sizeof(slot));
        if (slot == NULL)
            return true;
    }
    return false;
}

/* What every call goes through on its way out: a failure has its status and a message. */
static enum pd_status leave(const struct pd_drive *drive, const char *call, enum pd_status status,
                            const struct pd_error *found, struct pd_error *err)
{
    if (status == PD_OK)
        return PD_OK;
    if ((unsigned)status >= PD_STATUS_COUNT || found->status != status || found->message[0] == '\0')
        return pd_error_set(err, PD_INTERNAL, 0,
                            "%s of the %s drive failed (%s) without saying why", call,
                            drive->ops->name, pd_status_name(status));
    *err = *found;
    return status;
}

enum pd_status pd_drive_new(const struct pd_drive_ops *ops, void *impl, struct pd_drive **out,
                            struct pd_error *err)
{
    struct pd_error ignored = PD_ERROR_INIT;
    struct pd_drive *drive = NULL;
    enum pd_status status = PD_OK;

    *out = NULL;
    if (has_gap(ops))
        status = pd_error_set(err, PD_INTERNAL, 0, "drive driver %s has an empty slot",
                              ops->name != NULL ? ops->name : "without a name");
    else if ((drive = calloc(1, sizeof(*drive))) == NULL)
        status = pd_error_memory(err, "a drive");
    if (status != PD_OK) {
        if (ops->close != NULL)
            (void)!ops->close(impl, &ignored);
        return status;
    }
    drive->ops = ops;
    drive->impl = impl;
    *out = drive;
    return PD_OK;
}

enum pd_status pd_drive_load(struct pd_drive *drive, const char *medium, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;

    if (medium != NULL && medium[0] == '\0')
        return pd_error_set(err, PD_USAGE, 0, "load: the name of the medium is empty");
    return leave(drive, "load", drive->ops->load(drive->impl, medium, &found), &found, err);
}

enum pd_status pd_drive_unload(struct pd_drive *drive, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;

    return leave(drive, "unload", drive->ops->unload(drive->impl, &found), &found, err);
}

enum pd_status pd_drive_status(struct pd_drive *drive, struct pd_drive_status *out,
                               struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status;

    memset(out, 0, sizeof(*out));
    status = drive->ops->status(drive->impl, out, &found);
    if (status == PD_OK && memchr(out->medium, '\0', sizeof(out->medium)) == NULL)
        return pd_error_set(err, PD_INTERNAL, 0, "status of the %s drive: endless medium name",
                            drive->ops->name);
    return leave(drive, "status", status, &found, err);
}

enum pd_status pd_drive_read(struct pd_drive *drive, void *buf, size_t size, size_t *got,
                             struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status;

    *got = 0;
    if (buf == NULL || size == 0)
        return pd_error_set(err, PD_INTERNAL, 0, "drive read: no buffer");
    status = drive->ops->read(drive->impl, buf, size, got, &found);
    if (status == PD_OK && (*got == 0 || *got > size)) {
        *got = 0;
        return pd_error_set(err, PD_INTERNAL, 0,
                            "read of the %s drive gave no record, or too much, and said OK",
                            drive->ops->name);
    }
    if (status != PD_OK)
        *got = 0;
    return leave(drive, "read", status, &found, err);
}

enum pd_status pd_drive_write(struct pd_drive *drive, const void *buf, size_t len,
                              bool *early_warning, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;

    *early_warning = false;
    if (buf == NULL || len == 0)
        return pd_error_set(err, PD_INTERNAL, 0, "drive write: an empty record");
    return leave(drive, "write", drive->ops->write(drive->impl, buf, len, early_warning, &found),
                 &found, err);
}

enum pd_status pd_drive_marks(struct pd_drive *drive, unsigned count, bool immediate,
                              struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;

    return leave(drive, "marks", drive->ops->marks(drive->impl, count, immediate, &found), &found,
                 err);
}

enum pd_status pd_drive_space(struct pd_drive *drive, enum pd_space_kind kind, int64_t count,
                              struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;

    if ((kind != PD_SPACE_RECORDS && kind != PD_SPACE_FILES) || count == INT64_MIN)
        return pd_error_set(err, PD_INTERNAL, 0, "drive space: kind or count is out of range");
    if (count == 0)
        return PD_OK;
    return leave(drive, "space", drive->ops->space(drive->impl, kind, count, &found), &found, err);
}

enum pd_status pd_drive_rewind(struct pd_drive *drive, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;

    return leave(drive, "rewind", drive->ops->rewind(drive->impl, &found), &found, err);
}

enum pd_status pd_drive_end(struct pd_drive *drive, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;

    return leave(drive, "end", drive->ops->end(drive->impl, &found), &found, err);
}

enum pd_status pd_drive_tell(struct pd_drive *drive, struct pd_drive_pos *out, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status;

    memset(out, 0, sizeof(*out));
    status = drive->ops->tell(drive->impl, out, &found);
    if (status == PD_OK && out->known &&
        (out->file > out->object || out->record > out->object - out->file))
        return pd_error_set(err, PD_INTERNAL, 0, "tell of the %s drive contradicts itself",
                            drive->ops->name);
    return leave(drive, "tell", status, &found, err);
}

enum pd_status pd_drive_locate(struct pd_drive *drive, uint64_t object, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;

    return leave(drive, "locate", drive->ops->locate(drive->impl, object, &found), &found, err);
}

enum pd_status pd_drive_close(struct pd_drive *drive, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status;

    if (drive == NULL)
        return PD_OK;
    status = leave(drive, "close", drive->ops->close(drive->impl, &found), &found, err);
    free(drive);
    return status;
}
