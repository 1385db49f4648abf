/*
 * media_lib: what tests of targets and drives share: scratch folders, labels, records with a
 * pattern.
 *
 * Every function fails the running test by itself.
 */
#ifndef MEDIA_LIB_H
#define MEDIA_LIB_H

#include <stdint.h>

#include "pairdump/target.h"

#define ML_BLOCK ((size_t)65536)

/* A new folder below $TMPDIR or /tmp; the caller frees the name after ml_remove. */
char *ml_folder(void);
void ml_remove(char *dir);
/* printf into a new string. */
char *ml_text(const char *fmt, ...) PD_PRINTF(1, 2);

/* Real clock, no log; valid for the whole program. */
const struct pd_env *ml_env(void);

/* A tape drive to be tested (/dev/nst0), where PD_TEST_TAPE names one, else NULL. */
const char *ml_tape(void);
/* Calls the program that PD_TEST_CHANGER names, with the drive and
 *     blank                         puts a new medium in
 *     small DATA_BYTES MORE_BYTES   the same, of that size to early warning, and from there to its
 * end protect                       write-protects the medium that is in, and loads it again */
void ml_change(const char *what, const char *first, const char *second);

/* A tape library of mock drives in the folder: its state, which tests/lib/mock-mtx has in
 * DIR/library, as those lines say (without the folders of drives); drives 0 and 1 are mock:DIR/0
 * and mock:DIR/1; what is full is a blank cartridge. Gives the URL of its changer, cmd:DIR/robot,
 * which the caller frees. */
char *ml_library(const char *dir, const char *lines);

struct pd_label ml_label(const char *label);
/* The record of that number of that tape file; got must be a whole record. */
void ml_fill(char *record, uint32_t file, uint64_t number);
void ml_check(const char *record, size_t got, uint32_t file, uint64_t number);

/* Fails the test with the error's text unless status is the wanted one. */
void ml_is(enum pd_status status, enum pd_status wanted, const struct pd_error *err,
           const char *where, int line);
#define IS(call, wanted)                                                                           \
    do {                                                                                           \
        struct pd_error err = PD_ERROR_INIT;                                                       \
        ml_is(call, wanted, &err, #call, __LINE__);                                                \
    } while (0)
#define OK(call) IS(call, PD_OK)

struct pd_target *ml_open(const char *url);
void ml_close(struct pd_target *target);
/* Writes a tape file of so many records, ends it durably; its number must be the wanted one. */
void ml_write_file(struct pd_target *target, uint32_t wanted, uint64_t records);
/* Reads it whole and compares. */
void ml_read_file(struct pd_target *target, uint32_t file, uint64_t records);
void ml_count(struct pd_target *target, uint32_t wanted);

void ml_write_bytes(const char *path, const void *bytes, size_t len);
bool ml_exists(const char *path);

#endif
