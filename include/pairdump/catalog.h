/*
 * catalog: the database that knows dumps, archives, copies, volumes, files and every verification.
 *
 * Written once in portable SQL on sql.h. Every call that changes something is one transaction: a kill
 * at any instant leaves a catalog that tells the truth, because each state is written only after
 * the medium has reached it. Rows are plain structs; strings in rows given to callbacks are valid
 * during the call. Times are UTC ns. One thread uses a catalog object at a time; several processes
 * may share a database.
 */
#ifndef PAIRDUMP_CATALOG_H
#define PAIRDUMP_CATALOG_H

#include <stdio.h>

#include "pairdump/config.h"
#include "pairdump/label.h"
#include "pairdump/source.h"
#include "pairdump/toc.h"

struct pd_catalog;

enum pd_dump_state { PD_DUMP_INITIALIZE, PD_DUMP_LIST, PD_DUMP_WRITE, PD_DUMP_VERIFY, PD_DUMP_DONE };
enum pd_copy_state { PD_COPY_WRITING, PD_COPY_WRITTEN, PD_COPY_VERIFIED, PD_COPY_BAD };
/* Reserved: a label that a run has for a volume which it may come to need; no medium bears it yet,
 * as far as the catalog knows. Retired: nothing more is written to it; what it holds counts.
 * Scratch: given up, its copies are bad, and its medium may get another label. Gone: its medium has
 * got one, and its own label, which another volume may bear now, is "~" and its id. */
enum pd_volume_state {
    PD_VOLUME_APPENDABLE,
    PD_VOLUME_FULL_STATE,
    PD_VOLUME_RESERVED,
    PD_VOLUME_RETIRED,
    PD_VOLUME_SCRATCH,
    PD_VOLUME_GONE,
    PD_VOLUME_BAD /* the last: and what is not known */
};
const char *pd_dump_state_name(enum pd_dump_state state);
const char *pd_copy_state_name(enum pd_copy_state state);
const char *pd_volume_state_name(enum pd_volume_state state);

struct pd_dump_row {
    int64_t id;
    char uuid[PD_UUID_TEXT];
    char name[128];
    char host[256];
    int64_t pid;
    char pool[PD_POOL_TEXT];
    char roots[1024];  /* source paths, percent-escaped, space-separated, cut with "..." */
    char policy[32];   /* verification policy text */
    enum pd_dump_state state;
    enum pd_status status; /* PD_OK until something else is known; the verdict once done */
    bool incremental;
    unsigned copies;
    int64_t started, finished; /* finished 0: not yet */
    uint64_t archives, files, bytes, problems, skipped; /* skipped: held already (incremental) */
    uint64_t bad_copies, lost_archives; /* as they are now; lost: without a good copy. Read only */
};

struct pd_volume_row {
    int64_t id;
    char label[PD_LABEL_TEXT];
    char uuid[PD_UUID_TEXT];
    char pool[PD_POOL_TEXT];
    unsigned copy;
    uint64_t pair; /* number of the pair; 0: not part of one */
    enum pd_volume_state state;
    char location[1024]; /* target URL where it was last seen, filters left out */
    char host[256];      /* whose location that is; "": not known */
    char reserved_by[PD_UUID_TEXT]; /* while it is reserved: the dump; "": not known */
    uint64_t block_size;
    uint64_t used;       /* bytes of archives on it */
    uint64_t tape_files; /* expected on it, the label included */
    int64_t created, last_written; /* 0: never */
    int64_t retain_until; /* not to be given up before; 0: no date. Changed by a call of its own */
    char medium[64];      /* barcode of its cartridge, "": not known */
    int64_t replaces;     /* id of the volume in whose place it was made, 0: none; set once */
    /* counted by queries: */
    int64_t last_verified; /* since then all copies on it that count have been read back, but for
                              bad ones; 0: one never was, or none counts */
    uint64_t archives, verified_copies, bad_copies, written_copies;
    uint64_t drive_errors; /* reports of drives that had trouble with it */
};

