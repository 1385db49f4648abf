/*
 * What the parts of restore share.
 *
 *     restore.c          the run: space, order, summary
 *     restore_plan.c     which files of which archives, and in which order
 *     restore_newest.c   of several dumps, which has the newest of a path
 *     restore_needs.c    what a dry run tells of volumes
 *     restore_sum.c      what is told of volumes in the end
 *     restore_archive.c  one archive: which file from where, in the order of the archive
 *     restore_names.c    files with several names
 *     restore_volume.c   the volumes open for reading
 *     restore_volume_open.c  finding and opening one, in a thread
 *     restore_tree.c     the destination: folders, temporary names, nothing outside of it
 *     restore_file.c     one entry of an archive becomes one file
 *     restore_stream.c   the same as a stream of tar
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

/* All data of a file from the reader, in rising order; holes are left out. PD_OK: it has the size
 * and digest that it must have. *place: it was take that failed. */
typedef enum pd_status (*pd_restore_data_fn)(void *arg, const void *bytes, size_t len,
                                             uint64_t offset, struct pd_error *err);
PD_MUST_USE enum pd_status pd_restore_data(struct pd_tar_reader *reader,
                                           const struct pd_toc_file *expect,
                                           pd_restore_data_fn take, void *arg, bool *place,
                                           struct pd_error *err);

/* ---- a stream of tar instead of a destination ---- */

/* Folders come twice: empty ones that can be filled before their content, and as they are to be,
 * from below, at the end. */
struct pd_restore_stream;
PD_MUST_USE enum pd_status pd_restore_stream_open(const struct pd_env *env,
                                                  const struct pd_restore_options *options,
                                                  struct pd_restore_stream **out,
                                                  struct pd_error *err);
void pd_restore_stream_free(struct pd_restore_stream *stream);
/* The folders, and the end mark, without which no reader takes the stream for whole. */
PD_MUST_USE enum pd_status pd_restore_stream_finish(struct pd_restore_stream *stream,
                                                    struct pd_error *err);
/* True: nothing more can be sent. */
bool pd_restore_stream_broken(const struct pd_restore_stream *stream);
/* Does the file wait in the temporary file? Else it is proved, read again, and sent as proved. */
bool pd_restore_stream_fits(const struct pd_restore_stream *stream, const struct pd_toc_file *file);
PD_MUST_USE enum pd_status pd_restore_stream_prove(struct pd_tar_reader *reader,
                                                   const struct pd_toc_file *expect,
                                                   struct pd_error *err);
/* As pd_restore_file. */
PD_MUST_USE enum pd_status pd_restore_stream_file(struct pd_restore_stream *stream,
                                                  struct pd_tar_reader *reader,
                                                  struct archive_entry *entry,
                                                  const struct pd_toc_file *expect, const char *rel,
                                                  bool proved, struct pd_restore_outcome *outcome,
                                                  struct pd_error *err);
PD_MUST_USE enum pd_status pd_restore_stream_link(struct pd_restore_stream *stream,
                                                  const struct pd_toc_file *file, const char *from,
                                                  const char *rel, struct pd_error *err);

/* ---- volumes ---- */

struct pd_restore_volumes;
struct pd_restore_run;

PD_MUST_USE enum pd_status pd_restore_volumes_new(struct pd_restore_run *run,
                                                  struct pd_restore_volumes **out,
                                                  struct pd_error *err);
void pd_restore_volumes_free(struct pd_restore_volumes *volumes);
/* Opens what it can of an archive's copies, the most trusted first; the others are reported as
 * avoided. Without replaced, copies that others stand in for are left out, which *spare tells.
 * PD_MISSING if none is left, naming why. Caller frees *out with free(3). */
PD_MUST_USE enum pd_status pd_restore_volumes_open(struct pd_restore_volumes *volumes,
                                                   const struct pd_archive_row *archive,
                                                   bool replaced, struct pd_replica_copy **out,
                                                   size_t *count, bool *spare,
                                                   struct pd_error *err);
/* Opens a volume at url, or, NULL, wherever it is found; PD_HUNG when that takes the
 * stall time, waits for a changer not counted. asked: the operator was asked for it, so another one
 * makes way. */
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
    struct pd_restore_tree *tree; /* NULL in a dry run, and with a stream */
    struct pd_restore_stream *stream;
    struct pd_restore_volumes *volumes;
    void *links;           /* tsearch(3) tree of files with several names restored so far */
    bool *pattern_matched; /* one per pattern */
    int64_t from;          /* the volume that options->from names */
    struct pd_restore_volume **seen; /* volumes that something is told of, in order of need */
    size_t seen_count;
};

