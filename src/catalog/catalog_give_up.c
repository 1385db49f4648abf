#include <inttypes.h>
#include <string.h>

#include "catalog_priv.h"

static enum pd_status retain(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct pd_volume_row *row = arg;
    enum pd_status status =
        pd_cat_run(catalog, err, "UPDATE volume SET retain_until = ? WHERE id = ?", "ii",
                   row->retain_until, row->id);

    return status == PD_OK ? pd_cat_expect_row(catalog, "volume", err) : status;
}

enum pd_status pd_catalog_volume_retain(struct pd_catalog *catalog, int64_t id, int64_t until,
                                        struct pd_error *err)
{
    struct pd_volume_row row = {.id = id, .retain_until = until};

    return pd_cat_transaction(catalog, PD_CAT_REPEAT, retain, &row, err);
}

/* The volume as it is now; nobody else gives one up until this is committed. */
static enum pd_status look(struct pd_catalog *catalog, const char *uuid, struct pd_volume_row *row,
                           struct pd_error *err)
{
    enum pd_status status =
        pd_cat_run(catalog, err, "UPDATE schema_version SET version = version", "");

    return status == PD_OK ? pd_catalog_volume_find(catalog, uuid, row, err) : status;
}

static enum pd_status refuse_state(const struct pd_volume_row *row, const char *what,
                                   struct pd_error *err)
{
    return pd_error_set(err, PD_HELD, 0, "%s is %s: it cannot be %s", row->label,
                        pd_volume_state_name(row->state), what);
}

static enum pd_status set_state(struct pd_catalog *catalog, const struct pd_volume_row *row,
                                struct pd_error *err)
{
    enum pd_status status =
        pd_cat_run(catalog, err, "UPDATE volume SET state = ? WHERE id = ?", "si",
                   pd_volume_state_name(row->state), row->id);

    return status == PD_OK ? pd_cat_expect_row(catalog, "volume", err) : status;
}

static enum pd_status retire(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct pd_volume_row row;
    enum pd_status status = look(catalog, arg, &row, err);

    if (status != PD_OK) {
        return status;
    }
    if (row.state != PD_VOLUME_APPENDABLE && row.state != PD_VOLUME_FULL_STATE &&
        row.state != PD_VOLUME_RETIRED) {
        return refuse_state(&row, "retired", err);
    }
    row.state = PD_VOLUME_RETIRED;
    return set_state(catalog, &row, err);
}

enum pd_status pd_catalog_volume_retire(struct pd_catalog *catalog, const char *uuid,
                                        struct pd_error *err)
{
    char copy[PD_UUID_TEXT];

    snprintf(copy, sizeof copy, "%s", uuid);
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, retire, copy, err);
}

/* No copy on it counts any more, whatever it was. */
static enum pd_status give_up_copies(struct pd_catalog *catalog, const struct pd_volume_row *row,
                                     struct pd_error *err)
{
    char message[96];

    snprintf(message, sizeof message, "volume %s was given up", row->label);
    return pd_cat_run(catalog, err,
                      "UPDATE copy SET state = 'bad', reason = ?, message = ?, changed = ?"
                      " WHERE volume_id = ? AND reason NOT IN (?, ?)",
                      "ssiiss", pd_status_name(PD_GIVEN_UP), message,
                      pd_clock_utc(catalog->env->clock), row->id, pd_status_name(PD_GIVEN_UP),
                      pd_status_name(PD_REPLACED));
}

enum pd_status pd_cat_given_up(struct pd_catalog *catalog, int64_t copy_id, bool *given_up,
                               struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t count = 0;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT COUNT(*) FROM copy c JOIN volume v ON v.id = c.volume_id WHERE c.id = ?"
        " AND (v.state IN ('scratch', 'gone') OR c.reason = 'replaced')",
        "i", copy_id);

    if (status == PD_OK) {
        status = pd_cat_number(stmt, &count, err);
    }
    *given_up = count > 0;
    return status;
}

/* What a question about a volume finds: a name, and how many there are; "" and 0 for none. */
static enum pd_status example(struct pd_catalog *catalog, const char *sql, int64_t volume_id,
                              char *name, size_t size, uint64_t *count, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool row = false;
    enum pd_status status = pd_cat_query(catalog, &stmt, err, sql, "i", volume_id);

    name[0] = '\0';
    *count = 0;
    if (status == PD_OK) {
        status = pd_sql_step(stmt, &row, err);
    }
    if (status == PD_OK && row) {
        pd_cat_text(stmt, 0, name, size);
        *count = (uint64_t)pd_sql_int(stmt, 1);
    }
    pd_sql_reset(stmt);
    return status;
}

