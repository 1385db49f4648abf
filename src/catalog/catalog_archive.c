#include <stdlib.h>
#include <string.h>

#include "catalog_priv.h"

static enum pd_status is_written(struct pd_catalog *catalog, int64_t archive_id, bool *out,
                                 struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t id = 0;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT id FROM copy WHERE archive_id = ? AND state <> 'writing'", "i",
                     archive_id);

    if (status == PD_OK) {
        status = pd_cat_number(stmt, &id, err);
    }
    *out = id != 0;
    return status;
}

/* What is written is never forgotten. */
static enum pd_status abandon(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    static const char *const statements[] = {
        "DELETE FROM file WHERE archive_id = ?",
        "DELETE FROM copy WHERE archive_id = ?",
        "DELETE FROM archive WHERE id = ?",
    };
    int64_t id = *(const int64_t *)arg;
    bool written = false;
    enum pd_status status = is_written(catalog, id, &written, err);

    if (status == PD_OK && written) {
        status = pd_error_set(err, PD_INTERNAL, 0, "an archive with written copies is no draft");
    }
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && status == PD_OK; i++) {
        status = pd_cat_run(catalog, err, statements[i], "i", id);
    }
    return status;
}

static enum pd_status insert_archive(struct pd_catalog *catalog, const struct pd_archive_row *a,
                                     struct pd_error *err)
{
    return pd_cat_run(catalog, err,
                      "INSERT INTO archive (dump_id, seq, name, record_size, records, files,"
                      " payload_bytes, payload_files, manifest_offset, digest_algorithm)"
                      " VALUES (?,?,?,?,0,0,0,0,0,?)",
                      "iisis", a->dump_id, (int64_t)a->seq, a->name, (int64_t)a->record_size,
                      pd_digest_alg_info(a->alg)->name);
}

/* What a try before has made of it, which nobody knows of yet. */
static enum pd_status drop_draft(struct pd_catalog *catalog, const struct pd_archive_row *a,
                                 struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t id = 0;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err, "SELECT id FROM archive WHERE dump_id = ? AND seq = ?",
                     "ii", a->dump_id, (int64_t)a->seq);

    if (status == PD_OK) {
        status = pd_cat_number(stmt, &id, err);
    }
    return status == PD_OK ? abandon(catalog, &id, err) : status;
}

struct writing {
    struct pd_archive_row *archive;
    struct pd_copy_row *copies;
    size_t count;
};

static enum pd_status begin_archive(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct writing *w = arg;
    struct pd_archive_row *a = w->archive;
    int64_t now = pd_clock_utc(catalog->env->clock);
    enum pd_status status = insert_archive(catalog, a, err);

    if (status == PD_EXISTS && catalog->unsure) {
        pd_error_clear(err);
        status = drop_draft(catalog, a, err);
        status = status == PD_OK ? insert_archive(catalog, a, err) : status;
    }
    if (status != PD_OK) {
        return status;
    }
    a->id = pd_sql_last_id(catalog->sql);
    for (size_t i = 0; i < w->count && status == PD_OK; i++) {
        struct pd_copy_row *c = &w->copies[i];
        status = pd_cat_run(catalog, err,
                            "INSERT INTO copy (archive_id, volume_id, copy, tape_file, state,"
                            " reason, message, changed) VALUES (?,?,?,?,'writing','ok','',?)",
                            "iiiii", a->id, c->volume_id, (int64_t)c->copy, (int64_t)c->tape_file,
                            now);
        if (status == PD_OK) {
            c->id = pd_sql_last_id(catalog->sql);
            c->archive_id = a->id;
            c->state = PD_COPY_WRITING;
        }
    }
    return status;
}

enum pd_status pd_catalog_archive_begin(struct pd_catalog *catalog,
                                        struct pd_archive_row *archive,
                                        struct pd_copy_row *copies, size_t count,
                                        struct pd_error *err)
{
    struct writing writing = {archive, copies, count};

    return pd_cat_transaction(catalog, PD_CAT_LOOK, begin_archive, &writing, err);
}

struct written {
    int64_t archive_id;
    const struct pd_toc *toc;
    const struct pd_copy_row *copies;
    size_t count;
};

