#include "pairdump/ring.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/target.h"

enum { READERS_MAX = 9, SLOTS_MIN = 4, LOOK_NS = 10000000 };

struct reader {
    bool attached;
    bool waiting;
    uint64_t mark; /* records to gather for it once it has caught up; 0: one is enough */
    bool starts;   /* the same for its first record */
    enum pd_ring_wait waited; /* for the record that it has now */
    uint64_t next; /* record it reads now */
};

/*
 * Invariants while lock is free: every attached reader's next is at most head / record_size, and
 * head - oldest * record_size <= slots * record_size, oldest being the least next of the attached;
 * records [recycled, assigned) have memory, record i at place[i % slots], and recycled <= oldest; all
 * other memory is in idle[0..idle_count). What was left last is taken first: while the writers keep
 * up, few records go round, and these stay in the processor's cache. Where a reader hangs the record
 * moves to a spare: its part of `memory` is then never written again.
 */
struct pd_ring {
    pthread_mutex_t lock;
    pthread_cond_t filled; /* readers wait */
    pthread_cond_t freed;  /* the producer waits */
    uint64_t record_size, slots;
    uint8_t **place;
    uint8_t **idle;
    uint64_t idle_count, recycled, assigned;
    uint8_t *memory;
    uint8_t *spare[READERS_MAX]; /* by the reader that hung; NULL if it did not */
    uint64_t head;  /* bytes committed */
    uint64_t woken; /* head when readers were woken last */
    uint64_t moves; /* records passed by all readers, and readers that left */
    bool finished, aborted, producer_waits;
    bool agreed; /* every reader left has passed the last record */
    unsigned readers;
    struct reader reader[READERS_MAX];
    unsigned refs;
};

enum pd_status pd_ring_new(uint64_t bytes, uint64_t record_size, unsigned readers,
                           struct pd_ring **out, struct pd_error *err)
{
    struct pd_ring *ring;
    pthread_condattr_t attr;
    uint64_t slots = record_size > 0 ? bytes / record_size : 0;

    if (record_size == 0 || readers < 1 || readers > READERS_MAX) {
        return pd_error_set(err, PD_INTERNAL, 0, "ring: %u readers of records of %" PRIu64 " bytes",
                            readers, record_size);
    }
    slots = slots < SLOTS_MIN ? SLOTS_MIN : slots;
    ring = calloc(1, sizeof *ring);
    if (!ring || record_size > SIZE_MAX / slots) {
        free(ring);
        return pd_error_memory(err, "the block ring; lower buffer");
    }
    ring->record_size = record_size;
    ring->slots = slots;
    ring->readers = readers;
    ring->place = calloc(slots, sizeof *ring->place);
    ring->idle = calloc(slots, sizeof *ring->idle);
    ring->memory = pd_record_alloc(slots * record_size);
    if (!ring->place || !ring->idle || !ring->memory) {
        free(ring->place);
        free(ring->idle);
        free(ring->memory);
        free(ring);
        return pd_error_memory(err, "the block ring; lower buffer");
    }
    for (uint64_t i = 0; i < slots; i++) {
        ring->idle[i] = ring->memory + (slots - 1 - i) * record_size;
    }
    ring->idle_count = slots;
    for (unsigned i = 0; i < readers; i++) {
        ring->reader[i].attached = true;
    }
    pthread_mutex_init(&ring->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ring->filled, &attr);
    pthread_cond_init(&ring->freed, &attr);
    pthread_condattr_destroy(&attr);
    ring->refs = 1;
    *out = ring;
    return PD_OK;
}

struct pd_ring *pd_ring_hold(struct pd_ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    ring->refs++;
    pthread_mutex_unlock(&ring->lock);
    return ring;
}

