#include "pairdump/sql.h"

#include <stdlib.h>
#include <string.h>

enum { CACHE = 64 };

struct pd_sql_stmt {
    struct pd_sql *sql;
    void *stmt;
    char *text;
    uint64_t used; /* tick of the last use */
    bool busy;     /* between get and reset */
};

struct pd_sql {
    const struct pd_sql_ops *ops;
    void *impl;
    struct pd_sql_stmt cache[CACHE];
    uint64_t tick;
    bool in_transaction;
};

static bool has_words(const struct pd_sql_ops *ops)
{
    return ops->scheme && ops->autoincrement && ops->blob_type && ops->path_key &&
           ops->small_types[0] && ops->small_types[1] && ops->small_types[2] && ops->table_suffix &&
           ops->clustered_suffix;
}

static bool has_statements(const struct pd_sql_ops *ops)
{
    return ops->exec && ops->prepare && ops->bind && ops->step && ops->reset && ops->add_row &&
           ops->end_rows && ops->column_null && ops->column_int && ops->column_bytes &&
           ops->finalize;
}

static bool has_the_rest(const struct pd_sql_ops *ops)
{
    return ops->begin && ops->begin_read && ops->commit && ops->rollback && ops->last_id &&
           ops->changes && ops->tables && ops->check && ops->schema_lock && ops->close;
}

static enum pd_status checked(enum pd_status status, const char *call, struct pd_error *err)
{
    if (status != PD_OK && err->status != status) {
        return pd_error_set(err, PD_INTERNAL, 0, "sql: %s failed without an error", call);
    }
    return status;
}

enum pd_status pd_sql_new(const struct pd_sql_ops *ops, void *impl, struct pd_sql **out,
                          struct pd_error *err)
{
    struct pd_sql *sql = NULL;

    if (!has_words(ops) || !has_statements(ops) || !has_the_rest(ops)) {
        return pd_error_set(err, PD_INTERNAL, 0, "an SQL driver lacks a call");
    }
    sql = calloc(1, sizeof *sql);
    if (!sql) {
        ops->close(impl);
        return pd_error_memory(err, "SQL session");
    }
    sql->ops = ops;
    sql->impl = impl;
    *out = sql;
    return PD_OK;
}

const struct pd_sql_ops *pd_sql_ops_of(const struct pd_sql *sql)
{
    return sql->ops;
}

static void drop(struct pd_sql *sql, struct pd_sql_stmt *stmt)
{
    if (stmt->stmt) {
        sql->ops->finalize(sql->impl, stmt->stmt);
    }
    free(stmt->text);
    memset(stmt, 0, sizeof *stmt);
}

void pd_sql_close(struct pd_sql *sql)
{
    if (sql) {
        pd_sql_rollback(sql);
        for (size_t i = 0; i < CACHE; i++) {
            drop(sql, &sql->cache[i]);
        }
        sql->ops->close(sql->impl);
        free(sql);
    }
}

enum pd_status pd_sql_exec(struct pd_sql *sql, const char *text, struct pd_error *err)
{
    return checked(sql->ops->exec(sql->impl, text, err), "exec", err);
}

/* The cached statement, or the slot to use for it: empty, or idle and longest unused. */
static struct pd_sql_stmt *find_slot(struct pd_sql *sql, const char *text)
{
    struct pd_sql_stmt *slot = NULL;

    for (size_t i = 0; i < CACHE; i++) {
        struct pd_sql_stmt *stmt = &sql->cache[i];
        if (stmt->busy) {
            continue;
        }
        if (stmt->text && strcmp(stmt->text, text) == 0) {
            return stmt;
        }
        if (!slot || stmt->used < slot->used) {
            slot = stmt;
        }
    }
    return slot;
}

enum pd_status pd_sql_get(struct pd_sql *sql, const char *text, struct pd_sql_stmt **out,
                          struct pd_error *err)
{
    struct pd_sql_stmt *slot = find_slot(sql, text);

    if (!slot) {
        return pd_error_set(err, PD_INTERNAL, 0, "too many statements at once");
    }
    if (!slot->text || strcmp(slot->text, text) != 0) {
        drop(sql, slot);
        slot->text = strdup(text);
        if (!slot->text) {
            return pd_error_memory(err, "statement");
        }
        enum pd_status status = sql->ops->prepare(sql->impl, text, &slot->stmt, err);
        if (status != PD_OK) {
            slot->stmt = NULL;
            drop(sql, slot);
            return checked(status, "prepare", err);
        }
        slot->sql = sql;
    }
    slot->used = ++sql->tick;
    slot->busy = true;
    *out = slot;
    return PD_OK;
}

static enum pd_status bind(struct pd_sql_stmt *stmt, unsigned index, enum pd_sql_bind_kind kind,
                           int64_t number, const void *bytes, size_t len, struct pd_error *err)
{
    return checked(stmt->sql->ops->bind(stmt->sql->impl, stmt->stmt, index, kind, number, bytes,
                                        len, err),
                   "bind", err);
}

enum pd_status pd_sql_bind_int(struct pd_sql_stmt *stmt, unsigned index, int64_t value,
                               struct pd_error *err)
{
    return bind(stmt, index, PD_SQL_INT, value, NULL, 0, err);
}

