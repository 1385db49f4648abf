#include "schema.h"

#include <stdio.h>
#include <string.h>

#include "pairdump/text.h"

/*
 * In the statements, @ID is the type of a generated key, @BLOB of a short binary string that can be
 * indexed, @PATH indexes the column path, @U8 to @U32 are small unsigned numbers, @END closes a table.
 * Unsigned 64-bit values are stored as the BIGINT of the same bits.
 */
static const char *const version_1[] = {
    "CREATE TABLE schema_version (version INTEGER NOT NULL)@END",
    "INSERT INTO schema_version (version) VALUES (0)",
    "CREATE TABLE dump (id @ID, uuid VARCHAR(36) NOT NULL UNIQUE, name VARCHAR(127) NOT NULL UNIQUE,"
    " host VARCHAR(255) NOT NULL, pid BIGINT NOT NULL, pool VARCHAR(64) NOT NULL,"
    " roots VARCHAR(1023) NOT NULL, policy VARCHAR(31) NOT NULL, state VARCHAR(15) NOT NULL,"
    " status VARCHAR(31) NOT NULL, incremental INTEGER NOT NULL, copies INTEGER NOT NULL,"
    " started BIGINT NOT NULL, finished BIGINT NOT NULL, archives BIGINT NOT NULL,"
    " files BIGINT NOT NULL, bytes BIGINT NOT NULL, problems BIGINT NOT NULL,"
    " skipped BIGINT NOT NULL)@END",
    "CREATE TABLE volume (id @ID, label VARCHAR(8) NOT NULL UNIQUE,"
    " uuid VARCHAR(36) NOT NULL UNIQUE, pool VARCHAR(64) NOT NULL, copy INTEGER NOT NULL,"
    " pair BIGINT NOT NULL, state VARCHAR(15) NOT NULL, location VARCHAR(1023) NOT NULL,"
    " block_size BIGINT NOT NULL, used BIGINT NOT NULL, tape_files BIGINT NOT NULL,"
    " created BIGINT NOT NULL, last_written BIGINT NOT NULL, last_verified BIGINT NOT NULL)@END",
    "CREATE TABLE archive (id @ID, dump_id BIGINT NOT NULL REFERENCES dump (id),"
    " seq BIGINT NOT NULL, name VARCHAR(127) NOT NULL, record_size BIGINT NOT NULL,"
    " records BIGINT NOT NULL, files BIGINT NOT NULL, payload_bytes BIGINT NOT NULL,"
    " payload_files BIGINT NOT NULL, manifest_offset BIGINT NOT NULL,"
    " record_digests LONGBLOB, UNIQUE (dump_id, seq))@END",
    "CREATE TABLE copy (id @ID, archive_id BIGINT NOT NULL REFERENCES archive (id),"
    " volume_id BIGINT NOT NULL REFERENCES volume (id), copy INTEGER NOT NULL,"
    " tape_file BIGINT NOT NULL, state VARCHAR(15) NOT NULL, reason VARCHAR(31) NOT NULL,"
    " message VARCHAR(511) NOT NULL, changed BIGINT NOT NULL, UNIQUE (archive_id, volume_id))@END",
    "CREATE INDEX copy_volume ON copy (volume_id)",
    "CREATE TABLE folder (id @ID, hash BIGINT NOT NULL, path BLOB NOT NULL)@END",
    "CREATE UNIQUE INDEX folder_path ON folder (@PATH, hash)",
    "CREATE TABLE file (archive_id @U32 NOT NULL, seq @U32 NOT NULL, folder_id @U32 NOT NULL,"
    " name @BLOB NOT NULL, kind @U8 NOT NULL, state @U8 NOT NULL, mode @U16 NOT NULL,"
    " uid @U32 NOT NULL, gid @U32 NOT NULL, size BIGINT NOT NULL, mtime BIGINT NOT NULL,"
    " mtime_ns @U32 NOT NULL, ctime BIGINT NOT NULL, ctime_ns @U32 NOT NULL,"
    " dev BIGINT, ino BIGINT NOT NULL, file_offset BIGINT NOT NULL,"
    " file_length BIGINT NOT NULL, sha256 @BLOB, link BLOB, PRIMARY KEY (archive_id, seq))@ROWS",
    "CREATE INDEX file_name ON file (folder_id, name)",
    "CREATE TABLE problem (id @ID, dump_id BIGINT NOT NULL REFERENCES dump (id),"
    " path BLOB NOT NULL, status VARCHAR(31) NOT NULL, errno_value INTEGER NOT NULL,"
    " archived INTEGER NOT NULL, message VARCHAR(511) NOT NULL)@END",
    "CREATE INDEX problem_dump ON problem (dump_id)",
    "CREATE TABLE verification (id @ID, copy_id BIGINT NOT NULL REFERENCES copy (id),"
    " started BIGINT NOT NULL, finished BIGINT NOT NULL, mode VARCHAR(15) NOT NULL,"
    " status VARCHAR(31) NOT NULL, records BIGINT NOT NULL, bad_records BIGINT NOT NULL,"
    " files BIGINT NOT NULL, bad_files BIGINT NOT NULL, message VARCHAR(511) NOT NULL)@END",
    "CREATE INDEX verification_copy ON verification (copy_id)",
    "CREATE TABLE damage (id @ID, verification_id BIGINT NOT NULL REFERENCES verification (id),"
    " record BIGINT, path BLOB, status VARCHAR(31) NOT NULL)@END",
    "CREATE INDEX damage_verification ON damage (verification_id)",
    NULL,
};

