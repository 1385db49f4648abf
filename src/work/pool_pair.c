#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/ask.h"
#include "pairdump/process.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "pairdump/tar.h"
#include "pool_priv.h"

struct choice {
    struct pd_pool *pool;
    uint64_t after;   /* only pairs above this one */
    uint64_t pair;    /* lowest appendable pair, 0: none */
    struct pd_volume_row rows[PD_COPIES_MAX];
    size_t found;
};

/* A volume of another host counts where this one has it too. */
static bool is_here(const struct choice *choice, const struct pd_volume_row *row, size_t i)
{
    struct pd_target *target = choice->pool->copies[i].target;
    struct pd_error ignored = PD_ERROR_INIT;
    bool has = false;

    if (!pd_volume_is_elsewhere(row)) {
        return true;
    }
    return target && pd_target_has(target, row->label, &has, &ignored) == PD_OK && has;
}

/* The catalog may not know yet that the pair at hand is full. */
static bool is_left(const struct pd_pool_copy *copy, const struct pd_volume_row *row)
{
    return copy->volume.id == row->id && copy->volume.state != PD_VOLUME_APPENDABLE;
}

static bool suits(const struct choice *choice, const struct pd_volume_row *row, size_t i)
{
    const struct pd_pool *pool = choice->pool;

    return row->state == PD_VOLUME_APPENDABLE && row->copy == pd_pool_number(pool, i) &&
           row->replaces == pool->run.replaces && !is_left(&pool->copies[i], row) &&
           strcmp(row->pool, pool->config.name) == 0 &&
           row->block_size == pool->config.block_size &&
           strcmp(row->location, pool->clean[i]) == 0 && is_here(choice, row, i);
}

static bool belongs(const struct choice *choice, const struct pd_volume_row *row, size_t i)
{
    return row->pair > 0 && suits(choice, row, i);
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
        if (row->pair == choice->pair && !choice->rows[i].label[0] && belongs(choice, row, i)) {
            choice->rows[i] = *row;
            choice->found++;
        }
    }
    return PD_OK;
}

/* ---- claims ---- */

enum pd_status pd_pool_claim_drives(struct pd_pool *pool, struct pd_error *err)
{
    struct pd_claim claims[PD_COPIES_MAX] = {0};
    size_t count = 0;

    for (size_t i = 0; i < pool->config.copy_count; i++) {
        if (pd_target_url_exclusive(pool->config.copies[i])) {
            claims[count++] = (struct pd_claim){.kind = PD_CLAIM_DRIVE, .name = pool->path[i]};
        }
    }
    return pool->run.id != 0 && count > 0
               ? pd_catalog_claim(pool->run.catalog, pool->run.id, claims, count,
                                  pool->run.limit_ns, err)
               : PD_OK;
}

/* A pair, with a claim for each of its volumes; a volume without a label is none. */
struct pair {
    struct pd_volume_row *rows;
    struct pd_claim claims[PD_COPIES_MAX];
    size_t count;
    pd_pool_claimed_fn claimed; /* once they are ours, or NULL */
    void *arg;
};

static enum pd_status claim_pair(struct pd_pool *pool, struct pair *pair, struct pd_error *err)
{
    struct pd_claim claims[PD_COPIES_MAX];
    size_t n = 0;
    enum pd_status status;

    for (size_t i = 0; i < pair->count; i++) {
        pair->claims[i] = (struct pd_claim){.kind = PD_CLAIM_VOLUME, .name = pair->rows[i].label};
        if (pair->rows[i].label[0]) {
            claims[n++] = pair->claims[i];
        }
    }
    status = pd_catalog_claim(pool->run.catalog, pool->run.id, claims, n, pool->run.limit_ns, err);
    for (size_t i = pair->count; i > 0 && status == PD_OK; i--) {
        if (pair->rows[i - 1].label[0]) {
            pair->claims[i - 1].taken_from = claims[--n].taken_from;
        }
    }
    return status;
}

static enum pd_status unclaim_pair(struct pd_pool *pool, const struct pair *pair,
                                   struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pair->count && status == PD_OK; i++) {
        if (pair->rows[i].label[0]) {
            status = pd_catalog_unclaim(pool->run.catalog, pool->run.id, &pair->claims[i], err);
        }
    }
    return status;
}

