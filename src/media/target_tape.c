#include "pairdump/target_tape.h"

#include <inttypes.h>

#include "pairdump/size.h"
#include "target_tape_priv.h"

/*
 * Where the next tape file begins is known (`next_known`) after position, and stays known while
 * this object alone writes; `standing` says that the drive is there. An abandoned tape file stays
 * on the tape behind the last filemark until the next write truncates it; if the run ends before, a
 * reader meets records that no filemark ends, and position does not count them.
 */
struct tape {
    const struct pd_env *env;
    struct pd_drive *drive;
    bool library; /* it fetches media by label itself */
    pd_media_list_fn list;
    void *list_arg;
    void (*list_free)(void *list_arg);

    bool mounted;
    uint64_t block_size;
    char label[PD_LABEL_TEXT];
    bool reserve;

    bool next_known;
    bool standing;
    uint32_t next_file;
    uint64_t next_object;
    uint64_t records; /* written to the open tape file */
    uint64_t stale;   /* bytes behind next_object that the next write makes room of */

    uint32_t open_file;
    uint64_t open_object; /* its first object */
    uint64_t open_record; /* the next that read gives */
    bool at_mark;         /* behind its last record */
    bool moved;           /* the drive does not stand at open_record */
    char *first;          /* its first record, read when it was opened: shows that it is there */
    bool first_valid;
    size_t first_got;
    enum pd_status first_status;
    struct pd_error first_error;
};

static void forget_volume(struct tape *tape)
{
    tape->mounted = false;
    tape->reserve = false;
    tape->next_known = false;
    tape->standing = false;
    tape->stale = 0;
    tape->first_valid = false;
    free(tape->first);
    tape->first = NULL;
}

/* ---- labels ---- */

static enum pd_status take_volume(struct tape *tape, const struct pd_label *label,
                                  struct pd_error *err)
{
    tape->block_size = label->block_size;
    memcpy(tape->label, label->label, sizeof(tape->label));
    tape->first = pd_record_alloc((size_t)label->block_size);
    if (tape->first == NULL)
        return pd_error_memory(err, "a record");
    tape->mounted = true;
    return PD_OK;
}

/* Loads the medium for a label. Without a list the operator is the changer. */
static enum pd_status load_known(struct tape *tape, const char *label, struct pd_error *err)
{
    return tape->library ? pd_drive_load(tape->drive, label, err)
                         : pd_target_tape_load(tape->drive, tape->list, tape->list_arg, label, err);
}

static enum pd_status tape_mount(void *impl, const char *label, struct pd_label *out,
                                 struct pd_error *err)
{
    struct tape *tape = impl;
    enum pd_status status;

    forget_volume(tape);
    status = load_known(tape, label, err);
    if (status == PD_OK)
        status = pd_target_tape_identify(tape->env, tape->drive, tape->library, label, out, err);
    if (tape->list == NULL && label != NULL)
        status = pd_target_tape_not_here(label, status, err);
    if (status == PD_OK)
        status = take_volume(tape, out, err);
    return status;
}

/* Behind a label just written the next tape file begins. */
static enum pd_status take_new(struct tape *tape, const struct pd_label *label,
                               struct pd_error *err)
{
    struct pd_drive_pos pos = {0};
    enum pd_status status = take_volume(tape, label, err);

    if (status == PD_OK)
        status = pd_drive_tell(tape->drive, &pos, err);
    if (status != PD_OK || !pos.known)
        return status; /* position finds it */
    tape->next_file = (uint32_t)pos.file;
    tape->next_object = pos.object;
    tape->next_known = tape->standing = true;
    return PD_OK;
}

/* Loads the medium that is to get the label, and looks whether it may. */
static enum pd_status prepare(struct tape *tape, const struct pd_label *label, struct pd_error *err)
{
    enum pd_status status =
        pd_drive_load(tape->drive, tape->list != NULL ? label->label : NULL, err);

