#include <stdlib.h>
#include <string.h>

#include "pool_priv.h"

/* A pair whose labelling was broken off: on record, and maybe on some of the media, but never used. */
struct unfinished {
    struct pd_pool *pool;
    uint64_t after, pair; /* the lowest above `after`; 0: none */
    struct pd_volume_row rows[PD_COPIES_MAX];
    size_t found, unlabelled;
};

static bool is_unused(const struct unfinished *u, const struct pd_volume_row *row)
{
    const struct pd_pool *pool = u->pool;
    size_t i = row->copy - 1;

    return row->copy > 0 && i < pool->config.copy_count && row->pair > u->after && row->used == 0 &&
           strcmp(row->pool, pool->config.name) == 0 &&
           row->block_size == pool->config.block_size &&
           strcmp(row->location, pool->clean[i]) == 0 &&
           ((row->state == PD_VOLUME_BAD && row->tape_files == 0) ||
            (row->state == PD_VOLUME_APPENDABLE && row->tape_files == 1));
}

static enum pd_status lowest(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct unfinished *u = arg;

    (void)err;
    if (is_unused(u, row) && row->state == PD_VOLUME_BAD && (u->pair == 0 || row->pair < u->pair)) {
        u->pair = row->pair;
    }
    return PD_OK;
}

static enum pd_status take_row(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct unfinished *u = arg;

    (void)err;
    if (row->pair == u->pair && is_unused(u, row)) {
        u->rows[row->copy - 1] = *row;
        u->found++;
        u->unlabelled += row->state == PD_VOLUME_BAD;
    }
    return PD_OK;
}

static enum pd_status read_rows(struct unfinished *u, struct pd_error *err)
{
    u->found = u->unlabelled = 0;
    return pd_catalog_volumes(u->pool->run.catalog, take_row, u, err);
}

/* Who labels has claimed what it labels before that is on record: what can be claimed is nobody's. *mine:
 * it is ours now, and nothing has changed meanwhile. */
static enum pd_status take_over(struct unfinished *u, bool *mine, struct pd_error *err)
{
    struct pd_claim claims[PD_COPIES_MAX] = {0};
    struct pd_pool_run run = u->pool->run;
    size_t count = u->pool->config.copy_count;
    enum pd_status status = PD_OK;

    *mine = u->found == count;
    for (size_t i = 0; i < count && *mine; i++) {
        claims[i] = (struct pd_claim){.kind = PD_CLAIM_VOLUME, .name = u->rows[i].label};
    }
    if (*mine) {
        status = pd_catalog_claim(run.catalog, run.id, claims, count, run.limit_ns, err);
        *mine = status == PD_OK;
    }
    if (status == PD_BUSY) {
        pd_error_clear(err);
        status = PD_OK;
    }
    if (status == PD_OK && *mine) {
        status = read_rows(u, err);
        *mine = u->found == count && u->unlabelled > 0;
    }
    return status;
}

static void make_label(const struct unfinished *u, size_t i, struct pd_label *l)
{
    const struct pd_volume_row *row = &u->rows[i];

    memset(l, 0, sizeof *l);
    l->format = PD_FORMAT_VERSION;
    snprintf(l->label, sizeof l->label, "%s", row->label);
    snprintf(l->uuid, sizeof l->uuid, "%s", row->uuid);
    snprintf(l->pool, sizeof l->pool, "%s", row->pool);
    snprintf(l->software, sizeof l->software, "pairdump %s", PD_VERSION);
    l->copy = row->copy;
    l->block_size = row->block_size;
    l->created = row->created;
    for (size_t j = 0; j < u->found; j++) {
        if (j != i) {
            struct pd_partner *p = &l->partners[l->partner_count++];
            p->copy = u->rows[j].copy;
            snprintf(p->label, sizeof p->label, "%s", u->rows[j].label);
            snprintf(p->uuid, sizeof p->uuid, "%s", u->rows[j].uuid);
        }
    }
}

/* Has the medium got its label, and nothing else? */
static bool is_labelled(struct pd_target *target, const struct pd_volume_row *row)
{
    struct pd_target_position position = {0};
    struct pd_error ignored = PD_ERROR_INIT;

    return pd_target_mount(target, row->label, &ignored) == PD_OK &&
           pd_target_claim(target, &ignored) == PD_OK &&
           strcmp(pd_target_label(target)->uuid, row->uuid) == 0 &&
           pd_target_position(target, &position, &ignored) == PD_OK && position.file_count == 1;
}

static enum pd_status finish_volume(struct unfinished *u, size_t i, bool *good, struct pd_error *err)
{
    struct pd_pool *pool = u->pool;
    struct pd_label *label = calloc(1, sizeof *label);
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = label ? PD_OK : pd_error_memory(err, "a label");

    if (status == PD_OK && !is_labelled(pool->copies[i].target, &u->rows[i])) {
        make_label(u, i, label);
        *good = pd_pool_format(pool, i, label, &why) == PD_OK;
    }
    free(label);
    if (!*good) {
        pd_log_error(pool->env->log, PD_LOG_INFO, &why);
    }
    if (why.status == PD_INTERRUPTED || why.status == PD_NO_MEMORY) {
        *err = why;
        status = why.status;
    }
    if (status != PD_OK || !*good) {
        return status;
    }
    u->rows[i].state = PD_VOLUME_APPENDABLE;
    u->rows[i].tape_files = 1;
    pool->copies[i].volume = u->rows[i];
    return pd_catalog_volume_update(pool->run.catalog, &u->rows[i], err);
}

static enum pd_status finish_pair(struct unfinished *u, bool *good, struct pd_error *err)
{
    enum pd_status status = take_over(u, good, err);

    for (size_t i = 0; i < u->pool->config.copy_count && *good && status == PD_OK; i++) {
        status = finish_volume(u, i, good, err);
    }
    return status;
}

enum pd_status pd_pool_finish_pair(struct pd_pool *pool, bool *good, struct pd_error *err)
{
    struct unfinished *u = calloc(1, sizeof *u);
    bool all = u != NULL, more = true;
    enum pd_status status = u ? PD_OK : pd_error_memory(err, "pair");

    *good = false;
    for (size_t i = 0; i < pool->config.copy_count; i++) {
        all = all && pool->copies[i].target;
    }
    while (all && more && !*good && status == PD_OK) {
        u->pool = pool;
        u->after = u->pair;
        u->pair = 0;
        status = pd_catalog_volumes(pool->run.catalog, lowest, u, err);
        more = status == PD_OK && u->pair != 0;
        if (more) {
            status = read_rows(u, err);
        }
        if (more && status == PD_OK) {
            status = finish_pair(u, good, err);
        }
    }
    free(u);
    return status;
}
