#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "catalog_priv.h"

const char *pd_cat_split(const char *path, size_t len, size_t *folder_len)
{
    size_t at = len;

    while (at > 0 && path[at - 1] != '/') {
        at--;
    }
    *folder_len = at > 1 ? at - 1 : 1;
    return path + at;
}

int64_t pd_cat_folder_hash(const char *path, size_t len)
{
    return (int64_t)XXH3_64bits(path, len);
}

void pd_cat_forget_folders(struct pd_catalog *catalog)
{
    for (size_t i = 0; i < PD_FOLDER_CACHE; i++) {
        free(catalog->folders[i].path);
        catalog->folders[i].path = NULL;
    }
}

static enum pd_status look_up(struct pd_catalog *catalog, const char *path, size_t len,
                              int64_t hash, int64_t *id, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool found = false;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err, "SELECT id FROM folder /*! FORCE INDEX (folder_path) */"
                     " WHERE path = ? AND hash = ?",
                     "bi", path, len, hash);

    if (status == PD_OK) {
        status = pd_sql_step(stmt, &found, err);
    }
    *id = status == PD_OK && found ? pd_sql_int(stmt, 0) : 0;
    pd_sql_reset(stmt);
    return status;
}

static const char insert_folder[] = "INSERT INTO folder (hash, path) VALUES (?,?)";

/* Another run may have made it since it was looked for. */
static enum pd_status make_folder(struct pd_catalog *catalog, const char *path, size_t len,
                                  int64_t hash, int64_t *id, struct pd_error *err)
{
    enum pd_status status = pd_cat_run(catalog, err, insert_folder, "ib", hash, path, len);

    if (status == PD_EXISTS) {
        pd_error_clear(err);
        return look_up(catalog, path, len, hash, id, err);
    }
    *id = status == PD_OK ? pd_sql_last_id(catalog->sql) : 0;
    return status;
}

/* ---- ids at hand ---- */

static struct pd_folder_slot *slot_of(struct pd_catalog *catalog, int64_t hash)
{
    return &catalog->folders[(uint64_t)hash % PD_FOLDER_CACHE];
}

static bool is_at_hand(struct pd_catalog *catalog, const char *path, size_t len, int64_t hash)
{
    const struct pd_folder_slot *slot = slot_of(catalog, hash);

    return slot->path && slot->len == len && memcmp(slot->path, path, len) == 0;
}

/* Without memory for it, it is looked up again. */
static void keep(struct pd_catalog *catalog, const char *path, size_t len, int64_t hash,
                 int64_t id)
{
    struct pd_folder_slot *slot = slot_of(catalog, hash);
    char *copy = malloc(len + 1);

    if (copy) {
        memcpy(copy, path, len);
        free(slot->path);
        *slot = (struct pd_folder_slot){id, copy, len};
    }
}

enum pd_status pd_cat_folder(struct pd_catalog *catalog, const char *path, size_t len, bool make,
                             int64_t *id, struct pd_error *err)
{
    int64_t hash = pd_cat_folder_hash(path, len);
    enum pd_status status;

    if (is_at_hand(catalog, path, len, hash)) {
        *id = slot_of(catalog, hash)->id;
        return PD_OK;
    }
    status = look_up(catalog, path, len, hash, id, err);
    if (status == PD_OK && *id == 0 && make) {
        status = make_folder(catalog, path, len, hash, id, err);
    }
    if (status == PD_OK && *id != 0) {
        keep(catalog, path, len, hash, *id);
    }
    return status;
}

/* ---- many at once ---- */

enum { AHEAD = 64 };

struct ahead {
    struct pd_catalog *catalog;
    struct {
        const char *path;
        size_t len;
        int64_t hash;
        bool known;
    } folders[AHEAD];
    unsigned count, unknown;
};

static void want(struct ahead *ahead, const char *path, size_t len)
{
    int64_t hash = pd_cat_folder_hash(path, len);
    bool there = is_at_hand(ahead->catalog, path, len, hash);

    for (unsigned i = 0; i < ahead->count && !there; i++) {
        there = ahead->folders[i].hash == hash;
    }
    if (!there) {
        ahead->folders[ahead->count].path = path;
        ahead->folders[ahead->count].len = len;
        ahead->folders[ahead->count].hash = hash;
        ahead->folders[ahead->count].known = false;
        ahead->count++;
        ahead->unknown++;
    }
}

static void take_folder(struct ahead *ahead, const char *path, size_t len, int64_t id)
{
    int64_t hash = pd_cat_folder_hash(path, len);

    for (unsigned i = 0; i < ahead->count; i++) {
        if (ahead->folders[i].hash == hash && !ahead->folders[i].known) {
            ahead->folders[i].known = true;
            ahead->unknown--;
        }
    }
    keep(ahead->catalog, path, len, hash, id);
}

#define EIGHT "?,?,?,?,?,?,?,?"

/* Places left over repeat the last path. */
static enum pd_status look_up_all(struct ahead *ahead, struct pd_error *err)
{
    static const char select[] =
        "SELECT id, path FROM folder /*! FORCE INDEX (folder_path) */ WHERE path IN (" EIGHT
        "," EIGHT "," EIGHT "," EIGHT "," EIGHT "," EIGHT "," EIGHT "," EIGHT ")";
    struct pd_sql_stmt *stmt = NULL;
    bool more = true;
    enum pd_status status = pd_sql_get(ahead->catalog->sql, select, &stmt, err);

    for (unsigned i = 0; i < AHEAD && status == PD_OK; i++) {
        unsigned at = i < ahead->count ? i : ahead->count - 1;
        status = pd_sql_bind_blob(stmt, i + 1, ahead->folders[at].path, ahead->folders[at].len,
                                  err);
    }
    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        size_t len;
        const char *path = pd_sql_bytes(stmt, 1, &len);
        take_folder(ahead, path, len, pd_sql_int(stmt, 0));
    }
    pd_sql_reset(stmt);
    return status;
}

static enum pd_status make_all(struct ahead *ahead, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    enum pd_status status = pd_sql_get(ahead->catalog->sql, insert_folder, &stmt, err);

    for (unsigned i = 0; i < ahead->count && status == PD_OK; i++) {
        if (ahead->folders[i].known) {
            continue;
        }
        status = pd_sql_bind_int(stmt, 1, ahead->folders[i].hash, err);
        if (status == PD_OK) {
            status = pd_sql_bind_blob(stmt, 2, ahead->folders[i].path, ahead->folders[i].len, err);
        }
        if (status == PD_OK) {
            status = pd_sql_add_row(stmt, err);
        }
    }
    return pd_cat_end_rows(stmt, status, err);
}

/* A folder that is not at hand afterwards, as another run has made it or another took its slot, is
 * looked up by itself. */
enum pd_status pd_cat_folders_ahead(struct pd_catalog *catalog, const struct pd_toc *toc,
                                    uint64_t *ready, struct pd_error *err)
{
    struct ahead ahead = {.catalog = catalog};
    enum pd_status status = PD_OK;

    for (; *ready < toc->file_count && ahead.count < AHEAD; ++*ready) {
        const char *path = toc->files[*ready].path;
        size_t len;
        pd_cat_split(path, strlen(path), &len);
        want(&ahead, path, len);
    }
    if (ahead.count > 0) {
        status = look_up_all(&ahead, err);
    }
    if (status == PD_OK && ahead.unknown > 0) {
        status = make_all(&ahead, err);
        if (status == PD_EXISTS) {
            pd_error_clear(err);
            return PD_OK;
        }
        if (status == PD_OK) {
            status = look_up_all(&ahead, err);
        }
    }
    return status;
}
