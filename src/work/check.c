#include "pairdump/check.h"

#include <stdlib.h>
#include <string.h>

#include "check_priv.h"
#include "pairdump/registry.h"
#include "verify_priv.h"

#define POLL_NS (UINT64_C(2) * 1000 * 1000) /* between looks at the verifiers */

struct run {
    const struct pd_env *env;
    struct pd_catalog *catalog;
    const struct pd_check_options *options;
    struct pd_check_summary *summary;
    struct pd_check_plan plan;
    struct pd_check_tables tables;
    bool moved;     /* something happened since the last look */
    bool stopping;  /* the run was interrupted: no more is begun */
};

/* ---- results ---- */

static enum pd_status record(struct run *run, const struct pd_verify_result *result,
                             struct pd_error *err)
{
    struct pd_verification_row row = {.copy_id = result->copy_id,
                                      .started = result->started,
                                      .finished = result->finished,
                                      .mode = "full",
                                      .status = result->status,
                                      .records = result->records,
                                      .bad_records = result->bad_records,
                                      .files = result->files,
                                      .bad_files = result->bad_files};

    (void)snprintf(row.message, sizeof(row.message), "%s", result->error.message);
    return pd_catalog_verification_add(run->catalog, &row, result->damage, result->damage_count,
                                       err);
}

static void count(struct run *run, struct pd_check_copy *copy,
                  const struct pd_verify_result *result)
{
    struct pd_check_summary *summary = run->summary;

    copy->settled = true;
    copy->status = result->status;
    copy->unread = result->unread;
    summary->copies++;
    summary->bytes += result->bytes;
    if (result->status == PD_OK)
        summary->good++;
    else if (result->unread)
        summary->unreachable++;
    else if (result->status != PD_INTERRUPTED)
        summary->bad++;
}

/* Counts, records and tells a result, and takes over its damage. */
static enum pd_status settle(struct run *run, struct pd_check_copy *copy,
                             struct pd_verify_result *result, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    run->moved = true;
    if (!result->unread && copy->state != PD_COPY_WRITING)
        status = record(run, result, err);
    if (status == PD_OK) {
        count(run, copy, result);
        if (run->options->on_result != NULL)
            status = run->options->on_result(run->options->result_arg, result, err);
    }
    copy->damage = result->damage;
    copy->damage_count = result->damage_count;
    copy->damage_text = result->damage_text;
    result->damage = NULL;
    result->damage_text = NULL;
    return status;
}

struct name {
    int64_t copy_id;
    char archive[128];
};

static enum pd_status take_name(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct name *name = arg;

    (void)err;
    if (row->id == name->copy_id)
        memcpy(name->archive, row->archive, sizeof(name->archive));
    return PD_OK;
}

/* The result of a copy that was not looked at. */
static enum pd_status settle_unread(struct run *run, struct pd_check_copy *copy,
                                    const struct pd_error *why, struct pd_error *err)
{
    const struct pd_check_volume *volume = &run->plan.volumes[copy->volume];
    struct name name = {.copy_id = copy->id};
    struct pd_verify_result result = {.copy_id = copy->id,
                                      .tape_file = copy->tape_file,
                                      .status = why->status,
                                      .unread = copy->state != PD_COPY_WRITING,
                                      .error = *why};
    enum pd_status status =
        pd_catalog_copies(run->catalog, copy->archive_id, 0, take_name, &name, err);

    if (status != PD_OK)
        return status;
    memcpy(result.archive, name.archive, sizeof(result.archive));
    memcpy(result.label, volume->row.label, sizeof(result.label));
    result.started = result.finished = pd_clock_utc(run->env->clock);
    pd_error_context(&result.error, result.label, result.archive, NULL);
    return settle(run, copy, &result, err);
}

/* All copies of a volume that are still to come. */
static enum pd_status settle_rest(struct run *run, struct pd_check_volume *volume,
                                  const struct pd_error *why, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    while (volume->next_job < volume->job_count && status == PD_OK) {
        struct pd_check_copy *copy = &run->plan.copies[volume->jobs[volume->next_job++]];

        if (!copy->settled)
            status = settle_unread(run, copy, why, err);
    }
    return status;
}

static bool may_begin(const struct run *run, const struct pd_check_copy *copy)
{
    const struct pd_check_options *options = run->options;

    return options->may_begin == NULL || options->may_begin(options->choice_arg, copy->id);
}

