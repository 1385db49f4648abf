#include "pairdump/env.h"

enum pd_status pd_env_check(const struct pd_env *env, struct pd_error *err)
{
    if (pd_stop_requested(env->stop)) {
        return pd_error_set(err, PD_INTERRUPTED, 0, "stopped by a signal");
    }
    return PD_OK;
}

void pd_env_rest(const struct pd_env *env, uint64_t ns)
{
    atomic_fetch_add(&env->progress->bounded, 1);
    pd_clock_sleep(env->clock, ns);
    atomic_fetch_sub(&env->progress->bounded, 1);
}
