/*
 * work_book_lib: a dump of two copies in a catalog, its book, and short ways to write into the book and
 * to take from it into the catalog. Every function fails the running test by itself.
 */
#ifndef WORK_BOOK_LIB_H
#define WORK_BOOK_LIB_H

#include "../../src/work/dump_book.h"
#include "catalog_lib.h"

struct bl_bed {
    struct cat_case *c;
    char dir[128]; /* the state folder */
    struct pd_dump_row dump;
    struct pd_volume_row volumes[2]; /* V1 and V2 */
    struct pd_dump_book book;
    uint64_t place; /* in its journal */
    struct pd_entry entry; /* at hand */
    char *before; /* a catalog as text, for the test; freed at the end */
    unsigned fail_first; /* so many calls fail behind the book */
};

struct bl_told {
    uint64_t offset, len;
    uint32_t tape_file;
};

/* cmocka setup and teardown; the book is open, without a ledger. */
int bl_start(void **state);
int bl_end(void **state);

/* All of the catalog; the caller frees it. */
char *bl_catalog_text(struct bl_bed *b);
/* The entry at hand. */
enum pd_status bl_apply(struct bl_bed *b);
/* Reads the next numbered entry, which is of that kind. */
void bl_next(struct bl_bed *b, const char *kind);
/* And takes it; once more changes nothing. */
void bl_take_next(struct bl_bed *b, const char *kind);
int64_t bl_number(struct bl_bed *b, const char *what, const char *from);

struct pd_archive_row bl_archive_row(uint64_t seq);
/* Copies 1 and 2 in that tape file. */
void bl_copy_rows(struct pd_copy_row copies[2], uint32_t tape_file);
/* Begins an archive on both volumes, and ends it, with so many files. */
void bl_begin(struct bl_bed *b, uint64_t seq);
struct pd_expect *bl_expect_of(struct bl_bed *b, uint64_t seq, unsigned files);
struct bl_told bl_written(struct bl_bed *b, uint64_t seq, unsigned files,
                          const struct pd_copy_row copies[2]);
struct bl_told bl_written_well(struct bl_bed *b, uint64_t seq, unsigned files);
/* The catalog's table of the archive has those files. */
void bl_has_files(struct bl_bed *b, uint64_t seq, unsigned files);

#endif
