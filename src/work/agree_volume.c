#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agree_priv.h"
#include "pairdump/tar.h"

struct look {
    const struct pd_agree_run *run;
    struct pd_target *target;
    struct pd_volume_row row;
    struct pd_agree_copies copies;
    uint8_t *record;
    size_t size;
    bool lost; /* what ails it is not its own fault: it is out of reach */
};

/* ---- rows ---- */

static enum pd_status take_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct pd_agree_copies *copies = arg;
    struct pd_agree_copy *list = reallocarray(copies->list, copies->count + 1, sizeof(*list));
    struct pd_agree_copy *copy;

    if (list == NULL)
        return pd_error_memory(err, "the copies of a volume");
    copies->list = list;
    copy = &list[copies->count++];
    copy->archive_id = row->archive_id;
    copy->tape_file = row->tape_file;
    copy->state = row->state;
    memcpy(copy->name, row->archive, sizeof(copy->name));
    return PD_OK;
}

enum pd_status pd_agree_copies_load(struct pd_catalog *catalog, int64_t volume_id,
                                    struct pd_agree_copies *out, struct pd_error *err)
{
    memset(out, 0, sizeof(*out));
    return pd_catalog_copies(catalog, 0, volume_id, take_copy, out, err);
}

void pd_agree_copies_release(struct pd_agree_copies *copies)
{
    free(copies->list);
    memset(copies, 0, sizeof(*copies));
}

bool pd_agree_copy_counts(const struct pd_agree_copy *copy)
{
    return copy->state == PD_COPY_WRITTEN || copy->state == PD_COPY_VERIFIED;
}

/* The volume's row after its copies', so that it is not behind them. */
static enum pd_status read_rows(struct look *look, struct pd_error *err)
{
    char uuid[PD_UUID_TEXT];
    enum pd_status status;

    pd_agree_copies_release(&look->copies);
    status = pd_agree_copies_load(look->run->catalog, look->row.id, &look->copies, err);
    memcpy(uuid, look->row.uuid, sizeof(uuid));
    if (status == PD_OK)
        status = pd_catalog_volume_find(look->run->catalog, uuid, &look->row, err);
    return status;
}

/* ---- findings ---- */

/* What was found, PD_OK too. Other values than PD_OK end the run. */
static enum pd_status settle(struct look *look, enum pd_status found, struct pd_error *why,
                             const char *archive, struct pd_error *err)
{
    if (pd_agree_ends(found)) {
        *err = *why;
        return found;
    }
    if (pd_status_blames_copy(found)) {
        pd_agree_problem(look->run, why, look->row.label, archive);
    } else if (found != PD_OK) {
        look->lost = true;
        pd_agree_unreachable(look->run, why, look->row.label);
    }
    return PD_OK;
}

/* ---- one tape file ---- */

/* Top folder of what the record in the buffer begins; "" when it begins no folder. */
static enum pd_status read_top(const struct look *look, size_t len, struct pd_buf *top,
                               struct pd_error *err)
{
    struct pd_error ignored = PD_ERROR_INIT;
    char name[256] = "";

    (void)!pd_tar_top(look->record, len, name, sizeof name, &ignored);
    pd_buf_clear(top);
    return pd_buf_puts(top, name) == PD_OK ? PD_OK : pd_error_memory(err, "a name");
}

static enum pd_status check_record(const struct look *look, const struct pd_toc *toc,
                                   uint64_t number, size_t got, struct pd_error *why)
{
    struct pd_xxh128 digest = pd_record_digest(look->record, got);

    if (got != look->size)
        return pd_error_set(why, PD_TRUNCATED, 0, "record %" PRIu64 " has %zu bytes instead of %zu",
                            number, got, look->size);
    if (!pd_xxh128_equal(&digest, &toc->records[number]))
        return pd_error_set(why, PD_BAD_RECORD, 0, "record %" PRIu64 " is not the one recorded",
                            number);
    return PD_OK;
}

static enum pd_status check_first(struct look *look, uint32_t tape_file, const struct pd_toc *toc,
                                  struct pd_error *why)
{
    struct pd_buf top = PD_BUF_INIT;
    size_t got = 0;
    enum pd_status status = pd_target_read(look->target, look->record, look->size, &got, why);

    if (status == PD_END_OF_FILE)
        return pd_error_set(why, PD_TRUNCATED, 0, "tape file %" PRIu32 " is empty", tape_file);
    if (status == PD_OK)
        status = read_top(look, got, &top, why);
    if (status == PD_OK && top.len > 0 && strcmp(top.data, toc->name) != 0)
        status = pd_error_set(why, PD_MISSING, 0, "tape file %" PRIu32 " holds %s", tape_file,
                              top.data);
    if (status == PD_OK)
        status = check_record(look, toc, 0, got, why);
    pd_buf_free(&top);
    return status;
}

