#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "dump_priv.h"

enum { ROOTS_MAX = 200 }; /* a longer list is claimed by the folder that holds it all */

static enum pd_status keep(struct pd_dumping *d, char *name, struct pd_error *err)
{
    char **grown = name ? reallocarray(d->roots, d->root_count + 1, sizeof *grown) : NULL;

    if (!grown) {
        free(name);
        return pd_error_memory(err, "claims");
    }
    d->roots = grown;
    grown[d->root_count++] = name;
    return PD_OK;
}

enum pd_status pd_dump_add_root(struct pd_dumping *d, const char *root, struct pd_error *err)
{
    return keep(d, strdup(root), err);
}

void pd_dump_forget_roots(struct pd_dumping *d)
{
    for (size_t i = 0; i < d->root_count; i++) {
        free(d->roots[i]);
    }
    free(d->roots);
    d->roots = NULL;
    d->root_count = 0;
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
static void join(struct pd_dumping *d)
{
    char *common = d->roots[0];
    size_t len = strlen(common);

    for (size_t i = 0; i < d->root_count; i++) {
        size_t n = 0;
        while (n < len && d->roots[i][n] == common[n]) {
            n++;
        }
        len = n;
    }
    while (len > 1 && common[len - 1] != '/') {
        len--;
    }
    common[len > 1 ? len - 1 : 1] = '\0';
    for (size_t i = 1; i < d->root_count; i++) {
        free(d->roots[i]);
    }
    d->root_count = 1;
}

enum pd_status pd_dump_find_roots(struct pd_dumping *d, struct pd_error *err)
{
    enum pd_status status = pd_source_roots(d->lanes[0].source, take_root, d, err);

    if (d->root_count > ROOTS_MAX) {
        join(d);
    }
    return status;
}

enum pd_status pd_dump_claim_source(struct pd_dumping *d, const char *what, struct pd_error *err)
{
    struct pd_claim *claims = calloc(d->root_count + 1, sizeof *claims);
    enum pd_status status = claims ? pd_catalog_run_add(d->catalog, what, &d->run, err)
                                   : pd_error_memory(err, "claims");

    for (size_t i = 0; i < d->root_count && claims; i++) {
        claims[i] = (struct pd_claim){.kind = PD_CLAIM_SOURCE, .name = d->roots[i]};
    }
    if (status == PD_OK && d->root_count > 0) {
        status = pd_catalog_claim(d->catalog, d->run.id, claims, d->root_count,
                                  pd_dump_pool_run(d).limit_ns, err);
    }
    free(claims);
    return status;
}

enum pd_status pd_dump_claim_dump(struct pd_dumping *d, struct pd_error *err)
{
    struct pd_claim claim = {.kind = PD_CLAIM_DUMP, .name = d->row->uuid};

    enum pd_status status =
        pd_catalog_claim(d->catalog, d->run.id, &claim, 1, pd_dump_pool_run(d).limit_ns, err);

    d->run_before = claim.taken_from;
    return status;
}

static enum pd_status note_label(void *arg, const char *uuid, struct pd_error *err)
{
    struct pd_dumping *d = arg;

    return pd_book_labelling(&d->book, uuid, err);
}

struct pd_pool_run pd_dump_pool_run(struct pd_dumping *d)
{
    return (struct pd_pool_run){.catalog = d->catalog,
                                .id = d->run.id,
                                .limit_ns = (int64_t)d->options->config->claim_limit_ns,
                                .dump = d->row->uuid,
                                .on_label = note_label,
                                .label_arg = d};
}
