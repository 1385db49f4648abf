#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump_priv.h"
#include "pairdump/encode.h"
#include "pairdump/fanout.h"
#include "pairdump/size.h"
#include "pairdump/thread.h"

enum { POLL_NS = 5000000 }; /* between looks at the verifiers */

/* The archive that is being written, by a thread of its own. */
struct writing {
    struct pd_dumping *d;
    struct pd_batch *batch;
    struct pd_toc toc;
    struct pd_fanout_copy copies[PD_COPIES_MAX];
    struct pd_archive_row row;
    struct pd_copy_row *rows; /* of the live copies, compact; PD_COPIES_MAX of them */
    size_t row_copy[PD_COPIES_MAX]; /* copy of each row */
    size_t row_count;
    struct pd_dump_problems problems; /* that its source files had; without a lock */
    char name[128];
};

static enum pd_status produce(void *arg, struct pd_ring *ring, struct pd_error *err)
{
    struct writing *w = arg;
    struct pd_dumping *d = w->d;
    struct pd_encode_job job = {.env = d->env,
                                .source = d->source,
                                .batch = w->batch,
                                .dump_name = d->row->name,
                                .dump_uuid = d->row->uuid,
                                .host = d->row->host,
                                .roots = d->row->roots,
                                .record_size = pd_pool_config(d->pool)->block_size,
                                .on_problem = pd_dump_take_problem,
                                .problem_arg = &d->problems};

    return pd_encode(&job, ring, 0, &w->toc, err);
}

static enum pd_status fan_out(void *arg, struct pd_error *err)
{
    struct writing *w = arg;
    struct pd_dumping *d = w->d;
    struct pd_fanout_job job = {.env = d->env,
                                .name = w->name,
                                .record_size = pd_pool_config(d->pool)->block_size,
                                .buffer = d->options->config->buffer,
                                .extra_readers = 1,
                                .mark = d->options->config->stream_mark,
                                .durable = true,
                                .produce = produce,
                                .produce_arg = w};

    pd_toc_release(&w->toc);
    pd_toc_init(&w->toc);
    return pd_fanout(&job, w->copies, pd_pool_copies(d->pool), err);
}

static enum pd_status write_thread(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct writing *w = arg;
    struct pd_activity activity = {.name = "write",
                                   .subject = w->name,
                                   .run = fan_out,
                                   .arg = w,
                                   .retry = PD_RETRY_ONCE};

    (void)self;
    return pd_activity_run(w->d->env, &activity, err);
}

/* ---- recording ---- */

/* What the writers did to each copy, into the catalog's rows and this run's own. */
static void take_results(struct writing *w, struct pd_dump_archive *a)
{
    struct pd_dumping *d = w->d;

    for (size_t r = 0; r < w->row_count; r++) {
        size_t i = w->row_copy[r];
        struct pd_fanout_copy *from = &w->copies[i];
        struct pd_copy_row *row = &w->rows[r];
        struct pd_dump_copy *copy = &a->copies[i];

        copy->begun = true;
        row->tape_file = from->file_no;
        row->state = from->status == PD_OK ? PD_COPY_WRITTEN : PD_COPY_BAD;
        row->reason = from->status;
        snprintf(row->message, sizeof row->message, "%s", from->error.message);
        copy->tape_file = from->file_no;
        copy->written = from->status == PD_OK;
        copy->status = copy->written ? PD_UNVERIFIED : from->status;
        if (copy->written) {
            struct pd_volume_row *volume = &pd_pool_copy(d->pool, i)->volume;
            volume->tape_files = (uint64_t)from->file_no + 1;
            volume->used += from->records * pd_pool_config(d->pool)->block_size;
            volume->last_written = pd_clock_utc(d->env->clock);
            d->summary->copies[i].archives_written++;
            d->summary->copies[i].bytes += from->records * pd_pool_config(d->pool)->block_size;
        } else {
            pd_error_context(&from->error, pd_pool_copy(d->pool, i)->volume.label, w->name, NULL);
            d->summary->copies[i].archives_bad++;
            pd_dump_lose_copy(d, i, &from->error, from->lost);
        }
    }
    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        if (!a->copies[i].begun) {
            a->copies[i].status = pd_pool_copy(d->pool, i)->status == PD_OK
                                      ? PD_MISSING
                                      : pd_pool_copy(d->pool, i)->status;
        }
    }
}

