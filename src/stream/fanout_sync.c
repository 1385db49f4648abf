#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/fanout.h"
#include "pairdump/thread.h"

enum { LOOK_NS = 1000000000 }; /* between looks at a call that may take for ever */

/* One target's share; it belongs to its thread's object, which may come back late. */
struct syncing {
    const struct pd_env *env;
    struct pd_target *target;
    pthread_mutex_t lock;
    bool lost; /* the target is ours to close */
};

static void release(void *arg)
{
    struct syncing *s = arg;
    struct pd_error ignored = PD_ERROR_INIT;

    pthread_mutex_lock(&s->lock);
    bool lost = s->lost;
    pthread_mutex_unlock(&s->lock);
    if (lost && pd_target_close(s->target, &ignored) != PD_OK) {
        pd_log_error(s->env->log, PD_LOG_WARN, &ignored);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static enum pd_status sync_target(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct syncing *s = arg;

    (void)self;
    return pd_target_sync(s->target, err);
}

static enum pd_status start(const struct pd_env *env, struct pd_target *target,
                            struct syncing **out, struct pd_thread **thread, struct pd_error *err)
{
    struct syncing *s = calloc(1, sizeof *s);
    enum pd_status status;

    if (!s) {
        return pd_error_memory(err, "writer");
    }
    s->env = env;
    s->target = target;
    pthread_mutex_init(&s->lock, NULL);
    status = pd_thread_start("sync", sync_target, s, release, thread, err);
    if (status == PD_OK) {
        *out = s;
    } else {
        release(s);
    }
    return status;
}

/* Until it has ended, or takes longer than a call may. */
static bool wait_end(const struct pd_env *env, struct pd_thread *thread)
{
    bool done;

    do {
        done = pd_thread_wait(thread, env->stall_ns > 0 ? env->stall_ns : LOOK_NS);
    } while (!done && env->stall_ns == 0);
    return done;
}

static void collect(const struct pd_env *env, struct pd_fanout_copy *copy, struct syncing *s,
                    struct pd_thread *thread)
{
    if (wait_end(env, thread)) {
        copy->status = pd_thread_join(&thread, 0, &copy->error);
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->lost = true;
    pthread_mutex_unlock(&s->lock);
    copy->lost = true;
    copy->status = pd_thread_join(&thread, 1, &copy->error);
    copy->status = pd_error_set(&copy->error, PD_HUNG, 0,
                                "the drive does not say that all is on the medium; the copy is"
                                " given up");
    copy->target = NULL;
    atomic_fetch_add(&env->progress->hung, 1);
}

enum pd_status pd_fanout_sync(const struct pd_env *env, struct pd_fanout_copy *copies,
                              size_t copy_count, struct pd_error *err)
{
    struct syncing *syncing[PD_COPIES_MAX] = {NULL};
    struct pd_thread *threads[PD_COPIES_MAX] = {NULL};
    const struct pd_fanout_copy *worst = NULL;
    bool good = false;

    if (copy_count > PD_COPIES_MAX) {
        return pd_error_set(err, PD_INTERNAL, 0, "too many copies");
    }
    for (size_t i = 0; i < copy_count; i++) {
        copies[i].status = PD_INTERNAL;
        copies[i].lost = false;
        pd_error_clear(&copies[i].error);
        if (copies[i].target) {
            copies[i].status =
                start(env, copies[i].target, &syncing[i], &threads[i], &copies[i].error);
        }
    }
    for (size_t i = 0; i < copy_count; i++) {
        bool took_part = copies[i].target != NULL;
        if (threads[i]) {
            collect(env, &copies[i], syncing[i], threads[i]);
        }
        good = good || copies[i].status == PD_OK;
        if (took_part &&
            (!worst || pd_status_worst(worst->status, copies[i].status) != worst->status)) {
            worst = &copies[i];
        }
    }
    if (good) {
        return PD_OK;
    }
    if (!worst) {
        return pd_error_set(err, PD_INTERNAL, 0, "no target is left to bring to the medium");
    }
    *err = worst->error;
    return worst->status;
}
