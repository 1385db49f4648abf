#include <string.h>

#include "catalog_priv.h"
#include "pairdump/process.h"
#include "pairdump/size.h"

#define COLUMNS                                                                                    \
    "label, uuid, pool, copy, pair, state, location, block_size, used, tape_files, created,"       \
    " last_written, host, reserved_by, retain_until, medium, replaces"
/* The column last_verified stays 0: copies tell when they were read back. */
#define COUNTS                                                                                     \
    "(SELECT COALESCE(MIN(CASE WHEN c.state = 'verified' THEN c.changed ELSE 0 END), 0)"           \
    " FROM copy c WHERE c.volume_id = v.id AND c.state IN ('written', 'verified')), "              \
    "(SELECT COUNT(*) FROM copy c WHERE c.volume_id = v.id),"                                      \
    " (SELECT COUNT(*) FROM copy c WHERE c.volume_id = v.id AND c.state = 'verified'),"            \
    " (SELECT COUNT(*) FROM copy c WHERE c.volume_id = v.id AND c.state = 'bad'"                   \
    " AND c.reason <> 'replaced'),"                                                                \
    " (SELECT COUNT(*) FROM drive_report r WHERE r.volume_id = v.id AND (r.alerts <> ''"           \
    " OR r.write_uncorrected > 0 OR r.read_uncorrected > 0)),"                                     \
    " (SELECT COUNT(*) FROM copy c WHERE c.volume_id = v.id AND c.state = 'written')"

bool pd_volume_is_elsewhere(const struct pd_volume_row *row)
{
    char host[PD_HOST_TEXT];

    pd_process_host(host);
    return row->host[0] != '\0' && strcmp(row->host, host) != 0;
}

static enum pd_status add(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct pd_volume_row *r = arg;
    enum pd_status status =
        pd_cat_run(catalog, err,
                   "INSERT INTO volume (" COLUMNS
                   ", last_verified) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0)",
                   "sssiissiiiiissisi", r->label, r->uuid, r->pool, (int64_t)r->copy,
                   (int64_t)r->pair, pd_volume_state_name(r->state), r->location,
                   (int64_t)r->block_size, (int64_t)r->used, (int64_t)r->tape_files, r->created,
                   r->last_written, r->host, r->reserved_by, r->retain_until, r->medium,
                   r->replaces);

    return pd_cat_added(catalog, status, "SELECT id FROM volume WHERE uuid = ?", r->uuid, &r->id,
                        err);
}

enum pd_status pd_catalog_volume_add(struct pd_catalog *catalog, struct pd_volume_row *row,
                                     struct pd_error *err)
{
    return pd_cat_transaction(catalog, PD_CAT_LOOK, add, row, err);
}

struct adding {
    struct pd_volume_row *const *rows;
    size_t count;
};

static enum pd_status add_all(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct adding *adding = arg;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < adding->count && status == PD_OK; i++) {
        status = add(catalog, adding->rows[i], err);
    }
    return status;
}

enum pd_status pd_catalog_volumes_add(struct pd_catalog *catalog, struct pd_volume_row *const *rows,
                                      size_t count, struct pd_error *err)
{
    struct adding adding = {rows, count};

    return pd_cat_transaction(catalog, PD_CAT_LOOK, add_all, &adding, err);
}

static enum pd_status update(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct pd_volume_row *r = arg;
    enum pd_status status = pd_cat_run(
        catalog, err,
        "UPDATE volume SET uuid = ?, pool = ?, copy = ?, pair = ?, state = ?, location = ?,"
        " block_size = ?, used = ?, tape_files = ?, last_written = ?,"
        " host = ?, reserved_by = ?, medium = ? WHERE id = ?",
        "ssiissiiiisssi", r->uuid, r->pool, (int64_t)r->copy, (int64_t)r->pair,
        pd_volume_state_name(r->state), r->location, (int64_t)r->block_size, (int64_t)r->used,
        (int64_t)r->tape_files, r->last_written, r->host, r->reserved_by, r->medium, r->id);

    return status == PD_OK ? pd_cat_expect_row(catalog, "volume", err) : status;
}

enum pd_status pd_catalog_volume_update(struct pd_catalog *catalog, const struct pd_volume_row *row,
                                        struct pd_error *err)
{
    struct pd_volume_row copy = *row;

    return pd_cat_transaction(catalog, PD_CAT_REPEAT, update, &copy, err);
}

static enum pd_status labelled(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    return pd_cat_run(catalog, err,
                      "UPDATE volume SET state = 'appendable', tape_files = 1, reserved_by = ''"
                      " WHERE uuid = ? AND state = 'reserved'",
                      "s", (const char *)arg);
}

enum pd_status pd_catalog_volume_labelled(struct pd_catalog *catalog, const char *uuid,
                                          struct pd_error *err)
{
    char copy[PD_UUID_TEXT];

    snprintf(copy, sizeof copy, "%s", uuid);
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, labelled, copy, err);
}

struct forgetting {
    const int64_t *ids;
    size_t count;
};

static enum pd_status forget_all(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct forgetting *f = arg;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < f->count && status == PD_OK; i++) {
        status = pd_cat_run(catalog, err,
                            "DELETE FROM volume WHERE id = ? AND state = 'reserved' AND NOT EXISTS"
                            " (SELECT 1 FROM copy c WHERE c.volume_id = ?)",
                            "ii", f->ids[i], f->ids[i]);
    }
    return status;
}

