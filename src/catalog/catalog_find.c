#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_priv.h"

/*
 * Each statement says which table comes first and by which index: SQLite keeps the order of CROSS
 * JOIN, and has one index to choose from; MySQL and MariaDB read what others take for a comment.
 * Their planners go by statistics, which are wrong right after much was written.
 */
#define FOUND_BY(index)                                                                            \
    "SELECT /*! STRAIGHT_JOIN */ " PD_CAT_FILE_COLUMNS                                             \
    ", p.id, a.id, a.seq, f.seq, p.name, a.name, p.started, p.copies, a.digest_algorithm"          \
    " FROM file f /*! FORCE INDEX (" index ") */"                                                  \
    " CROSS JOIN folder d /*! FORCE INDEX (PRIMARY) */ ON d.id = f.folder_id"                      \
    " CROSS JOIN archive a /*! FORCE INDEX (PRIMARY) */ ON a.id = f.archive_id"                    \
    " CROSS JOIN dump p /*! FORCE INDEX (PRIMARY) */ ON p.id = a.dump_id"
#define IN_DUMP " AND (p.id = ? OR ? = 0)"

/* So many folders are searched one by one; for more, all archives are. */
enum { FEW_FOLDERS = 10000 };

enum pd_status pd_cat_count_copies(struct pd_catalog *catalog, int64_t archive_id,
                                   struct pd_cat_counts *counts, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool more = true;
    enum pd_status status;

    if (counts->archive_id == archive_id) {
        return PD_OK;
    }
    *counts = (struct pd_cat_counts){.archive_id = archive_id};
    /* two of one number, of which media do not tell that one replaced the other, may lie at one
     * place, and are one */
    status = pd_cat_query(catalog, &stmt, err,
                          "SELECT state, COUNT(DISTINCT copy), MIN(changed), MAX(changed) FROM copy"
                          " WHERE archive_id = ? AND reason <> ? GROUP BY state",
                          "is", archive_id, pd_status_name(PD_REPLACED));
    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        unsigned n = (unsigned)pd_sql_int(stmt, 1);
        switch (pd_cat_enum(stmt, 0, pd_cat_copy_states, PD_COPY_BAD + 1)) {
        case PD_COPY_VERIFIED:
            counts->verified += n;
            counts->oldest = pd_sql_int(stmt, 2);
            counts->newest = pd_sql_int(stmt, 3);
            break;
        case PD_COPY_WRITTEN:
            counts->written += n;
            break;
        case PD_COPY_BAD:
            counts->bad += n;
            break;
        default:
            break; /* writing counts for nothing */
        }
    }
    pd_sql_reset(stmt);
    return status;
}

struct finder {
    struct pd_catalog *catalog;
    int64_t dump_id;     /* 0: all */
    const char *pattern; /* NULL: all rows */
    pd_found_fn fn;
    void *arg;
    struct pd_cat_counts counts;
    struct pd_buf buf;
    int64_t last_seq; /* of the row given last */
};

static enum pd_status give(struct finder *finder, struct pd_sql_stmt *stmt, struct pd_error *err)
{
    struct pd_toc_file file;
    char dump[128], archive[128];
    struct pd_found found = {.file = &file, .dump_name = dump, .archive_name = archive};
    enum pd_digest_alg alg = PD_DIGEST_SHA256;
    enum pd_status status = pd_cat_alg(stmt, PD_CAT_FILE_NEXT + 8, &alg, err);

