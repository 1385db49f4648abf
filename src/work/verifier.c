#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pairdump/activity.h"
#include "pairdump/ask.h"
#include "pairdump/check.h"
#include "pairdump/registry.h"
#include "pairdump/thread.h"
#include "verify_priv.h"

#define QUEUE_MAX 2
#define NICE      5

/* An archive to be verified. */
struct order {
    struct pd_expect *expect;
    uint32_t tape_file;
    int64_t copy_id;
};

struct answer {
    struct answer *next;
    struct pd_verify_result result;
};

/*
 * What owner and thread share; reference counted, as a hung thread may outlive its owner.
 * Invariants while lock is free: queue[0..queued) wait in order; current is under way if working;
 * answers from first to last are complete, in the order of the archives. closed: no more orders
 * come. cancelled: the thread is to leave. given_up: the owner has answered everything itself, and
 * what the thread still says is dropped. ended: the thread takes no more orders.
 */
struct core {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned refs;
    const struct pd_env *env;
    char *url, *label, *uuid; /* uuid NULL: any */
    unsigned copy;
    struct order queue[QUEUE_MAX], current;
    unsigned queued;
    bool working, closed, given_up, ended;
    atomic_bool cancelled;
    atomic_uint_fast64_t beats;
    struct answer *first, *last;
    struct pd_thread *thread; /* used only by the thread itself, to beat */
};

struct pd_verifier {
    struct core *core;
    struct pd_thread *thread; /* NULL once finished */
    uint64_t seen_beats;
    uint64_t seen_at; /* monotonic ns, when seen_beats changed */
    bool hung;
};

/* ---- the shared part ---- */

static void free_answers(struct answer *answer)
{
    while (answer != NULL) {
        struct answer *next = answer->next;

        pd_verify_result_release(&answer->result);
        free(answer);
        answer = next;
    }
}

static void drop_core(void *arg)
{
    struct core *core = arg;
    bool last;

    pthread_mutex_lock(&core->lock);
    last = --core->refs == 0;
    pthread_mutex_unlock(&core->lock);
    if (!last)
        return;
    for (unsigned i = 0; i < core->queued; i++)
        pd_expect_release(core->queue[i].expect);
    if (core->working)
        pd_expect_release(core->current.expect);
    free_answers(core->first);
    pthread_cond_destroy(&core->changed);
    pthread_mutex_destroy(&core->lock);
    free(core->url);
    free(core->label);
    free(core->uuid);
    free(core);
}

static enum pd_status new_core(const struct pd_env *env, const char *url, const char *label,
                               const char *uuid, unsigned copy, struct core **out,
                               struct pd_error *err)
{
    struct core *core = calloc(1, sizeof(*core));
    pthread_condattr_t attr;

    if (core == NULL)
        return pd_error_memory(err, "a verifier");
    pthread_mutex_init(&core->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&core->changed, &attr);
    pthread_condattr_destroy(&attr);
    core->refs = 1;
    core->env = env;
    core->copy = copy;
    core->url = strdup(url);
    core->label = label == NULL ? NULL : strdup(label);
    core->uuid = uuid == NULL ? NULL : strdup(uuid);
    if (core->url == NULL || (label != NULL && core->label == NULL) ||
        (uuid != NULL && core->uuid == NULL)) {
        drop_core(core);
        return pd_error_memory(err, "a verifier");
    }
    *out = core;
    return PD_OK;
}

/* Appends an answer with the lock held. */
static void append(struct core *core, struct answer *answer)
{
    answer->next = NULL;
    if (core->first == NULL)
        core->first = answer;
    else
        core->last->next = answer;
    core->last = answer;
}

/* The answer for an archive that was not looked at. */
static void answer_with(struct core *core, const struct order *order,
                        const struct pd_error *error, bool unread, struct answer *answer)
{
    const struct pd_toc *toc = pd_expect_toc(order->expect);
    struct pd_verify_result *result = &answer->result;

    memset(answer, 0, sizeof(*answer));
    result->copy_id = order->copy_id;
    result->tape_file = order->tape_file;
    result->status = error->status;
    result->unread = unread;
    result->error = *error;
    result->started = result->finished = pd_clock_utc(core->env->clock);
    if (core->label != NULL)
        (void)snprintf(result->label, sizeof(result->label), "%s", core->label);
    if (toc != NULL)
        memcpy(result->archive, toc->name, sizeof(result->archive));
    pd_error_context(&result->error, result->label[0] != '\0' ? result->label : core->url,
                     result->archive[0] != '\0' ? result->archive : NULL, NULL);
}

/* ---- the thread's side ---- */

static bool beat(void *arg)
{
    struct core *core = arg;

    atomic_fetch_add_explicit(&core->beats, 1, memory_order_relaxed);
    pd_thread_beat(core->thread);
    return !atomic_load_explicit(&core->cancelled, memory_order_relaxed);
}

