#include <errno.h>
#include <inttypes.h>

#include "drive_st_priv.h"

#define STEP_MAX    0x7fffff /* of one command: a SCSI SPACE counts in 24 bits, with sign */
#define STARTS_MAX  (1 << 20)
#define STARTS_ROOM 64
#define SEEK_MAX    INT32_MAX

/* ---- what is known ---- */

static bool is_known(const struct pd_drive_st *st)
{
    return st->has_object && st->has_file && st->has_record;
}

void pd_drive_st_lost(struct pd_drive_st *st)
{
    st->has_object = st->has_file = st->has_record = false;
}

void pd_drive_st_at_start(struct pd_drive_st *st)
{
    memset(&st->pos, 0, sizeof(st->pos));
    st->has_object = st->has_file = st->has_record = true;
    st->has_end = false;
    st->start_count = 0;
    st->early_at = PD_DRIVE_ST_UNKNOWN;
    pd_drive_st_note_start(st, 0, 0);
}

void pd_drive_st_note_start(struct pd_drive_st *st, uint64_t file, uint64_t object)
{
    if (file >= STARTS_MAX)
        return;
    if (file >= st->start_room) {
        size_t room = (size_t)file + STARTS_ROOM;
        uint64_t *starts = reallocarray(st->starts, room, sizeof(*starts));

        if (starts == NULL)
            return; /* it is found again by moving */
        st->starts = starts;
        st->start_room = room;
    }
    while (st->start_count <= file)
        st->starts[st->start_count++] = PD_DRIVE_ST_UNKNOWN;
    st->starts[file] = object;
}

void pd_drive_st_passed_mark(struct pd_drive_st *st)
{
    st->pos.file++;
    st->pos.record = 0;
    st->has_record = true;
    if (st->has_file)
        pd_drive_st_note_start(st, st->pos.file, st->pos.object);
}

void pd_drive_st_cuts_here(struct pd_drive_st *st)
{
    st->has_end = false;
    if (st->start_count > st->pos.file + 1)
        st->start_count = (size_t)st->pos.file + 1;
}

void pd_drive_st_ends_here(struct pd_drive_st *st)
{
    pd_drive_st_cuts_here(st);
    st->end = st->pos;
    st->has_end = true;
}

static uint64_t start_of(const struct pd_drive_st *st, uint64_t file)
{
    return file < st->start_count ? st->starts[file] : PD_DRIVE_ST_UNKNOWN;
}

/* The last file start that is known, at or before an object. */
static uint64_t file_before(const struct pd_drive_st *st, uint64_t object)
{
    size_t file = st->start_count;

    while (file > 1 &&
           (st->starts[file - 1] == PD_DRIVE_ST_UNKNOWN || st->starts[file - 1] > object))
        file--;
    return file > 0 ? file - 1 : 0;
}

/* Can it be told which record of which file an object is? */
static bool look_up(const struct pd_drive_st *st, uint64_t object, struct pd_drive_pos *out)
{
    uint64_t file = file_before(st, object), start = start_of(st, file);
    bool sure = start_of(st, file + 1) != PD_DRIVE_ST_UNKNOWN ||
                (st->has_end && st->end.file == file && object <= st->end.object) ||
                (is_known(st) && st->pos.file == file && object <= st->pos.object);

    if (start == PD_DRIVE_ST_UNKNOWN || (!sure && object != start))
        return false;
    *out = (struct pd_drive_pos){.file = file, .record = object - start, .object = object};
    return true;
}

static void stand_at(struct pd_drive_st *st, const struct pd_drive_pos *pos)
{
    st->pos = *pos;
    st->has_object = st->has_file = st->has_record = true;
}

/* Takes the object from the drive; the rest as far as it is known of that object. */
static void settle(struct pd_drive_st *st)
{
    struct pd_drive_pos found;
    uint64_t object;

    pd_drive_st_lost(st);
    if (pd_drive_st_object(st, &object) != 0)
        return;
    st->pos.object = object;
    st->has_object = true;
    if (look_up(st, object, &found))
        stand_at(st, &found);
}

bool pd_drive_st_recount(struct pd_drive_st *st)
{
    uint64_t object, start = st->pos.object - st->pos.record;

    if (!is_known(st)) {
        settle(st);
        return st->has_object;
    }
    if (pd_drive_st_object(st, &object) != 0) {
        pd_drive_st_lost(st);
        return false;
    }
    if (object < start) {
        settle(st);
        return st->has_object;
    }
    st->pos.record = object - start;
    st->pos.object = object;
    return true;
}

/* ---- moving ---- */

static enum pd_status move_failed(struct pd_drive_st *st, int code, const char *what,
                                  struct pd_error *err)
{
    settle(st);
    return pd_drive_st_fail(st, code, what, err);
}

