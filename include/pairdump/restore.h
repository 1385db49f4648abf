/*
 * restore: brings files back, record by record from whichever copy is good.
 *
 * Files go below a destination folder under their source path without the leading slash. Each
 * regular file is written under a temporary name, its SHA-256 checked, then renamed; a file that
 * does not match never appears under its name. All metadata is restored (owner only when
 * privileged). Nothing is written outside the destination: paths with "..", absolute paths, and
 * symbolic links on the way are refused. Existing files are kept (PD_EXISTS) unless overwrite is
 * on; existing folders are merged and get the dump's metadata, as tar does, at the very end.
 *
 * Of several dumps, each path comes from the newest that has it; what a newer one has as a file
 * hides what an older one has below it. Archives are read by volume and tape file, each record
 * once: a file is taken when its data goes by, under the first of its names that is asked for.
 *
 * As a stream of tar a file is sent when its digest has been checked: it waits in a temporary file,
 * or, where it is too large for that, is read twice. A file that is not good is left out; should
 * one prove bad while it is sent, the stream ends there, without an end mark.
 */
#ifndef PAIRDUMP_RESTORE_H
#define PAIRDUMP_RESTORE_H

#include "pairdump/catalog.h"

/* What the run has, or in a dry run would have, to do with a volume. */
struct pd_restore_volume {
    struct pd_volume_row row;
    uint64_t archives, files, bytes; /* dry run: to be read from it, and what is asked for of them;
                                        else: archives of which it gave records */
    uint64_t spare;  /* dry run: archives that it has too, should the other copy be bad */
    uint64_t mounts; /* how often it was opened */
    uint64_t records, bad_records; /* that it gave; that it could not give, or gave wrong */
    uint64_t avoided;    /* archives of which it was avoided, wholly or for some records */
    struct pd_error why; /* the first reason; in a dry run: why it is out of reach. PD_OK: none */
};

struct pd_restore_options {
    int64_t dump_id;
    const int64_t *dumps; /* instead of dump_id: several, the newest first */
    size_t dump_count;
    const char *destination;       /* made if missing (its parent must exist) */
    bool stream;                   /* a tar stream instead of a destination, */
    int stream_fd;                 /* to this descriptor, */
    const char *temp;              /* by way of temporary files in this folder; NULL: /tmp */
    uint64_t spool;                /* that take up to so many bytes; 0: 1 GiB */
    const char *from;              /* only from this volume, or NULL */
    const char *const *at;         /* target URLs to look for volumes first */
    size_t at_count;
    const char *const *patterns;   /* paths (a folder takes all below) or globs; none: all */
    size_t pattern_count;
    bool overwrite;
    bool dry_run; /* only say what would be restored, from which volumes; none is mounted but to see
                     whether it is at hand */
    struct pd_retry retry;
    /* Per file that could not be restored, or is restored but not PD_WHOLE; may be NULL. */
    void (*on_file)(void *arg, const char *path, const struct pd_error *err);
    void *file_arg;
    void (*on_avoided)(void *arg, const char *label, const char *archive, uint64_t record,
                       enum pd_status why); /* first time per copy and archive; may be NULL */
    void *avoided_arg;
    /* In the end, per volume, in the order in which they are needed; may be NULL. */
    void (*on_volume)(void *arg, const struct pd_restore_volume *volume);
    void *volume_arg;
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
    uint64_t volumes;      /* read from; in a dry run: to be read from */
};
/* Returns PD_OK when a summary was reached; PD_NOT_FOUND when no file matches; PD_NO_SPACE before
 * anything is written, or when the destination fills up. */
PD_MUST_USE enum pd_status pd_restore_run(const struct pd_env *env, struct pd_catalog *catalog,
                                          const struct pd_restore_options *options,
                                          struct pd_restore_summary *summary,
                                          struct pd_error *err);

#endif
