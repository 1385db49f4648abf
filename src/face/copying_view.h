/*
 * copying_view: what repair and copy show: each archive, what was lost of it, and the summary.
 */
#ifndef PAIRDUMP_FACE_COPYING_VIEW_H
#define PAIRDUMP_FACE_COPYING_VIEW_H

#include "command.h"
#include "pairdump/claim.h"
#include "pairdump/copying.h"

/* Runs it with claims of its own, and shows it. what: "repair PD100001", for people. */
PD_MUST_USE enum pd_status pd_copying_view(struct pd_face *face, const struct pd_args *args,
                                           const char *what, struct pd_claim *claims, size_t count,
                                           const struct pd_copying_options *options,
                                           struct pd_catalog *catalog, struct pd_error *err);

#endif
