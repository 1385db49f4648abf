#include "pool_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "pairdump/space.h"

size_t pd_pool_copies(const struct pd_pool *pool)
{
    return pool->config.copy_count;
}

struct pd_pool_copy *pd_pool_copy(struct pd_pool *pool, size_t i)
{
    return &pool->copies[i];
}

const struct pd_pool_config *pd_pool_config(const struct pd_pool *pool)
{
    return &pool->config;
}

const char *pd_pool_location(const struct pd_pool *pool, size_t i)
{
    return pool->clean[i];
}

/* ---- opening ---- */

struct opening {
    struct pd_pool *pool;
    size_t copy;
};

static enum pd_status open_target(void *arg, struct pd_error *err)
{
    struct opening *opening = arg;
    struct pd_pool *pool = opening->pool;

    return pd_target_open(pool->env, pool->config.copies[opening->copy],
                          &pool->copies[opening->copy].target, err);
}

/* Wrong usage fails the run; a device's trouble costs this copy only. */
static bool is_fatal(enum pd_status status)
{
    enum pd_exit exit_class = pd_status_exit(status);

    return (exit_class == PD_EXIT_USAGE && status != PD_WRITE_PROTECTED) ||
           exit_class == PD_EXIT_BUSY || status == PD_NO_MEMORY || status == PD_INTERRUPTED;
}

static enum pd_status lose(struct pd_pool *pool, size_t i, enum pd_status status,
                           struct pd_error *err)
{
    struct pd_pool_copy *copy = &pool->copies[i];
    struct pd_error late = PD_ERROR_INIT;
    size_t left = 0;

    pd_error_context(err, pool->clean[i], NULL, NULL);
    copy->status = status;
    copy->error = *err;
    if (copy->target && pd_target_close(copy->target, &late) != PD_OK) {
        pd_log_error(pool->env->log, PD_LOG_WARN, &late);
    }
    copy->target = NULL;
    pd_log_error(pool->env->log, PD_LOG_WARN, err);
    for (size_t j = 0; j < pool->config.copy_count; j++) {
        left += pool->copies[j].target != NULL;
    }
    return left > 0 ? PD_OK : status;
}

enum pd_status pd_pool_open(const struct pd_env *env, const struct pd_pool_config *config,
                            struct pd_retry retry, struct pd_pool **out, struct pd_error *err)
{
    struct pd_pool *pool = calloc(1, sizeof *pool);
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = PD_OK;

    if (!pool) {
        return pd_error_memory(err, "pool");
    }
    pool->env = env;
    pool->retry = retry;
    pool->config = *config;
    memset(pool->config.copies, 0, sizeof pool->config.copies);
    pool->config.changer = NULL;
    pool->config.name = strdup(config->name);
    pool->config.label_prefix = strdup(config->label_prefix);
    if (!pool->config.name || !pool->config.label_prefix) {
        status = pd_error_memory(err, "pool");
    }
    for (size_t i = 0; i < config->copy_count && status == PD_OK; i++) {
        status = pd_pool_name_place(pool, i, config->copies[i], err);
    }
    for (size_t i = 0; i < config->copy_count && status == PD_OK; i++) {
        struct opening opening = {pool, i};
        struct pd_activity activity = {.name = "open",
                                       .subject = pool->clean[i],
                                       .run = open_target,
                                       .arg = &opening,
                                       .retry = retry};
        status = pd_activity_run(env, &activity, err);
        if (status != PD_OK && !is_fatal(status)) {
            bool last = i + 1 == config->copy_count;
            enum pd_status lost = lose(pool, i, status, err);
            status = last ? lost : PD_OK;
        }
    }
    if (status != PD_OK) {
        (void)!pd_pool_close(pool, &late);
        return status;
    }
    pd_pool_warn_of_sharing(pool);
    *out = pool;
    return PD_OK;
}

enum pd_status pd_pool_close(struct pd_pool *pool, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (!pool) {
        return PD_OK;
    }
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        struct pd_error late = PD_ERROR_INIT;
        if (pd_target_close(pool->copies[i].target, &late) != PD_OK && status == PD_OK) {
            *err = late;
            status = late.status;
        }
        free(pool->clean[i]);
        free(pool->path[i]);
    }
    pd_pool_config_release(&pool->config);
    free(pool);
    return status;
}

