/*
 * restore: brings files back, record by record from whichever copy is good.
 *
 * Files go below a destination folder under their source path without the leading slash. Each
 * regular file is written under a temporary name, its SHA-256 checked, then renamed; a file that
 * does not match never appears under its name. All metadata is restored (owner only when
 * privileged). Nothing is written outside the destination: paths with "..", absolute paths, and
 * symbolic links on the way are refused. Existing files are kept (PD_EXISTS) unless overwrite is on;
 * existing folders are merged and get the dump's metadata, as tar does, at the very end.
 */
#ifndef PAIRDUMP_RESTORE_H
#define PAIRDUMP_RESTORE_H

#include "pairdump/catalog.h"

struct pd_restore_options {
    int64_t dump_id;
    const char *destination;       /* made if missing (its parent must exist) */
    const char *from;              /* only from this volume, or NULL */
    const char *const *at;         /* target URLs to look for volumes first */
    size_t at_count;
    const char *const *patterns;   /* paths (a folder takes all below) or globs; none: all */
    size_t pattern_count;
    bool overwrite;
    bool dry_run;                  /* only say what would be restored, from which volumes */
    struct pd_retry retry;
    /* Per file that could not be restored, or is restored but not PD_WHOLE; may be NULL. */
    void (*on_file)(void *arg, const char *path, const struct pd_error *err);
    void *file_arg;
    void (*on_avoided)(void *arg, const char *label, const char *archive, uint64_t record,
                       enum pd_status why); /* first time per copy and archive; may be NULL */
    void *avoided_arg;
};

struct pd_restore_summary {
    /* PD_OK: everything asked is back and whole. Else the first that holds of PD_FAILED (lost),
     * PD_RESTORE (failed), PD_NOT_FOUND (a pattern matched nothing; told by on_file), PD_EXISTS,
     * PD_DEGRADED (not whole). */
    enum pd_status status;
    uint64_t files, bytes; /* restored, folders and links included in files */
    uint64_t lost;         /* no good record anywhere, or mismatch */
    uint64_t existing;     /* kept */
    uint64_t not_whole;    /* restored as the dump has them: changed or partial at the source */
    uint64_t failed;       /* the destination refused the file, or some of its metadata */
    uint64_t avoided;      /* copies avoided */
    uint64_t volumes;      /* read from */
};
/* Returns PD_OK when a summary was reached; PD_NOT_FOUND when no file matches; PD_NO_SPACE before
 * anything is written, or when the destination fills up. */
PD_MUST_USE enum pd_status pd_restore_run(const struct pd_env *env, struct pd_catalog *catalog,
                                          const struct pd_restore_options *options,
                                          struct pd_restore_summary *summary,
                                          struct pd_error *err);

#endif
