#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "drive_st_priv.h"
#include "pairdump/size.h"

#define RECORD_MIN ((uint64_t)64 << 10)

static enum pd_status end_of_data(const struct pd_drive_st *st, struct pd_error *err)
{
    return pd_error_set(err, PD_END_OF_DATA, 0, "%s: end of the recorded data", st->device);
}

static void count_record(struct pd_drive_st *st)
{
    st->pos.object++;
    st->pos.record++;
}

/* ---- reading ---- */

/* Nothing was read: st says so of a filemark, and of the end of the data right behind one. */
static enum pd_status met_mark(struct pd_drive_st *st, struct pd_error *err)
{
    struct mtget state = {0};
    int code = pd_drive_st_get(st, &state);

    if (code != 0) {
        pd_drive_st_lost(st);
        return pd_drive_st_fail(st, code, "ask for the state of the drive", err);
    }
    if (GMT_EOD(state.mt_gstat)) {
        if (st->has_file && st->has_record)
            pd_drive_st_ends_here(st);
        return end_of_data(st, err);
    }
    st->pos.object++;
    pd_drive_st_passed_mark(st);
    return pd_error_set(err, PD_END_OF_FILE, 0, "%s: a filemark", st->device);
}

/* st says EIO at the end of the data, and for a record that cannot be read. At the end spacing on
 * fails as well, and says why. */
static enum pd_status read_failed(struct pd_drive_st *st, int code, struct pd_error *err)
{
    uint64_t before = st->pos.object;
    struct mtget state = {0};
    char what[64];

    (void)snprintf(what, sizeof(what), "read object %" PRIu64, before);
    if (code == EIO && pd_drive_st_recount(st) && st->pos.object == before) {
        if (pd_drive_st_op(st, MTFSR, 1) == 0) {
            count_record(st);
        } else if (pd_drive_st_recount(st) && st->pos.object == before &&
                   pd_drive_st_get(st, &state) == 0 && GMT_EOD(state.mt_gstat)) {
            if (st->has_file && st->has_record)
                pd_drive_st_ends_here(st);
            return end_of_data(st, err);
        }
    } else if (code != EIO) {
        (void)pd_drive_st_recount(st);
    }
    return pd_drive_st_fail(st, code, what, err);
}

/* ENOMEM: the record is longer than the buffer, and passed, or the kernel has no memory. */
static enum pd_status read_too_long(struct pd_drive_st *st, size_t size, struct pd_error *err)
{
    uint64_t before = st->pos.object;

    if (!pd_drive_st_recount(st) || st->pos.object == before)
        return pd_drive_st_fail(st, ENOMEM, "read", err);
    return pd_error_set(err, PD_BAD_FORMAT, 0,
                        "%s: object %" PRIu64 " is a record longer than the %zu bytes expected",
                        st->device, before, size);
}

/* Does the errno say that so many bytes at once cannot be? */
static bool is_too_much(int code)
{
    return code == EINVAL || code == EOVERFLOW;
}

/* read(2), with less at once where host adapter or drive take no more; *most is what it was in the
 * end. */
static ssize_t read_record(struct pd_drive_st *st, void *buf, size_t size, size_t *most)
{
    for (;;) {
        ssize_t n;

        *most = size < st->max_record ? size : (size_t)st->max_record;
        do
            n = read(st->fd, buf, *most);
        while (n < 0 && errno == EINTR);
        if (n >= 0 || !is_too_much(errno) || *most <= RECORD_MIN)
            return n;
        st->max_record = *most / 2 > RECORD_MIN ? *most / 2 : RECORD_MIN;
    }
}

static enum pd_status may_read(struct pd_drive_st *st, struct pd_error *err)
{
    enum pd_status status = pd_drive_st_need_medium(st, err);

    if (status == PD_OK && !st->has_object)
        status = pd_error_set(err, PD_IO, 0, "%s has lost its position; rewind it", st->device);
    return status == PD_OK ? pd_drive_st_idle(st, err) : status;
}

enum pd_status pd_drive_st_read(void *impl, void *buf, size_t size, size_t *got,
                                struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    enum pd_status status = may_read(st, err);
    size_t most;
    ssize_t n;

    if (status != PD_OK)
        return status;
    if (st->has_end && st->pos.object == st->end.object)
        return end_of_data(st, err);
    n = read_record(st, buf, size, &most);
    if (n == 0)
        return met_mark(st, err);
    if (n < 0)
        return errno == ENOMEM ? read_too_long(st, most, err) : read_failed(st, errno, err);
    count_record(st);
    *got = (size_t)n;
    return PD_OK;
}

/* ---- writing ---- */

static enum pd_status may_write(const struct pd_drive_st *st, struct pd_error *err)
{
    enum pd_status status = pd_drive_st_need_medium(st, err);

    if (status == PD_OK && st->read_only)
        status = pd_error_set(err, PD_WRITE_PROTECTED, 0,
                              "the medium in %s is write protected; move its tab", st->device);
    if (status == PD_OK && !(st->has_object && st->has_file && st->has_record))
        status = pd_error_set(err, PD_IO, 0,
                              "%s has lost its position; nothing is written before it is found",
                              st->device);
    return status;
}

/* Of the records that st took, some may not have reached the tape. */
static enum pd_status check_count(struct pd_drive_st *st, struct pd_error *err)
{
    uint64_t counted = st->pos.object;

    if (pd_drive_st_recount(st) && st->pos.object == counted)
        return PD_OK;
    return pd_error_set(err, PD_IO, 0,
                        "%s stands at object %" PRIu64 ", not %" PRIu64 ": what was written "
                        "before is not all on the tape",
                        st->device, st->has_object ? st->pos.object : 0, counted);
}

