#include "pairdump/ledger.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "pairdump/claim.h"
#include "pairdump/rng.h"
#include "pairdump/thread.h"

#define PAUSE_FIRST_NS UINT64_C(250000000)
#define PAUSE_MAX_NS   UINT64_C(15000000000)
#define PAUSE_BUSY_NS                                                                              \
    UINT64_C(100000000)                 /* at most, after a deadlock or a lock waited for in vain */
#define STALL_NS UINT64_C(120000000000) /* a server that takes longer to answer hangs */

struct pd_ledger {
    struct pd_ledger_job job;
    struct pd_thread *thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock: */
    bool stop;
    bool hurry;     /* somebody waits: try now */
    uint64_t taken; /* number of the last entry taken */
    bool ended;     /* for good, see error */
    bool away;      /* the last try did not reach the catalog, see error */
    struct pd_error error;
    /* of the thread: */
    struct pd_catalog *catalog;
    uint64_t place, next_beat, pause;
    struct pd_entry entry;
    bool has_entry;
    uint64_t done; /* number of the last entry taken */
};

static uint64_t now(void)
{
    return pd_clock_monotonic(pd_clock_real());
}

/* ---- the thread ---- */

static enum pd_status take(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct pd_ledger *ledger = arg;

    return ledger->job.take(catalog, ledger->job.arg, &ledger->entry, err);
}

/* The catalog never knows more than the journal: a run that lost power goes on from both. */
static enum pd_status apply(struct pd_ledger *ledger, struct pd_error *err)
{
    const struct pd_ledger_job *job = &ledger->job;
    enum pd_status status = pd_journal_keep(job->journal, ledger->place, err);

    return status == PD_OK ? pd_catalog_apply(ledger->catalog, job->dump_id, ledger->entry.number,
                                              take, ledger, err)
                           : status;
}

/* One thing that is due; *idle true when nothing was. */
static enum pd_status step(struct pd_ledger *ledger, bool *idle, struct pd_error *err)
{
    const struct pd_ledger_job *job = &ledger->job;
    enum pd_status status = PD_OK;

    *idle = false;
    if (!ledger->catalog) {
        status = pd_catalog_again(job->catalog, &ledger->catalog, err);
        if (status == PD_OK) {
            pd_catalog_try_once(ledger->catalog, true);
        }
        return status;
    }
    if (job->run_id != 0 && now() >= ledger->next_beat) {
        status = pd_catalog_run_beat(ledger->catalog, job->run_id, err);
        ledger->next_beat = now() + (status == PD_OK ? PD_RUN_BEAT_NS : 0);
        return status;
    }
    if (!ledger->has_entry) {
        status = pd_journal_next(job->journal, &ledger->place, &ledger->entry,
                                 &ledger->has_entry, err);
        *idle = status == PD_OK && !ledger->has_entry;
    }
    if (status == PD_OK && ledger->has_entry && ledger->entry.number != 0) {
        status = apply(ledger, err);
    }
    if (status == PD_OK && ledger->has_entry) {
        ledger->done = ledger->entry.number != 0 ? ledger->entry.number : ledger->done;
        ledger->has_entry = false;
    }
    return status;
}

/* What a later try can mend: no server, or a stop that kept the driver from waiting for it. */
static bool is_passing(enum pd_status status)
{
    return pd_status_retryable(status) || status == PD_INTERRUPTED;
}

static void note_result(struct pd_ledger *ledger, enum pd_status status, const struct pd_error *why)
{
    struct pd_log *log = ledger->job.env->log;
    bool passing = is_passing(status);

    pthread_mutex_lock(&ledger->lock);
    if (status == PD_OK) {
        ledger->taken = ledger->done;
        if (ledger->away) {
            pd_log_line(log, PD_LOG_NOTE, "the catalog can be reached again");
        }
        ledger->away = false;
        ledger->pause = PAUSE_FIRST_NS;
    } else {
        ledger->error = *why;
        if (passing && !ledger->away) {
            ledger->away = true;
            pd_log_error(log, PD_LOG_WARN, why);
            pd_log_line(log, PD_LOG_WARN,
                        "the dump goes on; its journal keeps what the catalog has to know");
        }
        ledger->ended = !passing;
    }
    pthread_cond_broadcast(&ledger->changed);
    pthread_mutex_unlock(&ledger->lock);
}

/* Sleeps until something is appended, until ns have passed, or until the end. */
static bool rest(struct pd_ledger *ledger, uint64_t ns, bool until_woken)
{
    struct timespec deadline = pd_clock_deadline(ns);
    bool go_on;

    pthread_mutex_lock(&ledger->lock);
    int result = 0;
    while (!ledger->stop && !ledger->hurry && result == 0 &&
           !(until_woken && pd_journal_last(ledger->job.journal) > ledger->taken)) {
        result = pthread_cond_timedwait(&ledger->changed, &ledger->lock, &deadline);
    }
    go_on = !ledger->stop;
    if (ledger->hurry) {
        ledger->hurry = false;
        ledger->pause = PAUSE_FIRST_NS;
    }
    pthread_mutex_unlock(&ledger->lock);
    return go_on;
}

/* What another session held up is tried again soon, at no regular time: who comes back in step with
 * that session meets it each time. A server that is away is asked less and less often. */
