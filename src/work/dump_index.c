#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "dump_priv.h"
#include "pairdump/index.h"
#include "pairdump/tar.h"

struct index_out {
    struct pd_target *target;
    uint8_t *record;
    size_t size, used;
    struct pd_toc records; /* what was written, for reading it back */
};

static enum pd_status put_record(struct index_out *out, struct pd_error *err)
{
    enum pd_status status = pd_target_write(out->target, out->record, out->size, err);

    out->used = 0;
    return status == PD_OK ? pd_toc_add_record(&out->records,
                                               pd_record_digest(out->record, out->size), err)
                           : status;
}

static enum pd_status put(void *arg, const void *bytes, size_t len, struct pd_error *err)
{
    struct index_out *out = arg;
    const uint8_t *from = bytes;
    enum pd_status status = PD_OK;

    while (len > 0 && status == PD_OK) {
        size_t n = out->size - out->used < len ? out->size - out->used : len;
        memcpy(out->record + out->used, from, n);
        out->used += n;
        from += n;
        len -= n;
        if (out->used == out->size) {
            status = put_record(out, err);
        }
    }
    return status;
}

/* The text names the tape file of one copy; another copy may have the archive elsewhere. */
static enum pd_status text_for(struct pd_dump_lane *l, const struct pd_dump_archive *a,
                               uint32_t tape_file, struct pd_buf *text, struct pd_error *err)
{
    struct pd_toc toc;
    enum pd_status status;

    if (tape_file == a->index_tape_file) {
        return pd_book_text(&l->d->book, a->index_offset, a->index_len, text, err);
    }
    status = pd_book_toc(&l->d->book, a->index_offset, a->index_len, &toc, err);
    if (status == PD_OK && pd_index_encode(&toc, tape_file, text) != PD_OK) {
        status = pd_error_memory(err, "index");
    }
    pd_toc_release(&toc);
    return status;
}

static enum pd_status put_archive(struct pd_dump_lane *l, const struct pd_dump_archive *a,
                                  uint32_t tape_file, struct pd_tar_writer *tar,
                                  struct pd_error *err)
{
    struct pd_buf text = PD_BUF_INIT;
    char path[300];
    int64_t now = pd_clock_utc(l->d->env->clock) / PD_NS_PER_S;
    enum pd_status status = text_for(l, a, tape_file, &text, err);

    snprintf(path, sizeof path, "%s.index/%s.txt", l->d->row->name, a->row.name);
    if (status == PD_OK) {
        status = pd_tar_file(tar, path, text.data, text.len, now, err);
    }
    pd_buf_free(&text);
    return status;
}

static enum pd_status put_info(struct pd_dump_lane *l, size_t copy, uint64_t archives,
                               struct pd_tar_writer *tar, struct pd_error *err)
{
    const struct pd_volume_row *volume = &pd_pool_copy(l->pool, copy)->volume;
    struct pd_index_info info = {.archives = archives, .created = pd_clock_utc(l->d->env->clock)};
    struct pd_buf text = PD_BUF_INIT;
    char path[300];
    enum pd_status status;

    snprintf(info.dump_name, sizeof info.dump_name, "%s", l->d->row->name);
    snprintf(info.dump_uuid, sizeof info.dump_uuid, "%s", l->d->row->uuid);
    snprintf(info.label, sizeof info.label, "%s", volume->label);
    snprintf(info.volume_uuid, sizeof info.volume_uuid, "%s", volume->uuid);
    snprintf(path, sizeof path, "%s.index/index-info.txt", l->d->row->name);
    status = pd_index_info_encode(&info, &text) == PD_OK ? PD_OK : pd_error_memory(err, "index");
    if (status == PD_OK) {
        status = pd_tar_file(tar, path, text.data, text.len, info.created / PD_NS_PER_S, err);
    }
    pd_buf_free(&text);
    return status;
}

static enum pd_status put_index(struct pd_dump_lane *l, size_t copy, struct index_out *out,
                                struct pd_error *err)
{
    struct pd_tar_writer *tar = NULL;
    uint64_t archives = 0;
    enum pd_status status = pd_tar_writer_new(put, out, &tar, err);

