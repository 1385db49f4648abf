#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <unistd.h>

#include "pairdump/fanout.h"

#include "../../lib/stream_lib.h"
#include "../../lib/work_restore_lib.h"

#define MS     UINT64_C(1000000)
#define SLOTS  8
#define MARK   4 /* records, of 50 percent */
#define ENOUGH (50 * SLOTS * SL_RECORD)
#define EACH   (10 * MS) /* what a write takes on the clock of the test */

/* Time that passes only when the test, or a write, says so. */
struct bed {
    struct restore_lib_env e;
    struct pd_clock clock;
    atomic_uint_fast64_t now;
    struct sl_volume volumes[2];
    struct pd_fanout_copy copies[2];
    struct pd_fanout_job job;
    struct pd_error err;
    unsigned threads;
    void (*script)(struct bed *b); /* what the producer does, but for the end */
    struct pd_ring *ring;
    pthread_barrier_t both;
    atomic_bool held; /* copy 2 waits at the gate */
    atomic_bool gate; /* open */
};

static int64_t utc(void *self)
{
    (void)self;
    return 0;
}

static uint64_t monotonic(void *self)
{
    struct bed *b = self;

    return atomic_load(&b->now);
}

static void sleep_on(void *self, uint64_t ns)
{
    struct bed *b = self;

    atomic_fetch_add(&b->now, ns);
}

static void take_time(void *arg)
{
    sleep_on(arg, EACH);
}

/* The next record but one is there, or no more will come: this one is not the last for now. */
static void stay_behind(void *arg)
{
    struct bed *b = arg;
    uint64_t wanted = (b->volumes[0].calls[SL_WRITE] + 2) * SL_RECORD;

    take_time(arg);
    while (pd_ring_position(b->ring) < (wanted < ENOUGH ? wanted : ENOUGH))
        sl_sleep_ms(1);
}

static void wait_gate(void *arg)
{
    struct bed *b = arg;

    atomic_store(&b->held, true);
    while (!atomic_load(&b->gate))
        sl_sleep_ms(1);
}

static enum pd_status produce(void *arg, struct pd_ring *ring, struct pd_error *err)
{
    struct bed *b = arg;

    b->ring = ring;
    b->script(b);
    return pd_ring_finish(ring, 0, err);
}

/* Until so many writers have written all there is, and wait for more; others must not be waiting.
 */
static void all_idle(struct bed *b, unsigned writers)
{
    struct pd_ring_stats stats;
    bool idle;

    do {
        sl_sleep_ms(1);
        pd_ring_stats(b->ring, &stats);
        idle = stats.waiting == writers;
        for (unsigned i = 0; i < writers; i++)
            idle = idle && stats.lag[i] == 0;
    } while (!idle);
}

static int start(void **state)
{
    static const char *const labels[] = {"ONE", "TWO"};
    struct bed *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->threads = sl_threads();
    restore_lib_env_start(&b->e);
    b->clock = (struct pd_clock){utc, monotonic, sleep_on, b};
    b->e.env.clock = &b->clock;
    atomic_store(&b->now, 77);
    assert_int_equal(pthread_barrier_init(&b->both, NULL, 2), 0);
    for (size_t i = 0; i < 2; i++) {
        sl_volume_init(&b->volumes[i], labels[i]);
        b->volumes[i].caps.tape = true;
        b->volumes[i].arg = b;
        b->copies[i].target = sl_target(&b->volumes[i]);
    }
    b->volumes[0].on_write = take_time;
    b->job = (struct pd_fanout_job){.env = &b->e.env,
                                    .name = "test.0001",
                                    .record_size = SL_RECORD,
                                    .buffer = SLOTS * SL_RECORD,
                                    .mark = 50,
                                    .produce = produce,
                                    .produce_arg = b};
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bed *b = *state;

    for (size_t i = 0; i < 2; i++) {
        sl_let_go(&b->volumes[i]);
        sl_close(b->copies[i].target);
        sl_wait_closed(&b->volumes[i]);
    }
    sl_wait_threads(b->threads);
    for (size_t i = 0; i < 2; i++)
        sl_volume_release(&b->volumes[i]);
    pthread_barrier_destroy(&b->both);
    restore_lib_env_end(&b->e);
    free(b);
    return 0;
}

