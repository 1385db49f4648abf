#include "dump_sync.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/size.h"

/* Tables of contents that wait take so much memory at most, and that of one archive more. */
#define MEMORY_MAX (UINT64_C(8) << 20)

bool pd_ended_waits(struct pd_dump_lane *l)
{
    bool any = false;

    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        const struct pd_target *target = pd_pool_copy(l->pool, i)->target;
        if (target && !pd_target_caps(target).tape) {
            return false;
        }
        any = any || target;
    }
    return any;
}

enum pd_status pd_ended_room(struct pd_ended_list *ended, struct pd_error *err)
{
    if (ended->count == ended->cap) {
        size_t cap = ended->cap ? ended->cap * 2 : 4;
        struct pd_ended *grown = reallocarray(ended->list, cap, sizeof *grown);
        if (!grown) {
            return pd_error_memory(err, "archives");
        }
        ended->list = grown;
        ended->cap = cap;
    }
    return PD_OK;
}

static uint64_t memory_of(const struct pd_ended *e)
{
    uint64_t bytes = sizeof *e + e->row_count * sizeof *e->rows;

    bytes += pd_toc_memory(pd_expect_toc(e->expect));
    for (size_t i = 0; i < e->problems.count; i++) {
        const struct pd_dump_problem *one = &e->problems.list[i];
        bytes += sizeof *one + strlen(one->path) + strlen(one->message);
    }
    return bytes;
}

/* Its copies that are not bad are written; the volumes grow by it. */
static void settle_one(struct pd_dump_lane *l, struct pd_ended *e)
{
    struct pd_dump_archive *a = &l->archives[e->place];

    for (size_t r = 0; r < e->row_count; r++) {
        struct pd_copy_row *row = &e->rows[r];
        size_t i = row->copy - 1;
        struct pd_volume_row *volume = &pd_pool_copy(l->pool, i)->volume;
        struct pd_dump_copy_summary *summary = &l->copies[i];
        if (row->state == PD_COPY_BAD) {
            a->copies[i].status = row->reason;
            summary->archives_bad++;
            continue;
        }
        row->state = PD_COPY_WRITTEN;
        a->copies[i].written = true;
        volume->tape_files = (uint64_t)row->tape_file + 1;
        volume->used += e->bytes;
        volume->last_written = pd_clock_utc(l->d->env->clock);
        summary->archives_written++;
        summary->bytes += e->bytes;
    }
    e->settled = true;
}

void pd_ended_add(struct pd_ended_list *ended, const struct pd_ended *one, uint64_t began_ns,
                  bool settled)
{
    struct pd_ended *e = &ended->list[ended->count++];

    *e = *one;
    if (settled) {
        settle_one(ended->lane, e);
        return;
    }
    e->settled = false;
    if (ended->waiting++ == 0) {
        ended->since_ns = began_ns;
        ended->bytes = ended->memory = 0;
    }
    ended->bytes += e->bytes;
    ended->memory += memory_of(e);
}

bool pd_ended_due(const struct pd_ended_list *ended, uint64_t next_bytes)
{
    const struct pd_config *config = ended->lane->d->options->config;

    return ended->waiting > 0 &&
           (pd_add_sat(ended->bytes, next_bytes) > config->sync_bytes ||
            pd_clock_monotonic(ended->lane->d->env->clock) - ended->since_ns >= config->sync_ns ||
            ended->memory >= MEMORY_MAX);
}

static struct pd_copy_row *row_of(struct pd_ended *e, size_t copy)
{
    for (size_t r = 0; r < e->row_count; r++) {
        if (e->rows[r].copy == copy + 1) {
            return &e->rows[r];
        }
    }
    return NULL;
}

void pd_ended_distrust(struct pd_ended_list *ended, size_t copy, const struct pd_error *why)
{
    struct pd_dump_lane *l = ended->lane;
    struct pd_error doubt = PD_ERROR_INIT;
    size_t doubted = 0;

    for (size_t n = ended->count - ended->waiting; n < ended->count; n++) {
        struct pd_copy_row *row = row_of(&ended->list[n], copy);
        if (!row || row->state == PD_COPY_BAD) {
            continue;
        }
        row->state = PD_COPY_BAD;
        row->reason = why->status;
        snprintf(row->message, sizeof row->message, "not known to be on the tape: %.450s",
                 why->message);
        doubted++;
    }
    ended->why = *why;
    if (doubted > 0) {
        (void)pd_error_set(&doubt, why->status, 0,
                           "before it failed, the drive had not said of %zu archives that they"
                           " are on the tape; their copies there are bad",
                           doubted);
        pd_error_context(&doubt, pd_pool_copy(l->pool, copy)->volume.label, NULL, NULL);
        pd_dump_warn(l->d, &doubt);
    }
}

