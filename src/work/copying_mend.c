#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "copying_priv.h"
#include "pairdump/check.h"
#include "pairdump/registry.h"
#include "pairdump/replica.h"

/* One archive where it lies. */
struct mending {
    struct pd_copying *c;
    struct pd_target *target;
    struct pd_copying_item *item;
    const struct pd_copying_row *row;
    struct pd_copying_source source;
    uint8_t *record;
    bool *bad;  /* by record */
    bool whole; /* nothing can be kept: it is missing, or of another length */
};

/* ---- what is there ---- */

/* Reads on to the end: fewer records, or more, make it another file. */
static enum pd_status look_at_records(struct mending *m, struct pd_error *err)
{
    const struct pd_toc *toc = &m->source.toc;
    struct pd_error why = PD_ERROR_INIT;
    size_t size = (size_t)toc->record_size, got = 0;
    enum pd_status status = PD_OK, read = PD_OK;

    for (uint64_t no = 0; no < toc->record_count && !m->whole && status == PD_OK; no++) {
        read = pd_target_read(m->target, m->record, size, &got, &why);
        if (pd_copying_ends(read)) {
            *err = why;
            return read;
        }
        struct pd_xxh128 digest = pd_record_digest(m->record, got);
        m->whole = read == PD_END_OF_FILE || (read == PD_OK && got != size);
        m->bad[no] = read != PD_OK || !pd_xxh128_equal(&digest, &toc->records[no]);
        status = pd_env_check(m->c->env, err);
        if (status == PD_OK) {
            status = pd_copying_beat(m->c, err);
        }
    }
    if (status == PD_OK && !m->whole) {
        m->whole = pd_target_read(m->target, m->record, size, &got, &why) != PD_END_OF_FILE;
    }
    return status;
}

static enum pd_status look(struct mending *m, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_target_open_file(m->target, m->row->tape_file, &why);

    if (pd_copying_ends(status)) {
        *err = why;
        return status;
    }
    if (status != PD_OK) {
        m->whole = true;
        return PD_OK;
    }
    status = look_at_records(m, err);
    if (pd_target_close_file(m->target, &why) != PD_OK) { /* only read from */
        pd_log_error(m->c->env->log, PD_LOG_DEBUG, &why);
    }
    return status;
}

/* ---- mending ---- */

static enum pd_status patch_record(struct mending *m, uint64_t no, struct pd_error *err)
{
    const struct pd_toc *toc = &m->source.toc;
    const uint8_t *record = NULL;
    enum pd_status status = pd_replica_record(m->source.replica, no, &record, err);

    if (status == PD_OK) {
        status = pd_target_patch(m->target, m->row->tape_file, no, record, (size_t)toc->record_size,
                                 err);
        m->item->result.mended += status == PD_OK;
    }
    return status == PD_OK ? pd_copying_beat(m->c, err) : status;
}

/* Records that are good nowhere stay as they are, the others are mended; *first is the first. */
static enum pd_status patch_records(struct mending *m, uint64_t *first, struct pd_error *lost,
                                    struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (uint64_t no = 0; no < m->source.toc.record_count && status == PD_OK; no++) {
        struct pd_error why = PD_ERROR_INIT;
        status = m->bad[no] ? patch_record(m, no, &why) : PD_OK;
        if (status == PD_BAD_RECORD) {
            *first = lost->status == PD_OK ? no : *first;
            *lost = lost->status == PD_OK ? why : *lost;
            status = PD_OK;
        } else if (status != PD_OK) {
            *err = why;
        }
    }
    return status;
}

static enum pd_status write_records(struct mending *m, uint64_t *at, struct pd_error *err)
{
    const struct pd_toc *toc = &m->source.toc;
    enum pd_status status = PD_OK;

    for (*at = 0; *at < toc->record_count; ++*at) {
        const uint8_t *record = NULL;
        status = pd_replica_record(m->source.replica, *at, &record, err);
        if (status == PD_OK) {
            status = pd_target_write(m->target, record, (size_t)toc->record_size, err);
        }
        if (status == PD_OK) {
            status = pd_copying_beat(m->c, err);
        }
        if (status != PD_OK) {
            return status;
        }
    }
    return PD_OK;
}

static enum pd_status check_room(struct mending *m, struct pd_error *err)
{
    uint64_t need = m->source.toc.record_count * m->source.toc.record_size;
    struct pd_target_space space = {0};
    enum pd_status status = pd_target_space_left(m->target, &space, err);

    if (status == PD_OK && space.available < need) {
        status = pd_error_set(err, PD_NO_SPACE, 0,
                              "%" PRIu64 " bytes are needed to write the file anew, %" PRIu64
                              " are free",
                              need, space.available);
    }
    return status;
}

/* *at: the record that it came to. */
static enum pd_status write_whole(struct mending *m, uint64_t *at, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = check_room(m, err);

    if (status == PD_OK) {
        status = pd_target_rewrite(m->target, m->row->tape_file, m->source.toc.name, err);
    }
    if (status != PD_OK) {
        return status;
    }
    status = write_records(m, at, err);
    if (status == PD_OK) {
        status = pd_target_end(m->target, true, err);
    }
    if (status != PD_OK && pd_target_abandon(m->target, &late) != PD_OK) {
        pd_log_error(m->c->env->log, PD_LOG_WARN, &late);
    }
    if (status == PD_OK) {
        m->item->result.mended = m->source.toc.record_count;
    }
    return status;
}

