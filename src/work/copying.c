#include "pairdump/copying.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "copying_priv.h"
#include "pairdump/check.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"

/* ---- what is on hand ---- */

static struct pd_copying_item *next_item(struct pd_copying *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].state == PD_COPYING_TODO) {
            return &c->items[i];
        }
    }
    return NULL;
}

/* A volume that holds copies of an earlier run which nobody has read back; 0: none. */
static int64_t unread_volume(const struct pd_copying *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].state == PD_COPYING_WRITTEN) {
            return c->items[i].volume_id;
        }
    }
    return 0;
}

/* A tape file of an archive or index: "<dump>.<seq>", "<dump>.index". Only such runs write to these
 * volumes, so what the catalog does not know is what a killed one left. */
static bool is_ours(void *arg, const char *top)
{
    const struct pd_copying *c = arg;
    const char *dot = strrchr(top, '.');
    uint64_t seq = 0;

    if (!dot || (strcmp(dot + 1, "index") != 0 && !pd_parse_u64(dot + 1, &seq))) {
        return false;
    }
    for (size_t i = 0; i < c->dump_count; i++) {
        if (strlen(c->dumps[i].name) == (size_t)(dot - top) &&
            strncmp(c->dumps[i].name, top, (size_t)(dot - top)) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- reading back ---- */

static void settle_item(struct pd_copying *c, const struct pd_verify_result *result)
{
    for (size_t i = 0; i < c->count; i++) {
        struct pd_copying_item *item = &c->items[i];
        if (item->state != PD_COPYING_WRITTEN || item->copy_id != result->copy_id) {
            continue;
        }
        item->result.records = result->records;
        item->result.status = result->status;
        item->result.error = result->error;
        if (result->status != PD_INTERRUPTED) {
            item->state = result->status == PD_OK ? PD_COPYING_GOOD : PD_COPYING_FAILED;
        }
    }
}

static enum pd_status take_result(void *arg, const struct pd_verify_result *result,
                                  struct pd_error *err)
{
    struct pd_copying *c = arg;

    settle_item(c, result);
    return pd_copying_beat(c, err);
}

/* A new volume that does not hold what was written to it gets nothing more. */
static enum pd_status distrust(struct pd_copying *c, int64_t id, const char *uuid,
                               const struct pd_error *index, struct pd_error *err)
{
    struct pd_volume_row row;
    bool bad = index->status != PD_OK;
    enum pd_status status;

    for (size_t i = 0; i < c->count; i++) {
        bad = bad || (c->items[i].volume_id == id && c->items[i].state == PD_COPYING_FAILED &&
                      pd_status_blames_copy(c->items[i].result.status));
    }
    if (!bad) {
        return PD_OK;
    }
    status = pd_catalog_volume_find(c->catalog, uuid, &row, err);
    if (status == PD_OK) {
        row.state = PD_VOLUME_BAD;
        status = pd_catalog_volume_update(c->catalog, &row, err);
    }
    return status;
}

/* What is verified takes the place of the old. */
static enum pd_status replace_old(struct pd_copying *c, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < c->count && c->old.id != 0 && status == PD_OK; i++) {
        if (c->items[i].state == PD_COPYING_GOOD) {
            status = pd_catalog_copy_replaces(c->catalog, c->items[i].copy_id, c->old.id, err);
        }
    }
    return status;
}

static void note(struct pd_copying *c, enum pd_status status, const struct pd_error *why)
{
    if (c->summary->error.status == PD_OK) {
        c->summary->error = *why;
    }
    c->summary->status = c->summary->status == PD_OK ? status : c->summary->status;
    pd_log_error(c->env->log, PD_LOG_WARN, why);
}

static enum pd_status read_back(struct pd_copying *c, const char *label, const char *url,
                                struct pd_error *err)
{
    const char *const at[] = {url}, *const labels[] = {label};
    const struct pd_check_options options = {.volumes = labels,
                                             .volume_count = 1,
                                             .unverified_only = !c->options->in_place,
                                             .at = at,
                                             .at_count = 1,
                                             .retry = pd_config_retry(c->options->config, "verify"),
                                             .on_result = take_result,
                                             .result_arg = c};
    struct pd_check_summary summary = {0};
    struct pd_volume_row row;
    struct pd_error index = PD_ERROR_INIT;
    enum pd_status status = pd_catalog_volume_find(c->catalog, label, &row, err);

    if (status == PD_OK) {
        status = pd_check_run(c->env, c->catalog, &options, &summary, err);
    }
    if (status == PD_OK) {
        status = pd_env_check(c->env, err);
    }
    if (status == PD_OK) {
        status = pd_copying_check_indexes(c, label, row.uuid, &index, err);
    }
    if (status == PD_OK && index.status != PD_OK) {
        note(c, PD_DEGRADED, &index);
    }
    if (status == PD_OK && !c->options->in_place) {
        status = distrust(c, row.id, row.uuid, &index, err);
    }
    return status == PD_OK && !c->options->in_place ? replace_old(c, err) : status;
}

/* What earlier runs have written, and not read back, on volumes that are not to be written to. */
static enum pd_status read_back_earlier(struct pd_copying *c, struct pd_error *err)
{
    enum pd_status status = PD_OK;
    int64_t id = unread_volume(c);

    while (id != 0 && status == PD_OK) {
        char label[PD_LABEL_TEXT] = "";
        for (size_t i = 0; i < c->count; i++) {
            if (c->items[i].volume_id == id) {
                memcpy(label, c->items[i].result.label, sizeof label);
            }
        }
        status = read_back(c, label, c->options->to, err);
        for (size_t i = 0; i < c->count; i++) { /* out of reach: it stays written */
            struct pd_copying_item *item = &c->items[i];
            if (item->volume_id == id && item->state == PD_COPYING_WRITTEN) {
                item->state = PD_COPYING_FAILED;
                item->result.status =
                    item->result.status == PD_OK ? PD_UNVERIFIED : item->result.status;
            }
        }
        id = unread_volume(c);
    }
    return status;
}

/* ---- writing ---- */

/* Archives go to the volume at hand until it is full. */
static enum pd_status fill_volume(struct pd_copying *c, bool *full, struct pd_error *err)
{
    struct pd_copying_item *item;
    enum pd_status status = PD_OK;

    *full = false;
    while (status == PD_OK && (item = next_item(c)) != NULL) {
        bool empty = pd_pool_copy(c->pool, 0)->volume.tape_files <= 1;
        status = pd_copying_write_indexes(c, item->archive.dump_id, err);
        if (status == PD_OK) {
            status = pd_copying_archive(c, item, err);
        }
        if (status == PD_VOLUME_FULL && empty) {
            struct pd_error why = *err;
            pd_error_clear(err);
            return pd_error_set(
                err, PD_NO_SPACE, 0, "archive %s of %" PRIu64 " bytes fits no empty volume: %s",
                item->archive.name, item->archive.records * item->archive.record_size, why.message);
        }
        *full = status == PD_VOLUME_FULL;
    }
    if (*full) {
        pd_error_clear(err);
        status = PD_OK;
    }
    return status;
}

static enum pd_status close_volume(struct pd_copying *c, bool full, struct pd_error *err)
{
    struct pd_volume_row row;
    const char *uuid = pd_pool_copy(c->pool, 0)->volume.uuid;
    enum pd_status status = pd_copying_write_indexes(c, 0, err);

    if (status == PD_OK) {
        status = pd_copying_cover(c, err);
    }
    if (status == PD_OK && full) {
        status = pd_catalog_volume_find(c->catalog, uuid, &row, err);
        row.state = PD_VOLUME_FULL_STATE;
        if (status == PD_OK) {
            status = pd_catalog_volume_update(c->catalog, &row, err);
        }
    }
    return status;
}

static void name_volume(struct pd_copying *c, const char *label)
{
    size_t len = strlen(c->summary->labels);

    snprintf(c->summary->labels + len, sizeof c->summary->labels - len, "%s%s", len ? " " : "",
             label);
}

/* Trouble of the drive or medium that is written to; what was written before is read back. */
static bool is_of_target(enum pd_status status)
{
    return status != PD_OK && status != PD_INTERRUPTED && status != PD_NO_MEMORY &&
           status != PD_INTERNAL && pd_status_exit(status) == PD_EXIT_FAILED;
}

/* Nothing more is written to it, and this run writes no more. */
static enum pd_status lose_volume(struct pd_copying *c, const char *label, struct pd_error *err)
{
    struct pd_volume_row row;
    enum pd_status status;

    c->broken = true;
    note(c, PD_DEGRADED, err);
    pd_error_clear(err);
    status = pd_catalog_volume_find(c->catalog, label, &row, err);
    if (status == PD_OK) {
        row.state = PD_VOLUME_BAD;
        status = pd_catalog_volume_update(c->catalog, &row, err);
    }
    return status;
}

/* The next volume: written to, and read back. */
static enum pd_status serve_volume(struct pd_copying *c, struct pd_error *err)
{
    struct pd_pool_copy *to = pd_pool_copy(c->pool, 0);
    char label[PD_LABEL_TEXT];
    bool full = false;
    enum pd_status status = pd_pool_next_pair(c->pool, err), closed;
    struct pd_error late = PD_ERROR_INIT;

    if (to->fresh) {
        enum pd_status labelled =
            pd_catalog_volume_labelled(c->catalog, to->volume.uuid, status == PD_OK ? err : &late);
        to->fresh = false;
        status = status == PD_OK ? labelled : status;
    }
    if (status != PD_OK) {
        return status;
    }
    memcpy(label, to->volume.label, sizeof label);
    name_volume(c, label);
    status = fill_volume(c, &full, err);
    if (status == PD_OK) {
        status = close_volume(c, full, err);
    }
    closed = pd_pool_unmount(c->pool, 0, status == PD_OK ? err : &late);
    status = status == PD_OK ? closed : status;
    if (is_of_target(status)) {
        return lose_volume(c, label, err);
    }
    return status == PD_OK ? read_back(c, label, c->options->to, err) : status;
}

/* Is there an appendable volume of an earlier run without its index? */
static enum pd_status lacks_index(struct pd_copying *c, bool *lacks, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    *lacks = false;
    for (size_t i = 0; i < c->volume_count && status == PD_OK && !*lacks; i++) {
        const struct pd_volume_row *volume = &c->volumes[i];
        if (pd_copying_is_mine(c, volume) && volume->copy == c->copy &&
            volume->state == PD_VOLUME_APPENDABLE) {
            status = pd_copying_lacks_index(c, volume->id, volume->tape_files, lacks, err);
        }
    }
    return status;
}

static uint64_t bytes_to_do(const struct pd_copying *c)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].state == PD_COPYING_TODO) {
            bytes = pd_add_sat(
                bytes, pd_mul_sat(c->items[i].archive.records, c->items[i].archive.record_size));
        }
    }
    return bytes;
}