static struct bed *again(void **state)
{
    end(state);
    start(state);
    return *state;
}

static void only_copy_one(struct bed *b)
{
    sl_close(b->copies[1].target);
    b->copies[1].target = NULL;
}

static void expect_figures(const struct pd_fanout_figures *f, struct pd_fanout_figures wanted)
{
    assert_int_equal(f->starts, wanted.starts);
    assert_int_equal(f->stops, wanted.stops);
    assert_int_equal(f->bytes, wanted.bytes);
    assert_int_equal(f->stream_ns, wanted.stream_ns);
    assert_int_equal(f->fill_ns, wanted.fill_ns);
    assert_int_equal(f->starved_ns, wanted.starved_ns);
    assert_int_equal(f->others_ns, wanted.others_ns);
}

/* ---- figures ---- */

/* A stop in the middle, and nothing more after a wait at the end. */
static void stop_once(struct bed *b)
{
    all_idle(b, 1);
    sleep_on(b, 1000 * MS);
    sl_put_records(b->ring, MARK);
    all_idle(b, 1);
    sleep_on(b, 5000 * MS);
    sl_put_records(b->ring, MARK - 1);
    sl_sleep_ms(30);
    sleep_on(b, 200 * MS); /* below the mark it stands still */
    sl_put_records(b->ring, 1);
    all_idle(b, 1);
    sleep_on(b, 700 * MS);
}

static void stop_twice(struct bed *b)
{
    stop_once(b);
    sl_put_records(b->ring, 1); /* the mark is never reached again, but the archive ends */
    sl_sleep_ms(30);
    sleep_on(b, 50 * MS);
}

static void a_stop_is_a_wait_that_ended_with_a_record(void **state)
{
    struct bed *b = *state;
    const struct pd_fanout_figures once = {.starts = 2,
                                           .stops = 1,
                                           .bytes = 2 * MARK * SL_RECORD,
                                           .stream_ns = 2 * MARK * EACH,
                                           .fill_ns = 1000 * MS,
                                           .starved_ns = 5200 * MS};
    struct pd_fanout_figures twice = once, sum = once;

    only_copy_one(b);
    b->script = stop_once;
    assert_int_equal(pd_fanout(&b->job, b->copies, 2, &b->err), PD_OK);
    expect_figures(&b->copies[0].figures, once);
    b->script = stop_twice;
    twice.starts++;
    twice.stops++;
    twice.bytes += SL_RECORD;
    twice.stream_ns += EACH;
    twice.starved_ns += 750 * MS;
    assert_int_equal(pd_fanout(&b->job, b->copies, 2, &b->err), PD_OK);
    expect_figures(&b->copies[0].figures, twice); /* of this archive alone */
    pd_fanout_add_figures(&sum, &twice);
    expect_figures(&sum, (struct pd_fanout_figures){.starts = 5,
                                                    .stops = 3,
                                                    .bytes = (4 * MARK + 1) * SL_RECORD,
                                                    .stream_ns = (4 * MARK + 1) * EACH,
                                                    .fill_ns = 2000 * MS,
                                                    .starved_ns = 11150 * MS});
}

static void stay_ahead(struct bed *b)
{
    all_idle(b, 1);
    sl_put(b->ring, ENOUGH, SL_RECORD);
}

static void a_fast_source_makes_no_stop(void **state)
{
    struct bed *b = *state;

    only_copy_one(b);
    b->volumes[0].on_write = stay_behind;
    b->script = stay_ahead;
    assert_int_equal(pd_fanout(&b->job, b->copies, 2, &b->err), PD_OK);
    expect_figures(&b->copies[0].figures,
                   (struct pd_fanout_figures){
                       .starts = 1, .bytes = ENOUGH, .stream_ns = ENOUGH / SL_RECORD * EACH});
}

/* The second copy holds the ring; the first one has written what there is. */
static void one_is_slow(struct bed *b)
{
    all_idle(b, 2);
    sl_put_records(b->ring, SLOTS);
    while (!atomic_load(&b->held))
        sl_sleep_ms(1);
    all_idle(b, 1);
    sleep_on(b, 2000 * MS);
    atomic_store(&b->gate, true);
    all_idle(b, 2);
    sl_put_records(b->ring, SLOTS);
    all_idle(b, 2);
}