    if (status != PD_OK)
        return status;
    return tape->library ? pd_target_tape_check_cartridge(tape->env, tape->drive, label, err)
                         : pd_target_tape_check_blank(tape->drive, label, tape->list == NULL, err);
}

static enum pd_status tape_may_format(void *impl, const struct pd_label *label,
                                      struct pd_error *err)
{
    struct tape *tape = impl;
    bool is_made = tape->list != NULL && !tape->library; /* by loading it */

    forget_volume(tape);
    return is_made ? PD_OK : prepare(tape, label, err);
}

static enum pd_status tape_format(void *impl, const struct pd_label *label, struct pd_error *err)
{
    struct tape *tape = impl;
    enum pd_status status;

    forget_volume(tape);
    status = prepare(tape, label, err);
    if (status == PD_OK)
        status = pd_target_tape_write_label(tape->drive, label, err);
    return status == PD_OK ? take_new(tape, label, err) : status;
}

static enum pd_status tape_relabel(void *impl, const char *old_uuid, const struct pd_label *label,
                                   pd_before_fn before, void *arg, struct pd_error *err)
{
    struct tape *tape = impl;
    enum pd_status status = pd_target_tape_relabel(
        tape->drive, tape->list != NULL ? tape->label : NULL, old_uuid, label, before, arg, err);

    forget_volume(tape);
    return status == PD_OK ? take_new(tape, label, err) : status;
}

static enum pd_status tape_volumes(void *impl, pd_volume_fn fn, void *arg, struct pd_error *err)
{
    struct tape *tape = impl;

    if (tape->list != NULL)
        return tape->list(tape->list_arg, fn, arg, err);
    if (tape->mounted)
        return fn(arg, tape->label, err);
    return pd_target_tape_look(tape->drive, fn, arg, err);
}

/* ---- positions ---- */

static enum pd_status tell(struct tape *tape, struct pd_drive_pos *out, struct pd_error *err)
{
    enum pd_status status = pd_drive_tell(tape->drive, out, err);

    if (status == PD_OK && !out->known)
        status = pd_error_set(err, PD_IO, 0, "the drive has lost its position");
    return status;
}

/* Goes to the end of what is recorded, or, where this object knows it, of what is finished. */
static enum pd_status find_next(struct tape *tape, struct pd_error *err)
{
    struct pd_drive_pos pos;
    enum pd_status status;

    if (tape->standing)
        return PD_OK;
    if (tape->next_known) {
        status = pd_drive_locate(tape->drive, tape->next_object, err);
        tape->standing = status == PD_OK;
        return status;
    }
    status = pd_drive_end(tape->drive, err);
    if (status == PD_OK)
        status = tell(tape, &pos, err);
    if (status == PD_OK && pos.file > UINT32_MAX)
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "more tape files than can be numbered");
    if (status == PD_OK && pos.file == 0)
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "the label (tape file 0) has no end");
    /* Records that no filemark ends were left by a run that died, and are written over. */
    if (status == PD_OK && pos.record > 0)
        status = pd_drive_locate(tape->drive, pos.object - pos.record, err);
    if (status != PD_OK)
        return status;
    tape->next_file = (uint32_t)pos.file;
    tape->next_object = pos.object - pos.record;
    tape->next_known = tape->standing = true;
    tape->stale = pd_mul_sat(pos.record, tape->block_size);
    return PD_OK;
}

static enum pd_status tape_position(void *impl, struct pd_target_position *out,
                                    struct pd_error *err)
{
    struct tape *tape = impl;
    enum pd_status status = find_next(tape, err);

    if (status == PD_OK) {
        out->file_count = tape->next_file;
        out->unended = tape->stale;
    }
    return status;
}

/* To the first object of a tape file. */
static enum pd_status go_to_file(struct tape *tape, uint32_t file, struct pd_error *err)
{
    struct pd_drive_pos pos;
    enum pd_status status;

