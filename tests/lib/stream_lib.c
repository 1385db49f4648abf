#include "stream_lib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <time.h>

#include "target_lib.h"

#define MS UINT64_C(1000000)

enum { PATIENCE_MS = 10000, LOOK_MS = 40 };

uint8_t sl_byte(uint64_t place)
{
    uint64_t x = (place / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint8_t)(x >> (8 * (place % 8)));
}

void sl_fill(uint8_t *out, uint64_t place, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = sl_byte(place + i);
}

bool sl_right(const uint8_t *bytes, uint64_t place, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != sl_byte(place + i))
            return false;
    return true;
}

uint64_t sl_now(void)
{
    return pd_clock_monotonic(pd_clock_real());
}

void sl_sleep_ms(unsigned ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&left, &left) != 0)
        ;
}

static unsigned count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    unsigned count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void *nothing(void *arg)
{
    return arg;
}

unsigned sl_threads(void)
{
    pthread_t thread; /* the first one may bring a sanitizer's own */

    assert_int_equal(pthread_create(&thread, NULL, nothing, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return count_threads();
}

void sl_wait_threads(unsigned wanted)
{
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        if (count_threads() <= wanted)
            return;
        sl_sleep_ms(1);
    }
    fail_msg("there are still %u threads, not %u", count_threads(), wanted);
}

/* ---- calls in this thread, which should not wait ---- */

void sl_put(struct pd_ring *ring, uint64_t len, size_t step)
{
    struct pd_error err = PD_ERROR_INIT;

    while (len > 0) {
        uint8_t *room;
        size_t n;

        assert_int_equal(pd_ring_room(ring, PATIENCE_MS * MS, &room, &n, &err), PD_OK);
        assert_in_range(n, 1, SL_RECORD);
        n = n < step ? n : step;
        n = n < len ? n : (size_t)len;
        sl_fill(room, pd_ring_position(ring), n);
        pd_ring_commit(ring, n);
        len -= n;
    }
}

void sl_put_records(struct pd_ring *ring, uint64_t records)
{
    sl_put(ring, records * SL_RECORD, SL_RECORD);
}

enum pd_status sl_try_room(struct pd_ring *ring)
{
    struct pd_error err = PD_ERROR_INIT;
    uint8_t *room;
    size_t len;
    enum pd_status status = pd_ring_room(ring, SL_STALL_NS, &room, &len, &err);

    assert_int_equal(err.status, status);
    return status;
}

void sl_finish(struct pd_ring *ring)
{
    struct pd_error err = PD_ERROR_INIT;

    assert_int_equal(pd_ring_finish(ring, PATIENCE_MS * MS, &err), PD_OK);
}

const uint8_t *sl_look(struct pd_ring *ring, unsigned reader)
{
    struct pd_error err = PD_ERROR_INIT;
    const uint8_t *record = NULL;

    assert_int_equal(pd_ring_record(ring, reader, &record, &err), PD_OK);
    return record;
}

void sl_take(struct pd_ring *ring, unsigned reader, uint64_t number)
{
    const uint8_t *record = sl_look(ring, reader);

    assert_non_null(record);
    assert_true(sl_right(record, number * SL_RECORD, SL_RECORD));
    pd_ring_next(ring, reader);
}

enum pd_status sl_agree(struct pd_ring *ring, unsigned reader)
{
    struct pd_error err = PD_ERROR_INIT;

    return pd_ring_agree(ring, reader, &err);
}

/* ---- calls in a thread of their own, which may wait ---- */

static void *run_waiting(void *arg)
{
    struct sl_waiting *c = arg;
    struct pd_error err = PD_ERROR_INIT;
    uint8_t *room;
    size_t len;

    if (c->kind == SL_IN_ROOM)
        c->status = pd_ring_room(c->ring, c->stall_ns, &room, &len, &err);
    else if (c->kind == SL_IN_RECORD)
        c->status = pd_ring_record(c->ring, c->reader, &c->record, &err);
    else
        c->status = pd_ring_agree(c->ring, c->reader, &err);
    atomic_store(&c->done, true);
    return NULL;
}

void sl_start(struct sl_waiting *c, struct pd_ring *ring, enum sl_kind kind, unsigned reader)
{
    *c = (struct sl_waiting){.ring = ring, .kind = kind, .reader = reader};
    assert_int_equal(pthread_create(&c->thread, NULL, run_waiting, c), 0);
}

void sl_start_stall(struct sl_waiting *c, struct pd_ring *ring, uint64_t stall_ns)
{
    *c = (struct sl_waiting){.ring = ring, .kind = SL_IN_ROOM, .stall_ns = stall_ns};
    assert_int_equal(pthread_create(&c->thread, NULL, run_waiting, c), 0);
}

void sl_expect_waiting(const struct sl_waiting *c)
{
    sl_sleep_ms(LOOK_MS);
    assert_false(atomic_load(&c->done));
}

void sl_expect_return(struct sl_waiting *c, enum pd_status wanted)
{
    assert_int_equal(pthread_join(c->thread, NULL), 0);
    assert_int_equal(c->status, wanted);
}

/* ---- volumes in memory ---- */

/* With the lock held: counts the call, waits where it is to hang, fails where it is to fail. */
static enum pd_status enter(struct sl_volume *v, enum sl_call call, struct pd_error *err)
{
    uint64_t number = ++v->calls[call];

    if (v->hang == call && v->hang_at == number) {
        while (!v->released)
            pthread_cond_wait(&v->changed, &v->lock);
    }
    if (v->fail == call && v->fail_at == number)
        return pd_error_set(err, v->fail_status, 0, "as told");
    return PD_OK;
}

static enum pd_status do_volumes(void *impl, pd_volume_fn fn, void *arg, struct pd_error *err)
{
    const struct sl_volume *v = impl;

    return fn(arg, v->label, err);
}

static enum pd_status do_mount(void *impl, const char *label, struct pd_label *out,
                               struct pd_error *err)
{
    const struct sl_volume *v = impl;

    (void)label;
    (void)err;
    memset(out, 0, sizeof(*out));
    snprintf(out->label, sizeof(out->label), "%s", v->label);
    out->block_size = SL_RECORD;
    return PD_OK;
}

static enum pd_status do_position(void *impl, struct pd_target_position *out, struct pd_error *err)
{
    const struct sl_volume *v = impl;

    (void)err;
    out->file_count = 1 + v->ended;
    return PD_OK;
}

static enum pd_status do_begin(void *impl, const char *name, uint32_t *file_no,
                               struct pd_error *err)
{
    struct sl_volume *v = impl;
    enum pd_status status;

    if (v->begin_ms > 0)
        sl_sleep_ms(v->begin_ms);
    pthread_mutex_lock(&v->lock);
    status = enter(v, SL_BEGIN, err);
    v->open_records = 0;
    snprintf(v->name, sizeof(v->name), "%s", name);
    *file_no = 1 + v->ended;
    pthread_mutex_unlock(&v->lock);
    return status;
}

static enum pd_status append(struct sl_volume *v, const void *record, size_t len,
                             struct pd_error *err)
{
    if (v->capacity > 0 && v->open_records >= v->capacity)
        return pd_error_set(err, PD_VOLUME_FULL, 0, "as told");
    if (v->open_records == v->open_cap) {
        uint64_t cap = v->open_cap == 0 ? 64 : v->open_cap * 2;
        uint8_t *grown = realloc(v->open, cap * SL_RECORD);
        if (grown == NULL)
            return pd_error_memory(err, "a test");
        v->open = grown;
        v->open_cap = cap;
    }
    memcpy(v->open + v->open_records++ * SL_RECORD, record, len);
    return PD_OK;
}

static enum pd_status do_write(void *impl, const void *record, size_t len, struct pd_error *err)
{
    struct sl_volume *v = impl;
    enum pd_status status;

    if (v->on_write != NULL)
        v->on_write(v->arg);
    if (v->write_ms > 0)
        sl_sleep_ms(v->write_ms);
    pthread_mutex_lock(&v->lock);
    status = enter(v, SL_WRITE, err);
    if (status == PD_OK)
        status = append(v, record, len, err);
    pthread_mutex_unlock(&v->lock);
    return status;
}

static void wait_for_end(struct sl_volume *other)
{
    pthread_mutex_lock(&other->lock);
    while (other->ended == 0)
        pthread_cond_wait(&other->changed, &other->lock);
    pthread_mutex_unlock(&other->lock);
}

static enum pd_status do_end(void *impl, bool durable, struct pd_error *err)
{
    struct sl_volume *v = impl;
    enum pd_status status;

    if (v->after != NULL)
        wait_for_end(v->after);
    pthread_mutex_lock(&v->lock);
    status = enter(v, SL_END, err);
    v->durable = durable;
    if (status == PD_OK) {
        free(v->kept);
        v->kept = v->open;
        v->kept_records = v->open_records;
        v->open = NULL;
        v->open_cap = v->open_records = 0;
        v->ended++;
        pthread_cond_broadcast(&v->changed);
    }
    pthread_mutex_unlock(&v->lock);
    return status;
}

static enum pd_status do_abandon(void *impl, struct pd_error *err)
{
    struct sl_volume *v = impl;
    enum pd_status status;

    pthread_mutex_lock(&v->lock);
    status = enter(v, SL_ABANDON, err);
    v->open_records = 0;
    v->abandoned++;
    pthread_mutex_unlock(&v->lock);
    return status;
}

static enum pd_status do_sync(void *impl, struct pd_error *err)
{
    struct sl_volume *v = impl;
    enum pd_status status;

    if (v->on_sync != NULL)
        v->on_sync(v->arg);
    pthread_mutex_lock(&v->lock);
    status = enter(v, SL_SYNC, err);
    pthread_mutex_unlock(&v->lock);
    return status;
}

static enum pd_status do_close(void *impl, struct pd_error *err)
{
    struct sl_volume *v = impl;

    (void)err;
    pthread_mutex_lock(&v->lock);
    v->closed++;
    pthread_mutex_unlock(&v->lock);
    return PD_OK;
}

void sl_volume_init(struct sl_volume *v, const char *label)
{
    memset(v, 0, sizeof(*v));
    v->label = label;
    assert_int_equal(pthread_mutex_init(&v->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&v->changed, NULL), 0);
}

void sl_volume_release(struct sl_volume *v)
{
    assert_int_equal(v->closed, 1);
    pthread_mutex_destroy(&v->lock);
    pthread_cond_destroy(&v->changed);
    free(v->open);
    free(v->kept);
}

struct pd_target *sl_target(struct sl_volume *v)
{
    static struct pd_target_ops ops;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_target *target;

    if (ops.scheme == NULL) {
        ops = target_lib_ops;
        ops.volumes = do_volumes;
        ops.mount = do_mount;
        ops.position = do_position;
        ops.begin = do_begin;
        ops.write = do_write;
        ops.end = do_end;
        ops.abandon = do_abandon;
        ops.sync = do_sync;
        ops.close = do_close;
    }
    assert_int_equal(pd_target_new(&ops, v, "memory:", v->caps, &target, &err), PD_OK);
    assert_int_equal(pd_target_mount(target, v->label, &err), PD_OK);
    return target;
}

void sl_close(struct pd_target *target)
{
    struct pd_error err = PD_ERROR_INIT;

    assert_int_equal(pd_target_close(target, &err), PD_OK);
}

void sl_let_go(struct sl_volume *v)
{
    pthread_mutex_lock(&v->lock);
    v->released = true;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

unsigned sl_closed(struct sl_volume *v)
{
    pthread_mutex_lock(&v->lock);
    unsigned closed = v->closed;
    pthread_mutex_unlock(&v->lock);
    return closed;
}

void sl_wait_closed(struct sl_volume *v)
{
    for (int ms = 0; ms < PATIENCE_MS && sl_closed(v) == 0; ms++)
        sl_sleep_ms(1);
    assert_int_equal(sl_closed(v), 1);
}
