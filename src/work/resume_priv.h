/*
 * resume: what its files share. resume.c goes on with a dump, resume_book.c reads its journal,
 * resume_load.c takes from the catalog what was written before, resume_pair.c mounts the volumes
 * that were at hand, of each lane.
 */
#ifndef PAIRDUMP_WORK_RESUME_PRIV_H
#define PAIRDUMP_WORK_RESUME_PRIV_H

#include "resume_book.h"

struct pd_resume_lane {
    struct pd_resuming *r;
    struct pd_dump_lane *l;
    struct pd_told_lane *told;
    struct pd_volume_row *last;  /* volumes that its last archive was begun on, one for each copy */
    int64_t held[PD_COPIES_MAX]; /* ids of the volumes of its last archive that is recorded */
};

struct pd_resuming {
    struct pd_dumping *d;
    struct pd_story story;
    struct pd_resume_lane lanes[PD_COPIES_MAX];
};

/* What is recorded becomes the lanes' archives, and is not written again. */
PD_MUST_USE enum pd_status pd_resume_load(struct pd_resuming *r, struct pd_error *err);
/* The lane goes on with the volumes of its last archive; when not all can be appended to, the
 * others get their index, and what follows goes to another pair. */
PD_MUST_USE enum pd_status pd_resume_take_pair(struct pd_resume_lane *rl, struct pd_error *err);

#endif
