/*
 * changer: the robot of a tape library, which moves cartridges between slots and drives.
 *
 *     mtx:DEVICE   runs "mtx -f DEVICE COMMAND ..." (package mtx), DEVICE as /dev/sg2
 *     cmd:PATH     runs "PATH COMMAND ...", a program of the site that is called and answers as mtx
 *
 * COMMAND is "status", "load SLOT DRIVE", "unload SLOT DRIVE" or "transfer FROM TO". The program is
 * run without a shell (spawn.h). Elements are counted as mtx does: drives from 0, slots from 1,
 * with the import/export slots behind the others; each of the two is counted for itself. What
 * status says is taken whole or not at all: by the grammar of mtx 1.3 (mtx(1), Status() in its
 * mtx.c), with counts as in its first line and each number once.
 *
 * Nothing is locked: two programs that move at a time get in each other's way, and the second is
 * refused by the library. One thread uses a changer at a time.
 *
 * A failure bears what the program said, and a status by it (pd_changer_refusal). None tells
 * anything of what is recorded on a cartridge: for who wants to read it, it is out of reach.
 */
#ifndef PAIRDUMP_CHANGER_H
#define PAIRDUMP_CHANGER_H

#include <stdint.h>

#include "pairdump/env.h"

#define PD_BARCODE_MAX 36 /* characters; the volume tag of SMC-3 */

enum pd_changer_kind {
    PD_CHANGER_DRIVE,
    PD_CHANGER_SLOT,
    PD_CHANGER_PORT, /* an import/export slot: a slot that opens to the outside */
};

struct pd_changer_element {
    enum pd_changer_kind kind;
    uint32_t number; /* as the calls below take it */
    bool full;
    /* Of a full drive: the slot that its cartridge came from, 0 if unknown. mtx gives an empty slot
     * where the library does not know. */
    uint32_t source;
    /* "" when empty, or when none is told; without the blanks that fill it up. Printable ASCII. */
    char barcode[PD_BARCODE_MAX + 1];
};

struct pd_changer_inventory {
    struct pd_changer_element *elements; /* drives, then slots, each in order of their numbers */
    size_t count;                        /* drive_count + slot_count */
    uint32_t drive_count;
    uint32_t slot_count; /* import/export slots among them */
    uint32_t port_count; /* import/export slots */
};

struct pd_changer;

/* PD_USAGE: no such URL; PD_UNSUPPORTED: mtx is not installed; PD_NOT_FOUND, PD_DENIED: PATH cannot
 * be run. Does not ask the changer. env outlives it. */
PD_MUST_USE enum pd_status pd_changer_open(const struct pd_env *env, const char *url,
                                           struct pd_changer **out, struct pd_error *err);
/* Whether pd_changer_open takes such a URL. */
bool pd_changer_is_url(const char *url);
void pd_changer_close(struct pd_changer *changer);
/* How long one command may take by the env's clock: 60 s and 600 s unless set; 0 leaves it. */
void pd_changer_timeouts(struct pd_changer *changer, uint64_t status_ns, uint64_t move_ns);

/* The caller releases *out; empty on errors. PD_BAD_FORMAT names the line that is not understood.
 * When the library refuses to tell of barcodes, for whatever reason, mtx asks again without them:
 * where none is told though some should be, ask again. */
PD_MUST_USE enum pd_status pd_changer_status(struct pd_changer *changer,
                                             struct pd_changer_inventory *out,
                                             struct pd_error *err);
void pd_changer_inventory_free(struct pd_changer_inventory *inventory);

/*
 * Moves. Slots may be import/export slots. Drives must have given the cartridge free (unload of
 * drive.h). A move that has begun is waited for also when the run is to stop; PD_INTERRUPTED means
 * that it did not begin. After PD_HUNG, and after PD_IO, only status tells what lies where: look
 * before trying again.
 */
PD_MUST_USE enum pd_status pd_changer_load(struct pd_changer *changer, uint32_t slot,
                                           uint32_t drive, struct pd_error *err);
PD_MUST_USE enum pd_status pd_changer_unload(struct pd_changer *changer, uint32_t slot,
                                             uint32_t drive, struct pd_error *err);
PD_MUST_USE enum pd_status pd_changer_transfer(struct pd_changer *changer, uint32_t from,
                                               uint32_t to, struct pd_error *err);

/* Whether a barcode is that label: the same text, or with the two characters of the medium type
 * behind it, a capital letter and a capital letter or digit ("PD100001L6" is PD100001). */
bool pd_changer_barcode_is(const char *barcode, const char *label);
/* The element whose cartridge bears the label; the same text goes before one with a medium type,
 * drives go before slots, and low numbers before high ones. NULL: none. */
const struct pd_changer_element *pd_changer_find(const struct pd_changer_inventory *inventory,
                                                 const char *label);
/* By number; NULL: there is none. */
const struct pd_changer_element *pd_changer_drive(const struct pd_changer_inventory *inventory,
                                                  uint32_t number);
const struct pd_changer_element *pd_changer_slot(const struct pd_changer_inventory *inventory,
                                                 uint32_t number);

/* What status says, to an inventory. Any bytes. */
PD_MUST_USE enum pd_status pd_changer_parse(const char *text, size_t len,
                                            struct pd_changer_inventory *out, struct pd_error *err);
/*
 * What a failed mtx said on its errors, any bytes: fills err, whose message begins with what (such
 * as "mtx load 3 0") and has the line that tells why, with the SCSI sense where mtx gave it.
 *   PD_NOT_FOUND    the source is empty; no such element; no such device
 *   PD_EXISTS       the destination is full
 *   PD_NOT_READY    device busy, not ready, or the drive still holds the cartridge (retryable)
 *   PD_AGAIN        unit attention: something changed, ask again (retryable)
 *   PD_DENIED       no permission for the device
 *   PD_WRONG_VOLUME a cleaning cartridge, or a medium that the drive does not take
 *   PD_UNSUPPORTED  not a changer, or it does not know the command
 *   PD_IO           anything else (retryable)
 */
enum pd_status pd_changer_refusal(const char *what, const char *text, size_t len,
                                  struct pd_error *err);

#endif
