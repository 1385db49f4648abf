#include <stdlib.h>
#include <string.h>

#include "pairdump/text.h"
#include "sql_mysql_priv.h"

/*
 * Rows are collected by column, and sent when there are ROWS of them or their bytes are many: as arrays
 * of values where library and server know these, which takes a third less time, else by statements
 * of MANY rows. A message stays below 1 MiB, which any server takes.
 */
enum { ROWS = 1000, MANY = 100, BYTES_MAX = 1 << 18 };

struct column {
    enum pd_sql_bind_kind kind; /* of all its values; PD_SQL_NULL until there was one */
    long long number[ROWS];     /* or where the bytes begin */
    unsigned long len[ROWS];
    char *bytes[ROWS]; /* in the rows' bytes, once these do not move any more */
    char null[ROWS];
};

struct pd_mysql_rows {
    unsigned count, column_count;
    struct column *columns;
    struct pd_buf bytes;
    MYSQL_BIND *in; /* for MANY rows */
    MYSQL_STMT *many;
    uint64_t generation; /* of the connection it was prepared on */
};

void pd_mysql_rows_clear(struct pd_mysql_rows *rows)
{
    if (rows) {
        rows->count = 0;
        pd_buf_clear(&rows->bytes);
    }
}

void pd_mysql_rows_free(struct pd_mysql_rows *rows)
{
    if (rows) {
        if (rows->many) {
            mysql_stmt_close(rows->many);
        }
        pd_buf_free(&rows->bytes);
        free(rows->columns);
        free(rows->in);
        free(rows);
    }
}

static enum pd_status make_rows(struct pd_mysql_stmt *s, struct pd_error *err)
{
    struct pd_mysql_rows *rows = calloc(1, sizeof *rows);

    if (rows) {
        rows->column_count = s->param_count;
        rows->columns = calloc(s->param_count, sizeof *rows->columns);
        rows->in = calloc((size_t)s->param_count * MANY, sizeof *rows->in);
    }
    if (!rows || !rows->columns || !rows->in) {
        pd_mysql_rows_free(rows);
        return pd_error_memory(err, "rows");
    }
    s->rows = rows;
    return PD_OK;
}

/* ---- sending ---- */

static enum enum_field_types type_of(const struct column *column)
{
    return column->kind == PD_SQL_TEXT   ? MYSQL_TYPE_STRING
           : column->kind == PD_SQL_BLOB ? MYSQL_TYPE_BLOB
                                         : MYSQL_TYPE_LONGLONG;
}

static bool has_bytes(const struct column *column)
{
    return column->kind == PD_SQL_TEXT || column->kind == PD_SQL_BLOB;
}

static void find_bytes(struct pd_mysql_rows *rows)
{
    for (unsigned c = 0; c < rows->column_count; c++) {
        struct column *column = &rows->columns[c];
        for (unsigned i = 0; i < rows->count && has_bytes(column); i++) {
            column->bytes[i] = rows->bytes.data + column->number[i];
        }
    }
}

static enum pd_status run(struct pd_mysql *my, MYSQL_STMT *stmt, MYSQL_BIND *in,
                          struct pd_error *err)
{
    if (mysql_stmt_bind_param(stmt, in) != 0 || mysql_stmt_execute(stmt) != 0) {
        return pd_mysql_stmt_fail(my, stmt, "rows", err);
    }
    return PD_OK;
}

#ifdef MARIADB_CLIENT_STMT_BULK_OPERATIONS
static enum pd_status send_arrays(struct pd_mysql *my, struct pd_mysql_stmt *s,
                                  struct pd_error *err)
{
    struct pd_mysql_rows *rows = s->rows;
    unsigned one = 0;
    enum pd_status status;

    memset(rows->in, 0, rows->column_count * sizeof *rows->in);
    for (unsigned c = 0; c < rows->column_count; c++) {
        struct column *column = &rows->columns[c];
        bool bytes = has_bytes(column);
        rows->in[c].buffer_type = type_of(column);
        rows->in[c].buffer = bytes ? (void *)column->bytes : (void *)column->number;
        rows->in[c].length = bytes ? column->len : NULL;
        rows->in[c].u.indicator = column->null;
    }
    if (mysql_stmt_attr_set(s->stmt, STMT_ATTR_ARRAY_SIZE, &rows->count) != 0) {
        return pd_mysql_stmt_fail(my, s->stmt, "rows", err);
    }
    status = run(my, s->stmt, rows->in, err);
    (void)mysql_stmt_attr_set(s->stmt, STMT_ATTR_ARRAY_SIZE, &one); /* as it was */
    return status;
}
#else
#define send_arrays send_statements
#endif

