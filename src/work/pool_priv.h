/*
 * pool: what its files share. pool.c opens targets and picks pairs, pool_place.c names the places and
 * sees to it that two copies have two.
 */
#ifndef PAIRDUMP_WORK_POOL_PRIV_H
#define PAIRDUMP_WORK_POOL_PRIV_H

#include "pairdump/pool.h"

struct pd_pool {
    const struct pd_env *env;
    struct pd_pool_config config; /* copies[] hold the URLs that are opened, capacity included */
    char *clean[PD_COPIES_MAX];   /* the same without fault filters, paths absolute: locations */
    char *path[PD_COPIES_MAX];    /* where each keeps its data */
    struct pd_pool_copy copies[PD_COPIES_MAX];
    bool let_go[PD_COPIES_MAX];   /* closed for a reader, to be opened again */
    struct pd_retry retry;
};

/* Fills path, clean and config.copies of copy i; PD_USAGE when the place is no folder, or one that an
 * earlier copy has. */
PD_MUST_USE enum pd_status pd_pool_name_place(struct pd_pool *pool, size_t i, const char *url,
                                              struct pd_error *err);
/* One copy only, or two on one file system: told, and allowed. */
void pd_pool_warn_of_sharing(struct pd_pool *pool);

#endif
