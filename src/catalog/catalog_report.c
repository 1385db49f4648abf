#include <string.h>

#include "catalog_priv.h"

/* A drive does not report twice in the same nanosecond: then a try before was committed. */
static enum pd_status is_added(struct pd_catalog *catalog, const struct pd_drive_report *r,
                               bool *out, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t id = 0;
    enum pd_status status = /* waits for a commit that the server is still at */
        pd_cat_run(catalog, err, "UPDATE volume SET pool = pool WHERE id = ?", "i", r->volume_id);

    if (status == PD_OK) {
        status = pd_cat_query(catalog, &stmt, err,
                              "SELECT id FROM drive_report WHERE volume_id = ? AND drive = ?"
                              " AND taken = ?",
                              "isi", r->volume_id, r->drive, r->taken);
    }
    if (status == PD_OK) {
        status = pd_cat_number(stmt, &id, err);
    }
    *out = id != 0;
    return status;
}

static enum pd_status add(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct pd_drive_report *r = arg;
    bool done = false;
    enum pd_status status = catalog->unsure ? is_added(catalog, r, &done, err) : PD_OK;

    if (status != PD_OK || done) {
        return status;
    }
    return pd_cat_run(catalog, err,
                      "INSERT INTO drive_report (volume_id, drive, taken, source, alerts,"
                      " write_corrected, write_uncorrected, read_corrected, read_uncorrected)"
                      " VALUES (?,?,?,?,?,?,?,?,?)",
                      "isissiiii", r->volume_id, r->drive, r->taken, r->source, r->alerts,
                      (int64_t)r->write_corrected, (int64_t)r->write_uncorrected,
                      (int64_t)r->read_corrected, (int64_t)r->read_uncorrected);
}

enum pd_status pd_catalog_drive_report_add(struct pd_catalog *catalog,
                                           const struct pd_drive_report *report,
                                           struct pd_error *err)
{
    struct pd_drive_report copy = *report;

    return pd_cat_transaction(catalog, PD_CAT_LOOK, add, &copy, err);
}

static void read_row(struct pd_sql_stmt *stmt, struct pd_drive_report *r)
{
    memset(r, 0, sizeof *r);
    r->id = pd_sql_int(stmt, 0);
    r->volume_id = pd_sql_int(stmt, 1);
    pd_cat_text(stmt, 2, r->drive, sizeof r->drive);
    r->taken = pd_sql_int(stmt, 3);
    pd_cat_text(stmt, 4, r->source, sizeof r->source);
    pd_cat_text(stmt, 5, r->alerts, sizeof r->alerts);
    r->write_corrected = (uint64_t)pd_sql_int(stmt, 6);
    r->write_uncorrected = (uint64_t)pd_sql_int(stmt, 7);
    r->read_corrected = (uint64_t)pd_sql_int(stmt, 8);
    r->read_uncorrected = (uint64_t)pd_sql_int(stmt, 9);
    pd_cat_text(stmt, 10, r->label, sizeof r->label);
}

enum pd_status pd_catalog_drive_reports(struct pd_catalog *catalog, int64_t volume_id,
                                        pd_drive_report_fn fn, void *arg, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_drive_report row;
    bool more = true;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT r.id, r.volume_id, r.drive, r.taken, r.source, r.alerts, r.write_corrected,"
        " r.write_uncorrected, r.read_corrected, r.read_uncorrected, v.label"
        " FROM drive_report r JOIN volume v ON v.id = r.volume_id"
        " WHERE r.volume_id = ? OR ? = 0 ORDER BY r.id",
        "ii", volume_id, volume_id);

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        read_row(stmt, &row);
        status = fn(arg, &row, err);
    }
    pd_sql_reset(stmt);
    return status;
}
