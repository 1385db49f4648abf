#include <stdlib.h>
#include <string.h>

#include "catalog_priv.h"

/* Names that one statement asks for, and archives whose counts are kept for a while. */
enum { NAMES = 64, ARCHIVES = 16 };

struct asking {
    struct pd_catalog *catalog;
    const struct pd_item *items;
    int64_t *folders; /* of the items; 0: unknown, or answered */
    const struct pd_held_terms *terms;
    struct pd_held *out;
    size_t count;
    struct pd_cat_counts counts[ARCHIVES];
};

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

/* Was each copy read back when it was asked for? Of a future one nobody knows when that was. */
static void judge_times(const struct pd_held_terms *terms, const struct pd_cat_counts *counts,
                        struct pd_held *out)
{
    bool future = terms->until != 0 && counts->newest > terms->until;

    out->verified = future ? counts->newest : counts->oldest;
    out->why = future || (terms->until != 0 && counts->oldest < terms->since) ? PD_STALE : PD_OK;
}

static enum pd_status judge(struct asking *a, int64_t archive_id, unsigned copies,
                            struct pd_held *out, struct pd_error *err)
{
    struct pd_cat_counts *counts = &a->counts[(uint64_t)archive_id % ARCHIVES];
    enum pd_status status = pd_cat_count_copies(a->catalog, archive_id, counts, err);

    if (status != PD_OK) {
        return status;
    }
    if (copies > 0 && counts->verified >= copies && counts->bad == 0 && counts->written == 0) {
        judge_times(a->terms, counts, out);
    } else if (counts->bad > 0 || counts->verified + counts->written < copies) {
        out->why = PD_DEGRADED;
    } else {
        out->why = PD_UNVERIFIED;
    }
    return PD_OK;
}

/* How near to safe a reason is: of several rows the nearest answers. */
static int nearness(enum pd_status why)
{
    static const enum pd_status order[] = {PD_NOT_FOUND,  PD_SOURCE_CHANGED, PD_DEGRADED,
                                           PD_UNVERIFIED, PD_STALE,          PD_OK};
    int n = 0;

    for (int i = 0; i < (int)(sizeof order / sizeof order[0]); i++) {
        n = order[i] == why ? i : n;
    }
    return n;
}

static bool is_nearer(const struct pd_held *here, const struct pd_held *before)
{
    int n = nearness(here->why), old = nearness(before->why);

    return n > old || (n == old && here->verified > before->verified);
}

/* A row of the file that an item was. */
static enum pd_status take_row(struct asking *a, struct pd_sql_stmt *stmt, size_t i,
                               struct pd_error *err)
{
    struct pd_held here = {PD_SOURCE_CHANGED, 0};
    enum pd_status status = PD_OK;

    if (pd_sql_int(stmt, 1) == PD_WHOLE && unchanged(stmt, &a->items[i])) {
        unsigned asked = (unsigned)pd_sql_int(stmt, 8);
        status = judge(a, pd_sql_int(stmt, 7), asked > a->terms->copies ? asked : a->terms->copies,
                       &here, err);
    }
    if (is_nearer(&here, &a->out[i])) {
        a->out[i] = here;
    }
    return status;
}

/* Each row goes to the items of this name among those asked for. */
static enum pd_status take_rows(struct asking *a, struct pd_sql_stmt *stmt, const size_t *asked,
                                size_t n, struct pd_error *err)
{
    bool more = true;
    enum pd_status status = PD_OK;

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        size_t len, folder_len;
        const void *name = pd_sql_bytes(stmt, 10, &len);
        for (size_t i = 0; i < n && status == PD_OK; i++) {
            const struct pd_item *item = &a->items[asked[i]];
            const char *own = pd_cat_split(item->path, item->path_len, &folder_len);
            if (strlen(own) == len && memcmp(own, name, len) == 0) {
                status = take_row(a, stmt, asked[i], err);
            }
        }
    }
    pd_sql_reset(stmt);
    return status;
}

