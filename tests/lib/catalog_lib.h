/*
 * catalog_lib: a catalog of its own for each test, and short ways to fill it.
 *
 * The catalog is a new SQLite file in a temporary folder, or what PAIRDUMP_TEST_CATALOG names: that
 * database is emptied by every test, and one test at a time uses it.
 * Calls that must succeed assert that they do, with the error's message.
 */
#ifndef PAIRDUMP_TESTS_CATALOG_LIB_H
#define PAIRDUMP_TESTS_CATALOG_LIB_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pairdump/catalog.h"

struct cat_case {
    char folder[64]; /* temporary */
    char url[256];
    int lock; /* of a shared database, else -1 */
    struct pd_env env;
    struct pd_stop stop;
    sig_atomic_t stopped;
    char log[4096]; /* warnings so far, a line each */
    struct pd_catalog *catalog;
    struct pd_error err;
    unsigned serial; /* for UUIDs */
    char problems[4096]; /* of the last cat_check */
};

/* cmocka setup and teardown: a new catalog, open. */
int cat_setup(void **state);
/* The same with nothing there yet. */
int cat_setup_empty(void **state);
/* A new catalog in SQLite whatever the environment says, for tests of the file; open. */
int cat_setup_sqlite(void **state);
int cat_teardown(void **state);
void cat_open(struct cat_case *c);
void cat_close(struct cat_case *c);

#define cat_ok(c, call) cat_expect(c, PD_OK, call)
#define cat_expect(c, want, call) cat_expect_at(c, want, call, #call, __FILE__, __LINE__)
void cat_expect_at(const struct cat_case *c, enum pd_status want, enum pd_status got,
                   const char *text, const char *file, int line);

int64_t cat_dump(struct cat_case *c, const char *name, unsigned copies, int64_t started);
int64_t cat_volume(struct cat_case *c, const char *label);
/* A regular file of 512 bytes at place i of the archive. */
void cat_toc_add(struct cat_case *c, struct pd_toc *toc, const char *path);
void cat_toc_start(struct pd_toc *toc, const char *name);
/* As many records as the files need. */
void cat_toc_end(struct cat_case *c, struct pd_toc *toc);
/* Begins an archive with a copy on each volume; all in tape file `seq`. */
int64_t cat_begin(struct cat_case *c, int64_t dump, uint64_t seq, const int64_t *volumes,
                  size_t count, struct pd_copy_row *copies);
/* An archive of the files named, with all copies written. */
int64_t cat_archive(struct cat_case *c, int64_t dump, uint64_t seq, const char *const *paths,
                    size_t path_count, const int64_t *volumes, size_t count,
                    struct pd_copy_row *copies);
enum pd_status cat_verify(struct cat_case *c, int64_t copy, const char *mode,
                          enum pd_status status);
enum pd_copy_state cat_state(struct cat_case *c, int64_t archive, int64_t copy);

/* The item of a file made by cat_toc_add. */
struct pd_item cat_item(const char *path);

/* Behind the catalog's back, in a session of its own; references are not kept. */
void cat_sql(struct cat_case *c, const char *sql);
/* The number in the first row and column. */
int64_t cat_number(struct cat_case *c, const char *sql);
/* Findings of the check, their texts in c->problems; asserts that status and count agree. */
unsigned cat_check(struct cat_case *c);

#endif
