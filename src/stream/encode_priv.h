/*
 * encode_digest: the digest thread of one archive: digests of files and XXH3-128 of records, from
 * the ring's memory, while the encoder goes on filling it.
 *
 * The encoder tells it by a queue, in stream order, which bytes in the ring are file data, where
 * holes are, where a file ends and when a record is full. The thread is a reader of the ring and
 * passes a record only after it was hashed: so the memory told of stays valid. Results of files are
 * kept here until the encoder has waited for them.
 */
#ifndef PAIRDUMP_STREAM_ENCODE_PRIV_H
#define PAIRDUMP_STREAM_ENCODE_PRIV_H

#include "pairdump/digest.h"
#include "pairdump/ring.h"
#include "pairdump/toc.h"

struct pd_encode_digest;

enum pd_extent_kind {
    PD_EXTENT_DATA,   /* number bytes at memory belong to the file at hand */
    PD_EXTENT_HOLE,   /* number zero bytes do */
    PD_EXTENT_FILE,   /* the file at hand ends; it is number in the toc */
    PD_EXTENT_RECORD, /* the record at memory is complete */
};

PD_MUST_USE enum pd_status pd_encode_digest_start(struct pd_ring *ring, unsigned reader,
                                                  uint64_t record_size, enum pd_digest_alg alg,
                                                  struct pd_encode_digest **out,
                                                  struct pd_error *err);
PD_MUST_USE enum pd_status pd_encode_digest_tell(struct pd_encode_digest *digest,
                                                 enum pd_extent_kind kind, const uint8_t *memory,
                                                 uint64_t number, struct pd_error *err);
/* Waits for all files told, and puts their digests into the toc. */
PD_MUST_USE enum pd_status pd_encode_digest_wait(struct pd_encode_digest *digest,
                                                 struct pd_toc *toc, struct pd_error *err);
/* Waits for the thread's end, puts the records' digests into the toc, unless toc is NULL, and
 * frees. digest NULL: PD_OK. */
PD_MUST_USE enum pd_status pd_encode_digest_end(struct pd_encode_digest *digest,
                                                struct pd_toc *toc, struct pd_error *err);

#endif
