#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql_mysql_priv.h"

enum { CELL_START = 256 };

/* A column of the row at hand. */
struct pd_mysql_cell {
    bool is_number;
    long long number;
    char *bytes;
    unsigned long room, len;
    my_bool null, cut;
    char text[24]; /* of a number that is asked for as text */
};

enum pd_status pd_mysql_stmt_fail(struct pd_mysql *my, MYSQL_STMT *stmt, const char *what,
                                  struct pd_error *err)
{
    enum pd_status status =
        pd_mysql_fail(mysql_stmt_errno(stmt), mysql_stmt_error(stmt), what, err);

    my->lost = my->lost || status == PD_CATALOG_LOST;
    return status;
}

/* ---- preparing ---- */

static bool is_number(enum enum_field_types type)
{
    static const enum enum_field_types numbers[] = {
        MYSQL_TYPE_TINY,     MYSQL_TYPE_SHORT,   MYSQL_TYPE_INT24,      MYSQL_TYPE_LONG,
        MYSQL_TYPE_LONGLONG, MYSQL_TYPE_DECIMAL, MYSQL_TYPE_NEWDECIMAL,
    };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i] == type) {
            return true;
        }
    }
    return false;
}

static void point_at_cell(MYSQL_BIND *bind, struct pd_mysql_cell *cell)
{
    memset(bind, 0, sizeof *bind);
    bind->buffer_type = cell->is_number ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_BLOB;
    bind->buffer = cell->is_number ? (void *)&cell->number : cell->bytes;
    bind->buffer_length = cell->is_number ? sizeof cell->number : cell->room;
    bind->length = &cell->len;
    bind->is_null = &cell->null;
    bind->error = &cell->cut;
}

static enum pd_status make_cells(struct pd_mysql_stmt *s, struct pd_error *err)
{
    MYSQL_RES *meta = mysql_stmt_result_metadata(s->stmt);
    enum pd_status status = PD_OK;

    if (!meta) {
        return PD_OK; /* gives no rows */
    }
    unsigned count = mysql_num_fields(meta);
    s->cells = calloc(count, sizeof *s->cells);
    s->out = calloc(count, sizeof *s->out);
    if (!s->cells || !s->out) {
        status = pd_error_memory(err, "columns");
    }
    for (unsigned i = 0; i < count && status == PD_OK; i++) {
        struct pd_mysql_cell *cell = &s->cells[i];
        cell->is_number = is_number(mysql_fetch_field_direct(meta, i)->type);
        s->cell_count = i + 1;
        if (!cell->is_number) {
            cell->room = CELL_START;
            cell->bytes = malloc(cell->room);
            status = cell->bytes ? PD_OK : pd_error_memory(err, "columns");
        }
        point_at_cell(&s->out[i], cell);
    }
    mysql_free_result(meta);
    return status;
}

static enum pd_status prepare_here(struct pd_mysql *my, struct pd_mysql_stmt *s, struct pd_error *err)
{
    if (s->stmt) {
        mysql_stmt_close(s->stmt);
    }
    s->stmt = mysql_stmt_init(my->db);
    if (!s->stmt) {
        return pd_error_memory(err, "a statement");
    }
    if (mysql_stmt_prepare(s->stmt, s->text, (unsigned long)strlen(s->text)) != 0) {
        return pd_mysql_stmt_fail(my, s->stmt, "prepare", err);
    }
    s->generation = my->generation;
    return PD_OK;
}

enum pd_status pd_mysql_prepare_again(struct pd_mysql *my, struct pd_mysql_stmt *s,
                                      struct pd_error *err)
{
    enum pd_status status = pd_mysql_back(my, err);

    if (status == PD_OK && s->generation != my->generation) {
        status = prepare_here(my, s, err);
    }
    return status;
}

