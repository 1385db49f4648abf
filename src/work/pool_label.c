#include <stdlib.h>
#include <string.h>

#include "pairdump/size.h"
#include "pool_priv.h"

enum { RESERVE_TRIES = 100 };

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
        if (pool->copies[i].target) {
            status = pd_target_volumes(pool->copies[i].target, see_label, &seen, err);
        }
    }
    *number = (seen.highest > last ? seen.highest : last) + 1;
    if (status == PD_OK && *number > 99999) {
        status = pd_error_set(err, PD_NO_VOLUME, 0,
                              "label prefix %s has no number left; choose another",
                              pool->config.label_prefix);
    }
    return status;
}

static void make_labels(struct pd_pool *pool, uint64_t number, struct pd_label *labels)
{
    size_t count = pool->config.copy_count;

    for (size_t i = 0; i < count; i++) {
        struct pd_label *l = &labels[i];
        memset(l, 0, sizeof *l);
        l->format = PD_FORMAT_VERSION;
        snprintf(l->label, sizeof l->label, "%.2s%u%05u", pool->config.label_prefix,
                 (unsigned)(i + 1) % 10, (unsigned)(number % 100000));
        pd_uuid_make(pool->env->rng, l->uuid);
        snprintf(l->pool, sizeof l->pool, "%s", pool->config.name);
        snprintf(l->software, sizeof l->software, "pairdump %s", PD_VERSION);
        l->copy = (unsigned)(i + 1);
        l->block_size = pool->config.block_size;
        l->created = pd_clock_utc(pool->env->clock) / PD_NS_PER_S * PD_NS_PER_S;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (j != i) {
                struct pd_partner *p = &labels[i].partners[labels[i].partner_count++];
                p->copy = labels[j].copy;
                snprintf(p->label, sizeof p->label, "%s", labels[j].label);
                snprintf(p->uuid, sizeof p->uuid, "%s", labels[j].uuid);
            }
        }
    }
}

static void fill_row(const struct pd_pool *pool, size_t i, const struct pd_label *label,
                     uint64_t number, struct pd_volume_row *row)
{
    memset(row, 0, sizeof *row);
    snprintf(row->label, sizeof row->label, "%s", label->label);
    snprintf(row->uuid, sizeof row->uuid, "%s", label->uuid);
    snprintf(row->pool, sizeof row->pool, "%s", label->pool);
    snprintf(row->location, sizeof row->location, "%s", pool->clean[i]);
    row->copy = label->copy;
    row->pair = number;
    row->state = PD_VOLUME_BAD; /* until the medium has its label */
    row->block_size = label->block_size;
    row->created = label->created;
}

/* Takes back the row of a volume that got no label after all. */
static void remove_row(struct pd_pool *pool, size_t i)
{
    struct pd_volume_row *row = &pool->copies[i].volume;
    struct pd_error late = PD_ERROR_INIT;

    if (row->id != 0 && row->tape_files == 0 &&
        pd_catalog_volume_remove(pool->run.catalog, row->id, &late) != PD_OK) {
        pd_log_error(pool->env->log, PD_LOG_WARN, &late);
    }
    memset(row, 0, sizeof *row);
}

/* A label is claimed before it is on record; PD_EXISTS when another run is at it. */
static enum pd_status claim_label(struct pd_pool *pool, const char *label, struct pd_error *err)
{
    struct pd_claim claim = {.kind = PD_CLAIM_VOLUME, .name = label};

    enum pd_status status = pd_catalog_claim(pool->run.catalog, pool->run.id, &claim, 1,
                                             pool->run.limit_ns, err);

    if (status == PD_BUSY) {
        err->status = status = PD_EXISTS;
    }
    return status;
}

/* Reserves the next number in the catalog, which other runs may want at the same time. */
static enum pd_status reserve_pair(struct pd_pool *pool,
                                   struct pd_label *labels, struct pd_error *err)
{
    enum pd_status status = PD_EXISTS;
    uint64_t number = 0;

    for (int tries = 0; tries < RESERVE_TRIES && status == PD_EXISTS; tries++) {
        pd_error_clear(err);
        status = next_number(pool, &number, err);
        if (status == PD_OK) {
            make_labels(pool, number, labels);
        }
        for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
            if (pool->copies[i].target) {
                fill_row(pool, i, &labels[i], number, &pool->copies[i].volume);
                status = claim_label(pool, labels[i].label, err);
            }
            if (status == PD_OK && pool->copies[i].target) {
                status = pd_catalog_volume_add(pool->run.catalog, &pool->copies[i].volume, err);
            }
        }
        for (size_t i = 0; i < pool->config.copy_count && status != PD_OK; i++) {
            remove_row(pool, i);
        }
    }
    return status;
}

static enum pd_status label_volume(struct pd_pool *pool, size_t i,
                                   const struct pd_label *label, struct pd_error *err)
{
    struct pd_volume_row *row = &pool->copies[i].volume;
    enum pd_status status = pd_pool_format(pool, i, label, err);

    if (status == PD_OK) {
        row->state = PD_VOLUME_APPENDABLE;
        row->tape_files = 1;
        return pd_catalog_volume_update(pool->run.catalog, row, err);
    }
    remove_row(pool, i);
    return pd_pool_is_fatal(status) || pd_status_exit(status) == PD_EXIT_SPACE ? status
                                                                       : pd_pool_lose(pool, i, status, err);
}

enum pd_status pd_pool_label_pair(struct pd_pool *pool, struct pd_error *err)
{
    struct pd_label *labels = calloc(PD_COPIES_MAX, sizeof *labels);
    enum pd_status status = labels ? reserve_pair(pool, labels, err)
                                   : pd_error_memory(err, "labels");

    for (size_t i = 0; i < pool->config.copy_count && labels; i++) {
        if (!pool->copies[i].target) {
            continue;
        }
        if (status == PD_OK) {
            status = label_volume(pool, i, &labels[i], err);
        } else {
            remove_row(pool, i);
        }
    }
    free(labels);
    return status;
}

