#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump_sync.h"
#include "index_out.h"
#include "pairdump/encode.h"
#include "pairdump/size.h"
#include "pairdump/thread.h"

enum { POLL_NS = 5000000, WAIT_NS = 50000000 }; /* between looks at the verifiers, and at others */

/* The archive that is being written, by a thread of its own. */
struct writing {
    struct pd_dump_lane *lane;
    struct pd_batch *batch;
    struct pd_batch_place place;
    struct pd_toc toc;
    struct pd_fanout_copy copies[PD_COPIES_MAX];
    struct pd_archive_row row;
    struct pd_copy_row *rows; /* of the live copies, compact */
    size_t row_count;
    uint64_t began_ns;
    bool begun; /* the book knows of it */
    bool kept;  /* it has ended, and is to be recorded */
    bool waits; /* it ends without waiting for the drives */
    char name[128];
};

static enum pd_status produce(void *arg, struct pd_ring *ring, struct pd_error *err)
{
    struct writing *w = arg;
    struct pd_dump_lane *l = w->lane;
    struct pd_index_facts facts;
    struct pd_encode_job job = {.env = l->d->env,
                                .source = l->source,
                                .batch = w->batch,
                                .dump_name = l->d->row->name,
                                .dump_uuid = l->d->row->uuid,
                                .host = l->d->row->host,
                                .roots = l->d->row->roots,
                                .facts = &facts,
                                .record_size = pd_pool_config(l->pool)->block_size,
                                .alg = pd_pool_config(l->pool)->digest,
                                .on_problem = pd_dump_take_problem,
                                .problem_arg = &l->problems};

    pd_index_facts_of(l->d->row, &facts);
    facts.host[0] = facts.roots[0] = '\0'; /* bag-info has them anyway */
    return pd_encode(&job, ring, 0, &w->toc, err);
}

static enum pd_status fan_out(void *arg, struct pd_error *err)
{
    struct writing *w = arg;
    struct pd_dump_lane *l = w->lane;
    struct pd_fanout_job job = {.env = l->d->env,
                                .name = w->name,
                                .record_size = pd_pool_config(l->pool)->block_size,
                                .buffer = l->d->options->config->buffer,
                                .extra_readers = 1,
                                .mark = l->d->options->config->stream_mark,
                                .durable = !w->waits,
                                .first_copy = (unsigned)(l->number * pd_pool_copies(l->pool)),
                                .produce = produce,
                                .produce_arg = w};

    pd_toc_release(&w->toc);
    pd_toc_init(&w->toc);
    return pd_fanout(&job, w->copies, pd_pool_copies(l->pool), err);
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
    return pd_activity_run(w->lane->d->env, &activity, err);
}

/* ---- recording ---- */

/* What the writers did to each copy, into the catalog's rows and this run's own. */
static void take_results(struct pd_ended_list *ended, struct writing *w, struct pd_dump_archive *a)
{
    struct pd_dump_lane *l = w->lane;

    for (size_t r = 0; r < w->row_count; r++) {
        struct pd_copy_row *row = &w->rows[r];
        size_t i = row->copy - 1;
        struct pd_fanout_copy *from = &w->copies[i];
        struct pd_dump_copy *copy = &a->copies[i];

        copy->begun = true;
        copy->tape_file = row->tape_file = from->file_no;
        copy->status = from->status == PD_OK ? PD_UNVERIFIED : from->status;
        if (from->status != PD_OK) {
            row->state = PD_COPY_BAD;
            row->reason = from->status;
            snprintf(row->message, sizeof row->message, "%s", from->error.message);
            pd_error_context(&from->error, pd_pool_copy(l->pool, i)->volume.label, w->name, NULL);
            pd_dump_lose_copy(l, i, &from->error, from->lost);
            pd_ended_distrust(ended, i, &from->error);
        }
    }
    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        if (!a->copies[i].begun) {
            a->copies[i].status = pd_pool_copy(l->pool, i)->status == PD_OK
                                      ? PD_MISSING
                                      : pd_pool_copy(l->pool, i)->status;
        }
    }
}

