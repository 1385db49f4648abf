#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump_priv.h"

enum { NAME_MAX_LEN = 64 };

struct pd_retry pd_dump_retry(const struct pd_dumping *d, const char *activity)
{
    return pd_config_retry(d->options->config, activity);
}

void pd_dump_warn(struct pd_dumping *d, const struct pd_error *warning)
{
    pthread_mutex_lock(&d->lock);
    if (d->options->on_warning) {
        d->options->on_warning(d->options->warning_arg, warning);
    } else {
        pd_log_error(d->env->log, PD_LOG_WARN, warning);
    }
    pthread_mutex_unlock(&d->lock);
}

enum pd_status pd_dump_set_state(struct pd_dumping *d, enum pd_dump_state state,
                                 struct pd_error *err)
{
    pthread_mutex_lock(&d->lock);
    d->row->state = state;
    enum pd_status status = pd_book_state(&d->book, d->row, err);
    pthread_mutex_unlock(&d->lock);
    return status;
}

void pd_dump_lose_copy(struct pd_dump_lane *l, size_t i, const struct pd_error *why, bool hung)
{
    struct pd_dumping *d = l->d;
    struct pd_pool_copy *copy = pd_pool_copy(l->pool, i);
    struct pd_dump_copy_summary *summary = &l->copies[i];
    struct pd_error late = PD_ERROR_INIT;

    pd_dump_warn(d, why);
    summary->status = pd_status_worst(summary->status, why->status);
    if (summary->error.status == PD_OK) {
        summary->error = *why;
    }
    copy->status = why->status;
    copy->error = *why;
    if (!hung) {
        pd_dump_report_drive(l, i);
    }
    copy->volume.state = PD_VOLUME_BAD; /* not to be appended to; what it holds stays recorded */
    if (copy->volume.id != 0 && pd_book_volume(&d->book, &copy->volume, &late) != PD_OK) {
        pd_log_error(d->env->log, PD_LOG_WARN, &late);
        pd_error_clear(&late);
    }
    if (!hung && pd_target_close(copy->target, &late) != PD_OK) {
        pd_log_error(d->env->log, PD_LOG_WARN, &late);
    }
    copy->target = NULL;
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

static enum pd_status fill_row(struct pd_dumping *d, struct pd_error *err)
{
    const struct pd_pool_config *pool = d->options->pool;
    enum pd_status status;

    d->row->started = pd_clock_utc(d->env->clock);
    d->row->pid = getpid();
    d->row->copies = (unsigned)pd_dump_copies(d);
    d->row->incremental = d->options->incremental;
    pd_uuid_make(d->env->rng, d->row->uuid);
    snprintf(d->row->pool, sizeof d->row->pool, "%s", pool->name);
    pd_verify_policy_format(pool->verify, d->row->policy, sizeof d->row->policy);
    if (gethostname(d->row->host, sizeof d->row->host - 1) != 0) {
        snprintf(d->row->host, sizeof d->row->host, "unknown");
    }
    status = choose_name(d, err);
    return status == PD_OK ? fill_roots(d, err) : status;
}

/* From here on the dump has a book, a claim and, last, a row: what has a row can be resumed. */
static enum pd_status put_on_record(struct pd_dumping *d, struct pd_error *err)
{
    enum pd_status status =
        pd_book_open(d->env, d->options->state_dir, d->row, true, &d->book, err);

    if (status == PD_OK) {
        status = pd_plan_save(d, err);
    }
    if (status == PD_OK) {
        status = pd_dump_claim_dump(d, err);
    }
    if (status == PD_OK) {
        status = pd_catalog_dump_add(d->catalog, d->row, err);
    }
    for (size_t i = 0; i < d->lane_count && status == PD_OK; i++) {
        pd_dump_reserve(&d->lanes[i]);
    }
    if (status == PD_OK) {
        status = pd_book_start(&d->book, d->catalog, d->row->id, d->run.id, err);
    }
    return status;
}

static enum pd_status initialize(struct pd_dumping *d, struct pd_error *err)
{
    char what[sizeof d->row->name + 8];
    enum pd_status status = pd_dump_make_lanes(d, d->options->pool, err);

    if (status == PD_OK) {
        status = fill_row(d, err);
    }
    if (status == PD_OK) {
        status = pd_dump_open_source(&d->lanes[0], &d->options->source, err);
    }
    if (status == PD_OK && !d->options->dry_run) {
        snprintf(what, sizeof what, "dump %s", d->row->name);
        status = pd_dump_find_roots(d, err);
        if (status == PD_OK) {
            status = pd_dump_claim_source(d, what, err);
        }
    }
    if (status == PD_OK) {
        status = pd_dump_open_lanes(d, d->options->pool, err);
    }
    return status == PD_OK && !d->options->dry_run ? put_on_record(d, err) : status;
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
    enum pd_status status = initialize(d, err);

    if (status == PD_OK && !d->options->dry_run) {
        status = pd_dump_set_state(d, PD_DUMP_LIST, err);
    }
    if (status == PD_OK) {
        status = pd_dump_list(d, err);
    }
    if (status == PD_OK) {
        status = pd_dump_check_space(d, err);
    }
    for (size_t i = 0; i < d->lane_count && status == PD_OK && !d->options->dry_run; i++) {
        pd_dump_reserve(&d->lanes[i]);
    }
    return status;
}

/* The last word on the dump. One that was broken off while it was written stays in that state: it
 * can be resumed, also where memory was short, which says nothing of the copies. *recorded: the
 * catalog has all of it. */
static enum pd_status close_row(struct pd_dumping *d, enum pd_status status, bool *recorded,
                                struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    bool begun = d->goes_on || d->row->state >= PD_DUMP_WRITE;
    bool broken_off = status == PD_INTERRUPTED || pd_status_exit(status) == PD_EXIT_CATALOG ||
                      (begun && (!d->all_written || status == PD_NO_MEMORY));

    d->row->status = status;
    d->row->finished = pd_clock_utc(d->env->clock);
    if (!broken_off) {
        d->row->state = PD_DUMP_DONE;
    }
    enum pd_status told = pd_book_state(&d->book, d->row, &late);
    if (told == PD_OK) {
        told = pd_dump_settle(d, true, &late);
    }
    *recorded = told == PD_OK;
    if (*recorded) {
        return status;
    }
    d->untold = true;
    pd_log_error(d->env->log, PD_LOG_ERROR, &late);
    pd_log_line(d->env->log, PD_LOG_ERROR,
                "the catalog does not know all of dump %s; pairdump resume %s tells it, when it can"
                " be reached",
                d->row->name, d->row->name);
    if (pd_status_exit(status) == PD_EXIT_OK || pd_status_exit(status) == PD_EXIT_DEGRADED) {
        *err = late;
        status = told;
    }
    return status;
}

/* A resume that came to nothing, as when a drive was busy, leaves everything as it was left to it. */
static enum pd_status end_run(struct pd_dumping *d, bool done, struct pd_error *err)
{
    return d->goes_on && !done ? pd_catalog_run_return(d->catalog, d->run.id, err)
                               : pd_catalog_run_remove(d->catalog, d->run.id, err);
}

/* What the catalog was not told all of keeps its claims: others see that the process is gone, and that
 * there is something to resume. */
static void leave_catalog(struct pd_dumping *d, bool done)
{
    struct pd_error late = PD_ERROR_INIT;

    if (d->untold) {
        return;
    }
    if (d->summary->status != PD_OK && pd_status_exit(d->summary->status) == PD_EXIT_CATALOG) {
        pd_catalog_try_once(d->catalog, true); /* it was waited for already */
    }
    if (done && d->run_before != 0 &&
        pd_catalog_run_remove(d->catalog, d->run_before, &late) != PD_OK) {
        pd_log_error(d->env->log, PD_LOG_WARN, &late);
    }
    if (d->run.id != 0 && end_run(d, done, &late) != PD_OK) {
        pd_log_error(d->env->log, PD_LOG_WARN, &late);
    }
}

/* The book goes last: who is killed before can resume. */
void pd_dump_release(struct pd_dumping *d, bool done)
{
    pd_ledger_free(d->book.ledger);
    d->book.ledger = NULL;
    leave_catalog(d, done);
    pd_book_release(&d->book, done);
    if (d->run.id != 0 && !d->untold) {
        pd_dump_sweep(d->env, d->catalog, d->options->state_dir);
    }
    pd_dump_release_lanes(d);
    pd_list_free(d->list);
    pd_dump_forget_roots(d);
    pd_buf_free(&d->problem_lines);
    pd_batches_release(&d->batches);
    pthread_mutex_destroy(&d->picking);
    pthread_mutex_destroy(&d->lock);
}

enum pd_status pd_dump_settle(struct pd_dumping *d, bool patient, struct pd_error *err)
{
    uint64_t patience_ns = patient ? d->options->config->catalog_wait_ns : 0;

    return d->book.ledger ? pd_ledger_settle(d->book.ledger, patience_ns, err) : PD_OK;
}

static enum pd_status write_all(struct pd_dumping *d, struct pd_error *err)
{
    uint64_t began = pd_clock_monotonic(d->env->clock);
    enum pd_status status = pd_dump_set_state(d, PD_DUMP_WRITE, err);

    atomic_store(&d->env->progress->phase, PD_PHASE_WRITE);
    if (status == PD_OK) {
        status = pd_dump_run_lanes(d, err);
    }
    d->summary->write_ns = pd_clock_monotonic(d->env->clock) - began;
    atomic_store(&d->env->progress->phase, PD_PHASE_DONE);
    return status;
}

enum pd_status pd_dump_carry_out(struct pd_dumping *d, enum pd_status status, struct pd_error *err)
{
    bool recorded = false;

    if (status == PD_OK && !d->options->dry_run) {
        status = write_all(d, err);
    }
    for (size_t i = 0; i < d->lane_count; i++) {
        pd_dump_stop_verifiers(&d->lanes[i]);
    }
    if (d->lanes[0].pool && !d->options->dry_run) {
        status = conclude(d, status, err);
    }
    if (d->book.ledger) {
        status = close_row(d, status, &recorded, err);
    }
    pd_dump_close_lanes(d, recorded);
    d->summary->status = status;
    d->summary->error = *err;
    pd_dump_release(d, d->row->id == 0 || (recorded && d->row->state == PD_DUMP_DONE));
    return status;
}

enum pd_status pd_dump_start(struct pd_dumping *d, const struct pd_env *env,
                             struct pd_catalog *catalog, const struct pd_dump_options *options,
                             struct pd_dump_summary *summary, struct pd_error *err)
{
    d->env = env;
    d->catalog = catalog;
    d->options = options;
    d->summary = summary;
    d->row = &summary->row;
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->picking, NULL);
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        d->lanes[i].d = d;
        d->lanes[i].number = i;
        pthread_mutex_init(&d->lanes[i].problems.lock, NULL);
    }
    memset(summary, 0, sizeof *summary);
    summary->ring_bytes = options->config->buffer;
    return pd_batches_init(&d->batches, err);
}

enum pd_status pd_dump_run(const struct pd_env *env, struct pd_catalog *catalog,
                           const struct pd_dump_options *options, struct pd_dump_summary *summary,
                           struct pd_error *err)
{
    struct pd_dumping d = {.env = env};
    uint64_t began = pd_clock_monotonic(env->clock);
    enum pd_status status = pd_dump_start(&d, env, catalog, options, summary, err);

    if (status == PD_OK) {
        status = run(&d, err);
    }
    status = pd_dump_carry_out(&d, status, err);
    summary->total_ns = pd_clock_monotonic(env->clock) - began;
    return status;
}
