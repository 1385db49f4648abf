/*
 * ask: a volume that is not at hand is asked of the operator, and waited for.
 *
 * A run that may wait (env.wait_ns) and misses a medium says once which one it needs and where, and
 * again every ten minutes; it tries again every few seconds until the medium is there, the time is
 * up, or the run is to stop. What lies in the drive instead is given out, so that the operator can
 * take it. When the time is up the last failure stands. Only what a person at the drive can mend is
 * waited for: no medium, another one, none that is blank, one that is write protected.
 */
#ifndef PAIRDUMP_ASK_H
#define PAIRDUMP_ASK_H

#include "pairdump/target.h"

struct pd_ask {
    const char *what;  /* "volume PD100001" */
    const char *where; /* URL of the target */
    /* One try. It gives out a medium that it cannot use (pd_ask_make_way). */
    enum pd_status (*run)(void *arg, struct pd_error *err);
    void *arg;
    bool (*beat)(void *beat_arg); /* called while waiting; false: give up. May be NULL */
    void *beat_arg;
};

/* The status of the last try; PD_INTERRUPTED. */
PD_MUST_USE enum pd_status pd_ask(const struct pd_env *env, const struct pd_ask *ask,
                                  struct pd_error *err);
/* Whether a run that may wait would wait for it: status is of a try on target, a tape. */
bool pd_ask_helps(const struct pd_env *env, const struct pd_target *target, enum pd_status status);
/* After a failed try: ejects what lies in the drive, when that helps. */
void pd_ask_make_way(const struct pd_env *env, struct pd_target *target, enum pd_status status);

#endif
