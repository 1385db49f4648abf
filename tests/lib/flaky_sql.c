#include "flaky_sql.h"

#include <stdlib.h>
#include <string.h>

#include "../../src/catalog/catalog_priv.h"

struct statement {
    char *text;
    struct pd_sql_stmt *real; /* NULL: not since the last reset */
};

/* True when this call is to fail. */
static bool strikes(struct flaky *f, enum flaky_call call)
{
    unsigned n = ++f->calls[call];
    bool strike = call == f->call && n >= f->from && n <= f->to;

    f->failed += strike;
    return strike;
}

static enum pd_status break_off(struct flaky *f, struct pd_error *err)
{
    pd_sql_rollback(f->real);
    f->within = false;
    return pd_error_set(err, f->status, 0, "a fault of the test");
}

static enum pd_status flaky_exec(void *impl, const char *sql, struct pd_error *err)
{
    return pd_sql_exec(((struct flaky *)impl)->real, sql, err);
}

static enum pd_status ready(struct flaky *f, struct statement *s, struct pd_error *err)
{
    return s->real ? PD_OK : pd_sql_get(f->real, s->text, &s->real, err);
}

static enum pd_status flaky_prepare(void *impl, const char *sql, void **stmt,
                                    struct pd_error *err)
{
    struct statement *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->text = strdup(sql);
    assert_non_null(s->text);
    enum pd_status status = ready(impl, s, err);
    if (status != PD_OK) {
        free(s->text);
        free(s);
        return status;
    }
    *stmt = s;
    return PD_OK;
}

static enum pd_status flaky_bind(void *impl, void *stmt, unsigned index,
                                 enum pd_sql_bind_kind kind, int64_t number, const void *bytes,
                                 size_t len, struct pd_error *err)
{
    struct statement *s = stmt;
    enum pd_status status = ready(impl, s, err);

    if (status != PD_OK) {
        return status;
    }
    switch (kind) {
    case PD_SQL_INT:
        return pd_sql_bind_int(s->real, index, number, err);
    case PD_SQL_TEXT:
        return pd_sql_bind_text(s->real, index, bytes, err);
    case PD_SQL_BLOB:
        return pd_sql_bind_blob(s->real, index, bytes, len, err);
    default:
        return pd_sql_bind_null(s->real, index, err);
    }
}

static enum pd_status flaky_step(void *impl, void *stmt, bool *row, struct pd_error *err)
{
    struct flaky *f = impl;
    struct statement *s = stmt;
    enum pd_status status;

    if (f->within && strikes(f, FLAKY_STEP)) {
        return break_off(f, err);
    }
    status = ready(f, s, err);
    return status == PD_OK ? pd_sql_step(s->real, row, err) : status;
}

static enum pd_status flaky_add_row(void *impl, void *stmt, struct pd_error *err)
{
    struct flaky *f = impl;
    struct statement *s = stmt;
    enum pd_status status;

    if (f->within && strikes(f, FLAKY_STEP)) {
        return break_off(f, err);
    }
    status = ready(f, s, err);
    return status == PD_OK ? pd_sql_add_row(s->real, err) : status;
}

static enum pd_status flaky_end_rows(void *impl, void *stmt, struct pd_error *err)
{
    struct statement *s = stmt;
    enum pd_status status = ready(impl, s, err);

    return status == PD_OK ? pd_sql_end_rows(s->real, err) : status;
}

static enum pd_status flaky_reset(void *impl, void *stmt, struct pd_error *err)
{
    struct statement *s = stmt;

    (void)impl;
    (void)err;
    pd_sql_reset(s->real);
    s->real = NULL;
    return PD_OK;
}

static bool flaky_null(void *impl, void *stmt, unsigned column)
{
    (void)impl;
    return pd_sql_is_null(((struct statement *)stmt)->real, column);
}

static int64_t flaky_int(void *impl, void *stmt, unsigned column)
{
    (void)impl;
    return pd_sql_int(((struct statement *)stmt)->real, column);
}

