#include "pairdump/fanout.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/thread.h"

enum { WATCH_MS = 20 };

/*
 * One writer's share. Belongs to its thread's object (released by it), so that a hung thread that
 * comes back late finds it alive. busy is set around calls of the target.
 */
struct writer {
    struct pd_ring *ring; /* held */
    struct pd_target *target;
    const struct pd_env *env;
    char name[160];
    uint64_t record_size;
    unsigned reader, copy, mark;
    bool durable;
    bool tape;
    struct pd_error adrift;
    uint64_t streams_since_ns; /* on tape: when the stretch at hand began */
    struct pd_fanout_figures figures;
    atomic_uint_fast64_t moves; /* calls of the target that ended */
    atomic_bool busy;
    uint32_t file_no;
    uint64_t records;
    bool lost; /* set before the thread is abandoned: the target is ours to close */
    pthread_mutex_t lost_lock;
};

struct watched {
    struct writer *writer;
    struct pd_thread *thread;
    uint64_t moves;    /* seen last */
    uint64_t since_ns; /* when they changed */
};

/* The run as the monitor sees it. */
struct run {
    const struct pd_fanout_job *job;
    struct pd_fanout_copy *copies;
    size_t copy_count;
    struct pd_ring *ring;
    struct watched watched[PD_COPIES_MAX];
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
};

static void release_writer(void *arg)
{
    struct writer *w = arg;
    struct pd_error ignored = PD_ERROR_INIT;

    pthread_mutex_lock(&w->lost_lock);
    bool lost = w->lost;
    pthread_mutex_unlock(&w->lost_lock);
    if (lost && pd_target_close(w->target, &ignored) != PD_OK) {
        pd_log_error(w->env->log, PD_LOG_WARN, &ignored);
    }
    pd_ring_release(w->ring);
    pthread_mutex_destroy(&w->lost_lock);
    free(w);
}

static void moved(struct writer *w, struct pd_thread *self)
{
    atomic_fetch_add(&w->moves, 1);
    atomic_store(&w->busy, false);
    pd_thread_beat(self);
}

/* ---- how a tape streams ---- */

/* A record was waited for since then, which is when a stretch ended, and is there. */
static void note_wait(struct writer *w, uint64_t since_ns)
{
    struct pd_fanout_figures *f = &w->figures;
    uint64_t now = pd_clock_monotonic(w->env->clock);
    enum pd_ring_wait waited = pd_ring_waited(w->ring, w->reader);

    if (f->starts == 0) {
        f->fill_ns += now - since_ns;
    } else if (waited == PD_RING_AT_HAND) {
        return;
    } else {
        f->stops++;
        f->stream_ns += since_ns - w->streams_since_ns;
        *(waited == PD_RING_OTHERS ? &f->others_ns : &f->starved_ns) += now - since_ns;
    }
    f->starts++;
    w->streams_since_ns = now;
}

/* The last stretch ended then. */
static void note_end(struct writer *w, uint64_t ns)
{
    if (w->figures.starts > 0) {
        w->figures.stream_ns += ns - w->streams_since_ns;
    }
}

void pd_fanout_add_figures(struct pd_fanout_figures *sum, const struct pd_fanout_figures *more)
{
    sum->starts += more->starts;
    sum->stops += more->stops;
    sum->bytes += more->bytes;
    sum->stream_ns += more->stream_ns;
    sum->fill_ns += more->fill_ns;
    sum->starved_ns += more->starved_ns;
    sum->others_ns += more->others_ns;
}

/* ---- a writer ---- */

/* The next record, NULL behind the last; on tape, with what there is to note of it. */
static enum pd_status next_record(struct writer *w, const uint8_t **record, struct pd_error *err)
{
    uint64_t since_ns = w->tape ? pd_clock_monotonic(w->env->clock) : 0;
    enum pd_status status = pd_ring_record(w->ring, w->reader, record, err);

    if (status == PD_OK && *record) {
        status = pd_env_check(w->env, err);
    }
    if (w->tape && status == PD_OK && *record) {
        note_wait(w, since_ns);
    } else if (w->tape) {
        note_end(w, since_ns);
    }
    return status;
}

