/*
 * target_tape_priv: tape file 0 on a tape.
 */
#ifndef PAIRDUMP_TARGET_TAPE_PRIV_H
#define PAIRDUMP_TARGET_TAPE_PRIV_H

#include "pairdump/drive.h"
#include "pairdump/target_tape.h"

/* From the start of the medium; PD_OK only for a whole label with its filemark, behind which the
 * drive then stands. PD_BLANK: nothing is recorded, or a label that no filemark ends and nothing
 * follows. PD_FOREIGN: something else. */
PD_MUST_USE enum pd_status pd_target_tape_read_label(struct pd_drive *drive, struct pd_label *out,
                                                     struct pd_error *err);
/* PD_OK if the loaded medium may get this label: it is blank, and takes records of that size.
 * by_hand: there is no changer, so another volume means PD_NO_VOLUME: a blank one has to be put in.
 */
PD_MUST_USE enum pd_status pd_target_tape_check_blank(struct pd_drive *drive,
                                                      const struct pd_label *label, bool by_hand,
                                                      struct pd_error *err);
/* The same in a library, and of a cartridge that was seen to come. */
PD_MUST_USE enum pd_status pd_target_tape_check_cartridge(const struct pd_env *env,
                                                          struct pd_drive *drive,
                                                          const struct pd_label *label,
                                                          struct pd_error *err);
/* Reads the label of what was loaded for label (NULL: whatever it is). PD_WRONG_VOLUME: another
 * one; in a library that, and that there is none, is said only of a cartridge that was seen to
 * come. */
PD_MUST_USE enum pd_status pd_target_tape_identify(const struct pd_env *env, struct pd_drive *drive,
                                                   bool library, const char *label,
                                                   struct pd_label *out, struct pd_error *err);
/* Without a changer what lies in the drive says nothing of the volume that was asked for, which may lie
 * on a shelf: PD_NOT_FOUND. */
enum pd_status pd_target_tape_not_here(const char *label, enum pd_status status,
                                       struct pd_error *err);
/* Writes it from the start of the medium, with a synchronous filemark. */
PD_MUST_USE enum pd_status pd_target_tape_write_label(struct pd_drive *drive,
                                                      const struct pd_label *label,
                                                      struct pd_error *err);
/* Puts another label over that of UUID old_uuid, as target.h says. fixed: what it has to be; NULL:
 * any.
 */
PD_MUST_USE enum pd_status pd_target_tape_relabel(struct pd_drive *drive, const char *fixed,
                                                  const char *old_uuid,
                                                  const struct pd_label *label, pd_before_fn before,
                                                  void *arg, struct pd_error *err);
/* Loads the medium for a label; NULL, or without a list, where the operator is the changer: what is in
 * the drive. */
PD_MUST_USE enum pd_status pd_target_tape_load(struct pd_drive *drive, pd_media_list_fn list,
                                               void *list_arg, const char *label,
                                               struct pd_error *err);
/* Loads what is in the drive, and tells of it, as target.h says. */
PD_MUST_USE enum pd_status pd_target_tape_drive(struct pd_drive *drive, struct pd_drive_status *out,
                                                struct pd_error *err);
/* Names the volume that lies in the drive; an empty drive, or something else than a volume, is
 * none. Loads it, and leaves the drive anywhere. */
PD_MUST_USE enum pd_status pd_target_tape_look(struct pd_drive *drive, pd_volume_fn fn, void *arg,
                                               struct pd_error *err);

/* Both PD_UNSUPPORTED: behind what is written anew on a tape nothing is left. */
PD_MUST_USE enum pd_status pd_target_tape_patch(void *impl, uint32_t file_no, uint64_t record,
                                                const void *bytes, size_t len,
                                                struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_tape_rewrite(void *impl, uint32_t file_no, const char *name,
                                                  struct pd_error *err);

#endif
