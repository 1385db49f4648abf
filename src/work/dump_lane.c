#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump_priv.h"
#include "pairdump/thread.h"

/* ---- opening ---- */

size_t pd_dump_copies(const struct pd_dumping *d)
{
    return d->summary->copy_count / d->lane_count;
}

enum pd_status pd_dump_make_lanes(struct pd_dumping *d, const struct pd_pool_config *config,
                                  struct pd_error *err)
{
    uint64_t lanes = config->pairs > 0 ? config->pairs : 1;

    if (lanes > config->copy_count || config->copy_count % lanes != 0) {
        return pd_error_set(err, PD_USAGE, 0,
                            "%zu targets do not make %" PRIu64 " pairs: each needs as many as the"
                            " others",
                            config->copy_count, lanes);
    }
    d->summary->copy_count = config->copy_count;
    d->summary->pairs = d->lane_count = (size_t)lanes;
    atomic_store(&d->writing, d->lane_count);
    for (size_t i = 0; i < d->lane_count; i++) {
        d->lanes[i].copies = &d->summary->copies[i * pd_dump_copies(d)];
    }
    return PD_OK;
}

/* Those of all lanes have a session, and a source that only reads what was listed, of their own. */
static enum pd_status open_own(struct pd_dump_lane *l, struct pd_error *err)
{
    struct pd_dumping *d = l->d;
    struct pd_source_path_options source = d->options->source;

    if (l->number == 0) {
        l->catalog = d->catalog;
        return PD_OK;
    }
    source.path_count = 0;
    source.list_file = NULL;
    enum pd_status status = pd_dump_open_source(l, &source, err);
    return status == PD_OK ? pd_catalog_again(d->catalog, &l->catalog, err) : status;
}

static enum pd_status open_lane(struct pd_dump_lane *l, const struct pd_pool_config *config,
                                struct pd_error *err)
{
    struct pd_dumping *d = l->d;
    struct pd_pool_run run = pd_dump_pool_run(d);
    struct pd_pool_config part = *config;
    size_t count = pd_dump_copies(d);
    enum pd_status status = open_own(l, err);

    memset(part.copies, 0, sizeof part.copies);
    for (size_t i = 0; i < count; i++) {
        part.copies[i] = config->copies[l->number * count + i];
    }
    part.copy_count = count;
    run.catalog = l->catalog;
    run.beside = l->number > 0 ? l[-1].pool : NULL;
    if (status == PD_OK) {
        status = pd_pool_open(d->env, &part, &run, pd_dump_retry(d, "open"), &l->pool, err);
    }
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        struct pd_pool_copy *copy = pd_pool_copy(l->pool, i);
        snprintf(l->copies[i].url, sizeof l->copies[i].url, "%s", pd_pool_location(l->pool, i));
        l->copies[i].status = copy->status;
        l->copies[i].error = copy->error;
    }
    return status;
}

enum pd_status pd_dump_open_lanes(struct pd_dumping *d, const struct pd_pool_config *config,
                                  struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < d->lane_count && status == PD_OK; i++) {
        status = open_lane(&d->lanes[i], config, err);
    }
    if (status == PD_OK) {
        atomic_store(&d->env->progress->pairs, d->lane_count);
        atomic_store(&d->env->progress->copies, d->summary->copy_count);
    }
    return status;
}

void pd_dump_close_lanes(struct pd_dumping *d, bool recorded)
{
    for (size_t i = d->lane_count; i-- > 0;) { /* a pool knows the one before it */
        struct pd_pool *pool = d->lanes[i].pool;
        struct pd_error late = PD_ERROR_INIT;
        if (pool && recorded) {
            pd_pool_give_back(pool);
        }
        if (pool) {
            pd_pool_put_away(pool);
        }
        if (pd_pool_close(pool, &late) != PD_OK) {
            pd_log_error(d->env->log, PD_LOG_WARN, &late);
        }
        d->lanes[i].pool = NULL;
    }
}

