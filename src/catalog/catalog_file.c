#include <stdlib.h>
#include <string.h>

#include "catalog_priv.h"

/* Linux has user and group numbers of 32 bits, the highest for none; what else a medium says is that. */
static int64_t owner(uint64_t id)
{
    return id < UINT32_MAX ? (int64_t)id : UINT32_MAX;
}

static enum pd_status bind_bytes(struct pd_sql_stmt *stmt, unsigned at, const void *bytes,
                                 size_t len, struct pd_error *err)
{
    return bytes ? pd_sql_bind_blob(stmt, at, bytes, len, err) : pd_sql_bind_null(stmt, at, err);
}

/* One column is for SHA-256, and one for all others; own: this is the file's. */
static enum pd_status bind_digest(struct pd_sql_stmt *stmt, unsigned at,
                                  const struct pd_toc_file *f, bool own, struct pd_error *err)
{
    return bind_bytes(stmt, at, own && f->has_digest ? f->digest : NULL,
                      pd_digest_alg_info(f->alg)->len, err);
}

/* In the order of the columns. Most files have no dev: NULL takes no room. */
static enum pd_status bind_file(struct pd_sql_stmt *stmt, int64_t archive_id, int64_t seq,
                                int64_t folder_id, const struct pd_toc_file *f,
                                struct pd_error *err)
{
    size_t folder_len;
    const char *name = pd_cat_split(f->path, strlen(f->path), &folder_len);
    const int64_t numbers[] = {
        archive_id,         seq,
        folder_id,          f->kind,
        f->state,           (int64_t)f->mode,
        owner(f->uid),      owner(f->gid),
        (int64_t)f->size,   f->mtime,
        f->mtime_ns,        f->ctime,
        f->ctime_ns,        (int64_t)f->ino,
        (int64_t)f->offset, (int64_t)f->length,
        (int64_t)f->dev,
    };
    enum { NUMBERS = sizeof numbers / sizeof numbers[0] };
    unsigned count = f->dev == 0 ? NUMBERS - 1 : NUMBERS;
    enum pd_status status = PD_OK;

    for (unsigned i = 0; i < count && status == PD_OK; i++) {
        status = pd_sql_bind_int(stmt, i + 1, numbers[i], err);
    }
    if (status == PD_OK && f->dev == 0) {
        status = pd_sql_bind_null(stmt, NUMBERS, err);
    }
    if (status == PD_OK) {
        status = bind_bytes(stmt, NUMBERS + 1, name, strlen(name), err);
    }
    if (status == PD_OK) {
        status = bind_digest(stmt, NUMBERS + 2, f, f->alg == PD_DIGEST_SHA256, err);
    }
    if (status == PD_OK) {
        status = bind_bytes(stmt, NUMBERS + 3, f->link, f->link ? strlen(f->link) : 0, err);
    }
    return status == PD_OK ? bind_digest(stmt, NUMBERS + 4, f, f->alg != PD_DIGEST_SHA256, err)
                           : status;
}

enum pd_status pd_cat_files_add(struct pd_catalog *catalog, int64_t archive_id,
                                const struct pd_toc *toc, struct pd_error *err)
{
    static const char insert[] =
        "INSERT INTO file (archive_id, seq, folder_id, kind, state, mode, uid, gid, size, mtime,"
        " mtime_ns, ctime, ctime_ns, ino, file_offset, file_length, dev, name, sha256, link,"
        " digest) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    struct pd_sql_stmt *stmt = NULL;
    uint64_t ready = 0;
    enum pd_status status = pd_sql_get(catalog->sql, insert, &stmt, err);

    for (uint64_t i = 0; i < toc->file_count && status == PD_OK; i++) {
        const struct pd_toc_file *file = &toc->files[i];
        int64_t folder_id = 0;
        size_t len;
        pd_cat_split(file->path, strlen(file->path), &len);
        if (i == ready) {
            status = pd_cat_folders_ahead(catalog, toc, &ready, err);
        }
        if (status == PD_OK) {
            status = pd_cat_folder(catalog, file->path, len, true, &folder_id, err);
        }
        if (status == PD_OK) {
            status = bind_file(stmt, archive_id, (int64_t)i, folder_id, file, err);
        }
        if (status == PD_OK) {
            status = pd_sql_add_row(stmt, err);
        }
    }
    return pd_cat_end_rows(stmt, status, err);
}

