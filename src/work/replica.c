#include <stdlib.h>

#include "pairdump/size.h"
#include "replica_priv.h"

#define RECORD_MAX     ((uint64_t)64 << 20)
#define LATE_TIMES     20
#define LOCATE_NS      (UINT64_C(240) * (uint64_t)PD_NS_PER_S) /* a tape from end to end, and again */
#define INTERRUPTED_NS (UINT64_C(5) * (uint64_t)PD_NS_PER_S)

/* ---- new and free ---- */

static enum pd_status start_copy(struct pd_replica *replica, size_t i, struct pd_error *err)
{
    struct pd_replica_copy *copy = &replica->copies[i];
    struct pd_replica_state *state = &replica->states[i];
    struct pd_target_caps caps;

    copy->served = 0;
    copy->errors = 0;
    copy->mismatches = 0;
    copy->first_fault = PD_OK;
    copy->first_fault_record = 0;
    pd_health_init(&state->own);
    state->health = copy->health != NULL ? copy->health : &state->own;
    if (copy->target == NULL)
        return pd_error_set(err, PD_INTERNAL, 0, "a replica with a copy that has no target");
    caps = pd_target_caps(copy->target);
    state->cheap = caps.parallel || caps.seeks_cheaply;
    return pd_replica_feed_new(replica->env, replica->hub, copy, (size_t)replica->toc->record_size,
                               &state->feed, err);
}

enum pd_status pd_replica_new(const struct pd_env *env, const struct pd_toc *toc,
                              struct pd_replica_copy *copies, size_t count,
                              struct pd_replica **out, struct pd_error *err)
{
    struct pd_replica *replica = NULL;
    enum pd_status status;

    *out = NULL;
    if (count == 0)
        return pd_error_set(err, PD_INTERNAL, 0, "a replica without copies");
    if (toc->record_size == 0 || toc->record_size > RECORD_MAX)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "%s: records of %llu bytes", toc->name,
                            (unsigned long long)toc->record_size);
    replica = calloc(1, sizeof(*replica));
    if (replica == NULL)
        return pd_error_memory(err, "a record");
    replica->env = env;
    replica->toc = toc;
    replica->copies = copies;
    replica->previous = PD_REPLICA_NOWHERE;
    replica->states = calloc(count, sizeof(*replica->states));
    status = replica->states == NULL ? pd_error_memory(err, "a record")
                                     : pd_replica_hub_new(&replica->hub, err);
    for (; replica->count < count && status == PD_OK; replica->count++)
        status = start_copy(replica, replica->count, err);
    if (status == PD_OK) {
        *out = replica;
        replica = NULL;
    }
    pd_replica_free(replica);
    return status;
}

/* Takes the thread away from a copy; the target as well, if the thread has not ended. */
static void let_go(struct pd_replica *replica, size_t i)
{
    struct pd_replica_state *state = &replica->states[i];

    if (state->feed == NULL || !pd_replica_feed_finish(&state->feed))
        return;
    replica->copies[i].target = NULL;
    state->health->taken = true;
    atomic_fetch_add(&replica->env->progress->hung, 1);
}

static bool has_other(const struct pd_replica *replica, size_t i)
{
    for (size_t j = 0; j < replica->count; j++)
        if (j != i && !replica->states[j].gone && replica->states[j].feed != NULL &&
            !pd_replica_feed_is_stuck(replica->states[j].feed))
            return true;
    return false;
}

/* With the lock held: how long the call that a copy is in may take while others can do its work; 0:
 * for ever. */
static uint64_t patience(const struct pd_replica *replica, size_t i)
{
    const struct pd_replica_state *state = &replica->states[i];
    uint64_t stall = replica->env->stall_ns, limit = replica->env->read_deadline_ns;
    uint64_t usual = pd_mul_sat(state->health->average_ns, LATE_TIMES);

    if (limit == 0)
        return stall;
    if (usual > limit)
        limit = usual;
    if (state->feed->phase == PD_FEED_PLACING && !state->cheap && limit < LOCATE_NS)
        limit = LOCATE_NS;
    return stall > 0 && stall < limit ? stall : limit;
}

