/*
 * dump: what its files share. dump.c runs the states, dump_list.c lists, dump_space.c says whether
 * it fits, dump_lane.c opens lanes and lets them run, dump_batches.c gives batches out to them.
 * dump_write.c writes archives to pairs, dump_sync.c waits for the drives, dump_pair.c picks and
 * closes pairs, dump_verify.c feeds verifiers and judges, dump_index.c writes the index of a
 * volume, dump_problem.c keeps what is wrong with source files, dump_claim.c says what the run has
 * for itself, dump_plan.c keeps its options for a later run, dump_book.c and dump_take.c are its
 * journal and how the catalog takes it.
 *
 * A lane is one set of drives, with the pair of volumes in them. The first runs in the thread that
 * runs the dump, each other one in a thread of its own. A lane's thread alone uses what is the
 * lane's, its session of the catalog too; what there is to record goes to the book. The archive at
 * hand is written in one more thread, so that recording and verifying the one before goes on
 * meanwhile.
 */
#ifndef PAIRDUMP_WORK_DUMP_PRIV_H
#define PAIRDUMP_WORK_DUMP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "dump_batches.h"
#include "dump_book.h"
#include "pairdump/claim.h"
#include "pairdump/dump.h"
#include "pairdump/index.h"
#include "pairdump/pool.h"

/* One copy of an archive as this run knows it. status: PD_OK once it is as good as the policy asks;
 * PD_UNVERIFIED until then. */
struct pd_dump_copy {
    bool begun;
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
    struct pd_archive_row row; /* without id */
    size_t pair;               /* which pair of this run */
    struct pd_dump_copy copies[PD_COPIES_MAX];
    uint64_t index_offset, index_len; /* its text in the book */
    uint32_t index_tape_file;         /* that the text names */
};

struct pd_dumping;

struct pd_dump_lane {
    struct pd_dumping *d;
    size_t number;              /* 0, 1, ... */
    struct pd_catalog *catalog; /* its session; that of the first is the dump's */
    struct pd_pool *pool;
    struct pd_source *source;
    struct pd_dump_copy_summary *copies; /* the summary's, of its targets */
    bool mounted;                        /* the pair of the run before is mounted again (resume) */
    size_t pairs;                        /* used so far */
    size_t pair_start;                   /* archives[pair_start] is the first on the pair at hand */
    struct pd_dump_archive *archives;
    size_t archive_count, archive_cap;
    struct pd_dump_index indexes[PD_COPIES_MAX];
    struct pd_verifier *verifiers[PD_COPIES_MAX];
    size_t readers[PD_COPIES_MAX]; /* copy whose drive reads this one back, counted from 1; 0: its
                                      own */
    struct pd_dump_problems problems; /* of the archive at hand; in the first also of the list */
    uint64_t verify_began_ns, verify_ns;
    bool no_drive_logs; /* it was said that drives are not asked */
    /* How it ended. */
    enum pd_status status;
    struct pd_error error;
    bool own_trouble; /* of its drives or volumes: others can go on */
};

struct pd_dumping {
    const struct pd_env *env;
    struct pd_catalog *catalog;
    const struct pd_dump_options *options;
    struct pd_dump_summary *summary;
    struct pd_run_row run; /* id 0: not registered */
    int64_t run_before;    /* that is gone, and had the dump (resume); 0: none */
    char **roots;          /* what the source covers, as claimed */
    size_t root_count;
    struct pd_dump_book book;
    struct pd_list *list;
    bool all_written; /* no batch is left, and nothing waits to be recorded */
    bool goes_on;     /* a resume: when it comes to nothing, another can */
    bool untold;      /* the journal has what the catalog could not be told */
    struct pd_dump_lane lanes[PD_COPIES_MAX];
    size_t lane_count;
    struct pd_dump_batches batches;
    atomic_size_t writing;   /* lanes that do not wait for their verifiers */
    pthread_mutex_t picking; /* held by the lane that picks volumes: claims do not keep the lanes
                                of one run apart */
    pthread_mutex_t lock;    /* of what follows, and while the caller of the dump is told */
    struct pd_dump_row *row; /* the summary's */
    struct pd_buf problem_lines; /* for indexes, as many as fit one */
    uint64_t need;           /* bytes that are still to be written to each copy, about */
    bool verifying;          /* the row is in that state */
    size_t lanes_left;       /* of those that run */
    size_t last_out;         /* that had trouble of its own */
};

