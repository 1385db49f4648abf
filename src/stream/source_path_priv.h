/*
 * source_path: files below paths. What was named stands in source_path_roots.c, listing in
 * source_path_walk.c, reading in source_path.c, metadata in source_path_meta.c.
 *
 * The walk keeps one sorted list of names per folder on its stack. Roots are sorted in the order of
 * the walk, which notes those that it meets below another root, so that no path is listed twice, and
 * those that it does not meet (behind a link or a mount point, or gone) get their turn.
 */
#ifndef PAIRDUMP_STREAM_SOURCE_PATH_PRIV_H
#define PAIRDUMP_STREAM_SOURCE_PATH_PRIV_H

#include <sys/stat.h>

#include "pairdump/source.h"
#include "pairdump/text.h"

struct pd_path_folder {
    char **names; /* sorted by bytes */
    size_t count, next;
    size_t path_len; /* of this folder in path.data */
    int fd;          /* -1 where it lies too deep to be held open */
};

/* A path that was named, and how the walk of another root met it. */
struct pd_path_root {
    char *path;
    enum { PD_ROOT_NOT_SEEN, PD_ROOT_GIVEN, PD_ROOT_WALKED } seen; /* given: not entered */
};

struct pd_path_name_cache {
    uint64_t id;
    bool valid;
    char name[257]; /* "" when the id has no name, or one too long */
};

struct pd_source_path {
    const struct pd_env *env;
    struct pd_path_root *roots;
    size_t root_count, next_root;
    size_t next_seen; /* the first that the walk may still meet */
    char **excludes;
    size_t exclude_count;
    bool recurse, one_file_system;
    dev_t device; /* of the root being walked */
    struct pd_path_folder *stack;
    size_t depth, stack_cap;
    struct pd_buf path; /* of the item given last */
    pd_problem_fn on_problem;
    void *problem_arg;
    struct pd_path_name_cache users[16], groups[16];
};

PD_MUST_USE enum pd_status pd_source_path_walk(void *impl, struct pd_item *out,
                                               struct pd_error *err);
void pd_source_path_walk_free(struct pd_source_path *source);
PD_MUST_USE enum pd_status pd_source_path_roots(struct pd_source_path *source,
                                                const struct pd_source_path_options *options,
                                                struct pd_error *err);
void pd_source_path_roots_free(struct pd_source_path *source);
/* The next root that was not walked, or NULL; valid until the call after. */
const struct pd_path_root *pd_source_path_next_root(struct pd_source_path *source);
/* The walk came to this path; entered: nothing below it is left out. */
void pd_source_path_saw(struct pd_source_path *source, const char *path, bool entered);
/* Takes word, which may be NULL for want of memory. */
PD_MUST_USE enum pd_status pd_source_path_add_word(char ***words, size_t *count, char *word,
                                                   struct pd_error *err);
char pd_source_path_kind(mode_t mode); /* enum pd_kind, 0 for what has none (sockets) */

/* For reading, without following a link or waiting for anything; as open(2). */
int pd_source_path_open_file(const char *path);
/* About the bytes that a file of this size takes in an archive, its holes left out. */
uint64_t pd_source_path_stored(const char *path, uint64_t size);

/* Fills everything but the pathname. fd -1: not open (no regular file). lack: gets an error when some
 * attribute could not be read, and the rest is filled nevertheless. */
PD_MUST_USE enum pd_status pd_source_path_meta(struct pd_source_path *source, int fd,
                                               const char *path, const struct stat *st,
                                               struct archive_entry *entry,
                                               struct pd_error *lack, struct pd_error *err);

#endif