static enum pd_status met_end(const struct pd_drive_st *st, struct pd_error *err)
{
    return pd_error_set(err, PD_END_OF_DATA, 0, "%s: end of the recorded data", st->device);
}

enum pd_status pd_drive_st_idle(struct pd_drive_st *st, struct pd_error *err)
{
    uint64_t object = 0, counted = st->pos.object;
    int code;

    if (!st->writing)
        return PD_OK;
    code = pd_drive_st_object(st, &object);
    if (code == ENOSPC)
        code = pd_drive_st_object(st, &object);
    /* Any operation but a move back makes st forget that it was writing; this one does nothing. */
    (void)pd_drive_st_op(st, MTLOCK, 1);
    st->writing = false;
    if (code == 0 && (!st->has_object || object == counted))
        return PD_OK;
    settle(st);
    if (code != 0)
        return pd_drive_st_fail(st, code, "bring to the drive what was written last", err);
    return pd_error_set(err, PD_IO, 0,
                        "%s stands at object %" PRIu64 ", not %" PRIu64 ": what was written "
                        "before is not all on the tape",
                        st->device, object, counted);
}

static enum pd_status begin_move(struct pd_drive_st *st, struct pd_error *err)
{
    enum pd_status status = pd_drive_st_need_medium(st, err);

    return status == PD_OK ? pd_drive_st_idle(st, err) : status;
}

/* A rewind says what the drive could not bring to the tape; behind that it is at the start. */
static enum pd_status do_rewind(struct pd_drive_st *st, struct pd_error *err)
{
    bool dirty = st->dirty;
    int code = pd_drive_st_op(st, MTREW, 1), again = code;

    if (code != 0)
        again = pd_drive_st_op(st, MTREW, 1);
    st->dirty = false;
    if (again == 0)
        stand_at(st, &(struct pd_drive_pos){0});
    else
        settle(st);
    if (code == 0 || (again == 0 && !dirty))
        return PD_OK;
    return pd_drive_st_fail(st, code, "rewind, or write before that what was in its buffer", err);
}

enum pd_status pd_drive_st_rewind(void *impl, struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    enum pd_status status = begin_move(st, err);
    struct pd_error late = PD_ERROR_INIT;

    if (status == PD_NO_MEDIUM)
        return status;
    if (status == PD_OK)
        return do_rewind(st, err);
    (void)!do_rewind(st, &late); /* the first error counts */
    return status;
}

/* To an object whose place is known. */
static int seek(struct pd_drive_st *st, const struct pd_drive_pos *to)
{
    int code = 0;

    if (!st->no_seek && to->object <= SEEK_MAX) {
        code = pd_drive_st_op(st, MTSEEK, (int)to->object);
        if (code == 0)
            return 0;
        st->no_seek = code == EINVAL || code == ENOSYS;
        if (!st->no_seek)
            return code;
    }
    code = pd_drive_st_op(st, MTREW, 1);
    for (uint64_t left = to->file; code == 0 && left > 0;) {
        int step = left < STEP_MAX ? (int)left : STEP_MAX;

        code = pd_drive_st_op(st, MTFSF, step);
        left -= (uint64_t)step;
    }
    for (uint64_t left = to->record; code == 0 && left > 0;) {
        int step = left < STEP_MAX ? (int)left : STEP_MAX;

        code = pd_drive_st_op(st, MTFSR, step);
        left -= (uint64_t)step;
    }
    return code;
}

static enum pd_status seek_known(struct pd_drive_st *st, const struct pd_drive_pos *to,
                                 struct pd_error *err)
{
    uint64_t object = 0;
    int code = seek(st, to);
    char what[64];

    (void)snprintf(what, sizeof(what), "go to object %" PRIu64, to->object);
    if (code == 0)
        code = pd_drive_st_object(st, &object);
    if (code != 0)
        return move_failed(st, code, what, err);
    if (object != to->object)
        return move_failed(st, EIO, what, err);
    stand_at(st, to);
    return PD_OK;
}

void pd_drive_st_resolve(struct pd_drive_st *st)
{
    struct pd_error ignored = PD_ERROR_INIT;
    struct pd_drive_pos here = st->pos;
    uint64_t mark;

    if (!st->has_object || !st->has_file || st->has_record)
        return;
    if (here.file == 0) {
        st->pos.record = here.object;
        st->has_record = true;
        pd_drive_st_note_start(st, 0, 0);
        return;
    }
    if (start_of(st, here.file) == PD_DRIVE_ST_UNKNOWN) {
        if (pd_drive_st_op(st, MTBSF, 1) != 0 || pd_drive_st_object(st, &mark) != 0 ||
            mark >= here.object) {
            settle(st);
            return;
        }
        pd_drive_st_note_start(st, here.file, mark + 1);
        here.record = here.object - (mark + 1);
        (void)!seek_known(st, &here, &ignored);
        return;
    }
    st->pos.record = here.object - start_of(st, here.file);
    st->has_record = true;
}