/* ---- mounting ---- */

struct mounting {
    struct pd_pool *pool;
    size_t copy;
    struct pd_volume_row *row;    /* of the volume to mount, or NULL */
    const struct pd_label *label; /* to be formatted, or NULL */
    const char *dump;             /* whose unrecorded tape files may go, or NULL */
    bool look;                    /* whether they may, and no more */
};

/* "<dump>.<seq>" or "<dump>.index": another dump may be called "<dump>.1". */
static bool is_top_of(const char *top, const char *dump)
{
    size_t len = strlen(dump);
    uint64_t seq = 0;

    return strncmp(top, dump, len) == 0 && top[len] == '.' &&
           (strcmp(top + len + 1, "index") == 0 || pd_parse_u64(top + len + 1, &seq));
}

/* Is the tape file one of the dump, an archive or its index, or else one of the run? */
static enum pd_status is_mine(struct pd_target *target, uint32_t file_no, const struct mounting *m,
                              bool *is, struct pd_error *err)
{
    const struct pd_pool_run *run = &m->pool->run;
    size_t size = (size_t)pd_target_label(target)->block_size, got = 0;
    void *record = pd_record_alloc(size);
    struct pd_error late = PD_ERROR_INIT;
    char top[256] = "";
    enum pd_status status = record ? pd_target_open_file(target, file_no, err)
                                   : pd_error_memory(err, "a record");

    if (status == PD_OK) {
        if (pd_target_read(target, record, size, &got, &late) == PD_OK) {
            (void)!pd_tar_top(record, got, top, sizeof top, &late);
        }
        status = pd_target_close_file(target, err);
    }
    *is = m->dump ? is_top_of(top, m->dump) : run->mine(run->mine_arg, top);
    free(record);
    return status;
}

/* Tape files behind those that the catalog knows go, when they are all of the dump that goes on, or
 * of the run. */
static enum pd_status cut_unrecorded(struct pd_target *target, const struct mounting *m,
                                     struct pd_target_position *position, struct pd_error *err)
{
    uint32_t known = (uint32_t)m->row->tape_files;
    bool mine = true;
    enum pd_status status = PD_OK;

    for (uint32_t no = known; no < position->file_count && mine && status == PD_OK; no++) {
        status = is_mine(target, no, m, &mine, err);
    }
    if (status == PD_OK && mine && m->look) {
        position->file_count = known;
        return PD_OK;
    }
    if (status == PD_OK && mine) {
        pd_log_line(m->pool->env->log, PD_LOG_NOTE,
                    "%s: tape files from %" PRIu32 " on were not recorded and are given up",
                    m->row->label, known);
        status = pd_target_cut(target, known, err);
    }
    return status == PD_OK ? pd_target_position(target, position, err) : status;
}

static enum pd_status check_position(struct pd_target *target, const struct mounting *m,
                                     struct pd_error *err)
{
    struct pd_target_position position = {0};
    enum pd_status status = pd_target_position(target, &position, err);

    if (status == PD_OK && (m->dump || m->pool->run.mine) &&
        position.file_count > m->row->tape_files) {
        status = cut_unrecorded(target, m, &position, err);
    }
    if (status == PD_OK && position.file_count != m->row->tape_files) {
        status = pd_error_set(err, PD_WRONG_VOLUME, 0,
                              "holds %" PRIu32 " tape files, the catalog says %" PRIu64,
                              position.file_count, m->row->tape_files);
    }
    return status;
}

/* What somebody put into a drive says nothing of the volume on the shelf. */
static enum pd_status check_uuid(struct pd_target *target, const struct mounting *m,
                                 struct pd_error *err)
{
    bool by_hand = pd_target_url_device(m->pool->config.copies[m->copy]) &&
                   !pd_pool_in_library(m->pool, m->copy);

    return strcmp(pd_target_label(target)->uuid, m->row->uuid) == 0
               ? PD_OK
               : pd_error_set(err, by_hand ? PD_NOT_FOUND : PD_WRONG_VOLUME, 0,
                              "has another UUID than in the catalog");
}