/* ENOSPC: behind early warning st refuses every second write; at the end of the tape all. */
static void note_early(struct pd_drive_st *st)
{
    if (st->early_at == PD_DRIVE_ST_UNKNOWN || st->pos.object < st->early_at)
        st->early_at = st->pos.object;
}

static enum pd_status too_long(struct pd_drive_st *st, size_t len, int code, struct pd_error *err)
{
    uint64_t most = len / 2 > RECORD_MIN ? len / 2 : RECORD_MIN;
    char text[24];

    if (st->max_record >= len)
        st->max_record = most;
    pd_format_size(st->max_record, text, sizeof(text));
    return pd_error_set(err, PD_UNSUPPORTED, code,
                        "drive or host adapter of %s refuse a record of %zu bytes; try volumes "
                        "with a block size of %s or less",
                        st->device, len, text);
}

static enum pd_status write_failed(struct pd_drive_st *st, size_t len, int code,
                                   struct pd_error *err)
{
    enum pd_status status = check_count(st, err);
    char what[64];

    if (status != PD_OK)
        return status;
    if (code == ENOSPC)
        return pd_error_set(err, PD_VOLUME_FULL, 0, "%s: end of the medium", st->device);
    if (is_too_much(code) || code == ENOMEM)
        return too_long(st, len, code, err);
    (void)snprintf(what, sizeof(what), "write object %" PRIu64, st->pos.object);
    return pd_drive_st_fail(st, code, what, err);
}

/* By what the operator said of the medium; our tapes have records of one size. */
static bool is_full(const struct pd_drive_st *st, size_t len)
{
    return st->capacity > 0 && pd_mul_sat(st->pos.object - st->pos.file, len) > st->capacity;
}

static ssize_t put_record(struct pd_drive_st *st, const void *buf, size_t len)
{
    ssize_t n;

    do
        n = write(st->fd, buf, len);
    while (n < 0 && errno == EINTR); /* st waits for no signal once it has begun */
    return n;
}

enum pd_status pd_drive_st_write(void *impl, const void *buf, size_t len, bool *early_warning,
                                 struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    enum pd_status status;
    ssize_t n;
    int code;

    pd_drive_st_resolve(st);
    status = may_write(st, err);
    if (status != PD_OK)
        return status;
    if (st->early_at != PD_DRIVE_ST_UNKNOWN && st->pos.object < st->early_at)
        st->early_at = PD_DRIVE_ST_UNKNOWN; /* the tape will be met anew from here */
    st->writing = st->dirty = true;
    pd_drive_st_cuts_here(st);
    n = put_record(st, buf, len);
    if (n < 0 && errno == ENOSPC) {
        note_early(st);
        status = check_count(st, err);
        if (status != PD_OK)
            return status;
        n = put_record(st, buf, len);
    }
    code = errno;
    *early_warning = st->early_at != PD_DRIVE_ST_UNKNOWN;
    if (n < 0)
        return write_failed(st, len, code, err);
    count_record(st);
    *early_warning = *early_warning || is_full(st, len);
    pd_drive_st_ends_here(st);
    if ((size_t)n != len)
        return pd_error_set(err, PD_SHORT_WRITE, 0, "%s took %zd of %zu bytes", st->device, n, len);
    return PD_OK;
}

/* ---- marks ---- */

static int mark(struct pd_drive_st *st, unsigned count, bool immediate)
{
    int code = pd_drive_st_op(st, immediate ? MTWEOFI : MTWEOF, (int)count);

    if (immediate && (code == EINVAL || code == ENOSYS))
        code = pd_drive_st_op(st, MTWEOF, (int)count);
    return code;
}

enum pd_status pd_drive_st_flush(struct pd_drive_st *st, struct pd_error *err)
{
    int code;

    if (!st->dirty)
        return PD_OK;
    code = mark(st, 0, false);
    if (code == ENOSPC) {
        note_early(st);
        code = mark(st, 0, false);
    }
    if (code != 0)
        return pd_drive_st_fail(st, code, "bring to the tape what was written last", err);
    st->dirty = false;
    return PD_OK;
}

enum pd_status pd_drive_st_marks(void *impl, unsigned count, bool immediate, struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    enum pd_status status;
    int code;

    if (count == 0) {
        status = pd_drive_st_need_medium(st, err);
        if (status == PD_OK && !immediate)
            status = pd_drive_st_idle(st, err);
        return status == PD_OK && !immediate ? pd_drive_st_flush(st, err) : status;
    }
    pd_drive_st_resolve(st);
    status = may_write(st, err);
    if (status == PD_OK)
        status = pd_drive_st_idle(st, err);
    if (status != PD_OK)
        return status;
    st->dirty = true;
    pd_drive_st_cuts_here(st);
    code = mark(st, count, immediate);
    if (code == ENOSPC) {
        note_early(st);
        status = check_count(st, err);
        if (status != PD_OK)
            return status;
        code = mark(st, count, immediate);
    }
    if (code != 0) {
        pd_drive_st_lost(st); /* some of them may be written */
        return pd_error_set(err, code == ENOSPC ? PD_VOLUME_FULL : PD_IO, code,
                            "%s: cannot write a filemark; see the kernel's log (dmesg)",
                            st->device);
    }
    for (unsigned i = 0; i < count; i++) {
        st->pos.object++;
        pd_drive_st_passed_mark(st);
    }
    pd_drive_st_ends_here(st);
    st->dirty = immediate;
    return PD_OK;
}
