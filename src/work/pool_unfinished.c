#include <stdlib.h>
#include <string.h>

#include "pool_priv.h"

enum { PREFIX_LEN = 2 };

/*
 * A pair that a run reserved, and maybe began to label. While the dump that it was reserved for is
 * not done it is that one's alone: its journal may have labelled it, and filled it, without the
 * catalog.
 */
struct unfinished {
    struct pd_pool *pool;
    uint64_t after, pair; /* the lowest above `after`; 0: none */
    char prefix[PREFIX_LEN + 1];
    struct pd_volume_row rows[PD_COPIES_MAX];
    struct pd_claim claims[PD_COPIES_MAX];
    bool labelled[PD_COPIES_MAX]; /* the medium bears it */
    bool present[PD_COPIES_MAX];  /* or is blank, and at hand for it */
    size_t found, reserved;
};

static bool is_unused(const struct unfinished *u, const struct pd_volume_row *row)
{
    const struct pd_pool *pool = u->pool;
    size_t i = pd_pool_target_of(pool, row->copy);

    return i != SIZE_MAX && row->used == 0 && row->replaces == pool->run.replaces &&
           strcmp(row->pool, pool->config.name) == 0 &&
           row->block_size == pool->config.block_size &&
           strcmp(row->location, pool->clean[i]) == 0 && !pd_volume_is_elsewhere(row) &&
           ((row->state == PD_VOLUME_RESERVED && row->tape_files == 0) ||
            (row->state == PD_VOLUME_APPENDABLE && row->tape_files == 1));
}

/* A number may be in use with two prefixes: then the other one's turn comes in another run. */
static enum pd_status lowest(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct unfinished *u = arg;

    (void)err;
    if (is_unused(u, row) && row->state == PD_VOLUME_RESERVED && row->pair > u->after &&
        !pd_pool_has_spare(u->pool, row->pair) && (u->pair == 0 || row->pair < u->pair)) {
        u->pair = row->pair;
        memcpy(u->prefix, row->label, PREFIX_LEN);
    }
    return PD_OK;
}

static enum pd_status take_row(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct unfinished *u = arg;
    size_t i = pd_pool_target_of(u->pool, row->copy);

    (void)err;
    if (row->pair == u->pair && is_unused(u, row) &&
        strncmp(row->label, u->prefix, PREFIX_LEN) == 0 && !u->rows[i].label[0]) {
        u->rows[i] = *row;
        u->found++;
        u->reserved += row->state == PD_VOLUME_RESERVED;
    }
    return PD_OK;
}

static enum pd_status read_rows(struct unfinished *u, struct pd_error *err)
{
    u->found = u->reserved = 0;
    memset(u->rows, 0, sizeof u->rows);
    return pd_catalog_volumes(u->pool->run.catalog, take_row, u, err);
}

/* Nobody's, or of the dump at hand? */
static enum pd_status is_free(struct unfinished *u, bool *is, struct pd_error *err)
{
    const struct pd_pool_run *run = &u->pool->run;
    struct pd_dump_row *dump = calloc(1, sizeof *dump);
    enum pd_status status = dump ? PD_OK : pd_error_memory(err, "a dump");

    *is = true;
    for (size_t i = 0; i < PD_COPIES_MAX && *is && status == PD_OK; i++) {
        const char *by = u->rows[i].reserved_by;
        if (u->rows[i].state != PD_VOLUME_RESERVED || !by[0] ||
            (run->dump && strcmp(by, run->dump) == 0)) {
            continue;
        }
        status = pd_catalog_dump_find(run->catalog, by, dump, err);
        *is = status == PD_OK && dump->state == PD_DUMP_DONE;
        if (status == PD_NOT_FOUND) {
            pd_error_clear(err);
            status = PD_OK;
        }
    }
    free(dump);
    return status;
}

/* *mine: it is ours now, and nothing has changed meanwhile. */
static enum pd_status take_over(struct unfinished *u, bool *mine, struct pd_error *err)
{
    struct pd_pool_run run = u->pool->run;
    size_t count = 0, found = u->found, reserved = u->reserved;
    enum pd_status status;

    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        if (u->rows[i].label[0]) {
            u->claims[count++] =
                (struct pd_claim){.kind = PD_CLAIM_VOLUME, .name = u->rows[i].label};
        }
    }
    status = pd_catalog_claim(run.catalog, run.id, u->claims, count, run.limit_ns, err);
    *mine = status == PD_OK;
    if (status == PD_BUSY) {
        pd_error_clear(err);
        return PD_OK;
    }
    if (status == PD_OK) {
        status = read_rows(u, err);
        *mine = status == PD_OK && u->found == found && u->reserved == reserved;
    }
    return status;
}