static void count(struct pd_dumping *d, const struct pd_ended *e)
{
    const struct pd_toc *toc = pd_expect_toc(e->expect);

    pthread_mutex_lock(&d->lock);
    d->need -= d->need < e->need ? d->need : e->need;
    d->row->archives++;
    d->row->files += toc->file_count;
    d->row->bytes += toc->payload_bytes;
    pthread_mutex_unlock(&d->lock);
}

/* A settled archive goes to the book, which tells the catalog, and to the verifiers. */
static enum pd_status record(struct pd_ended_list *ended, struct pd_error *err)
{
    struct pd_dump_lane *l = ended->lane;
    struct pd_ended *e = &ended->list[0];
    struct pd_dump_archive *a = &l->archives[e->place];
    struct pd_expect *expect = e->expect;
    size_t place = e->place;
    enum pd_status status =
        pd_book_written(&l->d->book, &e->row, expect, e->rows, e->row_count, &e->problems,
                        &a->index_offset, &a->index_len, &a->index_tape_file, err);

    if (status != PD_OK) { /* it stays the first: none behind it is recorded before */
        pd_log_line(l->d->env->log, PD_LOG_ERROR,
                    "archive %s is on its volumes but not in the journal", e->row.name);
        return status;
    }
    count(l->d, e);
    pd_batches_recorded(&l->d->batches);
    (void)pd_expect_hold(expect);
    pd_ended_pop(ended);
    status = pd_dump_verify_archive(l, place, expect, err);
    pd_expect_release(expect);
    return status;
}

static enum pd_status record_settled(struct pd_ended_list *ended, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    while (status == PD_OK && ended->count > ended->waiting) {
        status = record(ended, err);
    }
    return status;
}

/* ---- one archive ---- */

/* Rows of the live copies; what waits on a volume will have its tape files before. */
static enum pd_status make_rows(struct writing *w, size_t waiting, struct pd_error *err)
{
    struct pd_dump_lane *l = w->lane;

    w->row_count = 0;
    free(w->rows);
    w->rows = calloc(PD_COPIES_MAX, sizeof *w->rows);
    if (!w->rows) {
        return pd_error_memory(err, "archives");
    }
    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        struct pd_pool_copy *copy = pd_pool_copy(l->pool, i);
        w->copies[i].target = copy->target;
        if (!copy->target) {
            continue;
        }
        struct pd_copy_row *row = &w->rows[w->row_count++];
        row->volume_id = copy->volume.id;
        row->copy = (unsigned)(i + 1);
        row->tape_file = (uint32_t)(copy->volume.tape_files + waiting);
    }
    return PD_OK;
}

static enum pd_status name_archive(struct writing *w, const struct pd_ended_list *ended,
                                   struct pd_error *err)
{
    struct pd_dump_lane *l = w->lane;

    snprintf(w->name, sizeof w->name, "%.110s.%04" PRIu64, l->d->row->name, w->batch->seq);
    memset(&w->row, 0, sizeof w->row);
    w->row.dump_id = l->d->row->id;
    w->row.seq = w->batch->seq;
    w->row.record_size = pd_pool_config(l->pool)->block_size;
    w->row.alg = pd_pool_config(l->pool)->digest;
    memcpy(w->row.name, w->name, sizeof w->row.name);
    w->begun = w->kept = false;
    w->waits = pd_ended_waits(l);
    w->began_ns = pd_clock_monotonic(l->d->env->clock);
    memset(w->copies, 0, sizeof w->copies);
    return make_rows(w, ended->waiting, err);
}

static enum pd_status begin_archive(struct pd_dump_lane *l, struct writing *w, struct pd_error *err)
{
    const char *uuids[PD_COPIES_MAX];

    for (size_t r = 0; r < w->row_count; r++) {
        uuids[r] = pd_pool_copy(l->pool, w->rows[r].copy - 1)->volume.uuid;
    }
    enum pd_status status =
        pd_book_begin(&l->d->book, &w->row, w->rows, uuids, w->row_count, l->number, err);
    w->begun = status == PD_OK;
    return status;
}