/* An interrupted dump is not done with it. */
static enum pd_status check_finished(struct pd_catalog *catalog, const struct pd_volume_row *row,
                                     struct pd_error *err)
{
    uint64_t count;
    char name[128];
    enum pd_status status =
        example(catalog,
                "SELECT MIN(d.name), COUNT(*) FROM dump d JOIN archive a ON a.dump_id = d.id"
                " JOIN copy c ON c.archive_id = a.id WHERE c.volume_id = ? AND c.state = 'writing'",
                row->id, name, sizeof name, &count, err);

    if (status == PD_OK && count > 0) {
        status = pd_error_set(err, PD_BUSY, 0, "the unfinished dump %s writes to %s; resume it first",
                              name, row->label);
    }
    return status;
}

/* Whatever state a copy on it is in: records of a bad one may be all that is left of an archive. */
static enum pd_status check_elsewhere(struct pd_catalog *catalog, const struct pd_volume_row *row,
                                      struct pd_error *err)
{
    uint64_t count;
    char name[128];
    enum pd_status status =
        example(catalog,
                "SELECT MIN(a.name), COUNT(*) FROM archive a JOIN copy c ON c.archive_id = a.id"
                " WHERE c.volume_id = ? AND NOT EXISTS (SELECT 1 FROM copy o"
                " WHERE o.archive_id = a.id AND o.volume_id <> c.volume_id"
                " AND o.state = 'verified')",
                row->id, name, sizeof name, &count, err);

    if (status == PD_OK && count > 0) {
        status = pd_error_set(err, PD_HELD, 0,
                              "%s: no other verified copy of %" PRIu64
                              " archives, as %s; to lose them say --give-up",
                              row->label, count, name);
    }
    return status;
}

enum pd_status pd_volume_row_retention(const struct pd_volume_row *row, int64_t now,
                                       struct pd_error *err)
{
    char until[32];

    if (row->retain_until <= now) {
        return PD_OK;
    }
    pd_time_format(row->retain_until, until, sizeof until);
    return pd_error_set(err, PD_HELD, 0, "%s is to be kept until %s; --retain changes that",
                        row->label, until);
}

struct giving_up {
    const char *uuid;
    bool lose; /* what no other volume has */
};

static enum pd_status scratch(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct giving_up *g = arg;
    struct pd_volume_row row;
    enum pd_status status = look(catalog, g->uuid, &row, err);

    if (status == PD_OK && (row.state == PD_VOLUME_RESERVED || row.state == PD_VOLUME_GONE)) {
        return refuse_state(&row, "given up", err);
    }
    if (status == PD_OK) {
        status = pd_volume_row_retention(&row, pd_clock_utc(catalog->env->clock), err);
    }
    if (status == PD_OK) {
        status = check_finished(catalog, &row, err);
    }
    if (status == PD_OK && row.state != PD_VOLUME_SCRATCH && !g->lose) {
        status = check_elsewhere(catalog, &row, err);
    }
    row.state = PD_VOLUME_SCRATCH;
    if (status == PD_OK) {
        status = set_state(catalog, &row, err);
    }
    return status == PD_OK ? give_up_copies(catalog, &row, err) : status;
}

enum pd_status pd_catalog_volume_scratch(struct pd_catalog *catalog, const char *uuid, bool lose,
                                         struct pd_error *err)
{
    struct giving_up g = {uuid, lose};

    return pd_cat_transaction(catalog, PD_CAT_REPEAT, scratch, &g, err);
}

/* The label becomes free for another volume; what points to the row still finds it. */
static enum pd_status gone(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct pd_volume_row row;
    char label[24];
    enum pd_status status = look(catalog, arg, &row, err);

    if (status != PD_OK || row.state == PD_VOLUME_GONE) {
        return status;
    }
    if (row.state != PD_VOLUME_SCRATCH) {
        return pd_error_set(err, PD_HELD, 0, "%s is %s; give it up first, by volumes --scratch",
                            row.label, pd_volume_state_name(row.state));
    }
    status = pd_volume_row_retention(&row, pd_clock_utc(catalog->env->clock), err);
    snprintf(label, sizeof label, "~%" PRId64, row.id);
    if (status == PD_OK && strlen(label) >= PD_LABEL_TEXT) {
        status = pd_error_set(err, PD_CATALOG, 0, "the catalog has too many volumes");
    }
    if (status == PD_OK) {
        status = give_up_copies(catalog, &row, err);
    }
    if (status == PD_OK) {
        status = pd_cat_run(catalog, err,
                            "UPDATE volume SET state = 'gone', label = ?, location = '',"
                            " medium = '' WHERE id = ?",
                            "si", label, row.id);
    }
    return status == PD_OK ? pd_cat_expect_row(catalog, "volume", err) : status;
}

enum pd_status pd_catalog_volume_gone(struct pd_catalog *catalog, const char *uuid,
                                      struct pd_error *err)
{
    char copy[PD_UUID_TEXT];

    snprintf(copy, sizeof copy, "%s", uuid);
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, gone, copy, err);
}
