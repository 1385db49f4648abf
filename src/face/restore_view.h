/*
 * restore_view: what restore shows, as text or JSON. Of a tar stream on standard output everything
 * is said on standard error.
 */
#ifndef PAIRDUMP_FACE_RESTORE_VIEW_H
#define PAIRDUMP_FACE_RESTORE_VIEW_H

#include "command.h"
#include "pairdump/restore.h"

struct pd_restore_view {
    struct pd_face *face;
    bool dry_run, stream;
    struct pd_buf volumes;               /* lines */
    json_t *files, *avoided, *by_volume; /* in JSON mode */
};

/* Makes the lists in JSON mode, and has the options' calls come here. */
void pd_restore_view_start(struct pd_restore_view *view, struct pd_restore_options *options);
void pd_restore_view_summary(struct pd_restore_view *view, const struct pd_restore_options *options,
                             const struct pd_restore_summary *summary);
void pd_restore_view_free(struct pd_restore_view *view);

#endif
