#include <archive_entry.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "verify_priv.h"

#define DATA     "data"
#define DATA_LEN 4
#define BAGIT    "bagit.txt"

/* Two blocks of zeros end a tar (IEEE Std 1003.1, pax). */
#define END_MARK_BYTES 1024

#define HOLE_SLICE (UINT64_C(64) << 20)

/* ---- entries ---- */

enum pd_status pd_verify_walk_step(struct pd_verify_walk *walk, struct pd_error *err)
{
    enum pd_status status = pd_tar_next(walk->reader, &walk->entry, err);

    walk->name = status == PD_OK && walk->entry != NULL ? archive_entry_pathname(walk->entry) : "";
    return status;
}

/* The zeros of a hole, in slices between which the thread shows that it lives. */
static enum pd_status hash_hole(struct pd_verify_walk *walk, uint64_t len, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    while (len > 0 && status == PD_OK) {
        uint64_t step = len < HOLE_SLICE ? len : HOLE_SLICE;

        status = pd_digest_zeros(walk->digest, step, err);
        len -= step;
        if (status == PD_OK && !pd_verify_records_go_on(walk->records)) {
            *err = walk->findings->result->error;
            status = err->status;
        }
    }
    return status;
}

/* An entry whose content is being read. */
struct content {
    const uint64_t *index; /* its place in the table of contents; NULL: hash it now */
    uint64_t size, at;
    bool kept; /* the record keeps it, to be hashed with others */
};

static enum pd_status take_block(struct pd_verify_walk *walk, struct content *content,
                                 const void *bytes, size_t len, uint64_t offset,
                                 struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (offset > content->size || len > content->size - offset)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "an entry holds more bytes than its size");
    if (content->index != NULL && len == content->size)
        content->kept = pd_verify_records_keep(walk->records, bytes, len, *content->index);
    if (content->kept)
        return PD_OK;
    if (offset > content->at)
        status = hash_hole(walk, offset - content->at, err);
    if (status == PD_OK)
        status = pd_digest_update(walk->digest, bytes, len, err);
    content->at = offset + len;
    return status;
}

static enum pd_status read_content(struct pd_verify_walk *walk, struct content *content,
                                   uint8_t digest[PD_DIGEST_MAX], struct pd_error *err)
{
    const uint8_t *end = NULL;
    const void *bytes = NULL;
    uint64_t offset = 0;
    size_t len = 0;
    enum pd_status status = PD_OK;

    while ((status = pd_tar_block(walk->reader, &bytes, &len, &offset, err)) == PD_OK && len > 0) {
        status = take_block(walk, content, bytes, len, offset, err);
        if (status != PD_OK)
            return status;
        end = (const uint8_t *)bytes + len;
    }
    if (status == PD_OK && !content->kept) {
        if (content->size > content->at)
            status = hash_hole(walk, content->size - content->at, err);
        if (status == PD_OK)
            status = pd_digest_final(walk->digest, digest, err);
    }
    if (status == PD_OK && end != NULL && !pd_verify_records_padded(walk->records, end))
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "the padding of an entry is not zeros");
    return status;
}

enum pd_status pd_verify_walk_hash(struct pd_verify_walk *walk, uint8_t digest[PD_DIGEST_MAX],
                                   struct pd_error *err)
{
    struct content content = {.size = (uint64_t)archive_entry_size(walk->entry)};

    return read_content(walk, &content, digest, err);
}

/* What the entry is, in the words of the toc; 0 for what no archive holds. */
static char kind_of(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry) != NULL)
        return PD_KIND_HARDLINK;
    switch (archive_entry_filetype(entry)) {
    case S_IFREG:
        return PD_KIND_FILE;
    case S_IFDIR:
        return PD_KIND_DIR;
    case S_IFLNK:
        return PD_KIND_SYMLINK;
    case S_IFIFO:
        return PD_KIND_FIFO;
    case S_IFCHR:
        return PD_KIND_CHAR;
    case S_IFBLK:
        return PD_KIND_BLOCK;
    default:
        return 0;
    }
}

/* The source path in a name of the archive, NULL if it is not below data. */
static const char *source_path(const struct pd_verify_walk *walk, const char *name)
{
    size_t top = walk->top.len;

    if (strncmp(name, walk->top.data, top) != 0 || strncmp(name + top, DATA, DATA_LEN) != 0)
        return NULL;
    name += top + DATA_LEN;
    return *name == '/' || *name == '\0' ? name : NULL;
}