    if (file == 0)
        return pd_drive_rewind(tape->drive, err);
    status = pd_drive_tell(tape->drive, &pos, err);
    if (status == PD_OK && !pos.known) {
        pos.file = pos.record = 0;
        status = pd_drive_rewind(tape->drive, err);
    }
    if (status != PD_OK || (pos.file == file && pos.record == 0))
        return status;
    if (pos.file < file)
        return pd_drive_space(tape->drive, PD_SPACE_FILES, (int64_t)(file - pos.file), err);
    /* Back to before the mark in front of it, and over that. */
    status = pd_drive_space(tape->drive, PD_SPACE_FILES, -(int64_t)(pos.file - file + 1), err);
    return status == PD_OK ? pd_drive_space(tape->drive, PD_SPACE_FILES, 1, err) : status;
}

static enum pd_status tape_cut(void *impl, uint32_t file_no, struct pd_error *err)
{
    struct tape *tape = impl;
    struct pd_drive_pos pos = {0};
    enum pd_status status = find_next(tape, err);

    if (status != PD_OK || file_no >= tape->next_file)
        return status;
    uint64_t end = tape->next_object, marks = tape->next_file - file_no;
    tape->next_known = tape->standing = false;
    status = go_to_file(tape, file_no, err);
    if (status == PD_OK)
        status = tell(tape, &pos, err);
    if (status != PD_OK)
        return status;
    tape->next_file = file_no;
    tape->next_object = pos.object;
    tape->next_known = tape->standing = true;
    tape->stale = pd_add_sat(tape->stale, pd_mul_sat(end - pos.object - marks, tape->block_size));
    return PD_OK;
}

/* Who has the drive has the volume in it. */
static enum pd_status tape_claim(void *impl, struct pd_error *err)
{
    (void)impl;
    (void)err;
    return PD_OK;
}

/* ---- writing ---- */

static enum pd_status tape_begin(void *impl, const char *name, uint32_t *file_no,
                                 struct pd_error *err)
{
    struct tape *tape = impl;
    struct pd_drive_status state;
    enum pd_status status = pd_drive_status(tape->drive, &state, err);

    (void)name; /* it stands in the archive itself */
    if (status == PD_OK && state.write_protected)
        status = pd_error_set(err, PD_WRITE_PROTECTED, 0, "the medium is write protected");
    if (status == PD_OK)
        status = find_next(tape, err);
    if (status != PD_OK)
        return status;
    if (tape->next_file == UINT32_MAX)
        return pd_error_set(err, PD_VOLUME_FULL, 0,
                            "it holds as many tape files as can be numbered");
    tape->records = 0;
    *file_no = tape->next_file;
    return PD_OK;
}

static enum pd_status tape_write(void *impl, const void *record, size_t len, struct pd_error *err)
{
    struct tape *tape = impl;
    bool early = false;
    enum pd_status status;

    tape->standing = false;
    status = pd_drive_write(tape->drive, record, len, &early, err);
    if (status != PD_OK)
        return status;
    tape->records++;
    tape->stale = 0;
    if (early && !tape->reserve)
        return pd_error_set(err, PD_VOLUME_FULL, 0,
                            "early warning at record %" PRIu64 " of tape file %" PRIu32,
                            tape->records, tape->next_file);
    return PD_OK;
}

static enum pd_status tape_end(void *impl, bool durable, struct pd_error *err)
{
    struct tape *tape = impl;
    enum pd_status status;

    tape->standing = false;
    status = pd_drive_marks(tape->drive, 1, !durable, err);
    if (status != PD_OK)
        return status;
    tape->next_file++;
    tape->next_object += tape->records + 1;
    tape->standing = true;
    return PD_OK;
}

static enum pd_status tape_abandon(void *impl, struct pd_error *err)
{
    struct tape *tape = impl;
    enum pd_status status = find_next(tape, err);

    if (status == PD_OK && tape->records > 0)
        tape->stale = pd_mul_sat(tape->records, tape->block_size);
    return status;
}

static enum pd_status tape_sync(void *impl, struct pd_error *err)
{
    struct tape *tape = impl;

    return pd_drive_marks(tape->drive, 0, false, err);
}

