#include <archive_entry.h>

#include "restore_priv.h"

/* What happens to one file of the archive. */
struct slot {
    bool wanted;
    bool done;      /* counted, one way or the other: a second try of the archive leaves it */
    uint64_t next;  /* of a file with several names: place of the next one asked for; or NONE */
    uint64_t last;  /* of a first name: the last of them */
    uint64_t as;    /* of a first name: place of the name that its data stands under; NONE: none */
    enum pd_status fault; /* of a first name: its data has been read, and is not good */
};

#define NONE PD_RESTORE_NONE

struct job {
    struct pd_restore_run *run;
    const struct pd_restore_part *part;
    struct pd_toc toc;
    struct slot *slots;
    uint64_t *firsts; /* of hard links that are asked for; NONE: not in this archive */
    struct pd_replica_copy *copies;
    size_t copy_count;
    struct pd_replica *replica;
    bool spare; /* copies that were replaced are left out, and can be asked yet, */
    bool again; /* and there are files that need them */
    /* The stream that the reader takes bytes from. */
    uint64_t position;
    struct pd_tar_reader *reader;
    uint64_t reader_base; /* where in the archive the reader began */
    uint64_t reader_at;   /* file whose entry it gave last */
};

/* ---- reading ---- */

static const char *rel_of(const struct pd_toc_file *file)
{
    return file->path + (file->path[0] == '/' ? 1 : 0);
}

static enum pd_status give_bytes(void *arg, const void **bytes, size_t *len, struct pd_error *err)
{
    struct job *job = arg;
    uint64_t size = job->toc.record_size, record_no = job->position / size;
    size_t skip = (size_t)(job->position % size);
    const uint8_t *record;
    enum pd_status status;

    *bytes = NULL;
    *len = 0;
    if (record_no >= job->toc.record_count)
        return PD_OK;
    status = pd_replica_record(job->replica, record_no, &record, err);
    if (status != PD_OK)
        return status;
    *bytes = record + skip;
    *len = (size_t)size - skip;
    job->position += *len;
    return PD_OK;
}

static bool name_matches(const struct job *job, const char *name, const char *path)
{
    size_t top = strlen(job->toc.name), name_len, path_len = strlen(path);

    if (name == NULL || strncmp(name, job->toc.name, top) != 0 ||
        strncmp(name + top, "/data", 5) != 0)
        return false;
    name += top + 5;
    name_len = strlen(name);
    while (name_len > 0 && name[name_len - 1] == '/')
        name_len--;
    while (path_len > 0 && path[path_len - 1] == '/')
        path_len--;
    return name_len == path_len && memcmp(name, path, path_len) == 0;
}

static bool kind_matches(struct archive_entry *entry, char kind)
{
    switch (kind) {
    case PD_KIND_FILE:
        return archive_entry_filetype(entry) == S_IFREG && archive_entry_hardlink(entry) == NULL;
    case PD_KIND_DIR:
        return archive_entry_filetype(entry) == S_IFDIR;
    case PD_KIND_SYMLINK:
        return archive_entry_filetype(entry) == S_IFLNK;
    case PD_KIND_FIFO:
        return archive_entry_filetype(entry) == S_IFIFO;
    case PD_KIND_CHAR:
        return archive_entry_filetype(entry) == S_IFCHR;
    case PD_KIND_BLOCK:
        return archive_entry_filetype(entry) == S_IFBLK;
    default:
        return false;
    }
}

/* The archive and the table of contents must tell the same before anything of it is used. */
static enum pd_status check_entry(const struct job *job, struct archive_entry *entry,
                                  const struct pd_toc_file *file, struct pd_error *err)
{
    const char *target = archive_entry_symlink(entry);
    const char *wrong = NULL;

    if (job->reader_base + pd_tar_entry_offset(job->reader) != file->offset)
        wrong = "place";
    else if (!name_matches(job, archive_entry_pathname(entry), file->path))
        wrong = "name";
    else if (!kind_matches(entry, file->kind))
        wrong = "kind";
    else if (file->kind == PD_KIND_FILE && (uint64_t)archive_entry_size(entry) != file->size)
        wrong = "size";
    else if (file->kind == PD_KIND_SYMLINK &&
             (target == NULL || file->link == NULL || strcmp(target, file->link) != 0))
        wrong = "link target";
    if (wrong == NULL)
        return PD_OK;
    return pd_error_set(err, PD_BAD_FILE, 0, "its %s in the archive is not what was recorded",
                        wrong);
}

/* Brings the reader to the entry of a file: the next one, or a new reader at its place. */
static enum pd_status find_entry(struct job *job, uint64_t i, struct archive_entry **entry,
                                 struct pd_error *err)
{
    const struct pd_toc_file *file = &job->toc.files[i];
    enum pd_status status = PD_OK;