enum { RESERVE_TRIES = 100 };

/* ---- choosing a pair ---- */

struct choice {
    struct pd_pool *pool;
    uint64_t after;   /* only pairs above this one */
    uint64_t pair;    /* lowest appendable pair, 0: none */
    struct pd_volume_row rows[PD_COPIES_MAX];
    size_t found;
    uint64_t seen; /* highest number that labels on the targets carry */
};

static bool belongs(const struct choice *choice, const struct pd_volume_row *row, size_t i)
{
    const struct pd_pool *pool = choice->pool;

    return row->state == PD_VOLUME_APPENDABLE && row->pair > 0 && row->copy == i + 1 &&
           strcmp(row->pool, pool->config.name) == 0 &&
           row->block_size == pool->config.block_size &&
           strcmp(row->location, pool->clean[i]) == 0;
}

static enum pd_status lowest_pair(void *arg, const struct pd_volume_row *row,
                                  struct pd_error *err)
{
    struct choice *choice = arg;

    (void)err;
    for (size_t i = 0; i < choice->pool->config.copy_count; i++) {
        if (belongs(choice, row, i) && row->pair > choice->after &&
            (choice->pair == 0 || row->pair < choice->pair)) {
            choice->pair = row->pair;
        }
    }
    return PD_OK;
}

static enum pd_status take_row(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct choice *choice = arg;

    (void)err;
    for (size_t i = 0; i < choice->pool->config.copy_count; i++) {
        if (row->pair == choice->pair && belongs(choice, row, i)) {
            choice->rows[i] = *row;
            choice->found++;
        }
    }
    return PD_OK;
}

struct mounting {
    struct pd_pool *pool;
    struct pd_catalog *catalog;
    size_t copy;
    struct pd_volume_row *row;    /* of the volume to mount, or NULL */
    const struct pd_label *label; /* to be formatted, or NULL */
};

static enum pd_status mount_volume(void *arg, struct pd_error *err)
{
    struct mounting *m = arg;
    struct pd_target *target = m->pool->copies[m->copy].target;
    struct pd_target_position position = {0};
    enum pd_status status;

    if (m->label) {
        return pd_target_format(target, m->label, err);
    }
    status = pd_target_mount(target, m->row->label, err);
    if (status == PD_OK) {
        status = pd_target_claim(target, err);
    }
    if (status == PD_OK) { /* only now no other run can write to it: what it holds may be more */
        char uuid[PD_UUID_TEXT];
        memcpy(uuid, m->row->uuid, sizeof uuid);
        status = pd_catalog_volume_find(m->catalog, uuid, m->row, err);
    }
    if (status == PD_OK && m->row->state != PD_VOLUME_APPENDABLE) {
        status = pd_error_set(err, PD_VOLUME_FULL, 0, "another run has filled it meanwhile");
    }
    if (status == PD_OK && strcmp(pd_target_label(target)->uuid, m->row->uuid) != 0) {
        status = pd_error_set(err, PD_WRONG_VOLUME, 0, "has another UUID than in the catalog");
    }
    if (status == PD_OK) {
        status = pd_target_position(target, &position, err);
    }
    if (status == PD_OK && position.file_count != m->row->tape_files) {
        status = pd_error_set(err, PD_WRONG_VOLUME, 0,
                              "holds %" PRIu32 " tape files, the catalog says %" PRIu64,
                              position.file_count, m->row->tape_files);
    }
    if (status != PD_OK) {
        pd_error_context(err, m->row->label, NULL, NULL);
    }
    return status;
}

static enum pd_status load(struct pd_pool *pool, struct pd_catalog *catalog, size_t i,
                           struct pd_volume_row *row, const struct pd_label *label,
                           struct pd_error *err)
{
    struct mounting mounting = {pool, catalog, i, row, label};
    struct pd_activity activity = {.name = "load",
                                   .subject = label ? label->label : row->label,
                                   .run = mount_volume,
                                   .arg = &mounting,
                                   .retry = pool->retry};

