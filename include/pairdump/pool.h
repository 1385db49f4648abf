/*
 * pool: the volumes that a dump writes to, as pairs: opens targets, picks or labels the next pair.
 *
 * A pool has 1 to 8 targets, copy 1 first. A pair is one volume of each target with the same number
 * ("PD100001", "PD200001"). The next pair is the appendable one with the lowest number that the
 * catalog knows, that no other run has, that all targets can mount, and whose label, UUID and count
 * of tape files on the medium equal the catalog's; a volume that differs is set aside with a
 * warning (state bad for appending, its copies untouched). When there is none, empty volumes that
 * the operator has labelled for it become a pair; else new volumes are labelled with the next
 * number that neither catalog nor targets have seen.
 *
 * A dump with several sets of drives has a pool for each, with copies 1 to N. One is asked for the
 * next pair at a time.
 *
 * A run that makes single copies later has a pool of one target, whose copy number it says. Its
 * volumes are pairs of their own.
 *
 * Numbers can be reserved ahead: with one, a pair is labelled while the catalog cannot be reached.
 */
#ifndef PAIRDUMP_POOL_H
#define PAIRDUMP_POOL_H

#include "pairdump/catalog.h"
#include "pairdump/target.h"

struct pd_pool;

/* A medium is about to get the label of this UUID. */
typedef enum pd_status (*pd_pool_label_fn)(void *arg, const char *uuid, struct pd_error *err);

/* Does a tape file of this top folder belong to the run, so that it may go when the catalog does
 * not know it? */
typedef bool (*pd_pool_mine_fn)(void *arg, const char *top);

/* For whom volumes and drives are claimed (claim.h). */
struct pd_pool_run {
    struct pd_catalog *catalog;
    int64_t id; /* 0: for nobody, nothing is claimed and no volume taken (dry runs) */
    int64_t limit_ns;
    const char *dump;          /* UUID of the dump that labels are reserved for */
    pd_pool_label_fn on_label; /* may be NULL */
    void *label_arg;
    unsigned copy;        /* number of the first target's copy; 0: 1, as dumps count */
    int64_t replaces;     /* volumes are made, and taken again, in place of this one; 0: of none */
    const char *label;    /* of the first volume that is made; NULL: made of prefix and numbers */
    pd_pool_mine_fn mine; /* may be NULL */
    void *mine_arg;
    const struct pd_pool *beside; /* another set of drives of this run, open as long as this one:
                                     no place is in both, and drives of a changer count on */
};

/* One mounted volume of the current pair. */
struct pd_pool_copy {
    struct pd_target *target; /* NULL once the copy is lost (failed to open, failed, hung) */
    struct pd_volume_row volume;
    bool fresh; /* labelled just now: the caller records that (pd_catalog_volume_labelled) */
    enum pd_status status; /* why it is lost */
    struct pd_error error;
};

/* Opens all targets. One place given twice is PD_USAGE; two copies on one file system and a single
 * copy are warned of. A target that cannot be opened: PD_USAGE and the like fail the call; I/O
 * trouble makes that copy lost (degraded), unless it is the last. config is copied. */
PD_MUST_USE enum pd_status pd_pool_open(const struct pd_env *env,
                                        const struct pd_pool_config *config,
                                        const struct pd_pool_run *run, struct pd_retry retry,
                                        struct pd_pool **out, struct pd_error *err);
size_t pd_pool_copies(const struct pd_pool *pool);
struct pd_pool_copy *pd_pool_copy(struct pd_pool *pool, size_t i); /* i < copies */
/* Target URL of a copy as the catalog keeps it: without fault filters, path absolute. */
const char *pd_pool_location(const struct pd_pool *pool, size_t i);
/* The pool as opened: copies[] are the URLs with all filters and options. */
const struct pd_pool_config *pd_pool_config(const struct pd_pool *pool);

/* Bytes that a volume takes, of the copy where they are smallest; 0: nobody has said. */
uint64_t pd_pool_capacity(const struct pd_pool *pool);

