#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "catalog_tables.h"

static enum pd_status put_column(struct pd_buf *line, struct pd_sql_stmt *stmt, unsigned i,
                                 enum pd_column_type type)
{
    size_t len = 0;
    const uint8_t *bytes;

    if (type == PD_COLUMN_NUMBER || type == PD_COLUMN_LATER) {
        return pd_buf_printf(line, "%" PRId64, pd_sql_int(stmt, i));
    }
    bytes = pd_sql_bytes(stmt, i, &len);
    if (type == PD_COLUMN_TEXT || type == PD_COLUMN_BYTES) {
        return pd_escape(line, (const char *)bytes, len);
    }
    enum pd_status status = PD_OK;
    for (size_t at = 0; at < len && status == PD_OK; at++) {
        char hex[3];
        pd_hex_encode(bytes + at, 1, hex);
        status = pd_buf_append(line, hex, 2);
    }
    return status;
}

static enum pd_status put_row(struct pd_buf *line, struct pd_sql_stmt *stmt,
                              const struct pd_table *table)
{
    enum pd_status status = pd_buf_puts(line, table->name);

    for (unsigned i = 0; status == PD_OK && table->columns[i].name; i++) {
        if (pd_sql_is_null(stmt, i)) {
            continue;
        }
        status = pd_buf_printf(line, "\t%s=", table->columns[i].name);
        if (status == PD_OK) {
            status = put_column(line, stmt, i, table->columns[i].type);
        }
    }
    return status == PD_OK ? pd_buf_puts(line, "\n") : status;
}

struct export {
    struct pd_catalog *catalog;
    FILE *out;
    const struct pd_table *table; /* at hand */
    struct pd_buf sql, line;
    uint64_t rows;
};

/* A page of the table's rows, those that `owner` names, whose number in column `key` is above one. */
static enum pd_status make_query(struct export *ex, const char *owner, unsigned key)
{
    const struct pd_column *columns = ex->table->columns;
    enum pd_status status = pd_buf_puts(&ex->sql, "SELECT ");

    for (unsigned i = 0; status == PD_OK && columns[i].name; i++) {
        status = pd_buf_printf(&ex->sql, "%s%s", i ? ", " : "", columns[i].name);
    }
    return status == PD_OK
               ? pd_buf_printf(&ex->sql,
                               " FROM %s /*! FORCE INDEX (PRIMARY) */ WHERE %s%s > ? ORDER BY %s"
                               " LIMIT ?",
                               ex->table->name, owner, columns[key].name, columns[key].name)
               : status;
}

/* *after becomes the number of the last row; *more: whether the page was full. */
static enum pd_status export_page(struct export *ex, struct pd_sql_stmt *stmt, unsigned key,
                                  unsigned page, int64_t *after, bool *more, struct pd_error *err)
{
    enum pd_status status = PD_OK;
    unsigned rows = 0;
    bool row = true;

    while (status == PD_OK && (status = pd_sql_step(stmt, &row, err)) == PD_OK && row) {
        *after = pd_sql_int(stmt, key);
        pd_buf_clear(&ex->line);
        if (put_row(&ex->line, stmt, ex->table) != PD_OK) {
            status = pd_error_memory(err, "export");
        } else if (fwrite(ex->line.data, 1, ex->line.len, ex->out) != ex->line.len) {
            status = pd_error_set(err, pd_status_from_errno(errno), errno,
                                  "cannot write the export");
        }
        rows++;
    }
    pd_sql_reset(stmt);
    ex->rows += rows;
    *more = rows == page;
    return status;
}

/* By the first column, the key. Rows of archives carry the digests of their records: pages are small. */
static enum pd_status export_by_id(struct export *ex, struct pd_error *err)
{
    enum { PAGE = 100 };
    struct pd_sql_stmt *stmt = NULL;
    bool more = true;
    int64_t after = INT64_MIN;
    enum pd_status status = make_query(ex, "", 0) == PD_OK ? PD_OK
                                                           : pd_error_memory(err, "export");

    while (status == PD_OK && more) {
        status = pd_cat_query(ex->catalog, &stmt, err, ex->sql.data, "ii", after, (int64_t)PAGE);
        if (status == PD_OK) {
            status = export_page(ex, stmt, 0, PAGE, &after, &more, err);
        }
    }
    return status;
}

/* The first archive behind *id that has files; 0: none. */
static enum pd_status next_archive(struct export *ex, int64_t *id, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool found = false;
    enum pd_status status =
        pd_cat_query(ex->catalog, &stmt, err,
                     "SELECT archive_id FROM file /*! FORCE INDEX (PRIMARY) */"
                     " WHERE archive_id > ? ORDER BY archive_id LIMIT 1",
                     "i", *id);

    if (status == PD_OK) {
        status = pd_sql_step(stmt, &found, err);
    }
    *id = status == PD_OK && found ? pd_sql_int(stmt, 0) : 0;
    pd_sql_reset(stmt);
    return status;
}

/* Files have two numbers, of the archive and in it. */
static enum pd_status export_files(struct export *ex, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t id = 0;
    enum pd_status status = make_query(ex, "archive_id = ? AND ", 1) == PD_OK
                                ? next_archive(ex, &id, err)
                                : pd_error_memory(err, "export");

    while (status == PD_OK && id != 0) {
        bool more = true;
        for (int64_t after = -1; status == PD_OK && more;) {
            status = pd_cat_query(ex->catalog, &stmt, err, ex->sql.data, "iii", id, after,
                                  (int64_t)PD_CAT_PAGE);
            if (status == PD_OK) {
                status = export_page(ex, stmt, 1, PD_CAT_PAGE, &after, &more, err);
            }
        }
        if (status == PD_OK) {
            status = next_archive(ex, &id, err);
        }
    }
    return status;
}

static enum pd_status export_tables(struct pd_catalog *catalog, FILE *out, struct pd_error *err)
{
    struct export ex = {.catalog = catalog, .out = out};
    enum pd_status status = PD_OK;

    if (fprintf(out, "pairdump-catalog\tschema=%u\n", catalog->schema) < 0) {
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot write the export");
    }
    for (size_t i = 0; i < PD_TABLE_COUNT && status == PD_OK; i++) {
        ex.table = &pd_tables[i];
        pd_buf_clear(&ex.sql);
        status = strchr(ex.table->order, ',') ? export_files(&ex, err) : export_by_id(&ex, err);
    }
    pd_buf_free(&ex.sql);
    pd_buf_free(&ex.line);
    if (status == PD_OK && (fprintf(out, "end\trows=%" PRIu64 "\n", ex.rows) < 0 || fflush(out) != 0)) {
        status = pd_error_set(err, pd_status_from_errno(errno), errno, "cannot write the export");
    }
    return status;
}

/* As it is at one moment, though dumps go on meanwhile. */
enum pd_status pd_catalog_export(struct pd_catalog *catalog, FILE *out, struct pd_error *err)
{
    enum pd_status status = pd_cat_begin_read(catalog, err);

    if (status == PD_OK) {
        status = export_tables(catalog, out, err);
        pd_sql_rollback(catalog->sql);
    }
    return status;
}