    return pd_activity_run(pool->env, &activity, err);
}

/* Mounts the pair chosen. *good false: it cannot be appended to, and was set aside. */
static enum pd_status mount_pair(struct pd_pool *pool, struct pd_catalog *catalog,
                                 struct choice *choice, bool *good, struct pd_error *err)
{
    *good = choice->found == pool->config.copy_count;
    for (size_t i = 0; i < pool->config.copy_count && *good; i++) {
        if (!pool->copies[i].target) {
            *good = false; /* a lost copy: a pair of its own keeps the numbers in step */
            break;
        }
        enum pd_status status = load(pool, catalog, i, &choice->rows[i], NULL, err);
        if (status == PD_OK) {
            pool->copies[i].volume = choice->rows[i];
            continue;
        }
        if (status == PD_INTERRUPTED || status == PD_NO_MEMORY || status == PD_BUSY) {
            return status;
        }
        *good = false;
        if (status == PD_VOLUME_FULL) {
            continue;
        }
        pd_log_error(pool->env->log, PD_LOG_WARN, err);
        pd_log_line(pool->env->log, PD_LOG_WARN,
                    "pair %" PRIu64 " is set aside and not appended to", choice->pair);
        struct pd_volume_row row = choice->rows[i];
        row.state = PD_VOLUME_BAD;
        if (status == PD_WRONG_VOLUME || status == PD_BAD_FORMAT || status == PD_FOREIGN) {
            struct pd_error why = *err;
            status = pd_catalog_volume_update(catalog, &row, err);
            if (status == PD_OK) {
                status = pd_catalog_volume_doubt(catalog, row.id, &why, err);
            }
            if (status != PD_OK) {
                return status;
            }
        }
    }
    return PD_OK;
}

static enum pd_status see_label(void *arg, const char *label, struct pd_error *err)
{
    struct choice *choice = arg;
    const char *prefix = choice->pool->config.label_prefix;
    size_t len = strlen(prefix);
    uint64_t number;

    (void)err;
    if (strncmp(label, prefix, len) == 0 && strlen(label) == len + 6 &&
        pd_parse_u64(label + len + 1, &number) && number > choice->seen) {
        choice->seen = number;
    }
    return PD_OK;
}

static enum pd_status next_number(struct pd_pool *pool, struct pd_catalog *catalog,
                                  uint64_t *number, struct pd_error *err)
{
    struct choice choice = {.pool = pool};
    uint64_t last = 0;
    enum pd_status status =
        pd_catalog_last_pair(catalog, pool->config.label_prefix, &last, err);

    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        if (pool->copies[i].target) {
            status = pd_target_volumes(pool->copies[i].target, see_label, &choice, err);
        }
    }
    *number = (choice.seen > last ? choice.seen : last) + 1;
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
static void remove_row(struct pd_pool *pool, struct pd_catalog *catalog, size_t i)
{
    struct pd_volume_row *row = &pool->copies[i].volume;
    struct pd_error late = PD_ERROR_INIT;

    if (row->id != 0 && row->tape_files == 0 &&
        pd_catalog_volume_remove(catalog, row->id, &late) != PD_OK) {
        pd_log_error(pool->env->log, PD_LOG_WARN, &late);
    }
    memset(row, 0, sizeof *row);
}

/* Reserves the next number in the catalog, which other runs may want at the same time. */
static enum pd_status reserve_pair(struct pd_pool *pool, struct pd_catalog *catalog,
                                   struct pd_label *labels, struct pd_error *err)
{
    enum pd_status status = PD_EXISTS;

    for (int tries = 0; tries < RESERVE_TRIES && status == PD_EXISTS; tries++) {
        uint64_t number = 0;
        pd_error_clear(err);
        status = next_number(pool, catalog, &number, err);
        if (status == PD_OK) {
            make_labels(pool, number, labels);
        }
        for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
            if (pool->copies[i].target) {
                fill_row(pool, i, &labels[i], number, &pool->copies[i].volume);
                status = pd_catalog_volume_add(catalog, &pool->copies[i].volume, err);
            }
        }
        for (size_t i = 0; i < pool->config.copy_count && status != PD_OK; i++) {
            remove_row(pool, catalog, i);
        }
    }
    return status;
}

