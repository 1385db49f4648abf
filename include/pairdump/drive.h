/*
 * drive: one tape drive, as st(4) shows it: records, filemarks, positions.
 *
 * A driver fills every slot of struct pd_drive_ops; the calls pd_drive_* check state, range and
 * "a failure has a status", for real drivers and mocks alike. Rules that hold for every driver
 * (st(4), SSC-3):
 *  - read gives exactly one record per call. A filemark reads as PD_END_OF_FILE and is passed; end
 *    of recorded data is PD_END_OF_DATA. A record longer than the buffer is PD_BAD_FORMAT and
 *    passed.
 *  - write puts exactly one record and truncates the tape behind it. From early warning on it
 *    still succeeds and sets *early_warning; at the physical end it is PD_VOLUME_FULL and nothing
 *    is written.
 *  - marks(count, immediate): immediate returns before the drive's buffer is on tape; count 0 and
 *    not immediate flushes.
 *  - position counts tape files from 0, and records in the file from 0; it is valid after each
 *    call, errors included, or `known` is false until rewind, end or locate.
 * One thread uses a drive at a time. Sizes are bytes.
 */
#ifndef PAIRDUMP_DRIVE_H
#define PAIRDUMP_DRIVE_H

#include <stdint.h>

#include "pairdump/error.h"

struct pd_drive_pos {
    bool known;
    uint64_t file;   /* filemarks before this place */
    uint64_t record; /* records since the last filemark */
    uint64_t object; /* records and filemarks since the start: what locate takes */
};

struct pd_drive_status {
    bool loaded;
    bool write_protected;
    bool at_start;
    bool early_warning;   /* at or behind it */
    uint64_t capacity;    /* bytes to early warning, 0 if unknown */
    uint64_t used;        /* bytes recorded up to the end of data, 0 if unknown */
    uint64_t max_record;  /* longest record that can be written */
    struct pd_drive_pos pos;
    char medium[64];      /* barcode or image name, "" if unknown */
    bool seen; /* that is what lies in the drive for certain, not only said to be there */
    unsigned density;     /* SCSI density code of the medium, 0 if unknown */
    bool cleaning;        /* the drive asks to be cleaned; also without a medium */
};

enum pd_space_kind { PD_SPACE_RECORDS, PD_SPACE_FILES };

struct pd_drive_ops {
    const char *name;
    enum pd_status (*load)(void *impl, const char *medium, struct pd_error *err);
    enum pd_status (*unload)(void *impl, struct pd_error *err);
    enum pd_status (*status)(void *impl, struct pd_drive_status *out, struct pd_error *err);
    enum pd_status (*read)(void *impl, void *buf, size_t size, size_t *got, struct pd_error *err);
    enum pd_status (*write)(void *impl, const void *buf, size_t len, bool *early_warning,
                            struct pd_error *err);
    enum pd_status (*marks)(void *impl, unsigned count, bool immediate, struct pd_error *err);
    enum pd_status (*space)(void *impl, enum pd_space_kind kind, int64_t count,
                            struct pd_error *err);
    enum pd_status (*rewind)(void *impl, struct pd_error *err);
    enum pd_status (*end)(void *impl, struct pd_error *err); /* to the end of recorded data */
    enum pd_status (*tell)(void *impl, struct pd_drive_pos *out, struct pd_error *err);
    enum pd_status (*locate)(void *impl, uint64_t object, struct pd_error *err);
    enum pd_status (*close)(void *impl, struct pd_error *err); /* frees impl even on error */
};

struct pd_drive;

/* Takes impl over: it is closed when this fails. PD_INTERNAL when a slot is empty. */
PD_MUST_USE enum pd_status pd_drive_new(const struct pd_drive_ops *ops, void *impl,
                                        struct pd_drive **out, struct pd_error *err);
/* Loads a medium by barcode or image name; NULL: whatever lies in the drive, or the next one. */
PD_MUST_USE enum pd_status pd_drive_load(struct pd_drive *drive, const char *medium,
                                         struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_unload(struct pd_drive *drive, struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_status(struct pd_drive *drive, struct pd_drive_status *out,
                                           struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_read(struct pd_drive *drive, void *buf, size_t size,
                                         size_t *got, struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_write(struct pd_drive *drive, const void *buf, size_t len,
                                          bool *early_warning, struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_marks(struct pd_drive *drive, unsigned count, bool immediate,
                                          struct pd_error *err);
/* count < 0: backwards. Files backwards stops before the filemark, as MTBSF. Meeting a filemark
 * while spacing records: PD_END_OF_FILE, standing behind (before) it; end of data: PD_END_OF_DATA;
 * the beginning of the tape: PD_IO. Each stands where it was met. */
PD_MUST_USE enum pd_status pd_drive_space(struct pd_drive *drive, enum pd_space_kind kind,
                                          int64_t count, struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_rewind(struct pd_drive *drive, struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_end(struct pd_drive *drive, struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_tell(struct pd_drive *drive, struct pd_drive_pos *out,
                                         struct pd_error *err);
/* Beyond the end of data: PD_END_OF_DATA, standing there. */
PD_MUST_USE enum pd_status pd_drive_locate(struct pd_drive *drive, uint64_t object,
                                           struct pd_error *err);
/* Closes and frees; NULL: PD_OK. A close error is an error of what was written. */
PD_MUST_USE enum pd_status pd_drive_close(struct pd_drive *drive, struct pd_error *err);

#endif
