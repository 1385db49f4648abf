#include "pairdump/resume.h"

#include <stdlib.h>
#include <string.h>

#include "pairdump/check.h"
#include "pairdump/process.h"
#include "resume_priv.h"

/* ---- what was written before ---- */

/* Begun and never finished: the catalog forgets it, and it will be begun again. */
static enum pd_status abandon_unfinished(struct pd_resuming *r, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < r->story.count && status == PD_OK; i++) {
        struct pd_told_archive *a = &r->story.archives[i];
        if (a->state == PD_TOLD_BEGUN) {
            a->state = PD_TOLD_GONE;
            status = pd_book_abandon(&r->d->book, a->seq, err);
        }
    }
    return status == PD_OK ? pd_dump_settle(r->d, true, err) : status;
}

static enum pd_status tell_bad(void *arg, const struct pd_verify_result *result,
                               struct pd_error *err)
{
    struct pd_dumping *d = arg;

    (void)err;
    if (result->status != PD_OK) {
        pd_dump_warn(d, &result->error);
    }
    return PD_OK;
}

/* Finished archives are read back, not rewritten. */
static enum pd_status verify_written(struct pd_resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    struct pd_check_options options = {.dump_id = d->row->id,
                                       .unverified_only = true,
                                       .retry = pd_dump_retry(d, "open"),
                                       .on_result = tell_bad,
                                       .result_arg = d};
    struct pd_check_summary summary;
    enum pd_status status = PD_OK;

    if (r->story.plan.pool.verify.mode != PD_VERIFY_NONE) {
        pd_pool_clear_drives(d->env, &r->story.plan.pool);
        status = pd_check_run(d->env, d->catalog, &options, &summary, err);
    }
    return status == PD_OK ? pd_env_check(d->env, err) : status;
}

/* ---- going on ---- */

static enum pd_status open_list(struct pd_resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    char *path = NULL;
    enum pd_status status;

    if (r->story.list_layout != PD_LIST_LAYOUT) {
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "the dump was begun by another version of pairdump; resume it with that");
    }
    status = pd_book_path(&d->book, "list", &path, err);
    if (status == PD_OK) {
        status = pd_list_open(path, r->story.list_size, &r->story.totals, &d->list, err);
    }
    free(path);
    if (status == PD_OK) {
        d->summary->source_files = r->story.totals.items;
        d->summary->source_bytes = r->story.totals.bytes;
        d->summary->archive_bytes = r->story.totals.archive_bytes;
    }
    return status;
}

/* Its list of paths came through a pipe, and was never whole. */
static bool is_unlistable(const struct pd_story *story)
{
    const char *list = story->plan.options.source.list_file;

    return !story->listed && list && strcmp(list, "-") == 0;
}

/* With a list there is nothing left to be found: files are only read. */
static enum pd_status open_source(struct pd_resuming *r, struct pd_dump_options *options,
                                  struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    enum pd_status status = PD_OK;

    if (r->story.listed) {
        options->source.path_count = 0;
        options->source.list_file = NULL;
    }
    for (size_t i = 0; i < r->story.plan.root_count && status == PD_OK; i++) {
        status = pd_dump_add_root(d, r->story.plan.roots[i], err);
    }
    return status == PD_OK ? pd_dump_open_source(&d->lanes[0], &options->source, err) : status;
}

static enum pd_status take_claims(struct pd_resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    char what[sizeof d->row->name + 16];
    enum pd_status status;

    snprintf(what, sizeof what, "resume %s", d->row->name);
    status = pd_dump_claim_source(d, what, err);
    return status == PD_OK ? pd_dump_claim_dump(d, err) : status;
}

/* The catalog learns what the journal has for it; *done: that was all. */
static enum pd_status catch_up(struct pd_resuming *r, bool *done, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    char uuid[PD_UUID_TEXT];
    enum pd_status status = pd_book_start(&d->book, d->catalog, d->row->id, d->run.id, err);

    if (status == PD_OK) {
        status = pd_dump_settle(d, true, err);
    }
    if (status == PD_OK) {
        memcpy(uuid, d->row->uuid, sizeof uuid);
        status = pd_catalog_dump_find(d->catalog, uuid, d->row, err);
    }
    *done = status == PD_OK && d->row->state == PD_DUMP_DONE;
    return status;
}

/* What the run before had reserved; the one that goes on reserves its own. */
static enum pd_status drop_reserved(struct pd_resuming *r, struct pd_error *err)
{
    const struct pd_pool_run run = pd_dump_pool_run(r->d);

    return pd_pool_drop_reserved(&run, r->story.labels, r->story.label_count, err);
}

