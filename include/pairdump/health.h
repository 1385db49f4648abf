/*
 * health: what a volume was like to read from, over all archives of a run.
 *
 * Whoever opens volumes keeps one per volume and lends it to each replica (replica.h), which tells
 * it what became of each record. A copy is demoted when it failed twice in a row, or three times
 * within some sixteen records, and at once when its drive was late, was lost, or has another
 * volume. One that is demoted is tried now and then beside the copy that serves, first after 64
 * records that others served or 30 seconds, then each time after twice as much. When it gives a
 * good record it is back on trial: the next fault demotes it again, and the waits start anew only
 * when it has settled. Plain data, no threads; pd_health_init first. Times are of the clock given.
 */
#ifndef PAIRDUMP_HEALTH_H
#define PAIRDUMP_HEALTH_H

#include "pairdump/clock.h"

struct pd_health {
    uint64_t served;      /* records that were good */
    uint64_t errors;      /* records that could not be read, and late ones */
    uint64_t mismatches;  /* records that were read and not good */
    uint64_t average_ns;  /* time per good record, moving; 0: none known */
    uint64_t samples;     /* good records in it, since it was last forgotten */
    int64_t last_success; /* UTC; 0: never */
    unsigned points;      /* grow with faults, shrink with good records */
    bool demoted;
    unsigned probes;     /* trials since it was last well; each doubles the wait */
    uint64_t demoted_at; /* monotonic ns, of the demotion or of the last trial */
    uint64_t passed;     /* records that others served since then */
    bool lost;           /* hung for the stall time: not to be asked again in this run */
    bool taken;          /* a reader that did not come back has the target (replica.h) */
};

void pd_health_init(struct pd_health *health);
/* A good record, and the time that reading it took. */
void pd_health_success(struct pd_health *health, const struct pd_clock *clock, uint64_t took_ns);
/* A record that was not; PD_BAD_RECORD: it was read, but does not match. PD_HUNG: lost. */
void pd_health_fault(struct pd_health *health, const struct pd_clock *clock, enum pd_status why);
/* No fault, but so slow that others are better asked. */
void pd_health_slow(struct pd_health *health, const struct pd_clock *clock);
/* Another copy served a record in the meantime. */
void pd_health_pass(struct pd_health *health);
/* Is it time to try a demoted copy? True once: the next wait begins. */
bool pd_health_probe(struct pd_health *health, const struct pd_clock *clock);
/* So much slower than another that it holds things up. False while either is little known. */
bool pd_health_lags(const struct pd_health *health, const struct pd_health *other);

#endif