static enum pd_status open_pool(struct pd_copying *c, struct pd_error *err)
{
    const struct pd_copying_options *options = c->options;
    const struct pd_pool_run run = {.catalog = c->catalog,
                                    .id = options->run_id,
                                    .limit_ns = (int64_t)options->config->claim_limit_ns,
                                    .copy = c->copy,
                                    .replaces = c->old.id,
                                    .label = options->label,
                                    .mine = is_ours,
                                    .mine_arg = c};
    struct pd_pool_config config;
    const char *name = c->old.id != 0 ? c->old.pool : PD_COPYING_POOL;
    enum pd_status status = pd_pool_config_init(name, &config, err);

    if (status != PD_OK) {
        return status;
    }
    config.block_size = c->block_size;
    config.copies[0] = strdup(options->to);
    config.copy_count = 1;
    if (c->old.id != 0 && c->old.label[0] != '\0') { /* labels go on as they were */
        snprintf(config.label_prefix, strlen(config.label_prefix) + 1, "%s", c->old.label);
    }
    status = config.copies[0]
                 ? pd_pool_open(c->env, &config, &run, pd_config_retry(options->config, "open"),
                                &c->pool, err)
                 : pd_error_memory(err, "a target");
    pd_pool_config_release(&config);
    return status;
}

