/*
 * source: where files come from. First it lists items, later it opens and reads them by item.
 *
 * A driver (paths now; stdin, URL, command later) fills every slot. Listing and reading may run in
 * different threads, one of each at a time. Paths are absolute, clean, raw bytes.
 */
#ifndef PAIRDUMP_SOURCE_H
#define PAIRDUMP_SOURCE_H

#include "pairdump/env.h"
#include "pairdump/toc.h"

struct archive_entry;

/* What the listing knows of a file; enough to batch it and to compare it with the catalog. */
struct pd_item {
    const char *path; /* valid until the next call on the source, or as the holder says */
    size_t path_len;
    char kind;        /* enum pd_kind, never PD_KIND_HARDLINK */
    uint32_t mtime_ns, ctime_ns;
    int64_t mtime, ctime;
    uint64_t size;    /* logical bytes of a regular file */
    uint64_t stored;  /* bytes it will take in an archive, about: less than size for sparse ones */
    uint64_t dev, ino, nlink;
};

/* A file, directory, ... that could not be listed or read as it should. */
struct pd_problem {
    const char *path;
    enum pd_status status; /* PD_SOURCE_VANISHED, _UNREADABLE, _CHANGED */
    int sys_errno;
    const char *message;
    bool archived; /* something of it is in the archive (state ~ or !) */
};
typedef enum pd_status (*pd_problem_fn)(void *arg, const struct pd_problem *problem,
                                        struct pd_error *err);

struct pd_source_file; /* an open item; private to the driver */

/* Called with each thing that a source covers. */
typedef enum pd_status (*pd_root_fn)(void *arg, const char *path, struct pd_error *err);

struct pd_source_ops {
    const char *scheme;
    /* What it covers: paths, and all that lies below them. Asked for before the first item only. */
    enum pd_status (*roots)(void *impl, pd_root_fn fn, void *arg, struct pd_error *err);
    /* Next item in a stable order (parents before children); PD_END_OF_DATA at the end. What
     * cannot be listed goes to the problem function, and listing goes on. */
    enum pd_status (*next)(void *impl, struct pd_item *out, struct pd_error *err);
    /* Opens an item and fills entry with everything but the pathname: type, mode, owner and names,
     * times, size, links, device numbers, xattrs, ACLs, sparse map. Not for the item any more:
     * PD_SOURCE_VANISHED or PD_SOURCE_UNREADABLE. An attribute that cannot be read is not filled,
     * and close_file tells. Items that are no regular files have no data. */
    enum pd_status (*open)(void *impl, const struct pd_item *item, struct archive_entry *entry,
                           struct pd_source_file **out, struct pd_error *err);
    /* Bytes at offset; *got < size only at the end of the file. PD_SOURCE_UNREADABLE on EIO. */
    enum pd_status (*read)(void *impl, struct pd_source_file *file, void *buf, size_t size,
                           uint64_t offset, size_t *got, struct pd_error *err);
    /* Closes; PD_SOURCE_CHANGED if size, mtime or ctime moved since open, or if there are more bytes
     * than the size says; PD_SOURCE_UNREADABLE if an attribute could not be read. */
    enum pd_status (*close_file)(void *impl, struct pd_source_file *file, struct pd_error *err);
    void (*close)(void *impl);
};

struct pd_source;
/* Takes impl over: it is closed when this fails. PD_INTERNAL when a slot is empty. */
PD_MUST_USE enum pd_status pd_source_new(const struct pd_source_ops *ops, void *impl,
                                         struct pd_source **out, struct pd_error *err);
PD_MUST_USE enum pd_status pd_source_roots(struct pd_source *source, pd_root_fn fn, void *arg,
                                           struct pd_error *err);
PD_MUST_USE enum pd_status pd_source_next(struct pd_source *source, struct pd_item *out,
                                          struct pd_error *err);
PD_MUST_USE enum pd_status pd_source_open(struct pd_source *source, const struct pd_item *item,
                                          struct archive_entry *entry,
                                          struct pd_source_file **out, struct pd_error *err);
PD_MUST_USE enum pd_status pd_source_read(struct pd_source *source, struct pd_source_file *file,
                                          void *buf, size_t size, uint64_t offset, size_t *got,
                                          struct pd_error *err);
PD_MUST_USE enum pd_status pd_source_close_file(struct pd_source *source,
                                                struct pd_source_file *file,
                                                struct pd_error *err);
void pd_source_close(struct pd_source *source);

/* The path source. All strings are copied. */
struct pd_source_path_options {
    const char *const *paths;    /* as given by the user */
    size_t path_count;
    const char *list_file;       /* -T: file of paths, one per line; "-" is fd 0; or NULL */
    bool list_nul;               /* -0: separated by NUL instead of LF */
    bool list_recurse;           /* folders named in the list are walked too (default true) */
    const char *const *excludes; /* glob patterns: with a '/' against the whole path, without one
                                    against the last component; a folder takes all below along,
                                    but for what is named itself */
    size_t exclude_count;
    bool one_file_system;
    const char *cwd;             /* for relative paths */
    pd_problem_fn on_problem;
    void *problem_arg;
};
/* The absolute path under which a path is archived. ".." leads where the disk says, which is not always
 * one name up; "link/" means what the link leads to; no other link is followed. Caller frees *out. */
PD_MUST_USE enum pd_status pd_source_path_name(const char *path, const char *cwd, char **out,
                                               struct pd_error *err);
PD_MUST_USE enum pd_status pd_source_path_open(const struct pd_env *env,
                                               const struct pd_source_path_options *options,
                                               struct pd_source **out, struct pd_error *err);

#endif