enum pd_status pd_sql_bind_text(struct pd_sql_stmt *stmt, unsigned index, const char *text,
                                struct pd_error *err)
{
    return bind(stmt, index, PD_SQL_TEXT, 0, text, strlen(text), err);
}

enum pd_status pd_sql_bind_blob(struct pd_sql_stmt *stmt, unsigned index, const void *bytes,
                                size_t len, struct pd_error *err)
{
    return bind(stmt, index, PD_SQL_BLOB, 0, bytes, len, err);
}

enum pd_status pd_sql_bind_null(struct pd_sql_stmt *stmt, unsigned index, struct pd_error *err)
{
    return bind(stmt, index, PD_SQL_NULL, 0, NULL, 0, err);
}

enum pd_status pd_sql_step(struct pd_sql_stmt *stmt, bool *row, struct pd_error *err)
{
    *row = false;
    return checked(stmt->sql->ops->step(stmt->sql->impl, stmt->stmt, row, err), "step", err);
}

enum pd_status pd_sql_run(struct pd_sql_stmt *stmt, struct pd_error *err)
{
    bool row = true;
    enum pd_status status = PD_OK;

    while (status == PD_OK && row) {
        status = pd_sql_step(stmt, &row, err);
    }
    pd_sql_reset(stmt);
    return status;
}

enum pd_status pd_sql_add_row(struct pd_sql_stmt *stmt, struct pd_error *err)
{
    return checked(stmt->sql->ops->add_row(stmt->sql->impl, stmt->stmt, err), "add_row", err);
}

enum pd_status pd_sql_end_rows(struct pd_sql_stmt *stmt, struct pd_error *err)
{
    enum pd_status status =
        checked(stmt->sql->ops->end_rows(stmt->sql->impl, stmt->stmt, err), "end_rows", err);

    pd_sql_reset(stmt);
    return status;
}

void pd_sql_reset(struct pd_sql_stmt *stmt)
{
    struct pd_error ignored = PD_ERROR_INIT;

    if (stmt && stmt->busy) {
        /* a failure of the last step is said again by reset, and was reported then */
        (void)!stmt->sql->ops->reset(stmt->sql->impl, stmt->stmt, &ignored);
        stmt->busy = false;
    }
}

bool pd_sql_is_null(struct pd_sql_stmt *stmt, unsigned column)
{
    return stmt->sql->ops->column_null(stmt->sql->impl, stmt->stmt, column);
}

int64_t pd_sql_int(struct pd_sql_stmt *stmt, unsigned column)
{
    return stmt->sql->ops->column_int(stmt->sql->impl, stmt->stmt, column);
}

const void *pd_sql_bytes(struct pd_sql_stmt *stmt, unsigned column, size_t *len)
{
    return stmt->sql->ops->column_bytes(stmt->sql->impl, stmt->stmt, column, len);
}

static enum pd_status begin(struct pd_sql *sql,
                            enum pd_status (*how)(void *impl, struct pd_error *err),
                            struct pd_error *err)
{
    if (sql->in_transaction) {
        return pd_error_set(err, PD_INTERNAL, 0, "sql: a transaction is open already");
    }
    enum pd_status status = checked(how(sql->impl, err), "begin", err);
    sql->in_transaction = status == PD_OK;
    return status;
}

enum pd_status pd_sql_begin(struct pd_sql *sql, struct pd_error *err)
{
    return begin(sql, sql->ops->begin, err);
}

enum pd_status pd_sql_begin_read(struct pd_sql *sql, struct pd_error *err)
{
    return begin(sql, sql->ops->begin_read, err);
}

enum pd_status pd_sql_commit(struct pd_sql *sql, struct pd_error *err)
{
    if (!sql->in_transaction) {
        return pd_error_set(err, PD_INTERNAL, 0, "sql: no transaction to commit");
    }
    enum pd_status status = checked(sql->ops->commit(sql->impl, err), "commit", err);
    if (status != PD_OK) {
        pd_sql_rollback(sql);
    }
    sql->in_transaction = false;
    return status;
}

void pd_sql_rollback(struct pd_sql *sql)
{
    struct pd_error ignored = PD_ERROR_INIT;

    if (sql->in_transaction) {
        /* some failures have rolled back by themselves: then there is nothing left to do */
        (void)!sql->ops->rollback(sql->impl, &ignored);
        sql->in_transaction = false;
    }
}

int64_t pd_sql_last_id(struct pd_sql *sql)
{
    return sql->ops->last_id(sql->impl);
}

uint64_t pd_sql_changes(struct pd_sql *sql)
{
    return sql->ops->changes(sql->impl);
}

enum pd_status pd_sql_tables(struct pd_sql *sql, const char *name, uint64_t *count,
                             struct pd_error *err)
{
    return checked(sql->ops->tables(sql->impl, name, count, err), "tables", err);
}

enum pd_status pd_sql_schema_lock(struct pd_sql *sql, bool take, struct pd_error *err)
{
    return checked(sql->ops->schema_lock(sql->impl, take, err), "schema_lock", err);
}

enum pd_status pd_sql_check(struct pd_sql *sql, pd_sql_problem_fn fn, void *arg,
                            struct pd_error *err)
{
    return checked(sql->ops->check(sql->impl, fn, arg, err), "check", err);
}
