#include "pairdump/restore.h"

#include "pairdump/space.h"
#include "restore_priv.h"

/* ---- what the caller hears ---- */

void pd_restore_report(const struct pd_restore_run *run, const char *path,
                       const struct pd_error *err)
{
    if (run->options->on_file != NULL)
        run->options->on_file(run->options->file_arg, path, err);
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

/* ---- run ---- */

static enum pd_status restore_archives(struct pd_restore_run *run,
                                       const struct pd_restore_plan *plan, struct pd_error *err)
{
    struct pd_progress *progress = run->env->progress;
    enum pd_status status = PD_OK;

    atomic_store(&progress->phase, PD_PHASE_RESTORE);
    atomic_store(&progress->files_total, plan->files);
    atomic_store(&progress->files_done, 0);
    atomic_store(&progress->bytes_total, plan->bytes);
    atomic_store(&progress->bytes_done, 0);
    for (size_t i = 0; i < plan->count && status == PD_OK; i++) {
        atomic_store(&progress->archive_no, plan->parts[i].archive.seq);
        status = pd_restore_archive(run, &plan->parts[i], err);
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
        if (pd_error_set(&error, PD_NOT_FOUND, 0, "no file matches") != PD_OK)
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
static enum pd_status write_out(struct pd_restore_run *run, const struct pd_restore_plan *plan,
                                struct pd_error *err)
{
    struct pd_error finish_error = PD_ERROR_INIT;
    enum pd_status status = pd_space_check(run->options->destination, plan->space, 0, err), finish;

    if (status == PD_OK)
        status = restore_archives(run, plan, err);
    finish = pd_restore_tree_finish(run->tree, folder_trouble, run, &finish_error);
    if (status == PD_OK && finish != PD_OK) {
        status = finish;
        *err = finish_error;
    }
    return status;
}

/* The stream gets its end mark only when the run came to its end. */
static enum pd_status send_out(struct pd_restore_run *run, const struct pd_restore_plan *plan,
                               struct pd_error *err)
{
    enum pd_status status = pd_restore_stream_open(run->env, run->options, &run->stream, err);

    if (status == PD_OK)
        status = restore_archives(run, plan, err);
    return status == PD_OK ? pd_restore_stream_finish(run->stream, err) : status;
}

static bool is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/* Plan first, with the destination only if it exists: nothing is made for a request that finds
 * nothing. */
static enum pd_status plan_and_run(struct pd_restore_run *run, struct pd_restore_plan *plan,
                                   struct pd_error *err)
{
    const struct pd_restore_options *options = run->options;
    enum pd_status status = PD_OK;

    if (!options->dry_run && !options->stream && is_there(options->destination))
        status = pd_restore_tree_open(run->env, options->destination, options->overwrite,
                                      &run->tree, err);
    if (status == PD_OK)
        status = pd_restore_volumes_new(run, &run->volumes, err);
    if (status == PD_OK)
        status = pd_restore_plan_make(run, plan, err);
    if (status != PD_OK)
        return status;
    if (options->dry_run)
        return pd_restore_needs(run, plan, err);
    if (options->stream)
        return send_out(run, plan, err);
    if (run->tree == NULL)
        status = pd_restore_tree_open(run->env, options->destination, options->overwrite,
                                      &run->tree, err);
    return status == PD_OK ? write_out(run, plan, err) : status;
}

enum pd_status pd_restore_run(const struct pd_env *env, struct pd_catalog *catalog,
                              const struct pd_restore_options *options,
                              struct pd_restore_summary *summary, struct pd_error *err)
{
    struct pd_restore_run run = {
        .env = env, .catalog = catalog, .options = options, .summary = summary};
    struct pd_restore_plan plan = {0};
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
    pd_restore_tell_seen(&run);
out:
    pd_restore_linked_free(run.links);
    pd_restore_seen_free(&run);
    pd_restore_volumes_free(run.volumes);
    pd_restore_tree_free(run.tree);
    pd_restore_stream_free(run.stream);
    free(run.pattern_matched);
    pd_restore_plan_release(&plan);
    return status;
}