static enum pd_status tape_use_reserve(void *impl, bool on, struct pd_error *err)
{
    struct tape *tape = impl;

    (void)err;
    tape->reserve = on;
    return PD_OK;
}

/* ---- reading ---- */

static enum pd_status no_such_file(uint32_t file_no, struct pd_error *err)
{
    return pd_error_set(err, PD_MISSING, 0, "the volume holds no tape file %" PRIu32, file_no);
}

static enum pd_status tape_open_file(void *impl, uint32_t file_no, struct pd_error *err)
{
    struct tape *tape = impl;
    struct pd_drive_pos pos = {0};
    enum pd_status status;

    if (tape->next_known && file_no >= tape->next_file)
        return no_such_file(file_no, err);
    tape->standing = false;
    tape->first_valid = false;
    status = go_to_file(tape, file_no, err);
    if (status == PD_END_OF_DATA)
        return no_such_file(file_no, err);
    if (status == PD_OK)
        status = tell(tape, &pos, err);
    if (status != PD_OK)
        return status;
    pd_error_clear(&tape->first_error);
    tape->first_status = pd_drive_read(tape->drive, tape->first, (size_t)tape->block_size,
                                       &tape->first_got, &tape->first_error);
    if (tape->first_status == PD_END_OF_DATA)
        return no_such_file(file_no, err);
    tape->first_valid = true;
    tape->open_file = file_no;
    tape->open_object = pos.object;
    tape->open_record = 0;
    tape->at_mark = false;
    tape->moved = false;
    return PD_OK;
}

static enum pd_status at_end(const struct tape *tape, struct pd_error *err)
{
    return pd_error_set(err, PD_END_OF_FILE, 0, "end of tape file %" PRIu32, tape->open_file);
}

/* The record that opening has read. */
static enum pd_status give_first(struct tape *tape, void *buf, size_t *got, struct pd_error *err)
{
    tape->first_valid = false;
    if (tape->first_status != PD_OK) {
        *err = tape->first_error;
        return tape->first_status;
    }
    memcpy(buf, tape->first, tape->first_got);
    *got = tape->first_got;
    return PD_OK;
}

static enum pd_status next_record(struct tape *tape, void *buf, size_t size, size_t *got,
                                  struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (tape->open_record == 0 && tape->first_valid)
        return give_first(tape, buf, got, err);
    if (tape->moved)
        status = pd_drive_locate(tape->drive, tape->open_object + tape->open_record, err);
    if (status == PD_OK)
        status = pd_drive_read(tape->drive, buf, size, got, err);
    return status;
}

static enum pd_status tape_read(void *impl, void *buf, size_t size, size_t *got,
                                struct pd_error *err)
{
    struct tape *tape = impl;
    enum pd_status status;

    if (tape->at_mark)
        return at_end(tape, err);
    status = next_record(tape, buf, size, got, err);
    if (status == PD_END_OF_FILE) {
        tape->at_mark = true;
        return at_end(tape, err);
    }
    if (status == PD_END_OF_DATA) {
        tape->at_mark = true;
        return pd_error_set(err, PD_TRUNCATED, 0,
                            "the recorded data ends in tape file %" PRIu32 ", without a filemark",
                            tape->open_file);
    }
    tape->open_record++;
    /* Behind an error the drive may stand anywhere: go to the next record by its number. */
    tape->moved = status != PD_OK;
    return status;
}

static enum pd_status tape_seek(void *impl, uint64_t record, uint64_t record_size,
                                struct pd_error *err)
{
    struct tape *tape = impl;
    struct pd_drive_pos pos = {0};
    enum pd_status status;

    (void)record_size;
    if (!tape->at_mark && record == tape->open_record)
        return PD_OK;
    tape->at_mark = false;
    tape->first_valid = false;
    tape->open_record = record;
    tape->moved = true;
    status = pd_drive_locate(tape->drive, tape->open_object + record, err);
    if (status == PD_OK)
        status = pd_drive_tell(tape->drive, &pos, err);
    if (status == PD_END_OF_DATA || (status == PD_OK && pos.known && pos.file != tape->open_file)) {
        tape->at_mark = true;
        return at_end(tape, err);
    }
    tape->moved = status != PD_OK;
    return status;
}