/* Is its location one of another host, whose places this one may have other things at? */
bool pd_volume_is_elsewhere(const struct pd_volume_row *row);

struct pd_archive_row {
    int64_t id, dump_id;
    uint64_t seq;
    char name[128];
    uint64_t record_size, records, files, payload_bytes, payload_files, manifest_offset;
    enum pd_digest_alg alg; /* of its files' digests */
};

struct pd_copy_row {
    int64_t id, archive_id, volume_id;
    unsigned copy;
    uint32_t tape_file;
    enum pd_copy_state state;
    enum pd_status reason; /* why bad; PD_OK otherwise */
    char message[512];
    int64_t changed; /* when the state was reached */
    /* joined: */
    char label[PD_LABEL_TEXT];
    char location[1024];
    char archive[128];
};

struct pd_verification_row {
    int64_t id, copy_id;
    int64_t started, finished;
    char mode[16];         /* "full", "records" */
    enum pd_status status;
    uint64_t records, bad_records, files, bad_files;
    char message[512];
    bool late; /* told long after it was made: what was found out since stays. Only written */
    /* joined: */
    char label[PD_LABEL_TEXT];
    char archive[128];
};

/* A place where a copy was found bad. path NULL: only the record is known. */
struct pd_damage {
    bool has_record;
    uint64_t record;
    const char *path;
    enum pd_status status;
};

/* A file as found by queries. */
struct pd_found {
    const struct pd_toc_file *file;
    int64_t dump_id, archive_id;
    uint64_t archive_seq, index; /* place in the archive */
    const char *dump_name, *archive_name;
    int64_t dump_started;
    unsigned copies;                  /* that the dump was to have */
    unsigned verified, written, bad;  /* copies of its archive by state */
};

/* ---- life ---- */

/* url "sqlite:PATH". create: make database and schema if missing, and migrate an older one; else
 * a missing one is PD_CATALOG saying how to make it. A schema newer than ours is PD_CATALOG. */
PD_MUST_USE enum pd_status pd_catalog_open(const struct pd_env *env, const char *url, bool create,
                                           struct pd_catalog **out, struct pd_error *err);
void pd_catalog_close(struct pd_catalog *catalog);
/* A session of its own on the same database, for another thread. */
PD_MUST_USE enum pd_status pd_catalog_again(const struct pd_catalog *catalog,
                                            struct pd_catalog **out, struct pd_error *err);
/* once: from now on what a later try could mend is told at once, since the caller tries again by
 * itself, or can do without. */
void pd_catalog_try_once(struct pd_catalog *catalog, bool once);
/* File of an embedded catalog, to check free space beside it; NULL for a server. */
const char *pd_catalog_path(const struct pd_catalog *catalog);
unsigned pd_catalog_schema_version(const struct pd_catalog *catalog);
/* Proves consistency: the engine's own check, references, counts, states. Calls problem per finding;
 * PD_CATALOG if there was any. */
typedef void (*pd_catalog_problem_fn)(void *arg, const char *text);
PD_MUST_USE enum pd_status pd_catalog_check(struct pd_catalog *catalog, pd_catalog_problem_fn fn,
                                            void *arg, struct pd_error *err);
/* Everything as text, one row a line, "table<TAB>column=value..." in a stable order. */
PD_MUST_USE enum pd_status pd_catalog_export(struct pd_catalog *catalog, FILE *out,
                                             struct pd_error *err);
/* Takes what pd_catalog_export has written, of any engine, into an empty catalog: all of it in one
 * transaction, or nothing. PD_BAD_FORMAT names the line; a text that was cut off is one. */
PD_MUST_USE enum pd_status pd_catalog_import(struct pd_catalog *catalog, FILE *in, uint64_t *rows,
                                             struct pd_error *err);

/* ---- writing ---- */

