#include "dump_priv.h"

static enum pd_status save_volumes(struct pd_dumping *d, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pd_pool_copies(d->pool) && status == PD_OK; i++) {
        struct pd_volume_row *volume = &pd_pool_copy(d->pool, i)->volume;
        if (volume->id != 0) {
            status = pd_book_volume(&d->book, volume, err);
        }
    }
    return status;
}

enum pd_status pd_dump_close_pair(struct pd_dumping *d, enum pd_dump_closing why,
                                  struct pd_error *err)
{
    enum pd_status status = pd_ledger_check(d->book.ledger, err);

    if (status == PD_BUSY) { /* another run has taken the volumes over */
        return status;
    }
    pd_error_clear(err);
    status = pd_dump_write_indexes(d, err);

    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        struct pd_pool_copy *copy = pd_pool_copy(d->pool, i);
        if (copy->volume.id != 0 && why == PD_PAIR_FULL &&
            copy->volume.state == PD_VOLUME_APPENDABLE) {
            copy->volume.state = PD_VOLUME_FULL_STATE;
            pd_log_line(d->env->log, PD_LOG_NOTE, "%s is full and closed", copy->volume.label);
        }
    }
    if (status == PD_OK) {
        status = save_volumes(d, err);
    }
    pd_dump_report_drives(d);
    if (status == PD_OK && why == PD_PAIR_LAST) {
        status = pd_dump_set_state(d, PD_DUMP_VERIFY, err);
    }
    if (status == PD_OK) {
        status = pd_dump_verify_pair(d, why == PD_PAIR_FULL || why == PD_PAIR_OLD, err);
        pd_dump_report_drives(d);
    }
    d->pair_start = d->archive_count;
    d->pairs++;
    return status;
}

void pd_dump_name_volume(struct pd_dumping *d, size_t copy, const char *label)
{
    char *labels = d->summary->copies[copy].labels;
    size_t size = sizeof d->summary->copies[copy].labels;
    size_t len = strlen(labels), own = strlen(label);

    if (own > 0 && len + own + 1 < size &&
        !(len >= own && strcmp(labels + len - own, label) == 0)) {
        snprintf(labels + len, size - len, "%s%s", len ? " " : "", label);
    }
}

void pd_dump_name_pair(struct pd_dumping *d)
{
    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        struct pd_pool_copy *copy = pd_pool_copy(d->pool, i);
        pd_dump_name_volume(d, i, copy->target ? copy->volume.label : "");
    }
}

/* ---- the next one ---- */

/* Without waiting for a catalog that cannot be reached; what is only in the way there is waited
 * for. */
static enum pd_status at_once(struct pd_dumping *d,
                              enum pd_status (*fn)(struct pd_dumping *d, struct pd_error *err),
                              struct pd_error *err)
{
    enum pd_status status = PD_CATALOG_LOST;

    for (int i = 0;
         i < 2 && pd_status_retryable(status) && pd_status_exit(status) == PD_EXIT_CATALOG; i++) {
        pd_error_clear(err);
        pd_catalog_try_once(d->catalog, status == PD_CATALOG_LOST);
        status = pd_catalog_run_beat(d->catalog, d->run.id, err); /* is it there? */
        if (status == PD_OK) {
            status = fn(d, err);
        }
    }
    pd_catalog_try_once(d->catalog, false);
    return status;
}

static enum pd_status reserve(struct pd_dumping *d, struct pd_error *err)
{
    return pd_pool_reserve_for(d->pool, d->need, err);
}

void pd_dump_reserve(struct pd_dumping *d)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_dump_settle(d, false, &why);

    if (status == PD_OK) {
        status = at_once(d, reserve, &why);
    }
    if (status != PD_OK) {
        pd_log_error(d->env->log, PD_LOG_INFO, &why);
    }
}

static enum pd_status next_pair(struct pd_dumping *d, struct pd_error *err)
{
    return pd_pool_next_pair(d->pool, err);
}

/* Who can do without the catalog does not wait for it. */
static enum pd_status choose_pair(struct pd_dumping *d, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    bool can_do_without = pd_pool_spares(d->pool) > 0;
    enum pd_status status = pd_dump_settle(d, !can_do_without, err);

    if (status == PD_OK) {
        status = can_do_without ? at_once(d, next_pair, err) : next_pair(d, err);
    }
    if (status == PD_OK) {
        pd_dump_reserve(d);
        return PD_OK;
    }
    if (pd_status_exit(status) != PD_EXIT_CATALOG || pd_pool_spares(d->pool) == 0 ||
        pd_ledger_check(d->book.ledger, &late) != PD_OK) {
        return status;
    }
    pd_log_line(d->env->log, PD_LOG_NOTE,
                "the catalog cannot be reached; a pair is labelled whose label was reserved in it");
    pd_error_clear(err);
    return pd_pool_spare_pair(d->pool, err);
}

/* Even when the other copies of the pair failed. */
static enum pd_status record_labels(struct pd_dumping *d, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        struct pd_pool_copy *copy = pd_pool_copy(d->pool, i);
        if (copy->fresh && status == PD_OK) {
            status = pd_book_labelled(&d->book, copy->volume.uuid, err);
        }
        copy->fresh = copy->fresh && status != PD_OK;
    }
    return status;
}

enum pd_status pd_dump_next_pair(struct pd_dumping *d, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = choose_pair(d, err);
    enum pd_status recorded = record_labels(d, &late);

    if (status == PD_OK && recorded != PD_OK) {
        *err = late;
        status = recorded;
    }
    if (status == PD_OK) {
        pd_dump_name_pair(d);
    }
    return status;
}