static enum pd_status write_records(struct writer *w, struct pd_thread *self,
                                    struct pd_error *err)
{
    enum pd_status status;

    w->tape = pd_target_caps(w->target).tape;
    if (w->tape) {
        pd_ring_stream(w->ring, w->reader, w->mark);
    }
    for (;;) {
        const uint8_t *record = NULL;
        status = next_record(w, &record, err);
        if (status != PD_OK || !record) {
            return status;
        }
        atomic_store(&w->busy, true);
        status = pd_target_write(w->target, record, w->record_size, err);
        moved(w, self);
        if (status != PD_OK || pd_thread_abandoned(self)) {
            note_end(w, w->tape ? pd_clock_monotonic(w->env->clock) : 0);
            return status;
        }
        w->records++;
        w->figures.bytes += w->tape ? w->record_size : 0;
        atomic_fetch_add(&w->env->progress->written[w->copy], w->record_size);
        pd_ring_next(w->ring, w->reader);
    }
}

static enum pd_status write_archive(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct writer *w = arg;
    bool begun = false;
    enum pd_status status;

    atomic_store(&w->busy, true);
    status = pd_target_begin(w->target, w->name, &w->file_no, err);
    moved(w, self);
    begun = status == PD_OK;
    if (status == PD_OK) {
        status = write_records(w, self, err);
    }
    if (pd_thread_abandoned(self)) {
        return PD_HUNG; /* given up long ago: nobody listens */
    }
    if (status == PD_OK) {
        status = pd_ring_agree(w->ring, w->reader, err);
    }
    if (status == PD_OK) {
        atomic_store(&w->busy, true);
        status = pd_target_end(w->target, w->durable, err);
        moved(w, self);
    }
    if (status == PD_VOLUME_FULL ||
        (status == PD_INTERRUPTED && pd_stop_requested(w->env->stop))) {
        pd_ring_abort(w->ring);
    }
    pd_ring_detach(w->ring, w->reader, false);
    if (status != PD_OK && begun) {
        atomic_store(&w->busy, true);
        if (pd_target_abandon(w->target, &w->adrift) != PD_OK) {
            pd_log_error(w->env->log, PD_LOG_WARN, &w->adrift);
        }
        moved(w, self);
    }
    return status;
}

static enum pd_status start_writer(struct run *run, size_t copy, unsigned reader,
                                   struct pd_error *err)
{
    struct writer *w = calloc(1, sizeof *w);
    struct watched *watched = &run->watched[copy];

    if (!w) {
        return pd_error_memory(err, "writer");
    }
    w->ring = pd_ring_hold(run->ring);
    w->target = run->copies[copy].target;
    w->env = run->job->env;
    snprintf(w->name, sizeof w->name, "%s", run->job->name);
    w->record_size = run->job->record_size;
    w->reader = reader;
    w->copy = run->job->first_copy + (unsigned)copy;
    w->durable = run->job->durable;
    w->mark = run->job->mark;
    pthread_mutex_init(&w->lost_lock, NULL);
    watched->writer = w;
    watched->since_ns = pd_clock_monotonic(run->job->env->clock);
    enum pd_status status = pd_thread_start("writer", write_archive, w, release_writer,
                                            &watched->thread, err);
    if (status != PD_OK) {
        watched->writer = NULL;
        release_writer(w);
    }
    return status;
}

/* A writer that sits in one call for the stall time leaves the fan-out. */
static void check_stalls(struct run *run)
{
    uint64_t now = pd_clock_monotonic(run->job->env->clock);
    struct pd_ring_stats stats;

    for (size_t i = 0; i < run->copy_count; i++) {
        struct watched *watched = &run->watched[i];
        if (!watched->writer || run->copies[i].lost) {
            continue;
        }
        uint64_t moves = atomic_load(&watched->writer->moves);
        if (moves != watched->moves || !atomic_load(&watched->writer->busy)) {
            watched->moves = moves;
            watched->since_ns = now;
        } else if (run->job->env->stall_ns > 0 &&
                   now - watched->since_ns >= run->job->env->stall_ns) {
            run->copies[i].lost = true;
            pd_ring_detach(run->ring, watched->writer->reader, true);
        }
    }
    pd_ring_stats(run->ring, &stats);
    atomic_store(&run->job->env->progress->ring_size, stats.records);
    atomic_store(&run->job->env->progress->ring_used, stats.used);
}