/* The last record, and nothing behind it. */
static enum pd_status check_last(struct look *look, const struct pd_toc *toc,
                                 struct pd_error *why)
{
    uint64_t last = toc->record_count - 1;
    size_t got = 0;
    enum pd_status status = pd_target_seek(look->target, last, look->size, why);

    if (status == PD_OK)
        status = pd_target_read(look->target, look->record, look->size, &got, why);
    if (status == PD_END_OF_FILE)
        return pd_error_set(why, PD_TRUNCATED, 0, "has fewer than %" PRIu64 " records", last + 1);
    if (status == PD_OK)
        status = check_record(look, toc, last, got, why);
    if (status != PD_OK)
        return status;
    status = pd_target_read(look->target, look->record, look->size, &got, why);
    if (status == PD_OK)
        return pd_error_set(why, PD_BAD_FORMAT, 0, "goes on behind its %" PRIu64 " records",
                            last + 1);
    return status == PD_END_OF_FILE ? PD_OK : status;
}

static void close_file(const struct look *look)
{
    struct pd_error ignored = PD_ERROR_INIT;

    (void)!pd_target_close_file(look->target, &ignored); /* only read from */
}

static enum pd_status compare(struct look *look, uint32_t tape_file, const struct pd_toc *toc,
                              struct pd_error *why)
{
    enum pd_status status;

    if (toc->record_size != look->size || toc->record_count == 0)
        return pd_error_set(why, PD_BAD_FORMAT, 0,
                            "%" PRIu64 " records of %" PRIu64 " bytes are recorded, those of the "
                            "volume have %zu",
                            toc->record_count, toc->record_size, look->size);
    status = pd_target_open_file(look->target, tape_file, why);
    if (status != PD_OK)
        return status;
    status = check_first(look, tape_file, toc, why);
    if (status == PD_OK)
        status = check_last(look, toc, why);
    close_file(look);
    return status;
}

static enum pd_status check_copy(struct look *look, const struct pd_agree_copy *copy,
                                 struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    struct pd_toc toc;
    enum pd_status status = pd_catalog_toc(look->run->catalog, copy->archive_id, &toc, err);

    if (status == PD_OK)
        status = settle(look, compare(look, copy->tape_file, &toc, &why), &why, copy->name, err);
    if (status == PD_OK && !look->lost)
        look->run->summary->archives++;
    pd_toc_release(&toc);
    return status;
}

/* In the order of their tape files, so that a tape is read forwards. */
static enum pd_status check_copies(struct look *look, struct pd_error *err)
{
    struct pd_error what = PD_ERROR_INIT;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < look->copies.count && status == PD_OK && !look->lost; i++) {
        const struct pd_agree_copy *copy = &look->copies.list[i];

        status = pd_env_check(look->run->env, err);
        if (status == PD_OK && pd_agree_copy_counts(copy))
            status = check_copy(look, copy, err);
        if (copy->state == PD_COPY_WRITING) {
            (void)pd_error_set(&what, PD_INTERRUPTED, 0,
                               "is being written, or its dump was interrupted");
            pd_agree_warn(look->run, &what, look->row.label, copy->name);
        }
    }
    return status;
}

/* ---- how many tape files ---- */

/* Top folder of a tape file that is not recorded; what cannot be read has none. */
static enum pd_status top_of_file(struct look *look, uint32_t tape_file, struct pd_buf *top,
                                  struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    size_t got = 0;
    enum pd_status status = pd_target_open_file(look->target, tape_file, &why);

    pd_buf_clear(top);
    if (status == PD_OK) {
        status = pd_target_read(look->target, look->record, look->size, &got, &why);
        close_file(look);
    }
    if (status == PD_OK)
        return read_top(look, got, top, err);
    if (!pd_agree_ends(status))
        return PD_OK;
    *err = why;
    return status;
}

/* Is it an archive, or the index, of a dump that has not come to its end? */
static enum pd_status is_of_open_dump(const struct look *look, const struct pd_buf *top, bool *is,
                                      struct pd_error *err)
{
    char *dot = top->len > 0 ? strrchr(top->data, '.') : NULL;
    struct pd_dump_row dump;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status;

    *is = false;
    if (dot == NULL)
        return PD_OK;
    *dot = '\0';
    status = pd_catalog_dump_find(look->run->catalog, top->data, &dump, &why);
    *is = status == PD_OK && dump.state != PD_DUMP_DONE && strcmp(dump.name, top->data) == 0;
    *dot = '.';
    if (status == PD_OK || status == PD_NOT_FOUND)
        return PD_OK;
    *err = why;
    return status;
}

/* A dump that is at work, was interrupted, or lost this copy leaves tape files not counted. */
static enum pd_status is_left_over(const struct look *look, const struct pd_buf *top, bool *is,
                                   struct pd_error *err)
{
    enum pd_status status = is_of_open_dump(look, top, is, err);

