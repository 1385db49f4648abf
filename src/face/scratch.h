/*
 * scratch: media that a test may overwrite: blank ones, and volumes that the catalog has as
 * scratch.
 *
 * All drives are looked at before anything is changed in one. Each medium then gets a label of its
 * own, under which the catalog has it as scratch from then on, holding nothing: it can be labelled
 * anew, or taken for the next test. No other trace of the test is in the catalog.
 */
#ifndef PAIRDUMP_FACE_SCRATCH_H
#define PAIRDUMP_FACE_SCRATCH_H

#include "command.h"
#include "holding.h"

struct pd_scratch_copy {
    struct pd_target *target;
    struct pd_label label;       /* that the medium gets */
    struct pd_volume_row row;    /* the same for a catalog: the next pair, appendable */
    char old_uuid[PD_UUID_TEXT]; /* "": it is blank */
};

struct pd_scratch {
    struct pd_face *face;
    struct pd_catalog *catalog; /* of the operator */
    struct pd_holding holding;
    struct pd_scratch_copy copies[PD_COPIES_MAX];
    size_t count;
};

/* Takes the drives of a pool, labels what lies in them, and closes them again; they stay claimed
 * until pd_scratch_end. PD_HELD: a volume that is not scratch, or is to be kept; PD_FOREIGN and the
 * like as the drives find it; PD_USAGE: a target that is no tape drive. */
PD_MUST_USE enum pd_status pd_scratch_begin(struct pd_face *face, const struct pd_pool_config *pool,
                                            struct pd_scratch *out, struct pd_error *err);
/* The drives are still ours. */
PD_MUST_USE enum pd_status pd_scratch_check(struct pd_scratch *scratch, struct pd_error *err);
/* Also when nothing, or not all of it, was begun. */
PD_MUST_USE enum pd_status pd_scratch_end(struct pd_scratch *scratch, struct pd_error *err);

#endif
