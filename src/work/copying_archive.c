#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "copying_priv.h"
#include "pairdump/claim.h"
#include "pairdump/fanout.h"
#include "pairdump/replica.h"

/* One archive on its way. */
struct passing {
    struct pd_copying *c;
    struct pd_copying_item *item;
    struct pd_copying_source source;
    uint64_t at; /* record that was asked for last */
};

enum pd_status pd_copying_beat(struct pd_copying *c, struct pd_error *err)
{
    uint64_t now = pd_clock_monotonic(c->env->clock);

    if (now - c->beat_ns < (uint64_t)PD_RUN_BEAT_NS) {
        return PD_OK;
    }
    c->beat_ns = now;
    return pd_catalog_run_beat(c->catalog, c->options->run_id, err);
}

/* ---- from the copies to the ring ---- */

static enum pd_status put_record(struct passing *p, struct pd_ring *ring, const uint8_t *record,
                                 struct pd_error *err)
{
    uint64_t left = p->source.toc.record_size;
    enum pd_status status = PD_OK;

    while (left > 0 && status == PD_OK) {
        uint8_t *room = NULL;
        size_t len = 0;
        status = pd_ring_room(ring, p->c->env->stall_ns, &room, &len, err);
        if (status == PD_OK) {
            len = len < left ? len : (size_t)left;
            memcpy(room, record, len);
            pd_ring_commit(ring, len);
            record += len;
            left -= len;
        }
    }
    return status;
}

static enum pd_status produce(void *arg, struct pd_ring *ring, struct pd_error *err)
{
    struct passing *p = arg;
    enum pd_status status = PD_OK;

    for (p->at = 0; p->at < p->source.toc.record_count && status == PD_OK; p->at++) {
        const uint8_t *record = NULL;
        status = pd_replica_record(p->source.replica, p->at, &record, err);
        if (status != PD_OK) {
            return status;
        }
        status = put_record(p, ring, record, err);
        if (status == PD_OK) {
            status = pd_copying_beat(p->c, err);
        }
    }
    return status == PD_OK ? pd_ring_finish(ring, p->c->env->stall_ns, err) : status;
}

/* ---- what is lost ---- */

struct losing {
    struct pd_copying *c;
    const struct pd_toc *toc;
    uint64_t next; /* files before it were told */
};

/* The files in a record that is good nowhere; one may lie in several. */
static void tell_record(struct losing *l, uint64_t record)
{
    const struct pd_copying_options *options = l->c->options;
    uint64_t first = 0, count = 0;

    pd_toc_files_of_record(l->toc, record, &first, &count);
    for (uint64_t i = first > l->next ? first : l->next; i < first + count; i++) {
        l->c->summary->lost_files++;
        l->next = i + 1;
        if (options->on_lost) {
            options->on_lost(options->arg, l->toc->name, record, l->toc->files[i].path);
        }
    }
    if (count == 0 && options->on_lost) {
        options->on_lost(options->arg, l->toc->name, record, NULL);
    }
}

enum pd_status pd_copying_lose(struct pd_copying *c, struct pd_copying_item *item,
                               struct pd_copying_source *source, uint64_t from,
                               const struct pd_error *why, struct pd_error *err)
{
    struct losing losing = {.c = c, .toc = &source->toc};
    struct pd_error found = *why;
    bool all_asked = source->copy_count >= item->sources;
    enum pd_status status = PD_OK;

    for (uint64_t no = from; no < source->toc.record_count && status == PD_OK; no++) {
        const uint8_t *record = NULL;
        struct pd_error fault = PD_ERROR_INIT;
        enum pd_status got = pd_replica_record(source->replica, no, &record, &fault);
        if (got == PD_BAD_RECORD) {
            tell_record(&losing, no);
        } else if (got != PD_OK) {
            *err = fault;
            return got;
        }
        status = pd_copying_beat(c, err);
    }
    if (status == PD_OK) {
        status = pd_catalog_copies_doubt(c->catalog, item->archive.id, err);
    }
    if (status != PD_OK) {
        return status;
    }
    c->lost = c->lost || all_asked; /* else one out of reach may have it */
    return pd_copying_fail(item, all_asked ? PD_FAILED : PD_BAD_RECORD, &found);
}

/* ---- one archive ---- */

enum pd_status pd_copying_fail(struct pd_copying_item *item, enum pd_status status,
                               const struct pd_error *why)
{
    item->state = PD_COPYING_FAILED;
    item->result.status = status;
    item->result.error = *why;
    return PD_OK;
}

bool pd_copying_ends(enum pd_status status)
{
    return status == PD_INTERRUPTED || status == PD_NO_MEMORY ||
           pd_status_exit(status) == PD_EXIT_CATALOG;
}

static enum pd_status open_source(struct pd_copying *c, const struct pd_copying_item *item,
                                  bool replaced, struct pd_copying_source *out,
                                  struct pd_error *err)
{
    enum pd_status status = pd_catalog_toc(c->catalog, item->archive.id, &out->toc, err);

