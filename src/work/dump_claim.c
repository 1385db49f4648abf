#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "dump_priv.h"

enum { ROOTS_MAX = 200 }; /* a longer list is claimed by the folder that holds it all */

/* What the source covers. */
struct roots {
    char **names;
    size_t count, room;
};

static enum pd_status keep(struct roots *roots, char *name, struct pd_error *err)
{
    if (roots->count == roots->room) {
        size_t room = roots->room ? roots->room * 2 : 16;
        char **grown = realloc(roots->names, room * sizeof *grown);
        if (!grown) {
            free(name);
            return pd_error_memory(err, "claims");
        }
        roots->names = grown;
        roots->room = room;
    }
    if (!name) {
        return pd_error_memory(err, "claims");
    }
    roots->names[roots->count++] = name;
    return PD_OK;
}

/* One place has one name: links on the way to it are followed, it itself is not. */
static char *place_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash && slash[1] ? strndup(path, slash > path ? (size_t)(slash - path) : 1)
                                     : NULL;
    char *real = parent ? realpath(parent, NULL) : NULL;
    char *out = NULL;

    if (!real || asprintf(&out, "%s/%s", strcmp(real, "/") == 0 ? "" : real, slash + 1) < 0) {
        out = strdup(path);
    }
    free(parent);
    free(real);
    return out;
}

static enum pd_status take_root(void *arg, const char *path, struct pd_error *err)
{
    return keep(arg, place_of(path), err);
}

/* The folder that holds all of them. */
static void join(struct roots *roots)
{
    char *common = roots->names[0];
    size_t len = strlen(common);

    for (size_t i = 0; i < roots->count; i++) {
        size_t n = 0;
        while (n < len && roots->names[i][n] == common[n]) {
            n++;
        }
        len = n;
    }
    while (len > 1 && common[len - 1] != '/') {
        len--;
    }
    common[len > 1 ? len - 1 : 1] = '\0';
    for (size_t i = 1; i < roots->count; i++) {
        free(roots->names[i]);
    }
    roots->count = 1;
}

static enum pd_status claim_roots(struct pd_dumping *d, const struct roots *roots,
                                  struct pd_error *err)
{
    struct pd_claim *claims = calloc(roots->count + 1, sizeof *claims);
    enum pd_status status;

    if (!claims) {
        return pd_error_memory(err, "claims");
    }
    for (size_t i = 0; i < roots->count; i++) {
        claims[i] = (struct pd_claim){.kind = PD_CLAIM_SOURCE, .name = roots->names[i]};
    }
    status = pd_catalog_claim(d->catalog, d->run.id, claims, roots->count,
                              pd_dump_pool_run(d).limit_ns, err);
    free(claims);
    return status;
}

enum pd_status pd_dump_claim_source(struct pd_dumping *d, const char *what, struct pd_error *err)
{
    struct roots roots = {NULL, 0, 0};
    enum pd_status status = pd_catalog_run_add(d->catalog, what, &d->run, err);

    if (status == PD_OK) {
        status = pd_source_roots(d->source, take_root, &roots, err);
    }
    if (roots.count > ROOTS_MAX) {
        join(&roots);
    }
    if (status == PD_OK && roots.count > 0) {
        status = claim_roots(d, &roots, err);
    }
    for (size_t i = 0; i < roots.count; i++) {
        free(roots.names[i]);
    }
    free(roots.names);
    return status;
}

enum pd_status pd_dump_claim_dump(struct pd_dumping *d, struct pd_error *err)
{
    struct pd_claim claim = {.kind = PD_CLAIM_DUMP, .name = d->row->uuid};

    return pd_catalog_claim(d->catalog, d->run.id, &claim, 1, pd_dump_pool_run(d).limit_ns, err);
}

struct pd_pool_run pd_dump_pool_run(const struct pd_dumping *d)
{
    return (struct pd_pool_run){d->catalog, d->run.id,
                                (int64_t)d->options->config->claim_limit_ns};
}
