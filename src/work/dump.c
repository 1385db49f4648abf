#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump_priv.h"
#include "pairdump/size.h"
#include "pairdump/space.h"

enum { CATALOG_BYTES_PER_FILE = 400, NAME_MAX_LEN = 64 };

struct pd_retry pd_dump_retry(const struct pd_dumping *d, const char *activity)
{
    return pd_config_retry(d->options->config, activity);
}

void pd_dump_warn(struct pd_dumping *d, const struct pd_error *warning)
{
    if (d->options->on_warning) {
        d->options->on_warning(d->options->warning_arg, warning);
    } else {
        pd_log_error(d->env->log, PD_LOG_WARN, warning);
    }
}

enum pd_status pd_dump_set_state(struct pd_dumping *d, enum pd_dump_state state,
                                 struct pd_error *err)
{
    d->row->state = state;
    return pd_catalog_dump_update(d->catalog, d->row, err);
}

void pd_dump_lose_copy(struct pd_dumping *d, size_t i, const struct pd_error *why, bool hung)
{
    struct pd_pool_copy *copy = pd_pool_copy(d->pool, i);
    struct pd_dump_copy_summary *summary = &d->summary->copies[i];
    struct pd_error late = PD_ERROR_INIT;

    pd_dump_warn(d, why);
    summary->status = pd_status_worst(summary->status, why->status);
    if (summary->error.status == PD_OK) {
        summary->error = *why;
    }
    copy->status = why->status;
    copy->error = *why;
    copy->volume.state = PD_VOLUME_BAD; /* not to be appended to; what it holds stays recorded */
    if (!hung && pd_target_close(copy->target, &late) != PD_OK) {
        pd_log_error(d->env->log, PD_LOG_WARN, &late);
    }
    copy->target = NULL;
}

/* ---- source problems ---- */

enum pd_status pd_dump_take_problem(void *arg, const struct pd_problem *problem,
                                    struct pd_error *err)
{
    struct pd_dumping *d = arg;
    struct pd_dump_problems *p = &d->problems;
    enum pd_status status = PD_OK;

    pthread_mutex_lock(&p->lock);
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        struct pd_dump_problem *grown = realloc(p->list, cap * sizeof *grown);
        if (grown) {
            p->list = grown;
            p->cap = cap;
        } else {
            status = pd_error_memory(err, "problems");
        }
    }
    if (status == PD_OK) {
        struct pd_dump_problem *one = &p->list[p->count];
        *one = (struct pd_dump_problem){.path = strdup(problem->path),
                                        .message = strdup(problem->message ? problem->message
                                                                           : ""),
                                        .status = problem->status,
                                        .sys_errno = problem->sys_errno,
                                        .archived = problem->archived};
        p->count++;
        if (!one->path || !one->message) {
            status = pd_error_memory(err, "problems");
        }
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}

enum pd_status pd_dump_flush_problems(struct pd_dumping *d, bool keep, struct pd_error *err)
{
    struct pd_dump_problems *p = &d->problems;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < p->count; i++) {
        struct pd_dump_problem *one = &p->list[i];
        struct pd_problem problem = {.path = one->path,
                                     .status = one->status,
                                     .sys_errno = one->sys_errno,
                                     .message = one->message,
                                     .archived = one->archived};
        if (keep && status == PD_OK && one->path) {
            d->row->problems++;
            atomic_fetch_add(&d->env->progress->problems, 1);
            if (d->options->on_problem) {
                status = d->options->on_problem(d->options->problem_arg, &problem, err);
            }
            if (status == PD_OK && d->row->id != 0) {
                status = pd_catalog_problem_add(d->catalog, d->row->id, &problem, err);
            }
        }
        free(one->path);
        free(one->message);
    }
    p->count = 0;
    return status;
}

/* ---- initialize ---- */

static bool name_is_valid(const char *name)
{
    size_t len = strlen(name);

    return len >= 1 && len <= NAME_MAX_LEN && name[0] != '.' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

/* Host up to its first dot, other bytes than letters, digits, '_' and '-' left out, and the time. */
static void default_name(struct pd_dumping *d, unsigned try, char *out, size_t size)
{
    char when[32], host[32], suffix[16] = "";
    size_t n = 0;

    pd_time_format(d->row->started, when, sizeof when);
    for (const char *c = d->row->host; *c && *c != '.' && n + 1 < sizeof host; c++) {
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *c) ||
            (*c == '-' && n > 0)) {
            host[n++] = *c;
        }
    }
    host[n] = '\0';
    if (try > 1) {
        snprintf(suffix, sizeof suffix, "-%u", try);
    }
    snprintf(out, size, "%s-%.4s%.2s%.2s-%.2s%.2s%.2s%s", n > 0 ? host : "dump", when, when + 5,
             when + 8, when + 11, when + 14, when + 17, suffix);
}

