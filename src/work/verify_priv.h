/*
 * What the parts of verify share.
 *
 *     verify.c           expectations, findings of one copy of an archive
 *     verify_records.c   records from the medium, each checked, in order
 *     verify_archive.c   one archive: the tar walk fed by those records, then the rest of them
 *     verify_tags.c      the tag files behind the payload
 *     verify_volume.c    a volume by itself
 *     verify_index.c     the indexes of a volume
 *     verifier.c         the thread
 */
#ifndef PAIRDUMP_VERIFY_PRIV_H
#define PAIRDUMP_VERIFY_PRIV_H

#include "pairdump/digest.h"
#include "pairdump/tar.h"
#include "pairdump/verify.h"

#define PD_VERIFY_DAMAGE_MAX 10000

/* What an archive tells of itself, for who has nothing else: all of it when the result is PD_OK,
 * else nothing. not_whole is in the files' states already. Zero it first, release it in any case.
 */
struct pd_verify_learned {
    struct pd_toc toc; /* without dev and ino, which are not in the archive */
    struct pd_buf bag_info, not_whole;
};
void pd_verify_learned_release(struct pd_verify_learned *learned);

/* One archive to be checked. */
struct pd_verify_job {
    const struct pd_env *env;
    struct pd_target *target; /* mounted */
    uint32_t tape_file;
    const struct pd_toc *expect;  /* NULL: by its own manifest */
    enum pd_digest_alg guess;     /* without expect: what its manifest may be of, see verify.h */
    struct pd_verify_learned *learned; /* gets what there is without expect; may be NULL */
    bool records_only;            /* by the digests of its records, without a look inside */
    unsigned copy;                /* for progress */
    bool (*beat)(void *beat_arg); /* per record; false: stop at once. May be NULL */
    void *beat_arg;
};

bool pd_expect_is_records(const struct pd_expect *expect);

/* As pd_verify_archive. */
PD_MUST_USE enum pd_status pd_verify_job_run(const struct pd_verify_job *job,
                                             struct pd_verify_result *result,
                                             struct pd_error *err);

/* ---- findings: fills a result; a failed allocation is kept until the end ---- */

struct pd_verify_findings {
    struct pd_verify_result *result;
    const struct pd_toc *toc; /* to name the files of a record; NULL: nothing is known */
    uint8_t *bad;             /* a bit for each file of toc that was counted */
    size_t *places;           /* for each damage: its path's place in text */
    struct pd_buf text;
    size_t room; /* of places and result->damage */
    bool out_of_memory;
};

void pd_verify_findings_start(struct pd_verify_findings *findings,
                              struct pd_verify_result *result, const struct pd_toc *toc);
/* Gives the damage to the result; PD_NO_MEMORY if some was lost. */
PD_MUST_USE enum pd_status pd_verify_findings_end(struct pd_verify_findings *findings,
                                                  struct pd_error *err);
/* Trouble without a place. The first of the worst stays. */
void pd_verify_note(struct pd_verify_findings *findings, const struct pd_error *error);
/* A record, and the files that have bytes in it. */
void pd_verify_note_record(struct pd_verify_findings *findings, uint64_t record,
                           const struct pd_error *error);
/* All records from this one on, each file named once. */
void pd_verify_note_missing(struct pd_verify_findings *findings, uint64_t record,
                            const struct pd_error *error);
/* A file of toc. */
void pd_verify_note_file(struct pd_verify_findings *findings, uint64_t index,
                         const struct pd_error *error);
/* A file that only its path is known of, not named before. */
void pd_verify_note_path(struct pd_verify_findings *findings, const char *path,
                         const struct pd_error *error);

/* ---- records ---- */

/*
 * buffer holds record number next - 1. ended: no more will be read. broken: a record was bad, so
 * the tar walk gets none any more; whatever made it so is noted already. kept: whole files in the buffer
 * that are yet to be hashed, all together, before the next record takes their place.
 */