/* A done archive goes to the book, which tells the catalog, and to the verifiers. */
static enum pd_status record(struct pd_dumping *d, struct writing *w, size_t place,
                             struct pd_error *err)
{
    struct pd_dump_archive *a = &d->archives[place];
    struct pd_expect *expect = NULL;
    enum pd_status status = pd_expect_new(&w->toc, &expect, err);

    if (status != PD_OK) {
        return status;
    }
    status = pd_book_written(&d->book, &w->row, expect, w->rows, w->row_count, &w->problems,
                             &a->index_offset, &a->index_len, &a->index_tape_file, err);
    pd_dump_forget_problems(&w->problems);
    if (status == PD_OK) {
        d->need -= d->need < w->batch->archive_bytes ? d->need : w->batch->archive_bytes;
        d->row->archives++;
        d->row->files += pd_expect_toc(expect)->file_count;
        d->row->bytes += pd_expect_toc(expect)->payload_bytes;
        status = pd_dump_verify_archive(d, place, expect, err);
    } else {
        pd_log_line(d->env->log, PD_LOG_ERROR,
                    "archive %s is on its volumes but not in the journal", w->name);
    }
    pd_expect_release(expect);
    return status;
}

/* ---- one archive ---- */

static void name_archive(struct pd_dumping *d, struct writing *w)
{
    snprintf(w->name, sizeof w->name, "%.110s.%04" PRIu64, d->row->name, w->batch->seq);
    memset(&w->row, 0, sizeof w->row);
    w->row.dump_id = d->row->id;
    w->row.seq = w->batch->seq;
    w->row.record_size = pd_pool_config(d->pool)->block_size;
    memcpy(w->row.name, w->name, sizeof w->row.name);
    w->row_count = 0;
    memset(w->copies, 0, sizeof w->copies);
    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        struct pd_pool_copy *copy = pd_pool_copy(d->pool, i);
        w->copies[i].target = copy->target;
        if (!copy->target) {
            continue;
        }
        struct pd_copy_row *row = &w->rows[w->row_count];
        memset(row, 0, sizeof *row);
        row->volume_id = copy->volume.id;
        row->copy = (unsigned)(i + 1);
        row->tape_file = (uint32_t)copy->volume.tape_files;
        w->row_copy[w->row_count++] = i;
    }
}

static enum pd_status begin_archive(struct pd_dumping *d, struct writing *w,
                                    struct pd_error *err)
{
    const char *uuids[PD_COPIES_MAX];

    for (size_t r = 0; r < w->row_count; r++) {
        uuids[r] = pd_pool_copy(d->pool, w->row_copy[r])->volume.uuid;
    }
    return pd_book_begin(&d->book, &w->row, w->rows, uuids, w->row_count, err);
}

static enum pd_status forget_archive(struct pd_dumping *d, struct writing *w,
                                     struct pd_error *err)
{
    pd_dump_forget_problems(&d->problems);
    return pd_book_abandon(&d->book, w->row.seq, err);
}

enum pd_status pd_dump_add_archive(struct pd_dumping *d, size_t *place, struct pd_error *err)
{
    if (d->archive_count == d->archive_cap) {
        size_t cap = d->archive_cap ? d->archive_cap * 2 : 16;
        struct pd_dump_archive *grown = realloc(d->archives, cap * sizeof *grown);
        if (!grown) {
            return pd_error_memory(err, "archives");
        }
        d->archives = grown;
        d->archive_cap = cap;
    }
    *place = d->archive_count++;
    memset(&d->archives[*place], 0, sizeof d->archives[*place]);
    d->archives[*place].pair = d->pairs;
    return PD_OK;
}

