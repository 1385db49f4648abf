/*
 * catalog: what its files share. One file per noun: dump, volume, archive, folder, file, find, held,
 * verify, check, export, claim, apply.
 *
 * A driver may hold the whole result of a statement: where there may be millions of rows, a statement
 * asks for a page of them, and the next begins behind its last row.
 *
 * Invariant: outside a call no transaction is open and no statement busy; within pd_catalog_apply
 * one transaction is, which the calls made by its function join.
 */
#ifndef PAIRDUMP_CATALOG_PRIV_H
#define PAIRDUMP_CATALOG_PRIV_H

#include "pairdump/catalog.h"
#include "pairdump/sql.h"

enum { PD_FOLDER_CACHE = 4096, PD_CAT_PAGE = 1000 };

struct pd_folder_slot {
    int64_t id;
    char *path; /* NULL: empty slot */
    size_t len;
};

struct pd_catalog {
    const struct pd_env *env;
    struct pd_sql *sql;
    char *url;
    const char *path; /* of an embedded one, in url; else NULL */
    bool once; /* nothing is tried again */
    unsigned schema;
    unsigned depth; /* of transactions; only the outermost is one of the database */
    bool doomed;    /* something within this one failed, so it cannot be committed */
    bool unsure;    /* a try before may have been committed: see enum pd_cat_again */
    struct pd_folder_slot folders[PD_FOLDER_CACHE]; /* ids of committed folders, or of this
                                                       transaction: emptied on rollback */
};

/*
 * Prepares and binds in one go. Each letter of fmt takes its arguments: i int64_t, s const char *,
 * b const void * and size_t, n nothing (NULL). pd_cat_run also steps to the end.
 */
PD_MUST_USE enum pd_status pd_cat_query(struct pd_catalog *catalog, struct pd_sql_stmt **stmt,
                                        struct pd_error *err, const char *sql, const char *fmt,
                                        ...);
PD_MUST_USE enum pd_status pd_cat_run(struct pd_catalog *catalog, struct pd_error *err,
                                      const char *sql, const char *fmt, ...);

/* After pd_sql_add_row: sends what waits, or gives it up and returns status when that is not PD_OK. */
PD_MUST_USE enum pd_status pd_cat_end_rows(struct pd_sql_stmt *stmt, enum pd_status status,
                                           struct pd_error *err);

/* After an update of one row by its id: PD_CATALOG when there was none. */
PD_MUST_USE enum pd_status pd_cat_expect_row(struct pd_catalog *catalog, const char *what,
                                             struct pd_error *err);

/*
 * What follows when a connection is lost while committing, and nobody knows whether it was taken.
 * The server may even be at it still, so a function that looks changes a row first, and so waits.
 */
enum pd_cat_again {
    PD_CAT_REPEAT, /* done twice is done once: again, and in the end PD_CATALOG_LOST */
    PD_CAT_LOOK,   /* again, with catalog->unsure set, so that fn looks whether it is done already;
                      in the end PD_COMMIT_UNKNOWN, because a new call would not look */
    PD_CAT_ONCE,   /* never again, whatever fails */
};

/* Begin, fn, commit; rollback when fn fails. What a later try can mend is tried again as an
 * activity, so fn may be called several times. Within another transaction: fn alone. */
PD_MUST_USE enum pd_status pd_cat_transaction(struct pd_catalog *catalog, enum pd_cat_again again,
                                              pd_catalog_fn fn, void *arg, struct pd_error *err);

/* What is read from now on is of one moment; ended by pd_sql_rollback. Only the beginning is tried
 * again. */
PD_MUST_USE enum pd_status pd_cat_begin_read(struct pd_catalog *catalog, struct pd_error *err);

/* Id of a row that an INSERT has made with this status. When it is there already, and may have been
 * made by a try before: the id that find ("SELECT id ... WHERE uuid = ?") gives. */
