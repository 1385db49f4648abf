#include "catalog_priv.h"

struct entry {
    int64_t dump_id;
    uint64_t seq;
    pd_catalog_fn fn;
    void *arg;
};

/* An entry that is not next was taken before, or would leave a gap. */
static enum pd_status expect_taken(struct pd_catalog *catalog, const struct entry *e,
                                   struct pd_error *err)
{
    uint64_t last = 0;
    enum pd_status status = pd_catalog_applied(catalog, e->dump_id, &last, err);

    if (status == PD_OK && e->seq > last) {
        status = pd_error_set(err, PD_CATALOG, 0,
                              "entry %llu of a journal is not next: the catalog has taken %llu",
                              (unsigned long long)e->seq, (unsigned long long)last);
    }
    return status;
}

/* The row comes first: whoever applies the same entry, or a commit that the server is still at, is
 * waited for at it. */
static enum pd_status apply(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct entry *e = arg;
    enum pd_status status;
    bool next;

    if (e->seq == 1) {
        status = pd_cat_run(catalog, err, "INSERT INTO applied (dump_id, seq) VALUES (?, 1)", "i",
                            e->dump_id);
        next = status == PD_OK;
    } else {
        status = pd_cat_run(catalog, err,
                            "UPDATE applied SET seq = ? WHERE dump_id = ? AND seq = ?", "iii",
                            (int64_t)e->seq, e->dump_id, (int64_t)e->seq - 1);
        next = status == PD_OK && pd_sql_changes(catalog->sql) == 1;
    }
    if (status == PD_EXISTS) {
        pd_error_clear(err);
        status = PD_OK;
    }
    if (status != PD_OK || !next) {
        return status == PD_OK ? expect_taken(catalog, e, err) : status;
    }
    catalog->unsure = false; /* no try before was committed */
    return e->fn(catalog, e->arg, err);
}

enum pd_status pd_catalog_apply(struct pd_catalog *catalog, int64_t dump_id, uint64_t seq,
                                pd_catalog_fn fn, void *arg, struct pd_error *err)
{
    struct entry entry = {dump_id, seq, fn, arg};

    if (seq == 0 || catalog->depth > 0) {
        return pd_error_set(err, PD_INTERNAL, 0,
                            "a journal's entries count from 1, and are taken one by one");
    }
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, apply, &entry, err);
}

enum pd_status pd_catalog_applied(struct pd_catalog *catalog, int64_t dump_id, uint64_t *seq,
                                  struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t last = 0;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err, "SELECT seq FROM applied WHERE dump_id = ?", "i", dump_id);

    if (status == PD_OK) {
        status = pd_cat_number(stmt, &last, err);
    }
    *seq = (uint64_t)last;
    return status;
}
