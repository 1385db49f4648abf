#include <stdlib.h>
#include <string.h>

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

/* A copy that cannot be labelled is lost, the others go on. */
static enum pd_status label_pair(struct pd_pool *pool, struct pd_volume_row *rows,
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

enum pd_status pd_pool_spare_pair(struct pd_pool *pool, struct pd_error *err)
{
    struct pd_volume_row *rows = pd_pool_take_spare(pool);

    return rows ? label_pair(pool, rows, err)
                : pd_error_set(err, PD_NO_VOLUME, 0, "no label is reserved");
}

enum pd_status pd_pool_label_pair(struct pd_pool *pool, struct pd_error *err)
{
    enum pd_status status = pd_pool_reserve(pool, 1, err);

    return status == PD_OK ? pd_pool_spare_pair(pool, err) : status;
}
