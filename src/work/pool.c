#include "pool_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/registry.h"

size_t pd_pool_copies(const struct pd_pool *pool)
{
    return pool->config.copy_count;
}

struct pd_pool_copy *pd_pool_copy(struct pd_pool *pool, size_t i)
{
    return &pool->copies[i];
}

const struct pd_pool_config *pd_pool_config(const struct pd_pool *pool)
{
    return &pool->config;
}

const char *pd_pool_location(const struct pd_pool *pool, size_t i)
{
    return pool->clean[i];
}

unsigned pd_pool_number(const struct pd_pool *pool, size_t i)
{
    return (unsigned)i + (pool->run.copy > 0 ? pool->run.copy : 1);
}

size_t pd_pool_target_of(const struct pd_pool *pool, unsigned copy)
{
    size_t i = copy - pd_pool_number(pool, 0);

    return copy >= pd_pool_number(pool, 0) && i < pool->config.copy_count ? i : SIZE_MAX;
}

/* ---- opening ---- */

struct opening {
    struct pd_pool *pool;
    size_t copy;
};

static enum pd_status open_target(void *arg, struct pd_error *err)
{
    struct opening *opening = arg;
    struct pd_pool *pool = opening->pool;

    return pd_target_open(pool->env, pool->config.copies[opening->copy],
                          &pool->copies[opening->copy].target, err);
}

bool pd_pool_is_fatal(enum pd_status status)
{
    enum pd_exit exit_class = pd_status_exit(status);

    return (exit_class == PD_EXIT_USAGE && status != PD_WRITE_PROTECTED) ||
           exit_class == PD_EXIT_BUSY || status == PD_NO_MEMORY || status == PD_INTERRUPTED;
}

enum pd_status pd_pool_lose(struct pd_pool *pool, size_t i, enum pd_status status,
                            struct pd_error *err)
{
    struct pd_pool_copy *copy = &pool->copies[i];
    struct pd_error late = PD_ERROR_INIT;
    size_t left = 0;

    pd_error_context(err, pool->clean[i], NULL, NULL);
    copy->status = status;
    copy->error = *err;
    if (copy->target && pd_target_close(copy->target, &late) != PD_OK) {
        pd_log_error(pool->env->log, PD_LOG_WARN, &late);
    }
    copy->target = NULL;
    pd_log_error(pool->env->log, PD_LOG_WARN, err);
    for (size_t j = 0; j < pool->config.copy_count; j++) {
        left += pool->copies[j].target != NULL;
    }
    return left > 0 ? PD_OK : status;
}

static enum pd_status open_targets(struct pd_pool *pool, struct pd_error *err)
{
    size_t count = pool->config.copy_count;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < count && status == PD_OK; i++) {
        struct opening opening = {pool, i};
        struct pd_activity activity = {.name = "open",
                                       .subject = pool->clean[i],
                                       .run = open_target,
                                       .arg = &opening,
                                       .retry = pool->retry};
        status = pd_activity_run(pool->env, &activity, err);
        if (status != PD_OK && !pd_pool_is_fatal(status)) {
            enum pd_status lost = pd_pool_lose(pool, i, status, err);
            status = i + 1 == count ? lost : PD_OK;
        }
    }
    return status;
}

enum pd_status pd_pool_open(const struct pd_env *env, const struct pd_pool_config *config,
                            const struct pd_pool_run *run, struct pd_retry retry,
                            struct pd_pool **out, struct pd_error *err)
{
    struct pd_pool *pool = calloc(1, sizeof *pool);
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = PD_OK;

    if (!pool) {
        return pd_error_memory(err, "pool");
    }
    pool->env = env;
    pool->retry = retry;
    pool->run = *run;
    pool->config = *config;
    memset(pool->config.copies, 0, sizeof pool->config.copies);
    pool->config.changer = config->changer ? strdup(config->changer) : NULL;
    pool->config.name = strdup(config->name);
    pool->config.label_prefix = strdup(config->label_prefix);
    if (!pool->config.name || !pool->config.label_prefix ||
        (config->changer && !pool->config.changer)) {
        status = pd_error_memory(err, "pool");
    }
    pool->first = run->beside ? run->beside->first + run->beside->config.copy_count : 0;
    for (size_t i = 0; i < config->copy_count && status == PD_OK; i++) {
        status = pd_pool_name_place(pool, i, config->copies[i], err);
    }
    if (status == PD_OK) {
        status = pd_pool_claim_drives(pool, err);
    }
    if (status == PD_OK) {
        status = open_targets(pool, err);
    }
    if (status != PD_OK) {
        (void)!pd_pool_close(pool, &late);
        return status;
    }
    pd_pool_warn_of_sharing(pool);
    pd_pool_put_away(
        pool); /* a run that was killed may have left them, each in the other's drive */
    *out = pool;
    return PD_OK;
}

enum pd_status pd_pool_close(struct pd_pool *pool, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (!pool) {
        return PD_OK;
    }
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        struct pd_error late = PD_ERROR_INIT;
        if (pd_target_close(pool->copies[i].target, &late) != PD_OK && status == PD_OK) {
            *err = late;
            status = late.status;
        }
        free(pool->clean[i]);
        free(pool->path[i]);
    }
    pd_pool_config_release(&pool->config);
    free(pool->spares);
    free(pool);
    return status;
}

enum pd_status pd_pool_unmount(struct pd_pool *pool, size_t i, struct pd_error *err)
{
    struct pd_target *target = pool->copies[i].target;

    pool->copies[i].target = NULL;
    pool->let_go[i] = true;
    return pd_target_close(target, err);
}

enum pd_status pd_pool_remount(struct pd_pool *pool, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        struct opening opening = {pool, i};
        struct pd_activity activity = {.name = "open",
                                       .subject = pool->clean[i],
                                       .run = open_target,
                                       .arg = &opening,
                                       .retry = pool->retry};
        if (!pool->let_go[i]) {
            continue;
        }
        pool->let_go[i] = false;
        status = pd_activity_run(pool->env, &activity, err);
        if (status == PD_BUSY || (status != PD_OK && !pd_pool_is_fatal(status))) {
            status = pd_pool_lose(pool, i, status, err); /* busy: a reader hangs in it */
        }
    }
    return status;
}
