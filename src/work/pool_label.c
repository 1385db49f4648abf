#include <stdlib.h>
#include <string.h>

#include "pairdump/ask.h"
#include "pool_priv.h"

static void make_label(const struct pd_pool *pool, const struct pd_volume_row *rows, size_t i,
                       struct pd_label *l)
{
    memset(l, 0, sizeof *l);
    l->format = PD_FORMAT_VERSION;
    snprintf(l->label, sizeof l->label, "%s", rows[i].label);
    snprintf(l->uuid, sizeof l->uuid, "%s", rows[i].uuid);
    snprintf(l->pool, sizeof l->pool, "%s", rows[i].pool);
    snprintf(l->software, sizeof l->software, "pairdump %s", PD_VERSION);
    l->copy = rows[i].copy;
    l->block_size = rows[i].block_size;
    l->created = rows[i].created;
    for (size_t j = 0; j < pool->config.copy_count; j++) {
        if (j != i) {
            struct pd_partner *p = &l->partners[l->partner_count++];
            p->copy = rows[j].copy;
            snprintf(p->label, sizeof p->label, "%s", rows[j].label);
            snprintf(p->uuid, sizeof p->uuid, "%s", rows[j].uuid);
        }
    }
}

enum pd_status pd_pool_label_volume(struct pd_pool *pool, struct pd_volume_row *rows, size_t i,
                                    bool labelled, struct pd_error *err)
{
    struct pd_pool_copy *copy = &pool->copies[i];
    struct pd_label *label = calloc(1, sizeof *label);
    enum pd_status status = label ? PD_OK : pd_error_memory(err, "a label");

    if (status == PD_OK && !labelled && pool->run.on_label) {
        status = pool->run.on_label(pool->run.label_arg, rows[i].uuid, err);
    }
    if (status == PD_OK && !labelled) {
        make_label(pool, rows, i, label);
        status = pd_pool_format(pool, i, label, err);
    }
    free(label);
    if (status == PD_OK) {
        rows[i].state = PD_VOLUME_APPENDABLE;
        rows[i].tape_files = 1;
        rows[i].reserved_by[0] = '\0';
        copy->volume = rows[i];
        copy->fresh = true;
    }
    return status;
}

/* ---- what the media are, before the first of a pair is labelled ---- */

struct looking {
    struct pd_pool *pool;
    size_t copy;
    const struct pd_label *label;
};

static enum pd_status look(void *arg, struct pd_error *err)
{
    struct looking *l = arg;
    struct pd_target *target = l->pool->copies[l->copy].target;
    enum pd_status status = pd_target_may_format(target, l->label, err);

    if (l->pool->asking) {
        pd_ask_make_way(l->pool->env, target, status);
    }
    return status;
}

/* A cartridge that is not blank, or not what its barcode says: another one may do. */
static bool is_unfit(enum pd_status status)
{
    return status == PD_FOREIGN || status == PD_EXISTS || status == PD_WRITE_PROTECTED ||
           status == PD_WRONG_VOLUME || status == PD_BAD_FORMAT || status == PD_NOT_FOUND;
}

static enum pd_status look_at_copy(struct pd_pool *pool, const struct pd_volume_row *rows, size_t i,
                                   bool *fit, struct pd_error *err)
{
    struct pd_target *target = pool->copies[i].target;
    struct pd_label *label = calloc(1, sizeof *label);
    struct looking looking = {pool, i, label};
    struct pd_error why = PD_ERROR_INIT;
    char what[64];

    *fit = true;
    if (!label) {
        return pd_error_memory(err, "a label");
    }
    make_label(pool, rows, i, label);
    snprintf(what, sizeof what, "a blank medium for volume %s", label->label);
    enum pd_status status = pd_pool_ask(pool, i, what, look, &looking, &why);
    free(label);
    if (status != PD_OK && pd_pool_in_library(pool, i) && is_unfit(status)) {
        pd_log_error(pool->env->log, PD_LOG_WARN, &why);
        *fit = false;
        return PD_OK;
    }
    /* who may ask, asks; any other trouble shows when it is labelled, and may cost this copy only
     */
    if (status != PD_OK && (pd_pool_is_fatal(status) || pd_status_exit(status) == PD_EXIT_SPACE ||
                            pd_ask_helps(pool->env, target, status))) {
        *err = why;
        return status;
    }
    return PD_OK;
}

