/*
 * holding: volumes and drives that a command has for itself for a moment, as runs have theirs.
 */
#ifndef PAIRDUMP_FACE_HOLDING_H
#define PAIRDUMP_FACE_HOLDING_H

#include "command.h"
#include "pairdump/claim.h"

enum { PD_HOLDING_MAX = PD_COPIES_MAX };

struct pd_holding {
    struct pd_catalog *catalog;
    struct pd_run_row run;
    bool begun;
    bool of_dump; /* some were left by an interrupted one, and go back to it */
};

/* All of them, or none. PD_BUSY when a run has one, or when an interrupted dump left it: that one
 * has to be resumed first. what: "label PD1", for people; it begins with a word that no dump's
 * begins with. */
PD_MUST_USE enum pd_status pd_holding_begin(struct pd_face *face, struct pd_catalog *catalog,
                                            const char *what, struct pd_claim *claims, size_t count,
                                            struct pd_holding *out, struct pd_error *err);
/* They are still ours; says so to others. */
PD_MUST_USE enum pd_status pd_holding_check(struct pd_holding *holding, struct pd_error *err);
/* Lets go of them, also when nothing was begun. */
PD_MUST_USE enum pd_status pd_holding_end(struct pd_holding *holding, struct pd_error *err);

#endif
