/*
 * safe: which source files are held, unchanged, in all copies verified, and so may be deleted.
 *
 * Walks the paths as they are now and asks the catalog about each. Silence is no answer: a path that
 * cannot be listed is reported as not safe.
 */
#ifndef PAIRDUMP_SAFE_H
#define PAIRDUMP_SAFE_H

#include "pairdump/catalog.h"

typedef enum pd_status (*pd_safe_fn)(void *arg, const struct pd_item *item, enum pd_status why,
                                     struct pd_error *err); /* why PD_OK: safe */
struct pd_safe_summary {
    uint64_t safe, safe_bytes;
    uint64_t unsafe, unsafe_bytes;
    uint64_t by_status[PD_STATUS_COUNT]; /* why not, counted */
};
/* copies: held in so many at least. */
PD_MUST_USE enum pd_status pd_safe_run(const struct pd_env *env, struct pd_catalog *catalog,
                                       unsigned copies,
                                       const struct pd_source_path_options *source, pd_safe_fn fn,
                                       void *arg, struct pd_safe_summary *summary,
                                       struct pd_error *err);

#endif
