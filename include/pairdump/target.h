/*
 * target: a place that takes volumes and, on them, tape files made of records.
 *
 * A target is a library and a drive in one: it lists the volumes it can mount, mounts one, and then
 * writes tape files to its end or reads them by number. A driver (disk, tape, later S3) fills every
 * slot of struct pd_target_ops; a filter (fault) wraps another target. The calls pd_target_* check
 * state and range and add the volume to errors, for all of them.
 *
 * Life: open -> volumes* -> {mount relabel?} | format -> cut? -> { begin write* end | begin write*
 * abandon | patch | rewrite write* end }* and { open_file read* seek* close_file }* -> sync ->
 * close. At most one tape file is open at a time. Tape file 0 is the label (label.h), written by
 * format. Records are whole: all of the block size, which the calls demand of write and seek; read
 * takes a larger buffer too, and fills one record. After a failed write or end only abandon, mount,
 * unmount, space_left and close are left. One thread uses a target at a time; for reading while
 * writing open a second one (disk only: `parallel` in its caps).
 */
#ifndef PAIRDUMP_TARGET_H
#define PAIRDUMP_TARGET_H

#include <stdint.h>

#include "pairdump/drive.h"
#include "pairdump/env.h"
#include "pairdump/label.h"

struct pd_target_caps {
    bool parallel;       /* can be read through a second object while it is written */
    bool seeks_cheaply;  /* random access */
    bool counts_space;   /* space_left is a real figure of a shared file system */
    bool tape;           /* sequential, filemarks, one writer */
    bool library;        /* labels are barcodes: a cartridge of that name must be there, and format
                            takes no other */
};

/* What stands between now and the end of the volume. */
struct pd_target_space {
    uint64_t available; /* bytes that can still be written; UINT64_MAX if unknown */
    uint64_t total;     /* bytes of the volume or file system; 0 if unknown */
    uint64_t fs_id;     /* st_dev of the file system, 0 if none: two copies on one are suspicious */
};

struct pd_target_position {
    uint32_t file_count; /* tape files on the volume, the label included */
    uint64_t unended;    /* bytes behind the last filemark: a tape file that was never finished */
};

typedef enum pd_status (*pd_volume_fn)(void *arg, const char *label, struct pd_error *err);
/* Called when all that can be checked was, and nothing was touched; its failure leaves it so. */
typedef enum pd_status (*pd_before_fn)(void *arg, struct pd_error *err);

struct pd_target_ops {
    const char *scheme;
    /* Names every volume that could be mounted now, in any order, unchecked. */
    enum pd_status (*volumes)(void *impl, pd_volume_fn fn, void *arg, struct pd_error *err);
    /* Makes a volume current; label NULL: the one that lies in the drive. PD_NOT_FOUND: no such
     * volume; PD_BLANK, PD_FOREIGN: nothing, or something else, is on it. */
    enum pd_status (*mount)(void *impl, const char *label, struct pd_label *out,
                            struct pd_error *err);
    /* Would format take this label now? As far as can be seen without changing anything; with the
     * same failures. No volume is current then. */
    enum pd_status (*may_format)(void *impl, const struct pd_label *label, struct pd_error *err);
    /* Labels a new volume and makes it current. PD_FOREIGN or PD_EXISTS instead of overwriting
     * anything; PD_NO_VOLUME when there is no place for one more. */
    enum pd_status (*format)(void *impl, const struct pd_label *label, struct pd_error *err);
    /* Gives the mounted volume, whose UUID is old_uuid, another label: what it held is lost. before
     * is called once, between the last check and the first change. PD_WRONG_VOLUME when the medium
     * bears another label by now; PD_UNSUPPORTED where labels cannot be replaced. */
    enum pd_status (*relabel)(void *impl, const char *old_uuid, const struct pd_label *label,
                              pd_before_fn before, void *arg, struct pd_error *err);
    /* Takes the mounted volume for writing, until it is left: PD_BUSY when another run has it. begin
     * does so by itself; before, what is on the volume may still grow. */
    enum pd_status (*claim)(void *impl, struct pd_error *err);
    /* Counts the tape files; leaves the position at the end of data. */
    enum pd_status (*position)(void *impl, struct pd_target_position *out, struct pd_error *err);
    /* Forgets the tape files from this number (1 or above) on, which the caller knows for its own: the
     * next begin takes the number. What is on a tape stays there until that one is written. */
    enum pd_status (*cut)(void *impl, uint32_t file_no, struct pd_error *err);
    /* Starts the next tape file; *file_no gets its number. name is the file name on a disk. */
    enum pd_status (*begin)(void *impl, const char *name, uint32_t *file_no, struct pd_error *err);
    /* One record. PD_VOLUME_FULL: the volume's end is near, give the tape file up. After
     * begin_last (the index) early warning is ignored and only the physical end counts. */
    enum pd_status (*write)(void *impl, const void *record, size_t len, struct pd_error *err);
    /* Ends the tape file. durable: return only when it is on the medium; else it becomes so with
     * the next durable end or sync. Disk is always durable. */
    enum pd_status (*end)(void *impl, bool durable, struct pd_error *err);
    /* Gives the tape file up: nothing of it remains, and the next begin takes its number. */
    enum pd_status (*abandon)(void *impl, struct pd_error *err);
    /* Writes one record of an ended tape file anew, in its place, and returns when it is on the
     * medium; whatever fails, no other record changes. Takes the volume as claim does, also when a
     * tape file is missing. PD_MISSING, PD_TRUNCATED: there is no such record; PD_UNSUPPORTED: the
     * medium cannot. */
    enum pd_status (*patch)(void *impl, uint32_t file_no, uint64_t record, const void *bytes,
                            size_t len, struct pd_error *err);
    /* Starts a tape file anew that was ended, and may be missing now: as begin, but what is there
     * stays until end puts this in its place. PD_UNSUPPORTED as above. */
    enum pd_status (*rewrite)(void *impl, uint32_t file_no, const char *name, struct pd_error *err);
    /* Everything ended before is on the medium. */
    enum pd_status (*sync)(void *impl, struct pd_error *err);
    /* For writing the index behind a full volume: let writes use the early-warning zone. */
    enum pd_status (*use_reserve)(void *impl, bool on, struct pd_error *err);
    /* Opens a tape file for reading from the medium, not from a cache. PD_MISSING: there is none of
     * that number. */
    enum pd_status (*open_file)(void *impl, uint32_t file_no, struct pd_error *err);
    /* One record; PD_END_OF_FILE behind the last. Shorter than size when the record is; a record
     * that cannot be read is an error, and the next read gives the one after it. */
    enum pd_status (*read)(void *impl, void *buf, size_t size, size_t *got, struct pd_error *err);
    /* The next read gives this record of the open tape file, or PD_END_OF_FILE for the one behind
     * the last. Further on: PD_END_OF_FILE at once, and from the next read. */
    enum pd_status (*seek)(void *impl, uint64_t record, uint64_t record_size,
                           struct pd_error *err);
    enum pd_status (*close_file)(void *impl, struct pd_error *err);
    enum pd_status (*space_left)(void *impl, struct pd_target_space *out, struct pd_error *err);
    enum pd_status (*unmount)(void *impl, struct pd_error *err); /* unload; leave the volume */
    /* Leaves the volume, loads what lies in the drive, whatever it is, rewinds it, and tells what the
     * drive says; *out is filled as far as can be when there is none (PD_NO_MEDIUM), too.
     * PD_UNSUPPORTED: there is no drive. */
    enum pd_status (*drive)(void *impl, struct pd_drive_status *out, struct pd_error *err);
    enum pd_status (*close)(void *impl, struct pd_error *err); /* frees impl even on error */
};

