/*
 * spawn: runs another program to its end, without a shell, and takes what it says.
 *
 * The program gets the argv as it is, the environment with LC_ALL=C, /dev/null to read, and no
 * descriptor beyond 0 to 2; its signals are those of a fresh program, and it leads a session of its
 * own, so that a Ctrl-C meant for this process does not reach it (setsid(2), posix_spawn(3)). What
 * it says on both outputs is read as it comes, up to a bound for each. Its end is its own end: what
 * it left behind in the background may keep the outputs open, and is neither waited for nor ended.
 *
 * One that is ended early gets SIGTERM, after the grace SIGKILL, and what it started with it (the
 * process group). One that the kernel does not let go even then, since it sits in a device, is left
 * behind after another grace, so that a call always comes back.
 */
#ifndef PAIRDUMP_SPAWN_H
#define PAIRDUMP_SPAWN_H

#include "pairdump/env.h"
#include "pairdump/text.h"

struct pd_spawn {
    const char *program;     /* path, not searched for */
    const char *const *argv; /* with argv[0]; NULL ends it */
    uint64_t timeout_ns;     /* by the env's clock; 0: never */
    uint64_t grace_ns;       /* by the env's clock */
    size_t out_max;          /* bytes kept of its output */
    size_t err_max;          /* bytes kept of its errors; more is dropped */
    bool finish; /* it must come to its end: the stop flag is not looked at once it has begun, and
                    output beyond the bound, or beyond memory, is dropped */
};

struct pd_spawn_result {
    struct pd_buf out; /* data may be NULL when nothing was said */
    struct pd_buf err;
    int exit_code; /* -1: it did not end by itself */
    int signal;    /* that ended it, 0 if none */
};

/* PD_OK: it ran and ended, with whatever exit code or signal. Otherwise it did not run
 * (PD_NOT_FOUND, PD_DENIED, and others by errno; PD_INTERRUPTED before it began), or was ended
 * early: PD_HUNG after the timeout, PD_INTERRUPTED by the stop flag, PD_BAD_FORMAT when it said
 * more than out_max. The caller releases *out in each case. */
PD_MUST_USE enum pd_status pd_spawn_run(const struct pd_env *env, const struct pd_spawn *spawn,
                                        struct pd_spawn_result *out, struct pd_error *err);
void pd_spawn_result_free(struct pd_spawn_result *result);

/* The path of a program: in the absolute folders of PATH, then in those for administrators, which
 * the PATH of a user or of cron leaves out (/usr/local/sbin, /usr/sbin, /sbin). Caller frees *out.
 * PD_NOT_FOUND when it is nowhere. */
PD_MUST_USE enum pd_status pd_spawn_find(const char *name, char **out, struct pd_error *err);

#endif