/* Writes the batch of w while the archive before, if any, is recorded. */
static enum pd_status write_one(struct pd_dumping *d, struct writing *w, struct writing *before,
                                size_t before_place, enum pd_status *recorded,
                                struct pd_error *record_err, struct pd_error *err)
{
    struct pd_thread *thread = NULL;
    enum pd_status status;

    name_archive(d, w);
    atomic_store(&d->env->progress->archive_no, w->batch->seq);
    status = begin_archive(d, w, err);
    if (status == PD_OK) {
        status = pd_thread_start("archive", write_thread, w, NULL, &thread, err);
    }
    *recorded = before ? record(d, before, before_place, record_err) : PD_OK;
    if (!thread) {
        return status;
    }
    while (*recorded == PD_OK && !pd_thread_wait(thread, POLL_NS)) {
        *recorded = pd_ledger_check(d->book.ledger, record_err);
        if (*recorded == PD_OK) {
            *recorded = pd_dump_poll(d, record_err);
        }
    }
    return pd_thread_join(&thread, 0, err);
}

/* ---- all batches ---- */

struct loop {
    struct pd_dumping *d;
    struct writing writing[2];
    struct pd_batch batches[2];
    struct writing *before; /* written, to be recorded */
    size_t before_place;
    uint64_t cursor;
    unsigned turn;
    bool mounted;
    unsigned in_vain; /* empty pairs in a row that were too small for the batch */
};

static enum pd_status settle(struct loop *loop, struct pd_error *err)
{
    struct writing *w = loop->before;

    loop->before = NULL;
    return w ? record(loop->d, w, loop->before_place, err) : PD_OK;
}

/* The volume was full: everything done is settled, and the same batch goes to the next pair. */
static enum pd_status change_pair(struct loop *loop, struct writing *w, struct pd_error *err)
{
    struct pd_dumping *d = loop->d;
    struct pd_error why = *err;
    bool fresh = d->archive_count == d->pair_start;
    bool empty = true;
    enum pd_status status;

    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        empty = empty && pd_pool_copy(d->pool, i)->volume.tape_files <= 1;
    }
    pd_error_clear(err);
    status = forget_archive(d, w, err);
    if (status == PD_OK) {
        status = settle(loop, err);
    }
    if (status == PD_OK) {
        status = pd_dump_close_pair(d, PD_PAIR_FULL, err);
    }
    loop->mounted = false;
    loop->in_vain = fresh && empty ? loop->in_vain + 1 : 0;
    if (status == PD_OK && loop->in_vain > 1) {
        status = pd_error_set(err, PD_NO_SPACE, 0,
                              "archive %s fits no empty volume: %s; free space, or lower"
                              " batch-size",
                              w->name, why.message);
    }
    return status;
}

/* They go with the archive: the next one gets its own. */
static void take_problems(struct writing *w)
{
    struct pd_dump_problems *from = &w->d->problems;

    w->problems.list = from->list;
    w->problems.count = from->count;
    w->problems.cap = from->cap;
    from->list = NULL;
    from->count = from->cap = 0;
}

static enum pd_status after_write(struct loop *loop, struct writing *w, enum pd_status status,
                                  bool *again, struct pd_error *err)
{
    struct pd_dumping *d = loop->d;
    struct pd_error late = PD_ERROR_INIT;

    *again = false;
    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        pd_fanout_add_figures(&d->summary->copies[i].streaming, &w->copies[i].figures);
    }
    if (status == PD_OK) {
        size_t place = 0;
        status = pd_dump_add_archive(d, &place, err);
        if (status == PD_OK) {
            d->archives[place].row = w->row;
            take_results(w, &d->archives[place]);
            take_problems(w);
            loop->before = w;
            loop->before_place = place;
            loop->in_vain = 0;
            status = pd_dump_tell_problems(d, &w->problems, err);
        }
        return status;
    }
    if (status == PD_VOLUME_FULL) {
        *again = true;
        return change_pair(loop, w, err);
    }
    if (forget_archive(d, w, &late) != PD_OK) {
        pd_log_error(d->env->log, PD_LOG_ERROR, &late);
    }
    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        if (w->copies[i].lost) {
            pd_dump_lose_copy(d, i, &w->copies[i].error, true);
        }
    }
    return status;
}