    *entry = NULL;
    if (job->reader == NULL || job->reader_at + 1 != i) {
        pd_tar_reader_free(job->reader);
        job->reader = NULL;
        job->position = file->offset;
        job->reader_base = file->offset;
        status = pd_tar_reader_new(give_bytes, job, &job->reader, err);
    }
    if (status == PD_OK)
        status = pd_tar_next(job->reader, entry, err);
    if (status == PD_OK && *entry == NULL)
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "the archive ends before it");
    if (status == PD_OK)
        status = check_entry(job, *entry, file, err);
    job->reader_at = i;
    if (status != PD_OK) {
        pd_tar_reader_free(job->reader);
        job->reader = NULL;
    }
    return status;
}

/* ---- one file ---- */

static bool ends_run(const struct pd_restore_run *run, enum pd_status status)
{
    if (run->stream != NULL && pd_restore_stream_broken(run->stream))
        return true;
    return status == PD_INTERRUPTED || status == PD_NO_MEMORY || status == PD_INTERNAL ||
           status == PD_NO_SPACE;
}

/* Counts and names what became of a file. */
static void settle(struct job *job, uint64_t i, const struct pd_restore_outcome *outcome,
                   enum pd_status status, struct pd_error *err)
{
    struct pd_restore_summary *summary = job->run->summary;
    const struct pd_toc_file *file = &job->toc.files[i];

    job->slots[i].done = true;
    atomic_fetch_add(&job->run->env->progress->files_done, 1);
    atomic_fetch_add(&job->run->env->progress->bytes_done, file->size);
    if (outcome->back) {
        summary->files++;
        summary->bytes += file->kind == PD_KIND_FILE ? file->size : 0;
    }
    if (status == PD_EXISTS)
        summary->existing++;
    else if (status != PD_OK && outcome->place)
        summary->failed++;
    else if (status != PD_OK)
        summary->lost++;
    else if (file->state != PD_WHOLE) {
        summary->not_whole++;
        status = pd_error_set(
            err, file->state == PD_CHANGED ? PD_SOURCE_CHANGED : PD_SOURCE_UNREADABLE, 0,
            file->state == PD_CHANGED
                ? "restored as the dump has it: it changed while it was dumped"
                : "restored as the dump has it: it could not be read to its end");
    }
    if (status == PD_OK)
        return;
    pd_error_context(err, NULL, job->toc.name, NULL);
    pd_restore_report(job->run, file->path, err);
}

/* What does not fit the temporary file is read twice: to prove it, and to send it. */
static enum pd_status send_data(struct job *job, uint64_t i, struct archive_entry *entry,
                                const char *rel, struct pd_restore_outcome *outcome,
                                struct pd_error *err)
{
    const struct pd_toc_file *file = &job->toc.files[i];
    struct pd_restore_stream *stream = job->run->stream;
    bool twice = file->kind == PD_KIND_FILE && !pd_restore_stream_fits(stream, file);
    enum pd_status status = PD_OK;

    if (twice) {
        status = pd_restore_stream_prove(job->reader, file, err);
        pd_tar_reader_free(job->reader);
        job->reader = NULL;
        if (status == PD_OK)
            status = find_entry(job, i, &entry, err);
    }
    return status == PD_OK
               ? pd_restore_stream_file(stream, job->reader, entry, file, rel, twice, outcome, err)
               : status;
}

/* The data of file i, which is no hard link, under the name of file t. */
static enum pd_status restore_data(struct job *job, uint64_t i, uint64_t t,
                                   struct pd_restore_outcome *outcome, struct pd_error *err)
{
    const struct pd_toc_file *file = &job->toc.files[i];
    const char *rel = rel_of(&job->toc.files[t]);
    struct archive_entry *entry;
    enum pd_status status = find_entry(job, i, &entry, err);

    if (status == PD_OK && job->run->stream != NULL)
        status = send_data(job, i, entry, rel, outcome, err);
    else if (status == PD_OK)
        status = pd_restore_file(job->run->tree, job->reader, entry, file, rel, outcome, err);
    if (outcome->back) {
        struct pd_error memory = PD_ERROR_INIT;

        job->slots[i].as = t;
        if (pd_restore_linked_remember(job->run, job->part->archive.dump_id, file, rel, &memory) !=
            PD_OK) {
            *err = memory;
            return memory.status;
        }
    } else { /* its data may not be read to the end: start anew */
        pd_tar_reader_free(job->reader);
        job->reader = NULL;
        if (!outcome->place)
            job->slots[i].fault = status;
    }
    return status;
}

static enum pd_status restore_link(struct job *job, const char *from, uint64_t i,
                                   struct pd_restore_outcome *outcome, struct pd_error *err)
{
    const struct pd_toc_file *file = &job->toc.files[i];
    enum pd_status status =
        job->run->stream != NULL
            ? pd_restore_stream_link(job->run->stream, file, from, rel_of(file), err)
            : pd_restore_tree_link(job->run->tree, from, rel_of(file), err);