/* The INSERT of one row, its "(?,...)" repeated. */
static enum pd_status prepare_many(struct pd_mysql *my, struct pd_mysql_stmt *s,
                                   struct pd_error *err)
{
    static const char mark[] = "VALUES ";
    struct pd_mysql_rows *rows = s->rows;
    struct pd_buf text = PD_BUF_INIT;
    const char *row = strstr(s->text, mark);
    enum pd_status status = PD_OK;

    if (!row) {
        return pd_error_set(err, PD_INTERNAL, 0, "catalog: rows for what is no INSERT of values");
    }
    row += sizeof mark - 1;
    if (rows->many) {
        mysql_stmt_close(rows->many);
    }
    rows->many = mysql_stmt_init(my->db);
    status = rows->many ? pd_buf_puts(&text, s->text) : PD_NO_MEMORY;
    for (unsigned i = 1; i < MANY && status == PD_OK; i++) {
        status = pd_buf_printf(&text, ",%s", row);
    }
    if (status != PD_OK) {
        status = pd_error_memory(err, "rows");
    } else if (mysql_stmt_prepare(rows->many, text.data, (unsigned long)text.len) != 0) {
        status = pd_mysql_stmt_fail(my, rows->many, "prepare", err);
    }
    pd_buf_free(&text);
    rows->generation = status == PD_OK ? my->generation : 0;
    return status;
}

static void point_at_value(MYSQL_BIND *bind, struct column *column, unsigned row)
{
    memset(bind, 0, sizeof *bind);
    bind->buffer_type = column->null[row] ? MYSQL_TYPE_NULL : type_of(column);
    bind->buffer = has_bytes(column) ? (void *)column->bytes[row] : (void *)&column->number[row];
    bind->buffer_length = has_bytes(column) ? column->len[row] : sizeof column->number[row];
    bind->length = has_bytes(column) ? &column->len[row] : NULL;
}

static enum pd_status send_statements(struct pd_mysql *my, struct pd_mysql_stmt *s,
                                      struct pd_error *err)
{
    struct pd_mysql_rows *rows = s->rows;
    enum pd_status status = PD_OK;

    for (unsigned at = 0; at < rows->count && status == PD_OK;) {
        unsigned n = rows->count - at >= MANY ? MANY : 1;
        for (unsigned i = 0; i < n * rows->column_count; i++) {
            point_at_value(&rows->in[i], &rows->columns[i % rows->column_count],
                           at + i / rows->column_count);
        }
        if (n == MANY && rows->generation != my->generation) {
            status = prepare_many(my, s, err);
        }
        if (status == PD_OK) {
            status = run(my, n == MANY ? rows->many : s->stmt, rows->in, err);
        }
        at += n;
    }
    return status;
}

enum pd_status pd_mysql_end_rows(void *impl, void *stmt, struct pd_error *err)
{
    struct pd_mysql *my = impl;
    struct pd_mysql_stmt *s = stmt;
    enum pd_status status = pd_mysql_prepare_again(my, s, err);

    if (status == PD_OK && s->rows && s->rows->count > 0) {
        find_bytes(s->rows);
        status = my->arrays ? send_arrays(my, s, err) : send_statements(my, s, err);
    }
    pd_mysql_rows_clear(s->rows);
    return status;
}

/* ---- collecting ---- */

static enum pd_status take_value(struct pd_mysql_rows *rows, unsigned c,
                                 const struct pd_mysql_param *p, struct pd_error *err)
{
    struct column *column = &rows->columns[c];
    unsigned row = rows->count;
    bool bytes = p->kind == PD_SQL_TEXT || p->kind == PD_SQL_BLOB;

    if (p->kind != PD_SQL_NULL && column->kind == PD_SQL_NULL) {
        column->kind = p->kind;
    }
    if (p->kind != PD_SQL_NULL && p->kind != column->kind) {
        return pd_error_set(err, PD_INTERNAL, 0, "catalog: place %u changes its kind", c + 1);
    }
    column->null[row] = p->kind == PD_SQL_NULL;
    column->number[row] = bytes ? (long long)rows->bytes.len : p->number;
    column->len[row] = bytes ? p->len : 0;
    return !bytes || pd_buf_append(&rows->bytes, p->bytes, p->len) == PD_OK
               ? PD_OK
               : pd_error_memory(err, "rows");
}

enum pd_status pd_mysql_add_row(void *impl, void *stmt, struct pd_error *err)
{
    struct pd_mysql_stmt *s = stmt;
    enum pd_status status = s->rows ? PD_OK : make_rows(s, err);

    for (unsigned c = 0; c < s->param_count && status == PD_OK; c++) {
        status = take_value(s->rows, c, &s->params[c], err);
        s->params[c].kind = PD_SQL_NULL;
    }
    if (status == PD_OK && (++s->rows->count == ROWS || s->rows->bytes.len >= BYTES_MAX)) {
        status = pd_mysql_end_rows(impl, s, err);
    }
    return status;
}
