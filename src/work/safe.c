#include "pairdump/safe.h"

#include <stdlib.h>
#include <string.h>

/* Items that the catalog is asked for at once. */
enum { AT_ONCE = 512 };

struct asking {
    const struct pd_env *env;
    struct pd_catalog *catalog;
    struct pd_held_terms terms;
    pd_safe_fn fn;
    void *arg;
    struct pd_safe_summary *summary;
    struct pd_item items[AT_ONCE]; /* their paths are ours */
    size_t count;
};

static enum pd_status answer(struct asking *a, const struct pd_item *item,
                             const struct pd_held *held, struct pd_error *err)
{
    struct pd_safe_summary *s = a->summary;

    s->by_status[held->why]++;
    if (held->verified != 0 && (s->oldest == 0 || held->verified < s->oldest)) {
        s->oldest = held->verified;
    }
    if (held->why == PD_OK) {
        s->safe++;
        s->safe_bytes += item->size;
    } else {
        s->unsafe++;
        s->unsafe_bytes += item->size;
    }
    return a->fn ? a->fn(a->arg, item, held, err) : PD_OK;
}

static enum pd_status answer_all(struct asking *a, struct pd_error *err)
{
    struct pd_held held[AT_ONCE];
    enum pd_status status;

    if (a->terms.until != 0) { /* what was read back while this went on is not of the future */
        a->terms.until = pd_clock_utc(a->env->clock);
    }
    status = pd_catalog_held_all(a->catalog, a->items, a->count, &a->terms, held, err);

    for (size_t i = 0; i < a->count; i++) {
        if (status == PD_OK) {
            status = answer(a, &a->items[i], &held[i], err);
        }
        free((char *)a->items[i].path);
    }
    a->count = 0;
    return status;
}

static enum pd_status take_item(struct asking *a, const struct pd_item *item,
                                struct pd_error *err)
{
    char *path = strdup(item->path);

    if (!path) {
        return pd_error_memory(err, "paths");
    }
    a->items[a->count] = *item;
    a->items[a->count].path = path;
    return ++a->count == AT_ONCE ? answer_all(a, err) : PD_OK;
}

/* Behind what came before it. */
static enum pd_status take_problem(void *arg, const struct pd_problem *problem,
                                   struct pd_error *err)
{
    struct pd_item item = {.path = problem->path, .path_len = strlen(problem->path)};
    struct pd_held held = {problem->status, 0};
    enum pd_status status = answer_all(arg, err);

    return status == PD_OK ? answer(arg, &item, &held, err) : status;
}

enum pd_status pd_safe_run(const struct pd_env *env, struct pd_catalog *catalog,
                           const struct pd_held_terms *terms,
                           const struct pd_source_path_options *source, pd_safe_fn fn, void *arg,
                           struct pd_safe_summary *summary, struct pd_error *err)
{
    struct asking *asking = calloc(1, sizeof *asking);
    struct pd_source_path_options options = *source;
    struct pd_source *paths = NULL;
    struct pd_item item;
    enum pd_status status;

    memset(summary, 0, sizeof *summary);
    if (!asking) {
        return pd_error_memory(err, "paths");
    }
    *asking = (struct asking){env, catalog, *terms, fn, arg, summary, .count = 0};
    options.on_problem = take_problem;
    options.problem_arg = asking;
    status = pd_source_path_open(env, &options, &paths, err);
    while (status == PD_OK && (status = pd_env_check(env, err)) == PD_OK &&
           (status = pd_source_next(paths, &item, err)) == PD_OK) {
        status = take_item(asking, &item, err);
    }
    if (status == PD_END_OF_DATA) {
        pd_error_clear(err);
        status = answer_all(asking, err);
    }
    for (size_t i = 0; i < asking->count; i++) {
        free((char *)asking->items[i].path);
    }
    free(asking);
    pd_source_close(paths);
    return status;
}
