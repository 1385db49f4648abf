#include "catalog_tables.h"

const struct pd_table pd_tables[PD_TABLE_COUNT] = {
    {"dump", "id", {{"id", PD_COLUMN_NUMBER}, {"uuid", PD_COLUMN_TEXT}, {"name", PD_COLUMN_TEXT}, {"host", PD_COLUMN_TEXT}, {"pid", PD_COLUMN_NUMBER},
      {"pool", PD_COLUMN_TEXT}, {"roots", PD_COLUMN_TEXT}, {"policy", PD_COLUMN_TEXT}, {"state", PD_COLUMN_TEXT}, {"status", PD_COLUMN_TEXT},
      {"incremental", PD_COLUMN_NUMBER}, {"copies", PD_COLUMN_NUMBER}, {"started", PD_COLUMN_NUMBER}, {"finished", PD_COLUMN_NUMBER},
      {"archives", PD_COLUMN_NUMBER}, {"files", PD_COLUMN_NUMBER}, {"bytes", PD_COLUMN_NUMBER}, {"problems", PD_COLUMN_NUMBER},
      {"skipped", PD_COLUMN_NUMBER}}},
    {"applied", "dump_id", {{"dump_id", PD_COLUMN_NUMBER}, {"seq", PD_COLUMN_NUMBER}}},
    {"volume", "id", {{"id", PD_COLUMN_NUMBER}, {"label", PD_COLUMN_TEXT}, {"uuid", PD_COLUMN_TEXT}, {"pool", PD_COLUMN_TEXT},
      {"copy", PD_COLUMN_NUMBER}, {"pair", PD_COLUMN_NUMBER}, {"state", PD_COLUMN_TEXT}, {"location", PD_COLUMN_TEXT},
      {"block_size", PD_COLUMN_NUMBER}, {"used", PD_COLUMN_NUMBER}, {"tape_files", PD_COLUMN_NUMBER}, {"created", PD_COLUMN_NUMBER},
      {"last_written", PD_COLUMN_NUMBER}, {"last_verified", PD_COLUMN_NUMBER}, {"host", PD_COLUMN_TEXT},
      {"reserved_by", PD_COLUMN_TEXT}}},
    {"archive", "id", {{"id", PD_COLUMN_NUMBER}, {"dump_id", PD_COLUMN_NUMBER}, {"seq", PD_COLUMN_NUMBER}, {"name", PD_COLUMN_TEXT},
      {"record_size", PD_COLUMN_NUMBER}, {"records", PD_COLUMN_NUMBER}, {"files", PD_COLUMN_NUMBER}, {"payload_bytes", PD_COLUMN_NUMBER},
      {"payload_files", PD_COLUMN_NUMBER}, {"manifest_offset", PD_COLUMN_NUMBER}, {"record_digests", PD_COLUMN_HEX}}},
    {"copy", "id", {{"id", PD_COLUMN_NUMBER}, {"archive_id", PD_COLUMN_NUMBER}, {"volume_id", PD_COLUMN_NUMBER},
      {"copy", PD_COLUMN_NUMBER}, {"tape_file", PD_COLUMN_NUMBER}, {"state", PD_COLUMN_TEXT}, {"reason", PD_COLUMN_TEXT},
      {"message", PD_COLUMN_TEXT}, {"changed", PD_COLUMN_NUMBER}}},
    {"folder", "id", {{"id", PD_COLUMN_NUMBER}, {"path", PD_COLUMN_BYTES}}},
    {"file", "archive_id, seq", {{"archive_id", PD_COLUMN_NUMBER}, {"seq", PD_COLUMN_NUMBER}, {"folder_id", PD_COLUMN_NUMBER},
      {"name", PD_COLUMN_BYTES}, {"kind", PD_COLUMN_NUMBER}, {"state", PD_COLUMN_NUMBER}, {"mode", PD_COLUMN_NUMBER}, {"uid", PD_COLUMN_NUMBER},
      {"gid", PD_COLUMN_NUMBER}, {"size", PD_COLUMN_NUMBER}, {"mtime", PD_COLUMN_NUMBER}, {"mtime_ns", PD_COLUMN_NUMBER},
      {"ctime", PD_COLUMN_NUMBER}, {"ctime_ns", PD_COLUMN_NUMBER}, {"dev", PD_COLUMN_NUMBER}, {"ino", PD_COLUMN_NUMBER},
      {"file_offset", PD_COLUMN_NUMBER}, {"file_length", PD_COLUMN_NUMBER}, {"sha256", PD_COLUMN_HEX}, {"link", PD_COLUMN_BYTES}}},
    {"problem", "id", {{"id", PD_COLUMN_NUMBER}, {"dump_id", PD_COLUMN_NUMBER}, {"path", PD_COLUMN_BYTES}, {"status", PD_COLUMN_TEXT},
      {"errno_value", PD_COLUMN_NUMBER}, {"archived", PD_COLUMN_NUMBER}, {"message", PD_COLUMN_TEXT}}},
    {"verification", "id", {{"id", PD_COLUMN_NUMBER}, {"copy_id", PD_COLUMN_NUMBER}, {"started", PD_COLUMN_NUMBER},
      {"finished", PD_COLUMN_NUMBER}, {"mode", PD_COLUMN_TEXT}, {"status", PD_COLUMN_TEXT}, {"records", PD_COLUMN_NUMBER},
      {"bad_records", PD_COLUMN_NUMBER}, {"files", PD_COLUMN_NUMBER}, {"bad_files", PD_COLUMN_NUMBER}, {"message", PD_COLUMN_TEXT}}},
    {"damage", "id", {{"id", PD_COLUMN_NUMBER}, {"verification_id", PD_COLUMN_NUMBER}, {"record", PD_COLUMN_NUMBER},
      {"path", PD_COLUMN_BYTES}, {"status", PD_COLUMN_TEXT}}},
};

const struct pd_table *pd_table_find(const char *name)
{
    for (size_t i = 0; i < PD_TABLE_COUNT; i++) {
        if (strcmp(pd_tables[i].name, name) == 0) {
            return &pd_tables[i];
        }
    }
    return NULL;
}