/* Folders may carry a slash at the end; the root folder is nothing else. */
static size_t path_len(const char *path, char kind)
{
    size_t len = strlen(path);

    while (kind == PD_KIND_DIR && len > 0 && path[len - 1] == '/')
        len--;
    return len;
}

static bool same_path(const char *found, const char *expected, char kind)
{
    size_t len, want;

    if (found == NULL || expected == NULL)
        return false;
    len = path_len(found, kind);
    want = path_len(expected, kind);
    return len == want && memcmp(found, expected, len) == 0;
}

/* ---- payload, with a table of contents ---- */

static bool same_link(const struct pd_verify_walk *walk, const struct pd_toc_file *file)
{
    const char *link;

    if (file->kind == PD_KIND_HARDLINK)
        return same_path(source_path(walk, archive_entry_hardlink(walk->entry)), file->link,
                         file->kind);
    if (file->kind != PD_KIND_SYMLINK)
        return true;
    link = archive_entry_symlink(walk->entry);
    return link != NULL && file->link != NULL && strcmp(link, file->link) == 0;
}

/* The first thing in which the entry differs from the table; NULL when there is none. */
static const char *difference(const struct pd_verify_walk *walk, const struct pd_toc_file *file)
{
    struct archive_entry *entry = walk->entry;

    if (!same_path(source_path(walk, walk->name), file->path, file->kind))
        return "name";
    if (kind_of(entry) != file->kind)
        return "kind";
    if (pd_tar_entry_offset(walk->reader) != file->offset)
        return "place in the archive";
    if (file->kind == PD_KIND_FILE && (uint64_t)archive_entry_size(entry) != file->size)
        return "size";
    if (!same_link(walk, file))
        return "link target";
    if (archive_entry_mtime(entry) != file->mtime ||
        (uint64_t)archive_entry_mtime_nsec(entry) != file->mtime_ns)
        return "modification time";
    if (((uint32_t)archive_entry_perm(entry) & 07777) != file->mode)
        return "mode";
    if ((uint64_t)archive_entry_uid(entry) != file->uid ||
        (uint64_t)archive_entry_gid(entry) != file->gid)
        return "owner";
    return NULL;
}

static enum pd_status check_file(struct pd_verify_walk *walk, uint64_t index, struct pd_error *err)
{
    const struct pd_toc_file *file = &walk->toc->files[index];
    const char *wrong = difference(walk, file);
    struct pd_error error = PD_ERROR_INIT;
    struct content content = {.index = wrong == NULL && file->has_digest ? &index : NULL,
                              .size = (uint64_t)archive_entry_size(walk->entry)};
    uint8_t digest[PD_DIGEST_MAX];
    enum pd_status status;

    if (kind_of(walk->entry) == PD_KIND_FILE) {
        status = read_content(walk, &content, digest, err);
        if (status != PD_OK) {
            if (!walk->records->broken && status != PD_NO_MEMORY)
                pd_verify_note_file(walk->findings, index, err);
            return status;
        }
        if (wrong == NULL && !content.kept &&
            (!file->has_digest || memcmp(digest, file->digest, pd_digest_len(walk->digest)) != 0))
            wrong = pd_digest_alg_info(walk->alg)->title;
    }
    if (wrong != NULL) {
        (void)pd_error_set(&error, PD_BAD_FILE, 0, "its %s is not what was recorded", wrong);
        pd_verify_note_file(walk->findings, index, &error);
    }
    return PD_OK;
}

static bool is_payload(const struct pd_verify_walk *walk)
{
    return walk->entry != NULL && source_path(walk, walk->name) != NULL;
}

static enum pd_status check_payload(struct pd_verify_walk *walk, struct pd_error *err)
{
    const struct pd_toc *toc = walk->toc;
    struct pd_error error = PD_ERROR_INIT;
    enum pd_status status = pd_verify_walk_step(walk, err);

