/*
 * What the parts of rebuild share.
 *
 *     rebuild.c          the targets, the volumes on them, the verdict
 *     rebuild_volume.c   what lies on a volume: label and indexes
 *     rebuild_spool.c    what indexes told, until it is recorded
 *     rebuild_record.c   volumes, dumps and archives into the catalog, in order
 *     rebuild_archive.c  archives without an index
 */
#ifndef PAIRDUMP_WORK_REBUILD_PRIV_H
#define PAIRDUMP_WORK_REBUILD_PRIV_H

#include "pairdump/rebuild.h"
#include "pairdump/target.h"
#include "verify_index.h"

/* What a tape file turned out to be. */
enum pd_rebuild_file { PD_REBUILD_UNSEEN, PD_REBUILD_LISTED, PD_REBUILD_INDEX, PD_REBUILD_UNREAD };

struct pd_rebuild_volume {
    const char *url; /* of the target */
    char *location;  /* the same, as the catalog knows places */
    struct pd_label label;
    uint8_t *files; /* enum pd_rebuild_file, of each tape file */
    uint32_t file_count;
    uint64_t pair; /* 0: no index told */
    size_t unread; /* archives that no index tells of */
    bool trouble;  /* nothing should be appended to it */
    int64_t id;    /* in the catalog; 0: it is left out */
    bool fresh;    /* added by this run */
};

/* A dump, as all indexes together tell. */
struct pd_rebuild_dump {
    struct pd_dump_row row; /* started 0: nobody told; before it is recorded */
    struct pd_buf problems; /* lines */
    bool taken;             /* the catalog has it */
    struct pd_heard_end end;
};

/* One archive on one volume, as an index tells; its text is in the spool. */
struct pd_rebuild_entry {
    size_t volume, dump;
    uint64_t seq;
    uint32_t tape_file;
    int64_t when;
    uint64_t offset, len;
    struct pd_xxh128 digest; /* of the text, which names tape file 1 */
    struct pd_error bad;     /* PD_OK: nothing is known against the copy */
};

struct pd_rebuild {
    const struct pd_env *env;
    struct pd_catalog *catalog;
    const struct pd_rebuild_options *options;
    struct pd_rebuild_summary *summary;
    struct pd_rebuild_volume **volumes;
    size_t volume_count;
    struct pd_rebuild_dump **dumps;
    size_t dump_count;
    struct pd_rebuild_entry **entries;
    size_t entry_count;
    FILE *spool;
    uint64_t spooled; /* bytes */
    uint64_t lost;    /* archives left out of which the catalog has nothing */
    uint64_t unread;  /* volumes and tape files of which nothing could be read */
};

/* Statuses that end the run, not only what is at hand. */
bool pd_rebuild_ends(enum pd_status status);
/* Names what was found; context is added to why. */
PD_MUST_USE enum pd_status pd_rebuild_find(struct pd_rebuild *r, enum pd_rebuild_kind kind,
                                           const struct pd_rebuild_volume *volume,
                                           const char *archive, const struct pd_error *why,
                                           struct pd_error *err);
/* The list, with room for one more pointer behind count; NULL: out of memory, and it is as it was.
 */
void *pd_rebuild_grown(void *list, size_t count, struct pd_error *err);

/* rebuild_volume.c: of a mounted volume. */
PD_MUST_USE enum pd_status pd_rebuild_survey(struct pd_rebuild *r, struct pd_target *target,
                                             struct pd_rebuild_volume *volume, size_t number,
                                             struct pd_error *err);

/* rebuild_spool.c */
PD_MUST_USE enum pd_status pd_rebuild_spool_open(struct pd_rebuild *r, struct pd_error *err);
/* Fills offset, len and digest. */
PD_MUST_USE enum pd_status pd_rebuild_spool_put(struct pd_rebuild *r, const struct pd_toc *toc,
                                                struct pd_rebuild_entry *entry,
                                                struct pd_error *err);
/* toc is initialized by the call, and released by the caller. */
PD_MUST_USE enum pd_status pd_rebuild_spool_get(struct pd_rebuild *r,
                                                const struct pd_rebuild_entry *entry,
                                                struct pd_toc *toc, struct pd_error *err);

/* rebuild_record.c: a dump of that UUID, made if need be; NULL, with a finding, when another name
 * or UUID is known for it. */
PD_MUST_USE enum pd_status pd_rebuild_dump_told(struct pd_rebuild *r,
                                                const struct pd_rebuild_volume *volume,
                                                const struct pd_dump_row *told, size_t *number,
                                                bool *fits, struct pd_error *err);
PD_MUST_USE enum pd_status pd_rebuild_record(struct pd_rebuild *r, struct pd_error *err);
PD_MUST_USE enum pd_status pd_rebuild_record_dump(struct pd_rebuild *r,
                                                  struct pd_rebuild_volume *volume,
                                                  struct pd_rebuild_dump *dump,
                                                  struct pd_error *err);
/* One copy of an archive, of a dump that is taken and a volume that has an id. */
PD_MUST_USE enum pd_status
pd_rebuild_record_copy(struct pd_rebuild *r, struct pd_rebuild_volume *volume,
                       const struct pd_rebuild_dump *dump, struct pd_toc *toc,
                       const struct pd_rebuild_entry *entry, bool is_same, struct pd_error *err);
PD_MUST_USE enum pd_status pd_rebuild_end(struct pd_rebuild *r, struct pd_error *err);

/* rebuild_archive.c: those of a mounted volume that no index tells of. */
PD_MUST_USE enum pd_status pd_rebuild_read(struct pd_rebuild *r, struct pd_target *target,
                                           struct pd_rebuild_volume *volume, struct pd_error *err);

#endif
