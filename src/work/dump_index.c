#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "dump_priv.h"
#include "index_out.h"
#include "pairdump/index.h"
#include "pairdump/tar.h"

struct indexing {
    struct pd_dump_lane *lane;
    size_t copy;
    uint32_t file_no;
};

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

/* Lanes tell of problems meanwhile. */
static enum pd_status encode_info(struct pd_dumping *d, struct pd_index_info *info,
                                  struct pd_buf *text, struct pd_error *err)
{
    enum pd_status status;

    pd_index_facts_of(d->row, &info->facts);
    pthread_mutex_lock(&d->lock);
    info->skipped = d->row->skipped;
    info->problems = d->row->problems;
    info->lines = d->problem_lines.data;
    status = pd_index_info_encode(info, text);
    pthread_mutex_unlock(&d->lock);
    return status == PD_OK ? PD_OK : pd_error_memory(err, "index");
}

static enum pd_status put_info(struct pd_dump_lane *l, size_t copy, uint64_t archives,
                               struct pd_tar_writer *tar, struct pd_error *err)
{
    const struct pd_volume_row *volume = &pd_pool_copy(l->pool, copy)->volume;
    struct pd_index_info info = {.archives = archives,
                                 .alg = pd_pool_config(l->pool)->digest,
                                 .created = pd_clock_utc(l->d->env->clock),
                                 .pair = volume->pair};
    struct pd_buf text = PD_BUF_INIT;
    char path[300];
    enum pd_status status;

    snprintf(info.dump_name, sizeof info.dump_name, "%s", l->d->row->name);
    snprintf(info.dump_uuid, sizeof info.dump_uuid, "%s", l->d->row->uuid);
    snprintf(info.label, sizeof info.label, "%s", volume->label);
    snprintf(info.volume_uuid, sizeof info.volume_uuid, "%s", volume->uuid);
    snprintf(path, sizeof path, "%s.index/index-info.txt", l->d->row->name);
    status = encode_info(l->d, &info, &text, err);
    if (status == PD_OK) {
        status = pd_tar_file(tar, path, text.data, text.len, info.created / PD_NS_PER_S, err);
    }
    pd_buf_free(&text);
    return status;
}

static enum pd_status put_index(void *arg, struct pd_tar_writer *tar, struct pd_error *err)
{
    const struct indexing *ix = arg;
    struct pd_dump_lane *l = ix->lane;
    uint64_t archives = 0;
    enum pd_status status;

    for (size_t a = l->pair_start; a < l->archive_count; a++) {
        archives += l->archives[a].copies[ix->copy].written;
    }
    status = put_info(l, ix->copy, archives, tar, err);
    for (size_t a = l->pair_start; a < l->archive_count && status == PD_OK; a++) {
        const struct pd_dump_copy *c = &l->archives[a].copies[ix->copy];
        if (c->written) {
            status = put_archive(l, &l->archives[a], c->tape_file, tar, err);
        }
    }
    return status;
}

static enum pd_status write_index(void *arg, struct pd_error *err)
{
    struct indexing *ix = arg;
    struct pd_dump_lane *l = ix->lane;
    struct pd_dump_index *index = &l->indexes[ix->copy];
    struct pd_toc records;
    enum pd_status status =
        pd_index_out(l->d->env, pd_pool_copy(l->pool, ix->copy)->target, l->d->row->name,
                     l->d->row->uuid, put_index, ix, &ix->file_no, &records, err);

    if (status == PD_OK) { /* what was written is to be read back */
        pd_expect_release(index->expect);
        index->tape_file = ix->file_no;
        status = pd_expect_new_records(&records, &index->expect, err);
    }
    pd_toc_release(&records);
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