static bool is_past(const struct pd_replica_feed *feed, uint64_t limit)
{
    return limit > 0 && feed->phase != PD_FEED_IDLE && pd_replica_now() - feed->since_ns >= limit;
}

static void note_fault(struct pd_replica *replica, size_t i, uint64_t no, enum pd_status why,
                       struct pd_error *fault);

/* Waits for the call that the thread is in; what does not come back keeps the target. */
static void wait_end(struct pd_replica *replica, size_t i)
{
    struct pd_replica_feed *feed = replica->states[i].feed;
    struct pd_error fault = PD_ERROR_INIT;
    bool other = has_other(replica, i), hung;
    uint64_t limit;

    while (!feed->ended) {
        limit = other ? patience(replica, i) : replica->env->stall_ns;
        if (pd_stop_requested(replica->env->stop) && (limit == 0 || limit > INTERRUPTED_NS))
            limit = INTERRUPTED_NS;
        if (is_past(feed, limit))
            break;
        pd_replica_hub_wait(replica->hub);
    }
    if (feed->ended)
        return;
    hung = is_past(feed, replica->env->stall_ns);
    if (hung || !pd_replica_feed_is_stuck(feed)) {
        enum pd_status why = pd_error_set(&fault, hung ? PD_HUNG : PD_LATE, 0,
                                          "the drive does not come back from its last call");

        note_fault(replica, i, replica->previous, why, &fault);
    }
}

void pd_replica_free(struct pd_replica *replica)
{
    if (replica == NULL)
        return;
    if (replica->hub != NULL) {
        pthread_mutex_lock(&replica->hub->lock);
        for (size_t i = 0; i < replica->count; i++)
            if (replica->states[i].feed != NULL)
                pd_replica_feed_close(replica->states[i].feed);
        for (size_t i = 0; i < replica->count; i++)
            if (replica->states[i].feed != NULL)
                wait_end(replica, i);
        pthread_mutex_unlock(&replica->hub->lock);
    }
    for (size_t i = 0; i < replica->count; i++)
        let_go(replica, i);
    pd_replica_hub_drop(replica->hub);
    free(replica->states);
    free(replica->lost);
    free(replica);
}

/* ---- what is lost ---- */

/* So that the next file in the same record does not read all copies again. Short memory only costs
 * that. */
static void remember_lost(struct pd_replica *replica, uint64_t no)
{
    if (replica->lost_count == replica->lost_cap) {
        size_t cap = replica->lost_cap == 0 ? 16 : replica->lost_cap * 2;
        uint64_t *bigger = realloc(replica->lost, cap * sizeof(*bigger));

        if (bigger == NULL)
            return;
        replica->lost = bigger;
        replica->lost_cap = cap;
    }
    replica->lost[replica->lost_count++] = no;
}

bool pd_replica_is_lost(const struct pd_replica *replica, uint64_t no)
{
    for (size_t i = replica->lost_count; i > 0; i--)
        if (replica->lost[i - 1] == no)
            return true;
    return false;
}

static enum pd_status no_good_copy(const struct pd_replica *replica, uint64_t no,
                                   struct pd_error *err)
{
    enum pd_status status = pd_error_set(err, PD_BAD_RECORD, 0, "record %llu: none of %zu %s good",
                                         (unsigned long long)no, replica->count,
                                         replica->count == 1 ? "copy is" : "copies is");

    pd_error_context(err, NULL, replica->toc->name, NULL);
    return status;
}

/* ---- answers ---- */

static void note_fault(struct pd_replica *replica, size_t i, uint64_t no, enum pd_status why,
                       struct pd_error *fault)
{
    struct pd_replica_copy *copy = &replica->copies[i];
    struct pd_health *health = replica->states[i].health;