/* Of d that is zero. Release it in any case. */
PD_MUST_USE enum pd_status pd_dump_start(struct pd_dumping *d, const struct pd_env *env,
                                         struct pd_catalog *catalog,
                                         const struct pd_dump_options *options,
                                         struct pd_dump_summary *summary, struct pd_error *err);
struct pd_retry pd_dump_retry(const struct pd_dumping *d, const char *activity);
void pd_dump_warn(struct pd_dumping *d, const struct pd_error *warning);
PD_MUST_USE enum pd_status pd_dump_set_state(struct pd_dumping *d, enum pd_dump_state state,
                                             struct pd_error *err);
/* A copy is out for the rest of the run. */
void pd_dump_lose_copy(struct pd_dump_lane *l, size_t copy, const struct pd_error *why, bool hung);
/* Everything noted is in the catalog: before it is asked for what depends on that. patient: it is
 * waited for, when it cannot be reached, as long as the configuration says. */
PD_MUST_USE enum pd_status pd_dump_settle(struct pd_dumping *d, bool patient, struct pd_error *err);
/* Frees everything; the book too when it is done with. */
void pd_dump_release(struct pd_dumping *d, bool done);
/* From the first archive to the verdict, and the release of everything in d; gives the status of the run. */
enum pd_status pd_dump_carry_out(struct pd_dumping *d, enum pd_status status, struct pd_error *err);

/* dump_report.c: asks the tape drives what they count and complain of (drive_log.h), for the
 * catalog; the result of the dump never depends on it. */
void pd_dump_report_drives(struct pd_dump_lane *l);
void pd_dump_report_drive(struct pd_dump_lane *l, size_t copy);

/* dump_lane.c: how many lanes there are, and what is theirs of the summary; their pools, and the
 * sources of all but the first, which lists. */
PD_MUST_USE enum pd_status
pd_dump_make_lanes(struct pd_dumping *d, const struct pd_pool_config *config, struct pd_error *err);
PD_MUST_USE enum pd_status
pd_dump_open_lanes(struct pd_dumping *d, const struct pd_pool_config *config, struct pd_error *err);
/* Copies of each archive. */
size_t pd_dump_copies(const struct pd_dumping *d);
/* Is it trouble of one set of drives, or of its volumes? Then other lanes can go on. */
bool pd_dump_is_own_trouble(enum pd_status status);
/* All lanes write, until all is written, or no lane is left. */
PD_MUST_USE enum pd_status pd_dump_run_lanes(struct pd_dumping *d, struct pd_error *err);
/* Lets go of the volumes; what was reserved is given back if the catalog knows everything. */
void pd_dump_close_lanes(struct pd_dumping *d, bool recorded);
void pd_dump_release_lanes(struct pd_dumping *d);

/* dump_sweep.c: removes from the state folder what kills have left of books that nobody needs. */
void pd_dump_sweep(const struct pd_env *env, struct pd_catalog *catalog, const char *state_dir);

/* dump_list.c: what there is to dump. */
PD_MUST_USE enum pd_status pd_dump_open_source(struct pd_dump_lane *l,
                                               const struct pd_source_path_options *from,
                                               struct pd_error *err);
PD_MUST_USE enum pd_status pd_dump_list(struct pd_dumping *d, struct pd_error *err);
/* dump_space.c */
PD_MUST_USE enum pd_status pd_dump_check_space(struct pd_dumping *d, struct pd_error *err);

/* dump_problem.c: a source problem from any thread, kept in arg, struct pd_dump_problems. */
PD_MUST_USE enum pd_status pd_dump_take_problem(void *arg, const struct pd_problem *problem,
                                                struct pd_error *err);
/* Counts them and tells the caller of the dump. */
PD_MUST_USE enum pd_status pd_dump_tell_problems(struct pd_dumping *d,
                                                 const struct pd_dump_problems *problems,
                                                 struct pd_error *err);
void pd_dump_forget_problems(struct pd_dump_problems *problems);

/* dump_claim.c: what the source covers becomes d->roots; registers the run and claims them; the dump
 * itself. */
