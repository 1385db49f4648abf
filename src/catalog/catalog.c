#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_priv.h"
#include "pairdump/activity.h"
#include "pairdump/text.h"
#include "schema.h"

const char *const pd_cat_dump_states[] = {"initialize", "list", "write", "verify", "done"};
const char *const pd_cat_copy_states[] = {"writing", "written", "verified", "bad"};
const char *const pd_cat_volume_states[] = {"appendable", "full", "reserved", "retired",
                                            "scratch",    "gone", "bad"};

const char *pd_dump_state_name(enum pd_dump_state state)
{
    return (unsigned)state <= PD_DUMP_DONE ? pd_cat_dump_states[state] : "?";
}

const char *pd_copy_state_name(enum pd_copy_state state)
{
    return (unsigned)state <= PD_COPY_BAD ? pd_cat_copy_states[state] : "?";
}

const char *pd_volume_state_name(enum pd_volume_state state)
{
    return (unsigned)state <= PD_VOLUME_BAD ? pd_cat_volume_states[state] : "?";
}

/* Messages may quote paths of any bytes; a column of text holds UTF-8 only. */
static enum pd_status bind_text(struct pd_sql_stmt *stmt, unsigned index, const char *text,
                                struct pd_error *err)
{
    struct pd_buf clean = PD_BUF_INIT;
    enum pd_status status = PD_OK;

    if (!pd_text_is_utf8(text)) {
        status = pd_escape_utf8(&clean, text, strlen(text)) == PD_OK ? PD_OK
                                                                     : pd_error_memory(err, "text");
        text = clean.data;
    }
    if (status == PD_OK) {
        status = pd_sql_bind_text(stmt, index, text, err);
    }
    pd_buf_free(&clean);
    return status;
}

static enum pd_status bind_all(struct pd_sql_stmt *stmt, const char *fmt, va_list ap,
                               struct pd_error *err)
{
    enum pd_status status = PD_OK;
    const void *bytes;

    for (unsigned i = 0; fmt[i] && status == PD_OK; i++) {
        switch (fmt[i]) {
        case 'i':
            status = pd_sql_bind_int(stmt, i + 1, va_arg(ap, int64_t), err);
            break;
        case 's':
            status = bind_text(stmt, i + 1, va_arg(ap, const char *), err);
            break;
        case 'b':
            bytes = va_arg(ap, const void *);
            status = pd_sql_bind_blob(stmt, i + 1, bytes, va_arg(ap, size_t), err);
            break;
        default:
            status = pd_sql_bind_null(stmt, i + 1, err);
        }
    }
    return status;
}

enum pd_status pd_cat_query(struct pd_catalog *catalog, struct pd_sql_stmt **stmt,
                            struct pd_error *err, const char *sql, const char *fmt, ...)
{
    enum pd_status status = pd_sql_get(catalog->sql, sql, stmt, err);
    va_list ap;

    if (status != PD_OK) {
        *stmt = NULL;
        return status;
    }
    va_start(ap, fmt);
    status = bind_all(*stmt, fmt, ap, err);
    va_end(ap);
    if (status != PD_OK) {
        pd_sql_reset(*stmt);
        *stmt = NULL;
    }
    return status;
}

enum pd_status pd_cat_run(struct pd_catalog *catalog, struct pd_error *err, const char *sql,
                          const char *fmt, ...)
{
    struct pd_sql_stmt *stmt = NULL;
    enum pd_status status = pd_sql_get(catalog->sql, sql, &stmt, err);
    va_list ap;

    if (status != PD_OK) {
        return status;
    }
    va_start(ap, fmt);
    status = bind_all(stmt, fmt, ap, err);
    va_end(ap);
    if (status != PD_OK) {
        pd_sql_reset(stmt);
        return status;
    }
    return pd_sql_run(stmt, err);
}

enum pd_status pd_cat_end_rows(struct pd_sql_stmt *stmt, enum pd_status status,
                               struct pd_error *err)
{
    if (status == PD_OK) {
        return pd_sql_end_rows(stmt, err);
    }
    pd_sql_reset(stmt);
    return status;
}

enum pd_status pd_cat_expect_row(struct pd_catalog *catalog, const char *what,
                                 struct pd_error *err)
{
    return pd_sql_changes(catalog->sql) == 1
               ? PD_OK
               : pd_error_set(err, PD_CATALOG, 0, "the catalog has lost its row of the %s", what);
}