enum pd_status pd_catalog_volumes_forget(struct pd_catalog *catalog, const int64_t *ids,
                                         size_t count, struct pd_error *err)
{
    struct forgetting f = {ids, count};

    return count > 0 ? pd_cat_transaction(catalog, PD_CAT_REPEAT, forget_all, &f, err) : PD_OK;
}

struct doubt {
    int64_t volume_id;
    const struct pd_error *why;
};

static enum pd_status doubt(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct doubt *d = arg;

    return pd_cat_run(catalog, err,
                      "UPDATE copy SET state = 'written', reason = ?, message = ?"
                      " WHERE volume_id = ? AND state = 'verified'",
                      "ssi", pd_status_name(d->why->status), d->why->message, d->volume_id);
}

enum pd_status pd_catalog_volume_doubt(struct pd_catalog *catalog, int64_t volume_id,
                                       const struct pd_error *why, struct pd_error *err)
{
    struct doubt d = {volume_id, why};

    return pd_cat_transaction(catalog, PD_CAT_REPEAT, doubt, &d, err);
}

static void read_row(struct pd_sql_stmt *stmt, struct pd_volume_row *r)
{
    memset(r, 0, sizeof *r);
    r->id = pd_sql_int(stmt, 0);
    pd_cat_text(stmt, 1, r->label, sizeof r->label);
    pd_cat_text(stmt, 2, r->uuid, sizeof r->uuid);
    pd_cat_text(stmt, 3, r->pool, sizeof r->pool);
    r->copy = (unsigned)pd_sql_int(stmt, 4);
    r->pair = (uint64_t)pd_sql_int(stmt, 5);
    r->state = (enum pd_volume_state)pd_cat_enum(stmt, 6, pd_cat_volume_states, PD_VOLUME_BAD + 1);
    pd_cat_text(stmt, 7, r->location, sizeof r->location);
    r->block_size = (uint64_t)pd_sql_int(stmt, 8);
    r->used = (uint64_t)pd_sql_int(stmt, 9);
    r->tape_files = (uint64_t)pd_sql_int(stmt, 10);
    r->created = pd_sql_int(stmt, 11);
    r->last_written = pd_sql_int(stmt, 12);
    pd_cat_text(stmt, 13, r->host, sizeof r->host);
    pd_cat_text(stmt, 14, r->reserved_by, sizeof r->reserved_by);
    r->retain_until = pd_sql_int(stmt, 15);
    pd_cat_text(stmt, 16, r->medium, sizeof r->medium);
    r->replaces = pd_sql_int(stmt, 17);
    r->last_verified = pd_sql_int(stmt, 18);
    r->archives = (uint64_t)pd_sql_int(stmt, 19);
    r->verified_copies = (uint64_t)pd_sql_int(stmt, 20);
    r->bad_copies = (uint64_t)pd_sql_int(stmt, 21);
    r->drive_errors = (uint64_t)pd_sql_int(stmt, 22);
    r->written_copies = (uint64_t)pd_sql_int(stmt, 23);
}

enum pd_status pd_catalog_volumes(struct pd_catalog *catalog, pd_volume_row_fn fn, void *arg,
                                  struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_volume_row row;
    bool more = true;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err, "SELECT id, " COLUMNS ", " COUNTS " FROM volume v ORDER BY label", "");

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        read_row(stmt, &row);
        status = fn(arg, &row, err);
    }
    pd_sql_reset(stmt);
    return status;
}

enum pd_status pd_catalog_volume_find(struct pd_catalog *catalog, const char *which,
                                      struct pd_volume_row *out, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool found = false;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT id, " COLUMNS ", " COUNTS " FROM volume v WHERE label = ? OR uuid = ?",
                     "ss", which, which);

    if (status == PD_OK) {
        status = pd_sql_step(stmt, &found, err);
    }
    if (status == PD_OK && found) {
        read_row(stmt, out);
    }
    pd_sql_reset(stmt);
    if (status == PD_OK && !found) {
        status = pd_error_set(err, PD_NOT_FOUND, 0, "no volume %s in the catalog", which);
    }
    return status;
}

enum pd_status pd_catalog_volume_used_since(struct pd_catalog *catalog, int64_t id, int64_t dump_id,
                                            uint64_t tape_file, bool *used, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t count = 0;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT COUNT(*) FROM copy c JOIN archive a ON a.id = c.archive_id"
                     " WHERE c.volume_id = ? AND c.tape_file >= ? AND a.dump_id <> ?"
                     " AND c.state <> 'writing'",
                     "iii", id, (int64_t)tape_file, dump_id);

    if (status == PD_OK) {
        status = pd_cat_number(stmt, &count, err);
    }
    *used = count > 0;
    return status;
}

struct highest {
    const char *prefix;
    uint64_t pair;
};

/* Labels of pairs are prefix, copy number, five digits; what fits the form counts, whoever made it.
 * Those of cartridges in a library tell no number: the row does. */
static enum pd_status take_pair(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct highest *highest = arg;
    size_t len = strlen(highest->prefix);
    uint64_t number;

    (void)err;
    if (strncmp(row->label, highest->prefix, len) != 0) {
        return PD_OK;
    }
    if (strlen(row->label) == len + 6 && pd_parse_u64(row->label + len + 1, &number) &&
        number > highest->pair) {
        highest->pair = number;
    }
    highest->pair = row->pair > highest->pair ? row->pair : highest->pair;
    return PD_OK;
}

enum pd_status pd_catalog_last_pair(struct pd_catalog *catalog, const char *prefix, uint64_t *out,
                                    struct pd_error *err)
{
    struct highest highest = {prefix, 0};
    enum pd_status status = pd_catalog_volumes(catalog, take_pair, &highest, err);

    *out = highest.pair;
    return status;
}