    if (status == PD_OK && toc->file_count == 0) {
        if (!is_payload(walk) || kind_of(walk->entry) != PD_KIND_DIR ||
            path_len(source_path(walk, walk->name), PD_KIND_DIR) != 0)
            return pd_error_set(err, PD_BAD_FORMAT, 0, "its data folder is not there");
        return pd_verify_walk_step(walk, err);
    }
    for (uint64_t i = 0; i < toc->file_count && status == PD_OK; i++) {
        if (is_payload(walk)) {
            status = check_file(walk, i, err);
            if (status == PD_OK)
                status = pd_verify_walk_step(walk, err);
        } else {
            (void)pd_error_set(&error, PD_MISSING, 0, "is not in the archive");
            pd_verify_note_file(walk->findings, i, &error);
        }
    }
    return status;
}

/* ---- payload, without one: what is found is kept, to be compared with the manifest ---- */

static void describe_metadata(struct archive_entry *entry, struct pd_toc_file *file)
{
    file->mode = (uint32_t)archive_entry_perm(entry) & 07777;
    file->uid = (uint64_t)archive_entry_uid(entry);
    file->gid = (uint64_t)archive_entry_gid(entry);
    file->mtime = archive_entry_mtime(entry);
    file->mtime_ns = (uint32_t)archive_entry_mtime_nsec(entry);
    file->ctime = archive_entry_ctime(entry);
    file->ctime_ns = (uint32_t)archive_entry_ctime_nsec(entry);
    file->ino = PD_INO_UNKNOWN;
}

static enum pd_status describe(struct pd_verify_walk *walk, struct pd_toc_file *file,
                               struct pd_buf *path, struct pd_error *err)
{
    struct archive_entry *entry = walk->entry;
    const char *found = source_path(walk, walk->name);
    size_t len;

    memset(file, 0, sizeof(*file));
    file->kind = kind_of(entry);
    file->state = PD_WHOLE;
    describe_metadata(entry, file);
    len = path_len(found, file->kind);
    if (file->kind == 0 || (len > 0 ? !pd_path_is_safe(found + 1, len - 1)
                                    : file->kind != PD_KIND_DIR))
        return pd_error_set(err, PD_BAD_FORMAT, 0, "an entry that no archive may hold: %s",
                            walk->name);
    pd_buf_clear(path);
    if (pd_buf_append(path, len > 0 ? found : "/", len > 0 ? len : 1) != PD_OK)
        return pd_error_memory(err, "a path");
    file->path = path->data;
    file->offset = pd_tar_entry_offset(walk->reader);
    if (file->kind == PD_KIND_SYMLINK)
        file->link = archive_entry_symlink(entry);
    if (file->kind == PD_KIND_HARDLINK)
        file->link = source_path(walk, archive_entry_hardlink(entry));
    if ((file->kind == PD_KIND_HARDLINK || file->kind == PD_KIND_SYMLINK) && file->link == NULL)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "a link to outside of the archive: %s",
                            walk->name);
    if (file->kind == PD_KIND_FILE) {
        if (archive_entry_size(entry) < 0)
            return pd_error_set(err, PD_BAD_FORMAT, 0, "a file without a size: %s", walk->name);
        file->size = (uint64_t)archive_entry_size(entry);
    }
    return PD_OK;
}

/* The next entry is at hand: the one before ends here. */
static void end_file(struct pd_verify_walk *walk)
{
    struct pd_toc_file *last = &walk->own.files[walk->own.file_count - 1];

    walk->own.manifest_offset = pd_tar_entry_offset(walk->reader);
    last->length = walk->own.manifest_offset - last->offset;
}

static enum pd_status collect_payload(struct pd_verify_walk *walk, struct pd_error *err)
{
    struct pd_buf path = PD_BUF_INIT;
    struct pd_toc_file file;
    enum pd_status status = pd_verify_walk_step(walk, err);

    while (status == PD_OK && is_payload(walk)) {
        status = describe(walk, &file, &path, err);
        if (status == PD_OK && file.kind == PD_KIND_FILE) {
            walk->in_file = source_path(walk, walk->name);
            status = pd_verify_walk_hash(walk, file.digest, err);
            file.has_digest = status == PD_OK;
            if (status != PD_OK)
                break;
            walk->in_file = NULL;
        }
        if (status == PD_OK)
            status = pd_toc_add_file(&walk->own, &file, NULL, err);
        if (status == PD_OK)
            status = pd_verify_walk_step(walk, err);
        if (status == PD_OK)
            end_file(walk);
    }
    walk->findings->result->files = walk->own.file_count;
    pd_buf_free(&path);
    return status;
}

