#include <stdio.h>

#include "catalog_priv.h"

/* Each query gives one row per contradiction, whose columns the format names: %s text, %d number. */
static const struct {
    const char *sql;
    const char *text; /* followed by the columns, joined by spaces */
} rules[] = {
    {"SELECT v.label, a.name FROM copy c JOIN archive a ON a.id = c.archive_id"
     " JOIN volume v ON v.id = c.volume_id WHERE c.state = 'verified' AND NOT EXISTS"
     " (SELECT 1 FROM verification w WHERE w.copy_id = c.id AND w.status = 'ok'"
     " AND w.mode = 'full')",
     "verified, but no full verification says so:"},
    {"SELECT v.label, a.name FROM copy c JOIN archive a ON a.id = c.archive_id"
     " JOIN volume v ON v.id = c.volume_id WHERE c.state = 'verified' AND EXISTS"
     " (SELECT 1 FROM verification w WHERE w.copy_id = c.id AND w.status = 'ok'"
     " AND w.mode = 'full') AND NOT EXISTS (SELECT 1 FROM verification w"
     " WHERE w.copy_id = c.id AND w.status = 'ok' AND w.mode = 'full'"
     " AND w.finished = c.changed)",
     "verified at a time at which no full verification ended:"},
    {"SELECT v.label, a.name FROM copy c JOIN archive a ON a.id = c.archive_id"
     " JOIN volume v ON v.id = c.volume_id JOIN dump d ON d.id = a.dump_id"
     " WHERE c.state = 'writing' AND d.state = 'done'"
     " AND (d.finished = 0 OR c.changed <= d.finished)",
     "still being written, but its dump is done:"},
    {"SELECT v.label, a.name FROM copy c JOIN archive a ON a.id = c.archive_id"
     " JOIN volume v ON v.id = c.volume_id WHERE c.state IN ('written', 'verified')"
     " AND c.tape_file >= v.tape_files",
     "stands behind the last tape file of its volume:"},
    {"SELECT v.label, a.name FROM copy c JOIN copy e ON e.volume_id = c.volume_id"
     " AND e.tape_file = c.tape_file AND e.id < c.id JOIN archive a ON a.id = c.archive_id"
     " JOIN volume v ON v.id = c.volume_id WHERE c.state IN ('written', 'verified')"
     " AND e.state IN ('written', 'verified')",
     "shares a tape file with another archive:"},
    {"SELECT name FROM archive WHERE records > 0"
     " AND (record_digests IS NULL OR LENGTH(record_digests) <> 16 * records)",
     "record digests are missing or cut:"},
    {"SELECT a.name FROM archive a WHERE a.records > 0 AND a.files <>"
     " (SELECT COUNT(*) FROM file f WHERE f.archive_id = a.id)",
     "the count of files differs from its files:"},
    {"SELECT f.archive_id, f.seq FROM file f WHERE NOT EXISTS"
     " (SELECT 1 FROM archive a WHERE a.id = f.archive_id)",
     "a file belongs to no archive:"},
    {"SELECT f.archive_id, f.seq FROM file f WHERE NOT EXISTS"
     " (SELECT 1 FROM folder d WHERE d.id = f.folder_id)",
     "a file belongs to no folder:"},
    {"SELECT a.name FROM archive a WHERE a.records > 0 AND EXISTS (SELECT 1 FROM file f"
     " WHERE f.archive_id = a.id AND f.file_offset + f.file_length > a.records * a.record_size)",
     "a file reaches beyond its archive:"},
    {"SELECT d.name FROM dump d WHERE d.state = 'done' AND d.status = 'ok' AND EXISTS"
     " (SELECT 1 FROM archive a JOIN copy c ON c.archive_id = a.id WHERE a.dump_id = d.id"
     " AND c.state = 'writing' AND (d.finished = 0 OR c.changed <= d.finished))",
     "ended well, with copies unfinished:"},
    {"SELECT d.name FROM dump d WHERE d.state = 'done' AND d.archives <>"
     " (SELECT COUNT(*) FROM archive a WHERE a.dump_id = d.id)",
     "the count of archives differs from its archives:"},
    {"SELECT a.name FROM archive a WHERE NOT EXISTS (SELECT 1 FROM dump d WHERE d.id = a.dump_id)",
     "an archive belongs to no dump:"},
    {"SELECT c.id FROM copy c WHERE NOT EXISTS (SELECT 1 FROM archive a WHERE a.id = c.archive_id)",
     "a copy belongs to no archive:"},
    {"SELECT c.id FROM copy c WHERE NOT EXISTS (SELECT 1 FROM volume v WHERE v.id = c.volume_id)",
     "a copy lies on no volume:"},
    {"SELECT w.id FROM verification w WHERE NOT EXISTS"
     " (SELECT 1 FROM copy c WHERE c.id = w.copy_id)",
     "a verification is of no copy:"},
    {"SELECT g.id FROM damage g WHERE NOT EXISTS"
     " (SELECT 1 FROM verification w WHERE w.id = g.verification_id)",
     "a damage was found by no verification:"},
    {"SELECT p.id FROM problem p WHERE NOT EXISTS (SELECT 1 FROM dump d WHERE d.id = p.dump_id)",
     "a problem belongs to no dump:"},
    {"SELECT name FROM dump WHERE state NOT IN"
     " ('initialize', 'list', 'write', 'verify', 'done')",
     "a dump in no known state:"},
    {"SELECT id FROM copy WHERE state NOT IN ('writing', 'written', 'verified', 'bad')",
     "a copy in no known state:"},
    {"SELECT label FROM volume WHERE state NOT IN ('appendable', 'full', 'bad', 'reserved',"
     " 'retired', 'scratch', 'gone')",
     "a volume in no known state:"},
    {"SELECT v.label, a.name FROM copy c JOIN archive a ON a.id = c.archive_id"
     " JOIN volume v ON v.id = c.volume_id WHERE v.state IN ('scratch', 'gone')"
     " AND c.state <> 'bad'",
     "counts, but its volume was given up:"},
    {"SELECT v.label, a.name FROM copy c JOIN archive a ON a.id = c.archive_id"
     " JOIN volume v ON v.id = c.volume_id WHERE c.reason = 'replaced' AND (c.state <> 'bad'"
     " OR NOT EXISTS (SELECT 1 FROM copy o WHERE o.archive_id = c.archive_id"
     " AND o.copy = c.copy AND o.id <> c.id AND o.reason <> 'replaced'))",
     "replaced, but by no other copy:"},
    {"SELECT v.label FROM volume v WHERE v.replaces <> 0 AND NOT EXISTS"
     " (SELECT 1 FROM volume o WHERE o.id = v.replaces AND o.id <> v.id)",
     "made in place of no volume:"},
    {"SELECT r.id FROM drive_report r WHERE NOT EXISTS"
     " (SELECT 1 FROM volume v WHERE v.id = r.volume_id)",
     "a drive's report is of no volume:"},
    {"SELECT label FROM volume WHERE state = 'reserved' AND (tape_files > 0 OR used > 0)",
     "reserved, and yet in use:"},
    {"SELECT a.name FROM archive a WHERE a.records = 0 AND EXISTS (SELECT 1 FROM copy c"
     " WHERE c.archive_id = a.id AND c.state IN ('written', 'verified'))",
     "written, but without records:"},
    {"SELECT f.archive_id, f.seq FROM file f WHERE f.sha256 IS NOT NULL AND LENGTH(f.sha256) <> 32",
     "a file's digest is cut:"},
    {"SELECT a.name, a.digest_algorithm FROM archive a WHERE a.digest_algorithm NOT IN"
     " ('sha256', 'sha512', 'sha3-256', 'blake2b512')",
     "digests of an algorithm that is not known:"},
    {"SELECT f.archive_id, f.seq FROM archive a JOIN file f ON f.archive_id = a.id"
     " WHERE a.digest_algorithm <> 'sha256' AND (f.sha256 IS NOT NULL OR LENGTH(f.digest) <>"
     " CASE a.digest_algorithm WHEN 'sha3-256' THEN 32 ELSE 64 END)",
     "a file's digest is cut, or not of its archive's algorithm:"},
    {"SELECT f.archive_id, f.seq FROM file f JOIN archive a ON a.id = f.archive_id"
     " WHERE f.digest IS NOT NULL AND a.digest_algorithm = 'sha256'",
     "a file's digest is not SHA-256 as its archive's are:"},
    {"SELECT a.dump_id, a.seq FROM applied a WHERE a.seq < 1 OR NOT EXISTS"
     " (SELECT 1 FROM dump d WHERE d.id = a.dump_id)",
     "journal entries taken of no dump, or none of them:"},
    {"SELECT c.kind, c.id FROM claim c WHERE NOT EXISTS"
     " (SELECT 1 FROM run r WHERE r.id = c.run_id)",
     "a claim belongs to no run:"},
    {"SELECT c.kind, c.id FROM claim c WHERE c.taken_from <> 0 AND NOT EXISTS"
     " (SELECT 1 FROM run r WHERE r.id = c.taken_from AND r.taken <> 0)",
     "a claim was taken from no run:"},
    {"SELECT c.kind, c.id, c.name FROM claim c JOIN claim e ON e.kind = c.kind AND e.host = c.host"
     " AND e.name = c.name AND e.id < c.id",
     "claimed twice:"},
    {"SELECT c.kind, c.id FROM claim c WHERE c.via <> 0 AND NOT EXISTS"
     " (SELECT 1 FROM claim e WHERE e.id = c.via AND e.run_id = c.run_id)",
     "a claim goes with none of its run:"},
    {"SELECT id, kind FROM claim WHERE kind NOT IN ('dump', 'volume', 'drive', 'source')",
     "a claim of no known kind:"},
};

