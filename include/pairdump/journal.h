/*
 * journal: what a run did, line by line, in a file that outlives the process.
 *
 * An entry is a number and its fields. As text: number, fields and the XXH3-128 of what stands before,
 * split by tabs, percent-escaped (text.h), ended by LF; fields hold no NUL. Entries that go to a
 * catalog are numbered 1, 2, ... in the order of the file, notes for the run itself have number 0. A
 * last line that is cut off or does not match its digest, as a kill or a full disk leaves it, counts
 * as never written, and the next append replaces it; anywhere else that is PD_BAD_FORMAT.
 *
 * One object appends, in one thread; others may read meanwhile through it, each with a place of its
 * own. The file is locked while it is open: a second run gets PD_BUSY.
 */
#ifndef PAIRDUMP_JOURNAL_H
#define PAIRDUMP_JOURNAL_H

#include "pairdump/text.h"

struct pd_journal;

/* Read back. Zero-initialized it is empty; memory is kept for the next one. */
struct pd_entry {
    uint64_t number;
    size_t count;
    char **fields; /* NUL-terminated */
    /* private: */
    size_t room;
    struct pd_buf text;
};
void pd_entry_release(struct pd_entry *entry);

/* To be written: fields are added one by one; the first failure is kept and told by append. */
struct pd_entry_text {
    struct pd_buf text;
    enum pd_status status;
};
void pd_entry_word(struct pd_entry_text *entry, const char *field);
void pd_entry_number(struct pd_entry_text *entry, int64_t field);

/* create: a new file (PD_EXISTS), else one that is there (PD_NOT_FOUND), of which everything is
 * checked. */
PD_MUST_USE enum pd_status pd_journal_open(const char *path, bool create, struct pd_journal **out,
                                           struct pd_error *err);
void pd_journal_close(struct pd_journal *journal);
/* Appends and empties the entry. numbered: *number gets the next one (may be NULL). durable: it is on
 * the medium when this returns. After a failure nothing more is taken. */
PD_MUST_USE enum pd_status pd_journal_append(struct pd_journal *journal,
                                             struct pd_entry_text *entry, bool numbered,
                                             bool durable, uint64_t *number,
                                             struct pd_error *err);
/* The entry at *place (0: the first), which moves on; *more false at the end so far. */
PD_MUST_USE enum pd_status pd_journal_next(struct pd_journal *journal, uint64_t *place,
                                           struct pd_entry *entry, bool *more,
                                           struct pd_error *err);
/* All entries before the place are on the medium after this. By one thread, also another than the
 * one that appends. */
PD_MUST_USE enum pd_status pd_journal_keep(struct pd_journal *journal, uint64_t place,
                                           struct pd_error *err);
/* Number of the last numbered entry; 0: none. */
uint64_t pd_journal_last(struct pd_journal *journal);
/* One line without its LF, for pd_journal_next and for fuzzing: false if it is no whole entry, or with
 * PD_NO_MEMORY in err when that cannot be told. */
bool pd_entry_decode(const char *line, size_t len, struct pd_entry *out, struct pd_error *err);

#endif
