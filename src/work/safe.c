#include "pairdump/safe.h"

#include <string.h>

struct asking {
    const struct pd_env *env;
    struct pd_catalog *catalog;
    pd_safe_fn fn;
    void *arg;
    struct pd_safe_summary *summary;
};

static enum pd_status answer(struct asking *a, const struct pd_item *item, enum pd_status why,
                             struct pd_error *err)
{
    struct pd_safe_summary *s = a->summary;

    s->by_status[why]++;
    if (why == PD_OK) {
        s->safe++;
        s->safe_bytes += item->size;
    } else {
        s->unsafe++;
        s->unsafe_bytes += item->size;
    }
    return a->fn ? a->fn(a->arg, item, why, err) : PD_OK;
}

static enum pd_status take_problem(void *arg, const struct pd_problem *problem,
                                   struct pd_error *err)
{
    struct pd_item item = {.path = problem->path, .path_len = strlen(problem->path)};

    return answer(arg, &item, problem->status, err);
}

enum pd_status pd_safe_run(const struct pd_env *env, struct pd_catalog *catalog, unsigned copies,
                           const struct pd_source_path_options *source, pd_safe_fn fn, void *arg,
                           struct pd_safe_summary *summary, struct pd_error *err)
{
    struct asking asking = {env, catalog, fn, arg, summary};
    struct pd_source_path_options options = *source;
    struct pd_source *paths = NULL;
    struct pd_item item;
    enum pd_status status;

    memset(summary, 0, sizeof *summary);
    options.on_problem = take_problem;
    options.problem_arg = &asking;
    status = pd_source_path_open(env, &options, &paths, err);
    while (status == PD_OK && (status = pd_env_check(env, err)) == PD_OK &&
           (status = pd_source_next(paths, &item, err)) == PD_OK) {
        enum pd_status why = PD_INTERNAL;
        status = pd_catalog_held(catalog, &item, copies, &why, err);
        if (status == PD_OK) {
            status = answer(&asking, &item, why, err);
        }
    }
    if (status == PD_END_OF_DATA) {
        pd_error_clear(err);
        status = PD_OK;
    }
    pd_source_close(paths);
    return status;
}
