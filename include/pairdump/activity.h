/*
 * activity: a named step that touches the outside, tried again by policy.
 *
 * Every open, load, archive write, verification, catalog commit and restore runs as one. The step
 * is a function; the runner calls it up to policy.tries times while its status is retryable (see
 * status.h), sleeping delay * backoff^n with jitter between. Every try
 * after the first is logged, and the end is: "activity load PD100001: ok after 2 of 3 tries". An
 * interrupted run is not tried again. Handlers run once, after the last try; their failure is
 * logged and never changes the result.
 */
#ifndef PAIRDUMP_ACTIVITY_H
#define PAIRDUMP_ACTIVITY_H

#include "pairdump/env.h"

struct pd_retry {
    unsigned tries;           /* at least 1 */
    uint64_t delay_ns;        /* before the second try */
    uint64_t max_delay_ns;    /* no single wait is longer */
    unsigned backoff_percent; /* each wait is that much of the one before; 200 doubles, >= 100 */
    unsigned jitter_percent;  /* up to so much is taken off each wait, at random; <= 100 */
};

#define PD_RETRY_ONCE ((struct pd_retry){1, 0, 0, 100, 0})
#define PD_RETRY_DEFAULT                                                                           \
    ((struct pd_retry){3, UINT64_C(500000000), UINT64_C(30000000000), 200, 20})

typedef enum pd_status (*pd_activity_fn)(void *arg, struct pd_error *err);
typedef void (*pd_activity_handler)(void *handler_arg, const char *name, unsigned tries,
                                    const struct pd_error *err);

struct pd_activity {
    const char *name;    /* kind: "open", "load", "write", "verify", "commit", "restore", ... */
    const char *subject; /* what it acts on, for the log; may be NULL */
    pd_activity_fn run;
    void *arg;
    struct pd_retry retry;
    pd_activity_handler on_success; /* may be NULL */
    pd_activity_handler on_failure; /* may be NULL */
    void *handler_arg;
};

PD_MUST_USE enum pd_status pd_activity_run(const struct pd_env *env,
                                           const struct pd_activity *activity,
                                           struct pd_error *err);

#endif