void pd_ring_release(struct pd_ring *ring)
{
    if (!ring) {
        return;
    }
    pthread_mutex_lock(&ring->lock);
    bool last = --ring->refs == 0;
    pthread_mutex_unlock(&ring->lock);
    if (!last) {
        return;
    }
    pthread_cond_destroy(&ring->filled);
    pthread_cond_destroy(&ring->freed);
    pthread_mutex_destroy(&ring->lock);
    for (unsigned i = 0; i < READERS_MAX; i++) {
        free(ring->spare[i]);
    }
    free(ring->memory);
    free(ring->place);
    free(ring->idle);
    free(ring);
}

/* Least record that an attached reader still needs; the head's when none is attached. */
static uint64_t oldest(const struct pd_ring *ring)
{
    uint64_t least = ring->head / ring->record_size;

    for (unsigned i = 0; i < ring->readers; i++) {
        if (ring->reader[i].attached && ring->reader[i].next < least) {
            least = ring->reader[i].next;
        }
    }
    return least;
}

/* Whether there is anybody to wake; to be followed by a broadcast. */
static bool must_wake(struct pd_ring *ring)
{
    bool waiting = false;

    ring->woken = ring->head;
    for (unsigned i = 0; i < ring->readers; i++) {
        waiting = waiting || ring->reader[i].waiting;
    }
    return waiting;
}

static void wake_readers(struct pd_ring *ring)
{
    if (must_wake(ring)) {
        pthread_cond_broadcast(&ring->filled);
    }
}

static void wake_producer(struct pd_ring *ring)
{
    if (ring->producer_waits) {
        pthread_cond_signal(&ring->freed);
    }
}

static bool is_full(const struct pd_ring *ring)
{
    return ring->head / ring->record_size - oldest(ring) >= ring->slots;
}

static enum pd_status given_up(struct pd_error *err)
{
    return pd_error_set(err, PD_INTERRUPTED, 0, "the archive was given up");
}

/* Records to gather before those who wait are woken. Each wake-up takes the producer's processor away,
 * and a drive takes several records at once as readily as one. */
uint64_t pd_ring_wake_records(const struct pd_ring *ring)
{
    uint64_t part = ring->slots / 8;

    return part < 1 ? 1 : part > 4 ? 4 : part;
}

/* Waits for room with the lock held; PD_HUNG when no reader moved for stall_ns. */
static enum pd_status wait_room(struct pd_ring *ring, uint64_t stall_ns, struct pd_error *err)
{
    struct timespec until = {0};
    uint64_t seen = ring->moves;

    if (is_full(ring)) {
        wake_readers(ring);
        until = pd_clock_deadline(stall_ns);
    }
    while (!ring->aborted && is_full(ring)) {
        int timed_out = 0;
        ring->producer_waits = true;
        if (stall_ns == 0) {
            pthread_cond_wait(&ring->freed, &ring->lock);
        } else {
            timed_out = pthread_cond_timedwait(&ring->freed, &ring->lock, &until);
        }
        ring->producer_waits = false;
        if (timed_out && ring->moves == seen && is_full(ring) && !ring->aborted) {
            return pd_error_set(err, PD_HUNG, 0, "no reader of the ring moves");
        }
        if (ring->moves != seen && stall_ns > 0) {
            seen = ring->moves;
            until = pd_clock_deadline(stall_ns);
        }
    }
    return ring->aborted ? given_up(err) : PD_OK;
}

/* Memory of the record that is being filled; there is room for it. */
static uint8_t *current(struct pd_ring *ring)
{
    uint64_t record = ring->head / ring->record_size;

    if (ring->assigned == record) {
        for (uint64_t passed = oldest(ring); ring->recycled < passed; ring->recycled++) {
            ring->idle[ring->idle_count++] = ring->place[ring->recycled % ring->slots];
        }
        ring->place[record % ring->slots] = ring->idle[--ring->idle_count];
        ring->assigned++;
    }
    return ring->place[record % ring->slots];
}

enum pd_status pd_ring_room(struct pd_ring *ring, uint64_t stall_ns, uint8_t **room, size_t *len,
                            struct pd_error *err)
{
    enum pd_status status;

