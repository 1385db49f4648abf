/*
 * drive_library: a tape drive of a library: fetches cartridges by their label, and puts them back.
 *
 * Wraps another drive, in which a cartridge has to be put, and the changer that does so. The label
 * of a cartridge is its barcode without the two characters of the medium type: "PD0001L6" is
 * PD0001. Cleaning cartridges (CLN...), and barcodes that make no valid label, are none.
 *
 * load(label) fetches the cartridge, wherever it lies, after what is in the drive was put away;
 * then waits until the drive is ready. It guesses nothing: PD_NOT_FOUND: no such cartridge;
 * PD_EXISTS: two bear the label; PD_BUSY: it lies in another drive that does not give it free, or
 * another run keeps the changer moving; PD_NO_SPACE: no slot for what is in the drive; PD_CONFIG:
 * the drive behind is not the one of that number. PD_NO_MEDIUM: it lies in the drive of that
 * number, and the drive behind has none: either. load(NULL) takes what lies in the drive. unload
 * puts it into the slot it came from, or into another that is no import/export slot; so does
 * loading another one. close leaves it where it is.
 *
 * status names the barcode, and says whether the cartridge was seen to come (`seen`): before that,
 * only the configuration says which of the library's drives this is.
 *
 * What the changer refuses for now is tried again, and what it did though it failed is taken. None
 * of its failures tells of a cartridge's data: those that would are PD_NOT_READY, with what it
 * said. Who looks and moves has a lock (flock) on the file that the changer's URL names, so that
 * runs and threads do not meet; others wait for it.
 */
#ifndef PAIRDUMP_DRIVE_LIBRARY_H
#define PAIRDUMP_DRIVE_LIBRARY_H

#include "pairdump/drive.h"
#include "pairdump/env.h"
#include "pairdump/label.h"

/* Times are of the env's clock; 0: the default. */
struct pd_drive_library_options {
    const char *changer; /* URL (changer.h) */
    uint32_t drive;      /* its number there, as in "Data Transfer Element 0" */
    const char *name;    /* of the drive behind, for messages; NULL with a list of media */
    uint64_t timeout_ns; /* for one command of the changer; default as in changer.h */
    uint64_t pause_ns;   /* before a refused command is tried again; default 5 s */
    uint64_t settle_ns;  /* for a drive to notice its medium; default 60 s */
    uint64_t ready_ns;   /* for a medium to become ready; default 5 min */
};

extern const struct pd_drive_ops pd_drive_library_ops;

/* Takes inner over, closed also when this fails; copies the options; env outlives the drive. Does
 * not ask the changer. Errors as of pd_changer_open. */
PD_MUST_USE enum pd_status pd_drive_library_open(const struct pd_env *env, struct pd_drive *inner,
                                                 const struct pd_drive_library_options *options,
                                                 struct pd_drive **out, struct pd_error *err);

/* Names the labels of all cartridges, in slots, ports and drives: a pd_media_list_fn of
 * target_tape.h, whose argument the other two make and free. */
PD_MUST_USE enum pd_status
pd_drive_library_media_new(const struct pd_env *env, const struct pd_drive_library_options *options,
                           void **out, struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_library_media(void *media,
                                                  enum pd_status (*fn)(void *arg, const char *label,
                                                                       struct pd_error *err),
                                                  void *arg, struct pd_error *err);
void pd_drive_library_media_free(void *media);

/* False: a cartridge of that barcode has no label. */
bool pd_drive_library_label(const char *barcode, char out[PD_LABEL_TEXT]);

#endif
