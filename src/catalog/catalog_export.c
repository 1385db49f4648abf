#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "catalog_priv.h"

enum column_type { NUMBER, TEXT, HEX };

struct column {
    const char *name;
    enum column_type type;
};

#define COLUMNS_MAX 24

static const struct table {
    const char *name;
    const char *order;
    struct column columns[COLUMNS_MAX];
} tables[] = {
    {"dump", "id", {{"id", NUMBER}, {"uuid", TEXT}, {"name", TEXT}, {"host", TEXT}, {"pid", NUMBER},
      {"pool", TEXT}, {"roots", TEXT}, {"policy", TEXT}, {"state", TEXT}, {"status", TEXT},
      {"incremental", NUMBER}, {"copies", NUMBER}, {"started", NUMBER}, {"finished", NUMBER},
      {"archives", NUMBER}, {"files", NUMBER}, {"bytes", NUMBER}, {"problems", NUMBER},
      {"skipped", NUMBER}}},
    {"volume", "id", {{"id", NUMBER}, {"label", TEXT}, {"uuid", TEXT}, {"pool", TEXT},
      {"copy", NUMBER}, {"pair", NUMBER}, {"state", TEXT}, {"location", TEXT},
      {"block_size", NUMBER}, {"used", NUMBER}, {"tape_files", NUMBER}, {"created", NUMBER},
      {"last_written", NUMBER}, {"last_verified", NUMBER}}},
    {"archive", "id", {{"id", NUMBER}, {"dump_id", NUMBER}, {"seq", NUMBER}, {"name", TEXT},
      {"record_size", NUMBER}, {"records", NUMBER}, {"files", NUMBER}, {"payload_bytes", NUMBER},
      {"payload_files", NUMBER}, {"manifest_offset", NUMBER}, {"record_digests", HEX}}},
    {"copy", "id", {{"id", NUMBER}, {"archive_id", NUMBER}, {"volume_id", NUMBER},
      {"copy", NUMBER}, {"tape_file", NUMBER}, {"state", TEXT}, {"reason", TEXT},
      {"message", TEXT}, {"changed", NUMBER}}},
    {"folder", "id", {{"id", NUMBER}, {"path", TEXT}}},
    {"file", "archive_id, seq", {{"archive_id", NUMBER}, {"seq", NUMBER}, {"folder_id", NUMBER},
      {"name", TEXT}, {"kind", NUMBER}, {"state", NUMBER}, {"mode", NUMBER}, {"uid", NUMBER},
      {"gid", NUMBER}, {"size", NUMBER}, {"mtime", NUMBER}, {"mtime_ns", NUMBER},
      {"ctime", NUMBER}, {"ctime_ns", NUMBER}, {"dev", NUMBER}, {"ino", NUMBER},
      {"file_offset", NUMBER}, {"file_length", NUMBER}, {"sha256", HEX}, {"link", TEXT}}},
    {"problem", "id", {{"id", NUMBER}, {"dump_id", NUMBER}, {"path", TEXT}, {"status", TEXT},
      {"errno_value", NUMBER}, {"archived", NUMBER}, {"message", TEXT}}},
    {"verification", "id", {{"id", NUMBER}, {"copy_id", NUMBER}, {"started", NUMBER},
      {"finished", NUMBER}, {"mode", TEXT}, {"status", TEXT}, {"records", NUMBER},
      {"bad_records", NUMBER}, {"files", NUMBER}, {"bad_files", NUMBER}, {"message", TEXT}}},
    {"damage", "id", {{"id", NUMBER}, {"verification_id", NUMBER}, {"record", NUMBER},
      {"path", TEXT}, {"status", TEXT}}},
};

static enum pd_status put_column(struct pd_buf *line, struct pd_sql_stmt *stmt, unsigned i,
                                 enum column_type type)
{
    size_t len = 0;
    const uint8_t *bytes;

    if (type == NUMBER) {
        return pd_buf_printf(line, "%" PRId64, pd_sql_int(stmt, i));
    }
    bytes = pd_sql_bytes(stmt, i, &len);
    if (type == TEXT) {
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
                              const struct table *table)
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

static enum pd_status export_table(struct pd_catalog *catalog, const struct table *table,
                                   FILE *out, struct pd_error *err)
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
    }
    pd_sql_reset(stmt);
    pd_buf_free(&sql);
    pd_buf_free(&line);
    return status;
}

enum pd_status pd_catalog_export(struct pd_catalog *catalog, FILE *out, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (fprintf(out, "pairdump-catalog\tschema=%u\n", catalog->schema) < 0) {
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot write the export");
    }
    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && status == PD_OK; i++) {
        status = export_table(catalog, &tables[i], out, err);
    }
    if (status == PD_OK && fflush(out) != 0) {
        status = pd_error_set(err, pd_status_from_errno(errno), errno, "cannot write the export");
    }
    return status;
}
