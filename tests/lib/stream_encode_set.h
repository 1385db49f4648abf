/*
 * stream_encode_set: a batch of files that behave as told, encoded into a ring, and the archive
 * that comes out of it, looked at with libarchive alone; for the tests of encode.
 */
#ifndef PAIRDUMP_TESTS_STREAM_ENCODE_SET_H
#define PAIRDUMP_TESTS_STREAM_ENCODE_SET_H

#include <archive.h>
#include <archive_entry.h>

#include "pairdump/encode.h"
#include "pairdump/text.h"
#include "work_restore_lib.h"

#define ES_NEVER UINT64_MAX
enum { ES_PLACES = 8 };

/* A file that behaves as told. Its bytes are those of a stream from place `seed` on. */
struct es_file {
    const char *path;
    char kind;
    const char *link;
    uint64_t size;    /* as its header says */
    uint64_t have;    /* bytes that can be read */
    uint64_t fail_at; /* a read that goes past this byte fails */
    uint64_t seed;
    enum pd_status open, close;
    uint64_t ino, nlink;
    int64_t ctime;
    uint64_t data[4]; /* sparse map: offset, length, ... until 0, 0; only when `sparse` */
    bool sparse;
    bool stops; /* reading it sets the stop flag */
    unsigned reads_too_many;
    bool ended; /* it failed, or was found too short */
};

struct encode_set {
    struct restore_lib_env e;
    struct es_file fakes[ES_PLACES];
    struct pd_item items[ES_PLACES];
    struct pd_batch batch;
    struct pd_encode_job job;
    struct pd_toc toc;
    struct pd_error err;
    struct pd_buf bytes; /* what came out of the ring */
    struct pd_ring *ring;
    enum pd_status read; /* how the reader of the ring ended */
    uint64_t abort_at;   /* the reader gives up at so many bytes */
    uint64_t slots;
    unsigned open; /* files of the source */
    struct {
        const char *path;
        enum pd_status status;
        bool archived;
    } problems[ES_PLACES];
    unsigned problem_count;
    enum pd_status on_problem;
};

struct es_view {
    struct archive *archive;
    struct archive_entry *entry;
    uint8_t *data;
    size_t len;
};

/* cmocka setup and teardown; at the end no file of the source may be open. */
int es_start(void **state);
int es_end(void **state);

/* A file of so many bytes, behaving well until changed. */
struct es_file *es_add(struct encode_set *set, const char *path, char kind, uint64_t size);
/* Encodes the batch; the reader of the ring must end as it should. */
enum pd_status es_run(struct encode_set *set);
/* The same, which must go well; then all is checked that holds of any archive: records and their
 * digests, places, bytes and digests of files, manifest, sums. */
void es_encode(struct encode_set *set);

/* Entries of the archive from an offset on, with their data. */
void es_view_from(const struct encode_set *set, struct es_view *view, uint64_t offset);
bool es_view_next(struct es_view *view);
void es_view_end(struct es_view *view);
/* The first entry there, which must be of that name. */
void es_view_at(const struct encode_set *set, struct es_view *view, uint64_t offset,
                const char *name);
/* The text of an entry, for the caller to free. NULL: there is none. */
char *es_text_of(const struct encode_set *set, const char *name);
void es_expect_text(const struct encode_set *set, const char *name, const char *wanted);
/* Names of all entries, each with a blank behind it. */
void es_expect_names(const struct encode_set *set, const char *wanted);
/* How many stored bytes of file i are its own; those behind must be zeros. */
uint64_t es_right_bytes(const struct encode_set *set, size_t i);

#endif
