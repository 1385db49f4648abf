/*
 * copying: further copies of archives, made long after their dump from the best records of all
 * copies: in place of a volume (repair), or beside the others (copy).
 *
 * Records keep their size: the new volume has the block size of the old ones. Each archive is read
 * as one replicated store (replica.h), written, brought to the medium, recorded as written, then
 * read back from the medium with the rest of its volume, and only then recorded as verified. Behind
 * the archives of each dump stands their index. An archive in which a record is good nowhere is not
 * copied; its files there are named, the rest goes on. A run that was killed is simply made again:
 * it goes on behind what is recorded.
 *
 * On a disk a volume can also be mended in place: all its archives are read, records that do not
 * match are written anew, a file that is missing or of a wrong length whole, and all is read back.
 */
#ifndef PAIRDUMP_COPYING_H
#define PAIRDUMP_COPYING_H

#include "pairdump/catalog.h"
#include "pairdump/config.h"

/* What became of one archive. */
struct pd_copying_result {
    char archive[128];
    char label[PD_LABEL_TEXT]; /* of the new volume; "": none */
    enum pd_status status;     /* PD_OK: verified there */
    struct pd_error error;
    bool before; /* an earlier run has made it */
    uint64_t records, bytes;
    uint64_t mended; /* in place: records that were written anew */
};

struct pd_copying_options {
    const char *replace;     /* volume to be replaced, or NULL: what[] is copied */
    bool in_place;           /* it stays, and its bad records are written anew; to is NULL */
    const char *const *what; /* dumps and volumes */
    size_t what_count;
    const char *to;        /* target URL */
    const char *label;     /* of the first new volume, or NULL */
    const char *const *at; /* target URLs to look for volumes first */
    size_t at_count;
    const struct pd_config *config;
    int64_t run_id; /* for which volumes and drives are claimed (claim.h) */
    /* Any may be NULL. */
    void (*on_result)(void *arg, const struct pd_copying_result *result);
    void (*on_lost)(void *arg, const char *archive, uint64_t record, const char *path);
    void (*on_avoided)(void *arg, const char *label, const char *archive, uint64_t record,
                       enum pd_status why);
    void *arg;
};

struct pd_copying_summary {
    enum pd_status status; /* PD_OK: every archive has a verified copy there. Else PD_FAILED: some
                              have records that are good nowhere; PD_DEGRADED: some were not made */
    struct pd_error error; /* why not PD_OK */
    unsigned copy;         /* number of the copies made */
    char labels[256];      /* new volumes, space-separated */
    uint64_t archives, good, before, failed; /* before: of the good ones, made by an earlier run */
    uint64_t lost_files, bytes, mended;
};

/* Returns PD_OK when a summary was reached. PD_USAGE, PD_NOT_FOUND, PD_GIVEN_UP, PD_BUSY (a dump on
 * it is unfinished), PD_NO_SPACE: nothing was changed. Other failures leave what was recorded
 * valid. */
PD_MUST_USE enum pd_status pd_copying_run(const struct pd_env *env, struct pd_catalog *catalog,
                                          const struct pd_copying_options *options,
                                          struct pd_copying_summary *summary, struct pd_error *err);

#endif