static enum pd_status prepare(struct pd_resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    enum pd_status status = abandon_unfinished(r, err);

    if (status == PD_OK && is_unlistable(&r->story)) {
        d->goes_on = false;
        status = pd_error_set(err, PD_USAGE, 0,
                              "its list of paths came from standard input and was not taken whole;"
                              " nothing was written: make a new dump");
    }
    if (status == PD_OK) {
        status = verify_written(r, err);
    }
    if (status == PD_OK) {
        status = pd_dump_open_lanes(d, &r->story.plan.pool, err);
    }
    if (status == PD_OK) {
        status = drop_reserved(r, err);
    }
    if (status == PD_OK) {
        status = pd_resume_load(r, err);
    }
    if (status == PD_OK) {
        status = r->story.listed ? open_list(r, err) : pd_dump_list(d, err);
    }
    for (size_t i = 0; i < d->lane_count && status == PD_OK; i++) {
        status = pd_resume_take_pair(&r->lanes[i], err);
    }
    if (status == PD_OK) {
        status = pd_dump_check_space(d, err);
    }
    for (size_t i = 0; i < d->lane_count && status == PD_OK; i++) {
        pd_dump_reserve(&d->lanes[i]);
    }
    return status;
}

/* The dump was done, and only the catalog did not know. */
static enum pd_status tell_outcome(struct pd_resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    enum pd_status verdict = d->row->status;
    enum pd_status status;

    for (size_t i = 0; i < d->summary->copy_count; i++) {
        snprintf(d->summary->copies[i].url, sizeof d->summary->copies[i].url, "%s",
                 r->story.plan.pool.copies[i]);
    }
    status = pd_resume_load(r, err);
    if (status == PD_OK) {
        status = drop_reserved(r, err);
    }
    if (status == PD_OK && verdict != PD_OK) {
        status = pd_error_set(err, verdict, 0, "recorded as it ended; see show %s", d->row->name);
    }
    d->summary->status = status;
    d->summary->error = *err;
    pd_dump_release(d, pd_status_exit(status) != PD_EXIT_CATALOG);
    return status;
}

static enum pd_status open_book(struct pd_resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    char host[PD_HOST_TEXT];
    enum pd_status status;

    if (!pd_book_exists(d->options->state_dir, d->row->uuid)) {
        pd_process_host(host);
        return pd_error_set(err, PD_NOT_FOUND, 0,
                            "no journal of dump %s in %s; it was made on host %s%s", d->row->name,
                            d->options->state_dir, d->row->host,
                            strcmp(host, d->row->host) == 0 ? ", maybe with another state folder"
                                                            : "");
    }
    status = pd_book_open(d->env, d->options->state_dir, d->row, false, &d->book, err);
    return status == PD_OK ? pd_story_read(&d->book, &r->story, err) : status;
}

static enum pd_status make_lanes(struct pd_resuming *r, struct pd_error *err)
{
    enum pd_status status = pd_dump_make_lanes(r->d, &r->story.plan.pool, err);

    for (size_t i = 0; i < PD_COPIES_MAX && status == PD_OK; i++) {
        r->lanes[i] =
            (struct pd_resume_lane){.r = r,
                                    .l = &r->d->lanes[i],
                                    .told = &r->story.lanes[i],
                                    .last = calloc(PD_COPIES_MAX, sizeof *r->lanes[i].last)};
        if (!r->lanes[i].last) {
            return pd_error_memory(err, "volumes");
        }
    }
    return status;
}

static enum pd_status go_on(struct pd_resuming *r, struct pd_dump_options *options, bool *done,
                            struct pd_error *err)
{
    enum pd_status status = open_book(r, err);

    if (status == PD_OK) {
        options->source = r->story.plan.options.source;
        options->incremental = r->story.plan.options.incremental;
        options->pool = &r->story.plan.pool;
        status = make_lanes(r, err);
    }
    if (status == PD_OK) {
        status = open_source(r, options, err);
    }
    if (status == PD_OK) {
        status = take_claims(r, err);
    }
    if (status == PD_OK) {
        status = catch_up(r, done, err);
    }
    return status == PD_OK && !*done ? prepare(r, err) : status;
}

enum pd_status pd_resume_run(const struct pd_env *env, struct pd_catalog *catalog,
                             const struct pd_dump_row *row, const struct pd_dump_options *options,
                             struct pd_dump_summary *summary, struct pd_error *err)
{
    struct pd_dump_options merged = *options;
    struct pd_dumping d = {.goes_on = true};
    struct pd_resuming *r = calloc(1, sizeof *r);
    uint64_t began = pd_clock_monotonic(env->clock);
    bool done = false;
    enum pd_status status = pd_dump_start(&d, env, catalog, &merged, summary, err);

    summary->row = *row;
    if (!r) {
        status = pd_error_memory(err, "the resume");
    }
    if (status == PD_OK) {
        r->d = &d;
        status = go_on(r, &merged, &done, err);
    }
    status = done ? tell_outcome(r, err) : pd_dump_carry_out(&d, status, err);
    summary->total_ns = pd_clock_monotonic(env->clock) - began;
    for (size_t i = 0; i < PD_COPIES_MAX && r; i++) {
        free(r->lanes[i].last);
    }
    if (r) {
        pd_story_release(&r->story);
    }
    free(r);
    return status;
}
