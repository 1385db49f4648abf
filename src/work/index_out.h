/*
 * index_out: an index as the last tape file of a volume, record by record; and what it tells of its
 * dump.
 */
#ifndef PAIRDUMP_WORK_INDEX_OUT_H
#define PAIRDUMP_WORK_INDEX_OUT_H

#include "pairdump/catalog.h"
#include "pairdump/index.h"
#include "pairdump/tar.h"
#include "pairdump/target.h"
#include "pairdump/toc.h"

/* Puts the members into the tar. */
typedef enum pd_status (*pd_index_fill_fn)(void *arg, struct pd_tar_writer *tar,
                                           struct pd_error *err);

/* Writes the tape file "<dump>.index" behind all others, also into what is kept for it at the end
 * of a volume, and brings it to the medium. *records becomes what is to be read back: its digests,
 * name and dump; initialized by the call, released by the caller, also when it fails. */
PD_MUST_USE enum pd_status pd_index_out(const struct pd_env *env, struct pd_target *target,
                                        const char *dump_name, const char *dump_uuid,
                                        pd_index_fill_fn fill, void *arg, uint32_t *file_no,
                                        struct pd_toc *records, struct pd_error *err);

/* Readers take an index-info.txt of up to 1 MiB; this much of it may be lines of problems. */
#define PD_INDEX_LINES_MAX ((size_t)512 << 10)

void pd_index_facts_of(const struct pd_dump_row *dump, struct pd_index_facts *out);
/* One more line, unless there are too many by then. */
PD_MUST_USE enum pd_status pd_index_line_of(const struct pd_problem *problem, struct pd_buf *lines,
                                            struct pd_error *err);

#endif
