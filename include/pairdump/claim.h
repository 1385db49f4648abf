/*
 * claim: who is at work: runs, their heartbeats, and what a run has for itself meanwhile.
 *
 * A run is one process at work on a catalog. It claims what no two may touch at a time:
 *
 *     dump     a dump, by its UUID: who writes or resumes it
 *     volume   a volume, by its label: who appends to it
 *     drive    a drive of this host, by the place that its URL names
 *     source   a path of this host, and all below it: who dumps it
 *
 * Dumps and volumes are known to all hosts by one name, drives and sources are of a host: the same
 * path on two hosts is two things. Two claims of a source collide when one path is the other, or
 * lies below it. Claims are taken all together or not at all. What a run holds already it may claim
 * again.
 *
 * An owner is gone when it was on this host and its process no longer runs (known again by boot,
 * process namespace, number and start time, so that a number used anew is not taken for it), or
 * when its heartbeat is older than the limit. Then its claim is taken over, with a line in the log.
 * The clocks of hosts that share a catalog are to agree better than the limit.
 */
#ifndef PAIRDUMP_CLAIM_H
#define PAIRDUMP_CLAIM_H

#include "pairdump/catalog.h"

/* A run beats every 20 s; the limit is what [catalog] claim-limit says. */
#define PD_RUN_BEAT_NS (20 * PD_NS_PER_S)
#define PD_CLAIM_LIMIT_NS (600 * PD_NS_PER_S)

enum pd_claim_kind { PD_CLAIM_DUMP, PD_CLAIM_VOLUME, PD_CLAIM_DRIVE, PD_CLAIM_SOURCE };
const char *pd_claim_kind_name(enum pd_claim_kind kind);

struct pd_claim {
    enum pd_claim_kind kind;
    const char *name;
    int64_t taken_from; /* set by claiming: run that is gone and had it, 0: none */
};

struct pd_run_row {
    int64_t id;
    char host[256];
    int64_t pid;
    char process[160]; /* boot, namespace and start time of the process */
    char what[160];    /* "dump NAME", for people */
    int64_t started, heartbeat; /* UTC ns */
};

/* Registers this process as a run; fills *out. */
PD_MUST_USE enum pd_status pd_catalog_run_add(struct pd_catalog *catalog, const char *what,
                                              struct pd_run_row *out, struct pd_error *err);
/* PD_BUSY: something it claimed was taken over, so it must stop at once. */
PD_MUST_USE enum pd_status pd_catalog_run_beat(struct pd_catalog *catalog, int64_t run_id,
                                               struct pd_error *err);
/* The run is over: it and its claims are forgotten. */
PD_MUST_USE enum pd_status pd_catalog_run_remove(struct pd_catalog *catalog, int64_t run_id,
                                                 struct pd_error *err);
/* The same, but what it took over from runs that are gone goes back to those: it came to nothing. */
PD_MUST_USE enum pd_status pd_catalog_run_return(struct pd_catalog *catalog, int64_t run_id,
                                                 struct pd_error *err);
/* All, or none and PD_BUSY with an error that names the owner: what it does, host, pid, since when.
 * limit_ns: age of a heartbeat at which its run counts as gone. */
PD_MUST_USE enum pd_status pd_catalog_claim(struct pd_catalog *catalog, int64_t run_id,
                                            struct pd_claim *claims, size_t count,
                                            int64_t limit_ns, struct pd_error *err);
/* Lets go of one; back to the run it was taken from, if any: what that run left is not settled. */
PD_MUST_USE enum pd_status pd_catalog_unclaim(struct pd_catalog *catalog, int64_t run_id,
                                              const struct pd_claim *claim,
                                              struct pd_error *err);
/* Who has it; *found false when nobody has. */
PD_MUST_USE enum pd_status pd_catalog_claim_owner(struct pd_catalog *catalog,
                                                  enum pd_claim_kind kind, const char *name,
                                                  struct pd_run_row *out, bool *found,
                                                  struct pd_error *err);
bool pd_run_is_gone(const struct pd_env *env, const struct pd_run_row *run, int64_t limit_ns);

#endif