    if (status == PD_OK) {
        status = pd_cat_file_row(stmt, alg, &finder->buf, &file, err);
    }
    finder->last_seq = pd_sql_int(stmt, PD_CAT_FILE_NEXT + 3);
    if (status != PD_OK || (finder->pattern && fnmatch(finder->pattern, file.path, 0) != 0)) {
        return status;
    }
    found.dump_id = pd_sql_int(stmt, PD_CAT_FILE_NEXT);
    found.archive_id = pd_sql_int(stmt, PD_CAT_FILE_NEXT + 1);
    found.archive_seq = (uint64_t)pd_sql_int(stmt, PD_CAT_FILE_NEXT + 2);
    found.index = (uint64_t)finder->last_seq;
    pd_cat_text(stmt, PD_CAT_FILE_NEXT + 4, dump, sizeof dump);
    pd_cat_text(stmt, PD_CAT_FILE_NEXT + 5, archive, sizeof archive);
    found.dump_started = pd_sql_int(stmt, PD_CAT_FILE_NEXT + 6);
    found.copies = (unsigned)pd_sql_int(stmt, PD_CAT_FILE_NEXT + 7);
    status = pd_cat_count_copies(finder->catalog, found.archive_id, &finder->counts, err);
    if (status != PD_OK) {
        return status;
    }
    found.verified = finder->counts.verified;
    found.written = finder->counts.written;
    found.bad = finder->counts.bad;
    return finder->fn(finder->arg, &found, err);
}

/* All rows of a statement; *rows: how many. */
static enum pd_status give_all(struct finder *finder, struct pd_sql_stmt *stmt, uint64_t *rows,
                               struct pd_error *err)
{
    bool more = true;
    enum pd_status status = PD_OK;

    for (*rows = 0;
         status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more; ++*rows) {
        status = give(finder, stmt, err);
    }
    pd_sql_reset(stmt);
    return status;
}

static enum pd_status give_path(struct finder *finder, int64_t folder_id, const char *name,
                                struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    uint64_t rows;
    enum pd_status status =
        pd_cat_query(finder->catalog, &stmt, err,
                     FOUND_BY("file_name") " WHERE f.folder_id = ? AND f.name = ?" IN_DUMP
                                           " ORDER BY f.archive_id DESC",
                     "ibii", folder_id, name, strlen(name), finder->dump_id, finder->dump_id);

    return status == PD_OK ? give_all(finder, stmt, &rows, err) : status;
}

/* ---- a folder, a slice of names at a time ---- */

/* The name that ends the slice behind `after`; *found false: nothing lies behind the slice. */
static enum pd_status end_of_slice(struct finder *finder, int64_t folder_id,
                                   const struct pd_buf *after, struct pd_buf *end, bool *found,
                                   struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    size_t len = 0;
    enum pd_status status =
        pd_cat_query(finder->catalog, &stmt, err,
                     "SELECT name FROM file /*! FORCE INDEX (file_name) */"
                     " WHERE folder_id = ? AND name > ? ORDER BY name LIMIT 1 OFFSET ?",
                     "ibi", folder_id, after->data, after->len, (int64_t)PD_CAT_PAGE - 1);

    *found = false;
    if (status == PD_OK) {
        status = pd_sql_step(stmt, found, err);
    }
    pd_buf_clear(end);
    if (status == PD_OK && *found) {
        const void *name = pd_sql_bytes(stmt, 0, &len);
        status = pd_buf_append(end, name, len) == PD_OK ? PD_OK : pd_error_memory(err, "name");
    }
    pd_sql_reset(stmt);
    return status;
}

#define SLICE FOUND_BY("file_name") " WHERE f.folder_id = ? AND f.name > ?"
#define SLICE_ORDER " ORDER BY f.name, f.archive_id DESC"

static enum pd_status give_slice(struct finder *finder, int64_t folder_id,
                                 const struct pd_buf *after, const struct pd_buf *end,
                                 struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    uint64_t rows;
    enum pd_status status =
        end ? pd_cat_query(finder->catalog, &stmt, err,
                           SLICE " AND f.name <= ?" IN_DUMP SLICE_ORDER, "ibbii", folder_id,
                           after->data, after->len, end->data, end->len, finder->dump_id,
                           finder->dump_id)
            : pd_cat_query(finder->catalog, &stmt, err, SLICE IN_DUMP SLICE_ORDER, "ibii",
                           folder_id, after->data, after->len, finder->dump_id, finder->dump_id);

    return status == PD_OK ? give_all(finder, stmt, &rows, err) : status;
}

