/*
 * agree: do the catalog and the media say the same? Looks at every volume that can be reached.
 *
 * For each volume of the catalog: the place where it was last seen (or a target given with `at`) has
 * it, with the label and UUID recorded, and as many tape files as recorded, none unfinished behind
 * them; each copy that is written or verified lies where its row says: the archive's name is the top
 * folder of that tape file, its first record has the digest recorded, and it has as many records,
 * not one more. Volumes on these targets that the catalog does not know are named too. Nothing is
 * read in full (that is verify's work), and nothing is changed.
 */
#ifndef PAIRDUMP_AGREE_H
#define PAIRDUMP_AGREE_H

#include "pairdump/catalog.h"

struct pd_agree_options {
    const char *const *at; /* target URLs to look for volumes before the catalog's places */
    size_t at_count;
};
struct pd_agree_summary {
    uint64_t volumes, archives;  /* looked at; archives: copies of them */
    uint64_t unreachable;        /* volumes whose place cannot be looked at now: not known */
    uint64_t problems;           /* contradictions told to fn */
};
/* fn per contradiction, one line that names volume and archive. PD_OK when a summary was reached,
 * whatever it says; a volume in use by another run is PD_BUSY at once. */
PD_MUST_USE enum pd_status pd_agree_run(const struct pd_env *env, struct pd_catalog *catalog,
                                        const struct pd_agree_options *options,
                                        pd_catalog_problem_fn fn, void *arg,
                                        struct pd_agree_summary *summary, struct pd_error *err);

#endif