    for (size_t a = l->pair_start; a < l->archive_count; a++) {
        archives += l->archives[a].copies[copy].written;
    }
    if (status == PD_OK) {
        status = put_info(l, copy, archives, tar, err);
    }
    for (size_t a = l->pair_start; a < l->archive_count && status == PD_OK; a++) {
        const struct pd_dump_copy *c = &l->archives[a].copies[copy];
        if (c->written) {
            status = put_archive(l, &l->archives[a], c->tape_file, tar, err);
        }
    }
    if (status == PD_OK) {
        status = pd_tar_finish(tar, err);
    }
    if (status == PD_OK && out->used > 0) {
        memset(out->record + out->used, 0, out->size - out->used);
        status = put_record(out, err);
    }
    pd_tar_writer_free(tar);
    return status;
}

struct indexing {
    struct pd_dump_lane *lane;
    size_t copy;
    uint32_t file_no;
};

/* What was written is to be read back. */
static enum pd_status expect_index(struct indexing *ix, struct index_out *out,
                                   struct pd_error *err)
{
    struct pd_dump_index *index = &ix->lane->indexes[ix->copy];

    snprintf(out->records.name, sizeof out->records.name, "%.110s.index", ix->lane->d->row->name);
    snprintf(out->records.dump_uuid, sizeof out->records.dump_uuid, "%s", ix->lane->d->row->uuid);
    out->records.record_size = out->size;
    pd_expect_release(index->expect);
    index->tape_file = ix->file_no;
    return pd_expect_new_records(&out->records, &index->expect, err);
}

static enum pd_status write_index(void *arg, struct pd_error *err)
{
    struct indexing *ix = arg;
    struct pd_dump_lane *l = ix->lane;
    struct index_out out = {.target = pd_pool_copy(l->pool, ix->copy)->target,
                            .size = pd_pool_config(l->pool)->block_size};
    struct pd_error late = PD_ERROR_INIT;
    char name[160];
    enum pd_status status;

    snprintf(name, sizeof name, "%s.index", l->d->row->name);
    pd_toc_init(&out.records);
    out.record = pd_record_alloc(out.size);
    if (!out.record) {
        return pd_error_memory(err, "index");
    }
    status = pd_target_use_reserve(out.target, true, err);
    if (status == PD_OK) {
        status = pd_target_begin(out.target, name, &ix->file_no, err);
    }
    if (status == PD_OK) {
        status = put_index(l, ix->copy, &out, err);
        if (status == PD_OK) {
            status = pd_target_end(out.target, true, err);
        }
        if (status != PD_OK && pd_target_abandon(out.target, &late) != PD_OK) {
            pd_log_error(l->d->env->log, PD_LOG_WARN, &late);
        }
    }
    if (status == PD_OK) {
        status = pd_target_use_reserve(out.target, false, err);
    }
    if (status == PD_OK) {
        status = expect_index(ix, &out, err);
    }
    pd_toc_release(&out.records);
    free(out.record);
    return status;
}

/* The volume's archives are good all the same; it is not to be written to any more. */
void pd_dump_lose_index(struct pd_dump_lane *l, size_t copy, const struct pd_error *why)
{
    struct pd_dump_copy_summary *summary = &l->copies[copy];

    pd_dump_warn(l->d, why);
    pd_pool_copy(l->pool, copy)->volume.state = PD_VOLUME_BAD;
    summary->status = pd_status_worst(summary->status, why->status);
    if (summary->error.status == PD_OK) {
        summary->error = *why;
    }
}

enum pd_status pd_dump_write_indexes(struct pd_dump_lane *l, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pd_pool_copies(l->pool) && status == PD_OK; i++) {
        struct pd_pool_copy *copy = pd_pool_copy(l->pool, i);
        struct indexing ix = {.lane = l, .copy = i};
        struct pd_activity activity = {.name = "index",
                                       .subject = copy->volume.label,
                                       .run = write_index,
                                       .arg = &ix,
                                       .retry = PD_RETRY_ONCE};
        struct pd_error why = PD_ERROR_INIT;
        if (!copy->target || copy->volume.id == 0 || l->archive_count == l->pair_start) {
            continue;
        }
        if (pd_activity_run(l->d->env, &activity, &why) == PD_OK) {
            copy->volume.tape_files = (uint64_t)ix.file_no + 1;
            status = pd_book_indexed(&l->d->book, (unsigned)(i + 1), ix.file_no, copy->volume.uuid,
                                     l->number, err);
            continue;
        }
        pd_error_context(&why, copy->volume.label, "index", NULL);
        pd_dump_lose_index(l, i, &why);
    }
    return status;
}