static enum pd_status mount_volume(void *arg, struct pd_error *err)
{
    struct mounting *m = arg;
    struct pd_target *target = m->pool->copies[m->copy].target;
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
        status = pd_catalog_volume_find(m->pool->run.catalog, uuid, m->row, err);
    }
    if (status == PD_OK && m->row->state != PD_VOLUME_APPENDABLE &&
        !(m->dump && m->row->state == PD_VOLUME_FULL_STATE)) {
        status = pd_error_set(err, PD_VOLUME_FULL, 0, "another run has filled it meanwhile");
    }
    if (status == PD_OK) {
        status = check_uuid(target, m, err);
    }
    if (status == PD_OK) {
        status = check_position(target, m, err);
    }
    if (status == PD_OK && pd_volume_is_elsewhere(m->row)) {
        pd_process_host(m->row->host);
        status = pd_catalog_volume_update(m->pool->run.catalog, m->row, err);
    }
    if (status != PD_OK) {
        pd_error_context(err, m->row->label, NULL, NULL);
    }
    return status;
}

/* m says what to mount or to format, subject how it is called in the log. */
static enum pd_status load(struct mounting *m, const char *subject, struct pd_error *err)
{
    struct pd_activity activity = {.name = "load",
                                   .subject = subject,
                                   .run = mount_volume,
                                   .arg = m,
                                   .retry = m->pool->retry};

    return pd_activity_run(m->pool->env, &activity, err);
}

enum pd_status pd_pool_ask(struct pd_pool *pool, size_t i, const char *what,
                           enum pd_status (*run)(void *arg, struct pd_error *err), void *arg,
                           struct pd_error *err)
{
    struct pd_ask ask = {.what = what, .where = pool->clean[i], .run = run, .arg = arg};

    return pool->asking ? pd_ask(pool->env, &ask, err) : run(arg, err);
}

/* The operator's answer comes when it comes: no retries beside that. */
static enum pd_status mount_asked(void *arg, struct pd_error *err)
{
    struct mounting *m = arg;
    enum pd_status status = mount_volume(m, err);

    pd_ask_make_way(m->pool->env, m->pool->copies[m->copy].target, status);
    return status;
}

static enum pd_status mount_or_ask(struct mounting *m, struct pd_error *err)
{
    char what[32];

    snprintf(what, sizeof what, "volume %s", m->row->label);
    return m->pool->asking ? pd_pool_ask(m->pool, m->copy, what, mount_asked, m, err)
                           : load(m, m->row->label, err);
}

enum pd_status pd_pool_format(struct pd_pool *pool, size_t i, const struct pd_label *label,
                              struct pd_error *err)
{
    struct mounting mounting = {.pool = pool, .copy = i, .label = label};

    return load(&mounting, label->label, err);
}

/* A volume that is not as the catalog says gets nothing more, and what it holds is doubted; but for one
 * that a run left behind which can still be resumed: that one explains it. */
static enum pd_status set_aside(struct pd_pool *pool, const struct pair *pair, size_t i,
                                const struct pd_error *why, struct pd_error *err)
{
    struct pd_volume_row row = pair->rows[i];
    enum pd_status status;

    pd_log_error(pool->env->log, PD_LOG_WARN, why);
    if (pair->claims[i].taken_from != 0) {
        pd_log_line(pool->env->log, PD_LOG_WARN,
                    "%s was left by an interrupted dump; resume that one", row.label);
        return PD_OK;
    }
    pd_log_line(pool->env->log, PD_LOG_WARN, "pair %" PRIu64 " is set aside and not appended to",
                row.pair);
    if (why->status != PD_WRONG_VOLUME && why->status != PD_BAD_FORMAT &&
        why->status != PD_FOREIGN) {
        return PD_OK;
    }
    row.state = PD_VOLUME_BAD;
    status = pd_catalog_volume_update(pool->run.catalog, &row, err);
    return status == PD_OK ? pd_catalog_volume_doubt(pool->run.catalog, row.id, why, err) : status;
}

static bool ends_run(enum pd_status status)
{
    return status == PD_INTERRUPTED || status == PD_NO_MEMORY || status == PD_BUSY ||
           pd_status_exit(status) == PD_EXIT_CATALOG;
}