static bool all_lost(const struct run *run)
{
    for (size_t i = 0; i < run->copy_count; i++) {
        if (run->watched[i].writer && !run->copies[i].lost &&
            !pd_thread_done(run->watched[i].thread)) {
            return false;
        }
    }
    return true;
}

static enum pd_status monitor(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct run *run = arg;

    (void)self;
    (void)err;
    pthread_mutex_lock(&run->lock);
    while (!run->stop) {
        struct timespec until = pd_clock_deadline(WATCH_MS * 1000000);
        pthread_cond_timedwait(&run->wake, &run->lock, &until);
        check_stalls(run);
        if (all_lost(run) || pd_stop_requested(run->job->env->stop)) {
            pd_ring_abort(run->ring); /* nobody is left to write for, or nobody wants it */
        }
    }
    pthread_mutex_unlock(&run->lock);
    return PD_OK;
}

static bool is_lost(struct run *run, size_t i)
{
    pthread_mutex_lock(&run->lock);
    bool lost = run->copies[i].lost;
    pthread_mutex_unlock(&run->lock);
    return lost;
}

/* Waits until every writer has ended or is lost; the monitor goes on marking the lost. */
static void wait_writers(struct run *run)
{
    for (size_t i = 0; i < run->copy_count; i++) {
        while (run->watched[i].writer && !is_lost(run, i) &&
               !pd_thread_wait(run->watched[i].thread, WATCH_MS * 1000000)) {
        }
    }
}

static void collect(struct run *run, size_t i)
{
    struct pd_fanout_copy *copy = &run->copies[i];
    struct writer *w = run->watched[i].writer;

    if (copy->lost) {
        pthread_mutex_lock(&w->lost_lock);
        w->lost = true;
        pthread_mutex_unlock(&w->lost_lock);
        /* one nanosecond: it hangs already */
        copy->status = pd_thread_join(&run->watched[i].thread, 1, &copy->error);
        copy->status = pd_error_set(&copy->error, PD_HUNG, 0,
                                    "the writer makes no progress; the copy is given up");
        copy->target = NULL;
        atomic_fetch_add(&run->job->env->progress->hung, 1);
        return;
    }
    /* release_writer runs in the join: read the results before */
    copy->file_no = w->file_no;
    copy->records = w->records;
    copy->figures = w->figures;
    copy->adrift = w->adrift;
    copy->status = pd_thread_join(&run->watched[i].thread, 0, &copy->error);
}

/* A volume that was full only when its tape file was to be ended: when others have ended theirs, the
 * archive stays, and this copy of it has failed. */
static void settle_late_ends(struct run *run, size_t good)
{
    for (size_t i = 0; i < run->copy_count && good > 0; i++) {
        struct pd_fanout_copy *copy = &run->copies[i];
        if (run->watched[i].writer && copy->status == PD_VOLUME_FULL) {
            copy->status = PD_NO_SPACE;
            copy->error.status = PD_NO_SPACE;
        }
    }
}

/* The copy with the worst trouble of its own, a full volume before all else; NULL: none has any. */
static const struct pd_fanout_copy *worst_copy(const struct run *run)
{
    const struct pd_fanout_copy *worst = NULL;

    for (size_t i = 0; i < run->copy_count; i++) {
        const struct pd_fanout_copy *copy = &run->copies[i];
        if (!run->watched[i].writer || copy->status == PD_OK || copy->status == PD_INTERRUPTED) {
            continue;
        }
        if (copy->status == PD_VOLUME_FULL) {
            return copy;
        }
        if (!worst || pd_status_worst(worst->status, copy->status) != worst->status) {
            worst = copy;
        }
    }
    return worst;
}

