/*
 * drive_log: what a tape drive counts and complains of, by sg_logs(8) of sg3-utils.
 *
 * Three log pages are asked for: TapeAlert (2Eh), errors while writing (02h) and while reading
 * (03h). Asking for TapeAlert makes a drive forget the flags that it told. sg_logs is run without a
 * shell and within 20 s for each page, on the SCSI generic node of the drive (found through sysfs,
 * so that the tape node may be open); its answer is binary (--raw), and a page that is not as SPC
 * and SSC have it is refused whole.
 *
 * A unit attention that the drive has for this host goes to whoever asks next, and so may be lost
 * to st: ask only when the medium will be mounted anew before more is written to it.
 *
 * A mock drive has no log; with DIR/sg in its folder (mock:DIR) that is the node, for tests.
 */
#ifndef PAIRDUMP_DRIVE_LOG_H
#define PAIRDUMP_DRIVE_LOG_H

#include <stdint.h>

#include "pairdump/env.h"

enum { PD_LOG_PAGE_WRITE = 0x02, PD_LOG_PAGE_READ = 0x03, PD_LOG_PAGE_ALERT = 0x2e };

#define PD_DRIVE_LOG_UNKNOWN UINT64_MAX

struct pd_drive_log {
    char drive[256];                             /* maker, model and serial number; else the node */
    int64_t taken;                               /* UTC ns */
    uint64_t alerts;                             /* flag n is bit n - 1 */
    uint64_t write_corrected, write_uncorrected; /* PD_DRIVE_LOG_UNKNOWN: it does not tell */
    uint64_t read_corrected, read_uncorrected;
};

/* url: of a target. What the drive does not tell stays unknown. PD_UNSUPPORTED: no tape drive, or
 * one without a generic node (module sg), or that tells nothing at all; PD_NOT_FOUND: sg_logs is
 * not installed; PD_HUNG, PD_INTERRUPTED, PD_IO, PD_BAD_FORMAT as they come. */
PD_MUST_USE enum pd_status pd_drive_log_take(const struct pd_env *env, const char *url,
                                             struct pd_drive_log *out, struct pd_error *err);

/* One page of the three into *log; any bytes. PD_BAD_FORMAT leaves it alone. */
PD_MUST_USE enum pd_status pd_drive_log_page(unsigned page, const void *bytes, size_t len,
                                             struct pd_drive_log *log, struct pd_error *err);

/* The flags that are set, "4 media, 20 cleaning-required", cut to size; critical: only those that
 * put data or drive at risk. Returns how many there are. */
unsigned pd_drive_log_alerts(uint64_t alerts, bool critical, char *out, size_t size);

#endif
