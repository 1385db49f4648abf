/*
 * dump_batches: the batches of a dump, given out to those who write them.
 *
 * Who takes a batch has it until its archive is recorded, or until it gives the batch back, to be
 * taken again: by anybody, and as it was. Archives may end in another order than their numbers, and
 * a dump that is broken off may lack some before the last. Any thread may call.
 */
#ifndef PAIRDUMP_WORK_DUMP_BATCHES_H
#define PAIRDUMP_WORK_DUMP_BATCHES_H

#include <pthread.h>

#include "pairdump/list.h"

struct pd_batch_place {
    uint64_t seq;
    uint64_t cursor; /* where it begins in the list */
};

/*
 * Invariants while lock is free: every number up to the next one is recorded, or in back, or one of
 * `out`; back has room for all that are out, so that giving back cannot fail.
 */
struct pd_dump_batches {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* something was given back or recorded, or all is ended */
    struct pd_list *list;
    struct pd_batch_limits limits;
    struct pd_batch_place next; /* the first that was never given out */
    bool listed;                /* there is no next one */
    uint64_t *done;             /* numbers that were written before, rising */
    size_t done_count, done_cap;
    struct pd_batch_place *back;
    size_t back_count, back_cap;
    size_t out;
    bool ended; /* nothing more is given out */
};

enum pd_batch_answer {
    PD_BATCH_TAKEN,
    PD_BATCH_LATER, /* there is none, but one that is out may be given back */
    PD_BATCH_NONE,  /* all are recorded, or no more is given out */
};

PD_MUST_USE enum pd_status pd_batches_init(struct pd_dump_batches *b, struct pd_error *err);
void pd_batches_release(struct pd_dump_batches *b);
/* Before the first is taken: numbers that were written before, in any order. */
PD_MUST_USE enum pd_status pd_batches_add_done(struct pd_dump_batches *b, uint64_t seq,
                                               struct pd_error *err);
bool pd_batches_is_done(const struct pd_dump_batches *b, uint64_t seq);
/* From now on there is something to take; the list stays the caller's. */
void pd_batches_start(struct pd_dump_batches *b, struct pd_list *list,
                      const struct pd_batch_limits *limits);
/* The lowest number first. */
PD_MUST_USE enum pd_status pd_batches_take(struct pd_dump_batches *b, struct pd_batch *batch,
                                           struct pd_batch_place *place,
                                           enum pd_batch_answer *answer, struct pd_error *err);
/* Waits for a change, so long at most. */
void pd_batches_wait(struct pd_dump_batches *b, uint64_t ns);
/* The archive of one that was taken is recorded. */
void pd_batches_recorded(struct pd_dump_batches *b);
void pd_batches_give_back(struct pd_dump_batches *b, const struct pd_batch_place *place);
void pd_batches_end(struct pd_dump_batches *b);
/* Is every batch of the list recorded? */
bool pd_batches_all_recorded(struct pd_dump_batches *b);

#endif
