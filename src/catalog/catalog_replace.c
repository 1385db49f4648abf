#include <string.h>

#include "catalog_priv.h"

/* A copy by archive and volume, or by id: those of the row that are not 0. *found false: none. */
static enum pd_status find(struct pd_catalog *catalog, struct pd_copy_row *row, bool *found,
                           struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    enum pd_status status =
        row->id != 0
            ? pd_cat_query(catalog, &stmt, err,
                           "SELECT c.id, c.archive_id, c.volume_id, c.copy, c.state, v.label"
                           " FROM copy c JOIN volume v ON v.id = c.volume_id WHERE c.id = ?",
                           "i", row->id)
            : pd_cat_query(catalog, &stmt, err,
                           "SELECT c.id, c.archive_id, c.volume_id, c.copy, c.state, v.label"
                           " FROM copy c JOIN volume v ON v.id = c.volume_id"
                           " WHERE c.archive_id = ? AND c.volume_id = ?",
                           "ii", row->archive_id, row->volume_id);

    *found = false;
    if (status == PD_OK) {
        status = pd_sql_step(stmt, found, err);
    }
    if (status == PD_OK && *found) {
        row->id = pd_sql_int(stmt, 0);
        row->archive_id = pd_sql_int(stmt, 1);
        row->volume_id = pd_sql_int(stmt, 2);
        row->copy = (unsigned)pd_sql_int(stmt, 3);
        row->state = (enum pd_copy_state)pd_cat_enum(stmt, 4, pd_cat_copy_states, PD_COPY_BAD + 1);
        pd_cat_text(stmt, 5, row->label, sizeof row->label);
    }
    pd_sql_reset(stmt);
    return status;
}

/* One that is being written, by its row; what a try before has made is found again. */
static enum pd_status begin(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct pd_copy_row *row = arg,
                       there = {.archive_id = row->archive_id, .volume_id = row->volume_id};
    int64_t now = pd_clock_utc(catalog->env->clock);
    bool found = false;
    enum pd_status status = find(catalog, &there, &found, err);

    if (status == PD_OK && found && there.state != PD_COPY_WRITING) {
        return pd_error_set(err, PD_EXISTS, 0, "volume %s has a copy of this archive already",
                            there.label);
    }
    if (status == PD_OK && found) {
        status = pd_cat_run(catalog, err,
                            "UPDATE copy SET copy = ?, tape_file = ?, changed = ? WHERE id = ?",
                            "iiii", (int64_t)row->copy, (int64_t)row->tape_file, now, there.id);
    } else if (status == PD_OK) {
        status = pd_cat_run(catalog, err,
                            "INSERT INTO copy (archive_id, volume_id, copy, tape_file, state,"
                            " reason, message, changed) VALUES (?,?,?,?,'writing','ok','',?)",
                            "iiiii", row->archive_id, row->volume_id, (int64_t)row->copy,
                            (int64_t)row->tape_file, now);
        there.id = pd_sql_last_id(catalog->sql);
    }
    if (status == PD_OK) {
        row->id = there.id;
        row->state = PD_COPY_WRITING;
    }
    return status;
}

enum pd_status pd_catalog_copy_begin(struct pd_catalog *catalog, struct pd_copy_row *row,
                                     struct pd_error *err)
{
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, begin, row, err);
}

struct writing {
    const struct pd_copy_row *row;
    uint64_t bytes;
};