/* ---- the plan ---- */

/* What is asked for of one archive. */
struct pd_restore_part {
    struct pd_archive_row archive;
    uint64_t file_count;   /* of the archive */
    uint8_t *wanted;       /* a bit for each */
    uint64_t files, bytes; /* asked for */
    int64_t volume;     /* by which it is put in order: the first, in the order of their making, */
    uint32_t tape_file; /* of those that have it; and its place there */
};

struct pd_restore_plan {
    struct pd_restore_part *parts; /* in the order of reading */
    size_t count, cap;
    uint64_t files, bytes;
    uint64_t space; /* bytes that the destination needs, about */
};

bool pd_restore_part_wants(const struct pd_restore_part *part, uint64_t file);
/* PD_NOT_FOUND when no file is asked for. Released also after a failure. */
PD_MUST_USE enum pd_status pd_restore_plan_make(struct pd_restore_run *run,
                                                struct pd_restore_plan *plan, struct pd_error *err);
void pd_restore_plan_release(struct pd_restore_plan *plan);
/* Could a copy be read, as far as the catalog knows, if its volume is at hand? */
bool pd_restore_copy_counts(const struct pd_restore_run *run, const struct pd_copy_row *row);

/* Dumps are gone through from the newest to the oldest, numbered from 0. */
struct pd_restore_newest;
PD_MUST_USE enum pd_status pd_restore_newest_new(struct pd_restore_newest **out,
                                                 struct pd_error *err);
void pd_restore_newest_free(struct pd_restore_newest *newest);
/* Is this the newest of its path, and nothing newer stands where a folder above it stood? From then
 * on it is known. */
PD_MUST_USE enum pd_status pd_restore_newest_take(struct pd_restore_newest *newest, uint32_t dump,
                                                  const struct pd_toc_file *file, bool *taken,
                                                  struct pd_error *err);

/* The volumes that the plan needs, and which of them can be reached; counts in the summary. */
PD_MUST_USE enum pd_status pd_restore_needs(struct pd_restore_run *run,
                                            const struct pd_restore_plan *plan,
                                            struct pd_error *err);

/* ---- what is told of volumes ---- */

/* NULL: short memory, or the catalog does not know it; then less is told. */
struct pd_restore_volume *pd_restore_seen(struct pd_restore_run *run, const char *label);
void pd_restore_opened(struct pd_restore_run *run, const char *label);
/* What the copies of an archive have given. */
void pd_restore_served(struct pd_restore_run *run, const struct pd_replica_copy *copies,
                       size_t count);
void pd_restore_tell_seen(const struct pd_restore_run *run);
void pd_restore_seen_free(struct pd_restore_run *run);

/* ---- files with several names ---- */

/* The name under which the same file, unchanged, was restored from an earlier archive of that dump,
 * or NULL. */
const char *pd_restore_linked_before(const struct pd_restore_run *run, int64_t dump_id,
                                     const struct pd_toc_file *file);
PD_MUST_USE enum pd_status pd_restore_linked_remember(struct pd_restore_run *run, int64_t dump_id,
                                                      const struct pd_toc_file *file,
                                                      const char *rel, struct pd_error *err);
void pd_restore_linked_free(void *links);
/* Places of hard links' first names. */
#define PD_RESTORE_NONE UINT64_MAX
PD_MUST_USE enum pd_status pd_restore_first_names(const struct pd_toc *toc,
                                                  const struct pd_restore_part *part,
                                                  uint64_t *firsts, struct pd_error *err);

/* Tells the caller of a file in trouble. */
void pd_restore_report(const struct pd_restore_run *run, const char *path,
                       const struct pd_error *err);
void pd_restore_avoided(struct pd_restore_run *run, const char *label, const char *archive,
                        uint64_t record, enum pd_status why);
/* Restores what is asked for of one archive; counts in the summary. Other values than PD_OK end the
 * run. */
PD_MUST_USE enum pd_status pd_restore_archive(struct pd_restore_run *run,
                                              const struct pd_restore_part *part,
                                              struct pd_error *err);

#endif
