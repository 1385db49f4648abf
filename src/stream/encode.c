#include "pairdump/encode.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "encode_priv.h"
#include "hardlinks.h"
#include "pairdump/bag.h"
#include "pairdump/tar.h"

/* A hole is hashed in slices, so that an interrupt does not wait for all of a large one. */
#define HOLE_SLICE (UINT64_C(16) << 20)

/* Places in the toc of a hard link and of the name that it stands for. */
struct link_pair {
    uint64_t link, first;
};

/* One archive being made. */
struct encoder {
    const struct pd_encode_job *job;
    struct pd_ring *ring;
    struct pd_toc *toc;
    struct pd_tar_writer *tar;
    struct pd_encode_digest *digest;
    struct pd_hardlinks *links; /* first names of files with several */
    struct pd_buf pairs;        /* struct link_pair, one per hard link in the toc */
    struct archive_entry *entry;
    struct pd_buf member; /* "<name>/data/..." of the file at hand */
    struct pd_buf target; /* member name of a hard link's first name */
    size_t prefix_len;    /* of "<name>/data" in both */
    bool in_data;         /* the sink gets file data now, else headers */
    uint64_t position;    /* bytes of the stream */
    struct pd_digest *tag_digest;
    struct pd_buf tag_manifest;
};

/* Gets every byte of the tar. Bytes that lie in the ring already are only committed. */
static enum pd_status sink(void *arg, const void *bytes, size_t len, struct pd_error *err)
{
    struct encoder *e = arg;
    const uint8_t *from = bytes;
    enum pd_status status = PD_OK;

    while (len > 0 && status == PD_OK) {
        uint8_t *room = NULL;
        size_t n = 0;
        status = pd_ring_room(e->ring, 0, &room, &n, err);
        if (status != PD_OK) {
            break;
        }
        bool full = n <= len;
        n = full ? n : len;
        if (from != room) {
            memcpy(room, from, n);
        }
        pd_ring_commit(e->ring, n);
        e->position += n;
        from += n;
        len -= n;
        if (e->in_data) {
            status = pd_encode_digest_tell(e->digest, PD_EXTENT_DATA, room, n, err);
        }
        if (full && status == PD_OK) {
            status = pd_encode_digest_tell(e->digest, PD_EXTENT_RECORD,
                                           room + n - e->job->record_size, 0, err);
        }
    }
    return status;
}

static enum pd_status problem(struct encoder *e, const struct pd_item *item,
                              const struct pd_error *why, bool archived, struct pd_error *err)
{
    struct pd_problem p = {.path = item->path,
                           .status = why->status,
                           .sys_errno = why->sys_errno,
                           .message = why->message,
                           .archived = archived};

    return e->job->on_problem ? e->job->on_problem(e->job->problem_arg, &p, err) : PD_OK;
}

/* ---- file data ---- */

/* A file of which nothing more can be read: zeros stand for the rest. */
struct reading {
    struct pd_source_file *file;
    uint64_t size;
    char state;           /* enum pd_wholeness */
    struct pd_error why;  /* when not PD_WHOLE */
};

/* Bytes [offset, offset + len) of the file, read straight into the ring. */
static enum pd_status copy_data(struct encoder *e, struct reading *r, uint64_t offset,
                                uint64_t len, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    while (len > 0 && status == PD_OK) {
        uint8_t *room = NULL;
        size_t n = 0;
        size_t got = 0;
        status = pd_ring_room(e->ring, 0, &room, &n, err);
        if (status != PD_OK) {
            break;
        }
        n = n < len ? n : (size_t)len;
        if (r->state == PD_WHOLE) {
            enum pd_status read = pd_source_read(e->job->source, r->file, room, n, offset, &got,
                                                 &r->why);
            if (read != PD_OK) {
                r->state = PD_PARTIAL;
            } else if (got < n) {
                pd_error_set(&r->why, PD_SOURCE_CHANGED, 0, "became shorter while it was read");
                r->state = PD_CHANGED;
            }
        }
        memset(room + got, 0, n - got);
        e->in_data = true;
        status = pd_tar_data(e->tar, room, n, err);
        e->in_data = false;
        offset += n;
        len -= n;
        atomic_fetch_add(&e->job->env->progress->bytes_done, n);
        if (status == PD_OK) {
            status = pd_env_check(e->job->env, err);
        }
    }
    return status;
}

/* A hole: libarchive drops these bytes, the digest counts them. */
static enum pd_status skip_hole(struct encoder *e, uint64_t len, struct pd_error *err)
{
    static const uint8_t zeros[65536];
    uint64_t told = 0;
    enum pd_status status = PD_OK;