static enum pd_status open_volume(struct core *core, struct pd_target **out, struct pd_error *err)
{
    const struct pd_label *label;
    enum pd_status status = pd_target_open(core->env, core->url, out, err);

    if (status == PD_OK)
        status = pd_target_mount(*out, core->label, err);
    if (status != PD_OK)
        return status;
    label = pd_target_label(*out);
    if (core->uuid != NULL && (label == NULL || strcmp(label->uuid, core->uuid) != 0)) {
        (void)pd_error_set(err, PD_WRONG_VOLUME, 0,
                           "has UUID %s, but %s was expected; it is another volume of this label",
                           label == NULL ? "none" : label->uuid, core->uuid);
        pd_error_context(err, core->label, NULL, NULL);
        return PD_WRONG_VOLUME;
    }
    return PD_OK;
}

struct opening {
    struct core *core;
    struct pd_target *target;
};

static enum pd_status open_step(void *arg, struct pd_error *err)
{
    struct opening *opening = arg;
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status = open_volume(opening->core, &opening->target, err);

    if (status != PD_OK) {
        pd_ask_make_way(opening->core->env, opening->target, status);
        (void)!pd_target_close(opening->target, &ignored);
        opening->target = NULL;
    }
    return status;
}

/* Takes the next order into core->current; false when none will come. */
static bool take_order(struct core *core)
{
    bool taken;

    pthread_mutex_lock(&core->lock);
    while (core->queued == 0 && !core->closed && !atomic_load(&core->cancelled))
        pthread_cond_wait(&core->changed, &core->lock);
    taken = core->queued > 0 && !atomic_load(&core->cancelled);
    if (taken) {
        core->current = core->queue[0];
        memmove(core->queue, core->queue + 1, (QUEUE_MAX - 1) * sizeof(core->queue[0]));
        core->queued--;
        core->working = true;
        atomic_fetch_add(&core->beats, 1);
        pthread_cond_broadcast(&core->changed);
    }
    pthread_mutex_unlock(&core->lock);
    return taken;
}

/* Gives an answer to the owner, or drops it when he has given up. */
static void give_answer(struct core *core, struct answer *answer)
{
    struct pd_expect *expect;

    pthread_mutex_lock(&core->lock);
    expect = core->current.expect;
    core->working = false;
    if (core->given_up) {
        answer->next = NULL;
        free_answers(answer);
    } else {
        append(core, answer);
    }
    atomic_fetch_add(&core->beats, 1);
    pthread_cond_broadcast(&core->changed);
    pthread_mutex_unlock(&core->lock);
    pd_expect_release(expect);
}

struct checking {
    struct core *core;
    struct pd_target *target;
    struct pd_verify_result *result;
};

/* A bad copy is a failed activity; what was found is in the result. */
static enum pd_status check_step(void *arg, struct pd_error *err)
{
    struct checking *checking = arg;
    struct core *core = checking->core;
    const struct pd_verify_job job = {.env = core->env,
                                      .target = checking->target,
                                      .tape_file = core->current.tape_file,
                                      .expect = pd_expect_toc(core->current.expect),
                                      .records_only = pd_expect_is_records(core->current.expect),
                                      .copy = core->copy,
                                      .beat = beat,
                                      .beat_arg = core};
    enum pd_status status = pd_verify_job_run(&job, checking->result, err);

    if (status == PD_OK && checking->result->status != PD_OK) {
        *err = checking->result->error;
        status = checking->result->status;
    }
    return status;
}

static void check_archive(struct core *core, struct pd_target *target, struct answer *answer)
{
    const struct pd_toc *toc = pd_expect_toc(core->current.expect);
    struct checking checking = {core, target, &answer->result};
    struct pd_error error = PD_ERROR_INIT;
    const struct pd_activity activity = {.name = "verify",
                                         .subject = toc == NULL ? core->label : toc->name,
                                         .run = check_step,
                                         .arg = &checking,
                                         .retry = PD_RETRY_ONCE};

    (void)!pd_activity_run(core->env, &activity, &error); /* the result has it */
    answer->result.copy_id = core->current.copy_id;
}

/* A volume that is not at hand is waited for where the run may do so, and otherwise tried a few
 * times. */
static enum pd_status open_or_ask(struct opening *opening, struct pd_error *err)
{
    struct core *core = opening->core;
    const char *subject = core->label != NULL ? core->label : core->url;
    const struct pd_activity activity = {.name = "open",
                                         .subject = subject,
                                         .run = open_step,
                                         .arg = opening,
                                         .retry = PD_RETRY_DEFAULT};
    char what[64];
    const struct pd_ask ask = {.what = what,
                               .where = core->url,
                               .run = open_step,
                               .arg = opening,
                               .beat = beat,
                               .beat_arg = core};

