#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "encode_priv.h"
#include "pairdump/thread.h"

enum { QUEUE = 16384, TAKE = 64, HAND_OVER = 256 };

struct extent {
    enum pd_extent_kind kind;
    const uint8_t *memory;
    uint64_t number;
};

/*
 * Invariants while lock is free: queue[tail..head) are told and not yet hashed, head - tail <=
 * QUEUE; results[0..result_count) are complete. files, records and their counts belong to the
 * thread until it has ended; kept and files_told to the encoder. What is told is kept back until a
 * record is complete, and handed over at once: a lock for each file would be held by one of the
 * two, and wanted by the other, too often.
 */
struct pd_encode_digest {
    pthread_mutex_t lock;
    pthread_cond_t told;
    pthread_cond_t hashed;
    struct pd_ring *ring;
    unsigned reader;
    uint64_t record_size;
    struct extent queue[QUEUE];
    uint64_t head, tail;
    uint64_t quiet_records; /* told since the thread was last woken */
    struct extent kept[HAND_OVER];
    size_t kept_count;
    uint64_t files_told;
    bool closed, failed, thread_waits, encoder_waits;
    uint8_t *results; /* of each file its place in the toc, then its digest */
    size_t result_size;
    uint64_t result_count, result_cap;
    struct pd_xxh128 *records;
    uint64_t record_count, record_cap;
    struct pd_digest *files;
    struct pd_thread *thread;
};

/* ---- the encoder's side ---- */

static void wake_thread(struct pd_encode_digest *d)
{
    d->quiet_records = 0;
    if (d->thread_waits) {
        pthread_cond_signal(&d->told);
    }
}

static enum pd_status wait_hashed(struct pd_encode_digest *d)
{
    wake_thread(d);
    d->encoder_waits = true;
    pthread_cond_wait(&d->hashed, &d->lock);
    d->encoder_waits = false;
    return d->failed ? PD_INTERRUPTED : PD_OK;
}

/* What was kept back goes into the queue; wakes the thread when that is worth it. */
static enum pd_status hand_over(struct pd_encode_digest *d, struct pd_error *err)
{
    bool wake = false;

    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->kept_count; i++) {
        while (d->head - d->tail == QUEUE && !d->failed) {
            (void)!wait_hashed(d);
        }
        d->queue[d->head++ % QUEUE] = d->kept[i];
        d->quiet_records += d->kept[i].kind == PD_EXTENT_RECORD;
    }
    bool failed = d->failed;
    if (d->quiet_records >= pd_ring_wake_records(d->ring)) {
        d->quiet_records = 0;
        wake = d->thread_waits;
    }
    pthread_mutex_unlock(&d->lock);
    d->kept_count = 0;
    if (wake) { /* not with the lock held: the thread would only run into it */
        pthread_cond_signal(&d->told);
    }
    return failed ? pd_error_set(err, PD_INTERRUPTED, 0, "hashing was stopped") : PD_OK;
}

enum pd_status pd_encode_digest_tell(struct pd_encode_digest *d, enum pd_extent_kind kind,
                                     const uint8_t *memory, uint64_t number, struct pd_error *err)
{
    d->kept[d->kept_count++] = (struct extent){kind, memory, number};
    d->files_told += kind == PD_EXTENT_FILE;
    return kind == PD_EXTENT_RECORD || d->kept_count == HAND_OVER ? hand_over(d, err) : PD_OK;
}

enum pd_status pd_encode_digest_wait(struct pd_encode_digest *d, struct pd_toc *toc,
                                     struct pd_error *err)
{
    enum pd_status status = hand_over(d, err);

    if (status != PD_OK) {
        return status;
    }
    pthread_mutex_lock(&d->lock);
    while (d->result_count < d->files_told && !d->failed) {
        (void)!wait_hashed(d);
    }
    bool failed = d->failed;
    for (uint64_t i = 0; i < d->result_count && !failed; i++) {
        const uint8_t *result = d->results + i * d->result_size;
        uint64_t index;
        memcpy(&index, result, sizeof index);
        pd_toc_set_digest(&toc->files[index], result + sizeof index);
    }
    pthread_mutex_unlock(&d->lock);
    return failed ? pd_error_set(err, PD_INTERRUPTED, 0, "hashing was stopped") : PD_OK;
}

/* ---- the thread's side ---- */

/* Takes up to TAKE extents; 0 when none will come. */
static size_t take(struct pd_encode_digest *d, struct extent *out)
{
    size_t n = 0;

    pthread_mutex_lock(&d->lock);
    while (d->head == d->tail && !d->closed) {
        if (d->encoder_waits) {
            pthread_cond_signal(&d->hashed);
        }
        d->thread_waits = true;
        pthread_cond_wait(&d->told, &d->lock);
        d->thread_waits = false;
    }
    for (; n < TAKE && d->tail != d->head && !d->failed; n++) {
        out[n] = d->queue[d->tail++ % QUEUE];
    }
    /* a full queue is left to run half empty: waking the encoder for each few would cost more */
    if (d->encoder_waits && d->head - d->tail <= QUEUE / 2) {
        pthread_cond_signal(&d->hashed);
    }
    pthread_mutex_unlock(&d->lock);
    return n;
}

