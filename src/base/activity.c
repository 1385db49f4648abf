#include "pairdump/activity.h"

#include <inttypes.h>

#include "pairdump/size.h"

/* The next wait, after jitter; *delay grows by the backoff for the time after. */
static uint64_t next_wait(const struct pd_env *env, const struct pd_retry *retry, uint64_t *delay)
{
    uint64_t wait = *delay < retry->max_delay_ns ? *delay : retry->max_delay_ns;
    unsigned jitter = retry->jitter_percent < 100 ? retry->jitter_percent : 100;
    unsigned backoff = retry->backoff_percent > 100 ? retry->backoff_percent : 100;
    uint64_t spread = pd_mul_sat(wait, jitter) / 100;

    *delay = pd_mul_sat(wait, backoff) / 100;
    return spread > 0 ? wait - pd_rng_below(env->rng, pd_add_sat(spread, 1)) : wait;
}

static void log_again(const struct pd_env *env, const struct pd_activity *activity, unsigned tries,
                      uint64_t wait, const struct pd_error *err)
{
    const char *subject = activity->subject ? activity->subject : "";

    pd_log_line(env->log, PD_LOG_NOTE,
                "activity %s%s%s: try %u of %u failed: %s [%s]; again in %" PRIu64 " ms",
                activity->name, *subject ? " " : "", subject, tries, activity->retry.tries,
                err->message, pd_status_name(err->status), wait / 1000000);
}

static void log_end(const struct pd_env *env, const struct pd_activity *activity,
                    enum pd_status status, unsigned tries)
{
    enum pd_log_level level = tries > 1 || status != PD_OK ? PD_LOG_INFO : PD_LOG_DEBUG;
    const char *subject = activity->subject ? activity->subject : "";

    pd_log_line(env->log, level, "activity %s%s%s: %s after %u of %u tries", activity->name,
                *subject ? " " : "", subject, pd_status_name(status), tries,
                activity->retry.tries > 0 ? activity->retry.tries : 1);
}

enum pd_status pd_activity_run(const struct pd_env *env, const struct pd_activity *activity,
                               struct pd_error *err)
{
    uint64_t delay = activity->retry.delay_ns;
    struct pd_error failure;
    unsigned tries = 0;
    enum pd_status status;

    for (;;) {
        pd_error_clear(&failure);
        status = activity->run(activity->arg, &failure);
        tries++;
        if (status == PD_OK) {
            break;
        }
        failure.status = status;
        if (!pd_status_retryable(status) || tries >= activity->retry.tries ||
            pd_stop_requested(env->stop)) {
            break;
        }
        uint64_t wait = next_wait(env, &activity->retry, &delay);
        log_again(env, activity, tries, wait, &failure);
        pd_clock_sleep(env->clock, wait);
        if (pd_stop_requested(env->stop)) {
            break;
        }
    }
    log_end(env, activity, status, tries);
    if (status == PD_OK) {
        pd_error_clear(&failure);
    } else {
        *err = failure;
    }
    pd_activity_handler handler = status == PD_OK ? activity->on_success : activity->on_failure;
    if (handler) {
        handler(activity->handler_arg, activity->name, tries, &failure);
    }
    return status;
}
