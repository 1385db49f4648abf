/*
 * folder: names that are on the disk. A file that is synced is lost with its name when the power
 * fails before the folder that holds it is synced too.
 */
#ifndef PAIRDUMP_FOLDER_H
#define PAIRDUMP_FOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "pairdump/error.h"

/* Syncs the names in a folder. File systems that have nothing to sync there are content. */
PD_MUST_USE enum pd_status pd_folder_sync(const char *path, struct pd_error *err);

/* Makes a folder and syncs the one that holds it; a trailing slash is not wanted. One that is there
 * is taken if `existing`, else PD_EXISTS. */
PD_MUST_USE enum pd_status pd_folder_make(const char *path, mode_t mode, bool existing,
                                          struct pd_error *err);

#endif
