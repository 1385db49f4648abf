#include <stdlib.h>
#include <string.h>

#include "pairdump/process.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "pool_priv.h"

enum {
    RESERVE_TRIES = 100, /* other runs want numbers at the same time */
    UNKNOWN_SPARES = 4,  /* where nobody knows what a volume takes, or how much is to come */
    LIBRARY_SPARES = 1,  /* the same for cartridges, which others want, too */
    SPARES_MAX = 64
};

/* ---- the next number ---- */

struct seen {
    const struct pd_pool *pool;
    uint64_t highest; /* number that labels on the targets carry, or that others are at */
};

static enum pd_status see_label(void *arg, const char *label, struct pd_error *err)
{
    struct seen *seen = arg;
    const char *prefix = seen->pool->config.label_prefix;
    size_t len = strlen(prefix);
    uint64_t number;

    (void)err;
    if (strncmp(label, prefix, len) == 0 && strlen(label) == len + 6 &&
        pd_parse_u64(label + len + 1, &number) && number > seen->highest) {
        seen->highest = number;
    }
    return PD_OK;
}

/* *number: the last that was tried, and the next one. */
static enum pd_status next_number(struct pd_pool *pool, uint64_t *number, struct pd_error *err)
{
    struct seen seen = {.pool = pool, .highest = *number};
    uint64_t last = 0;
    enum pd_status status =
        pd_catalog_last_pair(pool->run.catalog, pool->config.label_prefix, &last, err);

    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        if (pool->copies[i].target && !pd_pool_in_library(pool, i)) {
            status = pd_target_volumes(pool->copies[i].target, see_label, &seen, err);
        }
    }
    *number = (seen.highest > last ? seen.highest : last) + 1;
    if (status == PD_OK && *number > 99999) {
        status =
            pd_error_set(err, PD_NO_VOLUME, 0, "label prefix %s has no number left; choose another",
                         pool->config.label_prefix);
    }
    return status;
}

/* ---- a pair ---- */

static void fill_row(const struct pd_pool *pool, size_t i, uint64_t number,
                     struct pd_volume_row *row)
{
    memset(row, 0, sizeof *row);
    snprintf(row->label, sizeof row->label, "%.2s%u%05u", pool->config.label_prefix,
             pd_pool_number(pool, i) % 10, (unsigned)(number % 100000));
    if (pool->run.label && !pool->label_used) {
        snprintf(row->label, sizeof row->label, "%s", pool->run.label);
    }
    pd_uuid_make(pool->env->rng, row->uuid);
    snprintf(row->pool, sizeof row->pool, "%s", pool->config.name);
    snprintf(row->location, sizeof row->location, "%s", pool->clean[i]);
    pd_process_host(row->host);
    row->copy = pd_pool_number(pool, i);
    row->replaces = pool->run.replaces;
    row->pair = number;
    row->state = PD_VOLUME_RESERVED;
    snprintf(row->reserved_by, sizeof row->reserved_by, "%s", pool->run.dump ? pool->run.dump : "");
    row->block_size = pool->config.block_size;
    row->created = pd_clock_utc(pool->env->clock) / PD_NS_PER_S * PD_NS_PER_S;
}

/* Labels are claimed before they are on record; PD_EXISTS when another run is at one. */
static enum pd_status claim_labels(struct pd_pool *pool, const struct pd_volume_row *rows,
                                   struct pd_error *err)
{
    struct pd_claim claims[PD_COPIES_MAX] = {0};
    size_t count = 0;

    for (size_t i = 0; i < pool->config.copy_count; i++) {
        if (pool->copies[i].target) {
            claims[count++] = (struct pd_claim){.kind = PD_CLAIM_VOLUME, .name = rows[i].label};
        }
    }
    enum pd_status status =
        pd_catalog_claim(pool->run.catalog, pool->run.id, claims, count, pool->run.limit_ns, err);
    if (status == PD_BUSY) {
        err->status = status = PD_EXISTS;
    }
    return status;
}

