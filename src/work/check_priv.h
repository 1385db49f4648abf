/*
 * What the parts of check share.
 *
 *     check.c         one run: feeds verifiers, records results
 *     check_plan.c    which copies on which volumes
 *     check_tables.c  tables of contents at hand
 *     check_sum.c     the verdict, and which files are lost
 *     check_locate.c  where a volume can be read
 */
#ifndef PAIRDUMP_CHECK_PRIV_H
#define PAIRDUMP_CHECK_PRIV_H

#include "pairdump/check.h"

/* A copy of an archive that is asked for, in the order of archive, copy number. */
struct pd_check_copy {
    int64_t id, archive_id;
    size_t volume; /* place in the plan */
    uint32_t tape_file;
    enum pd_copy_state state; /* before the run */
    bool asked;               /* others only count by their recorded state */
    bool settled, unread;
    enum pd_status status; /* once settled */
    struct pd_damage *damage; /* of a bad one */
    size_t damage_count;
    char *damage_text;
};

enum pd_check_turn {
    PD_CHECK_WAITING,
    PD_CHECK_RUNNING,
    PD_CHECK_DONE,
};

struct pd_check_volume {
    int64_t id;
    struct pd_volume_row row; /* filled for those with copies asked for */
    bool named;
    size_t *jobs; /* copies asked for, by tape file */
    size_t job_count, next_job, pending;
    enum pd_check_turn turn;
    char *place; /* where it is being read; one volume of a place at a time */
    struct pd_verifier *verifier;
    struct pd_expect *expect; /* of the next job, once loaded */
};

struct pd_check_plan {
    struct pd_check_copy *copies;
    size_t copy_count, copy_room;
    struct pd_check_volume *volumes;
    size_t volume_count, volume_room;
    int64_t *archives; /* asked for by dump, rising; those without any copy too */
    size_t archive_count, archive_room;
    uint64_t bytes; /* of one copy of those */
};

/* Tables of contents that were asked for last, kept for the verifiers of other volumes. */
#define PD_CHECK_TABLES 8
struct pd_check_tables {
    struct {
        int64_t archive_id;
        struct pd_expect *expect;
        uint64_t used;
    } kept[PD_CHECK_TABLES];
    uint64_t clock;
};

/* Caller releases *out. */
PD_MUST_USE enum pd_status pd_check_tables_get(struct pd_check_tables *tables,
                                               struct pd_catalog *catalog, int64_t archive_id,
                                               struct pd_expect **out, struct pd_error *err);
void pd_check_tables_release(struct pd_check_tables *tables);

PD_MUST_USE enum pd_status pd_check_plan_make(struct pd_catalog *catalog,
                                              const struct pd_check_options *options,
                                              struct pd_check_plan *plan, struct pd_error *err);
void pd_check_plan_release(struct pd_check_plan *plan);

/* Archives, status, files lost and copies missing, when all copies are settled. */
PD_MUST_USE enum pd_status pd_check_sum(struct pd_catalog *catalog,
                                        const struct pd_check_options *options,
                                        const struct pd_check_plan *plan,
                                        struct pd_check_summary *summary, struct pd_error *err);

#endif