static enum pd_status verdict(struct run *run, enum pd_status produced, struct pd_error *err)
{
    bool stop = pd_stop_requested(run->job->env->stop);
    const struct pd_fanout_copy *worst;
    size_t good = 0;

    for (size_t i = 0; i < run->copy_count; i++) {
        good += run->watched[i].writer && run->copies[i].status == PD_OK;
    }
    if (produced == PD_OK && good > 0) {
        settle_late_ends(run, good);
        return PD_OK;
    }
    worst = worst_copy(run);
    if (worst && worst->status == PD_VOLUME_FULL) {
        *err = worst->error;
        return PD_VOLUME_FULL;
    }
    /* the producer is stopped when no writer is left: then their trouble is the cause */
    if (produced != PD_OK && (produced != PD_INTERRUPTED || !worst || stop)) {
        return produced;
    }
    if (stop) {
        return pd_env_check(run->job->env, err);
    }
    if (!worst) {
        return pd_error_set(err, PD_INTERNAL, 0, "no writer wrote, and none says why");
    }
    *err = worst->error;
    return worst->status;
}

static enum pd_status prepare(struct run *run, struct pd_thread **watcher, struct pd_error *err)
{
    unsigned reader = run->job->extra_readers;
    unsigned live = 0;
    pthread_condattr_t attr;
    enum pd_status status;

    for (size_t i = 0; i < run->copy_count; i++) {
        struct pd_fanout_copy *copy = &run->copies[i];
        live += copy->target != NULL;
        copy->status = PD_INTERNAL;
        pd_error_clear(&copy->error);
        copy->file_no = 0;
        copy->records = 0;
        memset(&copy->figures, 0, sizeof copy->figures);
        pd_error_clear(&copy->adrift);
        copy->lost = false;
    }
    if (live == 0) {
        return pd_error_set(err, PD_INTERNAL, 0, "no target is left to write to");
    }
    status = pd_ring_new(run->job->buffer, run->job->record_size, reader + live, &run->ring, err);
    if (status != PD_OK) {
        return status;
    }
    pthread_mutex_init(&run->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&run->wake, &attr);
    pthread_condattr_destroy(&attr);
    for (size_t i = 0; i < run->copy_count && status == PD_OK; i++) {
        if (run->copies[i].target) {
            status = start_writer(run, i, reader++, err);
        }
    }
    if (status == PD_OK) {
        status = pd_thread_start("fanout", monitor, run, NULL, watcher, err);
    }
    return status;
}

enum pd_status pd_fanout(const struct pd_fanout_job *job, struct pd_fanout_copy *copies,
                         size_t copy_count, struct pd_error *err)
{
    struct run run = {.job = job, .copies = copies, .copy_count = copy_count};
    struct pd_thread *watcher = NULL;
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status;

    if (copy_count > PD_COPIES_MAX) {
        return pd_error_set(err, PD_INTERNAL, 0, "too many copies");
    }
    status = prepare(&run, &watcher, err);
    if (!run.ring) {
        return status;
    }
    if (status == PD_OK) {
        status = job->produce(job->produce_arg, run.ring, err);
    }
    if (status != PD_OK) {
        pd_ring_abort(run.ring);
    }
    wait_writers(&run);
    pthread_mutex_lock(&run.lock);
    run.stop = true;
    pthread_cond_signal(&run.wake);
    pthread_mutex_unlock(&run.lock);
    if (pd_thread_join(&watcher, 0, &ignored) != PD_OK) {
        pd_log_error(job->env->log, PD_LOG_WARN, &ignored);
    }
    for (size_t i = 0; i < copy_count; i++) {
        if (run.watched[i].writer) {
            collect(&run, i);
        }
    }
    pthread_cond_destroy(&run.wake);
    pthread_mutex_destroy(&run.lock);
    status = verdict(&run, status, err);
    pd_ring_release(run.ring);
    return status;
}