static enum pd_status write_all(struct pd_copying *c, struct pd_error *err)
{
    bool lacks = false;
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = lacks_index(c, &lacks, err);

    if (status != PD_OK || (!next_item(c) && !lacks)) {
        return status;
    }
    status = open_pool(c, err);
    if (status == PD_OK) {
        status = pd_pool_check_space(c->pool, bytes_to_do(c), err);
    }
    for (bool more = true; more && status == PD_OK; more = next_item(c) != NULL && !c->broken) {
        status = pd_pool_remount(c->pool, err);
        if (status == PD_OK) {
            status = serve_volume(c, err);
        }
    }
    if (c->pool) {
        pd_pool_give_back(c->pool);
        pd_pool_put_away(c->pool);
        enum pd_status closed = pd_pool_close(c->pool, &late);
        if (closed != PD_OK && status == PD_OK) {
            *err = late;
            status = closed;
        }
        c->pool = NULL;
    }
    return status;
}

/* ---- the run ---- */

static enum pd_status retire_old(struct pd_copying *c, struct pd_error *err)
{
    bool any = false,
         may = c->old.state == PD_VOLUME_APPENDABLE || c->old.state == PD_VOLUME_FULL_STATE;

    for (size_t i = 0; i < c->count; i++) {
        any = any || c->items[i].state == PD_COPYING_GOOD;
    }
    return c->old.id != 0 && may && any ? pd_catalog_volume_retire(c->catalog, c->old.uuid, err)
                                        : PD_OK;
}