static enum pd_status written(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct writing *w = arg;
    struct pd_copy_row there = {.id = w->row->id};
    int64_t now = pd_clock_utc(catalog->env->clock), next = (int64_t)w->row->tape_file + 1;
    bool found = false;
    enum pd_status status = /* waits for a commit that the server is still at */
        pd_cat_run(catalog, err, "UPDATE copy SET changed = changed WHERE id = ?", "i", w->row->id);

    if (status == PD_OK) {
        status = find(catalog, &there, &found, err);
    }
    if (status == PD_OK && found && catalog->unsure && there.state == PD_COPY_WRITTEN) {
        return PD_OK;
    }
    if (status == PD_OK && (!found || there.state != PD_COPY_WRITING)) {
        status = pd_error_set(err, PD_CATALOG, 0, "a copy of the archive is not being written");
    }
    if (status == PD_OK) {
        status = pd_cat_run(catalog, err,
                            "UPDATE copy SET state = 'written', reason = 'ok', message = '',"
                            " tape_file = ?, changed = ? WHERE id = ?",
                            "iii", (int64_t)w->row->tape_file, now, w->row->id);
    }
    if (status == PD_OK) {
        status = pd_cat_run(catalog, err,
                            "UPDATE volume SET used = used + ?, last_written = ?,"
                            " tape_files = CASE WHEN tape_files > ? THEN tape_files ELSE ? END"
                            " WHERE id = ?",
                            "iiiii", (int64_t)w->bytes, now, next, next, there.volume_id);
    }
    return status;
}

enum pd_status pd_catalog_copy_written(struct pd_catalog *catalog, const struct pd_copy_row *row,
                                       uint64_t bytes, struct pd_error *err)
{
    struct writing writing = {row, bytes};

    return pd_cat_transaction(catalog, PD_CAT_LOOK, written, &writing, err);
}

static enum pd_status forget(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    return pd_cat_run(catalog, err, "DELETE FROM copy WHERE id = ? AND state = 'writing'", "i",
                      *(const int64_t *)arg);
}

enum pd_status pd_catalog_copy_forget(struct pd_catalog *catalog, int64_t copy_id,
                                      struct pd_error *err)
{
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, forget, &copy_id, err);
}

struct replacing {
    int64_t copy_id, volume_id;
};

static enum pd_status replace(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct replacing *r = arg;
    struct pd_copy_row with = {.id = r->copy_id};
    bool found = false;
    char message[64];
    enum pd_status status = find(catalog, &with, &found, err);

    if (status == PD_OK && (!found || with.state != PD_COPY_VERIFIED)) {
        status = pd_error_set(err, PD_CATALOG, 0, "only a verified copy can replace another");
    }
    if (status != PD_OK) {
        return status;
    }
    snprintf(message, sizeof message, "replaced by the copy on %s", with.label);
    return pd_cat_run(catalog, err,
                      "UPDATE copy SET state = 'bad', reason = ?, message = ?, changed = ?"
                      " WHERE archive_id = ? AND copy = ? AND id <> ? AND state <> 'writing'"
                      " AND reason NOT IN (?, ?) AND (volume_id = ? OR (state = 'bad'"
                      " AND volume_id IN (SELECT id FROM volume WHERE replaces = ?)))",
                      "ssiiiissii", pd_status_name(PD_REPLACED), message,
                      pd_clock_utc(catalog->env->clock), with.archive_id, (int64_t)with.copy,
                      with.id, pd_status_name(PD_REPLACED), pd_status_name(PD_GIVEN_UP),
                      r->volume_id, r->volume_id);
}

enum pd_status pd_catalog_copy_replaces(struct pd_catalog *catalog, int64_t copy_id,
                                        int64_t volume_id, struct pd_error *err)
{
    struct replacing replacing = {copy_id, volume_id};

    return pd_cat_transaction(catalog, PD_CAT_REPEAT, replace, &replacing, err);
}

static enum pd_status doubt(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    return pd_cat_run(catalog, err,
                      "UPDATE copy SET state = 'written', reason = ?, message = ?, changed = ?"
                      " WHERE archive_id = ? AND state = 'verified'",
                      "ssii", pd_status_name(PD_BAD_RECORD),
                      "a record was good on no copy at hand; verify tells on which",
                      pd_clock_utc(catalog->env->clock), *(const int64_t *)arg);
}

enum pd_status pd_catalog_copies_doubt(struct pd_catalog *catalog, int64_t archive_id,
                                       struct pd_error *err)
{
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, doubt, &archive_id, err);
}