    while (len > 0 && status == PD_OK) {
        size_t n = len < sizeof zeros ? (size_t)len : sizeof zeros;
        if (told == 0) {
            told = len < HOLE_SLICE ? len : HOLE_SLICE;
            status = pd_encode_digest_tell(e->digest, PD_EXTENT_HOLE, NULL, told, err);
        }
        n = n < told ? n : (size_t)told;
        if (status == PD_OK) {
            status = pd_tar_data(e->tar, zeros, n, err);
        }
        told -= n;
        len -= n;
        if (status == PD_OK) {
            status = pd_env_check(e->job->env, err);
        }
    }
    return status;
}

static enum pd_status copy_file(struct encoder *e, struct reading *r, struct pd_error *err)
{
    uint64_t at = 0;
    la_int64_t offset = 0, len = 0;
    enum pd_status status = PD_OK;

    if (archive_entry_sparse_reset(e->entry) == 0) {
        return copy_data(e, r, 0, r->size, err);
    }
    while (status == PD_OK &&
           archive_entry_sparse_next(e->entry, &offset, &len) == ARCHIVE_OK) {
        status = skip_hole(e, (uint64_t)offset - at, err);
        if (status == PD_OK) {
            status = copy_data(e, r, (uint64_t)offset, (uint64_t)len, err);
        }
        at = (uint64_t)offset + (uint64_t)len;
    }
    return status == PD_OK ? skip_hole(e, r->size - at, err) : status;
}

/* ---- entries ---- */

static enum pd_status set_member(struct encoder *e, struct pd_buf *name, const char *path,
                                 size_t len, struct pd_error *err)
{
    (void)e;
    name->len = e->prefix_len;
    if (pd_buf_append(name, path, len) != PD_OK) {
        return pd_error_memory(err, "path");
    }
    return PD_OK;
}

static void fill_toc_file(const struct encoder *e, const struct pd_item *item,
                          struct pd_toc_file *file)
{
    struct archive_entry *entry = e->entry;

    memset(file, 0, sizeof *file);
    file->path = item->path;
    file->kind = item->kind;
    file->state = PD_WHOLE;
    file->mode = (uint32_t)archive_entry_perm(entry) & 07777;
    file->uid = (uint64_t)archive_entry_uid(entry);
    file->gid = (uint64_t)archive_entry_gid(entry);
    file->mtime = archive_entry_mtime(entry);
    file->mtime_ns = (uint32_t)archive_entry_mtime_nsec(entry);
    file->ctime = archive_entry_ctime(entry);
    file->ctime_ns = (uint32_t)archive_entry_ctime_nsec(entry);
    file->size = item->kind == PD_KIND_FILE ? (uint64_t)archive_entry_size(entry) : 0;
    file->link = item->kind == PD_KIND_SYMLINK ? archive_entry_symlink(entry) : NULL;
    file->offset = e->position;
    file->ino = (uint64_t)archive_entry_ino64(entry);
    if (item->kind != PD_KIND_DIR && archive_entry_nlink(entry) > 1) {
        file->dev = (uint64_t)archive_entry_dev(entry);
    }
}

/* Whether what was stored under an earlier name is still what the file holds. */
static bool is_unchanged(const struct pd_toc_file *first, const struct pd_toc_file *file)
{
    return first->size == file->size && first->mtime == file->mtime &&
           first->mtime_ns == file->mtime_ns && first->ctime == file->ctime &&
           first->ctime_ns == file->ctime_ns;
}

/* Makes the entry a hard link to an earlier name, when there is one. A file that has changed since
 * is stored again: the link would give the older content with the newer times. */
static enum pd_status link_to_first(struct encoder *e, struct pd_toc_file *file, uint64_t *first_at,
                                    struct pd_error *err)
{
    uint64_t first;

    if (file->dev == 0 || !pd_hardlinks_find(e->links, file->dev, file->ino, &first) ||
        !is_unchanged(&e->toc->files[first], file)) {
        return PD_OK;
    }
    const char *path = e->toc->files[first].path;
    enum pd_status status = set_member(e, &e->target, path, strlen(path), err);
    *first_at = first;
    if (status == PD_OK) {
        archive_entry_copy_hardlink(e->entry, e->target.data);
        archive_entry_set_size(e->entry, 0);
        archive_entry_sparse_clear(e->entry);
        file->kind = PD_KIND_HARDLINK;
        file->link = path;
        file->state = e->toc->files[first].state;
    }
    return status;
}

