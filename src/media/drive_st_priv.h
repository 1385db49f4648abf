/*
 * drive_st_priv: what the parts of the st driver share: one open drive, and where it stands.
 *
 * Positions are this driver's own count; st loses its numbers after MTSEEK and at the end of data.
 * The object number is asked for after every error. File starts that were passed are kept, so that
 * a position can be told from an object number alone. Invariants: starts[0] is 0; starts[f] is the
 * object behind filemark f-1, or UNKNOWN; nothing in it is of what was written over. `end` is where
 * the recorded data ends, if has_end.
 */
#ifndef PAIRDUMP_DRIVE_ST_PRIV_H
#define PAIRDUMP_DRIVE_ST_PRIV_H

#include <linux/mtio.h>
#include <sys/ioctl.h>

#include "pairdump/drive_st.h"

#define PD_DRIVE_ST_UNKNOWN UINT64_MAX

struct pd_drive_st {
    const struct pd_env *env;
    char *device;
    uint64_t capacity;
    int fd; /* -1: not open, after trouble */
    bool loaded;
    bool read_only;
    bool warned; /* of cleaning */
    bool no_seek;
    bool no_place; /* pd_drive_st_place does not tell */

    bool writing;        /* a record since the last mark or move: st would end it with a mark */
    bool dirty;          /* something since the last synchronous mark */
    uint64_t early_at;   /* the first object at or behind early warning, or UNKNOWN */
    uint64_t max_record; /* longest record that drive and host adapter take, as far as known */

    bool has_object, has_file, has_record;
    struct pd_drive_pos pos; /* without `known` */
    bool has_end;
    struct pd_drive_pos end;
    uint64_t *starts;
    size_t start_count, start_room;
};

/* ---- drive_st.c: asking st ---- */

/* A magnetic tape operation: 0 or errno. */
int pd_drive_st_op(struct pd_drive_st *st, short op, int count);
/* 0 or errno. */
int pd_drive_st_get(struct pd_drive_st *st, struct mtget *out);
int pd_drive_st_object(struct pd_drive_st *st, uint64_t *out);
/* Also the tape file, of a drive that counts filemarks. False: it does not tell, or who asks lacks
 * CAP_SYS_RAWIO. */
bool pd_drive_st_place(struct pd_drive_st *st, uint64_t *object, uint64_t *file);
/* PD_NO_MEDIUM unless one is loaded. */
PD_MUST_USE enum pd_status pd_drive_st_need_medium(const struct pd_drive_st *st,
                                                   struct pd_error *err);
/* Sets the error for errno `code` of what was tried ("read object 7"). */
enum pd_status pd_drive_st_fail(struct pd_drive_st *st, int code, const char *what,
                                struct pd_error *err);

/* ---- drive_st_pos.c: where it stands ---- */

void pd_drive_st_lost(struct pd_drive_st *st);
/* Forgets all of the medium, and stands at its start. */
void pd_drive_st_at_start(struct pd_drive_st *st);
void pd_drive_st_note_start(struct pd_drive_st *st, uint64_t file, uint64_t object);
/* The drive stands behind a filemark; object is already set. */
void pd_drive_st_passed_mark(struct pd_drive_st *st);
/* What is about to be written makes an end of all behind it, even if it fails. */
void pd_drive_st_cuts_here(struct pd_drive_st *st);
/* The tape ends where the drive stands, known in full. */
void pd_drive_st_ends_here(struct pd_drive_st *st);
/* After an error that left the drive in the same tape file: asks for the object and counts from
 * there. False: now unknown. */
bool pd_drive_st_recount(struct pd_drive_st *st);
/* Asks what only the drive can know; afterwards pos is known in full, or cannot be. */
void pd_drive_st_resolve(struct pd_drive_st *st);
/* Before a move: checks that all records reached the drive, and keeps st from ending them. */
PD_MUST_USE enum pd_status pd_drive_st_idle(struct pd_drive_st *st, struct pd_error *err);

PD_MUST_USE enum pd_status pd_drive_st_space(void *impl, enum pd_space_kind kind, int64_t count,
                                             struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_st_rewind(void *impl, struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_st_end(void *impl, struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_st_tell(void *impl, struct pd_drive_pos *out,
                                            struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_st_locate(void *impl, uint64_t object, struct pd_error *err);

/* ---- drive_st_io.c: records and marks ---- */

PD_MUST_USE enum pd_status pd_drive_st_read(void *impl, void *buf, size_t size, size_t *got,
                                            struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_st_write(void *impl, const void *buf, size_t len,
                                             bool *early_warning, struct pd_error *err);
PD_MUST_USE enum pd_status pd_drive_st_marks(void *impl, unsigned count, bool immediate,
                                             struct pd_error *err);
/* What the drive has in its buffer goes to the tape. */
PD_MUST_USE enum pd_status pd_drive_st_flush(struct pd_drive_st *st, struct pd_error *err);

#endif
