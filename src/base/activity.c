#include "pairdump/activity.h"

/* The next wait: delay after jitter; *delay grows by the backoff for the time after. */
static uint64_t next_wait(const struct pd_env *env, const struct pd_retry *retry, uint64_t *delay)
{
    uint64_t wait = *delay < retry->max_delay_ns ? *delay : retry->max_delay_ns;
    uint64_t spread = wait / 100 * (retry->jitter_percent < 100 ? retry->jitter_percent : 100);

    *delay = wait / 100 * (retry->backoff_percent > 100 ? retry->backoff_percent : 100);
    return spread > 0 ? wait - pd_rng_below(env->rng, spread + 1) : wait;
}

static void log_end(const struct pd_env *env, const struct pd_activity *activity,
                    enum pd_status status, unsigned tries)
{
    enum pd_log_level level = tries > 1 || status != PD_OK ? PD_LOG_INFO : PD_LOG_DEBUG;

    pd_log_line(env->log, level, "activity %s%s%s: %s after %u of %u tries", activity->name,
                activity->subject ? " " : "", activity->subject ? activity->subject : "",
                pd_status_name(status), tries, activity->retry.tries);
}

enum pd_status pd_activity_run(const struct pd_env *env, const struct pd_activity *activity,
                               struct pd_error *err)
{
    uint64_t delay = activity->retry.delay_ns;
    unsigned limit = activity->retry.tries > 0 ? activity->retry.tries : 1;
    unsigned tries = 0;
    enum pd_status status;

    for (;;) {
        pd_error_clear(err);
        status = activity->run(activity->arg, err);
        tries++;
        if (status == PD_OK || !pd_status_retryable(status) || tries >= limit ||
            pd_stop_requested(env->stop)) {
            break;
        }
        uint64_t wait = next_wait(env, &activity->retry, &delay);
        pd_log_line(env->log, PD_LOG_NOTE, "activity %s%s%s: try %u of %u failed: %s [%s]; again in %llu ms",
                    activity->name, activity->subject ? " " : "",
                    activity->subject ? activity->subject : "", tries, limit, err->message,
                    pd_status_name(status), (unsigned long long)(wait / 1000000));
        pd_clock_sleep(env->clock, wait);
    }
    log_end(env, activity, status, tries);
    if (status == PD_OK && activity->on_success) {
        activity->on_success(activity->handler_arg, activity->name, tries, err);
    } else if (status != PD_OK && activity->on_failure) {
        activity->on_failure(activity->handler_arg, activity->name, tries, err);
    }
    return status;
}
