/*
 * ledger: brings a journal into the catalog, in a thread of its own, so that no byte waits for a
 * server.
 *
 * The thread takes the numbered entries in order, each once (pd_catalog_apply), in a session of its
 * own, and beats for the run. While the catalog cannot be reached it tries again, with pauses that
 * grow; what another session held up (a deadlock, a lock) is tried again soon. The journal keeps what
 * waits. What it cannot take for another reason ends it for good, and pd_ledger_check tells: so does
 * a claim of the run that was taken over.
 */
#ifndef PAIRDUMP_LEDGER_H
#define PAIRDUMP_LEDGER_H

#include "pairdump/catalog.h"
#include "pairdump/journal.h"

struct pd_ledger;

/* Makes the changes of one entry, inside of its transaction, in the ledger's thread; may be called
 * again for the same entry. */
typedef enum pd_status (*pd_ledger_fn)(struct pd_catalog *catalog, void *arg,
                                       const struct pd_entry *entry, struct pd_error *err);

struct pd_ledger_job {
    const struct pd_env *env;
    const struct pd_catalog *catalog; /* opened again for the thread */
    struct pd_journal *journal;       /* outlives the ledger */
    int64_t dump_id, run_id;
    pd_ledger_fn take;
    void *arg;
};

PD_MUST_USE enum pd_status pd_ledger_start(const struct pd_ledger_job *job,
                                           struct pd_ledger **out, struct pd_error *err);
/* Something was appended. */
void pd_ledger_wake(struct pd_ledger *ledger);
/* PD_OK, or why the ledger has ended. */
PD_MUST_USE enum pd_status pd_ledger_check(struct pd_ledger *ledger, struct pd_error *err);
/* Waits until everything is taken, but no longer than patience_ns while the catalog cannot be
 * reached: then its error, PD_CATALOG_LOST or the like. */
PD_MUST_USE enum pd_status pd_ledger_settle(struct pd_ledger *ledger, uint64_t patience_ns,
                                            struct pd_error *err);
/* Ends the thread, after the entry at hand; NULL: nothing. */
void pd_ledger_free(struct pd_ledger *ledger);

#endif