/* What was written, into the toc, and where links and digests are to find it. */
static enum pd_status enter(struct encoder *e, const struct pd_toc_file *file, uint64_t first,
                            uint64_t *index, struct pd_error *err)
{
    enum pd_status status = pd_toc_add_file(e->toc, file, index, err);

    if (status == PD_OK && file->kind == PD_KIND_FILE) {
        status = pd_encode_digest_tell(e->digest, PD_EXTENT_FILE, NULL, *index, err);
        if (status == PD_OK && file->dev != 0) {
            status = pd_hardlinks_add(e->links, file->dev, file->ino, *index, err);
        }
    } else if (status == PD_OK && file->kind == PD_KIND_HARDLINK) {
        struct link_pair pair = {*index, first};
        if (pd_buf_append(&e->pairs, &pair, sizeof pair) != PD_OK) {
            status = pd_error_memory(err, "hard links");
        }
    }
    if (status == PD_OK && (file->kind == PD_KIND_FILE || file->kind == PD_KIND_HARDLINK)) {
        e->toc->payload_files++;
        e->toc->payload_bytes += file->size;
    }
    return status;
}

/* The entry's header and data. r->state and r->why tell how whole it is. */
static enum pd_status write_entry(struct encoder *e, const struct pd_item *item,
                                  struct reading *r, uint64_t *index, struct pd_error *err)
{
    struct pd_toc_file file;
    uint64_t first = 0;
    enum pd_status status = set_member(e, &e->member, item->path, item->path_len, err);

    if (status != PD_OK) {
        return status;
    }
    archive_entry_copy_pathname(e->entry, e->member.data);
    fill_toc_file(e, item, &file);
    status = link_to_first(e, &file, &first, err);
    if (status == PD_OK) {
        status = pd_tar_header(e->tar, e->entry, err);
    }
    r->state = file.state;
    if (status == PD_OK && file.kind == PD_KIND_FILE) {
        r->size = file.size;
        status = copy_file(e, r, err);
    }
    if (status == PD_OK) {
        status = pd_tar_end_entry(e->tar, err);
    }
    file.length = e->position - file.offset;
    file.state = r->state;
    return status == PD_OK ? enter(e, &file, first, index, err) : status;
}

static enum pd_status encode_item(struct encoder *e, const struct pd_item *item,
                                  struct pd_error *err)
{
    struct reading r = {.state = PD_WHOLE};
    struct pd_error late = PD_ERROR_INIT;
    uint64_t index = 0;
    enum pd_status status;

    archive_entry_clear(e->entry);
    status = pd_source_open(e->job->source, item, e->entry, &r.file, &r.why);
    if (status == PD_NO_MEMORY || status == PD_INTERNAL) {
        *err = r.why;
        return status;
    }
    if (status != PD_OK) {
        return problem(e, item, &r.why, false, err);
    }
    status = write_entry(e, item, &r, &index, err);
    if (pd_source_close_file(e->job->source, r.file, &late) != PD_OK && r.state == PD_WHOLE) {
        r.state = late.status == PD_SOURCE_CHANGED ? PD_CHANGED : PD_PARTIAL;
        r.why = late;
    }
    if (status == PD_UNSUPPORTED) { /* nothing of it was written: tar has no way to hold it */
        pd_error_set(&r.why, PD_SOURCE_UNREADABLE, 0, "%s", err->message);
        pd_error_clear(err);
        return problem(e, item, &r.why, false, err);
    }
    if (status != PD_OK) {
        return status;
    }
    atomic_fetch_add(&e->job->env->progress->files_done, 1);
    e->toc->files[index].state = r.state;
    if (r.state != PD_WHOLE && r.why.status == PD_OK) {
        pd_error_set(&r.why, PD_SOURCE_CHANGED, 0, "its first name is not whole");
    }
    return r.state != PD_WHOLE ? problem(e, item, &r.why, true, err) : PD_OK;
}

/* ---- tag files ---- */

static enum pd_status add_tag(struct encoder *e, const char *name, const char *text, size_t len,
                              bool listed, struct pd_error *err)
{
    int64_t now = pd_clock_utc(e->job->env->clock) / PD_NS_PER_S;
    uint8_t digest[PD_DIGEST_MAX];
    char hex[PD_DIGEST_TEXT];
    struct pd_buf path = PD_BUF_INIT;
    enum pd_status status = pd_digest_update(e->tag_digest, text, len, err);

    if (status == PD_OK) {
        status = pd_digest_final(e->tag_digest, digest, err);
    }
    if (status == PD_OK && pd_buf_printf(&path, "%s/%s", e->toc->name, name) != PD_OK) {
        status = pd_error_memory(err, "tag file");
    }
    if (status == PD_OK && listed) {
        pd_hex_encode(digest, pd_digest_len(e->tag_digest), hex);
        if (pd_bag_manifest_line(&e->tag_manifest, hex, name, strlen(name)) != PD_OK) {
            status = pd_error_memory(err, "tag manifest");
        }
    }
    if (status == PD_OK) {
        status = pd_tar_file(e->tar, path.data, text, len, now, err);
    }
    pd_buf_free(&path);
    return status;
}

