#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "catalog_tables.h"
#include "pairdump/size.h"
#include "schema.h"

/* The text under way: its lines are "table<TAB>column=value<TAB>...", columns in their order. */
struct import {
    struct pd_catalog *catalog;
    FILE *in;
    char *line;
    size_t room;
    uint64_t number, rows, schema;
    struct pd_buf value, sql;
    const struct pd_table *table; /* that sql inserts into */
};

static enum pd_status wrong(const struct import *im, const char *what, struct pd_error *err)
{
    return pd_error_set(err, PD_BAD_FORMAT, 0, "line %" PRIu64 " of the export: %s", im->number,
                        what);
}

/* The next line without its end; PD_BAD_FORMAT at the end of the text, which comes too early then. */
static enum pd_status read_line(struct import *im, struct pd_error *err)
{
    ssize_t len;

    errno = 0;
    len = getline(&im->line, &im->room, im->in);
    im->number++;
    if (len < 0 && ferror(im->in)) {
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot read the export");
    }
    if (len <= 0 || im->line[len - 1] != '\n' || strlen(im->line) != (size_t)len) {
        return wrong(im, "it is cut off here, or no text", err);
    }
    im->line[len - 1] = '\0';
    return PD_OK;
}

static enum pd_status bind_hex(struct import *im, struct pd_sql_stmt *stmt, unsigned at,
                               const char *text, struct pd_error *err)
{
    size_t len = strlen(text) / 2;
    char *bytes = malloc(len + 1);
    enum pd_status status = bytes ? PD_OK : pd_error_memory(err, "import");

    if (status == PD_OK && (strlen(text) % 2 != 0 || !pd_hex_decode(text, bytes, len))) {
        status = wrong(im, "a value is not in hex", err);
    }
    if (status == PD_OK) {
        status = pd_sql_bind_blob(stmt, at, bytes, len, err);
    }
    free(bytes);
    return status;
}

static enum pd_status bind_value(struct import *im, struct pd_sql_stmt *stmt, unsigned at,
                                 enum pd_column_type type, const char *text, struct pd_error *err)
{
    int64_t number;

    if (type == PD_COLUMN_NUMBER || type == PD_COLUMN_LATER) {
        return pd_parse_i64(text, &number) ? pd_sql_bind_int(stmt, at, number, err)
                                           : wrong(im, "a value is not a number", err);
    }
    if (type == PD_COLUMN_HEX) {
        return bind_hex(im, stmt, at, text, err);
    }
    pd_buf_clear(&im->value);
    if (!pd_unescape(text, strlen(text), &im->value)) {
        return wrong(im, "a value has a wrong escape", err);
    }
    const char *bytes = im->value.data ? im->value.data : "";
    return type == PD_COLUMN_TEXT ? pd_sql_bind_text(stmt, at, bytes, err)
                                  : pd_sql_bind_blob(stmt, at, bytes, im->value.len, err);
}

/* INSERT of all columns; a folder's hash comes last. */
static enum pd_status make_insert(struct import *im, const struct pd_table *table,
                                  struct pd_error *err)
{
    bool folder = strcmp(table->name, "folder") == 0;
    unsigned count = 0;
    enum pd_status status;

    pd_buf_clear(&im->sql);
    im->table = table;
    status = pd_buf_printf(&im->sql, "INSERT INTO %s (", table->name);
    for (; table->columns[count].name && status == PD_OK; count++) {
        status = pd_buf_printf(&im->sql, "%s%s", count ? ", " : "", table->columns[count].name);
    }
    if (status == PD_OK) {
        status = pd_buf_puts(&im->sql, folder ? ", hash) VALUES (?" : ") VALUES (?");
    }
    for (unsigned i = folder ? 0 : 1; i < count && status == PD_OK; i++) {
        status = pd_buf_puts(&im->sql, ",?");
    }
    if (status == PD_OK) {
        status = pd_buf_puts(&im->sql, ")");
    }
    return status == PD_OK ? PD_OK : pd_error_memory(err, "import");
}

/* A column that stands not in the line: NULL, unless it came with a later schema. */
static enum pd_status bind_missing(struct import *im, struct pd_sql_stmt *stmt, unsigned at,
                                   enum pd_column_type type, struct pd_error *err)
{
    bool older = im->schema < im->catalog->schema;

    if (older && type == PD_COLUMN_TEXT) {
        return pd_sql_bind_text(stmt, at, "", err);
    }
    return older && type == PD_COLUMN_LATER ? pd_sql_bind_int(stmt, at, 0, err)
                                            : pd_sql_bind_null(stmt, at, err);
}