static enum pd_status mend(struct mending *m, struct pd_error *err)
{
    struct pd_error lost = PD_ERROR_INIT, why = PD_ERROR_INIT;
    uint64_t at = 0;
    enum pd_status status =
        m->whole ? write_whole(m, &at, &why) : patch_records(m, &at, &lost, &why);

    if (m->whole && status == PD_BAD_RECORD) {
        lost = why;
        status = PD_OK;
    }
    m->item->result.bytes = m->item->result.mended * m->source.toc.record_size;
    m->c->summary->mended += m->item->result.mended;
    m->c->summary->bytes += m->item->result.bytes;
    if (status == PD_OK && lost.status != PD_OK) {
        return pd_copying_lose(m->c, m->item, &m->source, at, &lost, err);
    }
    if (status == PD_OK) {
        m->item->state = PD_COPYING_WRITTEN;
        return PD_OK;
    }
    if (pd_copying_ends(status)) {
        *err = why;
        return status;
    }
    return pd_copying_fail(m->item, status, &why);
}

static enum pd_status mend_archive(struct mending *m, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_copying_open(m->c, m->item, &m->source, &why);

    if (status != PD_OK && !pd_copying_ends(status)) {
        return pd_copying_fail(m->item, status, &why);
    }
    if (status != PD_OK) {
        *err = why;
        return status;
    }
    m->record = pd_record_alloc((size_t)m->source.toc.record_size);
    m->bad = calloc(m->source.toc.record_count + 1, sizeof *m->bad);
    if (!m->record || !m->bad) {
        return pd_error_memory(err, "records");
    }
    status = look(m, err);
    return status == PD_OK ? mend(m, err) : status;
}

/* ---- which ---- */

/* The row of an archive on the volume, if its tape file is there to be mended: one that could not
 * be written has none, and its number is another's, or none's. */
static const struct pd_copying_row *row_on_old(const struct pd_copying *c, int64_t archive_id)
{
    const struct pd_copying_row *row = NULL;
    bool shared = false;

    for (size_t i = 0; i < c->row_count; i++) {
        if (c->rows[i].archive_id == archive_id && c->rows[i].volume_id == c->old.id) {
            row = &c->rows[i];
        }
    }
    if (!row || row->tape_file >= c->old.tape_files) {
        return NULL;
    }
    for (size_t i = 0; i < c->row_count; i++) {
        shared = shared || (c->rows[i].volume_id == c->old.id && &c->rows[i] != row &&
                            c->rows[i].tape_file == row->tape_file);
    }
    return shared && row->state == PD_COPY_BAD ? NULL : row;
}

static enum pd_status mend_item(struct pd_copying *c, struct pd_target *target,
                                struct pd_copying_item *item, struct pd_error *err)
{
    struct mending m = {
        .c = c, .target = target, .item = item, .row = row_on_old(c, item->archive.id)};
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status;

    memcpy(item->result.label, c->old.label, sizeof item->result.label);
    if (!m.row) {
        status = pd_error_set(&why, PD_MISSING, 0,
                              "was never whole on this volume; repair --to makes it on another");
        return pd_copying_fail(item, status, &why);
    }
    item->copy_id = m.row->id;
    item->volume_id = c->old.id;
    status = mend_archive(&m, err);
    pd_copying_close(&m.source);
    free(m.record);
    free(m.bad);
    return status;
}

/* ---- the volume ---- */

static enum pd_status open_old(struct pd_copying *c, const char *url, struct pd_target **out,
                               struct pd_error *err)
{
    enum pd_status status = pd_target_open(c->env, url, out, err);

    if (status == PD_OK && pd_target_caps(*out).tape) {
        status = pd_error_set(err, PD_UNSUPPORTED, 0,
                              "records in the middle of a tape cannot be written anew; give --to");
    }
    if (status == PD_OK) {
        status = pd_target_mount(*out, c->old.label, err);
    }
    if (status == PD_OK && strcmp(pd_target_label(*out)->uuid, c->old.uuid) != 0) {
        status = pd_error_set(err, PD_WRONG_VOLUME, 0, "has another UUID than in the catalog");
    }
    if (status == PD_OK && pd_target_label(*out)->block_size != c->block_size) {
        status = pd_error_set(err, PD_WRONG_VOLUME, 0, "has another block size than its archives");
    }
    if (status != PD_OK) {
        pd_error_context(err, c->old.label, NULL, NULL);
    }
    return status;
}

enum pd_status pd_copying_mend(struct pd_copying *c, char **url, struct pd_error *err)
{
    struct pd_target *target = NULL;
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status =
        pd_locate_volume(c->env, &c->old, c->options->at, c->options->at_count, url, err);

    if (status == PD_OK) {
        status = open_old(c, *url, &target, err);
    }
    for (size_t i = 0; i < c->count && status == PD_OK; i++) {
        status = mend_item(c, target, &c->items[i], err);
    }
    enum pd_status closed = pd_target_close(target, status == PD_OK ? err : &late);
    return status == PD_OK ? closed : status;
}
