#include "pairdump/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pairdump/size.h"

/*
 * Invariants while lock is free: refs counts who still uses the object, the thread itself and the
 * joiner; the last to let go frees it. done is set once, after status and error.
 */
struct pd_thread {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    pthread_t handle;
    pd_thread_fn fn;
    void *arg;
    void (*release)(void *arg);
    char name[16];
    atomic_uint_fast64_t beats;
    atomic_bool abandoned;
    bool done;
    unsigned refs;
    enum pd_status status;
    struct pd_error error;
};

static void drop(struct pd_thread *thread)
{
    pthread_mutex_lock(&thread->lock);
    bool last = --thread->refs == 0;
    pthread_mutex_unlock(&thread->lock);
    if (last) {
        pthread_cond_destroy(&thread->ended);
        pthread_mutex_destroy(&thread->lock);
        free(thread);
    }
}

static void *run(void *arg)
{
    struct pd_thread *thread = arg;
    struct pd_error error = PD_ERROR_INIT;

    pthread_setname_np(pthread_self(), thread->name);
    enum pd_status status = thread->fn(thread, thread->arg, &error);
    pthread_mutex_lock(&thread->lock);
    thread->status = status;
    thread->error = error;
    thread->done = true;
    bool orphan = atomic_load(&thread->abandoned);
    pthread_cond_broadcast(&thread->ended);
    pthread_mutex_unlock(&thread->lock);
    if (orphan && thread->release) {
        thread->release(thread->arg);
    }
    drop(thread);
    return NULL;
}

enum pd_status pd_thread_start(const char *name, pd_thread_fn fn, void *arg,
                               void (*release)(void *arg), struct pd_thread **out,
                               struct pd_error *err)
{
    struct pd_thread *thread = calloc(1, sizeof *thread);
    pthread_condattr_t attr;
    sigset_t all, before;

    if (!thread) {
        return pd_error_memory(err, "thread");
    }
    pthread_mutex_init(&thread->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&thread->ended, &attr);
    pthread_condattr_destroy(&attr);
    snprintf(thread->name, sizeof thread->name, "%s", name);
    thread->fn = fn;
    thread->arg = arg;
    thread->release = release;
    thread->refs = 2;
    /* signals are for the main thread: a tape write must not be cut short by one */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&thread->handle, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        thread->refs = 1;
        drop(thread);
        return pd_error_set(err, PD_NO_MEMORY, failed, "cannot start thread %s", name);
    }
    *out = thread;
    return PD_OK;
}

void pd_thread_beat(struct pd_thread *thread)
{
    atomic_fetch_add_explicit(&thread->beats, 1, memory_order_relaxed);
}

_Bool pd_thread_abandoned(const struct pd_thread *thread)
{
    return atomic_load(&thread->abandoned);
}

_Bool pd_thread_done(struct pd_thread *thread)
{
    pthread_mutex_lock(&thread->lock);
    bool done = thread->done;
    pthread_mutex_unlock(&thread->lock);
    return done;
}

static uint64_t now_ns(void)
{
    return pd_clock_monotonic(pd_clock_real());
}

_Bool pd_thread_wait(struct pd_thread *thread, uint64_t ns)
{
    struct timespec until = pd_clock_deadline(ns);
    int timed_out = 0;

    pthread_mutex_lock(&thread->lock);
    while (!thread->done && !timed_out) {
        timed_out = pthread_cond_timedwait(&thread->ended, &thread->lock, &until);
    }
    bool done = thread->done;
    pthread_mutex_unlock(&thread->lock);
    return done;
}

/* Waits with lock held until done, or until no beat came for stall_ns. */
static void wait_done(struct pd_thread *thread, uint64_t stall_ns)
{
    uint64_t seen = atomic_load(&thread->beats);
    uint64_t since = now_ns();

    while (!thread->done) {
        if (stall_ns == 0) {
            pthread_cond_wait(&thread->ended, &thread->lock);
            continue;
        }
        uint64_t until = pd_add_sat(since, stall_ns);
        struct timespec t = pd_clock_timespec(until);
        pthread_cond_timedwait(&thread->ended, &thread->lock, &t);
        uint64_t beats = atomic_load(&thread->beats);
        if (beats != seen) {
            seen = beats;
            since = now_ns();
        } else if (now_ns() >= until) {
            return;
        }
    }
}

enum pd_status pd_thread_join(struct pd_thread **slot, uint64_t stall_ns, struct pd_error *err)
{
    struct pd_thread *thread = *slot;
    enum pd_status status;

    if (!thread) {
        return PD_OK;
    }
    *slot = NULL;
    pthread_mutex_lock(&thread->lock);
    wait_done(thread, stall_ns);
    bool done = thread->done;
    if (!done) {
        atomic_store(&thread->abandoned, true);
    }
    pthread_mutex_unlock(&thread->lock);
    if (done) {
        pthread_join(thread->handle, NULL);
        status = thread->status;
        if (status != PD_OK) {
            *err = thread->error;
            err->status = status;
        }
        if (thread->release) {
            thread->release(thread->arg);
        }
    } else {
        pthread_detach(thread->handle);
        status = pd_error_set(err, PD_HUNG, 0, "%s makes no progress", thread->name);
    }
    drop(thread);
    return status;
}
