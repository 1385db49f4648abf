/*
 * dump: one run: list, batch, write, verify, record.
 *
 * States in the catalog follow initialize -> list -> write -> verify -> done, each set after it was
 * reached. Single files, single copies and single volumes may fail without ending the run; the
 * summary says so, and the status is PD_OK only if every archive has all its copies written and, as
 * the policy asks, verified, and every source file is whole.
 *
 * A pool may have several sets of drives, which share out the archives, each at its own pace. One
 * whose drives all fail, or that has no volume left, leaves what it had to the others.
 */
#ifndef PAIRDUMP_DUMP_H
#define PAIRDUMP_DUMP_H

#include "pairdump/catalog.h"
#include "pairdump/fanout.h"

struct pd_dump_options {
    const char *name; /* NULL: "<host>-<YYYYMMDD-HHMMSS>"; 1..64 of A-Za-z0-9._-; unique */
    struct pd_source_path_options source; /* on_problem is set by the dump */
    const struct pd_pool_config *pool;
    const struct pd_config *config; /* ring, reserve, retries */
    const char *state_dir;          /* exists; for the spool */
    bool incremental;
    bool dry_run;
    pd_problem_fn on_problem; /* also told to the caller, in any thread, one at a time; may be NULL */
    void *problem_arg;
    void (*on_warning)(void *arg, const struct pd_error *err); /* a copy lost, a volume closed */
    void *warning_arg;
};

struct pd_dump_copy_summary {
    char url[1024];
    char labels[256];      /* volumes used, space-separated */
    enum pd_status status; /* along this copy: the worst */
    struct pd_error error;
    uint64_t archives_written, archives_verified, archives_bad;
    uint64_t bytes;        /* records written */
    struct pd_fanout_figures streaming; /* of all archives, given up or not; for tapes */
    uint64_t need, available; /* dry run and space check; UINT64_MAX: unknown */
};

struct pd_dump_summary {
    struct pd_dump_row row; /* as recorded */
    enum pd_status status;  /* the verdict: exit class of the run */
    struct pd_error error;  /* why, if not PD_OK */
    struct pd_dump_copy_summary copies[PD_COPIES_MAX]; /* those of the first set of drives first */
    size_t copy_count;
    size_t pairs; /* sets of drives; each has copy_count / pairs of the copies */
    uint64_t batches, source_bytes, source_files;
    uint64_t archive_bytes; /* of one copy */
    uint64_t list_ns, write_ns, verify_ns, total_ns;
    uint64_t ring_bytes;
};

/* Returns the same status as summary->status; err as summary->error. */
PD_MUST_USE enum pd_status pd_dump_run(const struct pd_env *env, struct pd_catalog *catalog,
                                       const struct pd_dump_options *options,
                                       struct pd_dump_summary *summary, struct pd_error *err);

#endif
