#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_priv.h"

#define FOUND_SELECT                                                                               \
    "SELECT " PD_CAT_FILE_COLUMNS ", p.id, a.id, a.seq, f.seq, p.name, a.name, p.started, p.copies" \
    " FROM file f JOIN folder d ON d.id = f.folder_id JOIN archive a ON a.id = f.archive_id"       \
    " JOIN dump p ON p.id = a.dump_id"
#define FOUND_ORDER " ORDER BY f.archive_id DESC, d.path, f.name"
/* So many folders are searched one by one, which no engine's planner can get wrong. */
enum { FEW_FOLDERS = 1000 };

/* The order of the table: nothing has to be sorted, however much there is. */
#define STORED_ORDER " ORDER BY f.archive_id DESC, f.seq"

/* Copies of the archive looked at last, by state. */
struct counts {
    int64_t archive_id;
    unsigned verified, written, bad;
};

static enum pd_status count_copies(struct pd_catalog *catalog, int64_t archive_id,
                                   struct counts *counts, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool more = true;
    enum pd_status status;

    if (counts->archive_id == archive_id) {
        return PD_OK;
    }
    *counts = (struct counts){.archive_id = archive_id};
    status = pd_cat_query(catalog, &stmt, err,
                          "SELECT state, COUNT(*) FROM copy WHERE archive_id = ? GROUP BY state",
                          "i", archive_id);
    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        unsigned n = (unsigned)pd_sql_int(stmt, 1);
        switch (pd_cat_enum(stmt, 0, pd_cat_copy_states, PD_COPY_BAD + 1)) {
        case PD_COPY_VERIFIED:
            counts->verified += n;
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
    const char *pattern; /* NULL: all rows */
    pd_found_fn fn;
    void *arg;
    struct counts counts;
    struct pd_buf buf;
};

static enum pd_status give(struct finder *finder, struct pd_sql_stmt *stmt, struct pd_error *err)
{
    struct pd_toc_file file;
    char dump[128], archive[128];
    struct pd_found found = {.file = &file, .dump_name = dump, .archive_name = archive};
    enum pd_status status = pd_cat_file_row(stmt, &finder->buf, &file, err);

    if (status != PD_OK || (finder->pattern && fnmatch(finder->pattern, file.path, 0) != 0)) {
        return status;
    }
    found.dump_id = pd_sql_int(stmt, PD_CAT_FILE_NEXT);
    found.archive_id = pd_sql_int(stmt, PD_CAT_FILE_NEXT + 1);
    found.archive_seq = (uint64_t)pd_sql_int(stmt, PD_CAT_FILE_NEXT + 2);
    found.index = (uint64_t)pd_sql_int(stmt, PD_CAT_FILE_NEXT + 3);
    pd_cat_text(stmt, PD_CAT_FILE_NEXT + 4, dump, sizeof dump);
    pd_cat_text(stmt, PD_CAT_FILE_NEXT + 5, archive, sizeof archive);
    found.dump_started = pd_sql_int(stmt, PD_CAT_FILE_NEXT + 6);
    found.copies = (unsigned)pd_sql_int(stmt, PD_CAT_FILE_NEXT + 7);
    status = count_copies(finder->catalog, found.archive_id, &finder->counts, err);
    if (status != PD_OK) {
        return status;
    }
    found.verified = finder->counts.verified;
    found.written = finder->counts.written;
    found.bad = finder->counts.bad;
    return finder->fn(finder->arg, &found, err);
}

static enum pd_status give_all(struct finder *finder, struct pd_sql_stmt *stmt,
                               struct pd_error *err)
{
    bool more = true;
    enum pd_status status = PD_OK;

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        status = give(finder, stmt, err);
    }
    pd_sql_reset(stmt);
    pd_buf_free(&finder->buf);
    return status;
}

/* Rows of one folder, by name when there is one. */
static enum pd_status find_in_folder(struct finder *finder, int64_t dump_id, const char *folder,
                                     size_t folder_len, const char *name, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t folder_id = 0;
    enum pd_status status = pd_cat_folder(finder->catalog, folder, folder_len, false, &folder_id,
                                          err);

    if (status != PD_OK || folder_id == 0) {
        return status;
    }
    if (name) {
        status = pd_cat_query(finder->catalog, &stmt, err,
                              FOUND_SELECT " WHERE f.folder_id = ? AND f.name = ?"
                                           " AND (p.id = ? OR ? = 0)" FOUND_ORDER,
                              "ibii", folder_id, name, strlen(name), dump_id, dump_id);
    } else {
        status = pd_cat_query(finder->catalog, &stmt, err,
                              FOUND_SELECT " WHERE f.folder_id = ? AND (p.id = ? OR ? = 0)"
                                           " ORDER BY f.name, f.archive_id DESC",
                              "iii", folder_id, dump_id, dump_id);
    }
    return status == PD_OK ? give_all(finder, stmt, err) : status;
}

