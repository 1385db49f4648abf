#include <string.h>

#include "catalog_priv.h"

struct write {
    const struct pd_verification_row *row;
    const struct pd_damage *damage;
    size_t damage_count;
};

static enum pd_status add_damage(struct pd_catalog *catalog, int64_t verification_id,
                                 const struct pd_damage *damage, struct pd_error *err)
{
    static const char insert[] =
        "INSERT INTO damage (verification_id, status, record, path) VALUES (?,?,?,?)";
    const char *name = pd_status_name(damage->status);
    const char *path = damage->path ? damage->path : "";

    if (damage->has_record && damage->path) {
        return pd_cat_run(catalog, err, insert, "isib", verification_id, name,
                          (int64_t)damage->record, path, strlen(path));
    }
    if (damage->has_record) {
        return pd_cat_run(catalog, err, insert, "isin", verification_id, name,
                          (int64_t)damage->record);
    }
    return pd_cat_run(catalog, err, insert, "isnb", verification_id, name, path, strlen(path));
}

static enum pd_status move_copy(struct pd_catalog *catalog, const struct pd_verification_row *r,
                                struct pd_error *err)
{
    bool good = r->status == PD_OK && strcmp(r->mode, "full") == 0;
    bool given_up = false;
    enum pd_status status = pd_cat_given_up(catalog, r->copy_id, &given_up, err);

    if (status != PD_OK || given_up) {
        return status;
    }
    if (good) {
        status = pd_cat_run(catalog, err,
                            "UPDATE copy SET state = 'verified', reason = 'ok', message = '',"
                            " changed = ? WHERE id = ? AND state <> 'writing'",
                            "ii", r->finished, r->copy_id);
        if (status == PD_OK && pd_sql_changes(catalog->sql) != 1) {
            return pd_error_set(err, PD_CATALOG, 0,
                                "a copy that was never recorded as written cannot be verified");
        }
    } else if (pd_status_blames_copy(r->status)) {
        status = pd_cat_run(catalog, err,
                            "UPDATE copy SET state = 'bad', reason = ?, message = ?, changed = ?"
                            " WHERE id = ? AND state <> 'writing'",
                            "ssii", pd_status_name(r->status), r->message, r->finished,
                            r->copy_id);
    }
    if (r->status == PD_HUNG) { /* not bad, but not to be relied on before it was read */
        status = pd_cat_run(catalog, err,
                            "UPDATE copy SET state = 'written', reason = ?, message = ?,"
                            " changed = ? WHERE id = ? AND state = 'verified'",
                            "ssii", pd_status_name(r->status), r->message, r->finished,
                            r->copy_id);
    }
    /* it may be one of which the drive had not said that it holds it */
    if (status == PD_OK && good) {
        status = pd_cat_run(catalog, err,
                            "UPDATE volume SET tape_files = CASE WHEN tape_files"
                            " > (SELECT tape_file FROM copy WHERE id = ?) THEN tape_files ELSE"
                            " (SELECT tape_file FROM copy WHERE id = ?) + 1 END"
                            " WHERE id = (SELECT volume_id FROM copy WHERE id = ?)",
                            "iii", r->copy_id, r->copy_id, r->copy_id);
    }
    return status;
}

/* A copy is not verified twice in the same nanoseconds: then a try before was committed. */
static enum pd_status is_added(struct pd_catalog *catalog, const struct pd_verification_row *r,
                               bool *out, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t id = 0;
    enum pd_status status = /* waits for a commit that the server is still at */
        pd_cat_run(catalog, err, "UPDATE copy SET changed = changed WHERE id = ?", "i", r->copy_id);

    if (status == PD_OK) {
        status = pd_cat_query(catalog, &stmt, err,
                              "SELECT id FROM verification WHERE copy_id = ? AND started = ?"
                              " AND finished = ? AND mode = ?",
                              "iiis", r->copy_id, r->started, r->finished, r->mode);
    }
    if (status == PD_OK) {
        status = pd_cat_number(stmt, &id, err);
    }
    *out = id != 0;
    return status;
}

/* Was the copy read back again meanwhile, and is that known? */
static enum pd_status is_outdated(struct pd_catalog *catalog, const struct pd_verification_row *r,
                                  bool *out, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t count = 0;
    enum pd_status status = PD_OK;

    if (r->late) {
        status = pd_cat_query(catalog, &stmt, err,
                              "SELECT COUNT(*) FROM verification WHERE copy_id = ? AND started > ?",
                              "ii", r->copy_id, r->finished);
        status = status == PD_OK ? pd_cat_number(stmt, &count, err) : status;
    }
    *out = count > 0;
    return status;
}

static enum pd_status add(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct write *w = arg;
    const struct pd_verification_row *r = w->row;
    bool done = false, outdated = false;
    enum pd_status status = catalog->unsure ? is_added(catalog, r, &done, err) : PD_OK;

    if (status != PD_OK || done) {
        return status;
    }
    status = is_outdated(catalog, r, &outdated, err);
    if (status != PD_OK) {
        return status;
    }
    status = pd_cat_run(
        catalog, err,
        "INSERT INTO verification (copy_id, started, finished, mode, status, records, bad_records,"
        " files, bad_files, message) VALUES (?,?,?,?,?,?,?,?,?,?)",
        "iiissiiiis", r->copy_id, r->started, r->finished, r->mode, pd_status_name(r->status),
        (int64_t)r->records, (int64_t)r->bad_records, (int64_t)r->files, (int64_t)r->bad_files,
        r->message);

    int64_t id = status == PD_OK ? pd_sql_last_id(catalog->sql) : 0;
    for (size_t i = 0; i < w->damage_count && status == PD_OK; i++) {
        status = add_damage(catalog, id, &w->damage[i], err);
    }
    return status == PD_OK && !outdated ? move_copy(catalog, r, err) : status;
}

