/*
 * tar: POSIX pax archives through libarchive, by callbacks; no files, no threads.
 *
 * Writer: every byte goes to a sink at once, unbuffered, so the caller knows the stream position of
 * every header and every byte of data. Data handed to pd_tar_data() reaches the sink with the same
 * pointer, so a caller who read straight into the sink's memory saves the copy. The writer counts
 * bytes itself: more or fewer bytes than the entry's size is PD_INTERNAL, never silent padding
 * (libarchive 3.6.2 zero-fills and says ARCHIVE_OK).
 *
 * Reader: pulls bytes from a source; gives entries, then data blocks with their offset, holes left
 * out. A stream that ends early is PD_TRUNCATED, one that is no tar PD_BAD_FORMAT.
 *
 * Only two blocks of zeros are the end: a stream that stops between entries, or is empty, is
 * PD_TRUNCATED, and one lone block of zeros PD_BAD_FORMAT. After a failure every call fails.
 *
 * Format: IEEE Std 1003.1-2008 pax; sparse files in GNU.sparse 1.0; xattrs as SCHILY.xattr and
 * LIBARCHIVE.xattr (the reader gives each once); ACLs as SCHILY.acl. Names are bytes: set them with
 * archive_entry_copy_*, never the _w or _utf8 forms; names of users in ACL entries must be ASCII
 * (or NULL: the number counts). The locale plays no part.
 */
#ifndef PAIRDUMP_TAR_H
#define PAIRDUMP_TAR_H

#include <stdint.h>

#include "pairdump/error.h"

struct archive_entry; /* libarchive's, the metadata of one file */

typedef enum pd_status (*pd_tar_sink)(void *arg, const void *bytes, size_t len,
                                      struct pd_error *err);

struct pd_tar_writer;
PD_MUST_USE enum pd_status pd_tar_writer_new(pd_tar_sink sink, void *arg,
                                             struct pd_tar_writer **out, struct pd_error *err);
/* Ends an entry still open is PD_INTERNAL. Frees without flushing. */
void pd_tar_writer_free(struct pd_tar_writer *writer);
/* Starts an entry; size (and sparse map) must be set in it. PD_UNSUPPORTED for what tar cannot hold
 * (a socket; names and extended attributes over 1 MiB): then nothing was written and the writer
 * goes on. A file that is one hole has the sparse map (size, 0). */
PD_MUST_USE enum pd_status pd_tar_header(struct pd_tar_writer *writer, struct archive_entry *entry,
                                         struct pd_error *err);
/* len bytes of the logical content, holes included (bytes in holes are dropped). */
PD_MUST_USE enum pd_status pd_tar_data(struct pd_tar_writer *writer, const void *bytes, size_t len,
                                       struct pd_error *err);
/* The same for n zero bytes. */
PD_MUST_USE enum pd_status pd_tar_zeros(struct pd_tar_writer *writer, uint64_t n,
                                        struct pd_error *err);
/* Ends the entry with its padding; PD_INTERNAL unless exactly its size was given. */
PD_MUST_USE enum pd_status pd_tar_end_entry(struct pd_tar_writer *writer, struct pd_error *err);
/* A whole small regular file, mode 0644, root, at mtime (seconds). */
PD_MUST_USE enum pd_status pd_tar_file(struct pd_tar_writer *writer, const char *path,
                                       const void *bytes, size_t len, int64_t mtime,
                                       struct pd_error *err);
/* Writes the end-of-archive blocks. */
PD_MUST_USE enum pd_status pd_tar_finish(struct pd_tar_writer *writer, struct pd_error *err);

/* Gives the next bytes: *bytes stays valid until the next call; *len 0 at the end. */
typedef enum pd_status (*pd_tar_source)(void *arg, const void **bytes, size_t *len,
                                        struct pd_error *err);

struct pd_tar_reader;
PD_MUST_USE enum pd_status pd_tar_reader_new(pd_tar_source source, void *arg,
                                             struct pd_tar_reader **out, struct pd_error *err);
void pd_tar_reader_free(struct pd_tar_reader *reader);
/* *entry is the reader's, valid until the next call; NULL at the end of the archive. A status from
 * the source comes through unchanged. */
PD_MUST_USE enum pd_status pd_tar_next(struct pd_tar_reader *reader, struct archive_entry **entry,
                                       struct pd_error *err);
/* Where in the stream the entry's first header stands (of its extended header, if it has one);
 * after the end: where the end-of-archive mark stands. */
uint64_t pd_tar_entry_offset(const struct pd_tar_reader *reader);
/* Next block of the entry's data in rising, non-overlapping order of offset; *len 0 at its end,
 * which the caller compares with the entry's size (a trailing hole is implied). */
PD_MUST_USE enum pd_status pd_tar_block(struct pd_tar_reader *reader, const void **bytes,
                                        size_t *len, uint64_t *offset, struct pd_error *err);
/* All data of a small entry, holes as zeros; PD_BAD_FORMAT past limit bytes. Caller frees *out,
 * which is NUL-terminated after *len bytes. */
PD_MUST_USE enum pd_status pd_tar_slurp(struct pd_tar_reader *reader, struct archive_entry *entry,
                                        size_t limit, char **out, size_t *len,
                                        struct pd_error *err);

/* Name of the top folder of an archive that begins with these bytes (its first record, say): that of
 * its first entry, up to the first slash. PD_BAD_FORMAT when they do not begin a tar, or the name does
 * not fit. */
PD_MUST_USE enum pd_status pd_tar_top(const void *bytes, size_t len, char *out, size_t size,
                                      struct pd_error *err);

#endif