static enum pd_status end_file(struct pd_encode_digest *d, uint64_t index, struct pd_error *err)
{
    uint8_t result[sizeof index + PD_DIGEST_MAX];
    enum pd_status status = pd_digest_final(d->files, result + sizeof index, err);

    pthread_mutex_lock(&d->lock);
    if (status == PD_OK && d->result_count == d->result_cap) {
        uint64_t cap = d->result_cap ? d->result_cap * 2 : 1024;
        uint8_t *results = realloc(d->results, cap * d->result_size);
        if (results) {
            d->results = results;
            d->result_cap = cap;
        } else {
            status = pd_error_memory(err, "digests");
        }
    }
    if (status == PD_OK) {
        memcpy(result, &index, sizeof index);
        memcpy(d->results + d->result_count++ * d->result_size, result, d->result_size);
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

static enum pd_status end_record(struct pd_encode_digest *d, const uint8_t *record,
                                 struct pd_error *err)
{
    if (d->record_count == d->record_cap) {
        uint64_t cap = d->record_cap ? d->record_cap * 2 : 1024;
        struct pd_xxh128 *records = realloc(d->records, cap * sizeof *records);
        if (!records) {
            return pd_error_memory(err, "record digests");
        }
        d->records = records;
        d->record_cap = cap;
    }
    d->records[d->record_count++] = pd_record_digest(record, d->record_size);
    pd_ring_next(d->ring, d->reader);
    return PD_OK;
}

static enum pd_status hash_one(struct pd_encode_digest *d, const struct extent *extent,
                               struct pd_error *err)
{
    switch (extent->kind) {
    case PD_EXTENT_DATA:
        return pd_digest_update(d->files, extent->memory, extent->number, err);
    case PD_EXTENT_HOLE:
        return pd_digest_zeros(d->files, extent->number, err);
    case PD_EXTENT_FILE:
        return end_file(d, extent->number, err);
    case PD_EXTENT_RECORD:
        break;
    }
    return end_record(d, extent->memory, err);
}

static enum pd_status run(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct pd_encode_digest *d = arg;
    struct extent extents[TAKE];
    enum pd_status status = PD_OK;
    size_t n;

    (void)self;
    while (status == PD_OK && (n = take(d, extents)) > 0) {
        for (size_t i = 0; i < n && status == PD_OK; i++) {
            status = hash_one(d, &extents[i], err);
        }
    }
    if (status != PD_OK) {
        pthread_mutex_lock(&d->lock);
        d->failed = true;
        pthread_cond_signal(&d->hashed);
        pthread_mutex_unlock(&d->lock);
        pd_ring_abort(d->ring);
    }
    pd_ring_detach(d->ring, d->reader, false);
    return status;
}

static void free_digest(struct pd_encode_digest *d)
{
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->told);
    pthread_cond_destroy(&d->hashed);
    pd_digest_free(d->files);
    free(d->results);
    free(d->records);
    free(d);
}

enum pd_status pd_encode_digest_start(struct pd_ring *ring, unsigned reader, uint64_t record_size,
                                      enum pd_digest_alg alg, struct pd_encode_digest **out,
                                      struct pd_error *err)
{
    struct pd_encode_digest *d = calloc(1, sizeof *d);
    enum pd_status status;

    if (!d) {
        return pd_error_memory(err, "hashing");
    }
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->told, NULL);
    pthread_cond_init(&d->hashed, NULL);
    d->ring = ring;
    d->reader = reader;
    d->record_size = record_size;
    d->result_size = sizeof(uint64_t) + pd_digest_alg_info(alg)->len;
    status = pd_digest_new(pd_digest_alg_info(alg)->name, &d->files, err);
    if (status == PD_OK) {
        status = pd_thread_start("digest", run, d, NULL, &d->thread, err);
    }
    if (status != PD_OK) {
        free_digest(d);
        return status;
    }
    *out = d;
    return PD_OK;
}

enum pd_status pd_encode_digest_end(struct pd_encode_digest *d, struct pd_toc *toc,
                                    struct pd_error *err)
{
    if (!d) {
        return PD_OK;
    }
    if (toc) {
        (void)!hand_over(d, err);
    }
    pthread_mutex_lock(&d->lock);
    d->closed = true;
    d->failed = d->failed || !toc; /* nobody wants what is still queued */
    wake_thread(d);
    pthread_mutex_unlock(&d->lock);
    enum pd_status status = pd_thread_join(&d->thread, 0, err);
    for (uint64_t i = 0; i < d->record_count && toc && status == PD_OK; i++) {
        status = pd_toc_add_record(toc, d->records[i], err);
    }
    free_digest(d);
    return status;
}