    pthread_mutex_lock(&ring->lock);
    status = wait_room(ring, stall_ns, err);
    if (status == PD_OK) {
        uint64_t within = ring->head % ring->record_size;
        *room = current(ring) + within;
        *len = (size_t)(ring->record_size - within);
    }
    pthread_mutex_unlock(&ring->lock);
    return status;
}

void pd_ring_commit(struct pd_ring *ring, size_t len)
{
    bool wake = false;

    pthread_mutex_lock(&ring->lock);
    uint64_t record = ring->head / ring->record_size;
    ring->head += len;
    if (ring->head / ring->record_size != record &&
        ring->head - ring->woken >= pd_ring_wake_records(ring) * ring->record_size) {
        wake = must_wake(ring);
    }
    pthread_mutex_unlock(&ring->lock);
    if (wake) { /* not with the lock held: they would only run into it */
        pthread_cond_broadcast(&ring->filled);
    }
}

uint64_t pd_ring_position(struct pd_ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    uint64_t head = ring->head;
    pthread_mutex_unlock(&ring->lock);
    return head;
}

/* Sees whether all that are left have passed the last record; once true it stays so. */
static void look_for_agreement(struct pd_ring *ring)
{
    if (ring->finished && !ring->aborted && !ring->agreed &&
        oldest(ring) == ring->head / ring->record_size) {
        ring->agreed = true;
        pthread_cond_broadcast(&ring->filled);
    }
}

enum pd_status pd_ring_finish(struct pd_ring *ring, uint64_t stall_ns, struct pd_error *err)
{
    uint8_t *room;
    size_t len;
    enum pd_status status = PD_OK;

    if (pd_ring_position(ring) % ring->record_size != 0) {
        status = pd_ring_room(ring, stall_ns, &room, &len, err);
        if (status == PD_OK) {
            memset(room, 0, len);
            pd_ring_commit(ring, len);
        }
    }
    pthread_mutex_lock(&ring->lock);
    if (status == PD_OK) {
        ring->finished = true;
        look_for_agreement(ring);
    }
    wake_readers(ring);
    pthread_mutex_unlock(&ring->lock);
    return status;
}

void pd_ring_abort(struct pd_ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    ring->aborted = true;
    pthread_cond_broadcast(&ring->filled);
    pthread_cond_broadcast(&ring->freed);
    pthread_mutex_unlock(&ring->lock);
}

/* Looks by itself from time to time, as it is not woken for each record. */
static void wait_filled(struct pd_ring *ring, struct reader *reader)
{
    struct timespec until = pd_clock_deadline(LOOK_NS);

    reader->waiting = true;
    pthread_cond_timedwait(&ring->filled, &ring->lock, &until);
    reader->waiting = false;
}

/* Who keeps a reader waiting: one that is behind by half the ring, or else the producer. */
static enum pd_ring_wait blame(const struct pd_ring *ring, const struct reader *waiting)
{
    uint64_t head = ring->head / ring->record_size;

    for (unsigned i = 0; i < ring->readers; i++) {
        const struct reader *other = &ring->reader[i];
        if (other != waiting && other->attached && head - other->next >= (ring->slots + 1) / 2) {
            return PD_RING_OTHERS;
        }
    }
    return PD_RING_PRODUCER;
}

/* Waits with the lock held until so many bytes are committed, or no more will come. */
static enum pd_status wait_bytes(struct pd_ring *ring, struct reader *reader, uint64_t bytes,
                                 struct pd_error *err)
{
    if (reader->starts || (reader->mark > 0 && ring->head < bytes)) {
        bytes = (reader->next + reader->mark) * ring->record_size;
    }
    reader->starts = false;
    reader->waited = PD_RING_AT_HAND;
    while (!ring->aborted && reader->attached && !ring->finished && ring->head < bytes) {
        if (reader->waited == PD_RING_AT_HAND) {
            reader->waited = blame(ring, reader);
        }
        wait_filled(ring, reader);
    }
    /* who has agreed learns of the end even if another failed to end its tape file */
    bool left = (ring->aborted && !ring->agreed) || !reader->attached;
    return left ? given_up(err) : PD_OK;
}