/* Folders that may hold a match: path = low, or low + '/' <= path < low + '0' ('0' follows '/'). */
struct range {
    const char *low;
    size_t low_len;
    struct pd_buf first, end;
};

#define IN_RANGE "path = ? OR (path >= ? AND path < ?)"

static enum pd_status make_range(const char *pattern, size_t plain, struct range *range,
                                 struct pd_error *err)
{
    memset(range, 0, sizeof *range);
    pd_cat_split(pattern, plain, &range->low_len);
    range->low = pattern;
    return pd_buf_append(&range->first, pattern, range->low_len) == PD_OK &&
                   pd_buf_puts(&range->first, "/") == PD_OK &&
                   pd_buf_append(&range->end, pattern, range->low_len) == PD_OK &&
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
                     "SELECT id FROM folder WHERE " IN_RANGE " ORDER BY path LIMIT ?", "bbbi",
                     range->low, range->low_len, range->first.data, range->first.len,
                     range->end.data, range->end.len, (int64_t)FEW_FOLDERS + 1);

    *count = 0;
    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        ids[(*count)++] = pd_sql_int(stmt, 0);
    }
    pd_sql_reset(stmt);
    return status;
}

static enum pd_status find_in_range(struct finder *finder, int64_t dump_id,
                                    const struct range *range, struct pd_error *err)
{
    int64_t *ids = calloc(FEW_FOLDERS + 1, sizeof *ids);
    struct pd_sql_stmt *stmt = NULL;
    size_t count = 0;
    enum pd_status status = ids ? list_folders(finder->catalog, range, ids, &count, err)
                                : pd_error_memory(err, "folders");

    for (size_t i = 0; i < count && count <= FEW_FOLDERS && status == PD_OK; i++) {
        status = pd_cat_query(finder->catalog, &stmt, err,
                              FOUND_SELECT " WHERE f.folder_id = ? AND (p.id = ? OR ? = 0)"
                                           " ORDER BY f.archive_id DESC, f.name",
                              "iii", ids[i], dump_id, dump_id);
        status = status == PD_OK ? give_all(finder, stmt, err) : status;
    }
    free(ids);
    if (status == PD_OK && count > FEW_FOLDERS) {
        status = pd_cat_query(finder->catalog, &stmt, err,
                              FOUND_SELECT " WHERE f.folder_id IN (SELECT id FROM folder WHERE " IN_RANGE
                                           ") AND (p.id = ? OR ? = 0)" STORED_ORDER,
                              "bbbii", range->low, range->low_len, range->first.data,
                              range->first.len, range->end.data, range->end.len, dump_id, dump_id);
        status = status == PD_OK ? give_all(finder, stmt, err) : status;
    }
    return status;
}

/* Folders that can hold a match begin with the pattern's text before its first special byte, up to
 * the last slash in it. The top folder covers all. */
static enum pd_status find_by_glob(struct finder *finder, int64_t dump_id, size_t plain,
                                   struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct range range;
    enum pd_status status = make_range(finder->pattern, plain, &range, err);

    if (status == PD_OK && range.low_len > 1) {
        status = find_in_range(finder, dump_id, &range, err);
    } else if (status == PD_OK) {
        status = pd_cat_query(finder->catalog, &stmt, err,
                              FOUND_SELECT " WHERE (p.id = ? OR ? = 0)" STORED_ORDER, "ii", dump_id,
                              dump_id);
        status = status == PD_OK ? give_all(finder, stmt, err) : status;
    }
    pd_buf_free(&range.first);
    pd_buf_free(&range.end);
    return status;
}

enum pd_status pd_catalog_find(struct pd_catalog *catalog, int64_t dump_id, const char *path_glob,
                               pd_found_fn fn, void *arg, struct pd_error *err)
{
    struct finder finder = {.catalog = catalog, .fn = fn, .arg = arg};
    size_t len = strlen(path_glob);
    size_t plain = strcspn(path_glob, "*?[");
    size_t folder_len;

    if (plain == len) {
        const char *name = pd_cat_split(path_glob, len, &folder_len);
        return find_in_folder(&finder, dump_id, path_glob, folder_len, name, err);
    }
    finder.pattern = path_glob;
    plain = strcspn(path_glob, "*?[\\"); /* in a pattern a backslash quotes */
    return find_by_glob(&finder, dump_id, plain, err);
}

