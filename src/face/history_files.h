/*
 * history_files: what became of files: the archives that hold them, each copy, and each time that
 * it was read back, with the damage that concerns the file.
 */
#ifndef PAIRDUMP_FACE_HISTORY_FILES_H
#define PAIRDUMP_FACE_HISTORY_FILES_H

#include "command.h"

struct pd_history_files {
    struct pd_face *face;
    struct pd_catalog *catalog;
    const int64_t *volumes; /* only copies on these; none: all */
    size_t volume_count;
    int64_t since; /* verifications from then on */
};
/* Paths, or patterns as find takes them. PD_NOT_FOUND when there is no such file. */
PD_MUST_USE enum pd_status pd_history_files_show(const struct pd_history_files *options,
                                                 const char *const *paths, size_t count,
                                                 struct pd_error *err);

#endif
