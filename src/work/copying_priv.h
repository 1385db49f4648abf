/*
 * copying: what its files share. copying.c is the run and its volumes, copying_plan.c says which
 * archives are to be copied and which are there already, copying_archive.c writes one, and
 * copying_index.c the indexes behind them; copying_mend.c mends a volume in place.
 */
#ifndef PAIRDUMP_WORK_COPYING_PRIV_H
#define PAIRDUMP_WORK_COPYING_PRIV_H

#include "pairdump/copying.h"
#include "pairdump/pool.h"
#include "pairdump/verify.h"
#include "restore_priv.h"

#define PD_COPYING_POOL "copies" /* of volumes that copy makes */

enum { PD_COPYING_MADE_UP = -1 }; /* id of a volume that the catalog has no row of */

enum pd_copying_state {
    PD_COPYING_TODO,
    PD_COPYING_WRITTEN, /* on a volume, and not read back */
    PD_COPYING_GOOD,
    PD_COPYING_FAILED
};

struct pd_copying_item {
    struct pd_archive_row archive;
    enum pd_copying_state state;
    bool before;                /* an earlier run has written it */
    int64_t copy_id, volume_id; /* of the new copy */
    size_t sources;             /* copies that may have its records */
    struct pd_copying_result result;
};

/* A copy row of the plan, without its texts. */
struct pd_copying_row {
    int64_t id, archive_id, volume_id;
    unsigned copy;
    uint32_t tape_file;
    enum pd_copy_state state;
    enum pd_status reason;
};

/* An index written in this run, to be read back. */
struct pd_copying_index {
    uint32_t tape_file;
    struct pd_expect *expect;
};

struct pd_copying {
    const struct pd_env *env;
    struct pd_catalog *catalog;
    const struct pd_copying_options *options;
    struct pd_copying_summary *summary;
    struct pd_volume_row old; /* to be replaced; id 0: none, PD_COPYING_MADE_UP: not known yet */
    unsigned copy;            /* number of the copies to make */
    uint64_t block_size;
    char *location; /* of the target, as the catalog has it */
    struct pd_copying_item *items;
    size_t count;
    struct pd_copying_row *rows; /* of all archives, by archive */
    size_t row_count;
    struct pd_volume_row *volumes;
    size_t volume_count;
    struct pd_dump_row *dumps;
    size_t dump_count;
    struct pd_pool *pool;
    struct pd_restore_options reading;
    struct pd_restore_summary read;
    struct pd_restore_run restore;
    struct pd_copying_index *indexes;
    size_t index_count;
    uint64_t beat_ns;
    bool lost;   /* some records are good nowhere */
    bool broken; /* the target failed: nothing more is written */
};

/* Fills old, as the options name it. */
PD_MUST_USE enum pd_status pd_copying_find_old(struct pd_copying *c, struct pd_error *err);
/* Fills copy, block_size, items and what they are made of. */
PD_MUST_USE enum pd_status pd_copying_plan(struct pd_copying *c, struct pd_error *err);
/* Is the volume one that such a run has made at this place, for these copies? */
bool pd_copying_is_mine(const struct pd_copying *c, const struct pd_volume_row *volume);
const struct pd_dump_row *pd_copying_dump(const struct pd_copying *c, int64_t id);

/* Writes one archive to the volume at hand. What fails for the archive alone is in the item's
 * result, and PD_OK; PD_VOLUME_FULL: it is to go to the next volume. */
PD_MUST_USE enum pd_status pd_copying_archive(struct pd_copying *c, struct pd_copying_item *item,
                                              struct pd_error *err);

/* Writes what indexes are missing on the volume at hand, but for the dump with that id, whose
 * archives go on. */
PD_MUST_USE enum pd_status pd_copying_write_indexes(struct pd_copying *c, int64_t but,
                                                    struct pd_error *err);
/* What an archive left on a tape that was given up behind the last index is overwritten, by an
 * index that names no further archive: who reads the volume would take it for one that was cut off.
 */
PD_MUST_USE enum pd_status pd_copying_cover(struct pd_copying *c, struct pd_error *err);
/* Reads back those that were written in this run; *bad: one is not as it was written. */
PD_MUST_USE enum pd_status pd_copying_check_indexes(struct pd_copying *c, const char *label,
                                                    const char *uuid, struct pd_error *bad,
                                                    struct pd_error *err);
/* Does the volume at hand lack an index? */
PD_MUST_USE enum pd_status pd_copying_lacks_index(struct pd_copying *c, int64_t volume_id,
                                                  uint64_t tape_files, bool *lacks,
                                                  struct pd_error *err);

/* One archive, open for reading from all copies that can be reached. */
struct pd_copying_source {
    struct pd_toc toc;
    struct pd_replica_copy *copies;
    size_t copy_count;
    struct pd_replica *replica;
    bool spare; /* copies that were replaced are left out */
};
PD_MUST_USE enum pd_status pd_copying_open(struct pd_copying *c, const struct pd_copying_item *item,
                                           struct pd_copying_source *out, struct pd_error *err);
void pd_copying_close(struct pd_copying_source *source);
/* It concerns this archive alone, and the run goes on: PD_OK. */
PD_MUST_USE enum pd_status pd_copying_fail(struct pd_copying_item *item, enum pd_status status,
                                           const struct pd_error *why);
/* The archive has a record that no copy at hand has good, found at record `from`: names the files
 * of all such records from there on, and fails the item. */
PD_MUST_USE enum pd_status pd_copying_lose(struct pd_copying *c, struct pd_copying_item *item,
                                           struct pd_copying_source *source, uint64_t from,
                                           const struct pd_error *why, struct pd_error *err);
bool pd_copying_ends(enum pd_status status);

/* Mends the old volume where it is, and closes it; *url is where, to be freed by the caller. */
PD_MUST_USE enum pd_status pd_copying_mend(struct pd_copying *c, char **url, struct pd_error *err);

/* Says that the run is alive, when it is time. */
PD_MUST_USE enum pd_status pd_copying_beat(struct pd_copying *c, struct pd_error *err);

#endif
