/*
 * sample: reproducible test data: the same seed, size and count make the same tree everywhere.
 *
 * Sizes spread from empty to large, some text-like and some random, names with spaces and non-ASCII,
 * nested folders, symbolic and hard links, a sparse file. Times are fixed by the seed.
 */
#ifndef PAIRDUMP_SAMPLE_H
#define PAIRDUMP_SAMPLE_H

#include "pairdump/env.h"

struct pd_sample_options {
    uint64_t bytes; /* in all, reached exactly */
    uint64_t files; /* regular files, at least 1 */
    uint64_t seed;
};
/* dir must exist and be empty. */
PD_MUST_USE enum pd_status pd_sample_make(const struct pd_env *env, const char *dir,
                                          const struct pd_sample_options *options,
                                          struct pd_error *err);
/* Compares two trees: names, kinds, content, modes, owners, times, link targets, xattrs. Calls fn
 * per difference; PD_BAD_FILE if there was any. */
typedef void (*pd_sample_diff_fn)(void *arg, const char *path, const char *what);
PD_MUST_USE enum pd_status pd_sample_compare(const struct pd_env *env, const char *a,
                                             const char *b, pd_sample_diff_fn fn, void *arg,
                                             struct pd_error *err);
/* Removes a tree that pd_sample_make or a restore of it made; never follows links. */
PD_MUST_USE enum pd_status pd_sample_remove(const char *dir, struct pd_error *err);

#endif