/* No more of this volume is read: what was not asked for counts by its recorded state. */
static void leave_rest(struct run *run, struct pd_check_volume *volume)
{
    while (volume->next_job < volume->job_count) {
        struct pd_check_copy *copy = &run->plan.copies[volume->jobs[volume->next_job++]];

        run->summary->left += !copy->settled;
        copy->asked = copy->settled;
    }
    run->moved = true;
}

/* Copies whose writing never came to its end. */
static enum pd_status settle_unwritten(struct run *run, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = PD_OK;

    (void)pd_error_set(&why, PD_UNVERIFIED, 0, "its writing was never recorded as finished");
    for (size_t i = 0; i < run->plan.copy_count && status == PD_OK; i++) {
        struct pd_check_copy *copy = &run->plan.copies[i];

        if (copy->asked && copy->state == PD_COPY_WRITING)
            status = settle_unread(run, copy, &why, err);
    }
    return status;
}

/* ---- volumes ---- */

struct locating {
    struct run *run;
    struct pd_check_volume *volume;
    const char **at; /* of the places given, those that can be looked at now */
    size_t at_count;
    char *url;
};

static enum pd_status locate_step(void *arg, struct pd_error *err)
{
    struct locating *locating = arg;

    return pd_locate_volume(locating->run->env, &locating->volume->row, locating->at,
                            locating->at_count, &locating->url, err);
}

static bool place_is_taken(const struct run *run, const char *place)
{
    for (size_t i = 0; i < run->plan.volume_count; i++) {
        const struct pd_check_volume *volume = &run->plan.volumes[i];

        if (volume->turn == PD_CHECK_RUNNING && strcmp(volume->place, place) == 0)
            return true;
    }
    return false;
}

static size_t running(const struct run *run)
{
    size_t n = 0;

    for (size_t i = 0; i < run->plan.volume_count; i++)
        n += run->plan.volumes[i].turn == PD_CHECK_RUNNING;
    return n;
}

static enum pd_status launch(struct run *run, struct pd_check_volume *volume, const char *url,
                             struct pd_error *err)
{
    unsigned copy = volume->row.copy > 0 ? (volume->row.copy - 1) % PD_COPIES_MAX : 0;
    char *place = NULL;
    enum pd_status status = pd_target_url_path(url, &place, err);

    if (status != PD_OK)
        return status;
    if (place_is_taken(run, place)) {
        free(place); /* its turn comes later */
        return PD_OK;
    }
    if (volume->next_job < volume->job_count &&
        !may_begin(run, &run->plan.copies[volume->jobs[volume->next_job]])) {
        free(place);
        leave_rest(run, volume);
        volume->turn = PD_CHECK_DONE;
        return PD_OK;
    }
    status = pd_verifier_start(run->env, url, volume->row.label, volume->row.uuid, copy,
                               &volume->verifier, err);
    if (status != PD_OK) {
        free(place);
        return status;
    }
    volume->place = place;
    volume->turn = PD_CHECK_RUNNING;
    run->moved = true;
    return PD_OK;
}

static bool is_taken(const struct run *run, const char *url)
{
    struct pd_error ignored = PD_ERROR_INIT;
    char *place = NULL;
    bool taken = pd_target_url_path(url, &place, &ignored) == PD_OK && place_is_taken(run, place);

    free(place);
    return taken;
}

/* A drive that is being read is not opened: its reader may be about to. */
static enum pd_status find_places(struct locating *locating, struct pd_error *err)
{
    const struct pd_check_options *options = locating->run->options;

    locating->at = calloc(options->at_count + 1, sizeof(*locating->at));
    if (locating->at == NULL)
        return pd_error_memory(err, "places");
    for (size_t i = 0; i < options->at_count; i++)
        if (!pd_target_url_exclusive(options->at[i]) || !is_taken(locating->run, options->at[i]))
            locating->at[locating->at_count++] = options->at[i];
    return PD_OK;
}

/* Not found for good: that is settled, unless a place could not be looked at yet. */
static enum pd_status miss_volume(struct locating *locating, struct pd_error *why,
                                  struct pd_error *err)
{
    struct run *run = locating->run;
    struct pd_check_volume *volume = locating->volume;
    enum pd_status status = why->status;

    if (locating->at_count < run->options->at_count || (status == PD_BUSY && running(run) > 0))
        return PD_OK; /* perhaps we hold the drive ourselves */
    volume->turn = PD_CHECK_DONE;
    status = status == PD_MISSING
                 ? pd_catalog_volume_doubt(run->catalog, volume->row.id, why, err)
                 : PD_OK;
    return status == PD_OK ? settle_rest(run, volume, why, err) : status;
}