static enum pd_status forget_archive(struct pd_dump_lane *l, struct writing *w,
                                     struct pd_error *err)
{
    pd_dump_forget_problems(&l->problems);
    return w->begun ? pd_book_abandon(&l->d->book, w->row.seq, err) : PD_OK;
}

enum pd_status pd_dump_add_archive(struct pd_dump_lane *l, size_t *place, struct pd_error *err)
{
    if (l->archive_count == l->archive_cap) {
        size_t cap = l->archive_cap ? l->archive_cap * 2 : 16;
        struct pd_dump_archive *grown = realloc(l->archives, cap * sizeof *grown);
        if (!grown) {
            return pd_error_memory(err, "archives");
        }
        l->archives = grown;
        l->archive_cap = cap;
    }
    *place = l->archive_count++;
    memset(&l->archives[*place], 0, sizeof l->archives[*place]);
    l->archives[*place].pair = l->pairs;
    return PD_OK;
}

/* Writes the batch of w while archives before, if any are settled, are recorded. */
static enum pd_status write_one(struct writing *w, struct pd_ended_list *ended,
                                enum pd_status *recorded, struct pd_error *record_err,
                                struct pd_error *err)
{
    struct pd_dump_lane *l = w->lane;
    struct pd_thread *thread = NULL;
    enum pd_status status = name_archive(w, ended, err);

    atomic_store(&l->d->env->progress->archive_no, w->batch->seq);
    if (status == PD_OK) {
        status = begin_archive(l, w, err);
    }
    if (status == PD_OK) {
        status = pd_thread_start("archive", write_thread, w, NULL, &thread, err);
    }
    *recorded = record_settled(ended, record_err);
    if (!thread) {
        return status;
    }
    while (*recorded == PD_OK && !pd_thread_wait(thread, POLL_NS)) {
        *recorded = pd_ledger_check(l->d->book.ledger, record_err);
        if (*recorded == PD_OK) {
            *recorded = pd_dump_poll(l, record_err);
        }
    }
    return pd_thread_join(&thread, 0, err);
}

/* ---- all batches ---- */

struct loop {
    struct pd_dump_lane *lane;
    struct writing writing[2];
    struct pd_batch batches[2];
    struct pd_ended_list ended; /* written, to be settled and recorded */
    unsigned turn;
    bool mounted;
    bool fatal;       /* not for this lane alone: what is on the media could not be recorded */
    unsigned in_vain; /* empty pairs in a row that were too small for the batch */
};

/* What could be settled is recorded even when the rest was lost. */
static enum pd_status settle(struct loop *loop, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status settled = pd_ended_settle(&loop->ended, err);
    enum pd_status recorded = record_settled(&loop->ended, settled == PD_OK ? err : &late);

    loop->fatal = loop->fatal || recorded != PD_OK;
    if (settled != PD_OK && recorded != PD_OK) {
        pd_log_error(loop->lane->d->env->log, PD_LOG_ERROR, &late);
    }
    return settled != PD_OK ? settled : recorded;
}