    for (size_t i = 0; i < look->copies.count && top->len > 0; i++)
        *is = *is || (!pd_agree_copy_counts(&look->copies.list[i]) &&
                      strcmp(look->copies.list[i].name, top->data) == 0);
    return status;
}

static enum pd_status judge_surplus(struct look *look, uint32_t tape_file, struct pd_buf *top,
                                    struct pd_error *err)
{
    struct pd_error what = PD_ERROR_INIT;
    bool left_over = false;
    enum pd_status status = top_of_file(look, tape_file, top, err);

    if (status == PD_OK)
        status = is_left_over(look, top, &left_over, err);
    if (status != PD_OK)
        return status;
    if (left_over) {
        (void)pd_error_set(&what, PD_INTERRUPTED, 0,
                           "tape file %" PRIu32 " is not recorded: its dump is at work, or did not "
                           "end well",
                           tape_file);
        pd_agree_warn(look->run, &what, look->row.label, top->data);
    } else {
        (void)pd_error_set(&what, PD_NOT_FOUND, 0, "tape file %" PRIu32 " is not in the catalog",
                           tape_file);
        pd_agree_problem(look->run, &what, look->row.label, top->len > 0 ? top->data : NULL);
    }
    return PD_OK;
}

/* More than were recorded when the look began; by now they may be. */
static enum pd_status check_surplus(struct look *look, uint32_t count, struct pd_error *err)
{
    struct pd_buf top = PD_BUF_INIT;
    enum pd_status status = read_rows(look, err);

    for (uint64_t n = look->row.tape_files;
         n < count && status == PD_OK && look->row.state != PD_VOLUME_BAD; n++) {
        status = pd_env_check(look->run->env, err);
        if (status == PD_OK)
            status = judge_surplus(look, (uint32_t)n, &top, err);
    }
    pd_buf_free(&top);
    return status;
}

/* Bad copies may be gone. How many are, of those from this tape file on? */
static uint64_t bad_gone(const struct look *look, uint32_t from)
{
    struct pd_error why = PD_ERROR_INIT;
    uint64_t gone = 0;

    for (size_t i = 0; i < look->copies.count; i++) {
        const struct pd_agree_copy *copy = &look->copies.list[i];
        enum pd_status status;

        if (copy->state != PD_COPY_BAD || copy->tape_file < from)
            continue;
        status = pd_target_open_file(look->target, copy->tape_file, &why);
        gone += status == PD_MISSING;
        if (status == PD_OK)
            close_file(look);
    }
    return gone;
}

static enum pd_status check_count(struct look *look, struct pd_error *err)
{
    struct pd_target_position position = {0};
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_target_position(look->target, &position, &why);

    if (status == PD_BAD_FORMAT && bad_gone(look, 0) > 0) {
        pd_agree_warn(look->run, &why, look->row.label, NULL); /* so it cannot be counted */
        return PD_OK;
    }
    if (status != PD_OK)
        return settle(look, status, &why, NULL, err);
    if (position.unended > 0) {
        (void)pd_error_set(&why, PD_INTERRUPTED, 0,
                           "%" PRIu64 " bytes behind its last filemark belong to no tape file; the "
                           "next dump writes over them",
                           position.unended);
        pd_agree_warn(look->run, &why, look->row.label, NULL);
    }
    if (position.file_count > look->row.tape_files)
        return check_surplus(look, position.file_count, err);
    if (position.file_count + bad_gone(look, position.file_count) < look->row.tape_files) {
        (void)pd_error_set(&why, PD_MISSING, 0,
                           "holds %" PRIu32 " tape files, the catalog says %" PRIu64,
                           position.file_count, look->row.tape_files);
        pd_agree_problem(look->run, &why, look->row.label, NULL);
    }
    return PD_OK;
}

enum pd_status pd_agree_volume(const struct pd_agree_run *run, struct pd_target *target,
                               const struct pd_volume_row *row, struct pd_error *err)
{
    struct look look = {.run = run,
                        .target = target,
                        .row = *row,
                        .size = (size_t)pd_target_label(target)->block_size};
    enum pd_status status = PD_OK;

    look.record = pd_record_alloc(look.size);
    if (look.record == NULL)
        status = pd_error_memory(err, "a record");
    if (status == PD_OK)
        status = read_rows(&look, err);
    if (status == PD_OK)
        status = check_copies(&look, err);
    /* a bad volume is known not to be as recorded */
    if (status == PD_OK && !look.lost && look.row.state != PD_VOLUME_BAD &&
        look.row.state != PD_VOLUME_SCRATCH)
        status = check_count(&look, err);
    if (status == PD_OK && !look.lost)
        run->summary->volumes++;
    pd_agree_copies_release(&look.copies);
    free(look.record);
    return status;
}
