/*
 * dump: what its files share. dump.c runs the states, dump_write.c writes archives to pairs,
 * dump_verify.c feeds verifiers and judges, dump_index.c writes the index of a volume.
 *
 * One thread coordinates and alone uses the catalog; the archive at hand is written in a thread of its
 * own, so that recording and verifying the one before goes on meanwhile.
 */
#ifndef PAIRDUMP_WORK_DUMP_PRIV_H
#define PAIRDUMP_WORK_DUMP_PRIV_H

#include <pthread.h>

#include "pairdump/dump.h"
#include "pairdump/list.h"
#include "pairdump/pool.h"
#include "pairdump/verify.h"

/* One copy of an archive as this run knows it. status: PD_OK once it is as good as the policy asks;
 * PD_UNVERIFIED until then. */
struct pd_dump_copy {
    int64_t id; /* in the catalog; 0: it was never begun */
    uint32_t tape_file;
    enum pd_status status;
    bool written;
    bool chosen; /* to be verified */
};

/* The index of this run on a copy of the pair at hand. */
struct pd_dump_index {
    struct pd_expect *expect; /* its records; NULL when it has none, or it was read back */
    uint32_t tape_file;
};

struct pd_dump_archive {
    struct pd_archive_row row;
    size_t pair; /* which pair of this run */
    struct pd_dump_copy copies[PD_COPIES_MAX];
    uint64_t index_offset, index_len; /* its text in the spool of indexes */
    uint32_t index_tape_file;         /* that the text names */
};

/* A source problem, kept until its archive is recorded. */
struct pd_dump_problem {
    char *path;
    char *message;
    enum pd_status status;
    int sys_errno;
    bool archived;
};

struct pd_dump_problems {
    pthread_mutex_t lock;
    struct pd_dump_problem *list;
    size_t count, cap;
};

struct pd_dumping {
    const struct pd_env *env;
    struct pd_catalog *catalog;
    const struct pd_dump_options *options;
    struct pd_dump_summary *summary;
    struct pd_pool *pool;
    struct pd_source *source;
    struct pd_list *list;
    struct pd_dump_row *row; /* the summary's */
    size_t pairs;            /* used so far */
    size_t pair_start;       /* archives[pair_start] is the first on the pair at hand */
    struct pd_dump_archive *archives;
    size_t archive_count, archive_cap;
    int spool; /* unlinked file with the index texts */
    uint64_t spool_size;
    struct pd_dump_index indexes[PD_COPIES_MAX];
    struct pd_verifier *verifiers[PD_COPIES_MAX];
    bool scanning;
    struct pd_dump_problems problems; /* of the archive at hand */
    uint64_t verify_began_ns;
};

struct pd_retry pd_dump_retry(const struct pd_dumping *d, const char *activity);
void pd_dump_warn(struct pd_dumping *d, const struct pd_error *warning);
/* A source problem from any thread. */
PD_MUST_USE enum pd_status pd_dump_take_problem(void *arg, const struct pd_problem *problem,
                                                struct pd_error *err);
/* Puts what was taken into the catalog, tells the caller, and forgets it; record false: forgets. */
PD_MUST_USE enum pd_status pd_dump_flush_problems(struct pd_dumping *d, bool record,
                                                  struct pd_error *err);
PD_MUST_USE enum pd_status pd_dump_set_state(struct pd_dumping *d, enum pd_dump_state state,
                                             struct pd_error *err);
/* A copy is out for the rest of the run. */
void pd_dump_lose_copy(struct pd_dumping *d, size_t copy, const struct pd_error *why, bool hung);

/* dump_write.c: all batches; the last pair is indexed and its verifiers are finished. */
PD_MUST_USE enum pd_status pd_dump_write_all(struct pd_dumping *d, struct pd_error *err);

/* dump_verify.c */
PD_MUST_USE bool pd_dump_choose(struct pd_dumping *d, size_t archive);
/* Feeds the verifiers of disks. Their results are recorded by pd_dump_poll, after the archive. */
PD_MUST_USE enum pd_status pd_dump_verify_archive(struct pd_dumping *d, size_t archive,
                                                  struct pd_expect *expect,
                                                  struct pd_error *err);
PD_MUST_USE enum pd_status pd_dump_poll(struct pd_dumping *d, struct pd_error *err);
/* Ends the verifiers of this pair; tapes are read back now, after their drives were let go. more: another
 * pair is to come, so the drives are opened again. */
PD_MUST_USE enum pd_status pd_dump_verify_pair(struct pd_dumping *d, bool more,
                                               struct pd_error *err);
void pd_dump_stop_verifiers(struct pd_dumping *d);
enum pd_status pd_dump_judge(struct pd_dumping *d);

/* dump_index.c */
PD_MUST_USE enum pd_status pd_dump_spool_index(struct pd_dumping *d, struct pd_dump_archive *a,
                                               const struct pd_toc *toc, struct pd_error *err);
/* Writes the index of the pair's archives to every live copy. A copy that refuses is degraded. */
PD_MUST_USE enum pd_status pd_dump_write_indexes(struct pd_dumping *d, struct pd_error *err);
/* The index of a copy could not be written, or not be read back. */
void pd_dump_lose_index(struct pd_dumping *d, size_t copy, const struct pd_error *why);

#endif
