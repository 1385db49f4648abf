#include "dump_batches.h"

#include <stdlib.h>
#include <string.h>

#include "pairdump/clock.h"

enum pd_status pd_batches_init(struct pd_dump_batches *b, struct pd_error *err)
{
    pthread_condattr_t attr;
    int code = pthread_mutex_init(&b->lock, NULL);

    if (code == 0) {
        code = pthread_condattr_init(&attr);
    }
    if (code == 0) {
        code = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        if (code == 0) {
            code = pthread_cond_init(&b->changed, &attr);
        }
        pthread_condattr_destroy(&attr);
    }
    return code == 0 ? PD_OK : pd_error_set(err, PD_INTERNAL, code, "cannot make a lock");
}

void pd_batches_release(struct pd_dump_batches *b)
{
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b->done);
    free(b->back);
    b->done = NULL;
    b->back = NULL;
}

enum pd_status pd_batches_add_done(struct pd_dump_batches *b, uint64_t seq, struct pd_error *err)
{
    size_t at = b->done_count;

    if (b->done_count == b->done_cap) {
        size_t cap = b->done_cap ? b->done_cap * 2 : 64;
        uint64_t *grown = reallocarray(b->done, cap, sizeof *grown);
        if (!grown) {
            return pd_error_memory(err, "archives");
        }
        b->done = grown;
        b->done_cap = cap;
    }
    while (at > 0 && b->done[at - 1] > seq) { /* few come out of order */
        b->done[at] = b->done[at - 1];
        at--;
    }
    b->done[at] = seq;
    b->done_count++;
    return PD_OK;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

bool pd_batches_is_done(const struct pd_dump_batches *b, uint64_t seq)
{
    return b->done_count > 0 && bsearch(&seq, b->done, b->done_count, sizeof seq, compare);
}

void pd_batches_start(struct pd_dump_batches *b, struct pd_list *list,
                      const struct pd_batch_limits *limits)
{
    b->list = list;
    b->limits = *limits;
    b->next = (struct pd_batch_place){.seq = 1};
}

static enum pd_status make_room(struct pd_dump_batches *b, struct pd_error *err)
{
    if (b->back_count + b->out == b->back_cap) {
        size_t cap = b->back_cap ? b->back_cap * 2 : 8;
        struct pd_batch_place *grown = reallocarray(b->back, cap, sizeof *grown);
        if (!grown) {
            return pd_error_memory(err, "batches");
        }
        b->back = grown;
        b->back_cap = cap;
    }
    return PD_OK;
}

static enum pd_status read_batch(struct pd_dump_batches *b, struct pd_batch_place *place,
                                 struct pd_batch *batch, struct pd_error *err)
{
    batch->seq = place->seq - 1;
    return pd_batch_next(b->list, &place->cursor, &b->limits, batch, err);
}

/* One that was given back. */
static enum pd_status take_back(struct pd_dump_batches *b, struct pd_batch *batch,
                                struct pd_batch_place *place, struct pd_error *err)
{
    size_t lowest = 0;

    for (size_t i = 1; i < b->back_count; i++) {
        lowest = b->back[i].seq < b->back[lowest].seq ? i : lowest;
    }
    *place = b->back[lowest];
    struct pd_batch_place end = *place;
    enum pd_status status = read_batch(b, &end, batch, err);
    if (status == PD_OK && batch->count == 0) {
        status = pd_error_set(err, PD_INTERNAL, 0, "a batch that was given back is empty");
    }
    if (status == PD_OK) {
        b->back[lowest] = b->back[--b->back_count];
    }
    return status;
}

/* The next one that was not written before; batch->count 0: there is none. */
static enum pd_status take_next(struct pd_dump_batches *b, struct pd_batch *batch,
                                struct pd_batch_place *place, struct pd_error *err)
{
    enum pd_status status;

    do {
        *place = b->next;
        status = read_batch(b, &b->next, batch, err);
        b->next.seq++;
    } while (status == PD_OK && batch->count > 0 && pd_batches_is_done(b, place->seq));
    b->listed = status == PD_OK && batch->count == 0;
    return status;
}

static enum pd_status take(struct pd_dump_batches *b, struct pd_batch *batch,
                           struct pd_batch_place *place, enum pd_batch_answer *answer,
                           struct pd_error *err)
{
    enum pd_status status = make_room(b, err);

    *answer = PD_BATCH_NONE;
    batch->count = 0;
    if (status == PD_OK && b->back_count > 0) {
        status = take_back(b, batch, place, err);
    } else if (status == PD_OK && !b->listed) {
        status = take_next(b, batch, place, err);
    }
    if (status == PD_OK && batch->count > 0) {
        *answer = PD_BATCH_TAKEN;
        b->out++;
    } else if (b->out > 0) {
        *answer = PD_BATCH_LATER;
    }
    return status;
}

enum pd_status pd_batches_take(struct pd_dump_batches *b, struct pd_batch *batch,
                               struct pd_batch_place *place, enum pd_batch_answer *answer,
                               struct pd_error *err)
{
    enum pd_status status = PD_OK;

    *answer = PD_BATCH_NONE;
    pthread_mutex_lock(&b->lock);
    if (!b->ended) {
        status = take(b, batch, place, answer, err);
    }
    pthread_mutex_unlock(&b->lock);
    return status;
}

void pd_batches_wait(struct pd_dump_batches *b, uint64_t ns)
{
    struct timespec until = pd_clock_deadline(ns);

    pthread_mutex_lock(&b->lock);
    if (b->out > 0 && b->back_count == 0 && !b->ended) {
        (void)pthread_cond_timedwait(&b->changed, &b->lock, &until);
    }
    pthread_mutex_unlock(&b->lock);
}

void pd_batches_recorded(struct pd_dump_batches *b)
{
    pthread_mutex_lock(&b->lock);
    b->out--;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

void pd_batches_give_back(struct pd_dump_batches *b, const struct pd_batch_place *place)
{
    pthread_mutex_lock(&b->lock);
    b->out--;
    b->back[b->back_count++] = *place;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

void pd_batches_end(struct pd_dump_batches *b)
{
    pthread_mutex_lock(&b->lock);
    b->ended = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

bool pd_batches_all_recorded(struct pd_dump_batches *b)
{
    pthread_mutex_lock(&b->lock);
    bool all = b->listed && b->back_count == 0 && b->out == 0;
    pthread_mutex_unlock(&b->lock);
    return all;
}
