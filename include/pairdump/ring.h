/*
 * ring: records filled once and read by every writer at its own pace, without copies.
 *
 * One producer fills the memory byte by byte; n readers each have a cursor and get whole records. A
 * record is used again when the last attached reader has passed it, so the memory of records from
 * its cursor on stays valid for a reader (the digest thread looks at them while they fill). A reader
 * that fails detaches alone; one that hangs inside a record keeps that memory, so its late access is
 * harmless. The object is reference counted: it goes when the producer and all readers let go.
 *
 * Thread-safe. Waits end with PD_INTERRUPTED when the ring is aborted, PD_HUNG for the producer
 * after stall_ns (0: never) without any reader moving.
 */
#ifndef PAIRDUMP_RING_H
#define PAIRDUMP_RING_H

#include "pairdump/env.h"

struct pd_ring;

/* bytes are rounded down to whole records; at least 4 records. readers: 1..9, all attached. */
PD_MUST_USE enum pd_status pd_ring_new(uint64_t bytes, uint64_t record_size, unsigned readers,
                                       struct pd_ring **out, struct pd_error *err);
struct pd_ring *pd_ring_hold(struct pd_ring *ring);
void pd_ring_release(struct pd_ring *ring); /* drops one hold; NULL is fine */

/* Producer: free room in the current record, at least 1 byte; waits for it. */
PD_MUST_USE enum pd_status pd_ring_room(struct pd_ring *ring, uint64_t stall_ns, uint8_t **room,
                                        size_t *len, struct pd_error *err);
/* Commits len bytes just written at the place pd_ring_room gave. */
void pd_ring_commit(struct pd_ring *ring, size_t len);
/* Bytes committed so far: the stream position. */
uint64_t pd_ring_position(struct pd_ring *ring);
/* Pads the last record with zeros and tells the readers that no more will come. */
PD_MUST_USE enum pd_status pd_ring_finish(struct pd_ring *ring, uint64_t stall_ns,
                                          struct pd_error *err);
/* Records that gather before readers are woken: 1 to 4, fewer in a small ring. */
uint64_t pd_ring_wake_records(const struct pd_ring *ring);
/* Ends every wait, now and later, on both sides. */
void pd_ring_abort(struct pd_ring *ring);

/* Reader: the next whole record, *record NULL after the last. It stays valid until pd_ring_next. */
PD_MUST_USE enum pd_status pd_ring_record(struct pd_ring *ring, unsigned reader,
                                          const uint8_t **record, struct pd_error *err);
void pd_ring_next(struct pd_ring *ring, unsigned reader);
/* From now on, at first and whenever the reader has caught up, it gets its next record only when so
 * many percent of the ring (1..100, at least one record) lie before it or no more will come: for
 * drives that should stream instead of starting and stopping. */
void pd_ring_stream(struct pd_ring *ring, unsigned reader, unsigned percent);
/* How the reader came by its record, or by the word that there is none: it was at hand, or the
 * reader had caught up, and waited for the producer, or for others, of whom one was behind by half
 * the ring or more. What others are is the caller's: they hold the producer up. */
enum pd_ring_wait { PD_RING_AT_HAND, PD_RING_PRODUCER, PD_RING_OTHERS };
enum pd_ring_wait pd_ring_waited(struct pd_ring *ring, unsigned reader);
/* Behind the last record: waits until every reader still attached has passed it too, so that none
 * ends its tape file while another could still fail to write it. Once PD_OK for one it is for all,
 * whatever is aborted later. */
PD_MUST_USE enum pd_status pd_ring_agree(struct pd_ring *ring, unsigned reader,
                                         struct pd_error *err);
/* Leaves the fan-out. hung: the reader's current record is retired instead of used again. */
void pd_ring_detach(struct pd_ring *ring, unsigned reader, bool hung);

struct pd_ring_stats {
    uint64_t records;     /* slots */
    uint64_t used;        /* records between the slowest attached reader and the producer */
    uint64_t lag[9];      /* records each reader is behind */
    unsigned attached;    /* readers still in */
    unsigned waiting;     /* readers that wait for bytes or for each other */
};
void pd_ring_stats(struct pd_ring *ring, struct pd_ring_stats *out);

#endif