static enum pd_status choose_name(struct pd_dumping *d, struct pd_error *err)
{
    struct pd_dump_row *found = calloc(1, sizeof *found);
    const char *given = d->options->name;
    enum pd_status status = PD_OK;

    if (!found) {
        return pd_error_memory(err, "dump");
    }
    if (given && !name_is_valid(given)) {
        status = pd_error_set(err, PD_USAGE, 0,
                              "a dump's name is 1 to %d of A-Z a-z 0-9 . _ - and begins with a"
                              " letter or digit",
                              NAME_MAX_LEN);
    }
    for (unsigned try = 1; status == PD_OK; try++) {
        struct pd_error ignored = PD_ERROR_INIT;
        if (given) {
            snprintf(d->row->name, sizeof d->row->name, "%s", given);
        } else {
            default_name(d, try, d->row->name, sizeof d->row->name);
        }
        enum pd_status known = pd_catalog_dump_find(d->catalog, d->row->name, found, &ignored);
        if (known == PD_NOT_FOUND) {
            break;
        }
        if (known != PD_OK && known != PD_USAGE) {
            *err = ignored;
            status = known;
        } else if (given) {
            status = pd_error_set(err, PD_EXISTS, 0, "there is a dump %s already", given);
        }
    }
    free(found);
    return status;
}

static enum pd_status fill_roots(struct pd_dumping *d, struct pd_error *err)
{
    const struct pd_source_path_options *source = &d->options->source;
    struct pd_buf text = PD_BUF_INIT;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < source->path_count && status == PD_OK; i++) {
        char *path = NULL;
        status = pd_source_path_name(source->paths[i], source->cwd, &path, err);
        if (status == PD_OK && (pd_buf_puts(&text, i ? " " : "") != PD_OK ||
                                pd_escape_utf8(&text, path, strlen(path)) != PD_OK)) {
            status = pd_error_memory(err, "paths");
        }
        free(path);
    }
    if (status == PD_OK && source->list_file) {
        status = pd_buf_printf(&text, "%s(list)", text.len ? " " : "") == PD_OK
                     ? PD_OK
                     : pd_error_memory(err, "paths");
    }
    const char *from = text.data ? text.data : "";
    size_t size = sizeof d->row->roots;
    if (strlen(from) < size) {
        snprintf(d->row->roots, size, "%s", from);
    } else {
        snprintf(d->row->roots, size, "%.*s...", (int)size - 4, from);
    }
    pd_buf_free(&text);
    return status;
}

static enum pd_status initialize(struct pd_dumping *d, struct pd_error *err)
{
    const struct pd_pool_config *pool = d->options->pool;
    enum pd_status status;

    d->row->started = pd_clock_utc(d->env->clock);
    d->row->pid = getpid();
    d->row->copies = (unsigned)pool->copy_count;
    d->row->incremental = d->options->incremental;
    pd_uuid_make(d->env->rng, d->row->uuid);
    snprintf(d->row->pool, sizeof d->row->pool, "%s", pool->name);
    pd_verify_policy_format(pool->verify, d->row->policy, sizeof d->row->policy);
    if (gethostname(d->row->host, sizeof d->row->host - 1) != 0) {
        snprintf(d->row->host, sizeof d->row->host, "unknown");
    }
    if ((status = choose_name(d, err)) != PD_OK || (status = fill_roots(d, err)) != PD_OK) {
        return status;
    }
    status = pd_pool_open(d->env, pool, pd_dump_retry(d, "open"), &d->pool, err);
    if (status != PD_OK) {
        return status;
    }
    d->summary->copy_count = pd_pool_copies(d->pool);
    for (size_t i = 0; i < d->summary->copy_count; i++) {
        struct pd_pool_copy *copy = pd_pool_copy(d->pool, i);
        snprintf(d->summary->copies[i].url, sizeof d->summary->copies[i].url, "%s",
                 pd_pool_location(d->pool, i));
        d->summary->copies[i].status = copy->status;
        d->summary->copies[i].error = copy->error;
    }
    atomic_store(&d->env->progress->copies, d->summary->copy_count);
    return d->options->dry_run ? PD_OK : pd_catalog_dump_add(d->catalog, d->row, err);
}

/* ---- list ---- */

static enum pd_status keep_new(void *arg, const struct pd_item *item, bool *keep,
                               struct pd_error *err)
{
    struct pd_dumping *d = arg;
    enum pd_status why = PD_INTERNAL;
    enum pd_status status = pd_catalog_held(d->catalog, item,
                                            (unsigned)pd_pool_copies(d->pool), &why, err);

