#include "pairdump/health.h"

#include <string.h>

#include "pairdump/size.h"

#define FAULT_POINTS  16
#define DEMOTE_POINTS 32
#define PROBE_RECORDS UINT64_C(64)
#define PROBE_NS      (UINT64_C(30) * (uint64_t)PD_NS_PER_S)
#define PROBES_MAX    10 /* the longest wait is 2^10 times the first */
#define WEIGHT        8  /* a new time counts for an eighth of the average */
#define LAG_TIMES     4
#define LAG_NS        (UINT64_C(100) * 1000 * 1000) /* below, a difference is noise */

void pd_health_init(struct pd_health *health)
{
    memset(health, 0, sizeof(*health));
}

static void demote(struct pd_health *health, const struct pd_clock *clock)
{
    if (health->demoted)
        return;
    health->demoted = true;
    health->demoted_at = pd_clock_monotonic(clock);
    health->passed = 0;
}

/* On trial: one fault is enough to be demoted again. Old times are forgotten, they may be of the
 * trouble that has passed. */
static void promote(struct pd_health *health)
{
    health->demoted = false;
    health->points = DEMOTE_POINTS - 1;
    health->average_ns = 0;
    health->samples = 0;
}

static void measure(struct pd_health *health, uint64_t took_ns)
{
    if (health->samples++ == 0)
        health->average_ns = took_ns;
    else
        health->average_ns =
            pd_add_sat(health->average_ns - health->average_ns / WEIGHT, took_ns / WEIGHT);
}

void pd_health_success(struct pd_health *health, const struct pd_clock *clock, uint64_t took_ns)
{
    health->served++;
    health->last_success = pd_clock_utc(clock);
    if (health->demoted)
        promote(health);
    else if (health->points > 0)
        health->points--;
    if (health->points == 0)
        health->probes = 0;
    measure(health, took_ns);
}

static bool is_grave(enum pd_status why)
{
    return why == PD_HUNG || why == PD_LATE || why == PD_NO_MEDIUM || why == PD_NOT_READY ||
           why == PD_WRONG_VOLUME;
}

void pd_health_fault(struct pd_health *health, const struct pd_clock *clock, enum pd_status why)
{
    if (why == PD_BAD_RECORD)
        health->mismatches++;
    else
        health->errors++;
    health->lost = health->lost || why == PD_HUNG;
    health->points += FAULT_POINTS;
    if (is_grave(why) || health->points > DEMOTE_POINTS)
        health->points = DEMOTE_POINTS;
    if (health->points == DEMOTE_POINTS)
        demote(health, clock);
}

void pd_health_slow(struct pd_health *health, const struct pd_clock *clock)
{
    health->points = DEMOTE_POINTS;
    demote(health, clock);
}

void pd_health_pass(struct pd_health *health)
{
    if (health->demoted)
        health->passed++;
}

bool pd_health_probe(struct pd_health *health, const struct pd_clock *clock)
{
    uint64_t now = pd_clock_monotonic(clock);

    if (!health->demoted || health->lost)
        return false;
    if (health->passed < PROBE_RECORDS << health->probes &&
        now - health->demoted_at < PROBE_NS << health->probes)
        return false;
    health->demoted_at = now;
    health->passed = 0;
    if (health->probes < PROBES_MAX)
        health->probes++;
    return true;
}

bool pd_health_lags(const struct pd_health *health, const struct pd_health *other)
{
    return health->samples >= WEIGHT && other->samples >= WEIGHT &&
           health->average_ns / LAG_TIMES > other->average_ns &&
           health->average_ns - other->average_ns > LAG_NS;
}
