#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "catalog_tables.h"

static enum pd_status put_column(struct pd_buf *line, struct pd_sql_stmt *stmt, unsigned i,
                                 enum pd_column_type type)
{
    size_t len = 0;
    const uint8_t *bytes;

    if (type == PD_COLUMN_NUMBER) {
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

static enum pd_status export_table(struct pd_catalog *catalog, const struct pd_table *table,
                                   FILE *out, uint64_t *rows, struct pd_error *err)
{
    struct pd_buf sql = PD_BUF_INIT;
    struct pd_buf line = PD_BUF_INIT;
    struct pd_sql_stmt *stmt = NULL;
    bool more = true;
    enum pd_status status = pd_buf_puts(&sql, "SELECT ");

    for (unsigned i = 0; status == PD_OK && table->columns[i].name; i++) {
        status = pd_buf_printf(&sql, "%s%s", i ? ", " : "", table->columns[i].name);
    }
    if (status == PD_OK) {
        status = pd_buf_printf(&sql, " FROM %s ORDER BY %s", table->name, table->order);
    }
    status = status == PD_OK ? pd_cat_query(catalog, &stmt, err, sql.data, "")
                             : pd_error_memory(err, "export");
    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        pd_buf_clear(&line);
        if (put_row(&line, stmt, table) != PD_OK) {
            status = pd_error_memory(err, "export");
        } else if (fwrite(line.data, 1, line.len, out) != line.len) {
            status = pd_error_set(err, pd_status_from_errno(errno), errno,
                                  "cannot write the export");
        }
        ++*rows;
    }
    pd_sql_reset(stmt);
    pd_buf_free(&sql);
    pd_buf_free(&line);
    return status;
}

enum pd_status pd_catalog_export(struct pd_catalog *catalog, FILE *out, struct pd_error *err)
{
    uint64_t rows = 0;
    enum pd_status status = PD_OK;

    if (fprintf(out, "pairdump-catalog\tschema=%u\n", catalog->schema) < 0) {
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot write the export");
    }
    for (size_t i = 0; i < PD_TABLE_COUNT && status == PD_OK; i++) {
        status = export_table(catalog, &pd_tables[i], out, &rows, err);
    }
    if (status == PD_OK && (fprintf(out, "end\trows=%" PRIu64 "\n", rows) < 0 || fflush(out) != 0)) {
        status = pd_error_set(err, pd_status_from_errno(errno), errno, "cannot write the export");
    }
    return status;
}