static enum pd_status put_bytes(struct pd_buf *buf, const void *bytes, size_t len,
                                struct pd_error *err)
{
    return pd_buf_append(buf, bytes, len) == PD_OK ? PD_OK : pd_error_memory(err, "path");
}

enum pd_status pd_cat_alg(struct pd_sql_stmt *stmt, unsigned column, enum pd_digest_alg *alg,
                          struct pd_error *err)
{
    char name[32];

    pd_cat_text(stmt, column, name, sizeof name);
    return pd_digest_alg_find(name, alg) ? PD_OK
                                         : pd_error_set(err, PD_CATALOG, 0,
                                                        "an archive in the catalog has digests of "
                                                        "%s; this program knows " PD_DIGEST_NAMES,
                                                        name);
}

enum { SHA256 = 14, DIGEST = 18 }; /* columns of PD_CAT_FILE_COLUMNS */

/* Only the column of its algorithm may hold anything, and nothing of another length. */
static enum pd_status take_digest(struct pd_sql_stmt *stmt, struct pd_toc_file *file,
                                  struct pd_error *err)
{
    bool sha256 = file->alg == PD_DIGEST_SHA256;
    unsigned own = sha256 ? SHA256 : DIGEST;
    size_t len = 0;
    const void *bytes = pd_sql_is_null(stmt, own) ? NULL : pd_sql_bytes(stmt, own, &len);

    if (!pd_sql_is_null(stmt, sha256 ? DIGEST : SHA256) ||
        (bytes && len != pd_digest_alg_info(file->alg)->len)) {
        return pd_error_set(err, PD_CATALOG, 0, "a file's digest in the catalog is damaged");
    }
    if (bytes) {
        pd_toc_set_digest(file, bytes);
    }
    return PD_OK;
}

enum pd_status pd_cat_file_row(struct pd_sql_stmt *stmt, enum pd_digest_alg alg, struct pd_buf *buf,
                               struct pd_toc_file *file, struct pd_error *err)
{
    size_t folder_len, name_len, link_len = 0;
    const char *folder = pd_sql_bytes(stmt, 16, &folder_len);
    enum pd_status status;

    memset(file, 0, sizeof *file);
    file->kind = (char)pd_sql_int(stmt, 0);
    file->state = (char)pd_sql_int(stmt, 1);
    file->mode = (uint32_t)pd_sql_int(stmt, 2);
    file->uid = (uint64_t)pd_sql_int(stmt, 3);
    file->gid = (uint64_t)pd_sql_int(stmt, 4);
    file->size = (uint64_t)pd_sql_int(stmt, 5);
    file->mtime = pd_sql_int(stmt, 6);
    file->mtime_ns = (uint32_t)pd_sql_int(stmt, 7);
    file->ctime = pd_sql_int(stmt, 8);
    file->ctime_ns = (uint32_t)pd_sql_int(stmt, 9);
    file->dev = (uint64_t)pd_sql_int(stmt, 10);
    file->ino = (uint64_t)pd_sql_int(stmt, 11);
    file->offset = (uint64_t)pd_sql_int(stmt, 12);
    file->length = (uint64_t)pd_sql_int(stmt, 13);
    file->alg = (uint8_t)alg;
    status = take_digest(stmt, file, err);
    if (status != PD_OK) {
        return status;
    }
    pd_buf_clear(buf);
    status = put_bytes(buf, folder, folder_len, err);
    if (status == PD_OK && !(folder_len == 1 && folder[0] == '/')) {
        status = put_bytes(buf, "/", 1, err);
    }
    if (status == PD_OK) {
        const void *name = pd_sql_bytes(stmt, 17, &name_len);
        status = put_bytes(buf, name, name_len, err);
    }
    size_t link_at = buf->len + 1;
    if (status == PD_OK && !pd_sql_is_null(stmt, 15)) {
        const void *link = pd_sql_bytes(stmt, 15, &link_len);
        status = put_bytes(buf, "", 1, err);
        if (status == PD_OK) {
            status = put_bytes(buf, link, link_len, err);
        }
        file->link = status == PD_OK ? buf->data + link_at : NULL;
    }
    file->path = buf->data;
    return status;
}