/* Who is at work and has what, and how far the journals of dumps were taken. A claim's host is empty for
 * what all hosts know by one name. taken_from: run that it goes back to, 0: none; via: claim of the same
 * run for whose sake it was taken too, 0: for its own. */
static const char *const version_2[] = {
    "CREATE TABLE run (id @ID, host VARCHAR(511) NOT NULL, pid BIGINT NOT NULL,"
    " process VARCHAR(511) NOT NULL, what VARCHAR(511) NOT NULL, started BIGINT NOT NULL,"
    " heartbeat BIGINT NOT NULL, taken INTEGER NOT NULL)@END",
    "CREATE TABLE claim (id @ID, run_id BIGINT NOT NULL REFERENCES run (id),"
    " kind VARCHAR(15) NOT NULL, host VARCHAR(511) NOT NULL, name BLOB NOT NULL,"
    " taken_from BIGINT NOT NULL, via BIGINT NOT NULL)@END",
    "CREATE TABLE applied (dump_id BIGINT NOT NULL PRIMARY KEY REFERENCES dump (id),"
    " seq BIGINT NOT NULL)@END",
    NULL,
};

#define NAME_RESERVED "UPDATE volume SET state = 'reserved' WHERE state = 'bad' AND tape_files = 0"

/* Hosts may have different volumes at places of one name. */
static const char *const version_3[] = {
    "ALTER TABLE volume ADD COLUMN host VARCHAR(255) NOT NULL DEFAULT ''",
    "ALTER TABLE volume ADD COLUMN reserved_by VARCHAR(36) NOT NULL DEFAULT ''",
    NAME_RESERVED,
    NULL,
};

/* What drives told of volumes. Counts are -1 where a drive does not tell. */
static const char *const version_4[] = {
    "ALTER TABLE volume ADD COLUMN retain_until BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE volume ADD COLUMN medium VARCHAR(63) NOT NULL DEFAULT ''",
    "CREATE TABLE drive_report (id @ID, volume_id BIGINT NOT NULL REFERENCES volume (id),"
    " drive VARCHAR(1023) NOT NULL, taken BIGINT NOT NULL, source VARCHAR(15) NOT NULL,"
    " alerts VARCHAR(1023) NOT NULL, write_corrected BIGINT NOT NULL,"
    " write_uncorrected BIGINT NOT NULL, read_corrected BIGINT NOT NULL,"
    " read_uncorrected BIGINT NOT NULL)@END",
    "CREATE INDEX drive_report_volume ON drive_report (volume_id)",
    NULL,
};

/* When all of a volume was last read back is asked of its copies: what stood here was the time of
 * one. */
#define AGES_BY_COPIES "UPDATE volume SET last_verified = 0"
#define SAY_SHA256     "UPDATE archive SET digest_algorithm = 'sha256' WHERE digest_algorithm = ''"

static const char *const version_5[] = {
    /* the volume that this one was made in place of; 0: none */
    "ALTER TABLE volume ADD COLUMN replaces BIGINT NOT NULL DEFAULT 0",
    AGES_BY_COPIES,
    /* Files may have digests of other algorithms than SHA-256, one for all files of an archive. The
     * column sha256 holds what its name says; digests of others stand in digest. */
    "ALTER TABLE archive ADD COLUMN digest_algorithm VARCHAR(31) NOT NULL DEFAULT 'sha256'",
    "ALTER TABLE file ADD COLUMN digest @BLOB",
    NULL,
};