/* A lost copy has a label too, which its partners name, and no row. */
static enum pd_status add_rows(struct pd_pool *pool, struct pd_volume_row *rows,
                               struct pd_error *err)
{
    struct pd_volume_row *wanted[PD_COPIES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < pool->config.copy_count; i++) {
        if (pool->copies[i].target) {
            wanted[count++] = &rows[i];
        }
    }
    return pd_catalog_volumes_add(pool->run.catalog, wanted, count, err);
}

static enum pd_status reserve_pair(struct pd_pool *pool, struct pd_volume_row *rows,
                                   struct pd_error *err)
{
    enum pd_status status = PD_EXISTS;
    uint64_t number = 0;

    bool named = pool->run.label && !pool->label_used;

    for (int tries = 0; tries < (named ? 1 : RESERVE_TRIES) && status == PD_EXISTS; tries++) {
        pd_error_clear(err);
        status = next_number(pool, &number, err);
        for (size_t i = 0; i < pool->config.copy_count; i++) {
            fill_row(pool, i, number, &rows[i]);
        }
        if (status == PD_OK && !named) {
            status = pd_pool_pick_cartridges(pool, rows, err);
        }
        if (status == PD_OK) {
            status = claim_labels(pool, rows, err);
        }
        if (status == PD_OK) {
            status = add_rows(pool, rows, err);
        }
    }
    pool->label_used = pool->label_used || (named && status == PD_OK);
    return status;
}

enum pd_status pd_pool_reserve(struct pd_pool *pool, size_t count, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    while (pd_pool_spares(pool) < count && status == PD_OK) {
        struct pd_volume_row(*grown)[PD_COPIES_MAX] =
            reallocarray(pool->spares, pool->spare_count + 1, sizeof *grown);
        if (!grown) {
            return pd_error_memory(err, "labels");
        }
        pool->spares = grown;
        memset(grown[pool->spare_count], 0, sizeof *grown);
        status = reserve_pair(pool, grown[pool->spare_count], err);
        pool->spare_count += status == PD_OK;
    }
    return status;
}

size_t pd_pool_spares(const struct pd_pool *pool)
{
    return pool->spare_count - pool->spares_used;
}

struct pd_volume_row *pd_pool_take_spare(struct pd_pool *pool)
{
    return pd_pool_spares(pool) > 0 ? pool->spares[pool->spares_used++] : NULL;
}

void pd_pool_return_spare(struct pd_pool *pool)
{
    pool->spares_used--;
}

bool pd_pool_has_spare(const struct pd_pool *pool, uint64_t pair)
{
    bool has = false;

    for (size_t i = 0; i < pool->spare_count; i++) {
        has = has || pool->spares[i][0].pair == pair;
    }
    return has;
}

void pd_pool_give_back(struct pd_pool *pool)
{
    int64_t *ids = calloc(pool->spare_count + 1, PD_COPIES_MAX * sizeof *ids);
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = PD_OK;
    size_t count = 0;

    for (size_t i = 0; i < pool->spare_count * PD_COPIES_MAX && ids; i++) {
        const struct pd_volume_row *row = &pool->spares[i / PD_COPIES_MAX][i % PD_COPIES_MAX];
        if (row->id != 0 && row->state == PD_VOLUME_RESERVED) {
            ids[count++] = row->id;
        }
    }
    pd_catalog_try_once(pool->run.catalog, true);
    if (ids) {
        status = pd_catalog_volumes_forget(pool->run.catalog, ids, count, &late);
    }
    pd_catalog_try_once(pool->run.catalog, false);
    if (status != PD_OK) {
        pd_log_error(pool->env->log, PD_LOG_WARN, &late);
    }
    free(ids);
    free(pool->spares);
    pool->spares = NULL;
    pool->spare_count = pool->spares_used = 0;
}

/* ---- what an earlier run reserved ---- */

struct earlier {
    const struct pd_pool_run *run;
    char (*except)[PD_UUID_TEXT];
    size_t except_count;
    uint64_t *kept;
    size_t kept_count;
    int64_t *ids;
    size_t count;
};