enum pd_status pd_cat_number(struct pd_sql_stmt *stmt, int64_t *out, struct pd_error *err)
{
    bool row = false;
    enum pd_status status = pd_sql_step(stmt, &row, err);

    *out = status == PD_OK && row ? pd_sql_int(stmt, 0) : 0;
    pd_sql_reset(stmt);
    return status;
}

enum pd_status pd_cat_added(struct pd_catalog *catalog, enum pd_status status, const char *find,
                            const char *uuid, int64_t *id, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_error why = *err;
    int64_t found = 0;

    if (status == PD_OK) {
        *id = pd_sql_last_id(catalog->sql);
    }
    if (status != PD_EXISTS || !catalog->unsure) {
        return status;
    }
    pd_error_clear(err);
    status = pd_cat_query(catalog, &stmt, err, find, "s", uuid);
    if (status == PD_OK) {
        status = pd_cat_number(stmt, &found, err);
    }
    if (status == PD_OK && found == 0) { /* something else of it is there: its name, its label */
        *err = why;
        return why.status;
    }
    *id = found;
    return status;
}

/* ---- transactions ---- */

struct transaction {
    struct pd_catalog *catalog;
    enum pd_cat_again again;
    pd_catalog_fn fn;
    void *arg;
};

static enum pd_status run_within(struct pd_catalog *catalog, pd_catalog_fn fn, void *arg,
                                 struct pd_error *err)
{
    enum pd_status status;

    catalog->depth++;
    status = fn(catalog, arg, err);
    catalog->depth--;
    catalog->doomed = catalog->doomed || status != PD_OK;
    return status;
}

static enum pd_status try_transaction(void *arg, struct pd_error *err)
{
    const struct transaction *t = arg;
    struct pd_catalog *catalog = t->catalog;
    enum pd_status status = pd_sql_begin(catalog->sql, err);

    if (status != PD_OK) {
        return status;
    }
    catalog->doomed = false;
    status = run_within(catalog, t->fn, t->arg, err);
    if (status == PD_OK && catalog->doomed) {
        status = pd_error_set(err, PD_INTERNAL, 0, "a transaction went on after a failure in it");
    }
    if (status == PD_OK) {
        status = pd_sql_commit(catalog->sql, err);
    } else {
        pd_sql_rollback(catalog->sql);
    }
    if (status != PD_OK) {
        pd_cat_forget_folders(catalog);
    }
    if (status == PD_COMMIT_UNKNOWN && t->again != PD_CAT_ONCE) {
        catalog->unsure = true;
        err->status = status = PD_CATALOG_LOST;
    }
    return status;
}

/* Outlasts the start of a server; SQLite waits by itself in each try. */
static const struct pd_retry retry = {8, UINT64_C(200000000), UINT64_C(5000000000), 200, 20};

enum pd_status pd_cat_transaction(struct pd_catalog *catalog, enum pd_cat_again again,
                                  pd_catalog_fn fn, void *arg, struct pd_error *err)
{
    struct transaction t = {catalog, again, fn, arg};
    const struct pd_activity activity = {
        .name = "catalog",
        .run = try_transaction,
        .arg = &t,
        .retry = again == PD_CAT_ONCE || catalog->once ? PD_RETRY_ONCE : retry,
    };
    enum pd_status status;

    if (catalog->depth > 0) {
        return run_within(catalog, fn, arg, err);
    }
    catalog->unsure = false;
    status = pd_activity_run(catalog->env, &activity, err);
    if (pd_status_retryable(status) && catalog->unsure && again == PD_CAT_LOOK) {
        err->status = status = PD_COMMIT_UNKNOWN;
    }
    return status;
}

static enum pd_status begin_read(void *arg, struct pd_error *err)
{
    struct pd_catalog *catalog = arg;

    return pd_sql_begin_read(catalog->sql, err);
}

enum pd_status pd_cat_begin_read(struct pd_catalog *catalog, struct pd_error *err)
{
    const struct pd_activity activity = {
        .name = "catalog", .run = begin_read, .arg = catalog, .retry = retry};

    return pd_activity_run(catalog->env, &activity, err);
}