/* By name, newest first. Only the top folder's own row has no name, and it lies in no folder. */
static enum pd_status give_folder(struct finder *finder, int64_t folder_id, struct pd_error *err)
{
    struct pd_buf after = PD_BUF_INIT, end = PD_BUF_INIT;
    bool more = true;
    enum pd_status status = pd_buf_puts(&after, "") == PD_OK ? PD_OK
                                                             : pd_error_memory(err, "name");

    while (status == PD_OK && more) {
        status = end_of_slice(finder, folder_id, &after, &end, &more, err);
        if (status == PD_OK) {
            status = give_slice(finder, folder_id, &after, more ? &end : NULL, err);
        }
        struct pd_buf before = after;
        after = end;
        end = before;
    }
    pd_buf_free(&after);
    pd_buf_free(&end);
    return status;
}

/* ---- patterns ---- */

/* Folders that may hold a match: path = low, or low + '/' <= path < low + '0' ('0' follows '/'). */
struct range {
    const char *low;
    size_t low_len;
    struct pd_buf first, end;
};

#define IN_RANGE "path = ? OR (path >= ? AND path < ?)"

/* Folders that can hold a match begin with the pattern's text before its first special byte, up to
 * the last slash in it. The top folder is all of that slash. */
static enum pd_status make_range(const char *pattern, size_t plain, struct range *range,
                                 struct pd_error *err)
{
    memset(range, 0, sizeof *range);
    pd_cat_split(pattern, plain, &range->low_len);
    range->low = range->low_len > 1 ? pattern : "/";
    size_t len = range->low_len > 1 ? range->low_len : 0;
    return pd_buf_append(&range->first, range->low, len) == PD_OK &&
                   pd_buf_puts(&range->first, "/") == PD_OK &&
                   pd_buf_append(&range->end, range->low, len) == PD_OK &&
                   pd_buf_puts(&range->end, "0") == PD_OK
               ? PD_OK
               : pd_error_memory(err, "pattern");
}

/* The ids of the folders in the range, in the order of their paths; *count above FEW_FOLDERS: more. */
static enum pd_status list_folders(struct pd_catalog *catalog, const struct range *range,
                                   int64_t *ids, size_t *count, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool more = true;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT id FROM (SELECT id, path FROM folder"
                     " /*! FORCE INDEX (folder_path) */ WHERE " IN_RANGE " LIMIT ?) few"
                     " ORDER BY path",
                     "bbbi", range->low, range->low_len, range->first.data, range->first.len,
                     range->end.data, range->end.len, (int64_t)FEW_FOLDERS + 1);

    *count = 0;
    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        ids[(*count)++] = pd_sql_int(stmt, 0);
    }
    pd_sql_reset(stmt);
    return status;
}

/* The archive before *id, of the dump that is asked for; 0: none. */
static enum pd_status previous_archive(struct finder *finder, int64_t *id, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool found = false;
    enum pd_status status =
        pd_cat_query(finder->catalog, &stmt, err,
                     "SELECT id FROM archive /*! FORCE INDEX (PRIMARY) */"
                     " WHERE id < ? AND (dump_id = ? OR ? = 0) ORDER BY id DESC LIMIT 1",
                     "iii", *id, finder->dump_id, finder->dump_id);

    if (status == PD_OK) {
        status = pd_sql_step(stmt, &found, err);
    }
    *id = status == PD_OK && found ? pd_sql_int(stmt, 0) : 0;
    pd_sql_reset(stmt);
    return status;
}

