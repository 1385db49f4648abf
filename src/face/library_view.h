/*
 * library_view: what lies in a tape library, beside what the catalog knows of it.
 */
#ifndef PAIRDUMP_FACE_LIBRARY_VIEW_H
#define PAIRDUMP_FACE_LIBRARY_VIEW_H

#include "command.h"

/* Asks the changer (changer.h), then the catalog, and writes into face. When the catalog cannot be
 * asked, what the changer says is shown all the same, and the catalog's error returned. */
PD_MUST_USE enum pd_status pd_library_view(struct pd_face *face, const char *url,
                                           struct pd_error *err);

#endif