static const char *const *const steps[PD_SCHEMA_VERSION] = {version_1, version_2, version_3,
                                                            version_4, version_5};

/* Puts the engine's words for @ID, @BLOB, @ROWS and @END. */
static enum pd_status fill_in(const struct pd_sql_ops *ops, const char *text, struct pd_buf *out)
{
    const struct {
        const char *mark;
        const char *word;
    } words[] = {
        {"@ID", ops->autoincrement},
        {"@BLOB", ops->blob_type},
        {"@PATH", ops->path_key},
        {"@U8", ops->small_types[0]},
        {"@U16", ops->small_types[1]},
        {"@U32", ops->small_types[2]},
        {"@ROWS", ops->clustered_suffix},
        {"@END", ops->table_suffix},
    };
    enum pd_status status = PD_OK;

    while (*text && status == PD_OK) {
        size_t plain = strcspn(text, "@");
        status = pd_buf_append(out, text, plain);
        text += plain;
        for (size_t i = 0; *text && i < sizeof words / sizeof words[0]; i++) {
            size_t len = strlen(words[i].mark);
            if (strncmp(text, words[i].mark, len) == 0) {
                status = status == PD_OK ? pd_buf_puts(out, words[i].word) : status;
                text += len;
                break;
            }
        }
    }
    return status;
}

enum pd_status pd_schema_version(struct pd_sql *sql, unsigned *version, struct pd_error *err)
{
    static const char version_table[] = "schema_version";
    struct pd_sql_stmt *stmt = NULL;
    uint64_t known = 0, others = 0;
    bool row = false;
    enum pd_status status = pd_sql_tables(sql, version_table, &known, err);

    *version = 0;
    /* in this order: another process may be making a catalog, this table first */
    if (status == PD_OK && known == 0) {
        status = pd_sql_tables(sql, NULL, &others, err);
    }
    if (status == PD_OK && others > 0) {
        status = pd_sql_tables(sql, version_table, &known, err);
    }
    if (status == PD_OK && known == 0 && others > 0) {
        status = pd_error_set(err, PD_CATALOG, 0,
                              "the database holds other tables and no catalog; give an empty one");
    }
    if (status != PD_OK || known == 0) {
        return status;
    }
    status = pd_sql_get(sql, "SELECT MAX(version) FROM schema_version", &stmt, err);
    if (status != PD_OK) {
        return status;
    }
    status = pd_sql_step(stmt, &row, err);
    if (status == PD_OK && row) {
        *version = (unsigned)pd_sql_int(stmt, 0);
    }
    pd_sql_reset(stmt);
    return status;
}

/* The table that a statement of a step makes; false for other statements. */
static bool table_of(const char *statement, char *name, size_t size)
{
    static const char create[] = "CREATE TABLE ";
    bool makes = strncmp(statement, create, sizeof create - 1) == 0;

    if (makes) {
        const char *start = statement + sizeof create - 1;
        snprintf(name, size, "%.*s", (int)strcspn(start, " "), start);
    }
    return makes;
}

/* A table that is there: PD_CATALOG if it has rows. */
static enum pd_status expect_empty(struct pd_sql *sql, const char *name, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool row = false;
    uint64_t there = 0;
    char text[80];
    enum pd_status status = pd_sql_tables(sql, name, &there, err);

    if (status != PD_OK || there == 0) {
        return status;
    }
    snprintf(text, sizeof text, "SELECT 1 FROM %s LIMIT 1", name);
    status = pd_sql_get(sql, text, &stmt, err);
    if (status == PD_OK) {
        status = pd_sql_step(stmt, &row, err);
    }
    pd_sql_reset(stmt);
    if (status == PD_OK && row && strcmp(name, "schema_version") != 0) {
        return pd_error_set(err, PD_CATALOG, 0,
                            "the catalog's schema knows no table %s, but it has rows", name);
    }
    return status;
}

static enum pd_status drop_table(struct pd_sql *sql, const char *name, struct pd_error *err)
{
    char text[80];

    snprintf(text, sizeof text, "DROP TABLE IF EXISTS %s", name);
    return pd_sql_exec(sql, text, err);
}

/* Where tables are made outside of transactions, a step that was broken off has left some, all of them
 * empty. */
static enum pd_status drop_left_over(struct pd_sql *sql, const char *const *step,
                                     struct pd_error *err)
{
    size_t count = 0;
    enum pd_status status = PD_OK;
    char name[32];