PD_MUST_USE enum pd_status pd_cat_added(struct pd_catalog *catalog, enum pd_status status,
                                        const char *find, const char *uuid, int64_t *id,
                                        struct pd_error *err);
/* The number in the first row and column; 0 when there is no row. */
PD_MUST_USE enum pd_status pd_cat_number(struct pd_sql_stmt *stmt, int64_t *out,
                                         struct pd_error *err);

/* Text of a column, cut to size and NUL-terminated. */
void pd_cat_text(struct pd_sql_stmt *stmt, unsigned column, char *out, size_t size);
/* A status stored by name; an unknown name is PD_INTERNAL, the worst. */
enum pd_status pd_cat_status(struct pd_sql_stmt *stmt, unsigned column);
int pd_cat_enum(struct pd_sql_stmt *stmt, unsigned column, const char *const *names, int count);

/* Splits an absolute path: *folder_len bytes of folder ("/" for the top), the rest is the name. */
const char *pd_cat_split(const char *path, size_t len, size_t *folder_len);
int64_t pd_cat_folder_hash(const char *path, size_t len);
/* Id of a folder; 0 if unknown and make is false. */
PD_MUST_USE enum pd_status pd_cat_folder(struct pd_catalog *catalog, const char *path, size_t len,
                                         bool make, int64_t *id, struct pd_error *err);
void pd_cat_forget_folders(struct pd_catalog *catalog);
/* Makes folders of the files from *ready on, a number of them at once, and has their ids at hand;
 * *ready becomes the file up to which that goes. */
PD_MUST_USE enum pd_status pd_cat_folders_ahead(struct pd_catalog *catalog,
                                                const struct pd_toc *toc, uint64_t *ready,
                                                struct pd_error *err);

/* A file row of "SELECT " PD_CAT_FILE_COLUMNS; path and link go to buf, which file points into. */
#define PD_CAT_FILE_COLUMNS                                                                        \
    "f.kind, f.state, f.mode, f.uid, f.gid, f.size, f.mtime, f.mtime_ns, f.ctime, f.ctime_ns,"     \
    " f.dev, f.ino, f.file_offset, f.file_length, f.sha256, f.link, d.path, f.name,"               \
    " f.digest"
enum { PD_CAT_FILE_NEXT = 19 };
/* alg: that of its archive. */
PD_MUST_USE enum pd_status pd_cat_file_row(struct pd_sql_stmt *stmt, enum pd_digest_alg alg,
                                           struct pd_buf *buf, struct pd_toc_file *file,
                                           struct pd_error *err);
/* An archive's digest_algorithm; PD_CATALOG if it is none that is known here. */
PD_MUST_USE enum pd_status pd_cat_alg(struct pd_sql_stmt *stmt, unsigned column,
                                      enum pd_digest_alg *alg, struct pd_error *err);
PD_MUST_USE enum pd_status pd_cat_files_add(struct pd_catalog *catalog, int64_t archive_id,
                                            const struct pd_toc *toc, struct pd_error *err);

/* Copies of an archive by state; the answer is kept in *counts, for as long as its holder likes. */
struct pd_cat_counts {
    int64_t archive_id;
    unsigned verified, written, bad;
    int64_t oldest, newest; /* last times at which the verified ones were read back */
};
PD_MUST_USE enum pd_status pd_cat_count_copies(struct pd_catalog *catalog, int64_t archive_id,
                                               struct pd_cat_counts *counts, struct pd_error *err);

/* Does the copy lie on a volume that was given up, or was it replaced? Then it stays bad, whatever
 * is found out. */
PD_MUST_USE enum pd_status pd_cat_given_up(struct pd_catalog *catalog, int64_t copy_id,
                                           bool *given_up, struct pd_error *err);

extern const char *const pd_cat_dump_states[];
extern const char *const pd_cat_copy_states[];
extern const char *const pd_cat_volume_states[];

#endif
