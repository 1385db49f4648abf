/*
 * What the parts of replica share.
 *
 *     replica.c       one record: whom to ask, how long to wait, what came back
 *     replica_plan.c  who is to read what: the leader, stripes, read-ahead, trials of the demoted
 *     replica_feed.c  the thread that reads one copy
 */
#ifndef PAIRDUMP_REPLICA_PRIV_H
#define PAIRDUMP_REPLICA_PRIV_H

#include <pthread.h>

#include "pairdump/replica.h"
#include "pairdump/thread.h"

#define PD_REPLICA_NOWHERE   UINT64_MAX
#define PD_REPLICA_OPEN_TRIES 3 /* a tape file that does not open so often in a row is given up */
#define PD_REPLICA_SLOTS     8                    /* records in flight per copy, */
#define PD_REPLICA_IN_FLIGHT (UINT64_C(16) << 20) /* and bytes; but two records at least */

/* One lock for a replica and its threads; changed: a record was asked for, or has come. Reference
 * counted, as a hung thread may outlive the replica. */
struct pd_replica_hub {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned refs;
};

enum pd_replica_slot_state {
    PD_SLOT_FREE,
    PD_SLOT_ASKED,   /* waits for the thread */
    PD_SLOT_READING, /* the thread's */
    PD_SLOT_READ,    /* back, not judged yet */
    PD_SLOT_GOOD,    /* matches its digest */
    PD_SLOT_BAD,     /* could not be read, or does not match */
    PD_SLOT_HELD,    /* good, and with the caller */
};

struct pd_replica_slot {
    enum pd_replica_slot_state state;
    uint64_t no;
    uint8_t *buf; /* one record; NULL until it is needed */
    bool late;    /* past its deadline: another copy was asked as well */
    bool probe;   /* a trial of a demoted copy: nobody waits for it */
    /* what came back: */
    uint64_t done; /* counts answers */
    enum pd_status status;
    bool unopened; /* it did not come to reading: no tape file, or not this volume */
    size_t got;
    uint64_t took_ns;
    struct pd_error error;
};

enum pd_replica_phase { PD_FEED_IDLE, PD_FEED_PLACING, PD_FEED_READING };

/*
 * The thread that reads one copy, and what it shares with the replica; freed by whoever lets go
 * last. Invariants while the hub's lock is free: a slot in state READING is the thread's alone, any
 * other the replica's; phase says what the thread does, since when in since_ns (real monotonic
 * time). owns: the replica has given the thread up, and the target goes with it.
 */
struct pd_replica_feed {
    struct pd_replica_hub *hub;
    const struct pd_env *env;
    struct pd_target *target;
    struct pd_label label;
    uint32_t tape_file;
    size_t size;
    struct pd_thread *thread; /* NULL until something is asked */
    struct pd_replica_slot slots[PD_REPLICA_SLOTS];
    size_t slot_count;
    uint64_t answers;
    enum pd_replica_phase phase;
    uint64_t since_ns;
    bool doubt; /* is it still the volume that it was? The label is to be looked at again */
    bool closing, ended, owns;
    /* the thread's own: */
    bool open;
    unsigned failures; /* to open, in a row, and what the last one was */
    enum pd_status refused;
    bool exchanged; /* it is another volume now: hands off */
    uint64_t next;  /* record that the next read gives; NOWHERE: seek first */
};

struct pd_replica_state {
    struct pd_replica_feed *feed; /* NULL: given up, the target is gone with it */
    struct pd_health own;         /* where none is lent */
    struct pd_health *health;
    unsigned open_failures; /* in a row */
    bool cheap;             /* random access costs little */
    bool gone;              /* not to be asked any more */
};

struct pd_replica {
    const struct pd_env *env;
    const struct pd_toc *toc;
    struct pd_replica_copy *copies;
    struct pd_replica_state *states;
    size_t count;
    struct pd_replica_hub *hub;
    struct pd_replica_slot *held; /* with the caller; NULL: none */
    uint64_t previous;            /* record asked for before; NOWHERE: none */
    uint64_t sequence;            /* records asked for one after the other up to now */
    size_t leader;                /* copy that is asked first */
    uint64_t *lost;               /* records that no copy had, in the order of finding */
    size_t lost_count, lost_cap;
};

/* ---- the thread; all but new and finish with the hub's lock held ---- */

PD_MUST_USE enum pd_status pd_replica_hub_new(struct pd_replica_hub **out, struct pd_error *err);
void pd_replica_hub_drop(struct pd_replica_hub *hub);
/* Until something changes, but no longer than a moment. */
void pd_replica_hub_wait(struct pd_replica_hub *hub);
/* The real clock, by which deadlines go. */
uint64_t pd_replica_now(void);

PD_MUST_USE enum pd_status pd_replica_feed_new(const struct pd_env *env, struct pd_replica_hub *hub,
                                               const struct pd_replica_copy *copy, size_t size,
                                               struct pd_replica_feed **out, struct pd_error *err);
/* The slot that has this record or is to get it, or NULL. */
struct pd_replica_slot *pd_replica_feed_find(struct pd_replica_feed *feed, uint64_t no);
/* Asks for a record, which none of the slots has. Without urgent only if a slot is free: *out is
 * NULL if not. */
PD_MUST_USE enum pd_status pd_replica_feed_ask(struct pd_replica_feed *feed, uint64_t no,
                                               bool urgent, struct pd_replica_slot **out,
                                               struct pd_error *err);
/* Frees slots of records outside of [from, to), but for what is being read, not judged, or held. */
void pd_replica_feed_prune(struct pd_replica_feed *feed, uint64_t from, uint64_t to);
/* What is asked for and not begun is not asked for any more. */
void pd_replica_feed_drop(struct pd_replica_feed *feed);
/* The answer to be judged next, or NULL. */
struct pd_replica_slot *pd_replica_feed_answer(struct pd_replica_feed *feed);
/* What is being read now is late, whichever record another copy is asked for because of it. */
void pd_replica_feed_stick(struct pd_replica_feed *feed);
/* Is it in a call that another copy was asked for meanwhile? */
bool pd_replica_feed_is_stuck(const struct pd_replica_feed *feed);
void pd_replica_feed_close(struct pd_replica_feed *feed);
/* Joins the thread, or gives it up if it has not ended. Lets go of *feed. True: the target went
 * with the thread, which closes it when it comes back. */
bool pd_replica_feed_finish(struct pd_replica_feed **feed);

/* ---- the plan; with the hub's lock held ---- */

/* The copy that is to give a record. */
size_t pd_replica_plan_for(const struct pd_replica *replica, uint64_t no);
/* How many records from the one asked for on are kept or fetched ahead. */
uint64_t pd_replica_plan_span(const struct pd_replica *replica);
/* The best copy that was not asked for the record; false when there is none. stuck: also those that
 * do not come back from a call. */
bool pd_replica_plan_next(const struct pd_replica *replica, uint64_t no, bool stuck, size_t *out);
/* Does any copy have it, or read it without being held up? */
bool pd_replica_plan_is_coming(const struct pd_replica *replica, uint64_t no);
/* A leader that is demoted or gone makes way. */
void pd_replica_plan_lead(struct pd_replica *replica);
void pd_replica_plan_ahead(struct pd_replica *replica, uint64_t no);
void pd_replica_plan_probe(struct pd_replica *replica, uint64_t no);
bool pd_replica_is_lost(const struct pd_replica *replica, uint64_t no);

#endif
