/*
 * What the parts of agree share.
 *
 *     agree.c         the run: which volume is where, each place looked at once, unknown volumes
 *     agree_volume.c  one mounted volume against its rows
 */
#ifndef PAIRDUMP_AGREE_PRIV_H
#define PAIRDUMP_AGREE_PRIV_H

#include "pairdump/agree.h"
#include "pairdump/target.h"

struct pd_agree_run {
    const struct pd_env *env;
    struct pd_catalog *catalog;
    const struct pd_agree_options *options;
    pd_catalog_problem_fn fn;
    void *arg;
    struct pd_agree_summary *summary;
};

/* Count and tell; the first two add volume and archive (may be NULL) to *what. */
void pd_agree_problem(const struct pd_agree_run *run, struct pd_error *what, const char *label,
                      const char *archive);
void pd_agree_warn(const struct pd_agree_run *run, struct pd_error *what, const char *label,
                   const char *archive);
/* The volume cannot be looked at (any further). */
void pd_agree_unreachable(const struct pd_agree_run *run, struct pd_error *why,
                          const char *label);
/* Is this the end of the run, and not a finding? */
bool pd_agree_ends(enum pd_status status);

/* ---- the catalog's word on a volume ---- */

struct pd_agree_copy {
    int64_t archive_id;
    uint32_t tape_file;
    enum pd_copy_state state;
    char name[128]; /* of the archive */
};
struct pd_agree_copies {
    struct pd_agree_copy *list; /* by tape file */
    size_t count;
};
PD_MUST_USE enum pd_status pd_agree_copies_load(struct pd_catalog *catalog, int64_t volume_id,
                                                struct pd_agree_copies *out,
                                                struct pd_error *err);
void pd_agree_copies_release(struct pd_agree_copies *copies);
/* Is it said to be whole, and so must be there? */
bool pd_agree_copy_counts(const struct pd_agree_copy *copy);

/* The mounted volume against its rows, which are read for it. Other values than PD_OK end the
 * run. */
PD_MUST_USE enum pd_status pd_agree_volume(const struct pd_agree_run *run,
                                           struct pd_target *target,
                                           const struct pd_volume_row *row, struct pd_error *err);

#endif