PD_MUST_USE enum pd_status pd_dump_find_roots(struct pd_dumping *d, struct pd_error *err);
PD_MUST_USE enum pd_status pd_dump_add_root(struct pd_dumping *d, const char *root,
                                            struct pd_error *err);
PD_MUST_USE enum pd_status pd_dump_claim_source(struct pd_dumping *d, const char *what,
                                                struct pd_error *err);
void pd_dump_forget_roots(struct pd_dumping *d);
PD_MUST_USE enum pd_status pd_dump_claim_dump(struct pd_dumping *d, struct pd_error *err);
struct pd_pool_run pd_dump_pool_run(struct pd_dumping *d);

/* dump_plan.c: options and pool as the book keeps them. A plan owns what it points to. */
struct pd_dump_plan {
    struct pd_dump_options options; /* paths, excludes, incremental; the rest is the caller's */
    struct pd_pool_config pool;
    char **words; /* everything that options.source points to */
    size_t word_count;
    const char **paths, **excludes, **roots;
    size_t root_count;
};
PD_MUST_USE enum pd_status pd_plan_save(struct pd_dumping *d, struct pd_error *err);
PD_MUST_USE enum pd_status pd_plan_take(struct pd_dump_plan *plan, const char *key,
                                        const char *value, struct pd_error *err);
PD_MUST_USE enum pd_status pd_plan_start(struct pd_dump_plan *plan, struct pd_error *err);
void pd_plan_release(struct pd_dump_plan *plan);

/* dump_pair.c: the next pair is mounted; pairs are reserved for what is left; nothing more goes to
 * the pair at hand: indexes, rows of volumes, what is left to verify. PD_PAIR_OLD: volumes that
 * were only mounted again for that. */
PD_MUST_USE enum pd_status pd_dump_next_pair(struct pd_dump_lane *l, struct pd_error *err);
void pd_dump_reserve(struct pd_dump_lane *l);
enum pd_dump_closing { PD_PAIR_FULL, PD_PAIR_LAST, PD_PAIR_LEFT, PD_PAIR_OLD };
PD_MUST_USE enum pd_status pd_dump_close_pair(struct pd_dump_lane *l, enum pd_dump_closing why,
                                              struct pd_error *err);
/* dump_write.c: batches, until there is none; the last pair is indexed and its verifiers are
 * finished. */
PD_MUST_USE enum pd_status pd_dump_write_lane(struct pd_dump_lane *l, struct pd_error *err);

/* The summary names a volume of a copy once, and those of the pair at hand. */
void pd_dump_name_volume(struct pd_dump_lane *l, size_t copy, const char *label);
void pd_dump_name_pair(struct pd_dump_lane *l);

/* dump_verify.c */
PD_MUST_USE bool pd_dump_choose(struct pd_dump_lane *l, size_t archive);
/* Feeds the verifiers of disks. Their results are recorded by pd_dump_poll, after the archive. */
PD_MUST_USE enum pd_status pd_dump_verify_archive(struct pd_dump_lane *l, size_t archive,
                                                  struct pd_expect *expect, struct pd_error *err);
PD_MUST_USE enum pd_status pd_dump_poll(struct pd_dump_lane *l, struct pd_error *err);
/* Ends the verifiers of this pair; tapes are read back now, after their drives were let go. more: another
 * pair is to come, so the drives are opened again. */
PD_MUST_USE enum pd_status pd_dump_verify_pair(struct pd_dump_lane *l, bool more,
                                               struct pd_error *err);
/* Room for one more archive at the end. */
PD_MUST_USE enum pd_status pd_dump_add_archive(struct pd_dump_lane *l, size_t *place,
                                               struct pd_error *err);
void pd_dump_stop_verifiers(struct pd_dump_lane *l);
enum pd_status pd_dump_judge(struct pd_dumping *d);

/* dump_index.c */
/* Writes the index of the pair's archives to every live copy. A copy that refuses is degraded. */
PD_MUST_USE enum pd_status pd_dump_write_indexes(struct pd_dump_lane *l, struct pd_error *err);
/* The index of a copy could not be written, or not be read back. */
void pd_dump_lose_index(struct pd_dump_lane *l, size_t copy, const struct pd_error *why);

#endif