    (void)snprintf(what, sizeof(what), "volume %.32s", subject);
    return core->env->wait_ns > 0 && pd_target_url_exclusive(core->url)
               ? pd_ask(core->env, &ask, err)
               : pd_activity_run(core->env, &activity, err);
}

static enum pd_status serve(struct core *core, struct pd_error *err)
{
    struct opening opening = {.core = core};
    struct pd_error opened = PD_ERROR_INIT;
    enum pd_status status = open_or_ask(&opening, &opened);
    enum pd_status failed = PD_OK;
    struct answer *answer;

    while (take_order(core)) {
        answer = calloc(1, sizeof(*answer));
        if (answer == NULL) {
            failed = pd_error_memory(err, "a result"); /* the owner answers what is left */
            break;
        }
        if (status != PD_OK)
            answer_with(core, &core->current, &opened, true, answer);
        else
            check_archive(core, opening.target, answer);
        give_answer(core, answer);
    }
    pd_leave_volume(core->env, opening.target);
    return failed;
}

/* Writing goes first: a drive that gets its records late stops and winds back, and at the end of a dump
 * all processors are left to the verifiers. On Linux the priority is the thread's own. */
static void step_back(void)
{
    (void)!setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
}

static enum pd_status run(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct core *core = arg;
    enum pd_status status;

    core->thread = self;
    step_back();
    status = serve(core, err);
    pthread_mutex_lock(&core->lock);
    core->ended = true;
    pthread_cond_broadcast(&core->changed);
    pthread_mutex_unlock(&core->lock);
    return status;
}

/* ---- the owner's side ---- */

static uint64_t now_ns(void)
{
    return pd_clock_monotonic(pd_clock_real());
}

enum pd_status pd_verifier_start(const struct pd_env *env, const char *url, const char *label,
                                 const char *uuid, unsigned copy, struct pd_verifier **out,
                                 struct pd_error *err)
{
    struct pd_verifier *verifier = calloc(1, sizeof(*verifier));
    char name[16];
    enum pd_status status;

    *out = NULL;
    if (verifier == NULL)
        return pd_error_memory(err, "a verifier");
    status = new_core(env, url, label, uuid, copy, &verifier->core, err);
    if (status != PD_OK)
        goto out;
    (void)snprintf(name, sizeof(name), "verify%u", copy % 100 + 1);
    verifier->core->refs++; /* the thread's */
    status = pd_thread_start(name, run, verifier->core, drop_core, &verifier->thread, err);
    if (status != PD_OK) {
        drop_core(verifier->core);
        drop_core(verifier->core);
        goto out;
    }
    verifier->seen_at = now_ns();
    *out = verifier;
    verifier = NULL;
out:
    free(verifier);
    return status;
}

static enum pd_status hung(struct pd_verifier *verifier, struct pd_error *err)
{
    verifier->hung = true;
    (void)pd_error_set(err, PD_HUNG, 0, "verification makes no progress");
    pd_error_context(err, verifier->core->label != NULL ? verifier->core->label
                                                        : verifier->core->url,
                     NULL, NULL);
    return PD_HUNG;
}

/* With the lock held: was there no progress for the stall time, though there is something to do? */
static bool is_stalled(struct pd_verifier *verifier)
{
    struct core *core = verifier->core;
    uint64_t beats = atomic_load(&core->beats);

    if (beats != verifier->seen_beats || (core->queued == 0 && !core->working)) {
        verifier->seen_beats = beats;
        verifier->seen_at = now_ns();
        return false;
    }
    return core->env->stall_ns > 0 && now_ns() - verifier->seen_at >= core->env->stall_ns;
}

/* Waits with the lock held for a change, but not past the time a stall would be seen. */
static void wait_change(struct pd_verifier *verifier)
{
    struct core *core = verifier->core;
    uint64_t until = verifier->seen_at + core->env->stall_ns;
    struct timespec t = pd_clock_timespec(until);

    if (core->env->stall_ns == 0)
        pthread_cond_wait(&core->changed, &core->lock);
    else
        pthread_cond_timedwait(&core->changed, &core->lock, &t);
}

static enum pd_status add(struct pd_verifier *verifier, struct pd_expect *expect,
                          uint32_t tape_file, int64_t copy_id, bool wait, bool *added,
                          struct pd_error *err)
{
    struct core *core = verifier->core;
    bool stalled = verifier->hung, ended;