void pd_mysql_finalize(void *impl, void *stmt)
{
    struct pd_mysql_stmt *s = stmt;

    (void)impl;
    if (s->stmt) {
        mysql_stmt_close(s->stmt);
    }
    for (unsigned i = 0; i < s->param_count; i++) {
        free(s->params[i].bytes);
    }
    for (unsigned i = 0; i < s->cell_count; i++) {
        free(s->cells[i].bytes);
    }
    free(s->params);
    free(s->cells);
    free(s->in);
    free(s->out);
    pd_mysql_rows_free(s->rows);
    free(s->text);
    free(s);
}

enum pd_status pd_mysql_prepare(void *impl, const char *sql, void **out, struct pd_error *err)
{
    struct pd_mysql *my = impl;
    struct pd_mysql_stmt *s = calloc(1, sizeof *s);
    enum pd_status status = PD_OK;

    *out = NULL;
    if (!s || !(s->text = strdup(sql))) {
        free(s);
        return pd_error_memory(err, "a statement");
    }
    status = pd_mysql_prepare_again(my, s, err);
    if (status == PD_CATALOG_LOST && !my->in_transaction) {
        status = pd_mysql_prepare_again(my, s, err);
    }
    if (status == PD_OK) {
        unsigned long params = mysql_stmt_param_count(s->stmt);
        s->params = calloc(params + 1, sizeof *s->params);
        s->in = calloc(params + 1, sizeof *s->in);
        s->param_count = s->params ? (unsigned)params : 0;
        status = s->params && s->in ? make_cells(s, err) : pd_error_memory(err, "a statement");
    }
    if (status != PD_OK) {
        pd_mysql_finalize(my, s);
        return status;
    }
    *out = s;
    return PD_OK;
}

/* ---- running ---- */

enum pd_status pd_mysql_bind(void *impl, void *stmt, unsigned index, enum pd_sql_bind_kind kind,
                             int64_t number, const void *bytes, size_t len, struct pd_error *err)
{
    struct pd_mysql_stmt *s = stmt;

    (void)impl;
    if (index < 1 || index > s->param_count) {
        return pd_error_set(err, PD_INTERNAL, 0, "catalog: a statement has no place %u", index);
    }
    struct pd_mysql_param *p = &s->params[index - 1];
    if (len > p->room) {
        char *grown = realloc(p->bytes, len);
        if (!grown) {
            return pd_error_memory(err, "a statement");
        }
        p->bytes = grown;
        p->room = len;
    }
    if (len > 0) {
        memcpy(p->bytes, bytes, len);
    }
    p->kind = kind;
    p->number = number;
    p->len = (unsigned long)len;
    return PD_OK;
}

static void point_at_param(MYSQL_BIND *bind, struct pd_mysql_param *p)
{
    static const enum enum_field_types types[] = {
        [PD_SQL_NULL] = MYSQL_TYPE_NULL,
        [PD_SQL_INT] = MYSQL_TYPE_LONGLONG,
        [PD_SQL_TEXT] = MYSQL_TYPE_STRING,
        [PD_SQL_BLOB] = MYSQL_TYPE_BLOB,
    };
    bool bytes = p->kind == PD_SQL_TEXT || p->kind == PD_SQL_BLOB;

    memset(bind, 0, sizeof *bind);
    bind->buffer_type = types[p->kind];
    bind->buffer = bytes ? p->len > 0 ? p->bytes : "" : (void *)&p->number;
    bind->buffer_length = bytes ? p->len : sizeof p->number;
    bind->length = bytes ? &p->len : NULL;
}

static enum pd_status run_once(struct pd_mysql *my, struct pd_mysql_stmt *s, struct pd_error *err)
{
    enum pd_status status = pd_mysql_prepare_again(my, s, err);

    if (status != PD_OK) {
        return status;
    }
    for (unsigned i = 0; i < s->param_count; i++) {
        point_at_param(&s->in[i], &s->params[i]);
    }
    if ((s->param_count > 0 && mysql_stmt_bind_param(s->stmt, s->in) != 0) ||
        mysql_stmt_execute(s->stmt) != 0) {
        return pd_mysql_stmt_fail(my, s->stmt, "statement", err);
    }
    /* all rows come over at once, so that other statements can run between them */
    if (s->cell_count > 0 && (mysql_stmt_bind_result(s->stmt, s->out) != 0 ||
                              mysql_stmt_store_result(s->stmt) != 0)) {
        return pd_mysql_stmt_fail(my, s->stmt, "result", err);
    }
    my->last_id = mysql_stmt_insert_id(s->stmt);
    my->changes = mysql_stmt_affected_rows(s->stmt);
    s->ran = true;
    return PD_OK;
}