    *keep = status != PD_OK || why != PD_OK;
    d->row->skipped += !*keep;
    return status;
}

static enum pd_status list(struct pd_dumping *d, struct pd_error *err)
{
    struct pd_source_path_options options = d->options->source;
    uint64_t began = pd_clock_monotonic(d->env->clock);
    enum pd_status status;

    atomic_store(&d->env->progress->phase, PD_PHASE_LIST);
    options.on_problem = pd_dump_take_problem;
    options.problem_arg = d;
    status = pd_source_path_open(d->env, &options, &d->source, err);
    if (status == PD_OK) {
        status = pd_list_new(d->options->state_dir, &d->list, err);
    }
    if (status == PD_OK) {
        status = pd_scan(d->env, d->source, d->options->incremental ? keep_new : NULL, d, d->list,
                         err);
    }
    if (status == PD_OK) {
        status = pd_dump_flush_problems(d, true, err);
    }
    if (status == PD_OK) {
        d->summary->source_files = pd_list_totals(d->list)->items;
        d->summary->source_bytes = pd_list_totals(d->list)->bytes;
        d->summary->archive_bytes = pd_list_totals(d->list)->archive_bytes;
        if (d->summary->source_files == 0 && d->row->skipped == 0) {
            status = pd_error_set(err, PD_USAGE, 0, "nothing to dump: no path gave a file");
        }
    }
    d->summary->list_ns = pd_clock_monotonic(d->env->clock) - began;
    return status;
}

/* ---- space ---- */

/* Archives, their padding and tags, an index line per file, and two labels' worth of records. */
static uint64_t bytes_needed(const struct pd_dumping *d)
{
    const struct pd_pool_config *pool = pd_pool_config(d->pool);
    uint64_t archives = d->summary->batches + 1;
    uint64_t index = pd_mul_sat(d->summary->source_files, 256);

    return pd_add_sat(pd_add_sat(d->summary->archive_bytes, index),
                      pd_mul_sat(archives + 3, pool->block_size + 65536));
}

static enum pd_status count_batches(struct pd_dumping *d, struct pd_error *err)
{
    const struct pd_pool_config *pool = pd_pool_config(d->pool);
    struct pd_batch_limits limits = {pool->batch_size, pool->batch_files, pool->capacity};
    struct pd_batch batch;
    uint64_t cursor = 0;
    enum pd_status status;

    pd_batch_init(&batch);
    do {
        status = pd_batch_next(d->list, &cursor, &limits, &batch, err);
        d->summary->batches += status == PD_OK && batch.count > 0;
    } while (status == PD_OK && batch.count > 0);
    pd_batch_release(&batch);
    return status;
}

static enum pd_status check_space(struct pd_dumping *d, struct pd_error *err)
{
    const struct pd_list_totals *totals = pd_list_totals(d->list);
    const struct pd_pool_config *pool = pd_pool_config(d->pool);
    uint64_t catalog_need = pd_mul_sat(totals->items, CATALOG_BYTES_PER_FILE);
    const char *catalog = pd_catalog_path(d->catalog);
    uint64_t need = bytes_needed(d);
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < d->summary->copy_count; i++) {
        struct pd_target *target = pd_pool_copy(d->pool, i)->target;
        struct pd_target_space space = {.available = UINT64_MAX};
        struct pd_error ignored = PD_ERROR_INIT;
        if (target && pd_target_space_left(target, &space, &ignored) != PD_OK) {
            space.available = UINT64_MAX;
        }
        d->summary->copies[i].need = need;
        d->summary->copies[i].available = space.available;
    }
    if (pool->capacity > 0 && totals->largest > pool->capacity - pool->capacity / 16) {
        return pd_error_set(err, PD_USAGE, 0,
                            "%s has %" PRIu64 " bytes: more than a volume of %" PRIu64 " holds",
                            totals->largest_path, totals->largest, pool->capacity);
    }
    status = pd_pool_check_space(d->pool, need, err);
    if (status == PD_OK && catalog) {
        status = pd_space_check(catalog, catalog_need, d->options->config->catalog_reserve, err);
    }
    if (status == PD_OK) {
        status = pd_space_check(d->options->state_dir, pd_mul_sat(totals->items, 256),
                                d->options->config->catalog_reserve, err);
    }
    return status;
}

/* ---- the run ---- */

/* What went wrong outside the copies (interrupt, space, catalog) outweighs what the copies say,
 * which outweighs source files that are not whole. */