static enum pd_status make_copies(struct pd_copying *c, struct pd_error *err)
{
    enum pd_status status = replace_old(c, err); /* one that was killed may have come so far */

    if (status == PD_OK) {
        status = write_all(c, err);
    }
    if (status == PD_OK) {
        status = read_back_earlier(c, err);
    }
    return status == PD_OK ? retire_old(c, err) : status;
}

/* All of the volume is read back, also what was good before. */
static enum pd_status mend_volume(struct pd_copying *c, struct pd_error *err)
{
    char *url = NULL;
    enum pd_status status = pd_copying_mend(c, &url, err);

    if (status == PD_OK) {
        name_volume(c, c->old.label);
        status = read_back(c, c->old.label, url, err);
    }
    free(url);
    return status;
}

static void tell(struct pd_copying *c)
{
    struct pd_copying_summary *s = c->summary;

    for (size_t i = 0; i < c->count; i++) {
        struct pd_copying_item *item = &c->items[i];
        bool good = item->state == PD_COPYING_GOOD;
        s->archives++;
        s->good += good;
        s->before += good && item->before;
        s->failed += !good;
        if (!good && item->result.status == PD_OK) {
            item->result.status = pd_stop_requested(c->env->stop) ? PD_INTERRUPTED : PD_MISSING;
            (void)pd_error_set(&item->result.error, item->result.status, 0,
                               "was not come to; run it again");
        }
        pd_error_context(&item->result.error, item->result.label[0] ? item->result.label : NULL,
                         item->archive.name, NULL);
        if (c->options->on_result) {
            c->options->on_result(c->options->arg, &item->result);
        }
        if (!good && s->status == PD_OK) {
            s->status = PD_DEGRADED;
            s->error = item->result.error;
        }
    }
    if (c->lost) {
        s->status = PD_FAILED;
    }
}

static enum pd_status prepare(struct pd_copying *c, struct pd_error *err)
{
    const struct pd_copying_options *o = c->options;
    enum pd_status status = o->in_place ? PD_OK : pd_target_url_location(o->to, &c->location, err);

    if (status == PD_OK && o->label && !pd_label_is_valid(o->label)) {
        status = pd_error_set(err, PD_USAGE, 0, "\"%s\" is no volume label (1 to 8 of A-Z 0-9 - _)",
                              o->label);
    }
    if (status == PD_OK) {
        status = pd_copying_find_old(c, err);
    }
    if (status == PD_OK) {
        status = pd_copying_plan(c, err);
    }
    c->summary->copy = c->copy;
    c->reading = (struct pd_restore_options){.at = o->at,
                                             .at_count = o->at_count,
                                             .retry = pd_config_retry(o->config, "restore"),
                                             .on_avoided = o->on_avoided,
                                             .avoided_arg = o->arg};
    c->restore = (struct pd_restore_run){
        .env = c->env, .catalog = c->catalog, .options = &c->reading, .summary = &c->read};
    return status == PD_OK ? pd_restore_volumes_new(&c->restore, &c->restore.volumes, err) : status;
}

static void release(struct pd_copying *c)
{
    pd_restore_volumes_free(c->restore.volumes);
    pd_restore_seen_free(&c->restore);
    for (size_t i = 0; i < c->index_count; i++) {
        pd_expect_release(c->indexes[i].expect);
    }
    free(c->indexes);
    free(c->items);
    free(c->rows);
    free(c->volumes);
    free(c->dumps);
    free(c->location);
}

enum pd_status pd_copying_run(const struct pd_env *env, struct pd_catalog *catalog,
                              const struct pd_copying_options *options,
                              struct pd_copying_summary *summary, struct pd_error *err)
{
    struct pd_copying *c = calloc(1, sizeof *c);
    enum pd_status status;

    memset(summary, 0, sizeof *summary);
    summary->status = PD_INTERNAL; /* until it is known */
    if (!c) {
        return pd_error_memory(err, "copies");
    }
    c->env = env;
    c->catalog = catalog;
    c->options = options;
    c->summary = summary;
    c->beat_ns = pd_clock_monotonic(env->clock);
    status = prepare(c, err);
    if (status == PD_OK) {
        summary->status = PD_OK;
        status = options->in_place ? mend_volume(c, err) : make_copies(c, err);
        if (status == PD_OK || summary->labels[0]) { /* else nothing was done */
            tell(c);
        }
    }
    if (status != PD_OK) {
        summary->status = status;
    }
    release(c);
    free(c);
    return status;
}
