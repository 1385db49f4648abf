#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/activity.h"
#include "pairdump/registry.h"
#include "verify_index.h"
#include "verify_priv.h"

/* Where the tape files cannot be counted: so many numbers without one in a row are the end. */
#define MISSING_MAX 64

enum kind { ARCHIVE, INDEX, MISSING, DONE };

struct volume {
    const struct pd_env *env;
    const char *url, *label;
    struct pd_target *target;
    unsigned copy;
    enum pd_digest_alg alg; /* of the last archive: the next may well have it too */
    pd_verify_result_fn fn;
    void *arg;
    enum pd_status worst;
    uint8_t *kinds; /* of tape files 0..count-1 */
    uint32_t count;
    uint64_t unended; /* bytes behind the last of them */
};

static enum pd_status open_step(void *arg, struct pd_error *err)
{
    struct volume *volume = arg;
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status = pd_target_open(volume->env, volume->url, &volume->target, err);

    if (status == PD_OK)
        status = pd_target_mount(volume->target, volume->label, err);
    if (status != PD_OK) {
        (void)!pd_target_close(volume->target, &ignored);
        volume->target = NULL;
    }
    return status;
}

static enum pd_status open_volume(struct volume *volume, struct pd_error *err)
{
    const struct pd_activity activity = {.name = "open",
                                         .subject = volume->label != NULL ? volume->label
                                                                          : volume->url,
                                         .run = open_step,
                                         .arg = volume,
                                         .retry = PD_RETRY_DEFAULT};

    return pd_activity_run(volume->env, &activity, err);
}

/* ---- results ---- */

static enum pd_status tell(struct volume *volume, struct pd_verify_result *result,
                           struct pd_error *err)
{
    volume->worst = pd_status_worst(volume->worst, result->status);
    if (result->archive[0] == '\0')
        (void)snprintf(result->archive, sizeof(result->archive), "tape file %" PRIu32,
                       result->tape_file);
    return volume->fn == NULL ? PD_OK : volume->fn(volume->arg, result, err);
}

static enum pd_status tell_trouble(struct volume *volume, const char *what, uint32_t tape_file,
                                   const struct pd_error *why, struct pd_error *err)
{
    struct pd_verify_result result = {.tape_file = tape_file,
                                      .status = why->status,
                                      .error = *why};

    (void)snprintf(result.archive, sizeof(result.archive), "%s", what);
    result.started = result.finished = pd_clock_utc(volume->env->clock);
    memcpy(result.label, pd_target_label(volume->target)->label, sizeof(result.label));
    pd_error_context(&result.error, result.label, result.archive, NULL);
    return tell(volume, &result, err);
}

static enum pd_status tell_bad_index(struct volume *volume, uint32_t tape_file,
                                     const struct pd_error *why, struct pd_error *err)
{
    return tell_trouble(volume, "index", tape_file, why, err);
}

static enum pd_status tell_unended(struct volume *volume, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    char name[32];

    (void)snprintf(name, sizeof(name), "tape file %" PRIu32, volume->count);
    (void)pd_error_set(&why, PD_TRUNCATED, 0,
                       "%" PRIu64 " bytes without a filemark behind them: cut off, or never "
                       "finished",
                       volume->unended);
    return tell_trouble(volume, name, volume->count, &why, err);
}

/* Runs that have ended early say so. */
static bool ends_run(enum pd_status status)
{
    return status == PD_INTERRUPTED || status == PD_NO_MEMORY;
}

/* An archive that passes by its own manifest, which says nothing of owners, modes and times. */
static void note_no_index(struct pd_verify_result *result)
{
    result->status = pd_error_set(&result->error, PD_UNVERIFIED, 0,
                                  "no index tells of it: its files pass by its own manifest, but "
                                  "owners, modes and times could not be checked");
    pd_error_context(&result->error, result->label, result->archive, NULL);
}

static enum pd_status verify_file(struct volume *volume, uint32_t tape_file,
                                  const struct pd_toc *expect, struct pd_error *err)
{
    const struct pd_verify_job job = {.env = volume->env,
                                      .target = volume->target,
                                      .tape_file = tape_file,
                                      .expect = expect,
                                      .guess = volume->alg,
                                      .copy = volume->copy};
    struct pd_verify_result result;
    enum pd_status status = pd_verify_job_run(&job, &result, err);

    if (tape_file < volume->count)
        volume->kinds[tape_file] = DONE;
    volume->alg = result.alg;
    if (status == PD_OK && result.status == PD_OK && expect == NULL)
        note_no_index(&result);
    if (status == PD_OK)
        status = tell(volume, &result, err);
    if (status == PD_OK && result.status == PD_INTERRUPTED)
        status = pd_error_set(err, PD_INTERRUPTED, 0, "verification was interrupted");
    pd_verify_result_release(&result);
    return status;
}

/* ---- what lies on it ---- */

static enum pd_status set_kind(struct volume *volume, uint32_t tape_file, enum kind kind,
                               struct pd_error *err)
{
    uint8_t *kinds = realloc(volume->kinds, (size_t)tape_file + 1);

    if (kinds == NULL)
        return pd_error_memory(err, "the list of tape files");
    volume->kinds = kinds;
    volume->kinds[tape_file] = (uint8_t)kind;
    volume->count = tape_file + 1;
    return PD_OK;
}