    for (; step[count] && status == PD_OK; count++) {
        if (table_of(step[count], name, sizeof name)) {
            status = expect_empty(sql, name, err);
        }
    }
    for (size_t i = count; i > 0 && status == PD_OK; i--) {
        if (table_of(step[i - 1], name, sizeof name)) {
            status = drop_table(sql, name, err);
        }
    }
    return status;
}

/* "ALTER TABLE table ADD COLUMN column ...", and that column is there: where tables are changed
 * outside of transactions, a step that was broken off has made it. */
static enum pd_status is_made(struct pd_sql *sql, const char *statement, bool *made,
                              struct pd_error *err)
{
    char table[32], column[32], text[120];
    struct pd_error unknown = PD_ERROR_INIT;
    struct pd_sql_stmt *stmt = NULL;
    enum pd_status status;

    *made = false;
    if (sscanf(statement, "ALTER TABLE %31s ADD COLUMN %31s", table, column) != 2) {
        return PD_OK;
    }
    snprintf(text, sizeof text, "SELECT %s FROM %s LIMIT 1", column, table);
    status = pd_sql_get(sql, text, &stmt, &unknown);
    pd_sql_reset(stmt);
    *made = status == PD_OK;
    if (status != PD_OK && pd_status_retryable(status)) {
        *err = unknown;
        return status;
    }
    return PD_OK;
}

static enum pd_status run_statement(struct pd_sql *sql, const char *statement, struct pd_buf *text,
                                    struct pd_error *err)
{
    bool made = false;
    enum pd_status status =
        pd_sql_ops_of(sql)->ddl_commits ? is_made(sql, statement, &made, err) : PD_OK;

    if (status != PD_OK || made) {
        return status;
    }
    pd_buf_clear(text);
    return fill_in(pd_sql_ops_of(sql), statement, text) == PD_OK ? pd_sql_exec(sql, text->data, err)
                                                                 : pd_error_memory(err, "schema");
}

static enum pd_status run_step(struct pd_sql *sql, unsigned from, struct pd_error *err)
{
    struct pd_buf text = PD_BUF_INIT;
    enum pd_status status = pd_sql_begin(sql, err);
    unsigned now = 0;

    if (status != PD_OK) {
        return status;
    }
    /* another process may have done it while this one waited for the lock */
    status = pd_schema_version(sql, &now, err);
    if (status == PD_OK && now == from && pd_sql_ops_of(sql)->ddl_commits) {
        status = drop_left_over(sql, steps[from], err);
    }
    for (size_t i = 0; status == PD_OK && now == from && steps[from][i]; i++) {
        status = run_statement(sql, steps[from][i], &text, err);
    }
    if (status == PD_OK && now == from) {
        pd_buf_clear(&text);
        status = pd_buf_printf(&text, "UPDATE schema_version SET version = %u", from + 1) == PD_OK
                     ? pd_sql_exec(sql, text.data, err)
                     : pd_error_memory(err, "schema");
    }
    if (status == PD_OK) {
        status = pd_sql_commit(sql, err);
    } else {
        pd_sql_rollback(sql);
    }
    pd_buf_free(&text);
    return status;
}

enum pd_status pd_schema_migrate(struct pd_sql *sql, struct pd_error *err)
{
    unsigned version = 0;
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status = pd_schema_version(sql, &version, err);
    bool locked = status == PD_OK && version < PD_SCHEMA_VERSION;

    if (locked) {
        status = pd_sql_schema_lock(sql, true, err);
    }
    while (status == PD_OK && version < PD_SCHEMA_VERSION) {
        status = run_step(sql, version, err);
        if (status == PD_OK) {
            version++;
        }
    }
    if (locked) { /* it ends with the session anyway */
        (void)!pd_sql_schema_lock(sql, false, &ignored);
    }
    if (status == PD_OK && version > PD_SCHEMA_VERSION) {
        status = pd_error_set(err, PD_CATALOG, 0,
                              "the catalog has schema %u, this program knows %d; use a newer one",
                              version, PD_SCHEMA_VERSION);
    }
    return status;
}

enum pd_status pd_schema_amend(struct pd_sql *sql, uint64_t from, struct pd_error *err)
{
    enum pd_status status = from < 3 ? pd_sql_exec(sql, NAME_RESERVED, err) : PD_OK;

    if (status == PD_OK && from < 5) {
        status = pd_sql_exec(sql, AGES_BY_COPIES, err);
    }
    return status == PD_OK && from < 5 ? pd_sql_exec(sql, SAY_SHA256, err) : status;
}
