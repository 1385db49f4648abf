/*
 * pool: what its files share. pool.c opens targets, pool_pair.c picks pairs, pool_reserve.c
 * reserves labels in the catalog, pool_label.c labels new pairs with them, pool_unfinished.c
 * finishes what others reserved or began to label, pool_library.c picks cartridges and puts them
 * back, pool_place.c names the places and sees to it that two copies have two, pool_space.c that
 * they have room.
 */
#ifndef PAIRDUMP_WORK_POOL_PRIV_H
#define PAIRDUMP_WORK_POOL_PRIV_H

#include "pairdump/claim.h"
#include "pairdump/pool.h"

struct pd_pool {
    const struct pd_env *env;
    struct pd_pool_config config; /* copies[] hold the URLs that are opened, capacity included */
    char *clean[PD_COPIES_MAX];   /* the same without fault filters, paths absolute: locations */
    char *path[PD_COPIES_MAX];    /* where each keeps its data */
    struct pd_pool_copy copies[PD_COPIES_MAX];
    bool let_go[PD_COPIES_MAX];   /* closed for a reader, to be opened again */
    size_t first;                 /* targets of the pools beside it, which come before */
    bool asking;                  /* volumes that are not at hand are waited for */
    struct pd_retry retry;
    struct pd_pool_run run;
    struct pd_volume_row (
        *spares)[PD_COPIES_MAX]; /* reserved pairs; a row without id is of no volume */
    size_t spare_count, spares_used;
    bool label_used; /* the one that the run named */
};

/* The copy that target i makes, and back; SIZE_MAX: no target makes it. */
unsigned pd_pool_number(const struct pd_pool *pool, size_t i);
size_t pd_pool_target_of(const struct pd_pool *pool, unsigned copy);
/* Fills path, clean and config.copies of copy i; PD_USAGE when the place is no folder, or one that an
 * earlier copy has. */
PD_MUST_USE enum pd_status pd_pool_name_place(struct pd_pool *pool, size_t i, const char *url,
                                              struct pd_error *err);
/* Claims the drives among the targets; PD_BUSY names who has one. */
PD_MUST_USE enum pd_status pd_pool_claim_drives(struct pd_pool *pool, struct pd_error *err);
/* One copy only, or two on one file system: told, and allowed. */
void pd_pool_warn_of_sharing(struct pd_pool *pool);

/* Wrong usage fails the run; a device's trouble costs this copy only. */
bool pd_pool_is_fatal(enum pd_status status);
/* Copy i is out, with a warning; PD_OK while another one is left. */
PD_MUST_USE enum pd_status pd_pool_lose(struct pd_pool *pool, size_t i, enum pd_status status,
                                        struct pd_error *err);
/* Labels a volume on target i. */
PD_MUST_USE enum pd_status pd_pool_format(struct pd_pool *pool, size_t i,
                                          const struct pd_label *label, struct pd_error *err);
/* Gives target i the label of its row, if it is not labelled so, and makes it the volume at hand.
 */
PD_MUST_USE enum pd_status pd_pool_label_volume(struct pd_pool *pool, struct pd_volume_row *rows,
                                                size_t i, bool labelled, struct pd_error *err);
/* Finishes a pair that others reserved; *good false: there is none. */
PD_MUST_USE enum pd_status pd_pool_finish_pair(struct pd_pool *pool, bool *good,
                                               struct pd_error *err);
/* Labels new volumes, with a reserved pair if there is one. */
PD_MUST_USE enum pd_status pd_pool_label_pair(struct pd_pool *pool, struct pd_error *err);
/* The next reserved pair, which counts as used; NULL: none. */
struct pd_volume_row *pd_pool_take_spare(struct pd_pool *pool);
/* It was not used after all. */
void pd_pool_return_spare(struct pd_pool *pool);
/* Has this run reserved the pair of that number? */
bool pd_pool_has_spare(const struct pd_pool *pool, uint64_t pair);
/* Runs a try at medium `what` of copy i: once, or, when the pool is asking, until it is there. */
PD_MUST_USE enum pd_status pd_pool_ask(struct pd_pool *pool, size_t i, const char *what,
                                       enum pd_status (*run)(void *arg, struct pd_error *err),
                                       void *arg, struct pd_error *err);

/* Whether copy i is in a library, where volumes are called as their cartridges. */
bool pd_pool_in_library(const struct pd_pool *pool, size_t i);
/* Gives the rows of such copies the labels of cartridges that nobody uses; PD_NO_VOLUME. */
PD_MUST_USE enum pd_status pd_pool_pick_cartridges(struct pd_pool *pool, struct pd_volume_row *rows,
                                                   struct pd_error *err);

#endif
