/*
 * resume: goes on with a dump that was broken off, from its last known good state.
 *
 * The run that made it has left its book in the state folder (journal, list of files, texts of
 * indexes). What the catalog does not know yet is told to it; an archive that was not finished on all
 * its copies is given up there (removed from a disk, to be written over on a tape) and written again;
 * finished ones are read back, not rewritten; then the remaining batches follow, the same as the first
 * run would have made. A dump that was broken off before its files were listed is listed anew.
 */
#ifndef PAIRDUMP_RESUME_H
#define PAIRDUMP_RESUME_H

#include "pairdump/dump.h"

/* What can become of a dump that is not done. */
enum pd_resumable {
    PD_RESUME_NOTHING,   /* done, and recorded */
    PD_RESUME_RUNNING,   /* its run is at work */
    PD_RESUME_HERE,      /* its book is in this state folder */
    PD_RESUME_ELSEWHERE, /* it was made on another host, or with another state folder */
};
const char *pd_resumable_name(enum pd_resumable resumable);
PD_MUST_USE enum pd_status pd_resume_look(const struct pd_env *env, struct pd_catalog *catalog,
                                          const struct pd_config *config, const char *state_dir,
                                          const struct pd_dump_row *row, enum pd_resumable *out,
                                          struct pd_error *err);

/* options: config, state_dir and the functions to tell; the rest comes from the book. row: as
 * pd_catalog_dump_find gave it. The summary is as after pd_dump_run, of the whole dump. PD_BUSY when
 * its run is at work; PD_NOT_FOUND when there is no book of it here. */
PD_MUST_USE enum pd_status pd_resume_run(const struct pd_env *env, struct pd_catalog *catalog,
                                         const struct pd_dump_row *row,
                                         const struct pd_dump_options *options,
                                         struct pd_dump_summary *summary, struct pd_error *err);

#endif