    outcome->back = status == PD_OK;
    outcome->place = status != PD_OK;
    return status;
}

/* File i, which is no hard link, under the name of file n, which may be its own. */
static enum pd_status restore_name(struct job *job, uint64_t i, uint64_t n,
                                   struct pd_restore_outcome *outcome, struct pd_error *err)
{
    const struct pd_toc_file *file = &job->toc.files[i];
    struct slot *slot = &job->slots[i];
    const char *before;
    enum pd_status status;

    if (slot->fault != PD_OK)
        return pd_error_set(err, slot->fault, 0, "its content, that of %s, is not good",
                            file->path);
    if (slot->as != NONE)
        return restore_link(job, rel_of(&job->toc.files[slot->as]), n, outcome, err);
    before = pd_restore_linked_before(job->run, job->part->archive.dump_id, file);
    if (before == NULL)
        return restore_data(job, i, n, outcome, err);
    status = restore_link(job, before, n, outcome, err);
    if (outcome->back)
        slot->as = n;
    return status;
}

/* Keeps what exists, folders apart: those are merged. */
static enum pd_status check_place(struct job *job, const struct pd_toc_file *file,
                                  struct pd_error *err)
{
    const char *rel = rel_of(file);
    struct stat st;
    bool there;
    enum pd_status status;

    if ((rel[0] == '\0' && file->kind == PD_KIND_DIR) || job->run->tree == NULL)
        return PD_OK;
    status = pd_restore_tree_look(job->run->tree, rel, &there, &st, err);
    if (status != PD_OK || !there)
        return status;
    if (file->kind == PD_KIND_DIR)
        return S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode) || job->run->options->overwrite
                   ? PD_OK /* a link is refused when the folder is made */
                   : pd_error_set(err, PD_EXISTS, 0, "a file of this name exists; kept");
    if (S_ISDIR(st.st_mode))
        return pd_error_set(err, PD_EXISTS, 0, "a folder of this name exists; kept");
    if (!job->run->options->overwrite)
        return pd_error_set(err, PD_EXISTS, 0, "exists already; kept");
    return PD_OK;
}

/* The file that has the data of file i: itself, unless that is a hard link; NONE: there is none. */
static uint64_t data_of(const struct job *job, uint64_t i)
{
    const struct pd_toc_file *file = &job->toc.files[i];
    uint64_t first = job->firsts[i];

    if (file->kind != PD_KIND_HARDLINK)
        return i;
    return first == NONE || (file->has_digest && memcmp(file->digest, job->toc.files[first].digest,
                                                        sizeof(file->digest)) != 0)
               ? NONE
               : first;
}

/* Not settled yet: a copy that was replaced may have it. */
static bool waits(struct job *job, enum pd_status status, const struct pd_restore_outcome *outcome)
{
    if (status == PD_OK || outcome->back || outcome->place || !job->spare)
        return false;
    job->again = true;
    return true;
}

static enum pd_status restore_one(struct job *job, uint64_t i, struct pd_error *err)
{
    const struct pd_toc_file *file = &job->toc.files[i];
    struct pd_restore_outcome outcome = {.back = false, .place = true};
    struct pd_error error = PD_ERROR_INIT;
    uint64_t data = data_of(job, i);
    enum pd_status status = check_place(job, file, &error);

    if (status == PD_OK) {
        outcome.place = false;
        status = data == NONE
                     ? pd_error_set(&error, PD_BAD_FILE, 0,
                                    "the file that it is another name of is not in the archive")
                     : restore_name(job, data, i, &outcome, &error);
    }
    if (ends_run(job->run, status)) {
        pd_error_context(&error, NULL, job->toc.name, file->path);
        *err = error;
        return status;
    }
    if (!waits(job, status, &outcome))
        settle(job, i, &outcome, status, &error);
    return PD_OK;
}

/* The data of file i goes by now, and its own name does not take it: another one that is asked for
 * does, so that nothing is read twice. */
static enum pd_status restore_other_name(struct job *job, uint64_t i, struct pd_error *err)
{
    const struct slot *slot = &job->slots[i];
    enum pd_status status = PD_OK;

    if (job->toc.files[i].kind == PD_KIND_HARDLINK)
        return PD_OK;
    for (uint64_t n = slot->next; n != NONE && status == PD_OK; n = job->slots[n].next) {
        struct pd_error ignored = PD_ERROR_INIT;

        if (slot->as != NONE || slot->fault != PD_OK)
            break;
        if (!job->slots[n].done && data_of(job, n) == i &&
            check_place(job, &job->toc.files[n], &ignored) == PD_OK)
            status = restore_one(job, n, err);
    }
    return status;
}

