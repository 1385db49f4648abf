/*
 * drive_library_priv: a changer that is shared with others, asked and told with patience.
 */
#ifndef PAIRDUMP_DRIVE_LIBRARY_PRIV_H
#define PAIRDUMP_DRIVE_LIBRARY_PRIV_H

#include "pairdump/changer.h"
#include "pairdump/drive_library.h"

struct pd_drive_library_robot {
    const struct pd_env *env;
    struct pd_changer *changer;
    char *url;
    uint64_t pause_ns;
    int lock_fd; /* -1: not ours */
};

/* drop releases it also when this failed. */
PD_MUST_USE enum pd_status
pd_drive_library_robot_init(struct pd_drive_library_robot *robot, const struct pd_env *env,
                            const struct pd_drive_library_options *options, struct pd_error *err);
void pd_drive_library_robot_drop(struct pd_drive_library_robot *robot);

/* Nobody else moves until unlock; PD_BUSY: someone else still does. */
PD_MUST_USE enum pd_status pd_drive_library_robot_lock(struct pd_drive_library_robot *robot,
                                                       struct pd_error *err);
void pd_drive_library_robot_unlock(struct pd_drive_library_robot *robot);

/* The caller releases *out; empty on errors. */
PD_MUST_USE enum pd_status pd_drive_library_robot_look(struct pd_drive_library_robot *robot,
                                                       struct pd_changer_inventory *out,
                                                       struct pd_error *err);

/* A cartridge with what is known of it: from a slot into a drive, or back. */
struct pd_drive_library_move {
    bool load;
    uint32_t slot, drive;
    enum pd_changer_kind kind; /* of the slot */
    const char *barcode;
};
/* PD_OK: it is done. */
PD_MUST_USE enum pd_status pd_drive_library_robot_move(struct pd_drive_library_robot *robot,
                                                       const struct pd_drive_library_move *move,
                                                       struct pd_error *err);

/* For messages: the label, else the barcode, else that there is none. out takes PD_BARCODE_MAX + 1.
 */
const char *pd_drive_library_name(const char *barcode, char *out);
const char *pd_drive_library_kind(enum pd_changer_kind kind);
/* A failure of the changer says nothing of what is recorded: its status is changed where it would.
 */
enum pd_status pd_drive_library_acquit(enum pd_status status, struct pd_error *err);

#endif