static void release_one(struct pd_ended *e)
{
    pd_expect_release(e->expect);
    pd_dump_forget_problems(&e->problems);
    free(e->rows);
    memset(e, 0, sizeof *e);
}

/* They are met again when it is written again. */
static void forget_problems(struct pd_dumping *d, const struct pd_ended *e)
{
    pthread_mutex_lock(&d->lock);
    d->row->problems -= e->problems.count;
    pthread_mutex_unlock(&d->lock);
}

/* No copy holds any of what waits: another lane, or a resume, begins it anew. */
static void give_up(struct pd_ended_list *ended)
{
    struct pd_dump_lane *l = ended->lane;
    struct pd_error late = PD_ERROR_INIT;

    while (ended->waiting > 0) {
        struct pd_ended *e = &ended->list[--ended->count];
        if (pd_book_abandon(&l->d->book, e->row.seq, &late) != PD_OK) {
            pd_log_error(l->d->env->log, PD_LOG_ERROR, &late);
        }
        pd_log_line(l->d->env->log, PD_LOG_WARN, "%s is given up: no copy is known to be whole",
                    e->row.name);
        forget_problems(l->d, e);
        pd_batches_give_back(&l->d->batches, &e->batch);
        l->archive_count--; /* it was the last that was added */
        release_one(e);
        ended->waiting--;
    }
}

/* Is there a copy of what waits? All of it lies on the same ones, as who fails is out. */
static bool any_copy(const struct pd_ended_list *ended)
{
    const struct pd_ended *e = &ended->list[ended->count - ended->waiting];
    bool any = false;

    for (size_t r = 0; r < e->row_count; r++) {
        any = any || e->rows[r].state != PD_COPY_BAD;
    }
    return any;
}

/* Copies that cannot bring what they have to the medium are lost. */
static enum pd_status ask_drives(struct pd_ended_list *ended, struct pd_fanout_copy *copies,
                                 struct pd_error *err)
{
    struct pd_dump_lane *l = ended->lane;
    size_t count = pd_pool_copies(l->pool);

    for (size_t i = 0; i < count; i++) {
        copies[i].target = pd_pool_copy(l->pool, i)->target;
    }
    enum pd_status status = pd_fanout_sync(l->d->env, copies, count, err);
    for (size_t i = 0; i < count; i++) {
        struct pd_pool_copy *copy = pd_pool_copy(l->pool, i);
        if (copy->target && copies[i].status != PD_OK) {
            pd_error_context(&copies[i].error, copy->volume.label, NULL, NULL);
            pd_dump_lose_copy(l, i, &copies[i].error, copies[i].lost);
            pd_ended_distrust(ended, i, &copies[i].error);
        }
    }
    return status;
}

enum pd_status pd_ended_settle(struct pd_ended_list *ended, struct pd_error *err)
{
    struct pd_fanout_copy *copies;
    enum pd_status status = PD_OK;

    if (ended->waiting == 0) {
        return PD_OK;
    }
    copies = calloc(PD_COPIES_MAX, sizeof *copies);
    if (!copies) {
        return pd_error_memory(err, "archives");
    }
    if (any_copy(ended)) {
        status = ask_drives(ended, copies, err);
    }
    free(copies);
    if (!any_copy(ended)) {
        *err = ended->why;
        give_up(ended);
        return err->status;
    }
    if (status != PD_OK) {
        return status;
    }
    for (; ended->waiting > 0; ended->waiting--) {
        settle_one(ended->lane, &ended->list[ended->count - ended->waiting]);
    }
    return PD_OK;
}

void pd_ended_pop(struct pd_ended_list *ended)
{
    release_one(&ended->list[0]);
    memmove(ended->list, ended->list + 1, --ended->count * sizeof *ended->list);
}

void pd_ended_release(struct pd_ended_list *ended)
{
    for (size_t n = 0; n < ended->count; n++) {
        release_one(&ended->list[n]);
    }
    free(ended->list);
    memset(ended, 0, sizeof *ended);
}