/*
 * Entry number seq of a dump's journal, taken once and only once: fn's changes and the fact that they
 * were made are one transaction, which the calls below join when fn makes them. An entry that was taken
 * before is left out, and PD_OK. Entries come in order from 1; a gap is PD_CATALOG. A connection lost
 * while committing is PD_CATALOG_LOST here: asking again tells whether the server took it.
 * fn may be called several times, each time with nothing of the last left in the catalog; what fails in
 * it fails it.
 */
typedef enum pd_status (*pd_catalog_fn)(struct pd_catalog *catalog, void *arg,
                                        struct pd_error *err);
PD_MUST_USE enum pd_status pd_catalog_apply(struct pd_catalog *catalog, int64_t dump_id,
                                            uint64_t seq, pd_catalog_fn fn, void *arg,
                                            struct pd_error *err);
/* Number of the last entry taken; 0: none. */
PD_MUST_USE enum pd_status pd_catalog_applied(struct pd_catalog *catalog, int64_t dump_id,
                                              uint64_t *seq, struct pd_error *err);

PD_MUST_USE enum pd_status pd_catalog_dump_add(struct pd_catalog *catalog, struct pd_dump_row *row,
                                               struct pd_error *err); /* sets id */
PD_MUST_USE enum pd_status pd_catalog_dump_update(struct pd_catalog *catalog,
                                                  const struct pd_dump_row *row,
                                                  struct pd_error *err);
PD_MUST_USE enum pd_status pd_catalog_volume_add(struct pd_catalog *catalog,
                                                 struct pd_volume_row *row,
                                                 struct pd_error *err); /* sets id */
PD_MUST_USE enum pd_status pd_catalog_volume_update(struct pd_catalog *catalog,
                                                    const struct pd_volume_row *row,
                                                    struct pd_error *err);
/* Have other dumps finished archives on it from that tape file on? */
PD_MUST_USE enum pd_status pd_catalog_volume_used_since(struct pd_catalog *catalog, int64_t id,
                                                        int64_t dump_id, uint64_t tape_file,
                                                        bool *used, struct pd_error *err);
/* All or none; sets their ids. */
PD_MUST_USE enum pd_status pd_catalog_volumes_add(struct pd_catalog *catalog,
                                                  struct pd_volume_row *const *rows, size_t count,
                                                  struct pd_error *err);
/* A reserved one bears its label now; any other is left as it is, since who labelled it said so
 * before. */
PD_MUST_USE enum pd_status pd_catalog_volume_labelled(struct pd_catalog *catalog, const char *uuid,
                                                      struct pd_error *err);
/* Forgets those that are reserved, all or none of them; what is in use meanwhile stays. */
PD_MUST_USE enum pd_status pd_catalog_volumes_forget(struct pd_catalog *catalog, const int64_t *ids,
                                                     size_t count, struct pd_error *err);
/* ---- what operators decide about volumes; by UUID, or by id ---- */

/* PD_HELD when it is not appendable, full or retired. */
PD_MUST_USE enum pd_status pd_catalog_volume_retire(struct pd_catalog *catalog, const char *uuid,
                                                    struct pd_error *err);
PD_MUST_USE enum pd_status pd_catalog_volume_retain(struct pd_catalog *catalog, int64_t id,
                                                    int64_t until, struct pd_error *err);
/* PD_HELD before its retention date. */
PD_MUST_USE enum pd_status pd_volume_row_retention(const struct pd_volume_row *row, int64_t now,
                                                   struct pd_error *err);
/* Its copies become bad with PD_GIVEN_UP, in one transaction with the volume's state, and nothing
 * makes them good again. PD_HELD before its retention date, and unless `lose` also when no other
 * volume has a verified copy of an archive on it; PD_BUSY when an unfinished dump writes to it. */
PD_MUST_USE enum pd_status pd_catalog_volume_scratch(struct pd_catalog *catalog, const char *uuid,
                                                     bool lose, struct pd_error *err);
/* Said before the medium of a scratch one gets another label. Its label becomes free; PD_HELD when
 * it is not scratch, or its retention date has not come. */
