/*
 * Help for the tests of verify and check: a dumped source tree on two targets, and ways to harm it.
 */
#ifndef WORK_VERIFY_SET_H
#define WORK_VERIFY_SET_H

#include "pairdump/catalog.h"
#include "pairdump/target.h"
#include "work_restore_lib.h"

#define VERIFY_SET_RECORD 65536

struct verify_set {
    struct restore_lib_env e;
    char root[64];
    char source[80];
    char place[2][80]; /* folders of the targets */
    char url[2][120];
    struct pd_catalog *catalog;
    enum pd_digest_alg alg;  /* of the dumps to come */
    struct pd_dump_row dump; /* the last one */
};

/* Makes a source tree of a dozen files (about 600 KiB). scheme: "disk" or "mock"; options: behind
 * the folder in each URL ("?capacity=1M"), or "". */
void verify_set_start(struct verify_set *set, const char *scheme, const char *options);
/* Dumps the tree without verification, files files to an archive. */
void verify_set_dump(struct verify_set *set, const char *name, uint64_t files);
void verify_set_end(struct verify_set *set);
/* The same, but leaves the env alone, for a thread that hung and may still look at it: the set must
 * not be freed then. */
void verify_set_leave(struct verify_set *set);

/* The table of contents of archive seq of the last dump; released by the caller. */
int64_t verify_set_toc(struct verify_set *set, uint64_t seq, struct pd_toc *toc);
/* A mounted disk volume of copy 0 or 1; closed by the caller with verify_set_close. */
struct pd_target *verify_set_mount(struct verify_set *set, size_t copy, const char *filter);
void verify_set_close(struct pd_target *target);

/* Path of a tape file on a disk volume (PD100001, PD200001). */
void verify_set_path(const struct verify_set *set, size_t copy, uint32_t tape_file, char *out,
                     size_t size);
uint64_t verify_set_size(const char *path);
void verify_set_flip(const char *path, uint64_t offset, unsigned bit);
void verify_set_truncate(const char *path, uint64_t size);
void verify_set_swap(const char *path, uint64_t record_a, uint64_t record_b);

#endif