enum pd_status pd_catalog_verification_add(struct pd_catalog *catalog,
                                           const struct pd_verification_row *row,
                                           const struct pd_damage *damage, size_t damage_count,
                                           struct pd_error *err)
{
    struct write write = {row, damage, damage_count};

    return pd_cat_transaction(catalog, PD_CAT_LOOK, add, &write, err);
}

static void read_row(struct pd_sql_stmt *stmt, struct pd_verification_row *r)
{
    memset(r, 0, sizeof *r);
    r->id = pd_sql_int(stmt, 0);
    r->copy_id = pd_sql_int(stmt, 1);
    r->started = pd_sql_int(stmt, 2);
    r->finished = pd_sql_int(stmt, 3);
    pd_cat_text(stmt, 4, r->mode, sizeof r->mode);
    r->status = pd_cat_status(stmt, 5);
    r->records = (uint64_t)pd_sql_int(stmt, 6);
    r->bad_records = (uint64_t)pd_sql_int(stmt, 7);
    r->files = (uint64_t)pd_sql_int(stmt, 8);
    r->bad_files = (uint64_t)pd_sql_int(stmt, 9);
    pd_cat_text(stmt, 10, r->message, sizeof r->message);
    pd_cat_text(stmt, 11, r->label, sizeof r->label);
    pd_cat_text(stmt, 12, r->archive, sizeof r->archive);
}

/* Indexes serve the one who asks for a copy or a volume. */
#define ROWS                                                                                       \
    "SELECT w.id, w.copy_id, w.started, w.finished, w.mode, w.status, w.records, w.bad_records,"   \
    " w.files, w.bad_files, w.message, v.label, a.name FROM verification w"                        \
    " JOIN copy c ON c.id = w.copy_id JOIN volume v ON v.id = c.volume_id"                         \
    " JOIN archive a ON a.id = c.archive_id"

enum pd_status pd_catalog_verifications(struct pd_catalog *catalog, int64_t copy_id,
                                        int64_t volume_id, pd_verification_fn fn, void *arg,
                                        struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_verification_row row;
    bool more = true;
    enum pd_status status;

    if (copy_id != 0) {
        status = pd_cat_query(catalog, &stmt, err, ROWS " WHERE w.copy_id = ? ORDER BY w.id", "i",
                              copy_id);
    } else if (volume_id != 0) {
        status = pd_cat_query(catalog, &stmt, err, ROWS " WHERE c.volume_id = ? ORDER BY w.id", "i",
                              volume_id);
    } else {
        status = pd_cat_query(catalog, &stmt, err, ROWS " ORDER BY w.id", "");
    }
    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        read_row(stmt, &row);
        status = fn(arg, &row, err);
    }
    pd_sql_reset(stmt);
    return status;
}

enum pd_status pd_catalog_damage(struct pd_catalog *catalog, int64_t verification_id,
                                 pd_damage_fn fn, void *arg, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_buf path = PD_BUF_INIT;
    bool more = true;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT record, path, status FROM damage WHERE verification_id = ? ORDER BY id", "i",
        verification_id);

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        struct pd_damage damage = {.has_record = !pd_sql_is_null(stmt, 0),
                                   .record = (uint64_t)pd_sql_int(stmt, 0),
                                   .status = pd_cat_status(stmt, 2)};
        size_t len = 0;
        if (!pd_sql_is_null(stmt, 1)) {
            const void *bytes = pd_sql_bytes(stmt, 1, &len);
            pd_buf_clear(&path);
            if (pd_buf_append(&path, bytes, len) != PD_OK) {
                status = pd_error_memory(err, "path");
                break;
            }
            damage.path = path.data;
        }
        status = fn(arg, &damage, err);
    }
    pd_sql_reset(stmt);
    pd_buf_free(&path);
    return status;
}

enum pd_status pd_catalog_copy_ages(struct pd_catalog *catalog, int64_t volume_id,
                                    pd_copy_age_fn fn, void *arg, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool more = true;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT c.id, c.state, c.changed, a.records, a.record_size,"
        " (SELECT MAX(w.finished - w.started) FROM verification w WHERE w.copy_id = c.id"
        " AND w.finished = c.changed AND w.status = 'ok' AND w.mode = 'full')"
        " FROM copy c JOIN archive a ON a.id = c.archive_id WHERE c.volume_id = ?"
        " AND c.state <> 'writing' AND c.reason <> ? AND c.reason <> ? ORDER BY c.tape_file,"
        " c.id",
        "iss", volume_id, pd_status_name(PD_GIVEN_UP), pd_status_name(PD_REPLACED));

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        int64_t took = pd_sql_int(stmt, 5);
        struct pd_copy_age age = {
            .id = pd_sql_int(stmt, 0),
            .state = (enum pd_copy_state)pd_cat_enum(stmt, 1, pd_cat_copy_states, PD_COPY_BAD + 1),
            .changed = pd_sql_int(stmt, 2),
            .bytes = (uint64_t)pd_sql_int(stmt, 3) * (uint64_t)pd_sql_int(stmt, 4),
            .read_ns = took > 0 ? (uint64_t)took : 0};
        status = fn(arg, &age, err);
    }
    pd_sql_reset(stmt);
    return status;
}