static void a_slower_copy_is_told_from_a_slow_source(void **state)
{
    struct bed *b = *state;
    const struct pd_fanout_figures *slow = &b->copies[1].figures;

    b->job.mark = 100;
    b->volumes[1].on_write = wait_gate;
    b->script = one_is_slow;
    assert_int_equal(pd_fanout(&b->job, b->copies, 2, &b->err), PD_OK);
    expect_figures(&b->copies[0].figures, (struct pd_fanout_figures){.starts = 2,
                                                                     .stops = 1,
                                                                     .bytes = 2 * SLOTS * SL_RECORD,
                                                                     .stream_ns = 2 * SLOTS * EACH,
                                                                     .others_ns = 2000 * MS});
    assert_int_equal(slow->starts, 2);
    assert_int_equal(slow->stops, 1);
    assert_int_equal(slow->bytes, 2 * SLOTS * SL_RECORD);
    assert_int_equal(slow->others_ns, 0);
}

/* As much as the ring takes, until it is given up. */
static void put_what_goes(struct bed *b)
{
    struct pd_error err = PD_ERROR_INIT;
    uint8_t *room = NULL;
    size_t len = 0;

    while (pd_ring_room(b->ring, 0, &room, &len, &err) == PD_OK) {
        memset(room, 0, len);
        pd_ring_commit(b->ring, len);
    }
}

static void a_copy_that_fails_counts_until_then(void **state)
{
    struct bed *b = *state;

    b->script = put_what_goes;
    only_copy_one(b);
    b->volumes[0].fail = SL_WRITE;
    b->volumes[0].fail_at = 3;
    b->volumes[0].fail_status = PD_VOLUME_FULL;
    assert_int_equal(pd_fanout(&b->job, b->copies, 2, &b->err), PD_VOLUME_FULL);
    expect_figures(
        &b->copies[0].figures,
        (struct pd_fanout_figures){.starts = 1, .bytes = 2 * SL_RECORD, .stream_ns = 3 * EACH});
    assert_int_equal(b->copies[0].adrift.status, PD_OK);
}

static void what_cannot_be_given_up_is_told(void **state)
{
    struct bed *b = *state;

    b->script = put_what_goes;
    only_copy_one(b);
    b->volumes[0].capacity = 5;
    b->volumes[0].fail = SL_ABANDON;
    b->volumes[0].fail_at = 1;
    b->volumes[0].fail_status = PD_IO;
    assert_int_equal(pd_fanout(&b->job, b->copies, 2, &b->err), PD_VOLUME_FULL);
    assert_int_equal(b->copies[0].status, PD_VOLUME_FULL);
    assert_int_equal(b->copies[0].adrift.status, PD_IO);
    assert_string_equal(b->copies[0].adrift.message, "as told");
}

static void put_some(struct bed *b)
{
    sl_put_records(b->ring, 20);
}

static void disks_have_no_figures(void **state)
{
    struct bed *b = *state;

    for (size_t i = 0; i < 2; i++) {
        sl_close(b->copies[i].target);
        b->volumes[i].closed = 0;
        b->volumes[i].caps.tape = false;
        b->copies[i].target = sl_target(&b->volumes[i]);
    }
    b->script = put_some;
    assert_int_equal(pd_fanout(&b->job, b->copies, 2, &b->err), PD_OK);
    expect_figures(&b->copies[0].figures, (struct pd_fanout_figures){.starts = 0});
}

/* ---- sync ---- */

static void meet(void *arg)
{
    struct bed *b = arg;

    (void)pthread_barrier_wait(&b->both);
}

static void all_copies_are_synced_at_once(void **state)
{
    struct bed *b = *state;

    b->volumes[0].on_sync = b->volumes[1].on_sync = meet; /* neither ends before both have begun */
    assert_int_equal(pd_fanout_sync(&b->e.env, b->copies, 2, &b->err), PD_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(b->copies[i].status, PD_OK);
        assert_int_equal(b->volumes[i].calls[SL_SYNC], 1);
    }
}

