#include <string.h>

#include "catalog_priv.h"

#define COLUMNS                                                                                    \
    "uuid, name, host, pid, pool, roots, policy, state, status, incremental, copies, started,"     \
    " finished, archives, files, bytes, problems, skipped"


static enum pd_status add(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct pd_dump_row *r = arg;
    enum pd_status status = pd_cat_run(
        catalog, err,
        "INSERT INTO dump (" COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        "sssisssssiiiiiiiii", r->uuid, r->name, r->host, r->pid, r->pool, r->roots, r->policy,
        pd_dump_state_name(r->state), pd_status_name(r->status), (int64_t)r->incremental,
        (int64_t)r->copies, r->started, r->finished, (int64_t)r->archives, (int64_t)r->files,
        (int64_t)r->bytes, (int64_t)r->problems, (int64_t)r->skipped);

    return pd_cat_added(catalog, status, "SELECT id FROM dump WHERE uuid = ?", r->uuid, &r->id,
                        err);
}

enum pd_status pd_catalog_dump_add(struct pd_catalog *catalog, struct pd_dump_row *row,
                                   struct pd_error *err)
{
    return pd_cat_transaction(catalog, PD_CAT_LOOK, add, row, err);
}

static enum pd_status update(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct pd_dump_row *r = arg;
    enum pd_status status =
        pd_cat_run(catalog, err,
                   "UPDATE dump SET state = ?, status = ?, finished = ?, archives = ?,"
                   " files = ?, bytes = ?, problems = ?, skipped = ? WHERE id = ?",
                   "ssiiiiiii", pd_dump_state_name(r->state), pd_status_name(r->status),
                   r->finished, (int64_t)r->archives, (int64_t)r->files, (int64_t)r->bytes,
                   (int64_t)r->problems, (int64_t)r->skipped, r->id);

    return status == PD_OK ? pd_cat_expect_row(catalog, "dump", err) : status;
}

enum pd_status pd_catalog_dump_update(struct pd_catalog *catalog, const struct pd_dump_row *row,
                                      struct pd_error *err)
{
    struct pd_dump_row copy = *row;

    return pd_cat_transaction(catalog, PD_CAT_REPEAT, update, &copy, err);
}

static void read_row(struct pd_sql_stmt *stmt, struct pd_dump_row *r)
{
    memset(r, 0, sizeof *r);
    r->id = pd_sql_int(stmt, 0);
    pd_cat_text(stmt, 1, r->uuid, sizeof r->uuid);
    pd_cat_text(stmt, 2, r->name, sizeof r->name);
    pd_cat_text(stmt, 3, r->host, sizeof r->host);
    r->pid = pd_sql_int(stmt, 4);
    pd_cat_text(stmt, 5, r->pool, sizeof r->pool);
    pd_cat_text(stmt, 6, r->roots, sizeof r->roots);
    pd_cat_text(stmt, 7, r->policy, sizeof r->policy);
    r->state = (enum pd_dump_state)pd_cat_enum(stmt, 8, pd_cat_dump_states, PD_DUMP_DONE + 1);
    r->status = pd_cat_status(stmt, 9);
    r->incremental = pd_sql_int(stmt, 10) != 0;
    r->copies = (unsigned)pd_sql_int(stmt, 11);
    r->started = pd_sql_int(stmt, 12);
    r->finished = pd_sql_int(stmt, 13);
    r->archives = (uint64_t)pd_sql_int(stmt, 14);
    r->files = (uint64_t)pd_sql_int(stmt, 15);
    r->bytes = (uint64_t)pd_sql_int(stmt, 16);
    r->problems = (uint64_t)pd_sql_int(stmt, 17);
    r->skipped = (uint64_t)pd_sql_int(stmt, 18);
    r->bad_copies = (uint64_t)pd_sql_int(stmt, 19);
    r->lost_archives = (uint64_t)pd_sql_int(stmt, 20);
}

enum pd_status pd_dump_row_verdict(const struct pd_dump_row *row)
{
    enum pd_status now = row->lost_archives > 0 ? PD_FAILED
                         : row->bad_copies > 0  ? PD_DEGRADED
                                                : PD_OK;

    return row->state == PD_DUMP_DONE ? pd_status_worst(row->status, now) : row->status;
}

enum pd_status pd_catalog_dumps(struct pd_catalog *catalog, pd_dump_fn fn, void *arg,
                                struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_dump_row row;
    bool more = true;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT id, " COLUMNS ","
        " (SELECT COUNT(*) FROM copy c JOIN archive a ON a.id = c.archive_id"
        " WHERE a.dump_id = dump.id AND c.state = 'bad' AND c.reason <> 'replaced'),"
        " (SELECT COUNT(*) FROM archive a WHERE a.dump_id = dump.id AND NOT EXISTS"
        " (SELECT 1 FROM copy c WHERE c.archive_id = a.id AND c.state IN ('written', 'verified')))"
        " FROM dump ORDER BY id",
        "");

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        read_row(stmt, &row);
        status = fn(arg, &row, err);
    }
    pd_sql_reset(stmt);
    return status;
}