PD_MUST_USE enum pd_status pd_catalog_volume_gone(struct pd_catalog *catalog, const char *uuid,
                                                  struct pd_error *err);

/* What a drive told while it had a volume. */
#define PD_COUNT_UNKNOWN UINT64_MAX
struct pd_drive_report {
    int64_t id, volume_id;
    char drive[1024];  /* maker, model and serial number, or the place of it */
    int64_t taken;     /* UTC ns */
    char source[16];   /* "sg_logs" */
    char alerts[1024]; /* TapeAlert flags that are set, "4 media, 20 cleaning-required"; "": none */
    uint64_t write_corrected, write_uncorrected; /* errors since the drive began to count */
    uint64_t read_corrected, read_uncorrected;   /* PD_COUNT_UNKNOWN: it does not tell */
    /* joined: */
    char label[PD_LABEL_TEXT];
};
typedef enum pd_status (*pd_drive_report_fn)(void *arg, const struct pd_drive_report *report,
                                             struct pd_error *err);
PD_MUST_USE enum pd_status pd_catalog_drive_report_add(struct pd_catalog *catalog,
                                                       const struct pd_drive_report *report,
                                                       struct pd_error *err);
/* Of one volume, or all (0), oldest first. */
PD_MUST_USE enum pd_status pd_catalog_drive_reports(struct pd_catalog *catalog, int64_t volume_id,
                                                    pd_drive_report_fn fn, void *arg,
                                                    struct pd_error *err);

/* Before the first record goes out: the archive, and a copy in state writing for each volume.
 * Fills archive->id and each copies[i].id. */
PD_MUST_USE enum pd_status pd_catalog_archive_begin(struct pd_catalog *catalog,
                                                    struct pd_archive_row *archive,
                                                    struct pd_copy_row *copies, size_t count,
                                                    struct pd_error *err);
/* After all writers have ended: the table of contents, and each copy's state (written or bad) and
 * tape file, in one transaction; volumes' used and tape_files follow. */
PD_MUST_USE enum pd_status pd_catalog_archive_written(struct pd_catalog *catalog,
                                                      int64_t archive_id, const struct pd_toc *toc,
                                                      const struct pd_copy_row *copies,
                                                      size_t count, struct pd_error *err);
/* The archive was abandoned on all copies: no trace but the log remains. */
PD_MUST_USE enum pd_status pd_catalog_archive_abandon(struct pd_catalog *catalog,
                                                      int64_t archive_id, struct pd_error *err);
PD_MUST_USE enum pd_status pd_catalog_problem_add(struct pd_catalog *catalog, int64_t dump_id,
                                                  const struct pd_problem *problem,
                                                  struct pd_error *err);
/* A finished verification of one copy, its damage, and the copy's new state: verified if status is
 * PD_OK and mode "full", bad if the status blames the copy, unchanged if interrupted. */
PD_MUST_USE enum pd_status pd_catalog_verification_add(struct pd_catalog *catalog,
                                                       const struct pd_verification_row *row,
                                                       const struct pd_damage *damage,
                                                       size_t damage_count, struct pd_error *err);

/* ---- copies that are made after the dump ---- */

/* Before its first record goes out: a copy in state writing of an archive that was written; fills
 * row->id. One that a run left in that state on the same volume is taken; any other is
 * PD_EXISTS. */
PD_MUST_USE enum pd_status pd_catalog_copy_begin(struct pd_catalog *catalog,
                                                 struct pd_copy_row *row, struct pd_error *err);
/* The medium has it, as row->tape_file, of so many bytes. The volume's used and tape_files follow.
 */
PD_MUST_USE enum pd_status pd_catalog_copy_written(struct pd_catalog *catalog,
                                                   const struct pd_copy_row *row, uint64_t bytes,
                                                   struct pd_error *err);
/* It was given up before it was written. */
PD_MUST_USE enum pd_status pd_catalog_copy_forget(struct pd_catalog *catalog, int64_t copy_id,
                                                  struct pd_error *err);
