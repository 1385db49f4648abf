/*
 * What the parts of restore share.
 *
 *     restore.c          plan, space, summary
 *     restore_archive.c  one archive: which file from where, in the order of the archive
 *     restore_volume.c   the volumes open for reading
 *     restore_volume_open.c  finding and opening one, in a thread
 *     restore_tree.c     the destination: folders, temporary names, nothing outside of it
 *     restore_file.c     one entry of an archive becomes one file
 *     restore_meta.c     owner, mode, extended attributes, ACLs, times
 *
 * "rel" is a path below the destination, without a leading slash; "" is the destination itself.
 */
#ifndef PAIRDUMP_RESTORE_PRIV_H
#define PAIRDUMP_RESTORE_PRIV_H

#include <sys/stat.h>

#include "pairdump/replica.h"
#include "pairdump/restore.h"
#include "pairdump/tar.h"

struct archive_entry;

/* ---- metadata ---- */

/* A file just made or about to be changed, held by a descriptor so that no name can be swapped. */
struct pd_restore_object {
    int fd;         /* with path_only: opened with O_PATH */
    bool path_only; /* symbolic links, fifos, devices */
    char kind;      /* enum pd_kind */
};

/* What is set last; plain data, so that folders can wait for their content. */
struct pd_restore_meta {
    uint32_t mode; /* 07777 */
    uint64_t uid, gid;
    struct timespec times[2]; /* access (UTIME_OMIT if unknown), modification */
    void *acl, *default_acl;  /* as the kernel takes them; NULL: none */
    size_t acl_len, default_acl_len;
};

PD_MUST_USE enum pd_status pd_restore_meta_take(struct archive_entry *entry,
                                                struct pd_restore_meta *out, struct pd_error *err);
void pd_restore_meta_release(struct pd_restore_meta *meta);
/* All that can be set is set; the first thing that cannot is PD_RESTORE. */
PD_MUST_USE enum pd_status pd_restore_meta_apply(const struct pd_restore_object *object,
                                                 const struct pd_restore_meta *meta,
                                                 struct archive_entry *xattrs,
                                                 struct pd_error *err);
PD_MUST_USE enum pd_status pd_restore_meta_xattrs(const struct pd_restore_object *object,
                                                  struct archive_entry *entry,
                                                  struct pd_error *err);

/* ---- destination ---- */

struct pd_restore_tree;
typedef void (*pd_restore_trouble_fn)(void *arg, const char *rel, const struct pd_error *err);

/* Makes the folder if it is missing. */
PD_MUST_USE enum pd_status pd_restore_tree_open(const struct pd_env *env, const char *destination,
                                                bool overwrite, struct pd_restore_tree **out,
                                                struct pd_error *err);
/* Sets what folders get last, newest first, and puts all on the medium. trouble is called per folder
 * that refused. */
PD_MUST_USE enum pd_status pd_restore_tree_finish(struct pd_restore_tree *tree,
                                                  pd_restore_trouble_fn trouble, void *arg,
                                                  struct pd_error *err);
void pd_restore_tree_free(struct pd_restore_tree *tree);

/* Folder of rel, made if it is missing; *dir stays open until the next call; *leaf points into rel.
 * PD_UNSAFE_PATH if rel or a link on the way leaves the destination. */
PD_MUST_USE enum pd_status pd_restore_tree_parent(struct pd_restore_tree *tree, const char *rel,
                                                  int *dir, const char **leaf,
                                                  struct pd_error *err);
/* Does something stand at rel? Makes nothing. */
PD_MUST_USE enum pd_status pd_restore_tree_look(struct pd_restore_tree *tree, const char *rel,
                                                bool *there, struct stat *st,
                                                struct pd_error *err);
#define PD_RESTORE_TEMP 40
void pd_restore_tree_temp(struct pd_restore_tree *tree, char out[PD_RESTORE_TEMP]);
/* Gives a temporary file its name: PD_EXISTS if the name is taken and overwrite is off. On failure
 * the temporary file is gone. */
PD_MUST_USE enum pd_status pd_restore_tree_publish(struct pd_restore_tree *tree, int dir,
                                                   const char *temp, const char *leaf,
                                                   struct pd_error *err);
/* Makes a folder, or takes the one that is there; its metadata is set at the end. */
PD_MUST_USE enum pd_status pd_restore_tree_dir(struct pd_restore_tree *tree, const char *rel,
                                               struct archive_entry *entry, struct pd_error *err);
/* rel becomes another name of a file restored before. */
PD_MUST_USE enum pd_status pd_restore_tree_link(struct pd_restore_tree *tree, const char *from,
                                                const char *rel, struct pd_error *err);

/* ---- one entry ---- */

struct pd_restore_outcome {
    bool back;  /* stands under its name; with a failure status, not all metadata is set */
    bool place; /* a failure is the destination's, not the data's */
};

/* The entry that the reader has just given, not a hard link, becomes rel. expect says what size and
 * digest it must have. */
PD_MUST_USE enum pd_status pd_restore_file(struct pd_restore_tree *tree,
                                           struct pd_tar_reader *reader,
                                           struct archive_entry *entry,
                                           const struct pd_toc_file *expect, const char *rel,
                                           struct pd_restore_outcome *outcome,
                                           struct pd_error *err);

/* ---- volumes ---- */

struct pd_restore_volumes;
struct pd_restore_run;

PD_MUST_USE enum pd_status pd_restore_volumes_new(struct pd_restore_run *run,
                                                  struct pd_restore_volumes **out,
                                                  struct pd_error *err);
void pd_restore_volumes_free(struct pd_restore_volumes *volumes);
/* Opens what it can of an archive's copies, the most trusted first; the others are reported as
 * avoided. PD_MISSING if none is left, naming why. Caller frees *out with free(3). */
PD_MUST_USE enum pd_status pd_restore_volumes_open(struct pd_restore_volumes *volumes,
                                                   const struct pd_archive_row *archive,
                                                   struct pd_replica_copy **out, size_t *count,
                                                   struct pd_error *err);
/* Opens a volume at url, or, NULL, wherever it is found; PD_HUNG when that takes the stall time.
 * asked: the operator was asked for it, so another one makes way. */
PD_MUST_USE enum pd_status pd_restore_volume_open(const struct pd_restore_run *run,
                                                  const struct pd_volume_row *row, bool asked,
                                                  const char *url, struct pd_target **out,
                                                  struct pd_error *err);

/* ---- the run ---- */

struct pd_restore_run {
    const struct pd_env *env;
    struct pd_catalog *catalog;
    const struct pd_restore_options *options;
    struct pd_restore_summary *summary;
    struct pd_restore_tree *tree; /* NULL in a dry run */
    struct pd_restore_volumes *volumes;
    void *links;           /* tsearch(3) tree of files with several names restored so far */
    bool *pattern_matched; /* one per pattern */
};

/* Is this path asked for? Marks the patterns that say so. */
bool pd_restore_wants(struct pd_restore_run *run, const char *path);
/* Tells the caller of a file in trouble. */
void pd_restore_report(const struct pd_restore_run *run, const char *path,
                       const struct pd_error *err);
void pd_restore_avoided(const struct pd_restore_run *run, const char *label, const char *archive,
                        uint64_t record, enum pd_status why);
/* Restores what is asked for of one archive; counts in the summary. Other values than PD_OK end the
 * run. */
PD_MUST_USE enum pd_status pd_restore_archive(struct pd_restore_run *run,
                                              const struct pd_archive_row *archive,
                                              struct pd_error *err);
void pd_restore_links_free(void *links);

#endif