/* ---- spacing ---- */

/* At the end of the data, which st has met: it knows how many files that were. */
static void at_end_of_data(struct pd_drive_st *st)
{
    struct mtget state = {0};

    settle(st);
    if (!st->has_object || (st->has_file && st->has_record))
        return;
    if (st->has_end && st->end.object == st->pos.object) {
        stand_at(st, &st->end);
    } else if (pd_drive_st_get(st, &state) == 0 && state.mt_fileno >= 0) {
        st->pos.file = (uint64_t)state.mt_fileno;
        st->has_file = true;
    }
}

static bool is_at_end(struct pd_drive_st *st)
{
    struct mtget state = {0};

    return pd_drive_st_get(st, &state) == 0 && GMT_EOD(state.mt_gstat);
}

static enum pd_status files_on(struct pd_drive_st *st, int count, struct pd_error *err)
{
    int code = pd_drive_st_op(st, MTFSF, count);

    if (code != 0 && is_at_end(st)) {
        at_end_of_data(st);
        return met_end(st, err);
    }
    if (code == 0) {
        st->has_object = false;
        st->pos.file += (uint64_t)count;
        code = pd_drive_st_object(st, &st->pos.object);
    }
    if (code != 0)
        return move_failed(st, code, "space forward over filemarks", err);
    st->has_object = st->has_record = true;
    st->pos.record = 0;
    if (st->has_file)
        pd_drive_st_note_start(st, st->pos.file, st->pos.object);
    else
        settle(st);
    return PD_OK;
}

/* Stands before the mark; which record that would be is asked for when somebody wants to know. */
static enum pd_status files_back(struct pd_drive_st *st, int count, struct pd_error *err)
{
    bool had_file = st->has_file;
    uint64_t file = st->pos.file;
    int code = pd_drive_st_op(st, MTBSF, count);

    if (code != 0)
        return move_failed(st, code, "space back over filemarks", err);
    settle(st);
    if (st->has_object && !st->has_record && had_file && file >= (uint64_t)count) {
        st->pos.file = file - (uint64_t)count;
        st->has_file = true;
    }
    if (st->has_file) /* the mark is behind here */
        pd_drive_st_note_start(st, st->pos.file + 1, st->pos.object + 1);
    return PD_OK;
}

static enum pd_status records_on(struct pd_drive_st *st, int count, struct pd_error *err)
{
    struct mtget state = {0};
    int code = pd_drive_st_op(st, MTFSR, count);

    if (code == 0) {
        st->pos.object += (uint64_t)count;
        st->pos.record += (uint64_t)count;
        return PD_OK;
    }
    if (pd_drive_st_get(st, &state) == 0 && GMT_EOF(state.mt_gstat)) {
        bool has_file = st->has_file;

        st->has_object = pd_drive_st_object(st, &st->pos.object) == 0;
        pd_drive_st_passed_mark(st);
        if (!st->has_object || !has_file)
            settle(st);
        return pd_error_set(err, PD_END_OF_FILE, 0, "%s: met a filemark", st->device);
    }
    if (GMT_EOD(state.mt_gstat) && pd_drive_st_recount(st)) {
        if (is_known(st))
            pd_drive_st_ends_here(st);
        return met_end(st, err);
    }
    return move_failed(st, code, "space forward over records", err);
}

static enum pd_status records_back(struct pd_drive_st *st, int count, struct pd_error *err)
{
    struct pd_drive_pos before = st->pos;
    bool was_known = is_known(st);
    int code = pd_drive_st_op(st, MTBSR, count);

    if (code == 0) {
        st->pos.object -= (uint64_t)count;
        st->pos.record -= (uint64_t)count;
        return PD_OK;
    }
    settle(st);
    if (!was_known || !st->has_object || before.file == 0 ||
        st->pos.object + before.record + 1 != before.object)
        return pd_drive_st_fail(st, code, "space back over records", err);
    if (!st->has_file) {
        st->pos.file = before.file - 1;
        st->has_file = true;
    }
    return pd_error_set(err, PD_END_OF_FILE, 0, "%s: met a filemark", st->device);
}