static enum pd_status load_head(struct pd_catalog *catalog, int64_t archive_id,
                                struct pd_toc *toc, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool found = false;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT a.name, d.uuid, a.seq, a.record_size, a.records, a.payload_bytes,"
                     " a.payload_files, a.manifest_offset, a.record_digests, a.digest_algorithm"
                     " FROM archive a"
                     " JOIN dump d ON d.id = a.dump_id WHERE a.id = ?",
                     "i", archive_id);

    if (status == PD_OK) {
        status = pd_sql_step(stmt, &found, err);
    }
    if (status == PD_OK && !found) {
        status = pd_error_set(err, PD_NOT_FOUND, 0, "no such archive in the catalog");
    }
    if (status == PD_OK) {
        size_t len = 0;
        pd_cat_text(stmt, 0, toc->name, sizeof toc->name);
        pd_cat_text(stmt, 1, toc->dump_uuid, sizeof toc->dump_uuid);
        toc->seq = (uint64_t)pd_sql_int(stmt, 2);
        toc->record_size = (uint64_t)pd_sql_int(stmt, 3);
        uint64_t records = (uint64_t)pd_sql_int(stmt, 4);
        toc->payload_bytes = (uint64_t)pd_sql_int(stmt, 5);
        toc->payload_files = (uint64_t)pd_sql_int(stmt, 6);
        toc->manifest_offset = (uint64_t)pd_sql_int(stmt, 7);
        const struct pd_xxh128 *digests = pd_sql_bytes(stmt, 8, &len);
        if (len != records * sizeof *digests) {
            status = pd_error_set(err, PD_CATALOG, 0,
                                  "%s: its record digests in the catalog are damaged", toc->name);
        }
        if (status == PD_OK) {
            status = pd_cat_alg(stmt, 9, &toc->alg, err);
        }
        for (uint64_t i = 0; i < records && status == PD_OK; i++) {
            status = pd_toc_add_record(toc, digests[i], err);
        }
    }
    pd_sql_reset(stmt);
    return status;
}

/* The page of files behind *seq, which becomes that of the last one; *rows: how many. */
static enum pd_status load_files(struct pd_catalog *catalog, int64_t archive_id, int64_t *seq,
                                 struct pd_toc *toc, struct pd_buf *buf, unsigned *rows,
                                 struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_toc_file file;
    bool more = true;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT /*! STRAIGHT_JOIN */ " PD_CAT_FILE_COLUMNS ", f.seq"
                     " FROM file f /*! FORCE INDEX (PRIMARY) */"
                     " CROSS JOIN folder d /*! FORCE INDEX (PRIMARY) */ ON d.id = f.folder_id"
                     " WHERE f.archive_id = ? AND f.seq > ? ORDER BY f.seq LIMIT ?",
                     "iii", archive_id, *seq, (int64_t)PD_CAT_PAGE);

    for (*rows = 0;
         status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more; ++*rows) {
        *seq = pd_sql_int(stmt, PD_CAT_FILE_NEXT);
        status = pd_cat_file_row(stmt, toc->alg, buf, &file, err);
        if (status == PD_OK) {
            status = pd_toc_add_file(toc, &file, NULL, err);
        }
    }
    pd_sql_reset(stmt);
    return status;
}

enum pd_status pd_catalog_toc(struct pd_catalog *catalog, int64_t archive_id, struct pd_toc *toc,
                              struct pd_error *err)
{
    struct pd_buf buf = PD_BUF_INIT;
    int64_t seq = -1;
    unsigned rows = PD_CAT_PAGE;
    enum pd_status status;

    pd_toc_init(toc);
    status = load_head(catalog, archive_id, toc, err);
    while (status == PD_OK && rows == PD_CAT_PAGE) {
        status = load_files(catalog, archive_id, &seq, toc, &buf, &rows, err);
    }
    pd_buf_free(&buf);
    if (status != PD_OK) {
        pd_toc_release(toc);
    }
    return status;
}
