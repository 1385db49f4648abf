/*
 * rebuild: the catalog anew, from volumes alone.
 *
 * Every volume of each target is read: its label, then the index of each dump, from the end of the
 * volume towards its begin; archives that no index tells of are read whole, and checked by their
 * own manifest. What the catalog does not have is added; what it has is compared and stays as it
 * is. Nothing is called better than it was seen: copies become written, never verified, and bad
 * when they were read and are.
 *
 * What media say is not trusted: what is wrong or does not fit is named and left out, and the rest
 * goes on. Between the volumes all indexes are kept in a file of the state folder, since what is
 * recorded first gets the lower number, and of two dumps the older is to have that.
 */
#ifndef PAIRDUMP_REBUILD_H
#define PAIRDUMP_REBUILD_H

#include "pairdump/catalog.h"
#include "pairdump/env.h"

enum pd_rebuild_kind {
    PD_REBUILD_CONTRADICTION, /* media and catalog, or media among themselves; nothing was changed
                               */
    PD_REBUILD_LEFT_OUT,      /* what could not be taken */
    PD_REBUILD_LACKING, /* what the volumes that were read do not have: archives, or the end of a
                           dump */
};
typedef enum pd_status (*pd_rebuild_fn)(void *arg, enum pd_rebuild_kind kind,
                                        const struct pd_error *why, struct pd_error *err);

struct pd_rebuild_options {
    const char *const *targets;
    size_t target_count;
    const char *state_dir; /* must exist */
    pd_rebuild_fn on_finding;
    void *finding_arg;
};

struct pd_rebuild_summary {
    uint64_t volumes, dumps, archives, copies, files; /* as media tell */
    uint64_t new_volumes, new_dumps, new_archives, new_copies;
    uint64_t read_whole; /* archives that no index told of */
    uint64_t contradictions, left_out, lacking;
};

/* PD_CATALOG after contradictions, PD_FAILED when archives were left out of which the catalog has
 * nothing, PD_DEGRADED when anything else was left out or lacks. Whatever it returns, what was
 * recorded is true; it can be run again. */
PD_MUST_USE enum pd_status pd_rebuild_run(const struct pd_env *env, struct pd_catalog *catalog,
                                          const struct pd_rebuild_options *options,
                                          struct pd_rebuild_summary *summary, struct pd_error *err);

#endif