enum pd_status pd_drive_st_space(void *impl, enum pd_space_kind kind, int64_t count,
                                 struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    uint64_t left = (uint64_t)(count < 0 ? -count : count);
    enum pd_status status = begin_move(st, err);

    if (kind == PD_SPACE_RECORDS && status == PD_OK)
        pd_drive_st_resolve(st);
    while (status == PD_OK && left > 0) {
        int step = left < STEP_MAX ? (int)left : STEP_MAX;

        if (kind == PD_SPACE_FILES)
            status = count > 0 ? files_on(st, step, err) : files_back(st, step, err);
        else
            status = count > 0 ? records_on(st, step, err) : records_back(st, step, err);
        left -= (uint64_t)step;
    }
    return status;
}

/* ---- far moves ---- */

enum pd_status pd_drive_st_end(void *impl, struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    enum pd_status status = begin_move(st, err);
    int code;

    if (status != PD_OK)
        return status;
    for (int pass = 0; pass < 2; pass++) {
        code = pd_drive_st_op(st, MTEOM, 1);
        if (code != 0)
            return move_failed(st, code, "go to the end of the data", err);
        at_end_of_data(st);
        if (st->has_file)
            break;
        status = do_rewind(st, err); /* st counts files from there */
        if (status != PD_OK)
            return status;
    }
    pd_drive_st_resolve(st);
    if (!is_known(st))
        return pd_error_set(err, PD_IO, 0, "%s has lost its position at the end of the data",
                            st->device);
    pd_drive_st_ends_here(st);
    return PD_OK;
}

enum pd_status pd_drive_st_tell(void *impl, struct pd_drive_pos *out, struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    enum pd_status status = pd_drive_st_need_medium(st, err);
    uint64_t object;

    if (status != PD_OK)
        return status;
    pd_drive_st_resolve(st);
    if (is_known(st) && (pd_drive_st_object(st, &object) != 0 || object != st->pos.object)) {
        pd_log_line(st->env->log, PD_LOG_WARN,
                    "%s does not stand at object %" PRIu64
                    " as counted; it was reset, or moved by another program",
                    st->device, st->pos.object);
        pd_drive_st_lost(st);
    }
    *out = st->pos;
    out->known = is_known(st);
    return PD_OK;
}

/* To an object whose file is not known, by its number. False: it has to be walked to. */
static bool jump(struct pd_drive_st *st, uint64_t object)
{
    uint64_t at = 0, file = 0, start;

    if (st->no_seek || st->no_place || object > SEEK_MAX)
        return false;
    if (pd_drive_st_op(st, MTSEEK, (int)object) == 0) {
        st->no_place = !pd_drive_st_place(st, &at, &file);
        start = start_of(st, file);
        if (!st->no_place && at == object && (start == PD_DRIVE_ST_UNKNOWN || start <= at)) {
            st->pos = (struct pd_drive_pos){.file = file, .object = object};
            st->has_object = st->has_file = true;
            st->has_record = start != PD_DRIVE_ST_UNKNOWN;
            st->pos.record = st->has_record ? at - start : 0;
            return true;
        }
    }
    settle(st);
    return false;
}

/* Forward by records, and over the filemarks between, from a known place. */
static enum pd_status walk_to(struct pd_drive_st *st, uint64_t object, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    while (status == PD_OK && is_known(st) && st->pos.object < object) {
        uint64_t left = object - st->pos.object;

        status = records_on(st, left < STEP_MAX ? (int)left : STEP_MAX, err);
        if (status == PD_END_OF_FILE)
            status = PD_OK;
    }
    if (status == PD_OK && (!is_known(st) || st->pos.object != object))
        return pd_error_set(err, PD_IO, 0, "%s lost its way to object %" PRIu64, st->device,
                            object);
    return status;
}

enum pd_status pd_drive_st_locate(void *impl, uint64_t object, struct pd_error *err)
{
    struct pd_drive_st *st = impl;
    struct pd_drive_pos to;
    enum pd_status status = begin_move(st, err);

    if (status != PD_OK)
        return status;
    if (is_known(st) && st->pos.object == object)
        return PD_OK;
    if (st->has_end && object > st->end.object) {
        to = st->end;
        status = seek_known(st, &to, err);
        return status == PD_OK ? met_end(st, err) : status;
    }
    if (look_up(st, object, &to))
        return seek_known(st, &to, err);
    if (jump(st, object))
        return PD_OK;
    /* From the nearest place that is known, so that files are counted on the way. */
    to = (struct pd_drive_pos){.file = file_before(st, object)};
    to.object = start_of(st, to.file);
    if (to.object == PD_DRIVE_ST_UNKNOWN)
        to = (struct pd_drive_pos){0};
    if (!is_known(st) || st->pos.object > object || st->pos.object < to.object)
        status = seek_known(st, &to, err);
    return status == PD_OK ? walk_to(st, object, err) : status;
}