    if (status == PD_OK) {
        status = pd_restore_volumes_open(c->restore.volumes, &item->archive, replaced, &out->copies,
                                         &out->copy_count, &out->spare, err);
    }
    if (status == PD_OK) {
        status =
            pd_replica_new(c->env, &out->toc, out->copies, out->copy_count, &out->replica, err);
    }
    return status;
}

/* From all copies, those that were replaced included. */
static enum pd_status open_all(struct pd_copying *c, const struct pd_copying_item *item,
                               struct pd_copying_source *out, struct pd_error *err)
{
    pd_copying_close(out);
    *out = (struct pd_copying_source){.copies = NULL};
    pd_error_clear(err);
    return open_source(c, item, true, out, err);
}

enum pd_status pd_copying_open(struct pd_copying *c, const struct pd_copying_item *item,
                               struct pd_copying_source *out, struct pd_error *err)
{
    enum pd_status status = open_source(c, item, false, out, err);

    return status == PD_MISSING && out->spare ? open_all(c, item, out, err) : status;
}

void pd_copying_close(struct pd_copying_source *source)
{
    pd_replica_free(source->replica);
    free(source->copies);
    pd_toc_release(&source->toc);
}

static enum pd_status fan_out(void *arg, struct pd_error *err)
{
    struct passing *p = arg;
    struct pd_copying *c = p->c;
    struct pd_pool_copy *to = pd_pool_copy(c->pool, 0);
    struct pd_fanout_copy copy = {.target = to->target};
    const struct pd_fanout_job job = {.env = c->env,
                                      .name = p->source.toc.name,
                                      .record_size = p->source.toc.record_size,
                                      .buffer = c->options->config->buffer,
                                      .durable = true,
                                      .mark = c->options->config->stream_mark,
                                      .produce = produce,
                                      .produce_arg = p};
    enum pd_status status = pd_fanout(&job, &copy, 1, err);

    if (copy.lost) {
        to->target = NULL; /* it hangs, and is its thread's now */
    }
    if (status != PD_OK && copy.status != PD_OK && copy.status != PD_INTERRUPTED) {
        pd_error_context(err, to->volume.label, p->source.toc.name, NULL);
    }
    if (status == PD_OK) {
        p->item->result.records = copy.records;
        to->volume.tape_files = (uint64_t)copy.file_no + 1;
    }
    return status;
}

static enum pd_status write_it(struct passing *p, struct pd_error *err)
{
    struct pd_copying *c = p->c;
    const struct pd_activity activity = {.name = "write",
                                         .subject = p->source.toc.name,
                                         .run = fan_out,
                                         .arg = p,
                                         .retry = PD_RETRY_ONCE};
    const struct pd_volume_row *volume = &pd_pool_copy(c->pool, 0)->volume;
    struct pd_copy_row row = {.archive_id = p->item->archive.id,
                              .volume_id = volume->id,
                              .copy = c->copy,
                              .tape_file = (uint32_t)volume->tape_files};
    struct pd_error late = PD_ERROR_INIT;
    uint64_t bytes = p->source.toc.record_count * p->source.toc.record_size;
    enum pd_status status = pd_catalog_copy_begin(c->catalog, &row, err);

    if (status != PD_OK) {
        return status;
    }
    status = pd_activity_run(c->env, &activity, err);
    if (status != PD_OK) {
        if (pd_catalog_copy_forget(c->catalog, row.id, &late) != PD_OK) {
            pd_log_error(c->env->log, PD_LOG_WARN, &late);
        }
        return status;
    }
    row.tape_file = (uint32_t)(volume->tape_files - 1);
    status = pd_catalog_copy_written(c->catalog, &row, bytes, err);
    if (status == PD_OK) {
        p->item->state = PD_COPYING_WRITTEN;
        p->item->copy_id = row.id;
        p->item->volume_id = volume->id;
        p->item->result.bytes = bytes;
        snprintf(p->item->result.label, sizeof p->item->result.label, "%s", volume->label);
        c->summary->bytes += bytes;
    }
    return status;
}

enum pd_status pd_copying_archive(struct pd_copying *c, struct pd_copying_item *item,
                                  struct pd_error *err)
{
    struct passing p = {.c = c, .item = item};
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_copying_open(c, item, &p.source, &why);

    if (status != PD_OK && !pd_copying_ends(status)) {
        status = pd_copying_fail(item, status, &why);
        goto out;
    }
    if (status == PD_OK) {
        status = write_it(&p, &why);
    }
    if (status == PD_BAD_RECORD && p.source.spare) {
        status = open_all(c, item, &p.source, &why);
        if (status == PD_OK) {
            status = write_it(&p, &why);
        }
    }
    if (status == PD_BAD_RECORD) {
        status = pd_copying_lose(c, item, &p.source, p.at, &why, err);
    } else if (status != PD_OK) {
        *err = why;
    }
out:
    pd_copying_close(&p.source);
    return status;
}
