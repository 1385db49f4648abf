/*
 * check: verification of what the catalog knows: dumps or volumes, all copies in parallel, results
 * recorded.
 *
 * For each archive asked for, every copy (or the copies on the volumes named) is read back by one
 * verifier per volume; each result becomes a verification row, and the copy's state follows.
 */
#ifndef PAIRDUMP_CHECK_H
#define PAIRDUMP_CHECK_H

#include "pairdump/verify.h"

struct pd_check_options {
    int64_t dump_id;             /* 0: not by dump */
    const char *const *volumes;  /* labels; none and dump_id 0: everything */
    size_t volume_count;
    bool unverified_only;        /* leaves out copies that are not in state written */
    bool (*wanted)(void *arg, int64_t copy_id);    /* leaves out what it says no to; may be NULL */
    bool (*may_begin)(void *arg, int64_t copy_id); /* asked before a copy is read, perhaps more than
                                    once; no: the rest of its volume is left. May be NULL */
    void *choice_arg;
    const char *const *at;       /* target URLs to look for volumes before the catalog's places */
    size_t at_count;
    struct pd_retry retry;
    pd_verify_result_fn on_result; /* per copy and archive; may be NULL */
    void *result_arg;
};
/* Per archive across the copies asked for, then worst over archives. */
struct pd_check_summary {
    enum pd_status status;
    uint64_t archives, copies, good, bad, unreachable;
    uint64_t left; /* not begun, as may_begin said: their recorded state counts */
    uint64_t
        missing; /* copies that the dumps were to have, and that were never begun, or given up */
    uint64_t bytes;
    uint64_t files_lost; /* files with no good copy, as far as this run can tell */
};
/* Returns PD_OK when a summary was reached, whatever it says. */
PD_MUST_USE enum pd_status pd_check_run(const struct pd_env *env, struct pd_catalog *catalog,
                                        const struct pd_check_options *options,
                                        struct pd_check_summary *summary, struct pd_error *err);

/* Where a volume can be read now: looks at the `at` targets, then at the catalog's location. Caller
 * frees *url. PD_NOT_FOUND naming label and places tried, and the host when it is another one's;
 * PD_MISSING when the catalog's place, one of this host as far as is known, can be looked at, and
 * the volume is not there as it was recorded. */
PD_MUST_USE enum pd_status pd_locate_volume(const struct pd_env *env,
                                            const struct pd_volume_row *volume,
                                            const char *const *at, size_t at_count, char **url,
                                            struct pd_error *err);
/* Closes a target that was only read from; in a library the cartridge goes back to its slot. What
 * fails is logged. NULL: nothing. */
void pd_leave_volume(const struct pd_env *env, struct pd_target *target);

#endif