/* The volume was full: everything done is settled, and the same batch goes to the next pair. */
static enum pd_status change_pair(struct loop *loop, struct writing *w, struct pd_error *err)
{
    struct pd_dump_lane *l = loop->lane;
    struct pd_error why = *err;
    bool fresh = l->archive_count == l->pair_start;
    bool empty = true;
    enum pd_status status;

    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        empty = empty && pd_pool_copy(l->pool, i)->volume.tape_files <= 1;
    }
    pd_error_clear(err);
    status = forget_archive(l, w, err);
    if (status == PD_OK) {
        status = settle(loop, err);
    }
    if (status == PD_OK) {
        status = pd_dump_close_pair(l, PD_PAIR_FULL, err);
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
static void take_problems(struct pd_dump_lane *l, struct pd_ended *e)
{
    struct pd_dump_problems *from = &l->problems;

    e->problems.list = from->list;
    e->problems.count = from->count;
    e->problems.cap = from->cap;
    from->list = NULL;
    from->count = from->cap = 0;
}

/* It has ended on a copy at least. */
static enum pd_status keep(struct loop *loop, struct writing *w, struct pd_error *err)
{
    struct pd_dump_lane *l = loop->lane;
    struct pd_ended e = {.row = w->row,
                         .batch = w->place,
                         .need = w->batch->archive_bytes,
                         .bytes = w->toc.record_count * w->toc.record_size};
    enum pd_status status = pd_ended_room(&loop->ended, err);

    if (status == PD_OK) {
        status = pd_expect_new(&w->toc, &e.expect, err);
    }
    if (status == PD_OK) {
        status = pd_dump_add_archive(l, &e.place, err);
    }
    if (status != PD_OK) {
        pd_expect_release(e.expect);
        return status;
    }
    l->archives[e.place].row = w->row;
    take_results(&loop->ended, w, &l->archives[e.place]);
    take_problems(l, &e);
    e.rows = w->rows;
    e.row_count = w->row_count;
    w->rows = NULL;
    loop->in_vain = 0;
    status = pd_dump_tell_problems(l->d, &e.problems, err);
    pd_ended_add(&loop->ended, &e, w->began_ns, !w->waits);
    w->kept = true;
    return status;
}

/* Trouble that the copy had by itself, or NULL: a full volume is none, nor is to be stopped. */
static struct pd_error *own_trouble(struct pd_fanout_copy *copy)
{
    bool fine =
        copy->status == PD_OK || copy->status == PD_VOLUME_FULL || copy->status == PD_INTERRUPTED;

    return !fine ? &copy->error : copy->adrift.status != PD_OK ? &copy->adrift : NULL;
}

/* The archive came to nothing. Copies that hang are lost; so are those in trouble of their own,
 * when their drives had not said yet that they hold what was written before. */
static void lose_failed(struct loop *loop, struct writing *w)
{
    struct pd_dump_lane *l = loop->lane;

    for (size_t r = 0; r < w->row_count; r++) {
        size_t i = w->rows[r].copy - 1;
        struct pd_error *why = own_trouble(&w->copies[i]);
        if (w->copies[i].lost || (why && loop->ended.waiting > 0)) {
            pd_error_context(why, pd_pool_copy(l->pool, i)->volume.label, w->name, NULL);
            pd_dump_lose_copy(l, i, why, w->copies[i].lost);
            pd_ended_distrust(&loop->ended, i, why);
        }
    }
}

static enum pd_status after_write(struct loop *loop, struct writing *w, enum pd_status status,
                                  bool *again, struct pd_error *err)
{
    struct pd_dump_lane *l = loop->lane;
    struct pd_error late = PD_ERROR_INIT;

    *again = false;
    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        pd_fanout_add_figures(&l->copies[i].streaming, &w->copies[i].figures);
    }
    if (status == PD_OK) {
        return keep(loop, w, err);
    }
    lose_failed(loop, w);
    if (status == PD_VOLUME_FULL) {
        *again = true;
        return change_pair(loop, w, err);
    }
    if (forget_archive(l, w, &late) != PD_OK) {
        pd_log_error(l->d->env->log, PD_LOG_ERROR, &late);
    }
    return status;
}

/* A pair to write to, with room for the batch, and with nothing before that waits for too long. */
static enum pd_status make_ready(struct loop *loop, const struct pd_batch *batch,
                                 struct pd_error *err)
{
    struct pd_dump_lane *l = loop->lane;
    enum pd_status status = PD_OK;

    if (!loop->mounted) {
        status = pd_dump_next_pair(l, err);
        loop->mounted = status == PD_OK;
    }
    if (status == PD_OK && pd_ended_due(&loop->ended, batch->archive_bytes)) {
        status = pd_ended_settle(&loop->ended, err);
    }
    return status == PD_OK ? pd_pool_check_space(l->pool, batch->archive_bytes, err) : status;
}

/* Writes the batch that was taken, or gives it back. */
static enum pd_status step(struct loop *loop, struct pd_error *err)
{
    struct writing *w = &loop->writing[loop->turn];
    struct pd_batch *batch = w->batch;
    bool again = true;
    enum pd_status status = PD_OK;