struct checking {
    pd_catalog_problem_fn fn;
    void *arg;
    unsigned count;
};

static void take(void *arg, const char *text)
{
    struct checking *checking = arg;

    checking->count++;
    checking->fn(checking->arg, text);
}

static enum pd_status check_rule(struct pd_catalog *catalog, size_t rule, unsigned columns,
                                 struct checking *checking, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    char line[512], word[160];
    bool more = true;
    enum pd_status status = pd_cat_query(catalog, &stmt, err, rules[rule].sql, "");

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        int at = snprintf(line, sizeof line, "%s", rules[rule].text);
        for (unsigned i = 0; i < columns; i++) {
            pd_cat_text(stmt, i, word, sizeof word);
            at += snprintf(line + at, sizeof line - (size_t)at, " %s", word);
        }
        take(checking, line);
    }
    pd_sql_reset(stmt);
    return status;
}

static unsigned columns_of(const char *sql)
{
    const char *from = strstr(sql, " FROM ");
    unsigned n = 1;

    for (const char *c = sql; c < from; c++) {
        n += *c == ',';
    }
    return n;
}

enum pd_status pd_catalog_check(struct pd_catalog *catalog, pd_catalog_problem_fn fn, void *arg,
                                struct pd_error *err)
{
    struct checking checking = {fn, arg, 0};
    enum pd_status status = pd_sql_check(catalog->sql, take, &checking, err);

    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && status == PD_OK; i++) {
        status = check_rule(catalog, i, columns_of(rules[i].sql), &checking, err);
    }
    if (status == PD_OK && checking.count > 0) {
        status = pd_error_set(err, PD_CATALOG, 0, "%u contradictions in the catalog",
                              checking.count);
    }
    return status;
}