/* A pair stays whole: one label of it may be on a medium, and names the others. */
static enum pd_status keep_pair(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct earlier *e = arg;

    for (size_t i = 0; i < e->except_count; i++) {
        if (row->state == PD_VOLUME_RESERVED && strcmp(row->uuid, e->except[i]) == 0) {
            uint64_t *grown = reallocarray(e->kept, e->kept_count + 1, sizeof *grown);
            if (!grown) {
                return pd_error_memory(err, "labels");
            }
            e->kept = grown;
            grown[e->kept_count++] = row->pair;
        }
    }
    return PD_OK;
}

static enum pd_status take_earlier(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct earlier *e = arg;
    bool wanted = row->state == PD_VOLUME_RESERVED && strcmp(row->reserved_by, e->run->dump) == 0;

    for (size_t i = 0; i < e->kept_count; i++) {
        wanted = wanted && row->pair != e->kept[i];
    }
    int64_t *grown = wanted ? reallocarray(e->ids, e->count + 1, sizeof *grown) : NULL;
    if (!wanted) {
        return PD_OK;
    }
    if (!grown) {
        return pd_error_memory(err, "labels");
    }
    e->ids = grown;
    grown[e->count++] = row->id;
    return PD_OK;
}

enum pd_status pd_pool_drop_reserved(const struct pd_pool_run *run, char (*except)[PD_UUID_TEXT],
                                     size_t count, struct pd_error *err)
{
    struct earlier e = {.run = run, .except = except, .except_count = count};
    enum pd_status status = pd_catalog_volumes(run->catalog, keep_pair, &e, err);

    if (status == PD_OK) {
        status = pd_catalog_volumes(run->catalog, take_earlier, &e, err);
    }
    if (status == PD_OK) {
        status = pd_catalog_volumes_forget(run->catalog, e.ids, e.count, err);
    }
    free(e.ids);
    free(e.kept);
    return status;
}

/* ---- how many ---- */

/* Bytes that one more volume of a copy takes, 0: unknown, UINT64_MAX: as many as there is room for
 * at all; *left: that the mounted one still takes. */
static uint64_t volume_size(struct pd_pool *pool, size_t i, uint64_t *left)
{
    struct pd_target *target = pool->copies[i].target;
    struct pd_target_space space = {.available = UINT64_MAX};
    struct pd_error ignored = PD_ERROR_INIT;

    if (pd_target_space_left(target, &space, &ignored) != PD_OK) {
        space = (struct pd_target_space){.available = UINT64_MAX};
    }
    *left = pd_target_label(target) ? space.available : 0;
    if (pd_target_url_capacity(pool->config.copies[i]) > 0) {
        return pd_target_url_capacity(pool->config.copies[i]);
    }
    return pd_target_caps(target).counts_space ? UINT64_MAX : space.total;
}

/* A volume is given up before its end, with an archive that does not fit: two thirds count. */
static uint64_t pairs_for(uint64_t need, uint64_t size, uint64_t left, bool library)
{
    if (size == UINT64_MAX) {
        return left == 0;
    }
    if (size == 0 || need == 0) {
        return library ? LIBRARY_SPARES : UNKNOWN_SPARES;
    }
    need = pd_add_sat(need, need / 2);
    return need > left ? (need - left) / size + 1 : 0;
}

enum pd_status pd_pool_reserve_for(struct pd_pool *pool, uint64_t need, struct pd_error *err)
{
    uint64_t count = 0;

    for (size_t i = 0; i < pool->config.copy_count; i++) {
        if (pool->copies[i].target) {
            uint64_t left = 0, size = volume_size(pool, i, &left);
            uint64_t pairs = pairs_for(need, size, left, pd_pool_in_library(pool, i));
            count = pairs > count ? pairs : count;
        }
    }
    return pd_pool_reserve(pool, count < SPARES_MAX ? (size_t)count : SPARES_MAX, err);
}