    if (why == PD_BAD_RECORD)
        copy->mismatches++;
    else
        copy->errors++;
    if (copy->first_fault == PD_OK) {
        copy->first_fault = why;
        copy->first_fault_record = no;
    }
    pd_error_context(fault, copy->name, replica->toc->name, NULL);
    pd_log_error(replica->env->log, PD_LOG_DEBUG, fault);
    pd_health_fault(health, replica->env->clock, why);
    if (!health->demoted)
        return;
    pd_replica_feed_drop(replica->states[i].feed);
    if (why == PD_BAD_RECORD)
        replica->states[i].feed->doubt = true;
}

/* Compares what was read; the only place where a record becomes good. Without the lock: the slot is
 * the replica's, and hashing takes a while. */
static enum pd_status check(struct pd_replica *replica, struct pd_replica_slot *slot,
                            struct pd_error *err)
{
    size_t size = (size_t)replica->toc->record_size;
    struct pd_xxh128 digest;

    if (slot->status != PD_OK) {
        *err = slot->error;
        return slot->status;
    }
    if (slot->got != size)
        return pd_error_set(err, PD_BAD_RECORD, 0,
                            "record %llu has %zu bytes where %zu were written",
                            (unsigned long long)slot->no, slot->got, size);
    digest = pd_record_digest(slot->buf, size);
    if (!pd_xxh128_equal(&digest, &replica->toc->records[slot->no]))
        return pd_error_set(err, PD_BAD_RECORD, 0, "record %llu does not match its digest",
                            (unsigned long long)slot->no);
    return PD_OK;
}

/* True for what is not the copy's fault. A driver's broken contract is. */
static bool ends_all(enum pd_status status)
{
    return status == PD_INTERRUPTED || status == PD_NO_MEMORY;
}

/* A late answer, or another one from before a demotion, does not bring a copy back; a trial does.
 */
static void note_good(struct pd_replica *replica, size_t i, const struct pd_replica_slot *slot)
{
    struct pd_health *health = replica->states[i].health;

    if (!slot->late && (slot->probe || !health->demoted))
        pd_health_success(health, replica->env->clock, slot->took_ns);
}

/* With the lock held. Other values than PD_OK end the call for the record wanted. */
static enum pd_status judge(struct pd_replica *replica, size_t i, struct pd_replica_slot *slot,
                            uint64_t wanted, struct pd_error *err)
{
    struct pd_replica_state *state = &replica->states[i];
    struct pd_error fault = PD_ERROR_INIT;
    enum pd_status status;

    pthread_mutex_unlock(&replica->hub->lock);
    status = check(replica, slot, &fault);
    pthread_mutex_lock(&replica->hub->lock);
    slot->state = status == PD_OK ? PD_SLOT_GOOD : PD_SLOT_BAD;
    if (status == PD_OK) {
        state->open_failures = 0;
        note_good(replica, i, slot);
        return PD_OK;
    }
    if (ends_all(status)) {
        slot->state = PD_SLOT_FREE;
        pd_error_context(&fault, replica->copies[i].name, replica->toc->name, NULL);
        if (slot->no != wanted)
            return PD_OK;
        *err = fault;
        return status;
    }
    state->open_failures = slot->unopened ? state->open_failures + 1 : 0;
    if (state->open_failures >= PD_REPLICA_OPEN_TRIES || status == PD_WRONG_VOLUME)
        state->gone = true;
    note_fault(replica, i, slot->no, status, &fault);
    if (state->gone)
        pd_replica_feed_drop(state->feed);
    return PD_OK;
}

static enum pd_status judge_all(struct pd_replica *replica, uint64_t wanted, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < replica->count && status == PD_OK; i++) {
        struct pd_replica_slot *slot;

        while (status == PD_OK && replica->states[i].feed != NULL &&
               (slot = pd_replica_feed_answer(replica->states[i].feed)) != NULL)
            status = judge(replica, i, slot, wanted, err);
    }
    return status;
}

/* ---- time ---- */