#define HELD                                                                                       \
    "SELECT /*! STRAIGHT_JOIN */ f.kind, f.state, f.size, f.mtime, f.mtime_ns, f.ctime,"           \
    " f.ctime_ns, f.archive_id, p.copies, f.ino, f.name FROM file f /*! FORCE INDEX (file_name) */" \
    " CROSS JOIN archive a /*! FORCE INDEX (PRIMARY) */ ON a.id = f.archive_id"                    \
    " CROSS JOIN dump p /*! FORCE INDEX (PRIMARY) */ ON p.id = a.dump_id WHERE f.folder_id = ?"
#define EIGHT "?,?,?,?,?,?,?,?"

/* Asks for n items of one folder, one or up to NAMES; places left over repeat the last name. */
static enum pd_status ask(struct asking *a, int64_t folder_id, const size_t *asked, size_t n,
                          struct pd_error *err)
{
    static const char one[] = HELD " AND f.name = ?";
    static const char many[] = HELD " AND f.name IN (" EIGHT "," EIGHT "," EIGHT "," EIGHT "," EIGHT
                                    "," EIGHT "," EIGHT "," EIGHT ")";
    struct pd_sql_stmt *stmt = NULL;
    size_t folder_len;
    enum pd_status status = pd_sql_get(a->catalog->sql, n == 1 ? one : many, &stmt, err);

    if (status == PD_OK) {
        status = pd_sql_bind_int(stmt, 1, folder_id, err);
    }
    for (unsigned i = 0; i < (n == 1 ? 1 : NAMES) && status == PD_OK; i++) {
        const struct pd_item *item = &a->items[asked[i < n ? i : n - 1]];
        const char *name = pd_cat_split(item->path, item->path_len, &folder_len);
        status = pd_sql_bind_blob(stmt, i + 2, name, strlen(name), err);
    }
    if (status != PD_OK) {
        pd_sql_reset(stmt);
        return status;
    }
    return take_rows(a, stmt, asked, n, err);
}

/* All items of a folder that were not asked for yet, from item `from` on. */
static enum pd_status ask_folder(struct asking *a, size_t from, struct pd_error *err)
{
    int64_t folder_id = a->folders[from];
    size_t asked[NAMES], n = 0;
    enum pd_status status = PD_OK;

    for (size_t i = from; i < a->count && status == PD_OK; i++) {
        if (a->folders[i] == folder_id) {
            a->folders[i] = 0;
            asked[n++] = i;
        }
        if (n == NAMES || (n > 0 && i == a->count - 1)) {
            status = ask(a, folder_id, asked, n, err);
            n = 0;
        }
    }
    return status;
}

/* Often that of the item before. */
static enum pd_status find_folder(struct asking *a, size_t i, struct pd_error *err)
{
    const struct pd_item *item = &a->items[i];
    size_t len, before = 0;

    pd_cat_split(item->path, item->path_len, &len);
    if (i > 0) {
        pd_cat_split(item[-1].path, item[-1].path_len, &before);
    }
    if (before == len && memcmp(item[-1].path, item->path, len) == 0) {
        a->folders[i] = a->folders[i - 1];
        return PD_OK;
    }
    return pd_cat_folder(a->catalog, item->path, len, false, &a->folders[i], err);
}

enum pd_status pd_catalog_held_all(struct pd_catalog *catalog, const struct pd_item *items,
                                   size_t count, const struct pd_held_terms *terms,
                                   struct pd_held *out, struct pd_error *err)
{
    struct asking a = {.catalog = catalog,
                       .items = items,
                       .terms = terms,
                       .out = out,
                       .count = count,
                       .folders = calloc(count + 1, sizeof *a.folders)};
    enum pd_status status = a.folders ? PD_OK : pd_error_memory(err, "items");

    for (size_t i = 0; i < count && status == PD_OK; i++) {
        out[i] = (struct pd_held){PD_NOT_FOUND, 0};
        status = find_folder(&a, i, err);
    }
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        if (a.folders[i] != 0) {
            status = ask_folder(&a, i, err);
        }
    }
    for (size_t i = 0; i < count && status != PD_OK; i++) {
        out[i] = (struct pd_held){PD_INTERNAL, 0};
    }
    free(a.folders);
    return status;
}

enum pd_status pd_catalog_held(struct pd_catalog *catalog, const struct pd_item *item,
                               const struct pd_held_terms *terms, struct pd_held *out,
                               struct pd_error *err)
{
    return pd_catalog_held_all(catalog, item, 1, terms, out, err);
}