enum pd_status pd_catalog_ls(struct pd_catalog *catalog, int64_t dump_id, const char *folder,
                             pd_found_fn fn, void *arg, struct pd_error *err)
{
    struct finder finder = {.catalog = catalog, .fn = fn, .arg = arg};

    return find_in_folder(&finder, dump_id, folder, strlen(folder), NULL, err);
}

/* ---- held ---- */

/* Another file may come to stand at a path, by a renamed folder, with the same size and times: files
 * written at the same instant have these. 0: the source has no such numbers. */
static bool same_inode(uint64_t ino, const struct pd_item *item)
{
    return ino == item->ino || ino == 0 || item->ino == 0;
}

static bool unchanged(struct pd_sql_stmt *stmt, const struct pd_item *item)
{
    char kind = (char)pd_sql_int(stmt, 0);

    kind = kind == PD_KIND_HARDLINK ? PD_KIND_FILE : kind;
    return kind == item->kind && (uint64_t)pd_sql_int(stmt, 2) == item->size &&
           pd_sql_int(stmt, 3) == item->mtime && pd_sql_int(stmt, 4) == item->mtime_ns &&
           pd_sql_int(stmt, 5) == item->ctime && pd_sql_int(stmt, 6) == item->ctime_ns &&
           same_inode((uint64_t)pd_sql_int(stmt, 9), item);
}

static enum pd_status judge(struct pd_catalog *catalog, int64_t archive_id, unsigned copies,
                            struct counts *counts, enum pd_status *why, struct pd_error *err)
{
    enum pd_status status = count_copies(catalog, archive_id, counts, err);

    if (status != PD_OK) {
        return status;
    }
    if (copies > 0 && counts->verified >= copies && counts->bad == 0 && counts->written == 0) {
        *why = PD_OK;
    } else if (counts->bad > 0 || counts->verified + counts->written < copies) {
        *why = PD_DEGRADED;
    } else {
        *why = PD_UNVERIFIED;
    }
    return PD_OK;
}

/* How near to safe a reason is: of several rows the nearest answers. */
static int nearness(enum pd_status why)
{
    static const enum pd_status order[] = {PD_NOT_FOUND, PD_SOURCE_CHANGED, PD_DEGRADED,
                                           PD_UNVERIFIED, PD_OK};
    int n = 0;

    for (int i = 0; i < (int)(sizeof order / sizeof order[0]); i++) {
        n = order[i] == why ? i : n;
    }
    return n;
}

enum pd_status pd_catalog_held(struct pd_catalog *catalog, const struct pd_item *item,
                               unsigned copies, enum pd_status *why, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct counts counts = {0};
    size_t folder_len;
    int64_t folder_id = 0;
    bool more = true;
    const char *name = pd_cat_split(item->path, item->path_len, &folder_len);
    enum pd_status status = pd_cat_folder(catalog, item->path, folder_len, false, &folder_id, err);

    *why = PD_NOT_FOUND;
    if (status != PD_OK || folder_id == 0) {
        return status;
    }
    status = pd_cat_query(catalog, &stmt, err,
                          "SELECT f.kind, f.state, f.size, f.mtime, f.mtime_ns, f.ctime,"
                          " f.ctime_ns, f.archive_id, p.copies, f.ino FROM file f"
                          " JOIN archive a ON a.id = f.archive_id JOIN dump p ON p.id = a.dump_id"
                          " WHERE f.folder_id = ? AND f.name = ? ORDER BY f.archive_id DESC",
                          "ib", folder_id, name, strlen(name));
    while (status == PD_OK && *why != PD_OK &&
           (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        enum pd_status here = PD_SOURCE_CHANGED;
        if (pd_sql_int(stmt, 1) == PD_WHOLE && unchanged(stmt, item)) {
            unsigned asked = (unsigned)pd_sql_int(stmt, 8);
            status = judge(catalog, pd_sql_int(stmt, 7), asked > copies ? asked : copies, &counts,
                           &here, err);
        }
        *why = nearness(here) > nearness(*why) ? here : *why;
    }
    pd_sql_reset(stmt);
    if (status != PD_OK) {
        *why = PD_INTERNAL;
    }
    return status;
}
