#include <inttypes.h>

#include "pairdump/text.h"
#include "target_tape_priv.h"

#define LABEL_BUF         ((size_t)4 << 20) /* the block size is unknown until the label is read */
#define LABEL_RECORDS_MAX 64

/* Reads on to the end of tape file 0; PD_BLANK if there is none: labelling was interrupted. */
static enum pd_status finish_label(struct pd_drive *drive, void *buf, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status = PD_OK;
    size_t got;

    for (int i = 0; i < LABEL_RECORDS_MAX && status == PD_OK; i++)
        status = pd_drive_read(drive, buf, LABEL_BUF, &got, &found);
    if (status == PD_END_OF_FILE)
        return PD_OK;
    if (status == PD_END_OF_DATA)
        return pd_error_set(err, PD_BLANK, 0, "the label is unfinished; label the volume again");
    if (status == PD_OK)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "tape file 0 goes on behind the label");
    *err = found;
    return status;
}

/* From the start of the medium: PD_OK with the label, PD_BLANK, PD_FOREIGN, or trouble. */
enum pd_status pd_target_tape_read_label(struct pd_drive *drive, struct pd_label *out,
                                         struct pd_error *err)
{
    char *buf = pd_record_alloc(LABEL_BUF);
    size_t got = 0;
    enum pd_status status;

    if (buf == NULL)
        return pd_error_memory(err, "a volume label");
    status = pd_drive_rewind(drive, err);
    if (status == PD_OK)
        status = pd_drive_read(drive, buf, LABEL_BUF, &got, err);
    if (status == PD_OK)
        status = pd_label_decode(buf, got, out, err);
    else if (status == PD_END_OF_DATA)
        status = pd_error_set(err, PD_BLANK, 0, "nothing is recorded on it");
    else if (status == PD_END_OF_FILE)
        status = pd_error_set(err, PD_FOREIGN, 0, "it begins with a filemark, not with a label");
    else if (status == PD_BAD_FORMAT)
        status = pd_error_set(err, PD_FOREIGN, 0, "its first record is longer than any of ours");
    if (status == PD_OK && got != out->block_size)
        status = pd_error_set(err, PD_BAD_FORMAT, 0,
                              "its records are of %zu bytes, its label says %" PRIu64, got,
                              out->block_size);
    if (status == PD_OK)
        status = finish_label(drive, buf, err);
    free(buf);
    return status;
}

enum pd_status pd_target_tape_write_label(struct pd_drive *drive, const struct pd_label *label,
                                          struct pd_error *err)
{
    struct pd_buf bytes = PD_BUF_INIT;
    bool early = false;
    enum pd_status status = pd_label_encode(label, &bytes, err);

    if (status == PD_OK)
        status = pd_drive_rewind(drive, err);
    for (size_t at = 0; status == PD_OK && at < bytes.len; at += (size_t)label->block_size)
        status = pd_drive_write(drive, bytes.data + at, (size_t)label->block_size, &early, err);
    if (status == PD_OK)
        status = pd_drive_marks(drive, 1, false, err);
    else if (status == PD_VOLUME_FULL)
        status = pd_error_set(err, PD_NO_SPACE, 0, "the medium is too small even for its label");
    pd_buf_free(&bytes);
    return status;
}

static enum pd_status check_drive(struct pd_drive *drive, const struct pd_label *label,
                                  struct pd_drive_status *state, struct pd_error *err)
{
    enum pd_status status = pd_drive_status(drive, state, err);

    if (status == PD_OK && state->max_record > 0 && label->block_size > state->max_record)
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "the drive writes records up to %" PRIu64 " bytes, not %" PRIu64,
                            state->max_record, label->block_size);
    return status;
}