/* ---- columns ---- */

void pd_cat_text(struct pd_sql_stmt *stmt, unsigned column, char *out, size_t size)
{
    size_t len = 0;
    const void *bytes = pd_sql_bytes(stmt, column, &len);

    len = len < size ? len : size - 1;
    memcpy(out, bytes, len);
    out[len] = '\0';
}

enum pd_status pd_cat_status(struct pd_sql_stmt *stmt, unsigned column)
{
    enum pd_status status;
    char name[64];

    pd_cat_text(stmt, column, name, sizeof name);
    return pd_status_parse(name, &status) ? status : PD_INTERNAL;
}

int pd_cat_enum(struct pd_sql_stmt *stmt, unsigned column, const char *const *names, int count)
{
    char name[32];

    pd_cat_text(stmt, column, name, sizeof name);
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return count - 1; /* the last of each table is the one that nothing relies on */
}

/* The engine is what the URL begins with. */
static enum pd_status open_session(const struct pd_env *env, const char *url, bool create,
                                   struct pd_catalog *catalog, struct pd_error *err)
{
    static const char lite[] = "sqlite:", my[] = "mysql:";

    if (strncmp(url, my, sizeof my - 1) == 0 && url[sizeof my - 1] != '\0') {
        return pd_sql_mysql_open(env, url + sizeof my - 1, &catalog->sql, err);
    }
    if (strncmp(url, lite, sizeof lite - 1) != 0 || url[sizeof lite - 1] == '\0') {
        return pd_error_set(err, PD_USAGE, 0,
                            "the catalog is sqlite:PATH or mysql:CREDENTIALS, not \"%s\"", url);
    }
    catalog->path = url + sizeof lite - 1;
    return pd_sql_sqlite_open(env, catalog->path, create, &catalog->sql, err);
}

/* Its steps are repeated harmlessly: each asks for the version first. */
static enum pd_status migrate(void *arg, struct pd_error *err)
{
    struct pd_catalog *catalog = arg;
    enum pd_status status = pd_schema_migrate(catalog->sql, err);

    if (status == PD_COMMIT_UNKNOWN) {
        err->status = status = PD_CATALOG_LOST;
    }
    return status;
}

enum pd_status pd_catalog_open(const struct pd_env *env, const char *url, bool create,
                               struct pd_catalog **out, struct pd_error *err)
{
    struct pd_catalog *catalog = calloc(1, sizeof *catalog);
    const struct pd_activity making = {
        .name = "catalog", .subject = "schema", .run = migrate, .arg = catalog, .retry = retry};
    enum pd_status status;

    if (!catalog || !(catalog->url = strdup(url))) {
        free(catalog);
        return pd_error_memory(err, "catalog");
    }
    catalog->env = env;
    status = open_session(env, catalog->url, create, catalog, err);
    if (status == PD_OK) {
        status = pd_schema_version(catalog->sql, &catalog->schema, err);
    }
    if (status == PD_OK && catalog->schema == 0 && !create) {
        status = pd_error_set(err, PD_CATALOG, 0,
                              "%s holds no catalog; run pairdump catalog init",
                              catalog->path ? catalog->path : "the database");
    }
    if (status == PD_OK && catalog->schema != PD_SCHEMA_VERSION) {
        status = pd_activity_run(env, &making, err);
        catalog->schema = PD_SCHEMA_VERSION;
    }
    if (status != PD_OK) {
        pd_catalog_close(catalog);
        return status;
    }
    *out = catalog;
    return PD_OK;
}

enum pd_status pd_catalog_again(const struct pd_catalog *catalog, struct pd_catalog **out,
                                struct pd_error *err)
{
    return pd_catalog_open(catalog->env, catalog->url, false, out, err);
}

void pd_catalog_close(struct pd_catalog *catalog)
{
    if (catalog) {
        pd_cat_forget_folders(catalog);
        pd_sql_close(catalog->sql);
        free(catalog->url);
        free(catalog);
    }
}

void pd_catalog_try_once(struct pd_catalog *catalog, bool once)
{
    catalog->once = once;
}

const char *pd_catalog_path(const struct pd_catalog *catalog)
{
    return catalog->path;
}

unsigned pd_catalog_schema_version(const struct pd_catalog *catalog)
{
    return catalog->schema;
}
