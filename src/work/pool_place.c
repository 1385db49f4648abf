#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pairdump/registry.h"
#include "pairdump/space.h"
#include "pool_priv.h"

/* *url gets an option, unless it names that itself. */
static enum pd_status add_option(char **url, const char *name, const char *value,
                                 struct pd_error *err)
{
    char *with = NULL;
    enum pd_status status = pd_target_url_with(*url, name, value, &with, err);

    if (status == PD_OK) {
        free(*url);
        *url = with;
    }
    return status;
}

/* The URL to open: with the pool's capacity, and its changer where that can serve the target. */
static enum pd_status complete_url(struct pd_pool *pool, size_t i, const char *given, char **out,
                                   struct pd_error *err)
{
    const struct pd_pool_config *config = &pool->config;
    char number[24];
    enum pd_status status = PD_OK;

    *out = strdup(given);
    if (!*out) {
        return pd_error_memory(err, "targets");
    }
    if (config->capacity > 0) {
        snprintf(number, sizeof number, "%" PRIu64, config->capacity);
        status = add_option(out, "capacity", number, err);
    }
    if (status == PD_OK && config->changer && pd_target_url_exclusive(given) &&
        !pd_target_url_changer(given)) {
        snprintf(number, sizeof number, "%zu", pool->first + i);
        status = add_option(out, "changer", config->changer, err);
        if (status == PD_OK) {
            status = add_option(out, "drive", number, err);
        }
    }
    return status;
}

static bool is_within(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Two copies in one folder, by whatever names, are one. */
static enum pd_status check_apart(const char *a, const char *b, struct pd_error *err)
{
    struct stat x, y;
    bool same = stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
                x.st_ino == y.st_ino;

    if (same || strcmp(a, b) == 0) {
        return pd_error_set(err, PD_USAGE, 0, "%s and %s are one place; two copies need two", b, a);
    }
    if (is_within(a, b) || is_within(b, a)) {
        return pd_error_set(err, PD_USAGE, 0, "%s and %s: one lies in the other; use two places",
                            b, a);
    }
    return PD_OK;
}

enum pd_status pd_pool_name_place(struct pd_pool *pool, size_t i, const char *url,
                                  struct pd_error *err)
{
    char *given = NULL;
    enum pd_status status = pd_target_url_path(url, &given, err);

    if (status != PD_OK) {
        return status;
    }
    pool->path[i] = realpath(given, NULL);
    if (!pool->path[i]) {
        status = pd_target_url_device(url)
                     ? pd_error_set(err, PD_USAGE, errno, "no device %s; is it switched on?", given)
                     : pd_error_set(err, PD_USAGE, errno, "no folder %s; is it mounted?", given);
    }
    free(given);
    if (status != PD_OK) {
        return status;
    }
    status = complete_url(pool, i, url, &pool->config.copies[i], err);
    if (status == PD_OK) {
        status = pd_target_url_location(pool->config.copies[i], &pool->clean[i], err);
    }
    if (status != PD_OK) {
        return status;
    }
    if (strlen(pool->clean[i]) >= sizeof pool->copies[i].volume.location) {
        return pd_error_set(err, PD_USAGE, 0, "the target's path is too long");
    }
    for (size_t j = 0; j < i && status == PD_OK; j++) {
        status = check_apart(pool->path[i], pool->path[j], err);
    }
    for (const struct pd_pool *other = pool->run.beside; other; other = other->run.beside) {
        for (size_t j = 0; j < other->config.copy_count && status == PD_OK; j++) {
            status = check_apart(pool->path[i], other->path[j], err);
        }
    }
    return status;
}

uint64_t pd_pool_capacity(const struct pd_pool *pool)
{
    uint64_t least = 0;

    for (size_t i = 0; i < pool->config.copy_count; i++) {
        uint64_t capacity = pd_target_url_capacity(pool->config.copies[i]);
        least = capacity > 0 && (least == 0 || capacity < least) ? capacity : least;
    }
    return least;
}

void pd_pool_warn_of_sharing(struct pd_pool *pool)
{
    struct pd_space spaces[PD_COPIES_MAX];
    struct pd_error ignored = PD_ERROR_INIT;

    if (pool->config.copy_count == 1 && pool->run.copy == 0) {
        pd_log_line(pool->env->log, PD_LOG_WARN, "one copy only: nothing replaces it when lost");
    }
    for (size_t i = 0; i < pool->config.copy_count; i++) {
        if (pd_target_url_device(pool->config.copies[i]) ||
            pd_space_of(pool->path[i], &spaces[i], &ignored) != PD_OK) {
            spaces[i].fs_id = 0;
        }
        for (size_t j = 0; j < i; j++) {
            if (spaces[i].fs_id != 0 && spaces[i].fs_id == spaces[j].fs_id) {
                pd_log_line(pool->env->log, PD_LOG_WARN,
                            "%s and %s are on one file system: one failure takes both copies",
                            pool->path[j], pool->path[i]);
            }
        }
    }
}
