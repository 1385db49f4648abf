#include <fnmatch.h>

#include "pairdump/size.h"
#include "restore_priv.h"

/* ---- what is asked for ---- */

static const char *without_slashes(const char *path)
{
    while (*path == '/')
        path++;
    return path;
}

/* Exactly the path, or a folder above it. */
static bool matches_plainly(const char *pattern, const char *path)
{
    size_t len;

    pattern = without_slashes(pattern);
    path = without_slashes(path);
    len = strlen(pattern);
    while (len > 0 && pattern[len - 1] == '/')
        len--;
    return len == 0 ||
           (strncmp(path, pattern, len) == 0 && (path[len] == '\0' || path[len] == '/'));
}

static bool matches(const char *pattern, const char *path)
{
    if (matches_plainly(pattern, path))
        return true;
    if (strpbrk(pattern, "*?[") == NULL)
        return false;
    return fnmatch(pattern, path, FNM_LEADING_DIR) == 0 ||
           (path[0] == '/' && fnmatch(pattern, path + 1, FNM_LEADING_DIR) == 0);
}

static bool wants(struct pd_restore_run *run, const char *path)
{
    const struct pd_restore_options *options = run->options;
    bool wanted = options->pattern_count == 0;

    for (size_t i = 0; i < options->pattern_count; i++) {
        if (matches(options->patterns[i], path)) {
            run->pattern_matched[i] = true;
            wanted = true;
        }
    }
    return wanted;
}

/* Might something that is asked for lie below the path, were it a folder? */
static bool stands_above(const struct pd_restore_run *run, const char *path)
{
    size_t len = strlen(path = without_slashes(path));

    for (size_t i = 0; i < run->options->pattern_count; i++) {
        const char *pattern = without_slashes(run->options->patterns[i]);
        size_t plain = strcspn(pattern, "*?[\\");

        if (strncmp(pattern, path, plain < len ? plain : len) == 0)
            return true;
    }
    return false;
}

bool pd_restore_part_wants(const struct pd_restore_part *part, uint64_t file)
{
    return (part->wanted[file / 8] >> (file % 8) & 1) != 0;
}

/* ---- one archive ---- */

struct planning {
    struct pd_restore_run *run;
    struct pd_restore_plan *plan;
    struct pd_restore_newest *newest; /* NULL: there is one dump */
    uint32_t dump;                    /* its number, from the newest */
};

/* Bytes that a file will take: a sparse one has fewer in the archive than its size says. */
static uint64_t space_of(struct pd_restore_run *run, const struct pd_toc_file *file)
{
    struct pd_error ignored = PD_ERROR_INIT;
    struct stat st;
    bool there = false;

    if (file->kind != PD_KIND_FILE)
        return 0;
    if (run->tree != NULL && !run->options->overwrite &&
        pd_restore_tree_look(run->tree, file->path + (file->path[0] == '/'), &there, &st,
                             &ignored) == PD_OK &&
        there)
        return 0; /* kept */
    return file->size < file->length ? file->size : file->length;
}

static enum pd_status choose(struct planning *p, const struct pd_toc_file *file, bool *wanted,
                             struct pd_error *err)
{
    bool taken = false;

    *wanted = wants(p->run, file->path);
    if (p->newest == NULL)
        return PD_OK;
    if (!*wanted && (file->kind == PD_KIND_DIR || !stands_above(p->run, file->path)))
        return PD_OK;
    enum pd_status status = pd_restore_newest_take(p->newest, p->dump, file, &taken, err);
    *wanted = *wanted && taken;
    return status;
}

static enum pd_status choose_files(struct planning *p, struct pd_restore_part *part,
                                   struct pd_error *err)
{
    struct pd_toc toc;
    enum pd_status status;

    pd_toc_init(&toc);
    status = pd_catalog_toc(p->run->catalog, part->archive.id, &toc, err);
    part->file_count = toc.file_count;
    if (status == PD_OK) {
        part->wanted = calloc(toc.file_count / 8 + 1, 1);
        if (part->wanted == NULL)
            status = pd_error_memory(err, "the files of an archive");
    }
    for (uint64_t i = 0; i < toc.file_count && status == PD_OK; i++) {
        bool wanted = false;

        status = choose(p, &toc.files[i], &wanted, err);
        if (status != PD_OK || !wanted)
            continue;
        part->wanted[i / 8] |= (uint8_t)(1u << (i % 8));
        part->files++;
        part->bytes = pd_add_sat(part->bytes, toc.files[i].size);
        p->plan->space = pd_add_sat(p->plan->space, space_of(p->run, &toc.files[i]));
    }
    pd_toc_release(&toc);
    return status;
}