static enum pd_status set_copy(struct pd_catalog *catalog, const struct written *w,
                               const struct pd_copy_row *c, int64_t now, struct pd_error *err)
{
    uint64_t bytes = w->toc->record_count * w->toc->record_size;
    bool given_up = false;
    enum pd_status status;

    if (c->state != PD_COPY_WRITTEN && c->state != PD_COPY_BAD) {
        return pd_error_set(err, PD_INTERNAL, 0, "a copy cannot become %s by being written",
                            pd_copy_state_name(c->state));
    }
    status = pd_cat_given_up(catalog, c->id, &given_up, err);
    if (status != PD_OK) {
        return status;
    }
    status = pd_cat_run(catalog, err,
                        "UPDATE copy SET state = ?, reason = ?, message = ?, tape_file = ?,"
                        " changed = ? WHERE id = ? AND archive_id = ? AND state = 'writing'",
                        "sssiiii", pd_copy_state_name(given_up ? PD_COPY_BAD : c->state),
                        pd_status_name(given_up ? PD_GIVEN_UP : c->reason), c->message,
                        (int64_t)c->tape_file, now, c->id, w->archive_id);
    if (status == PD_OK && pd_sql_changes(catalog->sql) != 1) {
        status = pd_error_set(err, PD_CATALOG, 0, "a copy of the archive is not being written");
    }
    if (status == PD_OK && c->state == PD_COPY_WRITTEN) {
        status = pd_cat_run(catalog, err,
                            "UPDATE volume SET used = used + ?, last_written = ?,"
                            " tape_files = CASE WHEN tape_files > ? THEN tape_files ELSE ? END"
                            " WHERE id = ?",
                            "iiiii", (int64_t)bytes, now, (int64_t)c->tape_file + 1,
                            (int64_t)c->tape_file + 1, c->volume_id);
    }
    return status;
}

static enum pd_status end_archive(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct written *w = arg;
    const struct pd_toc *toc = w->toc;
    int64_t now = pd_clock_utc(catalog->env->clock);
    bool done = false;
    enum pd_status status = pd_cat_run(
        catalog, err,
        "UPDATE archive SET name = ?, record_size = ?, records = ?, files = ?, payload_bytes = ?,"
        " payload_files = ?, manifest_offset = ?, record_digests = ?, digest_algorithm = ?"
        " WHERE id = ?",
        "siiiiiibsi", toc->name, (int64_t)toc->record_size, (int64_t)toc->record_count,
        (int64_t)toc->file_count, (int64_t)toc->payload_bytes, (int64_t)toc->payload_files,
        (int64_t)toc->manifest_offset, toc->records, toc->record_count * sizeof *toc->records,
        pd_digest_alg_info(toc->alg)->name, w->archive_id);

    if (status == PD_OK && pd_sql_changes(catalog->sql) != 1) {
        status = pd_error_set(err, PD_CATALOG, 0, "the archive is not in the catalog");
    }
    if (status == PD_OK && catalog->unsure) {
        status = is_written(catalog, w->archive_id, &done, err);
    }
    if (status == PD_OK && !done) {
        status = pd_cat_files_add(catalog, w->archive_id, toc, err);
    }
    for (size_t i = 0; i < w->count && status == PD_OK && !done; i++) {
        status = set_copy(catalog, w, &w->copies[i], now, err);
    }
    return status;
}

enum pd_status pd_catalog_archive_written(struct pd_catalog *catalog, int64_t archive_id,
                                          const struct pd_toc *toc,
                                          const struct pd_copy_row *copies, size_t count,
                                          struct pd_error *err)
{
    struct written written = {archive_id, toc, copies, count};

    return pd_cat_transaction(catalog, PD_CAT_LOOK, end_archive, &written, err);
}

enum pd_status pd_catalog_archive_abandon(struct pd_catalog *catalog, int64_t archive_id,
                                          struct pd_error *err)
{
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, abandon, &archive_id, err);
}

#define ARCHIVE_COLUMNS                                                                            \
    "id, dump_id, seq, name, record_size, records, files, payload_bytes, payload_files,"           \
    " manifest_offset, digest_algorithm"

static enum pd_status read_archive(struct pd_sql_stmt *stmt, struct pd_archive_row *r,
                                   struct pd_error *err)
{
    memset(r, 0, sizeof *r);
    r->id = pd_sql_int(stmt, 0);
    r->dump_id = pd_sql_int(stmt, 1);
    r->seq = (uint64_t)pd_sql_int(stmt, 2);
    pd_cat_text(stmt, 3, r->name, sizeof r->name);
    r->record_size = (uint64_t)pd_sql_int(stmt, 4);
    r->records = (uint64_t)pd_sql_int(stmt, 5);
    r->files = (uint64_t)pd_sql_int(stmt, 6);
    r->payload_bytes = (uint64_t)pd_sql_int(stmt, 7);
    r->payload_files = (uint64_t)pd_sql_int(stmt, 8);
    r->manifest_offset = (uint64_t)pd_sql_int(stmt, 9);
    return pd_cat_alg(stmt, 10, &r->alg, err);
}