void pd_ring_stream(struct pd_ring *ring, unsigned index, unsigned percent)
{
    uint64_t mark = ring->slots / 100 * percent + ring->slots % 100 * percent / 100;

    pthread_mutex_lock(&ring->lock);
    ring->reader[index].mark = mark < 1 ? 1 : mark > ring->slots ? ring->slots : mark;
    ring->reader[index].starts = true;
    pthread_mutex_unlock(&ring->lock);
}

enum pd_status pd_ring_record(struct pd_ring *ring, unsigned index, const uint8_t **record,
                              struct pd_error *err)
{
    struct reader *reader = &ring->reader[index];

    pthread_mutex_lock(&ring->lock);
    uint64_t end = (reader->next + 1) * ring->record_size;
    enum pd_status status = wait_bytes(ring, reader, end, err);
    if (status == PD_OK) {
        *record = ring->head >= end ? ring->place[reader->next % ring->slots] : NULL;
    }
    pthread_mutex_unlock(&ring->lock);
    return status;
}

enum pd_ring_wait pd_ring_waited(struct pd_ring *ring, unsigned index)
{
    pthread_mutex_lock(&ring->lock);
    enum pd_ring_wait waited = ring->reader[index].waited;
    pthread_mutex_unlock(&ring->lock);
    return waited;
}

void pd_ring_next(struct pd_ring *ring, unsigned index)
{
    pthread_mutex_lock(&ring->lock);
    ring->reader[index].next++;
    ring->moves++;
    look_for_agreement(ring);
    wake_producer(ring);
    pthread_mutex_unlock(&ring->lock);
}

enum pd_status pd_ring_agree(struct pd_ring *ring, unsigned index, struct pd_error *err)
{
    struct reader *reader = &ring->reader[index];

    pthread_mutex_lock(&ring->lock);
    while (!ring->agreed && !ring->aborted && reader->attached) {
        wait_filled(ring, reader);
    }
    bool agreed = ring->agreed && reader->attached;
    pthread_mutex_unlock(&ring->lock);
    return agreed ? PD_OK : given_up(err);
}

/* A call that hangs may look at its record for ever: it keeps that memory, and the record gets other
 * memory with the same bytes for those who come after. */
static bool retire(struct pd_ring *ring, unsigned index)
{
    uint64_t place = ring->reader[index].next % ring->slots;
    uint8_t *spare = pd_record_alloc(ring->record_size);

    if (spare) {
        memcpy(spare, ring->place[place], ring->record_size);
        ring->spare[index] = spare;
        ring->place[place] = spare;
    }
    return spare != NULL;
}

void pd_ring_detach(struct pd_ring *ring, unsigned index, bool hung)
{
    struct reader *reader = &ring->reader[index];

    pthread_mutex_lock(&ring->lock);
    if (reader->attached) {
        if (hung && reader->next < ring->head / ring->record_size && !retire(ring, index)) {
            ring->aborted = true;
            pthread_cond_broadcast(&ring->freed);
        }
        reader->attached = false;
        ring->moves++;
        look_for_agreement(ring);
        pthread_cond_broadcast(&ring->filled);
        wake_producer(ring);
    }
    pthread_mutex_unlock(&ring->lock);
}

void pd_ring_stats(struct pd_ring *ring, struct pd_ring_stats *out)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&ring->lock);
    uint64_t head = ring->head / ring->record_size;
    out->records = ring->slots;
    out->used = head - oldest(ring);
    for (unsigned i = 0; i < ring->readers; i++) {
        out->lag[i] = ring->reader[i].attached ? head - ring->reader[i].next : 0;
        out->attached += ring->reader[i].attached;
        out->waiting += ring->reader[i].waiting;
    }
    pthread_mutex_unlock(&ring->lock);
}