static void release_lane(struct pd_dump_lane *l)
{
    pd_source_close(l->source);
    if (l->number > 0) {
        pd_catalog_close(l->catalog);
    }
    pd_dump_forget_problems(&l->problems);
    pthread_mutex_destroy(&l->problems.lock);
    free(l->archives);
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        pd_expect_release(l->indexes[i].expect);
    }
}

void pd_dump_release_lanes(struct pd_dumping *d)
{
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        release_lane(&d->lanes[i]);
    }
}

/* ---- running ---- */

bool pd_dump_is_own_trouble(enum pd_status status)
{
    return status != PD_OK && status != PD_INTERRUPTED && status != PD_NO_MEMORY &&
           status != PD_INTERNAL && status != PD_BUSY && pd_status_exit(status) != PD_EXIT_CATALOG;
}

/* The drives of a lane are out, or it has no volume left. In the latter case no copy is missing. */
static void leave(struct pd_dump_lane *l)
{
    struct pd_dumping *d = l->d;
    size_t left;

    for (size_t i = 0; i < pd_dump_copies(d) && pd_status_exit(l->status) != PD_EXIT_SPACE; i++) {
        if (l->copies[i].status == PD_OK) {
            l->copies[i].status = l->status;
            l->copies[i].error = l->error;
        }
    }
    pthread_mutex_lock(&d->lock);
    left = --d->lanes_left;
    d->last_out = l->number;
    pthread_mutex_unlock(&d->lock);
    if (left > 0) {
        pd_dump_warn(d, &l->error);
        pd_log_line(d->env->log, PD_LOG_WARN,
                    "pair of drives %zu writes no more; the others go on with what it had",
                    l->number + 1);
    }
}

static void run_lane(struct pd_dump_lane *l)
{
    l->status = pd_dump_write_lane(l, &l->error);
    if (l->status != PD_OK && l->own_trouble) {
        leave(l);
    } else if (l->status != PD_OK) {
        pd_batches_end(&l->d->batches);
    }
}

static enum pd_status lane_thread(struct pd_thread *self, void *arg, struct pd_error *err)
{
    (void)self;
    (void)err;
    run_lane(arg);
    return PD_OK;
}

/* What ended the run, or else the last lane that was left. */
static enum pd_status outcome(struct pd_dumping *d, struct pd_error *err)
{
    struct pd_dump_lane *why = NULL;

    for (size_t i = d->lane_count; i > 0; i--) {
        struct pd_dump_lane *l = &d->lanes[i - 1];
        why = l->status != PD_OK && !l->own_trouble ? l : why;
    }
    d->all_written = pd_batches_all_recorded(&d->batches);
    if (!why && !d->all_written) {
        why = &d->lanes[d->last_out];
    }
    if (why && why->status == PD_OK) {
        return pd_error_set(err, PD_INTERNAL, 0, "a lane ended before everything was written");
    }
    if (why) {
        *err = why->error;
        err->status = why->status;
    }
    return why ? why->status : PD_OK;
}

enum pd_status pd_dump_run_lanes(struct pd_dumping *d, struct pd_error *err)
{
    const struct pd_pool_config *config = pd_pool_config(d->lanes[0].pool);
    struct pd_batch_limits limits = {config->batch_size, config->batch_files, config->capacity};
    struct pd_thread *threads[PD_COPIES_MAX] = {NULL};
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status = PD_OK;

    d->lanes_left = d->lane_count;
    pd_batches_start(&d->batches, d->list, &limits);
    for (size_t i = 1; i < d->lane_count && status == PD_OK; i++) {
        status = pd_thread_start("lane", lane_thread, &d->lanes[i], NULL, &threads[i], err);
    }
    if (status == PD_OK) {
        run_lane(&d->lanes[0]);
    } else {
        pd_batches_end(&d->batches);
    }
    for (size_t i = 1; i < d->lane_count; i++) {
        (void)!pd_thread_join(&threads[i], 0, &ignored);
    }
    for (size_t i = 0; i < d->lane_count; i++) {
        uint64_t ns = d->lanes[i].verify_ns;
        d->summary->verify_ns = ns > d->summary->verify_ns ? ns : d->summary->verify_ns;
    }
    return status == PD_OK ? outcome(d, err) : status;
}
