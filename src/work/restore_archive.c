#include <archive_entry.h>
#include <search.h>

#include "restore_priv.h"

#define NONE UINT64_MAX

/* What happens to one file of the archive. */
struct slot {
    bool wanted;
    bool done;      /* counted, one way or the other: a second try of the archive leaves it */
    uint64_t first; /* of a hard link: place of its first name; NONE: not in this archive */
    uint64_t as;    /* of a first name: place of the file that its data stands under; NONE: none */
};

struct job {
    struct pd_restore_run *run;
    const struct pd_archive_row *row;
    struct pd_toc toc;
    struct slot *slots;
    struct pd_replica_copy *copies;
    size_t copy_count;
    struct pd_replica *replica;
    /* The stream that the reader takes bytes from. */
    uint64_t position;
    struct pd_tar_reader *reader;
    uint64_t reader_base; /* where in the archive the reader began */
    uint64_t reader_at;   /* file whose entry it gave last */
};

/* ---- files with several names, across archives ---- */

struct linked {
    uint64_t dev, ino, size;
    int64_t mtime;
    uint32_t mtime_ns;
    uint8_t digest[PD_DIGEST_MAX];
    char kind;
    char rel[];
};

static int compare_linked(const void *a, const void *b)
{
    const struct linked *x = a, *y = b;

    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* The name under which the same file, unchanged, was restored from an earlier archive, or NULL. */
static const char *linked_before(const struct pd_restore_run *run, const struct pd_toc_file *file)
{
    struct linked key = {.dev = file->dev, .ino = file->ino};
    void *found;
    const struct linked *linked;

    if (file->dev == 0 || file->kind == PD_KIND_DIR)
        return NULL;
    found = tfind(&key, &run->links, compare_linked);
    if (found == NULL)
        return NULL;
    linked = *(struct linked *const *)found;
    if (linked->kind != file->kind || linked->size != file->size || linked->mtime != file->mtime ||
        linked->mtime_ns != file->mtime_ns ||
        memcmp(linked->digest, file->digest, sizeof(linked->digest)) != 0)
        return NULL;
    return linked->rel;
}

static enum pd_status remember_linked(struct pd_restore_run *run, const struct pd_toc_file *file,
                                      const char *rel, struct pd_error *err)
{
    struct linked *linked;
    size_t len = strlen(rel) + 1;
    void *found;

    if (file->dev == 0 || file->kind == PD_KIND_DIR)
        return PD_OK;
    linked = malloc(sizeof(*linked) + len);
    if (linked == NULL)
        return pd_error_memory(err, "hard links");
    linked->dev = file->dev;
    linked->ino = file->ino;
    linked->size = file->size;
    linked->mtime = file->mtime;
    linked->mtime_ns = file->mtime_ns;
    memcpy(linked->digest, file->digest, sizeof(linked->digest));
    linked->kind = file->kind;
    memcpy(linked->rel, rel, len);
    found = tsearch(linked, &run->links, compare_linked);
    if (found == NULL) {
        free(linked);
        return pd_error_memory(err, "hard links");
    }
    if (*(struct linked **)found != linked)
        free(linked); /* changed between two archives: the earlier one stays */
    return PD_OK;
}

void pd_restore_links_free(void *links)
{
    tdestroy(links, free);
}

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

static bool ends_run(enum pd_status status)
{
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

/* The data of file i, which is no hard link, under the name of file t. */
static enum pd_status restore_data(struct job *job, uint64_t i, uint64_t t,
                                   struct pd_restore_outcome *outcome, struct pd_error *err)
{
    const struct pd_toc_file *file = &job->toc.files[i];
    struct archive_entry *entry;
    enum pd_status status = find_entry(job, i, &entry, err);

    if (status != PD_OK)
        return status;
    status = pd_restore_file(job->run->tree, job->reader, entry, file,
                             rel_of(&job->toc.files[t]), outcome, err);
    if (outcome->back) {
        struct pd_error memory = PD_ERROR_INIT;

        job->slots[i].as = t;
        if (remember_linked(job->run, file, rel_of(&job->toc.files[t]), &memory) != PD_OK) {
            *err = memory;
            return memory.status;
        }
    } else { /* its data may not be read to the end: start anew */
        pd_tar_reader_free(job->reader);
        job->reader = NULL;
    }
    return status;
}

static enum pd_status restore_link(struct job *job, const char *from, uint64_t i,
                                   struct pd_restore_outcome *outcome, struct pd_error *err)
{
    enum pd_status status =
        pd_restore_tree_link(job->run->tree, from, rel_of(&job->toc.files[i]), err);

    outcome->back = status == PD_OK;
    outcome->place = status != PD_OK;
    return status;
}

static enum pd_status restore_hardlink(struct job *job, uint64_t i,
                                       struct pd_restore_outcome *outcome, struct pd_error *err)
{
    const struct pd_toc_file *file = &job->toc.files[i];
    uint64_t first = job->slots[i].first;

    if (first == NONE || (file->has_digest && memcmp(file->digest, job->toc.files[first].digest,
                                                     sizeof(file->digest)) != 0))
        return pd_error_set(err, PD_BAD_FILE, 0,
                            "the file that it is another name of is not in the archive");
    if (job->slots[first].as != NONE)
        return restore_link(job, rel_of(&job->toc.files[job->slots[first].as]), i, outcome, err);
    return restore_data(job, first, i, outcome, err);
}

/* Keeps what exists, folders apart: those are merged. */
static enum pd_status check_place(struct job *job, const struct pd_toc_file *file,
                                  struct pd_error *err)
{
    const char *rel = rel_of(file);
    struct stat st;
    bool there;
    enum pd_status status;

    if (rel[0] == '\0' && file->kind == PD_KIND_DIR)
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

static enum pd_status restore_one(struct job *job, uint64_t i, struct pd_error *err)
{
    const struct pd_toc_file *file = &job->toc.files[i];
    struct pd_restore_outcome outcome = {.back = false, .place = true};
    struct pd_error error = PD_ERROR_INIT;
    const char *before;
    enum pd_status status = check_place(job, file, &error);

    if (status == PD_OK) {
        outcome.place = false;
        before = linked_before(job->run, file);
        if (file->kind == PD_KIND_HARDLINK) {
            status = restore_hardlink(job, i, &outcome, &error);
        } else if (before != NULL) {
            status = restore_link(job, before, i, &outcome, &error);
            if (outcome.back)
                job->slots[i].as = i;
        } else {
            status = restore_data(job, i, i, &outcome, &error);
        }
    }
    if (ends_run(status)) {
        pd_error_context(&error, NULL, job->toc.name, file->path);
        *err = error;
        return status;
    }
    settle(job, i, &outcome, status, &error);
    return PD_OK;
}

/* ---- one archive ---- */

static int compare_paths(const void *a, const void *b, void *arg)
{
    const struct pd_toc_file *files = arg;

    return strcmp(files[*(const uint64_t *)a].path, files[*(const uint64_t *)b].path);
}

static uint64_t find_path(const struct job *job, const uint64_t *order, uint64_t count,
                          const char *path)
{
    uint64_t low = 0, high = count;

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        int order_of = strcmp(job->toc.files[order[mid]].path, path);

        if (order_of == 0)
            return order[mid];
        if (order_of < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NONE;
}

/* Finds the first name of each hard link that is wanted. */
static enum pd_status find_firsts(struct job *job, struct pd_error *err)
{
    uint64_t *order = NULL, count = 0;
    bool any = false;

    for (uint64_t i = 0; i < job->toc.file_count; i++)
        any = any || (job->slots[i].wanted && job->toc.files[i].kind == PD_KIND_HARDLINK);
    if (!any)
        return PD_OK;
    order = calloc(job->toc.file_count, sizeof(*order));
    if (order == NULL)
        return pd_error_memory(err, "hard links");
    for (uint64_t i = 0; i < job->toc.file_count; i++)
        if (job->toc.files[i].kind != PD_KIND_HARDLINK)
            order[count++] = i;
    qsort_r(order, count, sizeof(*order), compare_paths, job->toc.files);
    for (uint64_t i = 0; i < job->toc.file_count; i++) {
        const struct pd_toc_file *file = &job->toc.files[i];

        if (job->slots[i].wanted && file->kind == PD_KIND_HARDLINK && file->link != NULL)
            job->slots[i].first = find_path(job, order, count, file->link);
    }
    free(order);
    return PD_OK;
}

static enum pd_status select_files(struct job *job, uint64_t *wanted, struct pd_error *err)
{
    *wanted = 0;
    job->slots = calloc(job->toc.file_count + 1, sizeof(*job->slots));
    if (job->slots == NULL)
        return pd_error_memory(err, "the files of an archive");
    for (uint64_t i = 0; i < job->toc.file_count; i++) {
        job->slots[i].wanted = pd_restore_wants(job->run, job->toc.files[i].path);
        job->slots[i].first = NONE;
        job->slots[i].as = NONE;
        *wanted += job->slots[i].wanted;
    }
    return *wanted == 0 ? PD_OK : find_firsts(job, err);
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

static void count_all(struct job *job)
{
    for (uint64_t i = 0; i < job->toc.file_count; i++) {
        if (!job->slots[i].wanted)
            continue;
        job->run->summary->files++;
        if (job->toc.files[i].kind == PD_KIND_FILE)
            job->run->summary->bytes += job->toc.files[i].size;
    }
}

static enum pd_status restore_all(struct job *job, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (uint64_t i = 0; i < job->toc.file_count && status == PD_OK; i++) {
        if (!job->slots[i].wanted || job->slots[i].done)
            continue;
        status = pd_env_check(job->run->env, err);
        if (status == PD_OK)
            status = restore_one(job, i, err);
    }
    return status;
}

static void close_stream(struct job *job)
{
    pd_tar_reader_free(job->reader);
    job->reader = NULL;
    pd_replica_free(job->replica);
    job->replica = NULL;
    for (size_t i = 0; i < job->copy_count; i++)
        if (job->copies[i].first_fault != PD_OK)
            pd_restore_avoided(job->run, job->copies[i].name, job->toc.name,
                               job->copies[i].first_fault_record, job->copies[i].first_fault);
    free(job->copies);
    job->copies = NULL;
    job->copy_count = 0;
}

/* The step that is tried again by policy; files settled before stay so. */
static enum pd_status restore_step(void *arg, struct pd_error *err)
{
    struct job *job = arg;
    struct pd_error fault = PD_ERROR_INIT;
    enum pd_status status = pd_restore_volumes_open(job->run->volumes, job->row, &job->copies,
                                                    &job->copy_count, &fault);

    if (status == PD_MISSING) {
        lose_all(job, &fault);
        return PD_OK;
    }
    if (status != PD_OK) {
        *err = fault;
        return status;
    }
    if (job->run->tree == NULL) {
        count_all(job);
        goto out;
    }
    status = pd_replica_new(job->run->env, &job->toc, job->copies, job->copy_count, &job->replica,
                            err);
    if (status == PD_OK)
        status = restore_all(job, err);
out:
    close_stream(job);
    return status;
}

enum pd_status pd_restore_archive(struct pd_restore_run *run, const struct pd_archive_row *archive,
                                  struct pd_error *err)
{
    struct job job = {.run = run, .row = archive};
    const struct pd_activity activity = {.name = "restore",
                                         .subject = archive->name,
                                         .run = restore_step,
                                         .arg = &job,
                                         .retry = run->options->retry};
    uint64_t wanted = 0;
    enum pd_status status;

    pd_toc_init(&job.toc);
    status = pd_catalog_toc(run->catalog, archive->id, &job.toc, err);
    if (status == PD_OK)
        status = select_files(&job, &wanted, err);
    if (status == PD_OK && wanted > 0)
        status = pd_activity_run(run->env, &activity, err);
    pd_error_context(err, NULL, status == PD_OK ? NULL : archive->name, NULL);
    free(job.slots);
    pd_toc_release(&job.toc);
    return status;
}
