/*
 * Help for the tests of restore: a dump of two copies on disk volumes, built entry by entry, so that
 * it can also hold what no dump would write.
 */
#ifndef WORK_RESTORE_SET_H
#define WORK_RESTORE_SET_H

#include "pairdump/catalog.h"
#include "pairdump/tar.h"
#include "pairdump/target.h"
#include "pairdump/text.h"
#include "work_restore_lib.h"

#define RESTORE_SET_RECORD 65536

struct restore_set {
    struct restore_lib_env e;
    char root[64];
    char disk[2][80]; /* root/disk1, root/disk2; volumes RS100001, RS200001 */
    char to[80];      /* root/to, not there yet */
    struct pd_target *targets[2];
    struct pd_volume_row volumes[2];
    struct pd_catalog *catalog;
    struct pd_dump_row dump;
    uint64_t seq;
    int64_t copy_ids[2]; /* of the last archive */
    uint32_t tape_file;  /* of the last archive */
    /* of the archive being built: */
    struct pd_toc toc;
    struct pd_buf bytes;
    struct pd_tar_writer *writer;
};

/* What to add: toc and tar say the same unless tar_name, tar_type or tar_link are set. */
struct restore_set_entry {
    const char *path; /* source path, as in the toc */
    char kind;        /* enum pd_kind */
    char state;       /* 0: PD_WHOLE */
    const char *data; /* of a regular file; NULL: len bytes made from seed */
    size_t len;
    unsigned seed;
    const char *link;     /* symlink target, or source path of the first name */
    unsigned mode;        /* 0: 0644, folders 0755 */
    int64_t mtime;        /* 0: 1000000000 */
    uint64_t ino;         /* 0: one name */
    const char *tar_name; /* whole pathname in the tar instead of "<archive>/data<path>" */
    const char *tar_link; /* link target in the tar instead of link */
    char tar_kind;        /* kind in the tar instead of kind */
    bool wrong_sha256;
    const char *xattr; /* value of user.test, or NULL */
};

void restore_set_start(struct restore_set *set);
void restore_set_end(struct restore_set *set);
/* Another dump, from now on: set->dump. Archives go on being numbered. */
void restore_set_dump(struct restore_set *set, const char *name);
void restore_set_archive(struct restore_set *set);
void restore_set_add(struct restore_set *set, const struct restore_set_entry *entry);
/* Writes the archive to both volumes and the catalog; copies are then in state written. */
void restore_set_write(struct restore_set *set);
/* Flips a bit of an archive on one volume. */
void restore_set_flip(const struct restore_set *set, size_t copy, uint64_t seq, uint64_t offset);
/* Expects root/to/<rel> to be a file of these bytes. */
void restore_set_expect(const struct restore_set *set, const char *rel, const char *data);
void restore_set_expect_made(const struct restore_set *set, const char *rel, unsigned seed,
                             size_t len);
bool restore_set_there(const struct restore_set *set, const char *rel);

#endif