/* The verifier asks for it, in a thread of its own. */
static bool can_ask(const struct run *run, const struct pd_volume_row *row)
{
    return run->env->wait_ns > 0 && run->options->at_count == 0 &&
           pd_target_url_exclusive(row->location) && !pd_volume_is_elsewhere(row);
}

static enum pd_status start_volume(struct run *run, struct pd_check_volume *volume,
                                   struct pd_error *err)
{
    struct locating locating = {run, volume, NULL, 0, NULL};
    const struct pd_activity activity = {.name = "open",
                                         .subject = volume->row.label,
                                         .run = locate_step,
                                         .arg = &locating,
                                         .retry = run->options->retry};
    const char *location = volume->row.location;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status;

    /* Where the catalog has it last, another volume is being read: not worth a look. */
    if ((run->options->at_count == 0 || pd_target_url_exclusive(location)) &&
        is_taken(run, location))
        return PD_OK;
    if (can_ask(run, &volume->row))
        return launch(run, volume, location, err);
    status = find_places(&locating, err);
    if (status != PD_OK)
        return status;
    status = pd_activity_run(run->env, &activity, &why);
    if (status == PD_OK) {
        status = launch(run, volume, locating.url, err);
    } else if (status == PD_NO_MEMORY) {
        *err = why;
    } else if (status == PD_INTERRUPTED) {
        status = PD_OK; /* the loop sees the flag by itself */
    } else {
        status = miss_volume(&locating, &why, err);
    }
    free(locating.at);
    free(locating.url);
    return status;
}

static enum pd_status start_volumes(struct run *run, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < run->plan.volume_count && status == PD_OK; i++) {
        struct pd_check_volume *volume = &run->plan.volumes[i];

        if (volume->turn == PD_CHECK_WAITING && running(run) < PD_COPIES_MAX)
            status = start_volume(run, volume, err);
    }
    return status;
}

/* Gives a verifier what it can take now; *stalled when it makes no progress. */
static enum pd_status feed(struct run *run, struct pd_check_volume *volume, bool *stalled,
                           struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status;

    while (volume->next_job < volume->job_count && !run->stopping) {
        struct pd_check_copy *copy = &run->plan.copies[volume->jobs[volume->next_job]];
        bool added = false;

        if (copy->settled) {
            volume->next_job++;
            continue;
        }
        if (volume->expect == NULL && !may_begin(run, copy)) {
            leave_rest(run, volume);
            return PD_OK;
        }
        status = PD_OK;
        if (volume->expect == NULL)
            status = pd_check_tables_get(&run->tables, run->catalog, copy->archive_id,
                                         &volume->expect, &why);
        if (status == PD_NO_MEMORY) {
            *err = why;
            return status;
        }
        if (status != PD_OK) { /* the catalog is to blame, not the copy */
            volume->next_job++;
            status = settle_unread(run, copy, &why, err);
            if (status != PD_OK)
                return status;
            continue;
        }
        status = pd_verifier_try(volume->verifier, volume->expect, copy->tape_file, copy->id,
                                 &added, err);
        *stalled = status == PD_HUNG;
        if (status != PD_OK || !added)
            return *stalled ? PD_OK : status;
        pd_expect_release(volume->expect);
        volume->expect = NULL;
        volume->next_job++;
        volume->pending++;
        run->moved = true;
    }
    return PD_OK;
}

static enum pd_status take_results(struct run *run, struct pd_check_volume *volume,
                                   struct pd_error *err)
{
    struct pd_verify_result result;
    bool ready = false;
    enum pd_status status = PD_OK;

    while (status == PD_OK) {
        status = pd_verifier_poll(volume->verifier, &result, &ready, err);
        if (status != PD_OK || !ready)
            return status;
        if (volume->pending > 0)
            volume->pending--;
        for (size_t i = 0; i < volume->job_count; i++) {
            struct pd_check_copy *copy = &run->plan.copies[volume->jobs[i]];

            if (copy->id == result.copy_id && !copy->settled) {
                status = settle(run, copy, &result, err);
                break;
            }
        }
        pd_verify_result_release(&result);
    }
    return status;
}

