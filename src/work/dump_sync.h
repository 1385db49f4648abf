/*
 * dump_sync: archives whose tape files have ended, on their way to the book.
 *
 * A synchronous filemark costs a tape drive seconds of flushing. So where all copies at hand are
 * tapes, archives end with immediate ones, and wait here, not settled, until both drives have said
 * that everything before is on the tape. Only then they are written, and are recorded, in order.
 * What failed on a copy after they ended leaves open what became of them there: the copy is bad.
 *
 * On disks, and on pairs with one, an archive is durable and settled as soon as it has ended.
 */
#ifndef PAIRDUMP_WORK_DUMP_SYNC_H
#define PAIRDUMP_WORK_DUMP_SYNC_H

#include "dump_priv.h"
#include "pairdump/fanout.h"

struct pd_ended {
    size_t place; /* of the lane's archives */
    struct pd_batch_place batch;
    struct pd_archive_row row;
    struct pd_expect *expect;
    struct pd_dump_problems problems; /* that its source files had; without a lock */
    struct pd_copy_row *rows;         /* of the copies that took part; bad, or to become written */
    size_t row_count;
    uint64_t need;  /* what its batch was reckoned to take */
    uint64_t bytes; /* that it takes on each copy */
    bool settled;
};

/* Invariant: list[0..count) in the order of their numbers; what is settled stands in front. */
struct pd_ended_list {
    struct pd_dump_lane *lane;
    struct pd_ended *list;
    size_t count, cap;
    size_t waiting;      /* of these, not settled */
    uint64_t bytes;      /* that they take on each copy */
    uint64_t memory;     /* that they take here, about */
    uint64_t since_ns;   /* when the first of them was begun */
    struct pd_error why; /* the last copy that failed */
};

/* Whether archives of the pair at hand end without waiting for the drives. */
bool pd_ended_waits(struct pd_dump_lane *l);
/* Room for one more, so that adding it cannot fail. */
PD_MUST_USE enum pd_status pd_ended_room(struct pd_ended_list *ended, struct pd_error *err);
/* Takes *one over. settled: its copies that are not bad are on the media. */
void pd_ended_add(struct pd_ended_list *ended, const struct pd_ended *one, uint64_t began_ns,
                  bool settled);
/* Are the drives to be asked before an archive of so many bytes is begun? */
bool pd_ended_due(const struct pd_ended_list *ended, uint64_t next_bytes);
/* A copy has failed: whether it holds what waits is not known. */
void pd_ended_distrust(struct pd_ended_list *ended, size_t copy, const struct pd_error *why);
/* Asks the drives, and settles what waits. A copy that fails is lost; when none is left, what
 * waited is given up, as if it had never been begun, its batches are given back, and the lane
 * cannot go on. */
PD_MUST_USE enum pd_status pd_ended_settle(struct pd_ended_list *ended, struct pd_error *err);
/* The first one is recorded and goes. */
void pd_ended_pop(struct pd_ended_list *ended);
void pd_ended_release(struct pd_ended_list *ended);

#endif