struct pd_verify_records {
    const struct pd_verify_job *job;
    struct pd_verify_findings *findings;
    uint8_t *buffer;
    size_t size;
    uint64_t next;
    unsigned failed_in_row;
    bool open, ended, broken;
    struct pd_digest_many *many;
    struct pd_digest_item kept[PD_DIGEST_BATCH]; /* number: the place in job->expect */
    size_t kept_count;
};

/* Opens the tape file. What is wrong with it is noted (then ended is set); returns only trouble
 * of the verifier. */
PD_MUST_USE enum pd_status pd_verify_records_open(struct pd_verify_records *records,
                                                  const struct pd_verify_job *job,
                                                  struct pd_verify_findings *findings,
                                                  struct pd_error *err);
void pd_verify_records_close(struct pd_verify_records *records);
/* Reads and checks one record; *good: it is whole and as expected. Notes what is wrong. */
void pd_verify_records_next(struct pd_verify_records *records, bool *good);
/* A sign of life; false when the run was stopped, which is noted then. */
bool pd_verify_records_go_on(struct pd_verify_records *records);
/* A pd_tar_source: good records up to the first bad one. */
enum pd_status pd_verify_records_give(void *arg, const void **bytes, size_t *len,
                                      struct pd_error *err);
/* Keeps the content of a file of job->expect to compare its digest later; false: it does not lie in
 * the current record, or is not hashed with SHA-256: hash it now. */
bool pd_verify_records_keep(struct pd_verify_records *records, const void *bytes, size_t len,
                            uint64_t index);
/* Hashes what is kept, and notes the files that are not as expected. */
void pd_verify_records_flush(struct pd_verify_records *records);
/* Are the bytes of the current record from this position of the archive on all zeros? */
bool pd_verify_records_zero_from(const struct pd_verify_records *records, uint64_t position);
/* Is the block's padding behind the byte before end (if end lies in the current record) zeros? */
bool pd_verify_records_padded(const struct pd_verify_records *records, const uint8_t *end);

/* ---- the tar walk ---- */

struct pd_verify_walk {
    const struct pd_verify_job *job;
    struct pd_verify_records *records;
    struct pd_verify_findings *findings;
    struct pd_tar_reader *reader;
    enum pd_digest_alg alg;   /* that its files are hashed with */
    enum pd_digest_alg other; /* that its manifest is of: all is to be read again; else alg */
    struct pd_digest *digest;
    struct archive_entry *entry; /* at hand; NULL at the end */
    const char *name;            /* its pathname */
    const struct pd_toc *toc;    /* the expected one, or own as far as the walk has come */
    struct pd_toc own;
    struct pd_buf top;    /* "<archive name>/" */
    struct pd_buf tags;   /* the tag manifest as it must be */
    const char *in_file;  /* source path of the file whose data is being read, or NULL */
};

/* The next entry into walk->entry. */
PD_MUST_USE enum pd_status pd_verify_walk_step(struct pd_verify_walk *walk, struct pd_error *err);
/* Digest of the entry's logical content; PD_BAD_FORMAT if it holds more than its size. */
PD_MUST_USE enum pd_status pd_verify_walk_hash(struct pd_verify_walk *walk,
                                               uint8_t digest[PD_DIGEST_MAX], struct pd_error *err);
/* bagit.txt, which is at hand. */
PD_MUST_USE enum pd_status pd_verify_tag_bagit(struct pd_verify_walk *walk, struct pd_error *err);
/* All tag files behind the payload; the first of them is at hand. */
PD_MUST_USE enum pd_status pd_verify_tags(struct pd_verify_walk *walk, struct pd_error *err);

/* ---- the thread ---- */

/* As pd_verifier_add, but never waits: *added false when there is no room now; PD_HUNG when there
 * was no progress for the stall time. */
PD_MUST_USE enum pd_status pd_verifier_try(struct pd_verifier *verifier, struct pd_expect *expect,
                                           uint32_t tape_file, int64_t copy_id, bool *added,
                                           struct pd_error *err);
/* PD_HUNG when archives are under way, but there was no progress for the stall time; PD_NO_MEMORY
 * when the thread left them for want of memory. */
PD_MUST_USE enum pd_status pd_verifier_watch(struct pd_verifier *verifier, struct pd_error *err);

#endif