static enum pd_status look(struct unfinished *u, size_t i, bool *good, struct pd_error *err)
{
    struct pd_target *target = u->pool->copies[i].target;
    const struct pd_volume_row *row = &u->rows[i];
    struct pd_target_position position = {0};
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_target_mount(target, row->label, &why);

    u->labelled[i] = status == PD_OK;
    u->present[i] = status == PD_OK || status == PD_BLANK;
    if (status == PD_OK) {
        status = pd_target_claim(target, &why);
    }
    if (status == PD_OK && strcmp(pd_target_label(target)->uuid, row->uuid) != 0) {
        status = pd_error_set(&why, PD_WRONG_VOLUME, 0, "has another UUID than in the catalog");
    }
    if (status == PD_OK) {
        status = pd_target_position(target, &position, &why);
    }
    if (status == PD_OK && position.file_count != 1) {
        status = pd_error_set(&why, PD_WRONG_VOLUME, 0,
                              "holds more than its label, though it is only reserved");
    }
    if (status == PD_INTERRUPTED || status == PD_NO_MEMORY) {
        *err = why;
        return status;
    }
    *good = *good && (status == PD_OK || !u->labelled[i]);
    if (u->labelled[i] && status != PD_OK) {
        pd_error_context(&why, row->label, NULL, NULL);
        pd_log_error(u->pool->env->log, PD_LOG_WARN, &why);
    }
    return PD_OK;
}

/* A medium that refuses is no loss: the next pair may do. */
static enum pd_status finish_volume(struct unfinished *u, size_t i, bool *good,
                                    struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_pool_label_volume(u->pool, u->rows, i, u->labelled[i], &why);

    *good = status == PD_OK;
    if (status == PD_INTERRUPTED || status == PD_NO_MEMORY) {
        *err = why;
        return status;
    }
    if (status != PD_OK) {
        pd_log_error(u->pool->env->log, PD_LOG_INFO, &why);
    }
    return PD_OK;
}

/* No medium is at hand for it: it is not needed. */
static enum pd_status forget(struct unfinished *u, struct pd_error *err)
{
    int64_t ids[PD_COPIES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        if (u->rows[i].id != 0) {
            ids[count++] = u->rows[i].id;
        }
    }
    return pd_catalog_volumes_forget(u->pool->run.catalog, ids, count, err);
}

static enum pd_status let_go(struct unfinished *u, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < u->found && status == PD_OK; i++) {
        status = pd_catalog_unclaim(u->pool->run.catalog, u->pool->run.id, &u->claims[i], err);
    }
    return status;
}

/* *any: a medium is at hand for it; *sound: none holds what it should not. */
static enum pd_status look_at_all(struct unfinished *u, bool *any, bool *sound,
                                  struct pd_error *err)
{
    enum pd_status status = PD_OK;

    *any = false;
    *sound = true;
    for (size_t i = 0; i < u->pool->config.copy_count && status == PD_OK; i++) {
        if (u->rows[i].label[0]) {
            status = look(u, i, sound, err);
            *any = *any || u->present[i];
        }
    }
    return status;
}

/* Where a medium bears one of its labels, or a kill left it blank, it is finished. */
static enum pd_status finish_claimed(struct unfinished *u, bool *good, struct pd_error *err)
{
    bool any = false, sound = true;
    enum pd_status status = look_at_all(u, &any, &sound, err);

    *good = false;
    if (status == PD_OK && sound && !any && u->reserved == u->found) {
        return forget(u, err);
    }
    *good = status == PD_OK && sound && any && u->found == u->pool->config.copy_count;
    for (size_t i = 0; i < u->found && *good && status == PD_OK; i++) {
        status = finish_volume(u, i, good, err);
    }
    return status == PD_OK && !*good ? let_go(u, err) : status;
}

static enum pd_status finish_pair(struct unfinished *u, bool *good, struct pd_error *err)
{
    bool is = false;
    enum pd_status status = is_free(u, &is, err);

    *good = false;
    if (status == PD_OK && is) {
        status = take_over(u, &is, err);
    }
    return status == PD_OK && is ? finish_claimed(u, good, err) : status;
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
