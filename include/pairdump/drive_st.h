/*
 * drive_st: a tape drive of this host, through the kernel's st driver (st(4), <linux/mtio.h>).
 *
 * The device is the node that does not rewind when it is closed (/dev/nst0, or a link to it in
 * /dev/tape/by-id). It is open, and so closed to others, from pd_drive_st_open to close; an empty
 * drive does not hold that up. Records are variable blocks. The door is locked while a medium is
 * loaded. Loading takes what lies in the drive: by name (a barcode) it is PD_UNSUPPORTED.
 *
 * st writes a filemark by itself when the tape is moved back, or closed, behind a record; this
 * driver keeps it from that, so that records without a filemark stay what they are. What the drive
 * still had in its buffer shows as an error of the next synchronous mark, rewind, or close.
 *
 * Early warning is known from the record behind the one that met it, and only as long as the
 * medium is loaded. Capacity is what the options say; used is unknown (0). The longest record is
 * what the drive says of itself; a host adapter that takes less shows with the first record that
 * it refuses (PD_UNSUPPORTED).
 */
#ifndef PAIRDUMP_DRIVE_ST_H
#define PAIRDUMP_DRIVE_ST_H

#include "pairdump/drive.h"
#include "pairdump/env.h"

struct pd_drive_st_options {
    uint64_t capacity; /* bytes to early warning, as the operator knows it; 0: unknown */
};

extern const struct pd_drive_ops pd_drive_st_ops;

/* env outlives the drive; options may be NULL. PD_USAGE: device is no tape drive, or rewinds when
 * it is closed; PD_BUSY: another program has it; PD_DENIED; PD_NOT_FOUND: no drive answers. */
PD_MUST_USE enum pd_status pd_drive_st_open(const struct pd_env *env, const char *device,
                                            const struct pd_drive_st_options *options,
                                            struct pd_drive **out, struct pd_error *err);

#endif