struct pd_target;

/* Takes impl over: it is closed when this fails. PD_INTERNAL when a slot is empty. url is copied,
 * for messages. */
PD_MUST_USE enum pd_status pd_target_new(const struct pd_target_ops *ops, void *impl,
                                         const char *url, struct pd_target_caps caps,
                                         struct pd_target **out, struct pd_error *err);

const char *pd_target_url(const struct pd_target *target);
struct pd_target_caps pd_target_caps(const struct pd_target *target);
/* Label of the mounted volume; NULL when none is. Valid until the next mount, format, unmount. */
const struct pd_label *pd_target_label(const struct pd_target *target);

PD_MUST_USE enum pd_status pd_target_volumes(struct pd_target *target, pd_volume_fn fn, void *arg,
                                             struct pd_error *err);
/* Whether it names a volume of that label. */
PD_MUST_USE enum pd_status pd_target_has(struct pd_target *target, const char *label, bool *has,
                                         struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_mount(struct pd_target *target, const char *label,
                                           struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_may_format(struct pd_target *target,
                                                const struct pd_label *label, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_format(struct pd_target *target, const struct pd_label *label,
                                            struct pd_error *err);
/* As mounting, it leaves no volume mounted when it fails. */
PD_MUST_USE enum pd_status pd_target_relabel(struct pd_target *target, const char *old_uuid,
                                             const struct pd_label *label, pd_before_fn before,
                                             void *arg, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_claim(struct pd_target *target, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_position(struct pd_target *target,
                                              struct pd_target_position *out,
                                              struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_cut(struct pd_target *target, uint32_t file_no,
                                         struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_begin(struct pd_target *target, const char *name,
                                           uint32_t *file_no, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_write(struct pd_target *target, const void *record,
                                           size_t len, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_end(struct pd_target *target, bool durable,
                                         struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_abandon(struct pd_target *target, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_patch(struct pd_target *target, uint32_t file_no,
                                           uint64_t record, const void *bytes, size_t len,
                                           struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_rewrite(struct pd_target *target, uint32_t file_no,
                                             const char *name, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_sync(struct pd_target *target, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_use_reserve(struct pd_target *target, bool on,
                                                 struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_open_file(struct pd_target *target, uint32_t file_no,
                                               struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_read(struct pd_target *target, void *buf, size_t size,
                                          size_t *got, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_seek(struct pd_target *target, uint64_t record,
                                          uint64_t record_size, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_close_file(struct pd_target *target, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_space_left(struct pd_target *target,
                                                struct pd_target_space *out,
                                                struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_unmount(struct pd_target *target, struct pd_error *err);
/* For who is done with the volume: in a library its cartridge goes back to its slot. NULL: PD_OK.
 */
PD_MUST_USE enum pd_status pd_target_put_back(struct pd_target *target, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_drive(struct pd_target *target, struct pd_drive_status *out,
                                           struct pd_error *err);
/* Closes and frees; NULL: PD_OK. */
PD_MUST_USE enum pd_status pd_target_close(struct pd_target *target, struct pd_error *err);

/* Buffers for pd_target_read and pd_target_write: aligned for O_DIRECT. Free with free(3). */
#define PD_RECORD_ALIGN 4096
void *pd_record_alloc(size_t size);

#endif
