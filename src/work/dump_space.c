#include <inttypes.h>

#include "dump_priv.h"
#include "pairdump/size.h"
#include "pairdump/space.h"

enum { CATALOG_BYTES_PER_FILE = 400 };

/* Archives, their padding and tags, an index line per file, and two labels' worth of records. */
static uint64_t bytes_needed(const struct pd_dumping *d, uint64_t archives, uint64_t bytes)
{
    const struct pd_pool_config *pool = pd_pool_config(d->lanes[0].pool);
    uint64_t index = pd_mul_sat(d->summary->source_files, 256);

    return pd_add_sat(pd_add_sat(bytes, index), pd_mul_sat(archives + 4, pool->block_size + 65536));
}

/* Those that are still to be written. */
static enum pd_status count_batches(struct pd_dumping *d, uint64_t *need, struct pd_error *err)
{
    const struct pd_pool_config *pool = pd_pool_config(d->lanes[0].pool);
    struct pd_batch_limits limits = {pool->batch_size, pool->batch_files, pool->capacity};
    struct pd_batch batch;
    uint64_t cursor = 0, archives = 0, bytes = 0;
    enum pd_status status;

    pd_batch_init(&batch);
    do {
        status = pd_batch_next(d->list, &cursor, &limits, &batch, err);
        bool counts = status == PD_OK && batch.count > 0;
        bool left = counts && !pd_batches_is_done(&d->batches, batch.seq);
        d->summary->batches += counts;
        archives += left;
        bytes = left ? pd_add_sat(bytes, batch.archive_bytes) : bytes;
    } while (status == PD_OK && batch.count > 0);
    *need = bytes_needed(d, archives, bytes);
    pd_batch_release(&batch);
    return status;
}

/* Each lane takes its part; which one takes more than others is not known before. */
static void tell_needs(struct pd_dumping *d, struct pd_dump_lane *l, uint64_t need)
{
    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        struct pd_target *target = pd_pool_copy(l->pool, i)->target;
        struct pd_target_space space = {.available = UINT64_MAX};
        struct pd_error ignored = PD_ERROR_INIT;
        if (target && pd_target_space_left(target, &space, &ignored) != PD_OK) {
            space.available = UINT64_MAX;
        }
        l->copies[i].need = d->lane_count > 1 ? need / d->lane_count + 1 : need;
        l->copies[i].available = space.available;
    }
}

/* The largest volume that all copies of a lane have; 0: nobody has said. */
static uint64_t largest_volume(const struct pd_dumping *d)
{
    uint64_t largest = 0;

    for (size_t n = 0; n < d->lane_count; n++) {
        uint64_t capacity = pd_pool_capacity(d->lanes[n].pool);
        if (capacity == 0) {
            return 0;
        }
        largest = capacity > largest ? capacity : largest;
    }
    return largest;
}

static enum pd_status check_targets(struct pd_dumping *d, uint64_t need, struct pd_error *err)
{
    struct pd_pool *pools[PD_COPIES_MAX];

    for (size_t n = 0; n < d->lane_count; n++) {
        tell_needs(d, &d->lanes[n], need);
        pools[n] = d->lanes[n].pool;
    }
    return pd_pool_check_space_of(pools, d->lane_count, need, err);
}

enum pd_status pd_dump_check_space(struct pd_dumping *d, struct pd_error *err)
{
    const struct pd_list_totals *totals = pd_list_totals(d->list);
    uint64_t capacity = largest_volume(d);
    uint64_t catalog_need = pd_mul_sat(totals->items, CATALOG_BYTES_PER_FILE);
    const char *catalog = pd_catalog_path(d->catalog);
    uint64_t need = 0;
    enum pd_status status = count_batches(d, &need, err);

    d->need = need;
    if (status == PD_OK && capacity > 0 && totals->largest > capacity - capacity / 16) {
        return pd_error_set(err, PD_USAGE, 0,
                            "%s has %" PRIu64 " bytes: more than a volume of %" PRIu64 " holds",
                            totals->largest_path, totals->largest, capacity);
    }
    if (status == PD_OK) {
        status = check_targets(d, need, err);
    }
    if (status == PD_OK && catalog) {
        status = pd_space_check(catalog, catalog_need, d->options->config->catalog_reserve, err);
    }
    if (status == PD_OK) {
        status = pd_space_check(d->options->state_dir, pd_mul_sat(totals->items, 256),
                                d->options->config->catalog_reserve, err);
    }
    return status;
}
