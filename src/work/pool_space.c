#include <inttypes.h>

#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "pairdump/space.h"
#include "pool_priv.h"

enum pd_status pd_pool_check_space(struct pd_pool *pool, uint64_t need, struct pd_error *err)
{
    struct pd_space spaces[PD_COPIES_MAX];
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        uint64_t sharers = 1;
        if (!pool->copies[i].target || pd_target_url_device(pool->config.copies[i])) {
            spaces[i].fs_id = 0;
            continue;
        }
        status = pd_space_of(pool->path[i], &spaces[i], err);
        for (size_t j = 0; j < i && status == PD_OK; j++) {
            sharers += spaces[j].fs_id == spaces[i].fs_id;
        }
        if (status == PD_OK) {
            status =
                pd_space_check(pool->path[i], pd_mul_sat(need, sharers), pool->config.reserve, err);
        }
    }
    return status;
}

/* ---- several sets of drives ---- */

/* What is left on the file systems of all targets. */
struct room {
    struct {
        uint64_t fs_id, left;
    } list[PD_COPIES_MAX];
    size_t count;
};

/* The target's file system among those; NULL: it has none, or is lost. */
static enum pd_status find_room(const struct pd_pool *pool, size_t i, struct room *room,
                                uint64_t **left, struct pd_error *err)
{
    struct pd_space space;
    enum pd_status status;

    *left = NULL;
    if (!pool->copies[i].target || pd_target_url_device(pool->config.copies[i])) {
        return PD_OK;
    }
    status = pd_space_of(pool->path[i], &space, err);
    if (status != PD_OK) {
        return status;
    }
    for (size_t n = 0; n < room->count && !*left; n++) {
        *left = room->list[n].fs_id == space.fs_id ? &room->list[n].left : NULL;
    }
    if (!*left && room->count < PD_COPIES_MAX) {
        room->list[room->count].fs_id = space.fs_id;
        *left = &room->list[room->count++].left;
        **left =
            space.available > pool->config.reserve ? space.available - pool->config.reserve : 0;
    }
    return PD_OK;
}

/* As much of *need as fits goes to the pool. */
static enum pd_status fill(const struct pd_pool *pool, struct room *room, uint64_t *need,
                           struct pd_error *err)
{
    uint64_t *left[PD_COPIES_MAX], most = *need;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        status = find_room(pool, i, room, &left[i], err);
    }
    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        uint64_t sharers = 0;
        for (size_t j = 0; j < pool->config.copy_count && left[i]; j++) {
            sharers += left[j] == left[i];
        }
        most = left[i] && *left[i] / sharers < most ? *left[i] / sharers : most;
    }
    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        if (left[i]) {
            *left[i] -= most;
        }
    }
    *need -= most;
    return status;
}

enum pd_status pd_pool_check_space_of(struct pd_pool *const *pools, size_t count, uint64_t need,
                                      struct pd_error *err)
{
    struct room room = {.count = 0};
    uint64_t rest = need;
    enum pd_status status = PD_OK;
    char missing[24];

    if (count == 1) {
        return pd_pool_check_space(pools[0], need, err);
    }
    for (size_t i = 0; i < count && rest > 0 && status == PD_OK; i++) {
        status = fill(pools[i], &room, &rest, err);
    }
    if (status == PD_OK && rest > 0) {
        pd_format_size(rest, missing, sizeof missing);
        status = pd_error_set(err, PD_NO_SPACE, 0,
                              "all pairs of targets together have %s too little for one copy of"
                              " everything; free space, or dump less",
                              missing);
    }
    return status;
}
