#include <inttypes.h>
#include <pthread.h>

#include "pairdump/size.h"
#include "render.h"

enum { INTERVAL_MS = 500 };

struct pd_ticker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    const struct pd_env *env;
    FILE *out;
    bool stop, drawn;
    enum pd_phase phase; /* that the rate below belongs to */
    uint64_t phase_start_ns, phase_start_bytes;
};

/* Sets of drives that work side by side. */
static uint64_t sets_of(const struct pd_progress *p)
{
    uint64_t sets = atomic_load(&p->pairs);

    return sets > 0 ? sets : 1;
}

static uint64_t phase_bytes(const struct pd_progress *p, enum pd_phase phase, uint64_t *total)
{
    uint64_t copies = atomic_load(&p->copies);

    if (phase != PD_PHASE_VERIFY) {
        *total = atomic_load(&p->bytes_total);
        return atomic_load(&p->bytes_done);
    }
    uint64_t sum = 0;
    for (uint64_t i = 0; i < copies && i < PD_COPIES_MAX; i++) {
        sum += atomic_load(&p->verified[i]);
    }
    *total = pd_mul_sat(atomic_load(&p->verify_total), copies / sets_of(p));
    return sum;
}

/* The most that one of `count` copies, from the first on, was given. */
static uint64_t most_written(const struct pd_progress *p, uint64_t first, uint64_t count)
{
    uint64_t most = 0;

    for (uint64_t i = first; i < first + count && i < PD_COPIES_MAX; i++) {
        uint64_t written = atomic_load(&p->written[i]);
        most = written > most ? written : most;
    }
    return most;
}

/* " lag 2K/0" for each writer, from the one of its archive that is ahead. */
static void lag_text(const struct pd_progress *p, char *out, size_t size)
{
    uint64_t copies = atomic_load(&p->copies), in_set = copies / sets_of(p);
    size_t at = 0;

    out[0] = '\0';
    for (uint64_t i = 0; i < copies && i < PD_COPIES_MAX && at + 24 < size; i++) {
        uint64_t most = most_written(p, i - i % in_set, in_set);
        uint64_t written = atomic_load(&p->written[i]); /* it may have moved on meanwhile */
        char lag[24];
        pd_format_size(most > written ? most - written : 0, lag, sizeof lag);
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? "/" : " lag ", lag);
    }
}

static void draw(struct pd_ticker *t)
{
    const struct pd_progress *p = t->env->progress;
    enum pd_phase phase = (enum pd_phase)atomic_load(&p->phase);
    uint64_t now = pd_clock_monotonic(t->env->clock);
    uint64_t total = 0;
    uint64_t bytes = phase_bytes(p, phase, &total);
    char done_text[24], total_text[24], rate_text[24], eta[32] = "", lag[160] = "";

    if (phase != t->phase) {
        t->phase = phase;
        t->phase_start_ns = now;
        t->phase_start_bytes = bytes;
    }
    double seconds = (double)(now - t->phase_start_ns) / 1e9;
    double rate = seconds > 0.2 ? (double)(bytes - t->phase_start_bytes) / seconds : 0;
    pd_format_size(bytes, done_text, sizeof done_text);
    pd_format_size(total, total_text, sizeof total_text);
    pd_format_size((uint64_t)rate, rate_text, sizeof rate_text);
    if (rate > 0 && total > bytes) {
        char left[24];
        pd_format_duration((uint64_t)((double)(total - bytes) / rate * 1e9), left, sizeof left);
        snprintf(eta, sizeof eta, " ETA %s", left);
    }
    if (phase == PD_PHASE_WRITE) {
        lag_text(p, lag, sizeof lag);
    }
    uint64_t ring = atomic_load(&p->ring_size);
    fprintf(t->out, "\r\033[K%s %" PRIu64 "/%" PRIu64 " files %s/%s %s/s%s%s ring %" PRIu64 "%%",
            pd_phase_name(phase), (uint64_t)atomic_load(&p->files_done),
            (uint64_t)atomic_load(&p->files_total), done_text, total_text, rate_text, eta, lag,
            ring ? 100 * (uint64_t)atomic_load(&p->ring_used) / ring : 0);
    fflush(t->out);
    t->drawn = true;
}

static void *tick(void *arg)
{
    struct pd_ticker *t = arg;

    pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        struct timespec until = pd_clock_deadline(INTERVAL_MS * 1000000);
        pthread_cond_timedwait(&t->wake, &t->lock, &until);
        if (!t->stop) {
            draw(t);
        }
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void erase(struct pd_ticker *t)
{
    if (t->drawn) {
        fputs("\r\033[K", t->out);
        fflush(t->out);
        t->drawn = false;
    }
}

struct pd_ticker *pd_ticker_start(const struct pd_env *env, FILE *out)
{
    struct pd_ticker *t = calloc(1, sizeof *t);
    pthread_condattr_t attr;

    if (!t) {
        return NULL;
    }
    t->env = env;
    t->out = out;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&t->thread, NULL, tick, t) != 0) {
        pthread_cond_destroy(&t->wake);
        pthread_mutex_destroy(&t->lock);
        free(t);
        return NULL;
    }
    return t;
}

void pd_ticker_clear(struct pd_ticker *t)
{
    if (t) {
        pthread_mutex_lock(&t->lock);
        erase(t);
        pthread_mutex_unlock(&t->lock);
    }
}

void pd_ticker_stop(struct pd_ticker *t)
{
    if (!t) {
        return;
    }
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    erase(t);
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
