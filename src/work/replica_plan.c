#include "replica_priv.h"

#define STRIPE_BYTES (UINT64_C(8) << 20) /* read from one copy before it is the next one's turn */
#define STRIPES_KEPT 2                   /* how far ahead of the caller a copy may be, per copy */

static bool is_well(const struct pd_replica *replica, size_t i)
{
    return !replica->states[i].gone && !replica->states[i].health->demoted;
}

/* Records of a stripe: so few that a copy fetches the half of its next one while others read
 * theirs. */
static uint64_t stripe(const struct pd_replica *replica)
{
    uint64_t records = STRIPE_BYTES / replica->toc->record_size;
    uint64_t most = UINT64_C(2) * PD_REPLICA_SLOTS;

    return records < 1 ? 1 : records < most ? records : most;
}

static bool shares(const struct pd_replica *replica, size_t i)
{
    return is_well(replica, i) && replica->states[i].cheap;
}

/* Copies that take turns: none but in a long run of records, and where moving costs little. */
static size_t sharers(const struct pd_replica *replica)
{
    size_t count = 0;

    if (replica->sequence < stripe(replica))
        return 0;
    for (size_t i = 0; i < replica->count; i++)
        count += shares(replica, i);
    return count > 1 ? count : 0;
}

size_t pd_replica_plan_for(const struct pd_replica *replica, uint64_t no)
{
    size_t count = sharers(replica), turn;

    if (count == 0)
        return replica->leader;
    turn = (size_t)(no / stripe(replica) % count);
    for (size_t i = 0; i < replica->count; i++)
        if (shares(replica, i) && turn-- == 0)
            return i;
    return replica->leader;
}

uint64_t pd_replica_plan_span(const struct pd_replica *replica)
{
    size_t count = sharers(replica);

    if (count > 0)
        return STRIPES_KEPT * count * stripe(replica);
    /* who asks for single records does not get others read for nothing */
    return replica->sequence >= 3 ? PD_REPLICA_SLOTS : UINT64_C(1) << replica->sequence;
}

bool pd_replica_plan_next(const struct pd_replica *replica, uint64_t no, bool stuck, size_t *out)
{
    unsigned best = 0;

    for (size_t i = 0; i < replica->count; i++) {
        const struct pd_replica_state *state = &replica->states[i];
        unsigned rank = state->health->demoted ? 1 : i == replica->leader ? 3 : 2;

        if (state->gone || pd_replica_feed_find(state->feed, no) != NULL)
            continue;
        if (pd_replica_feed_is_stuck(state->feed) && !stuck)
            continue;
        if (rank > best) {
            best = rank;
            *out = i;
        }
    }
    return best > 0;
}

void pd_replica_plan_lead(struct pd_replica *replica)
{
    size_t left = replica->count;

    if (is_well(replica, replica->leader))
        return;
    for (size_t i = 0; i < replica->count; i++) {
        if (is_well(replica, i)) {
            replica->leader = i;
            return;
        }
        if (left == replica->count && !replica->states[i].gone)
            left = i;
    }
    if (replica->states[replica->leader].gone && left < replica->count)
        replica->leader = left;
}

bool pd_replica_plan_is_coming(const struct pd_replica *replica, uint64_t no)
{
    for (size_t i = 0; i < replica->count; i++) {
        struct pd_replica_slot *slot =
            replica->states[i].gone ? NULL : pd_replica_feed_find(replica->states[i].feed, no);

        if (slot != NULL && slot->state != PD_SLOT_BAD && !slot->late && !slot->probe)
            return true;
    }
    return false;
}

void pd_replica_plan_ahead(struct pd_replica *replica, uint64_t no)
{
    uint64_t end = no + pd_replica_plan_span(replica);

    if (end > replica->toc->record_count || end < no)
        end = replica->toc->record_count;
    for (uint64_t next = no + 1; next < end; next++) {
        struct pd_replica_state *state = &replica->states[pd_replica_plan_for(replica, next)];
        struct pd_error ignored = PD_ERROR_INIT;
        struct pd_replica_slot *slot;

        if (state->gone || pd_replica_feed_find(state->feed, next) != NULL ||
            pd_replica_plan_is_coming(replica, next) || pd_replica_is_lost(replica, next))
            continue;
        if (pd_replica_feed_ask(state->feed, next, false, &slot, &ignored) != PD_OK)
            return; /* it is not needed yet: who needs it says what is wrong */
    }
}

void pd_replica_plan_probe(struct pd_replica *replica, uint64_t no)
{
    for (size_t i = 0; i < replica->count; i++) {
        struct pd_replica_state *state = &replica->states[i];
        struct pd_error ignored = PD_ERROR_INIT;
        struct pd_replica_slot *slot = NULL;

        if (state->gone || state->feed->phase != PD_FEED_IDLE ||
            pd_replica_feed_find(state->feed, no) != NULL ||
            !pd_health_probe(state->health, replica->env->clock))
            continue;
        if (pd_replica_feed_ask(state->feed, no, true, &slot, &ignored) == PD_OK && slot != NULL)
            slot->probe = true;
    }
}