enum pd_status pd_catalog_archives(struct pd_catalog *catalog, int64_t dump_id, pd_archive_fn fn,
                                   void *arg, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_archive_row r;
    bool more = true;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT " ARCHIVE_COLUMNS " FROM archive WHERE dump_id = ? ORDER BY seq", "i", dump_id);

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        status = read_archive(stmt, &r, err);
        if (status == PD_OK) {
            status = fn(arg, &r, err);
        }
    }
    pd_sql_reset(stmt);
    return status;
}

enum pd_status pd_catalog_archive_find(struct pd_catalog *catalog, int64_t dump_id, uint64_t seq,
                                       struct pd_archive_row *out, bool *found,
                                       struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT " ARCHIVE_COLUMNS " FROM archive WHERE dump_id = ? AND seq = ?", "ii", dump_id,
        (int64_t)seq);

    *found = false;
    if (status == PD_OK) {
        status = pd_sql_step(stmt, found, err);
    }
    if (status == PD_OK && *found) {
        status = read_archive(stmt, out, err);
    }
    pd_sql_reset(stmt);
    return status;
}

#define COPY_SELECT                                                                                \
    "SELECT c.id, c.archive_id, c.volume_id, c.copy, c.tape_file, c.state, c.reason, c.message,"   \
    " c.changed, v.label, v.location, a.name FROM copy c"                                          \
    " JOIN volume v ON v.id = c.volume_id JOIN archive a ON a.id = c.archive_id"

static void read_copy(struct pd_sql_stmt *stmt, struct pd_copy_row *r)
{
    memset(r, 0, sizeof *r);
    r->id = pd_sql_int(stmt, 0);
    r->archive_id = pd_sql_int(stmt, 1);
    r->volume_id = pd_sql_int(stmt, 2);
    r->copy = (unsigned)pd_sql_int(stmt, 3);
    r->tape_file = (uint32_t)pd_sql_int(stmt, 4);
    r->state = (enum pd_copy_state)pd_cat_enum(stmt, 5, pd_cat_copy_states, PD_COPY_BAD + 1);
    r->reason = pd_cat_status(stmt, 6);
    pd_cat_text(stmt, 7, r->message, sizeof r->message);
    r->changed = pd_sql_int(stmt, 8);
    pd_cat_text(stmt, 9, r->label, sizeof r->label);
    pd_cat_text(stmt, 10, r->location, sizeof r->location);
    pd_cat_text(stmt, 11, r->archive, sizeof r->archive);
}

enum pd_status pd_catalog_copies(struct pd_catalog *catalog, int64_t archive_id,
                                 int64_t volume_id, pd_copy_fn fn, void *arg,
                                 struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_copy_row row;
    bool more = true;
    enum pd_status status;

    if (archive_id != 0) {
        status = pd_cat_query(catalog, &stmt, err,
                              COPY_SELECT " WHERE c.archive_id = ? ORDER BY c.copy, c.id", "i",
                              archive_id);
    } else if (volume_id != 0) {
        status = pd_cat_query(catalog, &stmt, err,
                              COPY_SELECT " WHERE c.volume_id = ? ORDER BY c.tape_file, c.id", "i",
                              volume_id);
    } else {
        status = pd_cat_query(catalog, &stmt, err,
                              COPY_SELECT " ORDER BY c.archive_id, c.copy, c.id", "");
    }
    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        read_copy(stmt, &row);
        status = fn(arg, &row, err);
    }
    pd_sql_reset(stmt);
    return status;
}

enum pd_status pd_catalog_missing_copies(struct pd_catalog *catalog, int64_t dump_id,
                                         uint64_t *count, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool more = true;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT COALESCE(SUM(lack), 0) FROM (SELECT d.copies -"
        " (SELECT COUNT(DISTINCT c.copy) FROM copy c WHERE c.archive_id = a.id AND c.reason NOT IN "
        "(?, ?)) AS lack,"
        " (SELECT COUNT(*) FROM copy c WHERE c.archive_id = a.id) AS had, d.copies AS wanted"
        " FROM archive a JOIN dump d ON d.id = a.dump_id WHERE ? = 0 OR d.id = ?) AS each_one"
        " WHERE lack > 0 AND (lack < wanted OR had = 0)",
        "ssii", pd_status_name(PD_GIVEN_UP), pd_status_name(PD_REPLACED), dump_id, dump_id);

    *count = 0;
    if (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more)
        *count = (uint64_t)pd_sql_int(stmt, 0);
    pd_sql_reset(stmt);
    return status;
}
