/*
 * target_disk_priv: what lies in the folders of a disk target, as found by reading them.
 *
 * A tape file is a regular file "NNNN-<name>.tar"; "NNNN-<name>.tar.partial" and
 * "README.txt.partial" are what a killed run leaves behind. Everything else is not ours.
 */
#ifndef PAIRDUMP_TARGET_DISK_PRIV_H
#define PAIRDUMP_TARGET_DISK_PRIV_H

#include <sys/types.h>

#include "pairdump/target.h"

#define PD_TARGET_DISK_PARTIAL ".partial"
#define PD_TARGET_DISK_README  "README.txt"

struct pd_target_disk_file {
    uint32_t number;
    uint64_t size;
    char *name;
};

/* One volume's folder. Zero-initialized it is empty. */
struct pd_target_disk_folder {
    struct pd_target_disk_file *files; /* tape files, sorted by number */
    size_t count;
    size_t room;
    uint64_t used;   /* bytes of all of them */
    char **partials; /* names of unfinished files */
    size_t partial_count;
    size_t partial_room;
    bool others; /* something that is not ours */
};

/* The folder that holds the volumes. */
struct pd_target_disk_root {
    char (*labels)[PD_LABEL_TEXT];
    size_t count;
    size_t room;
    bool things; /* something that is neither a volume nor left by an interrupted format */
};

/* Replaces what folder held. name is for messages. */
PD_MUST_USE enum pd_status pd_target_disk_scan(int fd, const char *name,
                                               struct pd_target_disk_folder *folder,
                                               struct pd_error *err);
void pd_target_disk_folder_free(struct pd_target_disk_folder *folder);
/* PD_BAD_FORMAT unless the tape files are numbered 0, 1, 2... each once. */
PD_MUST_USE enum pd_status pd_target_disk_check(const struct pd_target_disk_folder *folder,
                                                const char *name, struct pd_error *err);
/* The tape file of that number; PD_MISSING, or PD_BAD_FORMAT when there are two. */
PD_MUST_USE enum pd_status pd_target_disk_find(const struct pd_target_disk_folder *folder,
                                               const char *name, uint32_t number,
                                               const struct pd_target_disk_file **out,
                                               struct pd_error *err);
/* One more at the end. */
PD_MUST_USE enum pd_status pd_target_disk_add(struct pd_target_disk_folder *folder, uint32_t number,
                                              uint64_t size, const char *name,
                                              struct pd_error *err);
/* A folder that an interrupted format left, or an empty one: may be labelled. */
bool pd_target_disk_is_blank(const struct pd_target_disk_folder *folder);

PD_MUST_USE enum pd_status pd_target_disk_scan_root(int fd, const char *dir,
                                                    struct pd_target_disk_root *root,
                                                    struct pd_error *err);
void pd_target_disk_root_free(struct pd_target_disk_root *root);

struct pd_target_disk {
    char *dir;
    int root;
    uint64_t capacity; /* 0: as the file system allows */
    bool reserve;

    /* The mounted volume; folder_fd -1 when there is none. */
    int folder_fd;
    char *folder_name;                   /* DIR/LABEL, for messages */
    bool locked;                         /* ours for writing, and all stale files are gone */
    struct pd_target_disk_folder folder; /* as last read */

    /* The tape file being written; partial NULL when there is none. */
    int out;
    char *partial;
    char *final;
    bool renamed;
    bool over; /* it is to take the place of the file of its name */
    uint64_t written;
    uint64_t flushing; /* where the range begins that was last handed to writeback */
    uint64_t flushed;  /* where it ends */

    /* The tape file being read; in -1 when there is none. */
    int in;
    uint32_t in_number;
    bool direct;
    uint64_t in_size;
    uint64_t in_at;
};

/* The slot claim of the target. */
PD_MUST_USE enum pd_status pd_target_disk_claim(void *impl, struct pd_error *err);
/* openat that survives signals and follows no link in the last component. */
int pd_target_disk_openat(int fd, const char *name, int flags, mode_t mode);
bool pd_target_disk_is_full(int code);
PD_MUST_USE enum pd_status pd_target_disk_sync_folder(int fd, const char *name,
                                                      struct pd_error *err);

/* Writing: create, put*, finish (or sync_file first), then forget; discard instead gives it up. */
PD_MUST_USE enum pd_status pd_target_disk_create(struct pd_target_disk *disk, const char *name,
                                                 struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_disk_put(struct pd_target_disk *disk, const void *bytes,
                                              size_t len, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_disk_sync_file(struct pd_target_disk *disk,
                                                    struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_disk_finish(struct pd_target_disk *disk, struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_disk_discard(struct pd_target_disk *disk,
                                                  struct pd_error *err);
void pd_target_disk_forget(struct pd_target_disk *disk);
/* The error of a call on the file being written: a full file system is the end of the volume. */
enum pd_status pd_target_disk_write_failed(const struct pd_target_disk *disk, int code,
                                           const char *what, struct pd_error *err);

/* Takes the folder for writing; PD_BUSY when another run has it. */
PD_MUST_USE enum pd_status pd_target_disk_lock(struct pd_target_disk *disk, struct pd_error *err);
/* Removes what a killed run left unfinished. */
PD_MUST_USE enum pd_status pd_target_disk_sweep(struct pd_target_disk *disk, struct pd_error *err);
/* The file written has its name: the folder as read follows. */
PD_MUST_USE enum pd_status pd_target_disk_ended(struct pd_target_disk *disk, struct pd_error *err);

/* Slots of the target. */
PD_MUST_USE enum pd_status pd_target_disk_patch(void *impl, uint32_t file_no, uint64_t record,
                                                const void *bytes, size_t len,
                                                struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_disk_rewrite(void *impl, uint32_t file_no, const char *name,
                                                  struct pd_error *err);

/* A slot of the target: the highest number goes first, so that no kill leaves a gap. */
PD_MUST_USE enum pd_status pd_target_disk_cut(void *impl, uint32_t file_no, struct pd_error *err);

/* Reading: read and seek are slots of the target. */
PD_MUST_USE enum pd_status pd_target_disk_open_input(struct pd_target_disk *disk,
                                                     const struct pd_target_disk_file *file,
                                                     struct pd_error *err);
void pd_target_disk_close_input(struct pd_target_disk *disk);
PD_MUST_USE enum pd_status pd_target_disk_read(void *impl, void *buf, size_t size, size_t *got,
                                               struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_disk_seek(void *impl, uint64_t record, uint64_t record_size,
                                               struct pd_error *err);

/* Both PD_UNSUPPORTED. */
PD_MUST_USE enum pd_status pd_target_disk_relabel(void *impl, const char *old_uuid,
                                                  const struct pd_label *label,
                                                  pd_before_fn before, void *arg,
                                                  struct pd_error *err);
PD_MUST_USE enum pd_status pd_target_disk_drive(void *impl, struct pd_drive_status *out,
                                                struct pd_error *err);

#endif