static enum pd_status label_volume(struct pd_pool *pool, struct pd_catalog *catalog, size_t i,
                                   const struct pd_label *label, struct pd_error *err)
{
    struct pd_volume_row *row = &pool->copies[i].volume;
    enum pd_status status = load(pool, catalog, i, NULL, label, err);

    if (status == PD_OK) {
        row->state = PD_VOLUME_APPENDABLE;
        row->tape_files = 1;
        return pd_catalog_volume_update(catalog, row, err);
    }
    remove_row(pool, catalog, i);
    return is_fatal(status) || pd_status_exit(status) == PD_EXIT_SPACE ? status
                                                                       : lose(pool, i, status, err);
}

static enum pd_status label_pair(struct pd_pool *pool, struct pd_catalog *catalog,
                                 struct pd_error *err)
{
    struct pd_label *labels = calloc(PD_COPIES_MAX, sizeof *labels);
    enum pd_status status = labels ? reserve_pair(pool, catalog, labels, err)
                                   : pd_error_memory(err, "labels");

    for (size_t i = 0; i < pool->config.copy_count && labels; i++) {
        if (!pool->copies[i].target) {
            continue;
        }
        if (status == PD_OK) {
            status = label_volume(pool, catalog, i, &labels[i], err);
        } else {
            remove_row(pool, catalog, i);
        }
    }
    free(labels);
    return status;
}

enum pd_status pd_pool_next_pair(struct pd_pool *pool, struct pd_catalog *catalog,
                                 struct pd_error *err)
{
    struct choice *choice = calloc(1, sizeof *choice);
    bool good = false;
    enum pd_status status = choice ? PD_OK : pd_error_memory(err, "pair");

    while (status == PD_OK && !good) {
        uint64_t after = choice->pair;
        memset(choice, 0, sizeof *choice);
        choice->pool = pool;
        choice->after = after;
        status = pd_catalog_volumes(catalog, lowest_pair, choice, err);
        if (status != PD_OK || choice->pair == 0) {
            break;
        }
        status = pd_catalog_volumes(catalog, take_row, choice, err);
        if (status == PD_OK) {
            status = mount_pair(pool, catalog, choice, &good, err);
        }
    }
    free(choice);
    return status == PD_OK && !good ? label_pair(pool, catalog, err) : status;
}

enum pd_status pd_pool_check_space(struct pd_pool *pool, uint64_t need, struct pd_error *err)
{
    struct pd_space spaces[PD_COPIES_MAX];
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        uint64_t sharers = 1;
        if (!pool->copies[i].target) {
            spaces[i].fs_id = 0;
            continue;
        }
        status = pd_space_of(pool->path[i], &spaces[i], err);
        for (size_t j = 0; j < i && status == PD_OK; j++) {
            sharers += spaces[j].fs_id == spaces[i].fs_id;
        }
        if (status == PD_OK) {
            status = pd_space_check(pool->path[i], pd_mul_sat(need, sharers),
                                    pool->config.reserve, err);
        }
    }
    return status;
}

enum pd_status pd_pool_unmount(struct pd_pool *pool, size_t i, struct pd_error *err)
{
    struct pd_target *target = pool->copies[i].target;

    pool->copies[i].target = NULL;
    pool->let_go[i] = true;
    return pd_target_close(target, err);
}

enum pd_status pd_pool_remount(struct pd_pool *pool, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        struct opening opening = {pool, i};
        struct pd_activity activity = {.name = "open",
                                       .subject = pool->clean[i],
                                       .run = open_target,
                                       .arg = &opening,
                                       .retry = pool->retry};
        if (!pool->let_go[i]) {
            continue;
        }
        pool->let_go[i] = false;
        status = pd_activity_run(pool->env, &activity, err);
        if (status == PD_BUSY || (status != PD_OK && !is_fatal(status))) {
            status = lose(pool, i, status, err); /* busy: a reader hangs in it */
        }
    }
    return status;
}