static enum pd_status tape_close_file(void *impl, struct pd_error *err)
{
    struct tape *tape = impl;

    (void)err;
    tape->first_valid = false;
    return PD_OK;
}

/* ---- the rest ---- */

static enum pd_status tape_space_left(void *impl, struct pd_target_space *out, struct pd_error *err)
{
    struct tape *tape = impl;
    struct pd_drive_status state;
    enum pd_status status;

    memset(out, 0, sizeof(*out));
    out->available = UINT64_MAX;
    if (!tape->mounted)
        return PD_OK;
    status = pd_drive_status(tape->drive, &state, err);
    if (status != PD_OK || state.capacity == 0)
        return status;
    out->total = state.capacity;
    /* Drives that do not count bytes: all records are of one size. */
    if (state.used == 0 && !tape->next_known)
        return PD_OK;
    if (state.used == 0)
        state.used = pd_mul_sat(tape->next_object - tape->next_file, tape->block_size);
    else
        state.used -= tape->stale < state.used ? tape->stale : state.used;
    out->available = state.used < state.capacity ? state.capacity - state.used : 0;
    return PD_OK;
}

static enum pd_status tape_unmount(void *impl, struct pd_error *err)
{
    struct tape *tape = impl;

    forget_volume(tape);
    return pd_drive_unload(tape->drive, err);
}

static enum pd_status tape_drive(void *impl, struct pd_drive_status *out, struct pd_error *err)
{
    struct tape *tape = impl;

    forget_volume(tape);
    return pd_target_tape_drive(tape->drive, out, err);
}

static enum pd_status tape_close(void *impl, struct pd_error *err)
{
    struct tape *tape = impl;
    enum pd_status status;

    forget_volume(tape);
    status = pd_drive_close(tape->drive, err);
    if (tape->list_free != NULL)
        tape->list_free(tape->list_arg);
    free(tape);
    return status;
}

const struct pd_target_ops pd_target_tape_ops = {
    .scheme = "tape",
    .volumes = tape_volumes,
    .mount = tape_mount,
    .may_format = tape_may_format,
    .format = tape_format,
    .relabel = tape_relabel,
    .claim = tape_claim,
    .position = tape_position,
    .cut = tape_cut,
    .begin = tape_begin,
    .write = tape_write,
    .end = tape_end,
    .abandon = tape_abandon,
    .patch = pd_target_tape_patch,
    .rewrite = pd_target_tape_rewrite,
    .sync = tape_sync,
    .use_reserve = tape_use_reserve,
    .open_file = tape_open_file,
    .read = tape_read,
    .seek = tape_seek,
    .close_file = tape_close_file,
    .space_left = tape_space_left,
    .unmount = tape_unmount,
    .drive = tape_drive,
    .close = tape_close,
};

enum pd_status pd_target_tape_open(const struct pd_env *env, struct pd_drive *drive, bool library,
                                   pd_media_list_fn list, void *list_arg,
                                   void (*list_free)(void *list_arg), const char *url,
                                   struct pd_target **out, struct pd_error *err)
{
    const struct pd_target_caps caps = {.tape = true, .library = library};
    struct pd_error ignored = PD_ERROR_INIT;
    struct tape *tape = calloc(1, sizeof(*tape));

    *out = NULL;
    if (tape == NULL) {
        (void)!pd_drive_close(drive, &ignored);
        if (list_free != NULL)
            list_free(list_arg);
        return pd_error_memory(err, "a tape target");
    }
    tape->env = env;
    tape->drive = drive;
    tape->library = library;
    tape->list = list;
    tape->list_arg = list_arg;
    tape->list_free = list_free;
    return pd_target_new(&pd_target_tape_ops, tape, url, caps, out, err);
}