bool pd_restore_copy_counts(const struct pd_restore_run *run, const struct pd_copy_row *row)
{
    if (run->options->from != NULL)
        return row->state != PD_COPY_WRITING && row->volume_id == run->from;
    return row->state != PD_COPY_WRITING && row->reason != PD_GIVEN_UP;
}

struct ordering {
    const struct pd_restore_run *run;
    struct pd_restore_part *part;
};

static enum pd_status take_place(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct ordering *o = arg;

    (void)err;
    if (pd_restore_copy_counts(o->run, row) && row->volume_id < o->part->volume) {
        o->part->volume = row->volume_id;
        o->part->tape_file = row->tape_file;
    }
    return PD_OK;
}

/* ---- all of them ---- */

static enum pd_status take_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    struct planning *p = arg;
    struct pd_restore_plan *plan = p->plan;

    if (plan->count == plan->cap) {
        size_t cap = plan->cap == 0 ? 64 : plan->cap * 2;
        struct pd_restore_part *bigger = realloc(plan->parts, cap * sizeof(*bigger));

        if (bigger == NULL)
            return pd_error_memory(err, "the archives");
        plan->parts = bigger;
        plan->cap = cap;
    }
    plan->parts[plan->count++] = (struct pd_restore_part){.archive = *row, .volume = INT64_MAX};
    return PD_OK;
}

/* Takes the archives of a dump in, and keeps those with something asked for. */
static enum pd_status take_dump(struct planning *p, int64_t dump_id, struct pd_error *err)
{
    struct pd_restore_plan *plan = p->plan;
    size_t kept = plan->count, i = kept;
    enum pd_status status = pd_catalog_archives(p->run->catalog, dump_id, take_archive, p, err);

    for (; i < plan->count && status == PD_OK; i++) {
        struct pd_restore_part *part = &plan->parts[i];
        struct ordering ordering = {p->run, part};

        status = pd_env_check(p->run->env, err);
        if (status == PD_OK)
            status = choose_files(p, part, err);
        if (status == PD_OK && part->files > 0)
            status =
                pd_catalog_copies(p->run->catalog, part->archive.id, 0, take_place, &ordering, err);
        if (status == PD_OK && part->files > 0) {
            plan->files += part->files;
            plan->bytes = pd_add_sat(plan->bytes, part->bytes);
            plan->parts[kept++] = *part;
        } else {
            free(part->wanted);
        }
    }
    plan->count = kept; /* those behind i have no bits yet */
    return status;
}

static int compare_parts(const void *a, const void *b)
{
    const struct pd_restore_part *x = a, *y = b;

    if (x->volume != y->volume)
        return x->volume < y->volume ? -1 : 1;
    if (x->tape_file != y->tape_file)
        return x->tape_file < y->tape_file ? -1 : 1;
    return x->archive.id < y->archive.id ? -1 : x->archive.id > y->archive.id;
}

static enum pd_status find_from(struct pd_restore_run *run, struct pd_error *err)
{
    struct pd_volume_row *row = calloc(1, sizeof(*row));
    enum pd_status status =
        row == NULL ? pd_error_memory(err, "a volume")
                    : pd_catalog_volume_find(run->catalog, run->options->from, row, err);

    if (status == PD_OK)
        run->from = row->id;
    free(row);
    return status;
}

enum pd_status pd_restore_plan_make(struct pd_restore_run *run, struct pd_restore_plan *plan,
                                    struct pd_error *err)
{
    const struct pd_restore_options *options = run->options;
    const int64_t *dumps = options->dump_count > 0 ? options->dumps : &options->dump_id;
    size_t count = options->dump_count > 0 ? options->dump_count : 1;
    struct planning p = {.run = run, .plan = plan};
    enum pd_status status = options->from != NULL ? find_from(run, err) : PD_OK;

    if (status == PD_OK && count > 1)
        status = pd_restore_newest_new(&p.newest, err);
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        p.dump = (uint32_t)i;
        status = take_dump(&p, dumps[i], err);
    }
    pd_restore_newest_free(p.newest);
    if (status == PD_OK && plan->files == 0)
        status = pd_error_set(err, PD_NOT_FOUND, 0, "no file of %s is asked for",
                              count > 1 ? "these dumps" : "this dump");
    if (status == PD_OK && plan->count > 1)
        qsort(plan->parts, plan->count, sizeof(*plan->parts), compare_parts);
    return status;
}

void pd_restore_plan_release(struct pd_restore_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        free(plan->parts[i].wanted);
    free(plan->parts);
    memset(plan, 0, sizeof(*plan));
}