static enum pd_status step(struct loop *loop, struct pd_batch *batch, struct pd_error *err)
{
    struct pd_dumping *d = loop->d;
    struct writing *w = &loop->writing[loop->turn];
    bool again = true;
    enum pd_status status = PD_OK;

    w->batch = batch;
    while (again && status == PD_OK) {
        struct pd_error record_err = PD_ERROR_INIT;
        enum pd_status recorded = PD_OK;
        again = false;
        if (!loop->mounted) {
            status = pd_dump_next_pair(d, err);
            loop->mounted = status == PD_OK;
        }
        if (status == PD_OK) {
            status = pd_pool_check_space(d->pool, batch->archive_bytes, err);
        }
        if (status != PD_OK) {
            break;
        }
        struct writing *before = loop->before;
        loop->before = NULL;
        status = write_one(d, w, before, loop->before_place, &recorded, &record_err, err);
        enum pd_status after = after_write(loop, w, status, &again, err);
        status = after;
        if (recorded != PD_OK) {
            *err = record_err;
            status = recorded;
        }
    }
    return status;
}

static enum pd_status open_loop(struct pd_dumping *d, struct loop **out, struct pd_error *err)
{
    struct loop *loop = calloc(1, sizeof *loop);

    *out = loop;
    if (!loop) {
        return pd_error_memory(err, "archives");
    }
    loop->d = d;
    loop->mounted = d->mounted;
    for (int i = 0; i < 2; i++) {
        pd_batch_init(&loop->batches[i]);
        loop->writing[i].d = d;
        loop->writing[i].rows = calloc(PD_COPIES_MAX, sizeof *loop->writing[i].rows);
        if (!loop->writing[i].rows) {
            return pd_error_memory(err, "archives");
        }
    }
    return PD_OK;
}

/* What is whole on the media is recorded, indexed and verified whatever ended the loop. */
static enum pd_status close_loop(struct loop *loop, enum pd_status status, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status settled = settle(loop, &late);

    if (settled == PD_OK && loop->mounted) {
        settled = pd_dump_close_pair(loop->d, status == PD_OK ? PD_PAIR_LAST : PD_PAIR_LEFT, &late);
    }
    if (status == PD_OK && settled != PD_OK) {
        *err = late;
        status = settled;
    } else if (settled != PD_OK) {
        pd_log_error(loop->d->env->log, PD_LOG_ERROR, &late);
    }
    for (int i = 0; i < 2; i++) {
        pd_batch_release(&loop->batches[i]);
        pd_toc_release(&loop->writing[i].toc);
        pd_dump_forget_problems(&loop->writing[i].problems);
        free(loop->writing[i].rows);
    }
    free(loop);
    return status;
}

enum pd_status pd_dump_write_all(struct pd_dumping *d, struct pd_error *err)
{
    struct loop *loop = NULL;
    const struct pd_pool_config *config = pd_pool_config(d->pool);
    struct pd_batch_limits limits = {config->batch_size, config->batch_files, config->capacity};
    enum pd_status status = open_loop(d, &loop, err);

    while (status == PD_OK && (status = pd_env_check(d->env, err)) == PD_OK) {
        struct pd_batch *batch = &loop->batches[loop->turn];
        batch->seq = loop->batches[!loop->turn].seq;
        status = pd_batch_next(d->list, &loop->cursor, &limits, batch, err);
        if (status != PD_OK || batch->count == 0) {
            break;
        }
        if (batch->seq > d->last_seq) {
            status = step(loop, batch, err);
        }
        loop->turn = !loop->turn;
    }
    d->all_written = status == PD_OK;
    return loop ? close_loop(loop, status, err) : status;
}