/* Nothing but a blank medium may be labelled. */
enum pd_status pd_target_tape_check_blank(struct pd_drive *drive, const struct pd_label *label,
                                          bool by_hand, struct pd_error *err)
{
    struct pd_drive_status state;
    struct pd_label old;
    enum pd_status status = check_drive(drive, label, &state, err);

    if (status != PD_OK)
        return status;
    status = pd_target_tape_read_label(drive, &old, err);
    if (status == PD_OK && by_hand && strcmp(old.label, label->label) != 0)
        return pd_error_set(err, PD_NO_VOLUME, 0,
                            "volume %s is in the drive; put in a blank one for %s", old.label,
                            label->label);
    if (status == PD_OK)
        return pd_error_set(err, PD_EXISTS, 0, "the medium is volume %s already", old.label);
    if (status != PD_BLANK)
        return status;
    if (state.write_protected)
        return pd_error_set(err, PD_WRITE_PROTECTED, 0, "the medium is write protected");
    return PD_OK;
}

/* What was fetched by label is that cartridge only by the configuration, until it was seen to come.
 * *again: it was brought once more, and seen. */
static enum pd_status see_it_come(const struct pd_env *env, struct pd_drive *drive,
                                  const char *label, bool *again, struct pd_error *err)
{
    struct pd_drive_status state;
    enum pd_status status = pd_drive_status(drive, &state, err);

    *again = false;
    if (status != PD_OK || state.seen)
        return status;
    pd_log_line(env->log, PD_LOG_NOTE,
                "%s: is brought once more, to see that it comes to this drive", label);
    status = pd_drive_unload(drive, err);
    if (status == PD_OK)
        status = pd_drive_load(drive, label, err);
    *again = status == PD_OK;
    return status;
}

static enum pd_status read_and_compare(struct pd_drive *drive, bool library, const char *label,
                                       struct pd_label *out, struct pd_error *err)
{
    struct pd_drive_status state = {0};
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status = pd_target_tape_read_label(drive, out, err);

    if (status != PD_OK || label == NULL || strcmp(out->label, label) == 0)
        return status;
    if (library && pd_drive_status(drive, &state, &ignored) == PD_OK && state.medium[0] != '\0')
        return pd_error_set(err, PD_WRONG_VOLUME, 0,
                            "the cartridge of barcode %s bears the label %s, not %s", state.medium,
                            out->label, label);
    return pd_error_set(err, PD_WRONG_VOLUME, 0, "volume %s is in the drive, not %s", out->label,
                        label);
}

enum pd_status pd_target_tape_identify(const struct pd_env *env, struct pd_drive *drive,
                                       bool library, const char *label, struct pd_label *out,
                                       struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    bool again = false;
    enum pd_status seen, status = read_and_compare(drive, library, label, out, err);

    if (!library || label == NULL ||
        (status != PD_WRONG_VOLUME && status != PD_BLANK && status != PD_FOREIGN &&
         status != PD_BAD_FORMAT))
        return status;
    seen = see_it_come(env, drive, label, &again, &why);
    if (seen == PD_OK)
        return again ? read_and_compare(drive, library, label, out, err) : status;
    *err = why;
    return seen;
}

enum pd_status pd_target_tape_check_cartridge(const struct pd_env *env, struct pd_drive *drive,
                                              const struct pd_label *label, struct pd_error *err)
{
    bool again = false;
    enum pd_status status = pd_target_tape_check_blank(drive, label, false, err);

    if (status == PD_OK)
        status = see_it_come(env, drive, label->label, &again, err);
    return again ? pd_target_tape_check_blank(drive, label, false, err) : status;
}

/* The medium bears the label of this UUID, and may be written, with such records. */
static enum pd_status check_old(struct pd_drive *drive, const char *old_uuid,
                                const struct pd_label *label, struct pd_error *err)
{
    struct pd_drive_status state;
    struct pd_label old;
    enum pd_status status = check_drive(drive, label, &state, err);

    if (status == PD_OK)
        status = pd_target_tape_read_label(drive, &old, err);
    if (status == PD_OK && strcmp(old.uuid, old_uuid) != 0)
        return pd_error_set(err, PD_WRONG_VOLUME, 0, "the medium is volume %s %s by now", old.label,
                            old.uuid);
    if (status == PD_OK && state.write_protected)
        return pd_error_set(err, PD_WRITE_PROTECTED, 0, "the medium is write protected");
    return status;
}