/* ---- one archive ---- */

static enum pd_status select_files(struct job *job, struct pd_error *err)
{
    uint64_t count = job->toc.file_count;
    enum pd_status status;

    if (count != job->part->file_count)
        return pd_error_set(err, PD_CATALOG, 0, "its files changed in the catalog meanwhile");
    job->slots = calloc(count + 1, sizeof(*job->slots));
    job->firsts = calloc(count + 1, sizeof(*job->firsts));
    if (job->slots == NULL || job->firsts == NULL)
        return pd_error_memory(err, "the files of an archive");
    status = pd_restore_first_names(&job->toc, job->part, job->firsts, err);
    for (uint64_t i = 0; i < count; i++) {
        job->slots[i].wanted = pd_restore_part_wants(job->part, i);
        job->slots[i].next = NONE;
        job->slots[i].last = i;
        job->slots[i].as = NONE;
    }
    for (uint64_t i = 0; i < count && status == PD_OK; i++) {
        uint64_t first = job->firsts[i];

        if (first == NONE)
            continue;
        job->slots[job->slots[first].last].next = i;
        job->slots[first].last = i;
    }
    return status;
}

/* No copy at all: everything of the archive is lost, for the same reason. */
static void lose_all(struct job *job, const struct pd_error *why)
{
    const struct pd_restore_outcome outcome = {.back = false, .place = false};

    for (uint64_t i = 0; i < job->toc.file_count; i++) {
        struct pd_error error = *why;

        if (job->slots[i].wanted && !job->slots[i].done)
            settle(job, i, &outcome, why->status, &error);
    }
}

static enum pd_status restore_all(struct job *job, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (uint64_t i = 0; i < job->toc.file_count && status == PD_OK; i++) {
        status = pd_env_check(job->run->env, err);
        if (status == PD_OK && job->slots[i].wanted && !job->slots[i].done)
            status = restore_one(job, i, err);
        if (status == PD_OK)
            status = restore_other_name(job, i, err);
    }
    return status;
}

static void close_stream(struct job *job)
{
    pd_tar_reader_free(job->reader);
    job->reader = NULL;
    pd_replica_free(job->replica);
    job->replica = NULL;
    pd_restore_served(job->run, job->copies, job->copy_count);
    for (size_t i = 0; i < job->copy_count; i++)
        if (job->copies[i].first_fault != PD_OK)
            pd_restore_avoided(job->run, job->copies[i].name, job->toc.name,
                               job->copies[i].first_fault_record, job->copies[i].first_fault);
    free(job->copies);
    job->copies = NULL;
    job->copy_count = 0;
}

/* What is not settled, from the copies at hand; replaced: from those that were replaced as well. */
static enum pd_status restore_from(struct job *job, bool replaced, struct pd_error *err)
{
    struct pd_error fault = PD_ERROR_INIT;
    enum pd_status status =
        pd_restore_volumes_open(job->run->volumes, &job->part->archive, replaced, &job->copies,
                                &job->copy_count, &job->spare, &fault);

    job->again = status == PD_MISSING && job->spare;
    if (job->again)
        return PD_OK;
    if (status == PD_MISSING) {
        lose_all(job, &fault);
        return PD_OK;
    }
    if (status != PD_OK) {
        *err = fault;
        return status;
    }
    status = pd_replica_new(job->run->env, &job->toc, job->copies, job->copy_count, &job->replica,
                            err);
    if (status == PD_OK)
        status = restore_all(job, err);
    close_stream(job);
    return status;
}

/* The step that is tried again by policy; files settled before stay so. */
static enum pd_status restore_step(void *arg, struct pd_error *err)
{
    struct job *job = arg;
    enum pd_status status = restore_from(job, false, err);

    if (status != PD_OK || !job->again)
        return status;
    for (uint64_t i = 0; i < job->toc.file_count; i++)
        job->slots[i].fault = PD_OK;
    return restore_from(job, true, err);
}

enum pd_status pd_restore_archive(struct pd_restore_run *run, const struct pd_restore_part *part,
                                  struct pd_error *err)
{
    struct job job = {.run = run, .part = part};
    const struct pd_activity activity = {.name = "restore",
                                         .subject = part->archive.name,
                                         .run = restore_step,
                                         .arg = &job,
                                         .retry = run->options->retry};
    enum pd_status status;

    pd_toc_init(&job.toc);
    status = pd_catalog_toc(run->catalog, part->archive.id, &job.toc, err);
    if (status == PD_OK)
        status = select_files(&job, err);
    if (status == PD_OK)
        status = pd_activity_run(run->env, &activity, err);
    pd_error_context(err, NULL, status == PD_OK ? NULL : part->archive.name, NULL);
    free(job.slots);
    free(job.firsts);
    pd_toc_release(&job.toc);
    return status;
}
