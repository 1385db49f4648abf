/*
 * list: the items of a dump, spooled to a file so that memory stays bounded.
 *
 * Written once by the scan, then read in order, as often as needed, each reader with its own place. The
 * file has no name, or, so that a later run can go on with it, one that the caller gives; its layout is
 * for the same kind of machine and PD_LIST_LAYOUT only.
 */
#ifndef PAIRDUMP_LIST_H
#define PAIRDUMP_LIST_H

#include "pairdump/source.h"

struct pd_list;
struct pd_list_totals {
    uint64_t items, files, bytes; /* bytes: sum of item.stored of regular files */
    uint64_t archive_bytes;       /* about what all archives will take, headers and tags included */
    uint64_t largest;             /* stored bytes of the largest file */
    char largest_path[512];
};

/* dir: folder for the spool (space is the caller's to check); the file is removed at once. */
PD_MUST_USE enum pd_status pd_list_new(const char *dir, struct pd_list **out,
                                       struct pd_error *err);
#define PD_LIST_LAYOUT 1
/* A new file that keeps its name (PD_EXISTS), and one that was kept, of so many bytes with these totals
 * (PD_BAD_FORMAT when it has not so many). */
PD_MUST_USE enum pd_status pd_list_create(const char *path, struct pd_list **out,
                                          struct pd_error *err);
PD_MUST_USE enum pd_status pd_list_open(const char *path, uint64_t size,
                                        const struct pd_list_totals *totals, struct pd_list **out,
                                        struct pd_error *err);
/* The whole list is on the medium when this returns; *size gets its bytes. */
PD_MUST_USE enum pd_status pd_list_keep(struct pd_list *list, uint64_t *size, struct pd_error *err);
void pd_list_free(struct pd_list *list);
PD_MUST_USE enum pd_status pd_list_add(struct pd_list *list, const struct pd_item *item,
                                       struct pd_error *err);
const struct pd_list_totals *pd_list_totals(const struct pd_list *list);

/* Drains a source into the list; stops with PD_INTERRUPTED. keep, if not NULL, decides per item
 * (incremental dumps). */
typedef enum pd_status (*pd_keep_fn)(void *arg, const struct pd_item *item, bool *keep,
                                     struct pd_error *err);
PD_MUST_USE enum pd_status pd_scan(const struct pd_env *env, struct pd_source *source,
                                   pd_keep_fn keep, void *keep_arg, struct pd_list *list,
                                   struct pd_error *err);

/* One batch: the items of one archive, in a memory of its own. Limits: bytes, files, and 8 MiB of
 * path bytes. A single item above the byte limit makes a batch of its own. */
struct pd_batch {
    uint64_t seq; /* 1, 2, ... */
    struct pd_item *items;
    size_t count;
    uint64_t bytes;         /* stored bytes of its files */
    uint64_t archive_bytes; /* about what the archive will take */
    /* private: */
    char *arena;
    size_t item_cap, arena_len, arena_cap;
};
struct pd_batch_limits {
    uint64_t bytes;
    uint64_t files;
    uint64_t volume; /* archive bytes that fit an empty volume; 0: not known */
};

/* Reads from place *cursor (0 at first) and moves it on. batch->count 0: the end. */
PD_MUST_USE enum pd_status pd_batch_next(struct pd_list *list, uint64_t *cursor,
                                         const struct pd_batch_limits *limits,
                                         struct pd_batch *batch, struct pd_error *err);
void pd_batch_init(struct pd_batch *batch);
void pd_batch_release(struct pd_batch *batch);
/* About the bytes that an item takes in an archive, with headers and manifest line. */
uint64_t pd_item_archive_bytes(const struct pd_item *item);

#endif