/* ---- the whole archive ---- */

/* The first entry names the archive. */
static enum pd_status take_top(struct pd_verify_walk *walk, struct pd_error *err)
{
    struct pd_verify_result *result = walk->findings->result;
    const char *slash;
    size_t len;

    slash = walk->entry == NULL ? NULL : strchr(walk->name, '/');
    if (slash == NULL || strcmp(slash + 1, BAGIT) != 0 || slash == walk->name)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "is no archive: it does not begin with " BAGIT);
    len = (size_t)(slash - walk->name);
    if (len >= sizeof(result->archive))
        return pd_error_set(err, PD_BAD_FORMAT, 0, "the name of the archive is too long");
    if (walk->job->expect != NULL && (strlen(walk->toc->name) != len ||
                                      memcmp(walk->toc->name, walk->name, len) != 0))
        return pd_error_set(err, PD_BAD_FORMAT, 0, "is another archive: %.*s", (int)len,
                            walk->name);
    memcpy(result->archive, walk->name, len);
    result->archive[len] = '\0';
    memcpy(walk->own.name, result->archive, len + 1);
    return pd_buf_append(&walk->top, walk->name, len + 1) == PD_OK
               ? PD_OK
               : pd_error_memory(err, "the name of an archive");
}

static enum pd_status check_end(struct pd_verify_walk *walk, struct pd_error *err)
{
    enum pd_status status = pd_verify_walk_step(walk, err);

    if (status != PD_OK)
        return status;
    if (walk->entry != NULL)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "an entry too many at its end: %s", walk->name);
    if (!pd_verify_records_zero_from(walk->records,
                                     pd_tar_entry_offset(walk->reader) + END_MARK_BYTES))
        return pd_error_set(err, PD_BAD_FORMAT, 0, "its end is not filled up with zeros");
    return PD_OK;
}

static enum pd_status walk_archive(struct pd_verify_walk *walk, struct pd_error *err)
{
    enum pd_status status = pd_verify_walk_step(walk, err);

    if (status == PD_OK)
        status = take_top(walk, err);
    if (status == PD_OK)
        status = pd_verify_tag_bagit(walk, err);
    if (status == PD_OK)
        status = walk->job->expect != NULL ? check_payload(walk, err) : collect_payload(walk, err);
    if (status == PD_OK)
        status = pd_verify_tags(walk, err);
    if (status == PD_OK)
        status = check_end(walk, err);
    return status;
}

/* What the walk did not reach: by digest, where those are known. */
static void check_rest(struct pd_verify_records *records, struct pd_verify_findings *findings,
                       bool walked)
{
    struct pd_error error = PD_ERROR_INIT;
    bool good = false;

    while (!records->ended) {
        pd_verify_records_next(records, &good);
        if (!good || !walked)
            continue;
        if (records->job->expect == NULL ||
            !pd_verify_records_zero_from(records, (records->next - 1) * records->size)) {
            (void)pd_error_set(&error, PD_BAD_FORMAT, 0,
                               "record %" PRIu64 " lies behind the end of the archive",
                               records->next - 1);
            pd_verify_note_record(findings, records->next - 1, &error);
        }
    }
}

static enum pd_status check_archive(struct pd_verify_walk *walk, struct pd_error *err)
{
    struct pd_error error = PD_ERROR_INIT;
    enum pd_status status = pd_digest_new(pd_digest_alg_info(walk->alg)->name, &walk->digest, err);

    if (status == PD_OK)
        status = pd_tar_reader_new(pd_verify_records_give, walk->records, &walk->reader, err);
    if (status != PD_OK)
        return status;
    status = walk_archive(walk, &error);
    pd_verify_records_flush(walk->records);
    if (status == PD_NO_MEMORY && !walk->records->broken) {
        *err = error;
        return status;
    }
    if (status != PD_OK && status != PD_INTERRUPTED && walk->in_file != NULL)
        pd_verify_note_path(walk->findings, walk->in_file, &error);
    else if (status != PD_OK)
        pd_verify_note(walk->findings, &error);
    check_rest(walk->records, walk->findings, status == PD_OK);
    return PD_OK;
}

/* ---- what was learned ---- */

void pd_verify_learned_release(struct pd_verify_learned *learned)
{
    pd_toc_release(&learned->toc);
    pd_buf_free(&learned->bag_info);
    pd_buf_free(&learned->not_whole);
}

