#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/sql.h"

enum { BUSY_MS = 10000, PAUSE_MS = 20 };

static enum pd_status fail(sqlite3 *db, int code, const char *what, struct pd_error *err)
{
    static const struct {
        int code;
        enum pd_status status;
    } table[] = {
        {SQLITE_BUSY, PD_CATALOG_BUSY}, {SQLITE_LOCKED, PD_CATALOG_BUSY},
        {SQLITE_FULL, PD_NO_SPACE},     {SQLITE_NOMEM, PD_NO_MEMORY},
    };
    enum pd_status status = code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY
                                ? PD_EXISTS
                                : PD_CATALOG;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        status = table[i].code == (code & 0xff) ? table[i].status : status;
    }
    return pd_error_set(err, status, 0, "catalog: %s: %s", what,
                        db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

static enum pd_status lite_exec(void *impl, const char *sql, struct pd_error *err)
{
    int code = sqlite3_exec(impl, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? PD_OK : fail(impl, code, "statement", err);
}

static enum pd_status lite_prepare(void *impl, const char *sql, void **stmt, struct pd_error *err)
{
    sqlite3_stmt *made = NULL;
    int code = sqlite3_prepare_v3(impl, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, NULL);

    *stmt = made;
    return code == SQLITE_OK ? PD_OK : fail(impl, code, "prepare", err);
}

static enum pd_status lite_bind(void *impl, void *stmt, unsigned index,
                                enum pd_sql_bind_kind kind, int64_t number, const void *bytes,
                                size_t len, struct pd_error *err)
{
    int code;

    switch (kind) {
    case PD_SQL_INT:
        code = sqlite3_bind_int64(stmt, (int)index, number);
        break;
    case PD_SQL_TEXT:
        code = sqlite3_bind_text64(stmt, (int)index, bytes, len, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case PD_SQL_BLOB:
        code = sqlite3_bind_blob64(stmt, (int)index, len ? bytes : "", len, SQLITE_TRANSIENT);
        break;
    default:
        code = sqlite3_bind_null(stmt, (int)index);
    }
    return code == SQLITE_OK ? PD_OK : fail(impl, code, "bind", err);
}

static enum pd_status lite_step(void *impl, void *stmt, bool *row, struct pd_error *err)
{
    int code = sqlite3_step(stmt);

    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? PD_OK : fail(impl, code, "statement", err);
}

static enum pd_status lite_reset(void *impl, void *stmt, struct pd_error *err)
{
    int code = sqlite3_reset(stmt);

    sqlite3_clear_bindings(stmt);
    return code == SQLITE_OK ? PD_OK : fail(impl, code, "reset", err);
}

/* Each row at once: a call costs next to nothing here. */
static enum pd_status lite_add_row(void *impl, void *stmt, struct pd_error *err)
{
    bool row = false;
    enum pd_status status = lite_step(impl, stmt, &row, err);

    return status == PD_OK ? lite_reset(impl, stmt, err) : status;
}

static enum pd_status lite_end_rows(void *impl, void *stmt, struct pd_error *err)
{
    (void)impl;
    (void)stmt;
    (void)err;
    return PD_OK;
}

static bool lite_column_null(void *impl, void *stmt, unsigned column)
{
    (void)impl;
    return sqlite3_column_type(stmt, (int)column) == SQLITE_NULL;
}

static int64_t lite_column_int(void *impl, void *stmt, unsigned column)
{
    (void)impl;
    return sqlite3_column_int64(stmt, (int)column);
}

static const void *lite_column_bytes(void *impl, void *stmt, unsigned column, size_t *len)
{
    const void *bytes = sqlite3_column_blob(stmt, (int)column);

    (void)impl;
    *len = (size_t)sqlite3_column_bytes(stmt, (int)column);
    return bytes ? bytes : "";
}

static void lite_finalize(void *impl, void *stmt)
{
    (void)impl;
    sqlite3_finalize(stmt);
}

static enum pd_status lite_begin(void *impl, struct pd_error *err)
{
    return lite_exec(impl, "BEGIN IMMEDIATE", err);
}

static enum pd_status lite_begin_read(void *impl, struct pd_error *err)
{
    return lite_exec(impl, "BEGIN", err);
}

static enum pd_status lite_commit(void *impl, struct pd_error *err)
{
    return lite_exec(impl, "COMMIT", err);
}

static enum pd_status lite_rollback(void *impl, struct pd_error *err)
{
    return lite_exec(impl, "ROLLBACK", err);
}

static int64_t lite_last_id(void *impl)
{
    return sqlite3_last_insert_rowid(impl);
}

static uint64_t lite_changes(void *impl)
{
    return (uint64_t)sqlite3_changes64(impl);
}

struct finding {
    pd_sql_problem_fn fn;
    void *arg;
};

static int take_finding(void *arg, int count, char **values, char **names)
{
    struct finding *finding = arg;

    (void)names;
    if (count > 0 && values[0] && strcmp(values[0], "ok") != 0) {
        finding->fn(finding->arg, values[0]);
    }
    return 0;
}

/* Tables of this name, or of any. */
static enum pd_status lite_tables(void *impl, const char *name, uint64_t *count,
                                  struct pd_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(impl,
                                  "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND"
                                  " name NOT LIKE 'sqlite_%' AND (?1 IS NULL OR name = ?1)",
                                  -1, &stmt, NULL);

    *count = 0;
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *count = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return code == SQLITE_ROW ? PD_OK : fail(impl, code, "the list of tables", err);
}

static enum pd_status lite_check(void *impl, pd_sql_problem_fn fn, void *arg,
                                 struct pd_error *err)
{
    struct finding finding = {fn, arg};
    int code = sqlite3_exec(impl, "PRAGMA integrity_check; PRAGMA foreign_key_check", take_finding,
                            &finding, NULL);

    return code == SQLITE_OK ? PD_OK : fail(impl, code, "integrity check", err);
}

/* Each step is one transaction, which locks the file. */
static enum pd_status lite_schema_lock(void *impl, bool take, struct pd_error *err)
{
    (void)impl;
    (void)take;
    (void)err;
    return PD_OK;
}

static void lite_close(void *impl)
{
    sqlite3_close_v2(impl);
}

static const struct pd_sql_ops sqlite_ops = {
    .scheme = "sqlite",
    .autoincrement = "INTEGER PRIMARY KEY AUTOINCREMENT",
    .blob_type = "BLOB",
    .small_types = {"INTEGER", "INTEGER", "INTEGER"},
    .path_key = "path",
    .table_suffix = "",
    .clustered_suffix = " WITHOUT ROWID",
    .exec = lite_exec,
    .prepare = lite_prepare,
    .bind = lite_bind,
    .step = lite_step,
    .add_row = lite_add_row,
    .end_rows = lite_end_rows,
    .reset = lite_reset,
    .column_null = lite_column_null,
    .column_int = lite_column_int,
    .column_bytes = lite_column_bytes,
    .finalize = lite_finalize,
    .begin = lite_begin,
    .begin_read = lite_begin_read,
    .commit = lite_commit,
    .rollback = lite_rollback,
    .last_id = lite_last_id,
    .changes = lite_changes,
    .tables = lite_tables,
    .check = lite_check,
    .schema_lock = lite_schema_lock,
    .close = lite_close,
};

/* SQLite would make the file readable by all that the umask lets. A file that is there is not opened:
 * closing it would drop the locks that another session of this process holds on it (fcntl(2)), and with
 * them the log of what it has committed. */
static enum pd_status make_file(const char *path, bool create, struct pd_error *err)
{
    if (access(path, R_OK | W_OK) == 0) {
        return PD_OK;
    }
    if (errno == ENOENT && !create) {
        return pd_error_set(err, PD_CATALOG, 0,
                            "there is no catalog %s; a dump or \"pairdump catalog init\" makes it",
                            path);
    }
    int fd = errno == ENOENT ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0 && errno != EEXIST) { /* another process may just have made it */
        int saved = errno;
        enum pd_status status = saved == ENOSPC ? PD_NO_SPACE : PD_CATALOG;
        return pd_error_set(err, status, saved, "cannot open the catalog %s", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return PD_OK;
}

/* The change to WAL does not wait for those who do the same. */
static enum pd_status set_up_session(sqlite3 *db, struct pd_error *err)
{
    static const char set_up[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                 "PRAGMA foreign_keys = ON; PRAGMA cache_size = -8192;"
                                 "PRAGMA temp_store = MEMORY";
    enum pd_status status = lite_exec(db, set_up, err);

    for (int waited = 0; status == PD_CATALOG_BUSY && waited < BUSY_MS; waited += PAUSE_MS) {
        sqlite3_sleep(PAUSE_MS);
        pd_error_clear(err);
        status = lite_exec(db, set_up, err);
    }
    return status;
}

enum pd_status pd_sql_sqlite_open(const struct pd_env *env, const char *path, bool create,
                                  struct pd_sql **out, struct pd_error *err)
{
    sqlite3 *db = NULL;
    enum pd_status status = make_file(path, create, err);

    (void)env;
    if (status != PD_OK) {
        return status;
    }
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        status = fail(db, code, path, err);
        sqlite3_close_v2(db);
        return status;
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_MS);
    status = set_up_session(db, err);
    if (status != PD_OK) {
        sqlite3_close_v2(db);
        return status;
    }
    return pd_sql_new(&sqlite_ops, db, out, err);
}