static uint64_t pause_after(struct pd_ledger *ledger, enum pd_status status)
{
    uint64_t pause = ledger->pause;

    if (status == PD_CATALOG_BUSY) {
        return pd_rng_below(ledger->job.env->rng, PAUSE_BUSY_NS);
    }
    ledger->pause = pause * 2 < PAUSE_MAX_NS ? pause * 2 : PAUSE_MAX_NS;
    return pause;
}

static enum pd_status run(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct pd_ledger *ledger = arg;
    bool go_on = true;

    (void)err;
    ledger->pause = PAUSE_FIRST_NS;
    while (go_on) {
        struct pd_error why = PD_ERROR_INIT;
        bool idle = false;
        pd_thread_beat(self);
        enum pd_status status = step(ledger, &idle, &why);
        if (pd_thread_abandoned(self)) { /* nothing of the run is there any more */
            break;
        }
        note_result(ledger, status, &why);
        if (status != PD_OK && !is_passing(status)) {
            break;
        }
        if (status != PD_OK) {
            go_on = rest(ledger, pause_after(ledger, status), false);
        } else {
            go_on = rest(ledger, idle ? PD_RUN_BEAT_NS : 0, idle);
        }
    }
    return PD_OK;
}

/* ---- for the dump ---- */

static void destroy(void *arg)
{
    struct pd_ledger *ledger = arg;

    pd_catalog_close(ledger->catalog);
    pd_entry_release(&ledger->entry);
    pthread_cond_destroy(&ledger->changed);
    pthread_mutex_destroy(&ledger->lock);
    free(ledger);
}

static enum pd_status init_locks(struct pd_ledger *ledger, struct pd_error *err)
{
    pthread_condattr_t attr;
    int code = pthread_mutex_init(&ledger->lock, NULL);

    if (code == 0) {
        code = pthread_condattr_init(&attr);
    }
    if (code == 0) {
        code = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        if (code == 0) {
            code = pthread_cond_init(&ledger->changed, &attr);
        }
        pthread_condattr_destroy(&attr);
    }
    return code == 0 ? PD_OK : pd_error_set(err, PD_INTERNAL, code, "cannot make a lock");
}

enum pd_status pd_ledger_start(const struct pd_ledger_job *job, struct pd_ledger **out,
                               struct pd_error *err)
{
    struct pd_ledger *ledger = calloc(1, sizeof *ledger);
    enum pd_status status = ledger ? init_locks(ledger, err) : pd_error_memory(err, "ledger");

    if (status != PD_OK) {
        free(ledger);
        return status;
    }
    ledger->job = *job;
    status = pd_thread_start("ledger", run, ledger, destroy, &ledger->thread, err);
    if (status != PD_OK) {
        destroy(ledger);
        return status;
    }
    *out = ledger;
    return PD_OK;
}

void pd_ledger_wake(struct pd_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    pthread_cond_broadcast(&ledger->changed);
    pthread_mutex_unlock(&ledger->lock);
}

enum pd_status pd_ledger_check(struct pd_ledger *ledger, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    pthread_mutex_lock(&ledger->lock);
    if (ledger->ended) {
        *err = ledger->error;
        status = err->status;
    }
    pthread_mutex_unlock(&ledger->lock);
    return status;
}

/* Under the lock: waits until all up to `last` is taken; false when that took too long. */
static bool wait_for(struct pd_ledger *ledger, uint64_t last, uint64_t patience_ns)
{
    uint64_t moved = now(), seen = ledger->taken;

    while (!ledger->ended && ledger->taken < last) {
        struct timespec soon = pd_clock_deadline(PAUSE_FIRST_NS);
        if (now() - moved >= (ledger->away ? patience_ns : STALL_NS)) {
            return false;
        }
        pthread_cond_timedwait(&ledger->changed, &ledger->lock, &soon);
        moved = ledger->taken != seen ? now() : moved;
        seen = ledger->taken;
    }
    return true;
}

enum pd_status pd_ledger_settle(struct pd_ledger *ledger, uint64_t patience_ns,
                                struct pd_error *err)
{
    uint64_t last = pd_journal_last(ledger->job.journal);
    enum pd_status status = PD_OK;

    pthread_mutex_lock(&ledger->lock);
    ledger->hurry = ledger->away;
    pthread_cond_broadcast(&ledger->changed);
    bool in_time = wait_for(ledger, last, patience_ns);
    if (ledger->ended || (!in_time && ledger->away)) {
        *err = ledger->error;
        status = err->status;
    } else if (!in_time) {
        status = pd_error_set(err, PD_CATALOG_LOST, 0, "the catalog's server takes no more");
    }
    pthread_mutex_unlock(&ledger->lock);
    return status;
}

void pd_ledger_free(struct pd_ledger *ledger)
{
    struct pd_error ignored = PD_ERROR_INIT;
    struct pd_thread *thread;

    if (!ledger) {
        return;
    }
    pthread_mutex_lock(&ledger->lock);
    ledger->stop = true;
    thread = ledger->thread;
    pthread_cond_broadcast(&ledger->changed);
    pthread_mutex_unlock(&ledger->lock);
    (void)!pd_thread_join(&thread, STALL_NS, &ignored); /* frees the ledger, now or when it ends */
}
