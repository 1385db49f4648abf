#include "pairdump/restore.h"

#include <fnmatch.h>

#include "pairdump/size.h"
#include "pairdump/space.h"
#include "restore_priv.h"

/* ---- what is asked for ---- */

/* Exactly the path, or a folder above it. */
static bool matches_plainly(const char *pattern, const char *path)
{
    size_t len;

    while (*pattern == '/')
        pattern++;
    while (*path == '/')
        path++;
    len = strlen(pattern);
    while (len > 0 && pattern[len - 1] == '/')
        len--;
    return len == 0 || (strncmp(path, pattern, len) == 0 && (path[len] == '\0' || path[len] == '/'));
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

bool pd_restore_wants(struct pd_restore_run *run, const char *path)
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

/* ---- what the caller hears ---- */

void pd_restore_report(const struct pd_restore_run *run, const char *path,
                       const struct pd_error *err)
{
    if (run->options->on_file != NULL)
        run->options->on_file(run->options->file_arg, path, err);
}

void pd_restore_avoided(const struct pd_restore_run *run, const char *label, const char *archive,
                        uint64_t record, enum pd_status why)
{
    run->summary->avoided++;
    if (run->options->on_avoided != NULL)
        run->options->on_avoided(run->options->avoided_arg, label, archive, record, why);
}

/* A folder that did not take its metadata. */
static void folder_trouble(void *arg, const char *rel, const struct pd_error *err)
{
    struct pd_restore_run *run = arg;
    char *path = NULL;

    run->summary->failed++;
    if (asprintf(&path, "/%s", rel) < 0)
        path = NULL;
    pd_restore_report(run, path == NULL ? rel : path, err);
    free(path);
}

/* ---- plan ---- */

struct plan {
    struct pd_restore_run *run;
    struct pd_archive_row *archives; /* those with something asked for */
    size_t count, cap;
    uint64_t files, bytes;
    uint64_t space; /* bytes that the destination needs, about */
};

static enum pd_status take_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    struct plan *plan = arg;

    if (plan->count == plan->cap) {
        size_t cap = plan->cap == 0 ? 64 : plan->cap * 2;
        struct pd_archive_row *bigger = realloc(plan->archives, cap * sizeof(*bigger));

        if (bigger == NULL)
            return pd_error_memory(err, "the archives");
        plan->archives = bigger;
        plan->cap = cap;
    }
    plan->archives[plan->count++] = *row;
    return PD_OK;
}

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

/* Counts what is asked for of one archive; *any says whether anything is. */
static enum pd_status count_archive(struct plan *plan, const struct pd_archive_row *row, bool *any,
                                    struct pd_error *err)
{
    struct pd_toc toc;
    enum pd_status status;

    *any = false;
    pd_toc_init(&toc);
    status = pd_catalog_toc(plan->run->catalog, row->id, &toc, err);
    for (uint64_t i = 0; i < toc.file_count && status == PD_OK; i++) {
        if (!pd_restore_wants(plan->run, toc.files[i].path))
            continue;
        *any = true;
        plan->files++;
        plan->bytes = pd_add_sat(plan->bytes, toc.files[i].size);
        plan->space = pd_add_sat(plan->space, space_of(plan->run, &toc.files[i]));
    }
    pd_toc_release(&toc);
    return status;
}

static enum pd_status make_plan(struct plan *plan, struct pd_error *err)
{
    struct pd_restore_run *run = plan->run;
    size_t kept = 0;
    enum pd_status status =
        pd_catalog_archives(run->catalog, run->options->dump_id, take_archive, plan, err);

    for (size_t i = 0; i < plan->count && status == PD_OK; i++) {
        bool any;

        status = pd_env_check(run->env, err);
        if (status == PD_OK)
            status = count_archive(plan, &plan->archives[i], &any, err);
        if (status == PD_OK && any)
            plan->archives[kept++] = plan->archives[i];
    }
    plan->count = kept;
    if (status == PD_OK && plan->files == 0)
        status = pd_error_set(err, PD_NOT_FOUND, 0, "no file of this dump is asked for");
    return status;
}

/* ---- run ---- */

static enum pd_status restore_archives(struct plan *plan, struct pd_error *err)
{
    struct pd_restore_run *run = plan->run;
    struct pd_progress *progress = run->env->progress;
    enum pd_status status = PD_OK;

