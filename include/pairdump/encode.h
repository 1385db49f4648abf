/*
 * encode: from a batch of items to the bytes of one archive in a ring, and its table of contents.
 *
 * The archive is a serialized BagIt bag (FORMAT.md): bagit.txt, data/..., the manifest,
 * bag-info.txt, not-whole.txt if needed, the tag manifest, end-of-archive, zeros to a whole
 * record. Each source file is opened once and read once. Files that vanish or cannot be opened are
 * reported and left out; files that change, shrink or fail while being read are stored at the size
 * their header says (zeros for what is missing), reported, and marked in toc and not-whole.txt.
 * Hard links: the second name within the archive is a link entry; pd_kind HARDLINK in the toc.
 */
#ifndef PAIRDUMP_ENCODE_H
#define PAIRDUMP_ENCODE_H

#include "pairdump/index.h"
#include "pairdump/list.h"
#include "pairdump/ring.h"

struct pd_encode_job {
    const struct pd_env *env;
    struct pd_source *source;
    const struct pd_batch *batch;
    const char *dump_name; /* the archive is <dump_name>.<seq>, seq with at least 4 digits */
    const char *dump_uuid;
    const char *host;
    const char *roots;     /* source paths, one line, for bag-info */
    const struct pd_index_facts *facts; /* more of the dump, for bag-info; NULL: nothing */
    uint64_t record_size;
    enum pd_digest_alg alg; /* of the digests of its files */
    pd_problem_fn on_problem;
    void *problem_arg;
};

/* Runs in the calling thread, with a digest thread of its own as reader digest_reader of the ring
 * (attached until the end). toc is initialized by the caller, complete on PD_OK. On failure the
 * ring is aborted. Source trouble with single files is not failure. */
PD_MUST_USE enum pd_status pd_encode(const struct pd_encode_job *job, struct pd_ring *ring,
                                     unsigned digest_reader, struct pd_toc *toc,
                                     struct pd_error *err);

#endif
