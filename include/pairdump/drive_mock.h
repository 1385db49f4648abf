/*
 * drive_mock: a tape drive without hardware, on SIMH ".tap" images in a folder.
 *
 * DIR/<BARCODE>.tap is a cartridge; DIR/loaded names the one in the drive. Loading a barcode that
 * has no image takes a new blank cartridge while fewer than `slots` images exist, else
 * PD_NO_VOLUME. Loading NULL takes the one in the drive, else the one that DIR/loaded names, else
 * an only one; with none or several it is PD_NO_MEDIUM. A torn object at the end of an image (its
 * writer was killed) is not recorded data; behind something that is no SIMH object nothing can be
 * read, and nothing is written there: PD_BAD_FORMAT. capacity counts data bytes to early warning;
 * `early` more fit to the physical end. An image that is not writable is a write-protected
 * cartridge. Synchronous marks fsync the image. One process holds a drive at a time (flock on
 * DIR/lock; PD_BUSY).
 *
 * What it does better than a drive behind st (drive_st.h), beyond the contract: it loads by name,
 * and knows the name; it says how much is recorded; it warns with the first record beyond the early
 * warning, st with the one after it; a failed filemark does not cost it its position, and nothing
 * resets it; it takes records up to 16 MiB, not what drive and host adapter agree on.
 */
#ifndef PAIRDUMP_DRIVE_MOCK_H
#define PAIRDUMP_DRIVE_MOCK_H

#include "pairdump/drive.h"

struct pd_drive_mock_options {
    uint64_t capacity; /* default 1 TiB */
    uint64_t early;    /* default 4 MiB */
    uint64_t slots;    /* default 1000 */
};

extern const struct pd_drive_ops pd_drive_mock_ops;

/* dir must exist. */
PD_MUST_USE enum pd_status pd_drive_mock_open(const char *dir,
                                              const struct pd_drive_mock_options *options,
                                              struct pd_drive **out, struct pd_error *err);

/* Names the cartridges in the folder dir (a const char *): a pd_media_list_fn of target_tape.h. */
PD_MUST_USE enum pd_status pd_drive_mock_media(void *dir,
                                               enum pd_status (*fn)(void *arg, const char *medium,
                                                                    struct pd_error *err),
                                               void *arg, struct pd_error *err);

#endif