/* The files take the place of those that toc, which has the records, does not have. */
static void give_learned(struct pd_verify_learned *learned, struct pd_toc *own)
{
    struct pd_toc records = learned->toc;

    own->records = records.records;
    own->record_count = records.record_count;
    own->record_cap = records.record_cap;
    learned->toc = *own;
    pd_toc_init(own);
}

static void start_result(const struct pd_verify_job *job, struct pd_verify_result *result)
{
    const struct pd_label *label = pd_target_label(job->target);

    memset(result, 0, sizeof(*result));
    result->tape_file = job->tape_file;
    result->started = pd_clock_utc(job->env->clock);
    if (label != NULL)
        memcpy(result->label, label->label, sizeof(result->label));
    if (job->expect != NULL) {
        memcpy(result->archive, job->expect->name, sizeof(result->archive));
        result->files = job->expect->file_count;
    }
}

/* *alg is what the files are hashed with; if the manifest turns out to be of another, it becomes
 * that one, and the result counts for nothing. */
static enum pd_status run_once(const struct pd_verify_job *job, enum pd_digest_alg *alg,
                               struct pd_verify_result *result, struct pd_error *err)
{
    struct pd_verify_findings findings;
    struct pd_verify_records records = {0};
    struct pd_verify_walk walk = {
        .job = job, .records = &records, .findings = &findings, .alg = *alg, .other = *alg};
    enum pd_status status, ended;

    start_result(job, result);
    result->alg = *alg;
    pd_verify_findings_start(&findings, result, job->expect);
    pd_toc_init(&walk.own);
    walk.own.alg = *alg;
    walk.toc = job->expect != NULL ? job->expect : &walk.own;
    status = pd_verify_records_open(&records, job, &findings, err);
    if (status == PD_OK && !records.ended && job->records_only)
        check_rest(&records, &findings, false);
    else if (status == PD_OK && !records.ended)
        status = check_archive(&walk, err);
    result->records = records.next;
    pd_verify_records_close(&records);
    ended = pd_verify_findings_end(&findings, err);
    if (status == PD_OK)
        status = ended;
    if (status == PD_OK && result->status == PD_OK && job->learned != NULL)
        give_learned(job->learned, &walk.own);
    result->finished = pd_clock_utc(job->env->clock);
    *alg = walk.other;
    pd_tar_reader_free(walk.reader);
    pd_digest_free(walk.digest);
    pd_toc_release(&walk.own);
    pd_buf_free(&walk.top);
    pd_buf_free(&walk.tags);
    if (status != PD_OK) { /* a result half made must not be taken for one */
        result->status = status;
        result->error = *err;
    }
    return status;
}

enum pd_status pd_verify_job_run(const struct pd_verify_job *job, struct pd_verify_result *result,
                                 struct pd_error *err)
{
    enum pd_digest_alg alg = job->expect != NULL ? job->expect->alg : job->guess;
    enum pd_digest_alg tried = alg;
    enum pd_status status = run_once(job, &alg, result, err);

    if (status != PD_OK || alg == tried || result->status == PD_INTERRUPTED)
        return status;
    pd_verify_result_release(result);
    if (job->learned != NULL) /* the digests of the records come again */
        pd_verify_learned_release(job->learned);
    return run_once(job, &alg, result, err);
}

/* pd_verify_archive's beat has no say. */
struct beat {
    void (*fn)(void *);
    void *arg;
};

static bool pass_beat(void *arg)
{
    const struct beat *beat = arg;

    beat->fn(beat->arg);
    return true;
}

enum pd_status pd_verify_archive(const struct pd_env *env, struct pd_target *target,
                                 uint32_t tape_file, const struct pd_toc *expect,
                                 unsigned progress_copy, void (*beat)(void *), void *beat_arg,
                                 struct pd_verify_result *result, struct pd_error *err)
{
    struct beat passed = {beat, beat_arg};
    const struct pd_verify_job job = {.env = env,
                                      .target = target,
                                      .tape_file = tape_file,
                                      .expect = expect,
                                      .copy = progress_copy,
                                      .beat = beat == NULL ? NULL : pass_beat,
                                      .beat_arg = &passed};

    return pd_verify_job_run(&job, result, err);
}