/* Who is free may be picked for another copy: it must not lie in this one's drive then. */
static void put_back(struct pd_pool *pool, size_t i)
{
    struct pd_error why = PD_ERROR_INIT;

    if (pd_pool_in_library(pool, i) && pd_pool_unload(pool, i, &why) != PD_OK) {
        pd_log_error(pool->env->log, PD_LOG_WARN, &why);
    }
}

/* A cartridge that will not do stays reserved, so that it is not picked again; its partners are
 * free. */
static void drop_partners(struct pd_pool *pool, struct pd_volume_row *rows, const bool *fit)
{
    struct pd_error why = PD_ERROR_INIT;
    int64_t ids[PD_COPIES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < pool->config.copy_count; i++) {
        if (fit[i] && rows[i].id != 0) {
            put_back(pool, i);
            ids[count++] = rows[i].id;
        }
    }
    if (pd_catalog_volumes_forget(pool->run.catalog, ids, count, &why) != PD_OK) {
        pd_log_error(pool->env->log, PD_LOG_INFO, &why);
        return;
    }
    for (size_t i = 0; i < pool->config.copy_count; i++) {
        rows[i].id = fit[i] ? 0 : rows[i].id;
    }
}

/* *fit: every medium of the pair can be labelled. */
static enum pd_status look_at_media(struct pd_pool *pool, struct pd_volume_row *rows, bool *fit,
                                    struct pd_error *err)
{
    bool each[PD_COPIES_MAX];
    enum pd_status status = PD_OK;

    *fit = true;
    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        each[i] = true;
        if (pool->copies[i].target && rows[i].id != 0) {
            status = look_at_copy(pool, rows, i, &each[i], err);
        }
        *fit = *fit && each[i];
    }
    if (status == PD_OK && !*fit) {
        drop_partners(pool, rows, each);
    }
    return status;
}

/* A copy that cannot be labelled is lost, the others go on. */
static enum pd_status label_all(struct pd_pool *pool, struct pd_volume_row *rows,
                                struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        memset(&pool->copies[i].volume, 0, sizeof pool->copies[i].volume);
        if (!pool->copies[i].target || rows[i].id == 0) {
            continue;
        }
        status = pd_pool_label_volume(pool, rows, i, false, err);
        if (status != PD_OK && !pd_pool_is_fatal(status) &&
            pd_status_exit(status) != PD_EXIT_SPACE) {
            status = pd_pool_lose(pool, i, status, err);
        }
    }
    return status;
}

/* *done: the media were fit, and status says how labelling went. */
static enum pd_status label_pair(struct pd_pool *pool, struct pd_volume_row *rows, bool *done,
                                 struct pd_error *err)
{
    enum pd_status status = look_at_media(pool, rows, done, err);

    if (status != PD_OK) { /* no medium bears one of its labels */
        pd_pool_return_spare(pool);
        return status;
    }
    return *done ? label_all(pool, rows, err) : PD_OK;
}

enum pd_status pd_pool_spare_pair(struct pd_pool *pool, struct pd_error *err)
{
    enum pd_status status = PD_OK;
    bool done = false;

    while (!done && status == PD_OK) {
        struct pd_volume_row *rows = pd_pool_take_spare(pool);
        status = rows ? label_pair(pool, rows, &done, err)
                      : pd_error_set(err, PD_NO_VOLUME, 0, "no label is reserved");
    }
    return status;
}

static enum pd_status reserve_one(void *arg, struct pd_error *err)
{
    return pd_pool_reserve(arg, 1, err);
}

enum pd_status pd_pool_label_pair(struct pd_pool *pool, struct pd_error *err)
{
    enum pd_status status = PD_OK;
    bool done = false;
    size_t copy = 0;

    while (!pd_pool_in_library(pool, copy) && copy + 1 < pool->config.copy_count) {
        copy++;
    }
    while (!done && status == PD_OK) {
        status = pd_pool_ask(pool, copy, "cartridges that are not in use", reserve_one, pool, err);
        if (status == PD_OK) {
            status = label_pair(pool, pd_pool_take_spare(pool), &done, err);
        }
    }
    return status;
}
