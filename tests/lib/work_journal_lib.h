/*
 * work_journal_lib: a journal in a folder of its own, and short ways to write and read entries of two
 * fields. Every function fails the running test by itself.
 */
#ifndef WORK_JOURNAL_LIB_H
#define WORK_JOURNAL_LIB_H

#include "pairdump/journal.h"

struct jl_bed {
    char dir[128];
    char path[160]; /* dir/journal */
    struct pd_journal *journal;
    struct pd_entry entry;
    uint64_t place;
    struct pd_error err;
};

/* cmocka setup and teardown; no journal is open yet. */
int jl_start(void **state);
int jl_end(void **state);

/* Closes what is open first; reading begins anew. */
void jl_open_as(struct jl_bed *b, bool create, enum pd_status want);
void jl_put(struct jl_bed *b, bool numbered, const char *a, const char *z);
/* The next entry is that one, or there is none yet. */
void jl_get(struct jl_bed *b, uint64_t number, const char *a, const char *z);
void jl_get_end(struct jl_bed *b);
uint64_t jl_file_size(const struct jl_bed *b);
/* Appends a line as the format says, of any text before the digest. */
void jl_line(struct pd_buf *out, const char *text);

#endif