static const void *flaky_bytes(void *impl, void *stmt, unsigned column, size_t *len)
{
    (void)impl;
    return pd_sql_bytes(((struct statement *)stmt)->real, column, len);
}

static void flaky_finalize(void *impl, void *stmt)
{
    struct statement *s = stmt;

    (void)impl;
    pd_sql_reset(s->real);
    free(s->text);
    free(s);
}

static enum pd_status flaky_begin(void *impl, struct pd_error *err)
{
    struct flaky *f = impl;

    if (strikes(f, FLAKY_BEGIN)) {
        return break_off(f, err);
    }
    f->within = true;
    return pd_sql_begin(f->real, err);
}

static enum pd_status flaky_begin_read(void *impl, struct pd_error *err)
{
    struct flaky *f = impl;

    if (strikes(f, FLAKY_BEGIN)) {
        return break_off(f, err);
    }
    return pd_sql_begin_read(f->real, err);
}

static enum pd_status flaky_commit(void *impl, struct pd_error *err)
{
    struct flaky *f = impl;

    if (strikes(f, FLAKY_COMMIT)) {
        enum pd_status status = f->done ? pd_sql_commit(f->real, err) : PD_OK;
        return status == PD_OK ? break_off(f, err) : status;
    }
    f->within = false;
    return pd_sql_commit(f->real, err);
}

static enum pd_status flaky_rollback(void *impl, struct pd_error *err)
{
    struct flaky *f = impl;

    (void)err;
    f->within = false;
    pd_sql_rollback(f->real);
    return PD_OK;
}

static int64_t flaky_last_id(void *impl)
{
    return pd_sql_last_id(((struct flaky *)impl)->real);
}

static uint64_t flaky_changes(void *impl)
{
    return pd_sql_changes(((struct flaky *)impl)->real);
}

static enum pd_status flaky_tables(void *impl, const char *name, uint64_t *count,
                                   struct pd_error *err)
{
    return pd_sql_tables(((struct flaky *)impl)->real, name, count, err);
}

static enum pd_status flaky_check(void *impl, pd_sql_problem_fn fn, void *arg,
                                  struct pd_error *err)
{
    return pd_sql_check(((struct flaky *)impl)->real, fn, arg, err);
}

static enum pd_status flaky_schema_lock(void *impl, bool take, struct pd_error *err)
{
    return pd_sql_schema_lock(((struct flaky *)impl)->real, take, err);
}

static void flaky_close(void *impl)
{
    struct flaky *f = impl;

    pd_sql_close(f->real);
    free(f);
}

struct flaky *flaky_between(struct cat_case *c)
{
    struct flaky *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->real = c->catalog->sql;
    f->ops = *pd_sql_ops_of(f->real);
    f->ops.exec = flaky_exec;
    f->ops.prepare = flaky_prepare;
    f->ops.bind = flaky_bind;
    f->ops.step = flaky_step;
    f->ops.add_row = flaky_add_row;
    f->ops.end_rows = flaky_end_rows;
    f->ops.reset = flaky_reset;
    f->ops.column_null = flaky_null;
    f->ops.column_int = flaky_int;
    f->ops.column_bytes = flaky_bytes;
    f->ops.finalize = flaky_finalize;
    f->ops.begin = flaky_begin;
    f->ops.begin_read = flaky_begin_read;
    f->ops.commit = flaky_commit;
    f->ops.rollback = flaky_rollback;
    f->ops.last_id = flaky_last_id;
    f->ops.changes = flaky_changes;
    f->ops.tables = flaky_tables;
    f->ops.check = flaky_check;
    f->ops.schema_lock = flaky_schema_lock;
    f->ops.close = flaky_close;
    cat_ok(c, pd_sql_new(&f->ops, f, &c->catalog->sql, &c->err));
    return f;
}

void flaky_set(struct flaky *f, enum flaky_call call, unsigned from, unsigned to,
               enum pd_status status, bool done)
{
    memset(f->calls, 0, sizeof f->calls);
    f->failed = 0;
    f->call = call;
    f->from = from;
    f->to = to;
    f->status = status;
    f->done = done;
}