/* A verified copy takes the place of the one of its archive and number on that volume, and of bad
 * ones that were made in the same place before: these become bad with PD_REPLACED, and from then on
 * count neither as copies nor as bad ones, whatever is found out about them. */
PD_MUST_USE enum pd_status pd_catalog_copy_replaces(struct pd_catalog *catalog, int64_t copy_id,
                                                    int64_t volume_id, struct pd_error *err);
/* A record of the archive was found good nowhere: verified copies count as written, and nothing of
 * it as safe, until they are read back again. */
PD_MUST_USE enum pd_status pd_catalog_copies_doubt(struct pd_catalog *catalog, int64_t archive_id,
                                                   struct pd_error *err);

/* ---- reading; callbacks return PD_OK to go on ---- */

typedef enum pd_status (*pd_dump_fn)(void *arg, const struct pd_dump_row *row,
                                     struct pd_error *err);
typedef enum pd_status (*pd_volume_row_fn)(void *arg, const struct pd_volume_row *row,
                                           struct pd_error *err);
typedef enum pd_status (*pd_archive_fn)(void *arg, const struct pd_archive_row *row,
                                        struct pd_error *err);
typedef enum pd_status (*pd_copy_fn)(void *arg, const struct pd_copy_row *row,
                                     struct pd_error *err);
typedef enum pd_status (*pd_verification_fn)(void *arg, const struct pd_verification_row *row,
                                             struct pd_error *err);
typedef enum pd_status (*pd_found_fn)(void *arg, const struct pd_found *found,
                                      struct pd_error *err);

/* What became of a dump, with what was found out about its copies since. */
enum pd_status pd_dump_row_verdict(const struct pd_dump_row *row);
PD_MUST_USE enum pd_status pd_catalog_dumps(struct pd_catalog *catalog, pd_dump_fn fn, void *arg,
                                            struct pd_error *err); /* oldest first */
/* By name, UUID, unique UUID prefix of 8 or more, or "last"; PD_NOT_FOUND. NULL means "last". */
PD_MUST_USE enum pd_status pd_catalog_dump_find(struct pd_catalog *catalog, const char *which,
                                                struct pd_dump_row *out, struct pd_error *err);
PD_MUST_USE enum pd_status pd_catalog_volumes(struct pd_catalog *catalog, pd_volume_row_fn fn,
                                              void *arg, struct pd_error *err);
/* By label or UUID. */
PD_MUST_USE enum pd_status pd_catalog_volume_find(struct pd_catalog *catalog, const char *which,
                                                  struct pd_volume_row *out,
                                                  struct pd_error *err);
/* Highest pair number used with a prefix, 0 if none. */
PD_MUST_USE enum pd_status pd_catalog_last_pair(struct pd_catalog *catalog, const char *prefix,
                                                uint64_t *out, struct pd_error *err);
PD_MUST_USE enum pd_status pd_catalog_archives(struct pd_catalog *catalog, int64_t dump_id,
                                               pd_archive_fn fn, void *arg, struct pd_error *err);
/* Archive number seq of a dump; *found false: there is none. */
PD_MUST_USE enum pd_status pd_catalog_archive_find(struct pd_catalog *catalog, int64_t dump_id,
                                                   uint64_t seq, struct pd_archive_row *out,
                                                   bool *found, struct pd_error *err);
/* Copies by archive (archive_id != 0), else by volume (volume_id != 0), else all. */
PD_MUST_USE enum pd_status pd_catalog_copies(struct pd_catalog *catalog, int64_t archive_id,
                                             int64_t volume_id, pd_copy_fn fn, void *arg,
                                             struct pd_error *err);
/* The whole table of contents of an archive; toc initialized by the call, released by the caller. */
PD_MUST_USE enum pd_status pd_catalog_toc(struct pd_catalog *catalog, int64_t archive_id,
                                          struct pd_toc *toc, struct pd_error *err);
