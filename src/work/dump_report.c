#include <stdlib.h>

#include "dump_priv.h"
#include "pairdump/drive_log.h"
#include "pairdump/registry.h"

static enum pd_status record(struct pd_dump_lane *l, const struct pd_volume_row *volume,
                             const struct pd_drive_log *log, struct pd_error *err)
{
    struct pd_drive_report *report = calloc(1, sizeof *report);
    enum pd_status status = report ? PD_OK : pd_error_memory(err, "a drive's report");

    if (status == PD_OK) {
        snprintf(report->drive, sizeof report->drive, "%s", log->drive);
        snprintf(report->source, sizeof report->source, "sg_logs");
        (void)pd_drive_log_alerts(log->alerts, false, report->alerts, sizeof report->alerts);
        report->taken = log->taken;
        report->write_corrected = log->write_corrected;
        report->write_uncorrected = log->write_uncorrected;
        report->read_corrected = log->read_corrected;
        report->read_uncorrected = log->read_uncorrected;
        status = pd_book_report(&l->d->book, volume->uuid, report, err);
    }
    free(report);
    return status;
}

/* What cannot be told is no fault of the dump. */
static void tell_why_not(struct pd_dump_lane *l, const struct pd_error *why)
{
    if (why->status == PD_NOT_FOUND && l->no_drive_logs) {
        return;
    }
    l->no_drive_logs = l->no_drive_logs || why->status == PD_NOT_FOUND;
    pd_log_error(l->d->env->log, why->status == PD_UNSUPPORTED ? PD_LOG_DEBUG : PD_LOG_INFO, why);
}

void pd_dump_report_drive(struct pd_dump_lane *l, size_t copy)
{
    const struct pd_volume_row *volume = &pd_pool_copy(l->pool, copy)->volume;
    struct pd_error why = PD_ERROR_INIT;
    struct pd_drive_log log;
    char alerts[256];

    if (volume->id == 0 || !pd_target_url_exclusive(pd_pool_location(l->pool, copy))) {
        return;
    }
    if (pd_drive_log_take(l->d->env, pd_pool_location(l->pool, copy), &log, &why) != PD_OK) {
        tell_why_not(l, &why);
        return;
    }
    if (pd_drive_log_alerts(log.alerts, true, alerts, sizeof alerts) > 0) {
        pd_log_line(l->d->env->log, PD_LOG_WARN, "%s: the drive (%s) raises the alert %s; see to it",
                    volume->label, log.drive, alerts);
    }
    if (record(l, volume, &log, &why) != PD_OK) {
        pd_log_error(l->d->env->log, PD_LOG_WARN, &why);
    }
}

void pd_dump_report_drives(struct pd_dump_lane *l)
{
    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        if (pd_pool_copy(l->pool, i)->status == PD_OK) { /* its target may be closed by now */
            pd_dump_report_drive(l, i);
        }
    }
}