/* Counts the tape files; 0 when the target cannot tell, which is trouble by itself. */
static enum pd_status count_files(struct volume *volume, uint32_t *count, struct pd_error *err)
{
    struct pd_target_position position = {0};
    struct pd_error error = PD_ERROR_INIT;
    enum pd_status status = pd_target_position(volume->target, &position, &error);

    *count = status == PD_OK ? position.file_count : 0;
    volume->unended = position.unended;
    if (status == PD_OK)
        return PD_OK;
    if (ends_run(status)) {
        *err = error;
        return status;
    }
    volume->worst = pd_status_worst(volume->worst, status);
    pd_log_error(volume->env->log, PD_LOG_ERROR, &error);
    return PD_OK;
}

static enum pd_status list_files(struct volume *volume, struct pd_error *err)
{
    uint32_t count = 0, missing = 0, failed = 0;
    bool is_index = false;
    struct pd_error error;
    enum pd_status peeked, status = count_files(volume, &count, err);

    if (status == PD_OK)
        status = set_kind(volume, 0, DONE, err); /* the label */
    for (uint32_t n = 1; status == PD_OK && (count > 0 ? n < count : failed < MISSING_MAX); n++) {
        pd_error_clear(&error);
        status = pd_env_check(volume->env, err);
        if (status != PD_OK)
            break;
        peeked = pd_verify_index_peek(volume->target, n, &is_index, &error);
        if (ends_run(peeked)) {
            *err = error;
            return peeked;
        }
        missing = peeked == PD_MISSING ? missing + 1 : 0;
        failed = peeked != PD_OK ? failed + 1 : 0;
        status = set_kind(volume, n,
                          peeked == PD_MISSING ? MISSING : is_index ? INDEX : ARCHIVE, err);
    }
    /* numbers behind the last that is there are not missing; what ails them is told once */
    if (count == 0 && failed > 0)
        volume->count -= failed == missing ? failed : failed - 1;
    return status;
}

/* ---- the checks ---- */

/* May an index speak of this tape file? */
static bool is_free(const struct volume *volume, uint32_t tape_file, struct pd_error *error)
{
    if (tape_file >= volume->count || volume->kinds[tape_file] == ARCHIVE ||
        volume->kinds[tape_file] == MISSING)
        return true;
    (void)pd_error_set(error, PD_BAD_FORMAT, 0,
                       "lists tape file %" PRIu32 ", which is an index, or is listed before",
                       tape_file);
    return false;
}

static enum pd_status verify_index(struct volume *volume, uint32_t tape_file,
                                   struct pd_error *err)
{
    struct pd_verify_index index;
    struct pd_error error = PD_ERROR_INIT;
    enum pd_status status =
        pd_verify_index_read(volume->env, volume->target, tape_file, &index, &error);

    if (ends_run(status)) {
        *err = error;
    } else if (status != PD_OK) {
        status = tell_bad_index(volume, tape_file, &error, err);
        goto out;
    }
    for (size_t i = 0; i < index.count && status == PD_OK; i++) {
        struct pd_verify_listed *listed = &index.list[i];

        if (is_free(volume, listed->tape_file, &error))
            status = verify_file(volume, listed->tape_file, &listed->toc, err);
        else
            status = tell_bad_index(volume, tape_file, &error, err);
        pd_toc_release(&listed->toc);
    }
out:
    pd_verify_index_release(&index);
    volume->kinds[tape_file] = DONE;
    return status;
}

static enum pd_status verify_all(struct volume *volume, struct pd_error *err)
{
    enum pd_status status = list_files(volume, err);

    for (uint32_t n = 1; n < volume->count && status == PD_OK; n++)
        if (volume->kinds[n] == INDEX)
            status = verify_index(volume, n, err);
    for (uint32_t n = 1; n < volume->count && status == PD_OK; n++)
        if (volume->kinds[n] != DONE)
            status = verify_file(volume, n, NULL, err);
    if (status == PD_OK && volume->unended > 0)
        status = tell_unended(volume, err);
    return status;
}

enum pd_status pd_verify_volume(const struct pd_env *env, const char *url, const char *label,
                                unsigned progress_copy, pd_verify_result_fn fn, void *arg,
                                struct pd_label *found, enum pd_status *status,
                                struct pd_error *err)
{
    struct volume volume = {.env = env,
                            .url = url,
                            .label = label,
                            .copy = progress_copy,
                            .fn = fn,
                            .arg = arg,
                            .worst = PD_OK};
    struct pd_error closed = PD_ERROR_INIT;
    enum pd_status result = open_volume(&volume, err);

    memset(found, 0, sizeof(*found));
    if (result == PD_OK) {
        *found = *pd_target_label(volume.target);
        result = verify_all(&volume, err);
        if (result != PD_OK)
            pd_error_context(err, found->label, NULL, NULL);
    }
    *status = result == PD_OK ? volume.worst : pd_status_worst(volume.worst, result);
    if (pd_target_close(volume.target, &closed) != PD_OK) /* only read from */
        pd_log_error(env->log, PD_LOG_WARN, &closed);
    free(volume.kinds);
    return result;
}
