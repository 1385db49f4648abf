/*
 * fanout: one archive to all targets at once: a writer thread per copy behind one ring.
 *
 * A writer that fails or hangs leaves the fan-out and its tape file is abandoned; the others go on.
 * No tape file is ended before every writer left has written all records: so PD_VOLUME_FULL on any
 * copy stops all, and the archive is abandoned everywhere, to be written whole to the next volumes.
 * When no writer is left, or the run is to stop, the producer is stopped.
 *
 * A copy on tape gets its first record when the ring has filled to a mark or the archive is
 * complete, and again so whenever it has caught up, for the drive to stream. A writer hangs when
 * one call of its target takes longer than env->stall_ns; waiting for data is not hanging, and slow
 * calls are not.
 */
#ifndef PAIRDUMP_FANOUT_H
#define PAIRDUMP_FANOUT_H

#include "pairdump/progress.h"
#include "pairdump/ring.h"
#include "pairdump/target.h"

/*
 * How a copy on tape streamed; all zero for others. A stretch begins with the record that a writer
 * gets after a wait for the mark, and lasts until it has caught up, or has no more to write:
 *
 *     starts      stretches: one for each archive that got as far as its first record, and one for
 *                 each stop
 *     stops       waits inside an archive that ended with another record; the drive stood still.
 *                 Neither the wait for the first record of an archive is one, nor the wait for the
 *                 word that there is no other. Between two archives a drive stands still as well.
 *     bytes       records that the target took, those of archives given up later too
 *     stream_ns   time of all stretches: nearly all of it is spent in calls of the target
 *     fill_ns     waits for the first record of an archive
 *     starved_ns  stops, while the source was slow
 *     others_ns   stops, while another copy (or the digests) was behind by half the ring or more,
 *                 and held the source up
 *
 * What is left of a writer's time goes to the beginning and the end of tape files. The clock is the
 * env's.
 */
struct pd_fanout_figures {
    uint64_t starts, stops, bytes;
    uint64_t stream_ns, fill_ns, starved_ns, others_ns;
};

struct pd_fanout_copy {
    struct pd_target *target; /* NULL: this copy is out, and stays out */
    enum pd_status status;    /* result: PD_OK only when the tape file has ended well */
    struct pd_error error;
    uint32_t file_no;         /* result: tape file number */
    uint64_t records;         /* result: records accepted */
    struct pd_fanout_figures figures; /* result: of this archive; zero when the thread hangs */
    struct pd_error adrift;   /* result: why a tape file that failed could not be given up; what
                                 the volume holds of those before is not known then */
    bool lost;                /* result: the thread hangs; target belongs to it now: the caller
                                 forgets it (sets target NULL) and never closes it */
};

/* Runs in the calling thread; fills the ring until pd_ring_finish, or returns a failure. Nothing may
 * fail after pd_ring_finish: from there on writers end their tape files. */
typedef enum pd_status (*pd_produce_fn)(void *arg, struct pd_ring *ring, struct pd_error *err);

struct pd_fanout_job {
    const struct pd_env *env;
    const char *name; /* of the tape file */
    uint64_t record_size;
    uint64_t buffer;       /* bytes of the ring */
    unsigned extra_readers; /* readers 0..extra-1 belong to the producer; writers come after */
    bool durable;          /* end each tape file durably */
    unsigned first_copy;   /* as progress counts copies: the number of copies[0] */
    unsigned mark;         /* percent of the ring that tapes wait for, 1..100 */
    pd_produce_fn produce;
    void *produce_arg;
};

/* copies[i] with a target take part. Returns PD_OK if the producer and at least one copy are PD_OK;
 * else PD_VOLUME_FULL if any copy met it; else the producer's failure; else the worst of the copies,
 * or PD_INTERRUPTED. Each copy's own status is in copies[i] whatever is returned; one whose volume
 * was full only at the end of a tape file that others have ended is PD_NO_SPACE. */
PD_MUST_USE enum pd_status pd_fanout(const struct pd_fanout_job *job,
                                     struct pd_fanout_copy *copies, size_t copy_count,
                                     struct pd_error *err);

/* Brings to the media what copies with a target were given so far, all at once, as a drive takes
 * seconds for it. Sets status, error and lost of each as pd_fanout does; stop flags do not count.
 * Returns PD_OK when at least one copy is PD_OK, else the worst of them. */
PD_MUST_USE enum pd_status pd_fanout_sync(const struct pd_env *env, struct pd_fanout_copy *copies,
                                          size_t copy_count, struct pd_error *err);

void pd_fanout_add_figures(struct pd_fanout_figures *sum, const struct pd_fanout_figures *more);

#endif