    atomic_store(&progress->phase, PD_PHASE_RESTORE);
    atomic_store(&progress->files_total, plan->files);
    atomic_store(&progress->files_done, 0);
    atomic_store(&progress->bytes_total, plan->bytes);
    atomic_store(&progress->bytes_done, 0);
    for (size_t i = 0; i < plan->count && status == PD_OK; i++) {
        atomic_store(&progress->archive_no, plan->archives[i].seq);
        status = pd_restore_archive(run, &plan->archives[i], err);
    }
    return status;
}

/* Patterns that name nothing are troubles too: the caller asked for them. */
static bool name_unmatched(const struct pd_restore_run *run)
{
    bool any = false;

    for (size_t i = 0; i < run->options->pattern_count; i++) {
        struct pd_error error = PD_ERROR_INIT;

        if (run->pattern_matched[i])
            continue;
        any = true;
        if (pd_error_set(&error, PD_NOT_FOUND, 0, "no file of this dump matches") != PD_OK)
            pd_restore_report(run, run->options->patterns[i], &error);
    }
    return any;
}

static enum pd_status verdict(const struct pd_restore_summary *summary, bool unmatched)
{
    if (summary->lost > 0)
        return PD_FAILED;
    if (summary->failed > 0)
        return PD_RESTORE;
    if (unmatched)
        return PD_NOT_FOUND;
    if (summary->existing > 0)
        return PD_KEPT;
    return summary->not_whole > 0 ? PD_DEGRADED : PD_OK;
}

/* Writes everything asked for; folders get their metadata also when the run ends early. */
static enum pd_status write_out(struct plan *plan, struct pd_error *err)
{
    struct pd_restore_run *run = plan->run;
    struct pd_error finish_error = PD_ERROR_INIT;
    enum pd_status status = pd_space_check(run->options->destination, plan->space, 0, err), finish;

    if (status == PD_OK)
        status = restore_archives(plan, err);
    finish = pd_restore_tree_finish(run->tree, folder_trouble, run, &finish_error);
    if (status == PD_OK && finish != PD_OK) {
        status = finish;
        *err = finish_error;
    }
    return status;
}

static bool is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/* Plan first, with the destination only if it exists: nothing is made for a request that finds
 * nothing. */
static enum pd_status plan_and_run(struct pd_restore_run *run, struct plan *plan,
                                   struct pd_error *err)
{
    const struct pd_restore_options *options = run->options;
    enum pd_status status = PD_OK;

    if (!options->dry_run && is_there(options->destination))
        status = pd_restore_tree_open(run->env, options->destination, options->overwrite,
                                      &run->tree, err);
    if (status == PD_OK)
        status = pd_restore_volumes_new(run, &run->volumes, err);
    if (status == PD_OK)
        status = make_plan(plan, err);
    if (status != PD_OK)
        return status;
    if (options->dry_run)
        return restore_archives(plan, err);
    if (run->tree == NULL)
        status = pd_restore_tree_open(run->env, options->destination, options->overwrite,
                                      &run->tree, err);
    return status == PD_OK ? write_out(plan, err) : status;
}

enum pd_status pd_restore_run(const struct pd_env *env, struct pd_catalog *catalog,
                              const struct pd_restore_options *options,
                              struct pd_restore_summary *summary, struct pd_error *err)
{
    struct pd_restore_run run = {
        .env = env, .catalog = catalog, .options = options, .summary = summary};
    struct plan plan = {.run = &run};
    enum pd_status status;

    memset(summary, 0, sizeof(*summary));
    run.pattern_matched = calloc(options->pattern_count + 1, sizeof(*run.pattern_matched));
    if (run.pattern_matched == NULL) {
        status = pd_error_memory(err, "the patterns");
        goto out;
    }
    status = plan_and_run(&run, &plan, err);
    if (status == PD_OK)
        summary->status = verdict(summary, name_unmatched(&run));
    else
        summary->status = status;
out:
    pd_restore_links_free(run.links);
    pd_restore_volumes_free(run.volumes);
    pd_restore_tree_free(run.tree);
    free(run.pattern_matched);
    free(plan.archives);
    return status;
}