static void a_sync_that_fails_costs_its_copy_only(void **state)
{
    struct bed *b = *state;

    b->e.stopped = 1; /* what is on its way is brought to its end all the same */
    b->volumes[1].fail = SL_SYNC;
    b->volumes[1].fail_at = 1;
    b->volumes[1].fail_status = PD_IO;
    assert_int_equal(pd_fanout_sync(&b->e.env, b->copies, 2, &b->err), PD_OK);
    assert_int_equal(b->copies[0].status, PD_OK);
    assert_int_equal(b->copies[1].status, PD_IO);
    assert_string_equal(b->copies[1].error.message, "as told");
    assert_string_equal(b->copies[1].error.volume, "TWO");
    assert_non_null(b->copies[1].target); /* still the caller's */
    assert_int_equal(pd_fanout_sync(&b->e.env, b->copies, 2, &b->err), PD_OK);
    assert_int_equal(b->copies[1].status, PD_OK);
}

static void when_every_sync_fails_the_worst_speaks(void **state)
{
    static const enum pd_status plans[][3] = {
        {PD_IO, PD_NO_MEMORY, PD_NO_MEMORY},
        {PD_NO_MEMORY, PD_IO, PD_NO_MEMORY},
        {PD_OK, PD_IO, PD_IO}, /* PD_OK: it is out */
    };

    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        struct bed *b = *state;

        for (size_t copy = 0; copy < 2; copy++) {
            b->volumes[copy].fail = SL_SYNC;
            b->volumes[copy].fail_at = 1;
            b->volumes[copy].fail_status = plans[i][copy];
            if (plans[i][copy] == PD_OK) {
                sl_close(b->copies[copy].target);
                b->copies[copy].target = NULL;
            }
        }
        assert_int_equal(pd_fanout_sync(&b->e.env, b->copies, 2, &b->err), plans[i][2]);
        assert_int_equal(b->err.status, plans[i][2]);
        (void)again(state);
    }
}

static void a_sync_that_hangs_is_left_behind(void **state)
{
    struct bed *b = *state;

    b->e.env.stall_ns = 250 * MS;
    b->volumes[0].hang = SL_SYNC;
    b->volumes[0].hang_at = 1;
    assert_int_equal(pd_fanout_sync(&b->e.env, b->copies, 2, &b->err), PD_OK);
    assert_int_equal(b->copies[0].status, PD_HUNG);
    assert_int_equal(b->copies[0].error.status, PD_HUNG);
    assert_true(b->copies[0].lost);
    assert_null(b->copies[0].target);
    assert_int_equal(b->copies[1].status, PD_OK);
    assert_false(b->copies[1].lost);
    assert_int_equal(b->e.progress.hung, 1);
    assert_int_equal(sl_closed(&b->volumes[0]), 0);
    sl_let_go(&b->volumes[0]);
    sl_wait_closed(&b->volumes[0]); /* by the thread that came back */
}

static void without_targets_nothing_is_synced(void **state)
{
    struct bed *b = *state;
    struct pd_fanout_copy none[PD_COPIES_MAX + 1];

    memset(none, 0, sizeof(none));
    assert_int_equal(pd_fanout_sync(&b->e.env, none, 2, &b->err), PD_INTERNAL);
    none[PD_COPIES_MAX].target = b->copies[0].target;
    assert_int_equal(pd_fanout_sync(&b->e.env, none, PD_COPIES_MAX + 1, &b->err), PD_INTERNAL);
    assert_int_equal(b->volumes[0].calls[SL_SYNC], 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stop_is_a_wait_that_ended_with_a_record),
        TEST(a_fast_source_makes_no_stop),
        TEST(a_slower_copy_is_told_from_a_slow_source),
        TEST(a_copy_that_fails_counts_until_then),
        TEST(what_cannot_be_given_up_is_told),
        TEST(disks_have_no_figures),
        TEST(all_copies_are_synced_at_once),
        TEST(a_sync_that_fails_costs_its_copy_only),
        TEST(when_every_sync_fails_the_worst_speaks),
        TEST(a_sync_that_hangs_is_left_behind),
        TEST(without_targets_nothing_is_synced),
    };

    alarm(120); /* a call that waits for ever ends the program */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