PD_MUST_USE enum pd_status pd_catalog_problems(struct pd_catalog *catalog, int64_t dump_id,
                                               pd_problem_fn fn, void *arg, struct pd_error *err);
/* History of one copy (copy_id), one volume (volume_id), or all (both 0), oldest first. */
PD_MUST_USE enum pd_status pd_catalog_verifications(struct pd_catalog *catalog, int64_t copy_id,
                                                    int64_t volume_id, pd_verification_fn fn,
                                                    void *arg, struct pd_error *err);
/* What an audit has to know of a copy that was written, and neither given up nor replaced. */
struct pd_copy_age {
    int64_t id;
    enum pd_copy_state state;
    int64_t changed; /* of a verified or bad one: when it was last found to be so */
    uint64_t bytes;
    uint64_t read_ns; /* so long took reading it back when it was found good; 0: not known */
};
typedef enum pd_status (*pd_copy_age_fn)(void *arg, const struct pd_copy_age *age,
                                         struct pd_error *err);
/* Of a volume, by tape file. */
PD_MUST_USE enum pd_status pd_catalog_copy_ages(struct pd_catalog *catalog, int64_t volume_id,
                                                pd_copy_age_fn fn, void *arg, struct pd_error *err);
typedef enum pd_status (*pd_damage_fn)(void *arg, const struct pd_damage *damage,
                                       struct pd_error *err);
PD_MUST_USE enum pd_status pd_catalog_damage(struct pd_catalog *catalog, int64_t verification_id,
                                             pd_damage_fn fn, void *arg, struct pd_error *err);

/* path_glob: a plain path (uses the index), or with * ? [ ] a pattern over the whole path where '*'
 * also matches '/'; dump_id 0: all dumps. A pattern that begins with few folders gives their files by
 * folder and name, newest first; else the newest archive comes first. */
PD_MUST_USE enum pd_status pd_catalog_find(struct pd_catalog *catalog, int64_t dump_id,
                                           const char *path_glob, pd_found_fn fn, void *arg,
                                           struct pd_error *err);
/* What lies directly in a folder, by name, newest first. */
PD_MUST_USE enum pd_status pd_catalog_ls(struct pd_catalog *catalog, int64_t dump_id,
                                         const char *folder, pd_found_fn fn, void *arg,
                                         struct pd_error *err);

/* Copies that dumps (0: all) were to have, and that no row tells of, or that were given up, or
 * replaced; those
 * of an archive that was given up on all volumes are not missed. */
PD_MUST_USE enum pd_status pd_catalog_missing_copies(struct pd_catalog *catalog, int64_t dump_id,
                                                     uint64_t *count, struct pd_error *err);

/* A volume that is not what or where it was: its verified copies count as written only, with the reason,
 * until they are read back again. */
PD_MUST_USE enum pd_status pd_catalog_volume_doubt(struct pd_catalog *catalog, int64_t volume_id,
                                                   const struct pd_error *why,
                                                   struct pd_error *err);

/* What a question of what is held asks for. */
struct pd_held_terms {
    unsigned copies;      /* so many at least, and as many as its dump was to have */
    int64_t since, until; /* each read back within these times, UTC ns; until 0: whenever */
};
struct pd_held {
    enum pd_status why; /* PD_OK: held; else why not, as below */
    int64_t verified; /* of its copies the one that was read back longest ago: when that was; 0 when
                         not all are verified. Of a future one the latest */
};
/* Is this source item held, whole and unchanged (kind, inode, size, mtime and ctime to the ns), in
 * an archive all of whose copies are verified, on these terms? The answer is PD_OK; else why not:
 * PD_NOT_FOUND (never dumped), PD_SOURCE_CHANGED (other size or times), PD_UNVERIFIED, PD_STALE (a
 * copy was last read back before `since`, or after `until`, when a clock was wrong), PD_DEGRADED (a
 * copy is bad or missing). Of several archives the best answers. The return value is about the
 * catalog. */
PD_MUST_USE enum pd_status pd_catalog_held(struct pd_catalog *catalog, const struct pd_item *item,
                                           const struct pd_held_terms *terms, struct pd_held *out,
                                           struct pd_error *err);