/* Ends a volume's turn: all is answered, or the verifier hangs. */
static enum pd_status end_volume(struct run *run, struct pd_check_volume *volume,
                                 struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status ended = pd_verifier_finish(volume->verifier, &why);
    enum pd_status status = take_results(run, volume, err);

    if (ended != PD_OK)
        pd_log_error(run->env->log, PD_LOG_ERROR, &why);
    pd_verifier_free(volume->verifier);
    volume->verifier = NULL;
    volume->turn = PD_CHECK_DONE;
    run->moved = true;
    if (status == PD_OK && ended != PD_OK)
        status = settle_rest(run, volume, &why, err);
    return status;
}

static enum pd_status serve_volume(struct run *run, struct pd_check_volume *volume,
                                   struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    bool stalled = false;
    enum pd_status watched, status = feed(run, volume, &stalled, err);

    if (status == PD_OK)
        status = take_results(run, volume, err);
    if (status != PD_OK)
        return status;
    watched = pd_verifier_watch(volume->verifier, &why);
    if (watched != PD_OK && watched != PD_HUNG) {
        *err = why;
        return watched;
    }
    stalled = stalled || watched == PD_HUNG;
    if (stalled || (volume->pending == 0 &&
                    (run->stopping || volume->next_job == volume->job_count)))
        return end_volume(run, volume, err);
    return PD_OK;
}

static bool all_done(const struct run *run)
{
    for (size_t i = 0; i < run->plan.volume_count; i++)
        if (run->plan.volumes[i].turn == PD_CHECK_RUNNING ||
            (run->plan.volumes[i].turn == PD_CHECK_WAITING && !run->stopping))
            return false;
    return true;
}

static enum pd_status verify_volumes(struct run *run, struct pd_error *err)
{
    bool look = true; /* a place became free */
    enum pd_status status = PD_OK;

    while (status == PD_OK && !all_done(run)) {
        size_t before;

        run->moved = false;
        run->stopping = run->stopping || pd_stop_requested(run->env->stop);
        if (look && !run->stopping)
            status = start_volumes(run, err);
        before = running(run);
        for (size_t i = 0; i < run->plan.volume_count && status == PD_OK; i++)
            if (run->plan.volumes[i].turn == PD_CHECK_RUNNING)
                status = serve_volume(run, &run->plan.volumes[i], err);
        look = running(run) < before || running(run) == 0;
        if (status == PD_OK && !run->moved)
            pd_clock_sleep(run->env->clock, POLL_NS);
    }
    return status;
}

/* ---- the run ---- */


static void show_plan(struct run *run)
{
    struct pd_progress *progress = run->env->progress;
    uint64_t used[PD_COPIES_MAX] = {0}, most = 0, copies = 0;

    for (size_t i = 0; i < run->plan.volume_count; i++) {
        const struct pd_check_volume *volume = &run->plan.volumes[i];

        if (volume->job_count == 0 || volume->row.copy == 0 || volume->row.copy > PD_COPIES_MAX)
            continue;
        if (volume->row.copy > copies)
            copies = volume->row.copy;
        used[volume->row.copy - 1] += volume->row.used;
        if (used[volume->row.copy - 1] > most)
            most = used[volume->row.copy - 1];
    }
    atomic_store(&progress->phase, PD_PHASE_VERIFY);
    atomic_store(&progress->copies, copies);
    atomic_store(&progress->verify_total, run->options->dump_id != 0 ? run->plan.bytes : most);
}

enum pd_status pd_check_run(const struct pd_env *env, struct pd_catalog *catalog,
                            const struct pd_check_options *options,
                            struct pd_check_summary *summary, struct pd_error *err)
{
    struct run run = {.env = env, .catalog = catalog, .options = options, .summary = summary};
    enum pd_status status;

    memset(summary, 0, sizeof(*summary));
    summary->status = PD_INTERNAL; /* until it is known */
    status = pd_check_plan_make(catalog, options, &run.plan, err);
    if (status != PD_OK)
        goto out;
    show_plan(&run);
    status = settle_unwritten(&run, err);
    if (status == PD_OK)
        status = verify_volumes(&run, err);
    if (status == PD_OK)
        status = pd_check_sum(catalog, options, &run.plan, summary, err);
    if (status == PD_OK && run.stopping)
        summary->status = PD_INTERRUPTED;
out:
    if (status != PD_OK)
        summary->status = status;
    pd_check_tables_release(&run.tables);
    pd_check_plan_release(&run.plan);
    return status;
}