static enum pd_status make_bag_info(const struct encoder *e, struct pd_buf *out)
{
    char now[32];
    char date[11];
    const struct pd_encode_job *job = e->job;
    enum pd_status status;

    pd_time_format(pd_clock_utc(job->env->clock), now, sizeof now);
    snprintf(date, sizeof date, "%.10s", now);
    if ((status = pd_bag_info_line(out, "Bag-Software-Agent", "pairdump %s", PD_VERSION)) ||
        (status = pd_bag_info_line(out, "Bagging-Date", "%s", date)) ||
        (status = pd_bag_info_line(out, "External-Identifier", "%s", e->toc->name)) ||
        (status = pd_bag_info_line(out, "Payload-Oxum", "%" PRIu64 ".%" PRIu64,
                                   e->toc->payload_bytes, e->toc->payload_files)) ||
        (status = pd_bag_info_line(out, "Pairdump-Dump-UUID", "%s", job->dump_uuid)) ||
        (status = pd_bag_info_line(out, "Pairdump-Archive-Number", "%" PRIu64, e->toc->seq)) ||
        (status = pd_bag_info_line(out, "Pairdump-Record-Size", "%" PRIu64, job->record_size)) ||
        (status = pd_bag_info_line(out, "Pairdump-Host", "%s", job->host)) ||
        (status = pd_bag_info_line(out, "Pairdump-Roots", "%s", job->roots)) ||
        (status = pd_bag_info_line(out, "Pairdump-Written", "%s", now))) {
        return status;
    }
    return job->facts ? pd_index_facts_encode("Pairdump-", job->facts, out) : PD_OK;
}

static void copy_link_digests(const struct encoder *e)
{
    for (size_t at = 0; at < e->pairs.len; at += sizeof(struct link_pair)) {
        struct link_pair pair;
        memcpy(&pair, e->pairs.data + at, sizeof pair);
        pd_toc_set_digest(&e->toc->files[pair.link], e->toc->files[pair.first].digest);
    }
}

static enum pd_status write_empty_data(struct encoder *e, struct pd_error *err)
{
    struct pd_buf path = PD_BUF_INIT;
    enum pd_status status = PD_NO_MEMORY;

    archive_entry_clear(e->entry);
    if (pd_buf_printf(&path, "%s/data", e->toc->name) == PD_OK) {
        archive_entry_copy_pathname(e->entry, path.data);
        archive_entry_set_filetype(e->entry, AE_IFDIR);
        archive_entry_set_perm(e->entry, 0755);
        archive_entry_set_mtime(e->entry, pd_clock_utc(e->job->env->clock) / PD_NS_PER_S, 0);
        archive_entry_set_size(e->entry, 0);
        status = pd_tar_header(e->tar, e->entry, err);
        if (status == PD_OK) {
            status = pd_tar_end_entry(e->tar, err);
        }
    } else {
        status = pd_error_memory(err, "path");
    }
    pd_buf_free(&path);
    return status;
}

static enum pd_status write_tags(struct encoder *e, struct pd_error *err)
{
    char name[PD_BAG_MANIFEST_TEXT];
    struct pd_buf text = PD_BUF_INIT;
    enum pd_status status = pd_encode_digest_wait(e->digest, e->toc, err);

    if (status == PD_OK && e->toc->file_count == 0) {
        status = write_empty_data(e, err);
    }
    e->toc->manifest_offset = e->position;
    copy_link_digests(e);
    if (status == PD_OK) {
        status = pd_bag_manifest(&text, e->toc) == PD_OK ? PD_OK : pd_error_memory(err, "manifest");
    }
    if (status == PD_OK) {
        pd_bag_manifest_name(e->toc->alg, false, name);
        status = add_tag(e, name, text.data ? text.data : "", text.len, true, err);
    }
    pd_buf_clear(&text);
    if (status == PD_OK) {
        status = make_bag_info(e, &text) == PD_OK ? PD_OK : pd_error_memory(err, "bag-info");
    }
    if (status == PD_OK) {
        status = add_tag(e, "bag-info.txt", text.data, text.len, true, err);
    }
    pd_buf_clear(&text);
    if (status == PD_OK) {
        status = pd_bag_not_whole(&text, e->toc) == PD_OK ? PD_OK
                                                          : pd_error_memory(err, "not-whole");
    }
    if (status == PD_OK && text.len > 0) {
        status = add_tag(e, "not-whole.txt", text.data, text.len, true, err);
    }
    if (status == PD_OK) {
        pd_bag_manifest_name(e->toc->alg, true, name);
        status = add_tag(e, name, e->tag_manifest.data, e->tag_manifest.len, false, err);
    }
    pd_buf_free(&text);
    return status;
}