/* With the lock held, which it leaves. */
static void give_up(struct pd_replica *replica, size_t i, uint64_t no)
{
    struct pd_error fault = PD_ERROR_INIT;
    enum pd_status why = pd_error_set(&fault, PD_HUNG, 0, "the drive does not come back");

    note_fault(replica, i, no, why, &fault);
    replica->states[i].gone = true;
    pd_replica_feed_close(replica->states[i].feed);
    pthread_mutex_unlock(&replica->hub->lock);
    let_go(replica, i);
    pthread_mutex_lock(&replica->hub->lock);
}

static void give_up_hung(struct pd_replica *replica, uint64_t no)
{
    for (size_t i = 0; i < replica->count; i++) {
        const struct pd_replica_feed *feed = replica->states[i].feed;

        if (feed != NULL && is_past(feed, replica->env->stall_ns))
            give_up(replica, i, no);
    }
}

static void note_late(struct pd_replica *replica, size_t i, struct pd_replica_slot *slot)
{
    struct pd_error fault = PD_ERROR_INIT;
    enum pd_status why =
        pd_error_set(&fault, PD_LATE, 0, "record %llu does not come", (unsigned long long)slot->no);

    slot->late = true;
    pd_replica_feed_stick(replica->states[i].feed);
    note_fault(replica, i, slot->no, why, &fault);
}

/* Is anybody reading the record who is not late? Finds out who is, while there is another to ask.
 */
static bool is_awaited(struct pd_replica *replica, uint64_t no, bool other)
{
    bool awaited = false;

    for (size_t i = 0; i < replica->count; i++) {
        struct pd_replica_feed *feed = replica->states[i].feed;
        struct pd_replica_slot *slot = feed == NULL ? NULL : pd_replica_feed_find(feed, no);

        if (slot == NULL || slot->state == PD_SLOT_BAD)
            continue;
        if (other && !slot->late && !slot->probe && is_past(feed, patience(replica, i)))
            note_late(replica, i, slot);
        awaited = awaited || !(slot->late || slot->probe) || !other;
    }
    return awaited;
}

/* ---- one record ---- */

static bool serve(struct pd_replica *replica, uint64_t no)
{
    struct pd_replica_slot *slot = NULL;
    size_t by = 0;

    for (; by < replica->count; by++) {
        slot = replica->states[by].feed == NULL
                   ? NULL
                   : pd_replica_feed_find(replica->states[by].feed, no);
        if (slot != NULL && slot->state == PD_SLOT_GOOD)
            break;
    }
    if (by == replica->count)
        return false;
    slot->state = PD_SLOT_HELD;
    replica->held = slot;
    replica->copies[by].served++;
    for (size_t i = 0; i < replica->count; i++) {
        if (i == by)
            continue;
        pd_health_pass(replica->states[i].health);
        if (!replica->states[i].gone && !replica->states[i].health->demoted &&
            pd_health_lags(replica->states[by].health, replica->states[i].health))
            pd_health_slow(replica->states[by].health, replica->env->clock);
    }
    return true;
}

static enum pd_status ask(struct pd_replica *replica, size_t i, uint64_t no, struct pd_error *err)
{
    struct pd_replica_slot *slot = NULL;

    return pd_replica_feed_ask(replica->states[i].feed, no, true, &slot, err);
}

/* Sees to it that somebody reads the record; *lost when nobody is left who could. */
static enum pd_status ask_more(struct pd_replica *replica, uint64_t no, bool *lost,
                               struct pd_error *err)
{
    size_t next = 0;
    bool other = pd_replica_plan_next(replica, no, false, &next);

    *lost = false;
    if (is_awaited(replica, no, other))
        return PD_OK;
    if (!other && !pd_replica_plan_next(replica, no, true, &next)) {
        *lost = true;
        return PD_OK;
    }
    return ask(replica, next, no, err);
}

