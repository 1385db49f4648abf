/*
 * agree: do the catalog and the media say the same? Looks at every volume that can be reached.
 *
 * For each volume of the catalog: the place where it was last seen (or a target given with `at`)
 * has it, with the label and UUID recorded, and as many tape files as recorded; each copy that is
 * written or verified lies where its row says: the archive's name is the top folder of that tape
 * file, its first and last record have the digests recorded, and it has as many records, not one
 * more. Volumes on these targets that the catalog does not know contradict it too. Nothing is read
 * in full (that is verify's work), and nothing is changed.
 *
 * No contradiction: bad copies that are gone; how many tape files a bad volume has; a bad or
 * unlabelled volume that is not there, unless written copies are on it; what a dump leaves that is
 * at work or was interrupted: a tape file not recorded yet, records that no filemark ends; a volume
 * recorded by another host that is not at the place of that name here, which is out of reach.
 * Labels that are only reserved are not looked for. Dumps may go on meanwhile: what is found beyond
 * the rows is judged by the rows as they are then.
 */
#ifndef PAIRDUMP_AGREE_H
#define PAIRDUMP_AGREE_H

#include "pairdump/catalog.h"

struct pd_agree_options {
    const char *const *at; /* target URLs to look for volumes before the catalog's places */
    size_t at_count;
    /* What is no contradiction, but to be told: a volume out of reach, a copy being written, what
     * an interrupted dump left. May be NULL. */
    void (*on_warning)(void *arg, const struct pd_error *warning);
    void *warning_arg;
};
struct pd_agree_summary {
    uint64_t volumes, archives;  /* looked at; archives: copies of them */
    uint64_t unreachable;        /* volumes whose place cannot be looked at now: not known */
    uint64_t problems;           /* contradictions told to fn */
};
/* fn per contradiction, one line as of pd_error_format, escaped, that names volume and archive.
 * PD_OK when a summary was reached, whatever it says; a volume in use by another run is PD_BUSY at
 * once. */
PD_MUST_USE enum pd_status pd_agree_run(const struct pd_env *env, struct pd_catalog *catalog,
                                        const struct pd_agree_options *options,
                                        pd_catalog_problem_fn fn, void *arg,
                                        struct pd_agree_summary *summary, struct pd_error *err);

#endif
