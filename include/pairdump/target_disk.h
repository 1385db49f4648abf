/*
 * target_disk: volumes as folders of plain files, "disk:DIR".
 *
 * DIR/<LABEL>/NNNN-<name>.tar, NNNN the tape file number from 0000 (the label). Each is written
 * as ".partial", fsynced, renamed, and its folder fsynced. Reading opens with O_DIRECT, or where
 * a file system refuses that, drops the file's pages first (posix_fadvise), so that the medium is
 * read. One object writes a volume at a time (flock on its folder from the first begin on;
 * PD_BUSY). mount(NULL) takes an only volume; PD_WRONG_VOLUME when there are several, PD_BLANK
 * when none. A gap in the numbers, or one given twice, is PD_BAD_FORMAT for position and begin;
 * the tape files that are there can still be read.
 *
 * A DIR that holds things but no volume is PD_FOREIGN ("lost+found" does not count). Stale
 * ".partial" files of a volume are removed when it is mounted for writing, at the first begin.
 */
#ifndef PAIRDUMP_TARGET_DISK_H
#define PAIRDUMP_TARGET_DISK_H

#include "pairdump/target.h"

extern const struct pd_target_ops pd_target_disk_ops;

/* capacity: bytes one volume may hold, 0: as the file system allows. */
PD_MUST_USE enum pd_status pd_target_disk_open(const struct pd_env *env, const char *dir,
                                               uint64_t capacity, const char *url,
                                               struct pd_target **out, struct pd_error *err);

#endif