struct search {
    const char *which;
    struct pd_dump_row *out;
    unsigned exact, prefix;
};

static enum pd_status match(void *arg, const struct pd_dump_row *row, struct pd_error *err)
{
    struct search *search = arg;
    size_t len = search->which ? strlen(search->which) : 0;

    (void)err;
    if (!search->which || strcmp(search->which, "last") == 0 ||
        strcmp(search->which, row->name) == 0 || strcmp(search->which, row->uuid) == 0) {
        *search->out = *row;
        search->exact++;
    } else if (len >= 8 && strncmp(search->which, row->uuid, len) == 0) {
        search->prefix++;
        if (search->exact == 0) {
            *search->out = *row;
        }
    }
    return PD_OK;
}

enum pd_status pd_catalog_dump_find(struct pd_catalog *catalog, const char *which,
                                    struct pd_dump_row *out, struct pd_error *err)
{
    struct search search = {.which = which, .out = out};
    enum pd_status status = pd_catalog_dumps(catalog, match, &search, err);

    if (status != PD_OK) {
        return status;
    }
    if (search.exact == 0 && search.prefix > 1) {
        return pd_error_set(err, PD_USAGE, 0, "more than one dump begins with %s", which);
    }
    if (search.exact == 0 && search.prefix == 0) {
        return pd_error_set(err, PD_NOT_FOUND, 0, "no dump %s in the catalog",
                            which ? which : "at all");
    }
    return PD_OK;
}

struct problem_write {
    int64_t dump_id;
    const struct pd_problem *problem;
};

/* One that says the same, which a try before may have added; a second would tell nothing more. */
static enum pd_status is_told(struct pd_catalog *catalog, const struct problem_write *w, bool *out,
                              struct pd_error *err)
{
    const struct pd_problem *p = w->problem;
    struct pd_sql_stmt *stmt = NULL;
    int64_t id = 0;
    enum pd_status status = /* waits for a commit that the server is still at */
        pd_cat_run(catalog, err, "UPDATE dump SET problems = problems WHERE id = ?", "i",
                   w->dump_id);

    if (status == PD_OK) {
        status = pd_cat_query(catalog, &stmt, err,
                              "SELECT id FROM problem WHERE dump_id = ? AND path = ?"
                              " AND status = ? AND errno_value = ? AND archived = ?"
                              " AND message = ?",
                              "ibsiis", w->dump_id, p->path, strlen(p->path),
                              pd_status_name(p->status), (int64_t)p->sys_errno,
                              (int64_t)p->archived, p->message ? p->message : "");
    }
    if (status == PD_OK) {
        status = pd_cat_number(stmt, &id, err);
    }
    *out = id != 0;
    return status;
}

static enum pd_status add_problem(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct problem_write *w = arg;
    const struct pd_problem *p = w->problem;
    bool done = false;
    enum pd_status status = catalog->unsure ? is_told(catalog, w, &done, err) : PD_OK;

    if (status != PD_OK || done) {
        return status;
    }
    return pd_cat_run(catalog, err,
                      "INSERT INTO problem (dump_id, path, status, errno_value, archived, message)"
                      " VALUES (?,?,?,?,?,?)",
                      "ibsiis", w->dump_id, p->path, strlen(p->path), pd_status_name(p->status),
                      (int64_t)p->sys_errno, (int64_t)p->archived, p->message ? p->message : "");
}

enum pd_status pd_catalog_problem_add(struct pd_catalog *catalog, int64_t dump_id,
                                      const struct pd_problem *problem, struct pd_error *err)
{
    struct problem_write write = {dump_id, problem};

    return pd_cat_transaction(catalog, PD_CAT_LOOK, add_problem, &write, err);
}

enum pd_status pd_catalog_problems(struct pd_catalog *catalog, int64_t dump_id, pd_problem_fn fn,
                                   void *arg, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_buf path = PD_BUF_INIT;
    char message[512];
    bool more = true;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT path, status, errno_value, archived, message FROM problem"
                     " WHERE dump_id = ? ORDER BY id",
                     "i", dump_id);

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        size_t len = 0;
        const void *bytes = pd_sql_bytes(stmt, 0, &len);
        pd_buf_clear(&path);
        if (pd_buf_append(&path, bytes, len) != PD_OK) {
            status = pd_error_memory(err, "path");
            break;
        }
        pd_cat_text(stmt, 4, message, sizeof message);
        struct pd_problem problem = {.path = path.data,
                                     .status = pd_cat_status(stmt, 1),
                                     .sys_errno = (int)pd_sql_int(stmt, 2),
                                     .message = message,
                                     .archived = pd_sql_int(stmt, 3) != 0};
        status = fn(arg, &problem, err);
    }
    pd_sql_reset(stmt);
    pd_buf_free(&path);
    return status;
}
