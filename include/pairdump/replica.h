/*
 * replica: the copies of one archive as one stream of good records.
 *
 * Serves record i from the copy that has been healthiest so far, checks its XXH3-128, goes to the
 * next copy on an error or mismatch, and remembers. A record that no copy has good is PD_BAD_RECORD
 * naming it. Takes expectations as plain data; no catalog needed. One thread uses it at a time.
 */
#ifndef PAIRDUMP_REPLICA_H
#define PAIRDUMP_REPLICA_H

#include "pairdump/target.h"
#include "pairdump/toc.h"

struct pd_replica_copy {
    struct pd_target *target; /* volume mounted; borrowed */
    uint32_t tape_file;
    const char *name; /* for messages: volume label; borrowed */
    /* results: */
    uint64_t served, errors, mismatches;
    enum pd_status first_fault; /* PD_OK while none */
    uint64_t first_fault_record;
};

struct pd_replica;

/* toc and copies are borrowed until free. At least one copy. */
PD_MUST_USE enum pd_status pd_replica_new(const struct pd_env *env, const struct pd_toc *toc,
                                          struct pd_replica_copy *copies, size_t count,
                                          struct pd_replica **out, struct pd_error *err);
void pd_replica_free(struct pd_replica *replica);
/* *record stays valid until the next call. */
PD_MUST_USE enum pd_status pd_replica_record(struct pd_replica *replica, uint64_t record_no,
                                             const uint8_t **record, struct pd_error *err);

#endif
