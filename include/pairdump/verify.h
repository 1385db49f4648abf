/*
 * verify: re-reads and re-hashes copies from the medium, one thread per copy.
 *
 * A verifier is a thread with a target and a short queue of archives. For each archive it checks,
 * on the volume whose label and UUID it was given: the count of records, every record's XXH3-128,
 * the tar structure, every file's path, kind, size, digest and order against the table of contents,
 * the bag's manifest against what was hashed and against the table, the dump UUID in bag-info.txt,
 * and that nothing but zeros follows. Where a record is bad, the files in it are named and the rest
 * is still checked, by its record digests where the tar cannot be walked. Without a table of
 * contents (no index, no catalog) the archive is checked against its own manifest and tag manifest.
 * These come last, so that it is not known before what the files are to be hashed with: where it
 * was not what was guessed, the archive is read a second time.
 *
 * Results come in the order the archives were added. Along a copy the worst status wins; across
 * copies use pd_status_across.
 */
#ifndef PAIRDUMP_VERIFY_H
#define PAIRDUMP_VERIFY_H

#include "pairdump/catalog.h"
#include "pairdump/target.h"

/* A table of contents shared by several verifiers; reference counted, thread-safe. */
struct pd_expect;
/* Takes *toc over (it is as after pd_toc_init then). */
PD_MUST_USE enum pd_status pd_expect_new(struct pd_toc *toc, struct pd_expect **out,
                                         struct pd_error *err);
/* The same for a tape file that is no archive (an index): only the digests of its records count. */
PD_MUST_USE enum pd_status pd_expect_new_records(struct pd_toc *toc, struct pd_expect **out,
                                                 struct pd_error *err);
struct pd_expect *pd_expect_hold(struct pd_expect *expect);
void pd_expect_release(struct pd_expect *expect);
const struct pd_toc *pd_expect_toc(const struct pd_expect *expect);

struct pd_verify_result {
    int64_t copy_id;  /* as given with the archive */
    char label[PD_LABEL_TEXT];
    char archive[128];
    uint32_t tape_file;
    enum pd_status status; /* PD_OK only if everything above held */
    bool unread;           /* the volume could not be opened: nothing was read, and nothing is
                              known of the copy */
    struct pd_error error; /* the first trouble */
    enum pd_digest_alg alg; /* of its files' digests, as far as it was found out */
    int64_t started, finished;
    uint64_t records, bad_records, files, bad_files, bytes;
    struct pd_damage *damage; /* source paths, in damage_text; up to 10000 entries */
    size_t damage_count;
    char *damage_text;
};
void pd_verify_result_release(struct pd_verify_result *result);

/* In the calling thread: one archive on a mounted target. expect NULL: by its own manifest.
 * beat(beat_arg), if given, is called per record. Fills result; returns PD_OK whenever a result was
 * reached, good or bad; other values are trouble of the verifier itself (memory). */
PD_MUST_USE enum pd_status pd_verify_archive(const struct pd_env *env, struct pd_target *target,
                                             uint32_t tape_file, const struct pd_toc *expect,
                                             unsigned progress_copy, void (*beat)(void *),
                                             void *beat_arg, struct pd_verify_result *result,
                                             struct pd_error *err);

struct pd_verifier;
/* Opens url in its own thread, mounts label and checks uuid (NULL: any) first. copy: index for
 * progress. The thread owns the target. */
PD_MUST_USE enum pd_status pd_verifier_start(const struct pd_env *env, const char *url,
                                             const char *label, const char *uuid, unsigned copy,
                                             struct pd_verifier **out, struct pd_error *err);
/* Queues an archive; waits while two are queued already (or the thread is hung: PD_HUNG). Holds
 * expect. */
PD_MUST_USE enum pd_status pd_verifier_add(struct pd_verifier *verifier, struct pd_expect *expect,
                                           uint32_t tape_file, int64_t copy_id,
                                           struct pd_error *err);
/* Takes the next result if one is ready; *ready false otherwise. The caller releases it. */
PD_MUST_USE enum pd_status pd_verifier_poll(struct pd_verifier *verifier,
                                            struct pd_verify_result *result, bool *ready,
                                            struct pd_error *err);
/* No more archives will come: waits for the end (results stay to be polled), or PD_HUNG after the
 * env's stall time without progress: then each archive not finished has a result with PD_HUNG. */
PD_MUST_USE enum pd_status pd_verifier_finish(struct pd_verifier *verifier, struct pd_error *err);
void pd_verifier_free(struct pd_verifier *verifier);

/* A volume by itself, no catalog: label, each index, each archive (by its index, else by its own
 * manifest). Calls fn per archive. *status is the worst of the volume; with no archive on it that is PD_OK.
 * An archive without an index that passes by its own manifest is PD_UNVERIFIED: its manifest does not
 * cover owners, modes and times. */
typedef enum pd_status (*pd_verify_result_fn)(void *arg, const struct pd_verify_result *result,
                                              struct pd_error *err);
PD_MUST_USE enum pd_status pd_verify_volume(const struct pd_env *env, const char *url,
                                            const char *label, unsigned progress_copy,
                                            pd_verify_result_fn fn, void *arg,
                                            struct pd_label *found, enum pd_status *status,
                                            struct pd_error *err);

#endif