enum pd_status pd_target_tape_relabel(struct pd_drive *drive, const char *fixed,
                                      const char *old_uuid, const struct pd_label *label,
                                      pd_before_fn before, void *arg, struct pd_error *err)
{
    enum pd_status status;

    if (fixed != NULL && strcmp(fixed, label->label) != 0)
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "in a library the label is the cartridge's barcode: it stays %s",
                            fixed);
    status = check_old(drive, old_uuid, label, err);
    if (status == PD_OK)
        status = before(arg, err);
    return status == PD_OK ? pd_target_tape_write_label(drive, label, err) : status;
}

struct search {
    const char *label;
    bool found;
};

static enum pd_status compare(void *arg, const char *label, struct pd_error *err)
{
    struct search *search = arg;

    (void)err;
    if (strcmp(label, search->label) == 0)
        search->found = true;
    return PD_OK;
}

enum pd_status pd_target_tape_load(struct pd_drive *drive, pd_media_list_fn list, void *list_arg,
                                   const char *label, struct pd_error *err)
{
    struct search search = {label, false};
    enum pd_status status;

    if (label == NULL || list == NULL)
        return pd_drive_load(drive, NULL, err);
    status = list(list_arg, compare, &search, err);
    if (status == PD_OK && !search.found)
        status = pd_error_set(err, PD_NOT_FOUND, 0, "no medium %s for this drive", label);
    return status == PD_OK ? pd_drive_load(drive, label, err) : status;
}

enum pd_status pd_target_tape_drive(struct pd_drive *drive, struct pd_drive_status *out,
                                    struct pd_error *err)
{
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status = pd_drive_load(drive, NULL, err);

    if (status == PD_OK)
        status = pd_drive_rewind(drive, err);
    if (status == PD_OK)
        return pd_drive_status(drive, out, err);
    (void)!pd_drive_status(drive, out, &ignored); /* why it is not loaded is known */
    return status;
}

enum pd_status pd_target_tape_look(struct pd_drive *drive, pd_volume_fn fn, void *arg,
                                   struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    struct pd_label label;
    enum pd_status status = pd_drive_load(drive, NULL, &found);

    if (status == PD_OK)
        status = pd_target_tape_read_label(drive, &label, &found);
    if (status == PD_OK)
        return fn(arg, label.label, err);
    if (status == PD_NO_MEDIUM || status == PD_BLANK || status == PD_FOREIGN)
        return PD_OK;
    *err = found;
    return status;
}

enum pd_status pd_target_tape_not_here(const char *label, enum pd_status status,
                                       struct pd_error *err)
{
    struct pd_error why = *err;

    if (status != PD_WRONG_VOLUME && status != PD_BLANK && status != PD_FOREIGN)
        return status;
    return pd_error_set(err, PD_NOT_FOUND, 0, "%s is not in the drive: %s", label, why.message);
}

/* ---- what tapes do not ---- */

static enum pd_status refuse(struct pd_error *err)
{
    return pd_error_set(err, PD_UNSUPPORTED, 0,
                        "records in the middle of a tape cannot be written anew; make a new copy");
}

enum pd_status pd_target_tape_patch(void *impl, uint32_t file_no, uint64_t record,
                                    const void *bytes, size_t len, struct pd_error *err)
{
    (void)impl, (void)file_no, (void)record, (void)bytes, (void)len;
    return refuse(err);
}

enum pd_status pd_target_tape_rewrite(void *impl, uint32_t file_no, const char *name,
                                      struct pd_error *err)
{
    (void)impl, (void)file_no, (void)name;
    return refuse(err);
}