static enum pd_status mount_claimed(struct pd_pool *pool, struct pair *pair, const char *dump,
                                    bool look, bool *good, struct pd_error *err)
{
    for (size_t i = 0; i < pair->count && *good; i++) {
        struct pd_error why = PD_ERROR_INIT;
        enum pd_status status = PD_OK;
        if (!pair->rows[i].label[0]) {
            continue;
        }
        if (pool->copies[i].target) {
            struct mounting mounting = {
                .pool = pool, .copy = i, .row = &pair->rows[i], .dump = dump, .look = look};
            status = mount_or_ask(&mounting, &why);
        }
        if (status == PD_OK && pool->copies[i].target) {
            pool->copies[i].volume = pair->rows[i];
            continue;
        }
        *good = false; /* a lost copy: a pair of its own keeps the numbers in step */
        if (ends_run(status)) {
            *err = why;
            return status;
        }
        if (pool->asking && !dump && pd_ask_helps(pool->env, pool->copies[i].target, status)) {
            return pd_error_set(err, PD_NO_VOLUME, 0, "volume %s did not come: %s",
                                pair->rows[i].label, why.message);
        }
        if (status != PD_OK && status != PD_VOLUME_FULL) {
            status = set_aside(pool, pair, i, &why, err);
            if (status != PD_OK) {
                return status;
            }
        }
    }
    return PD_OK;
}

/* Claims and mounts a pair. *good false: it is another run's, or cannot be appended to. */
static enum pd_status mount_pair(struct pd_pool *pool, struct pair *pair, const char *dump,
                                 bool *good, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = claim_pair(pool, pair, err);

    *good = status == PD_OK;
    if (status == PD_BUSY) {
        pd_log_error(pool->env->log, PD_LOG_INFO, err);
        pd_error_clear(err);
        return PD_OK;
    }
    if (status != PD_OK) {
        return status;
    }
    if (pair->claimed) {
        status = mount_claimed(pool, pair, dump, true, good, err);
        if (status == PD_OK && *good) {
            status = pair->claimed(pair->arg, good, err);
        }
        *good = *good && status == PD_OK;
    }
    if (*good) {
        status = mount_claimed(pool, pair, dump, false, good, err);
    }
    if (!*good) {
        enum pd_status unclaimed = unclaim_pair(pool, pair, &late);
        if (status == PD_OK && unclaimed != PD_OK) {
            *err = late;
            status = unclaimed;
        }
    }
    return status;
}

enum pd_status pd_pool_take_pair(struct pd_pool *pool, const struct pd_volume_row *volumes,
                                 const char *name, pd_pool_claimed_fn claimed, void *arg,
                                 bool *good, struct pd_error *err)
{
    struct pair pair = {.claimed = claimed,
                        .arg = arg,
                        .rows = calloc(PD_COPIES_MAX, sizeof *pair.rows),
                        .count = pool->config.copy_count};
    enum pd_status status = pair.rows ? PD_OK : pd_error_memory(err, "pair");

    *good = false;
    if (status == PD_OK) {
        memcpy(pair.rows, volumes, pair.count * sizeof *pair.rows);
        pool->asking = pool->env->wait_ns > 0;
        status = mount_pair(pool, &pair, name, good, err);
        pool->asking = false;
    }
    free(pair.rows);
    return status;
}

/* The lowest pair above `after` that the catalog knows; choice->pair 0: there is none. */
static enum pd_status choose(struct pd_pool *pool, struct choice *choice, struct pd_error *err)
{
    uint64_t after = choice->pair;
    enum pd_status status;

    memset(choice, 0, sizeof *choice);
    choice->pool = pool;
    choice->after = after;
    status = pd_catalog_volumes(pool->run.catalog, lowest_pair, choice, err);
    return status == PD_OK && choice->pair != 0
               ? pd_catalog_volumes(pool->run.catalog, take_row, choice, err)
               : status;
}