    *added = false;
    if (verifier->thread == NULL && !verifier->hung)
        return pd_error_set(err, PD_INTERNAL, 0, "verifier: an archive after the end");
    pthread_mutex_lock(&core->lock);
    while (!stalled && core->queued == QUEUE_MAX && !core->ended) {
        stalled = is_stalled(verifier);
        if (stalled || !wait)
            break;
        wait_change(verifier);
    }
    ended = core->ended;
    if (!stalled && !ended && core->queued < QUEUE_MAX) {
        if (core->queued == 0 && !core->working)
            verifier->seen_at = now_ns(); /* idle till now */
        core->queue[core->queued++] =
            (struct order){pd_expect_hold(expect), tape_file, copy_id};
        *added = true;
        pthread_cond_broadcast(&core->changed);
    }
    pthread_mutex_unlock(&core->lock);
    if (stalled)
        return hung(verifier, err);
    if (ended) /* early, for want of memory */
        return pd_error_memory(err, "a verifier");
    return PD_OK;
}

enum pd_status pd_verifier_add(struct pd_verifier *verifier, struct pd_expect *expect,
                               uint32_t tape_file, int64_t copy_id, struct pd_error *err)
{
    bool added = false;

    return add(verifier, expect, tape_file, copy_id, true, &added, err);
}

enum pd_status pd_verifier_try(struct pd_verifier *verifier, struct pd_expect *expect,
                               uint32_t tape_file, int64_t copy_id, bool *added,
                               struct pd_error *err)
{
    return add(verifier, expect, tape_file, copy_id, false, added, err);
}

enum pd_status pd_verifier_watch(struct pd_verifier *verifier, struct pd_error *err)
{
    struct core *core = verifier->core;
    bool stalled, ended;

    if (verifier->hung)
        return hung(verifier, err);
    pthread_mutex_lock(&core->lock);
    ended = core->ended && (core->working || core->queued > 0);
    stalled = is_stalled(verifier);
    pthread_mutex_unlock(&core->lock);
    if (ended) /* early, for want of memory: nobody answers these */
        return pd_error_memory(err, "a verifier");
    return stalled ? hung(verifier, err) : PD_OK;
}

enum pd_status pd_verifier_poll(struct pd_verifier *verifier, struct pd_verify_result *result,
                                bool *ready, struct pd_error *err)
{
    struct core *core = verifier->core;
    struct answer *answer;

    (void)err;
    pthread_mutex_lock(&core->lock);
    answer = core->first;
    if (answer != NULL)
        core->first = answer->next;
    pthread_mutex_unlock(&core->lock);
    *ready = answer != NULL;
    if (answer == NULL)
        return PD_OK;
    *result = answer->result;
    free(answer);
    return PD_OK;
}

/* Answers in the thread's place what it has not answered, and takes nothing from it any more. */
static enum pd_status answer_rest(struct core *core, const struct pd_error *why,
                                  struct pd_error *err)
{
    struct order left[QUEUE_MAX + 1];
    struct answer *answer;
    unsigned count = 0;
    enum pd_status status = PD_OK;

    pthread_mutex_lock(&core->lock);
    core->given_up = true;
    if (core->working) {
        left[count] = core->current;
        pd_expect_hold(left[count++].expect); /* the thread lets go of its own */
    }
    for (unsigned i = 0; i < core->queued; i++)
        left[count++] = core->queue[i];
    core->queued = 0;
    for (unsigned i = 0; i < count; i++) {
        answer = calloc(1, sizeof(*answer));
        if (answer == NULL) {
            status = pd_error_memory(err, "a result");
        } else {
            answer_with(core, &left[i], why, false, answer);
            append(core, answer);
        }
    }
    pthread_mutex_unlock(&core->lock);
    for (unsigned i = 0; i < count; i++)
        pd_expect_release(left[i].expect);
    return status;
}

enum pd_status pd_verifier_finish(struct pd_verifier *verifier, struct pd_error *err)
{
    struct core *core = verifier->core;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status, rest;

    if (verifier->thread == NULL)
        return PD_OK;
    pthread_mutex_lock(&core->lock);
    core->closed = true;
    pthread_cond_broadcast(&core->changed);
    pthread_mutex_unlock(&core->lock);
    /* A stall that was seen already is not waited for once more. */
    status = pd_thread_join(&verifier->thread, verifier->hung ? 1 : core->env->stall_ns, &why);
    if (status == PD_OK)
        return PD_OK;
    verifier->hung = verifier->hung || status == PD_HUNG;
    atomic_fetch_add(&core->env->progress->hung, status == PD_HUNG);
    atomic_store(&core->cancelled, true); /* should it ever come back */
    pd_error_context(&why, core->label != NULL ? core->label : core->url, NULL, NULL);
    rest = answer_rest(core, &why, err);
    if (rest != PD_OK)
        return rest;
    *err = why;
    return status;
}

void pd_verifier_free(struct pd_verifier *verifier)
{
    struct pd_error ignored = PD_ERROR_INIT;

    if (verifier == NULL)
        return;
    if (verifier->thread != NULL) {
        atomic_store(&verifier->core->cancelled, true);
        (void)!pd_verifier_finish(verifier, &ignored);
    }
    drop_core(verifier->core);
    free(verifier);
}