/* Binds the fields of a line, which stand in the order of the columns; one left out is NULL. */
static enum pd_status bind_fields(struct import *im, struct pd_sql_stmt *stmt, char *fields,
                                  struct pd_error *err)
{
    const struct pd_column *columns = im->table->columns;
    enum pd_status status = PD_OK;
    char *field = strsep(&fields, "\t");
    unsigned i = 0;

    for (; columns[i].name && status == PD_OK; i++) {
        size_t len = strlen(columns[i].name);
        if (field && strncmp(field, columns[i].name, len) == 0 && field[len] == '=') {
            status = bind_value(im, stmt, i + 1, columns[i].type, field + len + 1, err);
            field = strsep(&fields, "\t");
        } else {
            status = bind_missing(im, stmt, i + 1, columns[i].type, err);
        }
    }
    if (status == PD_OK && field) {
        return wrong(im, "a column that the table does not have, or twice", err);
    }
    if (status == PD_OK && strcmp(im->table->name, "folder") == 0) {
        status = pd_sql_bind_int(stmt, i + 1,
                                 pd_cat_folder_hash(im->value.data, im->value.len), err);
    }
    return status;
}

static enum pd_status import_row(struct import *im, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    char *fields = im->line;
    const struct pd_table *table = pd_table_find(strsep(&fields, "\t"));
    enum pd_status status = table ? PD_OK : wrong(im, "no such table", err);

    pd_buf_clear(&im->value);
    if (status == PD_OK && table != im->table) {
        status = make_insert(im, table, err);
    }
    if (status == PD_OK) {
        status = pd_sql_get(im->catalog->sql, im->sql.data, &stmt, err);
    }
    if (status == PD_OK) {
        status = bind_fields(im, stmt, fields, err);
    }
    if (status == PD_OK) {
        status = pd_sql_run(stmt, err);
    } else {
        pd_sql_reset(stmt);
    }
    if (status == PD_CATALOG || status == PD_EXISTS) {
        struct pd_error why = *err;
        return wrong(im, why.message, err);
    }
    im->rows++;
    return status;
}

static enum pd_status expect_empty(struct pd_catalog *catalog, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool row = false;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT 1 FROM dump UNION SELECT 1 FROM volume UNION SELECT 1 FROM folder", "");

    if (status == PD_OK) {
        status = pd_sql_step(stmt, &row, err);
    }
    pd_sql_reset(stmt);
    return status == PD_OK && row
               ? pd_error_set(err, PD_EXISTS, 0,
                              "the catalog is not empty; import into one made by catalog init")
               : status;
}

/* Older ones are taken as a migration would. */
static enum pd_status read_head(struct import *im, struct pd_error *err)
{
    static const char head[] = "pairdump-catalog\tschema=";
    size_t len = sizeof head - 1;
    enum pd_status status = read_line(im, err);

    if (status == PD_OK &&
        (strncmp(im->line, head, len) != 0 || !pd_parse_u64(im->line + len, &im->schema) ||
         im->schema == 0 || im->schema > im->catalog->schema)) {
        status = wrong(im, "it is no export of a catalog that this program knows", err);
    }
    return status;
}

static enum pd_status import_all(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct import *im = arg;
    char last[64];
    enum pd_status status = expect_empty(catalog, err);

    if (status == PD_OK) {
        status = read_head(im, err);
    }
    while (status == PD_OK && (status = read_line(im, err)) == PD_OK &&
           strncmp(im->line, "end\t", 4) != 0) {
        status = import_row(im, err);
        if (status == PD_OK) {
            status = pd_env_check(catalog->env, err);
        }
    }
    snprintf(last, sizeof last, "end\trows=%" PRIu64, im->rows);
    if (status == PD_OK && strcmp(im->line, last) != 0) {
        status = wrong(im, "rows are missing", err);
    }
    if (status == PD_OK && getc(im->in) != EOF) {
        status = wrong(im, "more follows behind the end", err);
    }
    return status == PD_OK ? pd_schema_amend(catalog->sql, im->schema, err) : status;
}

enum pd_status pd_catalog_import(struct pd_catalog *catalog, FILE *in, uint64_t *rows,
                                 struct pd_error *err)
{
    struct import im = {.catalog = catalog, .in = in};
    enum pd_status status = pd_cat_transaction(catalog, PD_CAT_ONCE, import_all, &im, err);

    *rows = im.rows;
    free(im.line);
    pd_buf_free(&im.value);
    pd_buf_free(&im.sql);
    return status;
}
