/*
 * target_tape: a tape drive as target; knows drives only through drive.h.
 *
 * Tape file n stands between filemarks n and n+1. Filemarks between archives are immediate; end
 * with durable, and sync, write a synchronous one or flush. Behind early warning write says
 * PD_VOLUME_FULL, unless use_reserve is on.
 *
 * Nothing erases a tape but writing: an abandoned tape file stays behind the last filemark until
 * the next write truncates it. A run that ends there, or is killed in a tape file, leaves records
 * that no filemark ends; position does not count them, and the next begin writes over them.
 */
#ifndef PAIRDUMP_TARGET_TAPE_H
#define PAIRDUMP_TARGET_TAPE_H

#include "pairdump/drive.h"
#include "pairdump/target.h"

/* Lists the media the drive could load; a part of the mock and, later, of the changer. */
typedef enum pd_status (*pd_media_list_fn)(void *arg, pd_volume_fn fn, void *fn_arg,
                                           struct pd_error *err);

extern const struct pd_target_ops pd_target_tape_ops;

/* Takes the drive over, closed also when this fails. list may be NULL: the operator is
 * the changer. Then what is in the drive says nothing of a volume that was asked for by name
 * (PD_NOT_FOUND: it may lie on a shelf), and a new volume needs a blank medium to be put in
 * (PD_NO_VOLUME while another volume is there). library: the drive is a drive_library.h, which
 * fetches media by label and knows which label belongs to which; what it fetched and did not see to
 * come is fetched again before something is written to it, or it is said to be another volume. */
PD_MUST_USE enum pd_status pd_target_tape_open(const struct pd_env *env, struct pd_drive *drive,
                                               bool library, pd_media_list_fn list, void *list_arg,
                                               void (*list_free)(void *list_arg), const char *url,
                                               struct pd_target **out, struct pd_error *err);

#endif