/* All volumes of a pair are claimed, mounted and as expected, and nothing is changed yet. */
typedef enum pd_status (*pd_pool_claimed_fn)(void *arg, bool *go_on, struct pd_error *err);

/* Mounts or labels the next pair. PD_NO_VOLUME when there is none. Even when it fails, volumes may
 * be fresh. */
PD_MUST_USE enum pd_status pd_pool_next_pair(struct pd_pool *pool, struct pd_error *err);
/* The same with a reserved pair, without the catalog; PD_NO_VOLUME when none is left. */
PD_MUST_USE enum pd_status pd_pool_spare_pair(struct pd_pool *pool, struct pd_error *err);
/* So many pairs are reserved for this run, or as many as `need` more bytes on each copy may take, 0
 * if that is not known. */
PD_MUST_USE enum pd_status pd_pool_reserve(struct pd_pool *pool, size_t count,
                                           struct pd_error *err);
PD_MUST_USE enum pd_status pd_pool_reserve_for(struct pd_pool *pool, uint64_t need,
                                               struct pd_error *err);
/* For a run that goes on with a dump: what was reserved for that is free again, but for these
 * UUIDs, which a medium may bear. */
PD_MUST_USE enum pd_status pd_pool_drop_reserved(const struct pd_pool_run *run,
                                                 char (*except)[PD_UUID_TEXT], size_t count,
                                                 struct pd_error *err);
/* Reserved, and not used so far. */
size_t pd_pool_spares(const struct pd_pool *pool);
/* What was reserved and not used is free again; it is tried once. What stays reserved of a dump
 * that is done is free to the next run that needs a pair. */
void pd_pool_give_back(struct pd_pool *pool);
/* Mounts these volumes again, one of each copy (label "": none), for a run that goes on: what lies on
 * them behind the tape files that the catalog knows, and is of dump `name`, is cut off; a full one is
 * mounted for its index alone. *good false: they cannot be written to. */
PD_MUST_USE enum pd_status pd_pool_take_pair(struct pd_pool *pool,
                                             const struct pd_volume_row *volumes, const char *name,
                                             pd_pool_claimed_fn claimed, void *arg, bool *good,
                                             struct pd_error *err);
/* Free bytes against need on every live copy, reserve kept; PD_NO_SPACE naming the target and what
 * is missing. Copies on one file system add up. */
PD_MUST_USE enum pd_status pd_pool_check_space(struct pd_pool *pool, uint64_t need,
                                               struct pd_error *err);
/* The same for pools that share out what is to be written. */
PD_MUST_USE enum pd_status pd_pool_check_space_of(struct pd_pool *const *pools, size_t count,
                                                  uint64_t need, struct pd_error *err);
/* Closes a target whose volume is to be read by another object (tape drives are exclusive), and
 * opens all such again, without a volume mounted. */
PD_MUST_USE enum pd_status pd_pool_unmount(struct pd_pool *pool, size_t i, struct pd_error *err);
PD_MUST_USE enum pd_status pd_pool_remount(struct pd_pool *pool, struct pd_error *err);
/* Whether volumes of some copy are cartridges of a library. */
bool pd_pool_uses_library(const struct pd_pool *pool);
/* Whether copy i is to be read by another drive of its library than the one that wrote it. */
bool pd_pool_swaps(const struct pd_pool *pool, size_t i);
/* Gives the volume of copy i out of its drive, back to its slot where there is a changer. */
PD_MUST_USE enum pd_status pd_pool_unload(struct pd_pool *pool, size_t i, struct pd_error *err);
/* The same for what a run that was killed left in the drives of a pool that is not open. */
void pd_pool_clear_drives(const struct pd_env *env, const struct pd_pool_config *config);
/* Cartridges of a library go back to their slots; what fails is logged. */
void pd_pool_put_away(struct pd_pool *pool);
PD_MUST_USE enum pd_status pd_pool_close(struct pd_pool *pool, struct pd_error *err);

#endif