/* The same for many, out[i] of items[i]; those of one folder are asked for together. */
PD_MUST_USE enum pd_status pd_catalog_held_all(struct pd_catalog *catalog,
                                               const struct pd_item *items, size_t count,
                                               const struct pd_held_terms *terms,
                                               struct pd_held *out, struct pd_error *err);

/* ---- what media tell, for a catalog that is made anew of them ----
 *
 * What is not there is added; what is there is compared, and stays as it is. The return value is
 * about the catalog; what became of what was told stands in struct pd_heard. All can be done twice.
 */

enum pd_heard_as {
    PD_HEARD_ADDED,
    PD_HEARD_KNOWN,
    PD_HEARD_LEFT_OUT,    /* the catalog has its reasons; why says which */
    PD_HEARD_CONTRADICTS, /* nothing was changed; why says in what */
};
struct pd_heard {
    enum pd_heard_as as;
    struct pd_error why;
};
/* A volume with its label, by UUID. *row becomes that of the catalog, unless another volume has the
 * label. */
PD_MUST_USE enum pd_status pd_catalog_hear_volume(struct pd_catalog *catalog,
                                                  struct pd_volume_row *row, struct pd_heard *heard,
                                                  struct pd_error *err);
/* A dump, by UUID. One that is new is done, and unverified; its pid 0 says that it was made so, and
 * what it lacks is filled in when it is told again. *row becomes that of the catalog, unless
 * another dump has the name. */
PD_MUST_USE enum pd_status pd_catalog_hear_dump(struct pd_catalog *catalog, struct pd_dump_row *row,
                                                struct pd_heard *heard, struct pd_error *err);
/* Nothing is added to a dump that was not made so. */
PD_MUST_USE enum pd_status pd_catalog_hear_problem(struct pd_catalog *catalog,
                                                   const struct pd_dump_row *dump,
                                                   const struct pd_problem *problem,
                                                   struct pd_error *err);
struct pd_heard_archive {
    const struct pd_dump_row *dump; /* of the catalog */
    struct pd_toc *toc;
    bool is_same;                   /* the caller has compared it with what it told before */
    const struct pd_copy_row *copy; /* volume_id, copy, tape_file, state (written, or bad with
                                       reason and message), changed */
    /* results: */
    int64_t archive_id;
    bool archive_added, copy_added;
};
/* An archive with one copy of it; a copy that the catalog knows stays in its state. Files that were
 * told without inodes, from an archive itself, get them when an index tells the same otherwise. */
PD_MUST_USE enum pd_status pd_catalog_hear_archive(struct pd_catalog *catalog,
                                                   struct pd_heard_archive *in,
                                                   struct pd_heard *heard, struct pd_error *err);
struct pd_heard_end {
    uint64_t indexed,
        learned; /* highest number that an index told, or an archive itself; 0: none */
    /* results: */
    uint64_t lacking; /* numbers between those that are there */
    uint64_t last;
    bool open; /* no index stands behind the last: there may have been more */
};
/* What was told of the dump is in the catalog; one that was made so gets its status by that:
 * missing, truncated, else unverified. */
PD_MUST_USE enum pd_status pd_catalog_hear_end(struct pd_catalog *catalog, int64_t dump_id,
                                               struct pd_heard_end *end, struct pd_error *err);
/* So many tape files were counted on the volume; pair, where the catalog knows none. */
PD_MUST_USE enum pd_status pd_catalog_hear_tape_files(struct pd_catalog *catalog, int64_t volume_id,
                                                      uint64_t tape_files, uint64_t pair,
                                                      struct pd_error *err);
/* Of what is written, by its name; *id 0: there is none. */
PD_MUST_USE enum pd_status pd_catalog_archive_named(struct pd_catalog *catalog, const char *name,
                                                    int64_t *id, int64_t *dump_id,
                                                    struct pd_error *err);

#endif
