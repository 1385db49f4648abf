#include "pairdump/ask.h"

#include <inttypes.h>

#include "pairdump/registry.h"
#include "pairdump/size.h"

#define POLL_NS   (UINT64_C(2) * (uint64_t)PD_NS_PER_S)
#define REMIND_NS (UINT64_C(600) * (uint64_t)PD_NS_PER_S)

/* What a person at the drive can mend. */
static bool is_absent(enum pd_status status)
{
    return status == PD_NO_MEDIUM || status == PD_NOT_FOUND || status == PD_NO_VOLUME ||
           status == PD_FOREIGN || status == PD_WRITE_PROTECTED;
}

bool pd_ask_helps(const struct pd_env *env, const struct pd_target *target, enum pd_status status)
{
    return env->wait_ns > 0 && target && pd_target_caps(target).tape && is_absent(status);
}

void pd_ask_make_way(const struct pd_env *env, struct pd_target *target, enum pd_status status)
{
    struct pd_error why = PD_ERROR_INIT;

    if (status != PD_NO_MEDIUM && pd_ask_helps(env, target, status) &&
        pd_target_unmount(target, &why) != PD_OK) {
        pd_log_error(env->log, PD_LOG_INFO, &why);
    }
}

static void say(const struct pd_env *env, const struct pd_ask *ask, uint64_t left_ns,
                const struct pd_error *why)
{
    char left[32];

    pd_format_duration(left_ns, left, sizeof left);
    pd_log_line(env->log, PD_LOG_WARN, "please put %s into %s; it is waited for, for %s (%s)",
                ask->what, ask->where, left, why->message);
}

/* False: the run is to stop, or the caller has given up. */
static bool rest(const struct pd_env *env, const struct pd_ask *ask, uint64_t left_ns)
{
    pd_clock_sleep(env->clock, left_ns < POLL_NS ? left_ns : POLL_NS);
    return !pd_stop_requested(env->stop) && (!ask->beat || ask->beat(ask->beat_arg));
}

enum pd_status pd_ask(const struct pd_env *env, const struct pd_ask *ask, struct pd_error *err)
{
    uint64_t began = pd_clock_monotonic(env->clock), said = 0, waited = 0;
    enum pd_status status = ask->run(ask->arg, err);
    bool told = false;

    while (pd_target_url_exclusive(ask->where) && is_absent(status) && waited < env->wait_ns) {
        if (!told || waited - said >= REMIND_NS) {
            say(env, ask, env->wait_ns - waited, err);
            said = waited;
            told = true;
        }
        if (!rest(env, ask, env->wait_ns - waited)) {
            break;
        }
        pd_error_clear(err);
        status = ask->run(ask->arg, err);
        waited = pd_clock_monotonic(env->clock) - began;
    }
    if (status != PD_OK && pd_stop_requested(env->stop)) {
        status = pd_env_check(env, err);
    } else if (told && status == PD_OK) {
        pd_log_line(env->log, PD_LOG_NOTE, "%s is there", ask->what);
    }
    return status;
}
