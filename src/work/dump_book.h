/*
 * dump_book: what a dump keeps of itself in the state folder until it is done and recorded: its
 * journal, its list of files, the texts of its indexes. With them a later run can go on.
 *
 *     STATE/dumps/<uuid>/journal    entries below
 *     STATE/dumps/<uuid>/list       list.h
 *     STATE/dumps/<uuid>/index      index.h, one archive's text behind the other
 *
 * Entries, numbered ones first; they are taken to the catalog by the ledger:
 *
 *     listed    <skipped> {<path> <status> <errno> <archived> <message>}...
 *     begin     <seq> <name> <record-size> {<copy> <volume-uuid> <tape-file>}...
 *               [lane <lane>]
 *     written   <seq> <offset> <length> <tape-file> <copies> {<copy> <state> <reason> <tape-file>
 *               <message>}... {<path> <status> <errno> <archived> <message>}...
 *     abandon   <seq>
 *     verified  <seq> <copy> <started> <finished> <status> <records> <bad-records> <files>
 *               <bad-files> <message> {<record or -> <path or -> <status>}...
 *     labelled  <uuid>
 *     volume    <uuid> <state> <tape-files> <used> <last-written>
 *     report    <volume-uuid> <drive> <taken> <source> <alerts> <write-corrected>
 *               <write-uncorrected> <read-corrected> <read-uncorrected> (-1: not told)
 *     state     <state> <status> <finished> <archives> <files> <bytes> <problems> <skipped>
 *
 * and notes for a later run alone:
 *
 *     option    <key> <value>
 *     labelling <uuid> (a medium may bear the label from now on)
 *     list      <layout> <size> <items> <files> <bytes> <archive-bytes> <largest> <path>
 *     indexed   <copy> <tape-file> <volume-uuid> [<lane>]
 *     dropped   index [<lane>] (the last one is written anew)
 *
 * A lane is the number of a set of drives; the first, 0, is not written. Any thread may write
 * things down.
 */
#ifndef PAIRDUMP_WORK_DUMP_BOOK_H
#define PAIRDUMP_WORK_DUMP_BOOK_H

#include <pthread.h>

#include "pairdump/ledger.h"
#include "pairdump/list.h"
#include "pairdump/verify.h"

enum { PD_BOOK_HELD = 3 };

/* Before the number of a lane, at the end of a begin. */
#define PD_BOOK_LANE "lane"

/* Behind the name of a folder: it is being removed. */
#define PD_BOOK_GONE ".gone"

struct pd_dump_book {
    const struct pd_env *env;
    char *dir;
    struct pd_journal *journal;
    struct pd_ledger *ledger;
    int index;
    uint64_t index_size;
    int64_t dump_id;
    char dump_uuid[PD_UUID_TEXT];
    enum pd_digest_alg alg;  /* of the archives that it begins; set before it is started */
    pthread_mutex_t writing; /* of journal and index: several threads write things down */
    pthread_mutex_t lock;    /* of held */
    struct {
        uint64_t seq;
        struct pd_expect *expect; /* tables that the ledger need not decode; NULL: free */
    } held[PD_BOOK_HELD];
};

/* A source problem, kept until its archive is recorded. */
struct pd_dump_problem {
    char *path;
    char *message;
    enum pd_status status;
    int sys_errno;
    bool archived;
};

struct pd_dump_problems {
    pthread_mutex_t lock;
    struct pd_dump_problem *list;
    size_t count, cap;
};

/* Opens, or makes, the folder of a dump; PD_NOT_FOUND when there is none, PD_BUSY when another run has
 * it open. The book is zero-initialized; release it in any case. */
PD_MUST_USE enum pd_status pd_book_open(const struct pd_env *env, const char *state_dir,
                                        const struct pd_dump_row *row, bool create,
                                        struct pd_dump_book *book, struct pd_error *err);
/* Starts taking entries to the catalog. */
PD_MUST_USE enum pd_status pd_book_start(struct pd_dump_book *book, struct pd_catalog *catalog,
                                         int64_t dump_id, int64_t run_id, struct pd_error *err);
/* Stops the ledger and closes; remove: the folder too, since nobody needs it any more. */
void pd_book_release(struct pd_dump_book *book, bool remove);
void pd_book_remove_folder(const char *dir);
/* Whether a dump has left a folder here. */
bool pd_book_exists(const char *state_dir, const char *uuid);
/* "DIR/name"; caller frees *out. */
PD_MUST_USE enum pd_status pd_book_path(const struct pd_dump_book *book, const char *name,
                                        char **out, struct pd_error *err);

/* ---- what is written down ---- */

PD_MUST_USE enum pd_status pd_book_option(struct pd_dump_book *book, const char *key,
                                          const char *value, struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_listed(struct pd_dump_book *book, struct pd_list *list,
                                          uint64_t skipped, const struct pd_dump_problems *problems,
                                          struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_begin(struct pd_dump_book *book,
                                         const struct pd_archive_row *archive,
                                         const struct pd_copy_row *copies, const char *const *uuids,
                                         size_t count, size_t lane, struct pd_error *err);
/* expect: the archive's table; a reference is held until the catalog has it. */
PD_MUST_USE enum pd_status pd_book_written(struct pd_dump_book *book,
                                           const struct pd_archive_row *archive,
                                           struct pd_expect *expect,
                                           const struct pd_copy_row *copies, size_t count,
                                           const struct pd_dump_problems *problems,
                                           uint64_t *offset, uint64_t *len, uint32_t *tape_file,
                                           struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_abandon(struct pd_dump_book *book, uint64_t seq,
                                           struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_verified(struct pd_dump_book *book, uint64_t seq, unsigned copy,
                                            const struct pd_verify_result *result,
                                            struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_labelling(struct pd_dump_book *book, const char *volume_uuid,
                                             struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_labelled(struct pd_dump_book *book, const char *volume_uuid,
                                            struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_volume(struct pd_dump_book *book,
                                          const struct pd_volume_row *volume,
                                          struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_report(struct pd_dump_book *book, const char *volume_uuid,
                                          const struct pd_drive_report *report,
                                          struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_state(struct pd_dump_book *book, const struct pd_dump_row *row,
                                         struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_dropped(struct pd_dump_book *book, size_t lane,
                                           struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_indexed(struct pd_dump_book *book, unsigned copy,
                                           uint32_t tape_file, const char *volume_uuid, size_t lane,
                                           struct pd_error *err);
/* The text of an archive's index, and its table, from the folder. */
PD_MUST_USE enum pd_status pd_book_text(struct pd_dump_book *book, uint64_t offset, uint64_t len,
                                        struct pd_buf *out, struct pd_error *err);
PD_MUST_USE enum pd_status pd_book_toc(struct pd_dump_book *book, uint64_t offset, uint64_t len,
                                       struct pd_toc *toc, struct pd_error *err);

/* dump_take.c: one numbered entry into the catalog; arg is the book. */
PD_MUST_USE enum pd_status pd_book_take(struct pd_catalog *catalog, void *arg,
                                        const struct pd_entry *entry, struct pd_error *err);

#endif
