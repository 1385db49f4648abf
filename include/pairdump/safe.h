/*
 * safe: which source files are held, unchanged, in all copies verified, and so may be deleted.
 *
 * Walks the paths as they are now and asks the catalog about each. Silence is no answer: a path that
 * cannot be listed is reported as not safe.
 */
#ifndef PAIRDUMP_SAFE_H
#define PAIRDUMP_SAFE_H

#include "pairdump/catalog.h"

/* held->why PD_OK: safe. */
typedef enum pd_status (*pd_safe_fn)(void *arg, const struct pd_item *item,
                                     const struct pd_held *held, struct pd_error *err);
struct pd_safe_summary {
    uint64_t safe, safe_bytes;
    uint64_t unsafe, unsafe_bytes;
    uint64_t by_status[PD_STATUS_COUNT]; /* why not, counted */
    int64_t
        oldest; /* of what is safe, or only stale: the time of its oldest verification; 0: none */
};
/* terms->until other than 0: up to the time of the question. */
PD_MUST_USE enum pd_status pd_safe_run(const struct pd_env *env, struct pd_catalog *catalog,
                                       const struct pd_held_terms *terms,
                                       const struct pd_source_path_options *source, pd_safe_fn fn,
                                       void *arg, struct pd_safe_summary *summary,
                                       struct pd_error *err);

#endif