/* Of the pairs that the catalog knows the lowest that can be mounted. */
static enum pd_status known_pair(struct pd_pool *pool, bool *good, struct pd_error *err)
{
    struct choice *choice = calloc(1, sizeof *choice);
    bool more = true;
    enum pd_status status = choice ? PD_OK : pd_error_memory(err, "pair");

    while (status == PD_OK && !*good && more) {
        status = choose(pool, choice, err);
        more = choice->pair != 0;
        if (status == PD_OK && more && choice->found == pool->config.copy_count) {
            struct pair pair = {.rows = choice->rows, .count = choice->found};
            status = mount_pair(pool, &pair, NULL, good, err);
        }
    }
    free(choice);
    return status;
}

/* ---- volumes that the operator has labelled ---- */

/* Of each copy the lowest that is in no pair, and that nothing was written to. */
static enum pd_status take_empty(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct choice *choice = arg;
    bool empty = row->pair == 0 && row->tape_files == 1 && row->archives == 0;

    (void)err;
    for (size_t i = 0; i < choice->pool->config.copy_count && empty; i++) {
        struct pd_volume_row *best = &choice->rows[i];
        if (suits(choice, row, i) && (!best->label[0] || strcmp(row->label, best->label) < 0)) {
            choice->found += !best->label[0];
            *best = *row;
        }
    }
    return PD_OK;
}

/* They are mounted: from now on they are a pair, unless another run has made them one meanwhile. */
static enum pd_status number_pair(struct pd_pool *pool, const struct pair *pair, bool *good,
                                  struct pd_error *err)
{
    uint64_t last = 0;
    enum pd_status status =
        pd_catalog_last_pair(pool->run.catalog, pool->config.label_prefix, &last, err);

    for (size_t i = 0; i < pair->count; i++) {
        *good = *good && pair->rows[i].pair == 0;
    }
    for (size_t i = 0; i < pair->count && *good && status == PD_OK; i++) {
        pair->rows[i].pair = last + 1;
        status = pd_catalog_volume_update(pool->run.catalog, &pair->rows[i], err);
        pool->copies[i].volume = pair->rows[i];
    }
    return *good || status != PD_OK ? status : unclaim_pair(pool, pair, err);
}

static enum pd_status labelled_pair(struct pd_pool *pool, bool *good, struct pd_error *err)
{
    struct choice *choice = calloc(1, sizeof *choice);
    enum pd_status status = choice ? PD_OK : pd_error_memory(err, "pair");

    if (status == PD_OK) {
        choice->pool = pool;
        status = pd_catalog_volumes(pool->run.catalog, take_empty, choice, err);
    }
    if (status == PD_OK && choice->found == pool->config.copy_count) {
        struct pair pair = {.rows = choice->rows, .count = choice->found};
        status = mount_pair(pool, &pair, NULL, good, err);
        if (status == PD_OK && *good) {
            status = number_pair(pool, &pair, good, err);
        }
    }
    free(choice);
    return status;
}

/* ---- the next pair ---- */

static bool can_ask(const struct pd_pool *pool, enum pd_status status)
{
    bool can = false;

    for (size_t i = 0; i < pool->config.copy_count; i++) {
        can = can || pd_ask_helps(pool->env, pool->copies[i].target, status);
    }
    return can;
}

/* The operator is asked for the lowest pair, or, where there is none, for blank media. */
static enum pd_status asked_pair(struct pd_pool *pool, struct pd_error *err)
{
    bool good = false;
    enum pd_status status;

    pool->asking = true;
    pd_error_clear(err);
    status = known_pair(pool, &good, err);
    if (status == PD_OK && !good) {
        status = pd_pool_label_pair(pool, err);
    }
    pool->asking = false;
    return status;
}

enum pd_status pd_pool_next_pair(struct pd_pool *pool, struct pd_error *err)
{
    bool good = false;
    enum pd_status status = known_pair(pool, &good, err);

    if (status == PD_OK && !good) {
        status = pd_pool_finish_pair(pool, &good, err);
    }
    if (status == PD_OK && !good) {
        status = labelled_pair(pool, &good, err);
    }
    if (status == PD_OK && !good) {
        status = pd_pool_label_pair(pool, err);
    }
    return can_ask(pool, status) ? asked_pair(pool, err) : status;
}