/* Zeros to the end of the record, through the sink, so that its digest is made too. */
static enum pd_status pad(struct encoder *e, struct pd_error *err)
{
    static const uint8_t zeros[65536];
    uint64_t left = (e->job->record_size - e->position % e->job->record_size) %
                    e->job->record_size;
    enum pd_status status = PD_OK;

    while (left > 0 && status == PD_OK) {
        size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
        status = sink(e, zeros, n, err);
        left -= n;
    }
    return status;
}

static enum pd_status open_encoder(struct encoder *e, unsigned digest_reader,
                                   struct pd_error *err)
{
    const struct pd_encode_job *job = e->job;
    struct pd_toc *toc = e->toc;
    enum pd_status status;

    snprintf(toc->name, sizeof toc->name, "%s.%04" PRIu64, job->dump_name, job->batch->seq);
    snprintf(toc->dump_uuid, sizeof toc->dump_uuid, "%s", job->dump_uuid);
    toc->seq = job->batch->seq;
    toc->record_size = job->record_size;
    toc->alg = job->alg;
    e->entry = archive_entry_new();
    if (!e->entry || pd_buf_printf(&e->member, "%s/data", toc->name) != PD_OK ||
        pd_buf_printf(&e->target, "%s/data", toc->name) != PD_OK) {
        return pd_error_memory(err, "archive");
    }
    e->prefix_len = e->member.len;
    if ((status = pd_hardlinks_new(&e->links, err)) != PD_OK ||
        (status = pd_digest_new(pd_digest_alg_info(job->alg)->name, &e->tag_digest, err)) !=
            PD_OK ||
        (status = pd_encode_digest_start(e->ring, digest_reader, job->record_size, job->alg,
                                         &e->digest, err)) != PD_OK) {
        return status;
    }
    return pd_tar_writer_new(sink, e, &e->tar, err);
}

enum pd_status pd_encode(const struct pd_encode_job *job, struct pd_ring *ring,
                         unsigned digest_reader, struct pd_toc *toc, struct pd_error *err)
{
    struct encoder e = {.job = job, .ring = ring, .toc = toc};
    struct pd_error late = PD_ERROR_INIT;
    const char *bagit = pd_bagit_txt();
    enum pd_status status = open_encoder(&e, digest_reader, err);

    if (status == PD_OK) {
        status = add_tag(&e, "bagit.txt", bagit, strlen(bagit), true, err);
    }
    for (size_t i = 0; i < job->batch->count && status == PD_OK; i++) {
        status = pd_env_check(job->env, err);
        if (status == PD_OK) {
            status = encode_item(&e, &job->batch->items[i], err);
        }
    }
    if (status == PD_OK) {
        status = write_tags(&e, err);
    }
    if (status == PD_OK) {
        status = pd_tar_finish(e.tar, err);
    }
    if (status == PD_OK) {
        status = pad(&e, err);
    }
    if (status != PD_OK) {
        pd_ring_abort(ring);
    }
    enum pd_status ended = pd_encode_digest_end(e.digest, status == PD_OK ? toc : NULL, &late);
    /* the thread's own trouble is the cause when hashing stopped the encoder */
    if (ended != PD_OK && (status == PD_OK || status == PD_INTERRUPTED)) {
        *err = late;
        status = ended;
    }
    /* last of all: what is finished, the writers end */
    if (status == PD_OK) {
        status = pd_ring_finish(ring, 0, err);
    }
    if (status != PD_OK) {
        pd_ring_abort(ring);
    }
    pd_tar_writer_free(e.tar);
    pd_digest_free(e.tag_digest);
    pd_hardlinks_free(e.links);
    archive_entry_free(e.entry);
    pd_buf_free(&e.member);
    pd_buf_free(&e.target);
    pd_buf_free(&e.tag_manifest);
    pd_buf_free(&e.pairs);
    return status;
}
