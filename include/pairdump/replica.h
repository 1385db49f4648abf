/*
 * replica: the copies of one archive as one stream of good records.
 *
 * Serves record i from the healthiest copy, checks its XXH3-128, goes to the next copy on an error
 * or mismatch, and remembers (health.h). A record that no copy has good, each asked twice, is
 * PD_BAD_RECORD naming it. Takes expectations as plain data; no catalog needed. One thread uses it
 * at a time.
 *
 * Each copy that is asked is read by a thread of its own. Records asked for one after the other are
 * read ahead, at most 8 records or 16 MiB per copy; in a long run of them copies on disks take
 * turns, 8 MiB each. While another copy is left, one that stands at its record and does not give it
 * within env->read_deadline_ns (0: the stall time), or 20 times what it took on average, is late:
 * the other one is asked as well, and the first good answer is taken. A copy in one call for the
 * stall time is PD_HUNG and given up.
 *
 * Who owns what: the caller owns targets, and may use them again after free. A target whose thread
 * sits in a call is an exception: it belongs to that thread from then on, which closes it when it
 * comes back. Its `target` in copies is NULL then and its health says `taken`: so after
 * pd_replica_free ask copies for the targets, and close none that is not there any more. Free waits
 * for calls under way: for copies that others can stand in for until they are late, else for the
 * stall time. Of env everything must outlive such a thread (progress.h: hung).
 */
#ifndef PAIRDUMP_REPLICA_H
#define PAIRDUMP_REPLICA_H

#include "pairdump/health.h"
#include "pairdump/target.h"
#include "pairdump/toc.h"

struct pd_replica_copy {
    struct pd_target *target; /* volume mounted; borrowed; NULL afterwards: taken, see above */
    uint32_t tape_file;
    const char *name;         /* for messages: volume label; borrowed */
    struct pd_health *health; /* of the volume in this run; borrowed; NULL: known to nobody else */
    /* results: */
    uint64_t served, errors, mismatches; /* errors: late records too */
    enum pd_status first_fault;          /* PD_OK while none */
    uint64_t first_fault_record;
};

struct pd_replica;

/* toc and copies are borrowed until free, and the targets are not used by others. At least one
 * copy. */
PD_MUST_USE enum pd_status pd_replica_new(const struct pd_env *env, const struct pd_toc *toc,
                                          struct pd_replica_copy *copies, size_t count,
                                          struct pd_replica **out, struct pd_error *err);
void pd_replica_free(struct pd_replica *replica);
/* *record stays valid until the next call. */
PD_MUST_USE enum pd_status pd_replica_record(struct pd_replica *replica, uint64_t record_no,
                                             const uint8_t **record, struct pd_error *err);

#endif