static enum pd_status conclude(struct pd_dumping *d, enum pd_status status, struct pd_error *err)
{
    enum pd_status verdict = pd_dump_judge(d);
    bool copy_trouble = false;

    for (size_t i = 0; i < d->summary->copy_count; i++) {
        copy_trouble = copy_trouble || d->summary->copies[i].status != PD_OK;
    }
    if (status != PD_OK) {
        return status;
    }
    if (verdict == PD_OK && copy_trouble) {
        verdict = PD_DEGRADED;
    }
    if (verdict == PD_FAILED) {
        return pd_error_set(err, PD_FAILED, 0, "an archive has no good copy");
    }
    if (verdict == PD_UNVERIFIED) {
        return pd_error_set(err, verdict, 0, "nothing was read back; run verify --dump %s",
                            d->row->name);
    }
    if (verdict != PD_OK) {
        return pd_error_set(err, verdict, 0, "a copy is missing or bad; see show %s",
                            d->row->name);
    }
    if (d->row->problems > 0) {
        return pd_error_set(err, PD_DEGRADED, 0,
                            "%" PRIu64 " source files are not whole in the dump, or not in it",
                            d->row->problems);
    }
    return PD_OK;
}

static enum pd_status run(struct pd_dumping *d, struct pd_error *err)
{
    uint64_t began;
    enum pd_status status = initialize(d, err);

    if (status == PD_OK && !d->options->dry_run) {
        status = pd_dump_set_state(d, PD_DUMP_LIST, err);
    }
    if (status == PD_OK) {
        status = list(d, err);
    }
    if (status == PD_OK) {
        status = count_batches(d, err);
    }
    if (status == PD_OK) {
        status = check_space(d, err);
    }
    if (status != PD_OK || d->options->dry_run) {
        return status;
    }
    status = pd_dump_set_state(d, PD_DUMP_WRITE, err);
    atomic_store(&d->env->progress->phase, PD_PHASE_WRITE);
    began = pd_clock_monotonic(d->env->clock);
    if (status == PD_OK) {
        status = pd_dump_write_all(d, err);
    }
    d->summary->write_ns = pd_clock_monotonic(d->env->clock) - began;
    atomic_store(&d->env->progress->phase, PD_PHASE_DONE);
    return status;
}

/* The last word in the catalog. An interrupted dump stays in the state that it reached. */
static enum pd_status close_row(struct pd_dumping *d, enum pd_status status, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;

    if (d->row->id == 0) {
        return status;
    }
    d->row->status = status;
    d->row->finished = pd_clock_utc(d->env->clock);
    if (status != PD_INTERRUPTED && pd_status_exit(status) != PD_EXIT_CATALOG) {
        d->row->state = PD_DUMP_DONE;
    }
    if (pd_catalog_dump_update(d->catalog, d->row, &late) != PD_OK) {
        if (pd_status_exit(status) == PD_EXIT_OK || pd_status_exit(status) == PD_EXIT_DEGRADED) {
            *err = late;
            return late.status;
        }
        pd_log_error(d->env->log, PD_LOG_ERROR, &late);
    }
    return status;
}

enum pd_status pd_dump_run(const struct pd_env *env, struct pd_catalog *catalog,
                           const struct pd_dump_options *options, struct pd_dump_summary *summary,
                           struct pd_error *err)
{
    struct pd_dumping d = {.env = env,
                           .catalog = catalog,
                           .options = options,
                           .summary = summary,
                           .row = &summary->row,
                           .spool = -1,
                           .problems.lock = PTHREAD_MUTEX_INITIALIZER};
    struct pd_error late = PD_ERROR_INIT;
    uint64_t began = pd_clock_monotonic(env->clock);
    enum pd_status status;

    memset(summary, 0, sizeof *summary);
    summary->ring_bytes = options->config->buffer;
    status = run(&d, err);
    pd_dump_stop_verifiers(&d);
    if (pd_dump_flush_problems(&d, false, &late) != PD_OK) {
        pd_log_error(env->log, PD_LOG_WARN, &late);
    }
    if (d.pool) {
        if (!options->dry_run) {
            status = conclude(&d, status, err);
        }
        if (pd_pool_close(d.pool, &late) != PD_OK) {
            pd_log_error(env->log, PD_LOG_WARN, &late);
        }
    }
    status = close_row(&d, status, err);
    summary->status = status;
    summary->error = *err;
    summary->total_ns = pd_clock_monotonic(env->clock) - began;
    pd_source_close(d.source);
    pd_list_free(d.list);
    free(d.problems.list);
    free(d.archives);
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        pd_expect_release(d.indexes[i].expect);
    }
    if (d.spool >= 0) {
        close(d.spool);
    }
    return status;
}