/* Moves the window on to the record, and asks for it where it is its turn. */
static enum pd_status begin(struct pd_replica *replica, uint64_t no, struct pd_error *err)
{
    enum pd_status status = PD_OK;
    uint64_t to;
    size_t first;

    replica->sequence = replica->previous != PD_REPLICA_NOWHERE && no == replica->previous + 1
                            ? replica->sequence + 1
                            : 0;
    replica->previous = no;
    if (replica->held != NULL)
        replica->held->state = PD_SLOT_FREE;
    replica->held = NULL;
    to = pd_add_sat(no, pd_replica_plan_span(replica));
    for (size_t i = 0; i < replica->count; i++)
        if (replica->states[i].feed != NULL)
            pd_replica_feed_prune(replica->states[i].feed, no, to);
    give_up_hung(replica, no);
    pd_replica_plan_lead(replica);
    first = pd_replica_plan_for(replica, no);
    if (!replica->states[first].gone && !pd_replica_plan_is_coming(replica, no) &&
        pd_replica_feed_find(replica->states[first].feed, no) == NULL)
        status = ask(replica, first, no, err);
    if (status == PD_OK) {
        pd_replica_plan_ahead(replica, no);
        pd_replica_plan_probe(replica, no);
    }
    return status;
}

/* With the lock held. What came while it was left for a moment is not slept over. */
static void wait_answer(struct pd_replica *replica)
{
    for (size_t i = 0; i < replica->count; i++)
        if (replica->states[i].feed != NULL &&
            pd_replica_feed_answer(replica->states[i].feed) != NULL)
            return;
    pd_replica_hub_wait(replica->hub);
}

/* Before a record counts as lost each copy may be asked for it once more: what failed may pass.
 * False when there is none to ask. */
static bool forget(struct pd_replica *replica, uint64_t no)
{
    bool any = false;

    for (size_t i = 0; i < replica->count; i++) {
        struct pd_replica_slot *slot =
            replica->states[i].gone ? NULL : pd_replica_feed_find(replica->states[i].feed, no);

        if (slot == NULL || slot->state != PD_SLOT_BAD)
            continue;
        slot->state = PD_SLOT_FREE;
        any = true;
    }
    return any;
}

/* With the lock held. */
static enum pd_status fetch(struct pd_replica *replica, uint64_t no, struct pd_error *err)
{
    enum pd_status status = judge_all(replica, no, err);
    bool lost = false, again = false;

    if (status == PD_OK)
        status = begin(replica, no, err);
    while (status == PD_OK) {
        status = judge_all(replica, no, err);
        if (status != PD_OK || serve(replica, no))
            break;
        give_up_hung(replica, no);
        status = ask_more(replica, no, &lost, err);
        if (status != PD_OK)
            break;
        if (lost && (again || !forget(replica, no))) {
            remember_lost(replica, no);
            return no_good_copy(replica, no, err);
        }
        again = again || lost;
        if (!lost)
            wait_answer(replica);
        status = pd_env_check(replica->env, err);
    }
    return status;
}

enum pd_status pd_replica_record(struct pd_replica *replica, uint64_t record_no,
                                 const uint8_t **record, struct pd_error *err)
{
    enum pd_status status;

    *record = NULL;
    if (record_no >= replica->toc->record_count)
        return pd_error_set(err, PD_TRUNCATED, 0, "%s has %llu records; record %llu was asked for",
                            replica->toc->name, (unsigned long long)replica->toc->record_count,
                            (unsigned long long)record_no);
    if (replica->held != NULL && replica->held->no == record_no) {
        *record = replica->held->buf;
        return PD_OK;
    }
    if (pd_replica_is_lost(replica, record_no))
        return no_good_copy(replica, record_no, err);
    status = pd_env_check(replica->env, err);
    if (status != PD_OK)
        return status;
    pthread_mutex_lock(&replica->hub->lock);
    status = fetch(replica, record_no, err);
    pthread_mutex_unlock(&replica->hub->lock);
    if (status == PD_OK)
        *record = replica->held->buf;
    return status;
}