    w->kept = false;
    while (again && status == PD_OK) {
        struct pd_error record_err = PD_ERROR_INIT;
        enum pd_status recorded = PD_OK;
        again = false;
        status = make_ready(loop, batch, err);
        if (status != PD_OK) {
            break;
        }
        status = write_one(w, &loop->ended, &recorded, &record_err, err);
        status = after_write(loop, w, status, &again, err);
        if (recorded != PD_OK) {
            *err = record_err;
            status = recorded;
            loop->fatal = true;
        }
    }
    if (status != PD_OK && !w->kept) {
        pd_batches_give_back(&loop->lane->d->batches, &w->place);
    }
    return status;
}

static enum pd_status open_loop(struct pd_dump_lane *l, struct loop **out, struct pd_error *err)
{
    struct loop *loop = calloc(1, sizeof *loop);

    *out = loop;
    if (!loop) {
        return pd_error_memory(err, "archives");
    }
    loop->lane = loop->ended.lane = l;
    loop->mounted = l->mounted;
    for (int i = 0; i < 2; i++) {
        pd_batch_init(&loop->batches[i]);
        loop->writing[i].batch = &loop->batches[i];
        loop->writing[i].lane = l;
    }
    return PD_OK;
}

/* What is whole on the media is recorded, indexed and verified whatever ended the loop. */
static enum pd_status close_loop(struct loop *loop, bool all, enum pd_status status,
                                 struct pd_error *err)
{
    struct pd_dump_lane *l = loop->lane;
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status settled = settle(loop, &late);

    if (settled == PD_OK && loop->mounted) {
        settled = pd_dump_close_pair(l, all ? PD_PAIR_LAST : PD_PAIR_LEFT, &late);
    }
    if (status == PD_OK && settled != PD_OK) {
        *err = late;
        status = settled;
        loop->fatal = true;
    } else if (settled != PD_OK) {
        pd_log_error(l->d->env->log, PD_LOG_ERROR, &late);
    }
    l->own_trouble = !loop->fatal && pd_dump_is_own_trouble(status);
    for (int i = 0; i < 2; i++) {
        pd_batch_release(&loop->batches[i]);
        pd_toc_release(&loop->writing[i].toc);
        free(loop->writing[i].rows);
    }
    pd_ended_release(&loop->ended);
    free(loop);
    return status;
}

/* Nothing is left for now. What this lane has is settled, since others wait for that; then they may
 * give something back. */
static enum pd_status wait_for_others(struct loop *loop, struct pd_error *err)
{
    struct pd_dumping *d = loop->lane->d;
    enum pd_status status = settle(loop, err);

    if (status != PD_OK) {
        return status;
    }
    pd_batches_wait(&d->batches, WAIT_NS);
    status = pd_ledger_check(d->book.ledger, err);
    if (status == PD_OK) {
        status = pd_dump_poll(loop->lane, err);
    }
    loop->fatal = status != PD_OK;
    return status;
}

enum pd_status pd_dump_write_lane(struct pd_dump_lane *l, struct pd_error *err)
{
    struct pd_dump_batches *batches = &l->d->batches;
    struct loop *loop = NULL;
    enum pd_batch_answer answer = PD_BATCH_LATER;
    enum pd_status status = open_loop(l, &loop, err);

    while (status == PD_OK && answer != PD_BATCH_NONE &&
           (status = pd_env_check(l->d->env, err)) == PD_OK) {
        struct writing *w = &loop->writing[loop->turn];
        status = pd_batches_take(batches, w->batch, &w->place, &answer, err);
        if (status != PD_OK) {
            loop->fatal = true;
        } else if (answer == PD_BATCH_TAKEN) {
            status = step(loop, err);
            loop->turn = !loop->turn;
        } else if (answer == PD_BATCH_LATER) {
            status = wait_for_others(loop, err);
        }
    }
    if (!loop) {
        return status;
    }
    return close_loop(loop, status == PD_OK && pd_batches_all_recorded(batches), status, err);
}
