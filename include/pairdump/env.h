/*
 * env: what a run gets from outside, passed down instead of globals.
 *
 * Holds pointers only, owned by whoever made them (main, or a test) and valid longer than anything
 * that gets the env. Every pointer is non-NULL. Safe to use from any thread: clock, log, rng and
 * stop are, and progress counters are atomic.
 */
#ifndef PAIRDUMP_ENV_H
#define PAIRDUMP_ENV_H

#include "pairdump/clock.h"
#include "pairdump/log.h"
#include "pairdump/progress.h"
#include "pairdump/rng.h"
#include "pairdump/signal.h"

struct pd_env {
    const struct pd_clock *clock;
    struct pd_log *log;
    struct pd_progress *progress;
    struct pd_rng *rng;
    const struct pd_stop *stop;
    uint64_t stall_ns; /* a thread without progress for so long counts as hung; 0: never */
    uint64_t
        read_deadline_ns; /* so long one copy is waited for while there is another; 0: stall_ns */
    uint64_t wait_ns;  /* so long a medium is asked for and waited for; 0: not at all */
};

/* PD_OK, or PD_INTERRUPTED with an error once the stop flag is set. */
PD_MUST_USE enum pd_status pd_env_check(const struct pd_env *env, struct pd_error *err);
/* Sleeps in a wait that has a limit of its own (progress.h: bounded). */
void pd_env_rest(const struct pd_env *env, uint64_t ns);

#endif
