#include <stdlib.h>
#include <string.h>

#include "pairdump/check.h"
#include "pairdump/registry.h"
#include "pool_priv.h"

/*
 * In a library a volume is called as its cartridge, by the barcode. A pair is made of the lowest
 * cartridges that begin with the pool's prefix and that the catalog does not know. A barcode that
 * tells a copy number (prefix, digit, five digits) is taken for that copy alone.
 */
struct cartridge {
    char label[PD_LABEL_TEXT];
    bool taken; /* known to the catalog, or given to a copy of the pair at hand */
};

struct inventory {
    const char *prefix;
    struct cartridge *list;
    size_t count;
};

bool pd_pool_in_library(const struct pd_pool *pool, size_t i)
{
    return pool->copies[i].target && pd_target_caps(pool->copies[i].target).library;
}

bool pd_pool_uses_library(const struct pd_pool *pool)
{
    bool uses = false;

    for (size_t i = 0; i < pool->config.copy_count; i++) {
        uses = uses || pd_pool_in_library(pool, i);
    }
    return uses;
}

static enum pd_status take_cartridge(void *arg, const char *label, struct pd_error *err)
{
    struct inventory *all = arg;
    struct cartridge *grown;

    if (strncmp(label, all->prefix, strlen(all->prefix)) != 0 || !pd_label_is_valid(label)) {
        return PD_OK;
    }
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->list[i].label, label) == 0) { /* two copies may share a library */
            return PD_OK;
        }
    }
    grown = reallocarray(all->list, all->count + 1, sizeof *grown);
    if (!grown) {
        return pd_error_memory(err, "cartridges");
    }
    all->list = grown;
    grown[all->count] = (struct cartridge){.taken = false};
    snprintf(grown[all->count].label, sizeof grown[all->count].label, "%s", label);
    all->count++;
    return PD_OK;
}

static enum pd_status leave_out_known(void *arg, const struct pd_volume_row *row,
                                      struct pd_error *err)
{
    struct inventory *all = arg;

    (void)err;
    for (size_t i = 0; i < all->count; i++) {
        all->list[i].taken = all->list[i].taken || strcmp(all->list[i].label, row->label) == 0;
    }
    return PD_OK;
}

static int compare(const void *a, const void *b)
{
    const struct cartridge *x = a, *y = b;

    return strcmp(x->label, y->label);
}

static bool suits(const char *label, const char *prefix, unsigned copy)
{
    size_t len = strlen(prefix);

    if (strlen(label) != len + 6 || strspn(label + len, "0123456789") != 6) {
        return true;
    }
    return (unsigned)(label[len] - '0') == copy % 10;
}

static struct cartridge *lowest(struct inventory *all, unsigned copy)
{
    for (size_t i = 0; i < all->count; i++) {
        if (!all->list[i].taken && suits(all->list[i].label, all->prefix, copy)) {
            return &all->list[i];
        }
    }
    return NULL;
}

/* What the drive of this copy can reach, in order of labels. */
static enum pd_status take_inventory(struct pd_pool *pool, size_t i, struct inventory *out,
                                     struct pd_error *err)
{
    enum pd_status status = pd_target_volumes(pool->copies[i].target, take_cartridge, out, err);

    if (status == PD_OK) {
        status = pd_catalog_volumes(pool->run.catalog, leave_out_known, out, err);
    }
    if (status == PD_OK && out->count > 0) {
        qsort(out->list, out->count, sizeof *out->list, compare);
    }
    return status;
}

static enum pd_status pick(struct pd_pool *pool, size_t i, struct pd_volume_row *rows,
                           struct pd_error *err)
{
    struct inventory all = {.prefix = pool->config.label_prefix};
    struct pd_error ignored = PD_ERROR_INIT;
    struct cartridge *found = NULL;
    enum pd_status status = take_inventory(pool, i, &all, err);

    for (size_t j = 0; j < i && status == PD_OK; j++) { /* never both copies on one cartridge */
        status = leave_out_known(&all, &rows[j], &ignored);
    }
    if (status == PD_OK) {
        found = lowest(&all, pd_pool_number(pool, i));
    }
    if (status == PD_OK && !found) {
        status = pd_error_set(err, PD_NO_VOLUME, 0,
                              "the library has no unused cartridge %s... for copy %u; put one in",
                              pool->config.label_prefix, pd_pool_number(pool, i));
    }
    if (found) {
        memcpy(rows[i].label, found->label, sizeof rows[i].label);
    }
    free(all.list);
    return status;
}

enum pd_status pd_pool_pick_cartridges(struct pd_pool *pool, struct pd_volume_row *rows,
                                       struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pool->config.copy_count && status == PD_OK; i++) {
        if (pd_pool_in_library(pool, i)) {
            status = pick(pool, i, rows, err);
        }
    }
    return status;
}

/* ---- drives ---- */

/* The part of a location that names the changer, *len bytes; NULL: there is none. */
static const char *changer_of(const char *location, size_t *len)
{
    static const char option[] = "changer=";
    const char *options = strrchr(location, '?');
    const char *changer = options ? strstr(options, option) : NULL;

    *len = changer ? strcspn(changer, "&") : 0;
    return changer;
}

static bool share_changer(const char *a, const char *b)
{
    size_t a_len = 0, b_len = 0;
    const char *x = changer_of(a, &a_len), *y = changer_of(b, &b_len);

    return x && y && a_len == b_len && memcmp(x, y, a_len) == 0;
}

bool pd_pool_swaps(const struct pd_pool *pool, size_t i)
{
    bool others = false, all = true;

    for (size_t j = 0; j < pool->config.copy_count; j++) {
        if (j != i && pd_pool_in_library(pool, j)) {
            others = true;
            all = all && share_changer(pool->clean[i], pool->clean[j]);
        }
    }
    return pool->config.verify_swap && pd_pool_in_library(pool, i) && others && all;
}

static enum pd_status unload(void *arg, struct pd_error *err)
{
    return pd_target_unmount(arg, err);
}

enum pd_status pd_pool_unload(struct pd_pool *pool, size_t i, struct pd_error *err)
{
    struct pd_activity activity = {.name = "unload",
                                   .subject = pool->clean[i],
                                   .run = unload,
                                   .arg = pool->copies[i].target,
                                   .retry = pool->retry};

    return pd_activity_run(pool->env, &activity, err);
}

void pd_pool_put_away(struct pd_pool *pool)
{
    struct pd_error why = PD_ERROR_INIT;

    for (size_t i = 0; i < pool->config.copy_count && pool->run.id != 0; i++) {
        if (pd_pool_in_library(pool, i) && pd_pool_unload(pool, i, &why) != PD_OK) {
            pd_log_error(pool->env->log, PD_LOG_WARN, &why);
            pd_error_clear(&why);
        }
    }
}

void pd_pool_clear_drives(const struct pd_env *env, const struct pd_pool_config *config)
{
    for (size_t i = 0; i < config->copy_count; i++) {
        struct pd_target *target = NULL;
        struct pd_error why = PD_ERROR_INIT;
        if (pd_target_url_changer(config->copies[i]) &&
            pd_target_open(env, config->copies[i], &target, &why) != PD_OK) {
            pd_log_error(env->log, PD_LOG_WARN, &why);
        }
        pd_leave_volume(env, target);
    }
}
