#include "dump_priv.h"

static enum pd_status save_volumes(struct pd_dump_lane *l, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pd_pool_copies(l->pool) && status == PD_OK; i++) {
        struct pd_volume_row *volume = &pd_pool_copy(l->pool, i)->volume;
        if (volume->id != 0) {
            status = pd_book_volume(&l->d->book, volume, err);
        }
    }
    return status;
}

/* The first lane that has nothing left to write says so: then no other has. */
static enum pd_status end_writing(struct pd_dumping *d, struct pd_error *err)
{
    pthread_mutex_lock(&d->lock);
    bool first = !d->verifying;
    d->verifying = true;
    pthread_mutex_unlock(&d->lock);
    return first ? pd_dump_set_state(d, PD_DUMP_VERIFY, err) : PD_OK;
}

enum pd_status pd_dump_close_pair(struct pd_dump_lane *l, enum pd_dump_closing why,
                                  struct pd_error *err)
{
    enum pd_status status = pd_ledger_check(l->d->book.ledger, err);

    if (status == PD_BUSY) { /* another run has taken the volumes over */
        return status;
    }
    pd_error_clear(err);
    status = pd_dump_write_indexes(l, err);

    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        struct pd_pool_copy *copy = pd_pool_copy(l->pool, i);
        if (copy->volume.id != 0 && why == PD_PAIR_FULL &&
            copy->volume.state == PD_VOLUME_APPENDABLE) {
            copy->volume.state = PD_VOLUME_FULL_STATE;
            pd_log_line(l->d->env->log, PD_LOG_NOTE, "%s is full and closed", copy->volume.label);
        }
    }
    if (status == PD_OK) {
        status = save_volumes(l, err);
    }
    pd_dump_report_drives(l);
    if (status == PD_OK && why == PD_PAIR_LAST) {
        status = end_writing(l->d, err);
    }
    if (status == PD_OK) {
        status = pd_dump_verify_pair(l, why == PD_PAIR_FULL || why == PD_PAIR_OLD, err);
        pd_dump_report_drives(l);
    }
    l->pair_start = l->archive_count;
    l->pairs++;
    return status;
}

void pd_dump_name_volume(struct pd_dump_lane *l, size_t copy, const char *label)
{
    char *labels = l->copies[copy].labels;
    size_t size = sizeof l->copies[copy].labels;
    size_t len = strlen(labels), own = strlen(label);

    if (own > 0 && len + own + 1 < size &&
        !(len >= own && strcmp(labels + len - own, label) == 0)) {
        snprintf(labels + len, size - len, "%s%s", len ? " " : "", label);
    }
}

void pd_dump_name_pair(struct pd_dump_lane *l)
{
    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        struct pd_pool_copy *copy = pd_pool_copy(l->pool, i);
        pd_dump_name_volume(l, i, copy->target ? copy->volume.label : "");
    }
}

/* ---- the next one ---- */

/* Without waiting for a catalog that cannot be reached; what is only in the way there is waited
 * for. */
static enum pd_status at_once(struct pd_dump_lane *l,
                              enum pd_status (*fn)(struct pd_dump_lane *l, struct pd_error *err),
                              struct pd_error *err)
{
    enum pd_status status = PD_CATALOG_LOST;

    for (int i = 0;
         i < 2 && pd_status_retryable(status) && pd_status_exit(status) == PD_EXIT_CATALOG; i++) {
        pd_error_clear(err);
        pd_catalog_try_once(l->catalog, status == PD_CATALOG_LOST);
        status = pd_catalog_run_beat(l->catalog, l->d->run.id, err); /* is it there? */
        if (status == PD_OK) {
            status = fn(l, err);
        }
    }
    pd_catalog_try_once(l->catalog, false);
    return status;
}

/* A lane's part of the rest. Of a library's cartridges it takes no more than the next pair: others
 * want some too. */
static enum pd_status reserve(struct pd_dump_lane *l, struct pd_error *err)
{
    struct pd_dumping *d = l->d;

    if (d->lane_count > 1 && pd_pool_uses_library(l->pool)) {
        return pd_pool_reserve(l->pool, 1, err);
    }
    pthread_mutex_lock(&d->lock);
    uint64_t need = d->need;
    pthread_mutex_unlock(&d->lock);
    return pd_pool_reserve_for(l->pool, (need + d->lane_count - 1) / d->lane_count, err);
}

void pd_dump_reserve(struct pd_dump_lane *l)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_dump_settle(l->d, false, &why);

    if (status == PD_OK) {
        status = at_once(l, reserve, &why);
    }
    if (status != PD_OK) {
        pd_log_error(l->d->env->log, PD_LOG_INFO, &why);
    }
}

static enum pd_status next_pair(struct pd_dump_lane *l, struct pd_error *err)
{
    return pd_pool_next_pair(l->pool, err);
}

/* Who can do without the catalog does not wait for it. */
static enum pd_status choose_alone(struct pd_dump_lane *l, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    bool can_do_without = pd_pool_spares(l->pool) > 0;
    enum pd_status status = pd_dump_settle(l->d, !can_do_without, err);

    if (status == PD_OK) {
        status = can_do_without ? at_once(l, next_pair, err) : next_pair(l, err);
    }
    if (status == PD_OK) {
        pd_dump_reserve(l);
        return PD_OK;
    }
    if (pd_status_exit(status) != PD_EXIT_CATALOG || pd_pool_spares(l->pool) == 0 ||
        pd_ledger_check(l->d->book.ledger, &late) != PD_OK) {
        return status;
    }
    pd_log_line(l->d->env->log, PD_LOG_NOTE,
                "the catalog cannot be reached; a pair is labelled whose label was reserved in it");
    pd_error_clear(err);
    return pd_pool_spare_pair(l->pool, err);
}

static enum pd_status choose_pair(struct pd_dump_lane *l, struct pd_error *err)
{
    pthread_mutex_lock(&l->d->picking);
    enum pd_status status = choose_alone(l, err);
    pthread_mutex_unlock(&l->d->picking);
    return status;
}

/* Even when the other copies of the pair failed. */
static enum pd_status record_labels(struct pd_dump_lane *l, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        struct pd_pool_copy *copy = pd_pool_copy(l->pool, i);
        if (copy->fresh && status == PD_OK) {
            status = pd_book_labelled(&l->d->book, copy->volume.uuid, err);
        }
        copy->fresh = copy->fresh && status != PD_OK;
    }
    return status;
}

enum pd_status pd_dump_next_pair(struct pd_dump_lane *l, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = choose_pair(l, err);
    enum pd_status recorded = record_labels(l, &late);

    if (status == PD_OK && recorded != PD_OK) {
        *err = late;
        status = recorded;
    }
    if (status == PD_OK) {
        pd_dump_name_pair(l);
    }
    return status;
}
