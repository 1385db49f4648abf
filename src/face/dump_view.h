/*
 * dump_view: what dump and resume show: problems and warnings as they come, and the summary.
 */
#ifndef PAIRDUMP_FACE_DUMP_VIEW_H
#define PAIRDUMP_FACE_DUMP_VIEW_H

#include <pthread.h>

#include "command.h"
#include "pairdump/dump.h"

struct pd_dump_view {
    struct pd_face *face;
    pthread_mutex_t lock;
    json_t *problems;
    json_t *warnings;
};

/* Sets the configuration, the state folder and the functions to tell in options. */
void pd_dump_view_start(struct pd_dump_view *view, struct pd_face *face,
                        struct pd_dump_options *options);
void pd_dump_view_end(struct pd_dump_view *view, const struct pd_dump_summary *summary,
                      bool dry_run);

/* How copy i of the summary is called: "copy 1", or "pair 2, copy 1" of several sets of drives. */
void pd_dump_view_copy(const struct pd_dump_summary *summary, size_t i, char *out, size_t size);

#endif