static enum pd_status give_archive(struct finder *finder, int64_t id, const struct range *range,
                                   struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    uint64_t rows = PD_CAT_PAGE;
    enum pd_status status = PD_OK;

    finder->last_seq = -1;
    while (status == PD_OK && rows == PD_CAT_PAGE) {
        status = pd_cat_query(finder->catalog, &stmt, err,
                              FOUND_BY("PRIMARY") " WHERE f.archive_id = ? AND f.seq > ?"
                                                  " AND (d." IN_RANGE ") ORDER BY f.seq LIMIT ?",
                              "iibbbi", id, finder->last_seq, range->low, range->low_len,
                              range->first.data, range->first.len, range->end.data,
                              range->end.len, (int64_t)PD_CAT_PAGE);
        if (status == PD_OK) {
            status = give_all(finder, stmt, &rows, err);
        }
    }
    return status;
}

/* The newest archive first. */
static enum pd_status give_archives(struct finder *finder, const struct range *range,
                                    struct pd_error *err)
{
    int64_t id = INT64_MAX;
    enum pd_status status = previous_archive(finder, &id, err);

    while (status == PD_OK && id != 0) {
        status = give_archive(finder, id, range, err);
        if (status == PD_OK) {
            status = previous_archive(finder, &id, err);
        }
    }
    return status;
}

static enum pd_status give_range(struct finder *finder, const struct range *range,
                                 struct pd_error *err)
{
    int64_t *ids = calloc(FEW_FOLDERS + 1, sizeof *ids);
    size_t count = 0;
    enum pd_status status = ids ? list_folders(finder->catalog, range, ids, &count, err)
                                : pd_error_memory(err, "folders");

    if (status == PD_OK && count > FEW_FOLDERS) {
        status = give_archives(finder, range, err);
    }
    for (size_t i = 0; i < count && count <= FEW_FOLDERS && status == PD_OK; i++) {
        status = give_folder(finder, ids[i], err);
    }
    free(ids);
    return status;
}

static enum pd_status give_glob(struct finder *finder, const char *pattern, struct pd_error *err)
{
    struct range range;
    size_t plain = strcspn(pattern, "*?[\\"); /* in a pattern a backslash quotes */
    enum pd_status status = make_range(pattern, plain, &range, err);

    finder->pattern = pattern;
    if (status == PD_OK) {
        status = range.low_len > 1 ? give_range(finder, &range, err)
                                   : give_archives(finder, &range, err);
    }
    pd_buf_free(&range.first);
    pd_buf_free(&range.end);
    return status;
}

enum pd_status pd_catalog_find(struct pd_catalog *catalog, int64_t dump_id, const char *path_glob,
                               pd_found_fn fn, void *arg, struct pd_error *err)
{
    struct finder finder = {.catalog = catalog, .dump_id = dump_id, .fn = fn, .arg = arg};
    size_t len = strlen(path_glob), folder_len;
    int64_t folder_id = 0;
    enum pd_status status;

    if (strcspn(path_glob, "*?[") < len) {
        status = give_glob(&finder, path_glob, err);
    } else {
        const char *name = pd_cat_split(path_glob, len, &folder_len);
        status = pd_cat_folder(catalog, path_glob, folder_len, false, &folder_id, err);
        if (status == PD_OK && folder_id != 0) {
            status = give_path(&finder, folder_id, name, err);
        }
    }
    pd_buf_free(&finder.buf);
    return status;
}

enum pd_status pd_catalog_ls(struct pd_catalog *catalog, int64_t dump_id, const char *folder,
                             pd_found_fn fn, void *arg, struct pd_error *err)
{
    struct finder finder = {.catalog = catalog, .dump_id = dump_id, .fn = fn, .arg = arg};
    int64_t folder_id = 0;
    enum pd_status status =
        pd_cat_folder(catalog, folder, strlen(folder), false, &folder_id, err);

    if (status == PD_OK && folder_id != 0) {
        status = give_folder(&finder, folder_id, err);
    }
    pd_buf_free(&finder.buf);
    return status;
}