/* Values longer than their buffers are fetched once more, into larger ones. */
static enum pd_status fetch_long(struct pd_mysql *my, struct pd_mysql_stmt *s, struct pd_error *err)
{
    bool grew = false;

    for (unsigned i = 0; i < s->cell_count; i++) {
        struct pd_mysql_cell *cell = &s->cells[i];
        if (cell->is_number || cell->null || cell->len <= cell->room) {
            continue;
        }
        unsigned long len = cell->len;
        char *grown = realloc(cell->bytes, len);
        if (!grown) {
            return pd_error_memory(err, "columns");
        }
        cell->bytes = grown;
        cell->room = len;
        point_at_cell(&s->out[i], cell);
        grew = true;
        if (mysql_stmt_fetch_column(s->stmt, &s->out[i], i, 0) != 0) {
            return pd_mysql_stmt_fail(my, s->stmt, "column", err);
        }
        cell->len = len;
    }
    return grew && mysql_stmt_bind_result(s->stmt, s->out) != 0 ? pd_mysql_stmt_fail(my, s->stmt, "result", err)
                                                                : PD_OK;
}

enum pd_status pd_mysql_step(void *impl, void *stmt, bool *row, struct pd_error *err)
{
    struct pd_mysql *my = impl;
    struct pd_mysql_stmt *s = stmt;
    enum pd_status status = PD_OK;

    *row = false;
    if (!s->ran) {
        status = run_once(my, s, err);
        if (status == PD_CATALOG_LOST && !my->in_transaction) {
            status = run_once(my, s, err);
        }
    }
    if (status != PD_OK || s->cell_count == 0) {
        return status;
    }
    int got = mysql_stmt_fetch(s->stmt);
    if (got == MYSQL_NO_DATA) {
        return PD_OK;
    }
    if (got != 0 && got != MYSQL_DATA_TRUNCATED) {
        return pd_mysql_stmt_fail(my, s->stmt, "row", err);
    }
    *row = true;
    return fetch_long(my, s, err);
}

enum pd_status pd_mysql_reset(void *impl, void *stmt, struct pd_error *err)
{
    struct pd_mysql_stmt *s = stmt;

    (void)impl;
    (void)err;
    if (s->ran && s->stmt) {
        mysql_stmt_free_result(s->stmt);
    }
    s->ran = false;
    pd_mysql_rows_clear(s->rows);
    for (unsigned i = 0; i < s->param_count; i++) {
        s->params[i].kind = PD_SQL_NULL;
    }
    return PD_OK;
}

/* ---- columns ---- */

bool pd_mysql_column_null(void *impl, void *stmt, unsigned column)
{
    const struct pd_mysql_stmt *s = stmt;

    (void)impl;
    return column >= s->cell_count || s->cells[column].null;
}

int64_t pd_mysql_column_int(void *impl, void *stmt, unsigned column)
{
    const struct pd_mysql_stmt *s = stmt;

    if (pd_mysql_column_null(impl, stmt, column) || !s->cells[column].is_number) {
        return 0;
    }
    return s->cells[column].number;
}

const void *pd_mysql_column_bytes(void *impl, void *stmt, unsigned column, size_t *len)
{
    struct pd_mysql_stmt *s = stmt;

    *len = 0;
    if (pd_mysql_column_null(impl, stmt, column)) {
        return "";
    }
    struct pd_mysql_cell *cell = &s->cells[column];
    if (cell->is_number) {
        *len = (size_t)snprintf(cell->text, sizeof cell->text, "%lld", cell->number);
        return cell->text;
    }
    *len = cell->len;
    return cell->bytes;
}
