#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <unistd.h>

#include "pairdump/ring.h"

#include "../../lib/stream_lib.h"

#define MS    UINT64_C(1000000)
#define SLOTS 4

static struct pd_ring *ring_of(void **state, uint64_t slots, unsigned readers)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_ring *ring = NULL;

    assert_int_equal(pd_ring_new(slots * SL_RECORD, SL_RECORD, readers, &ring, &err), PD_OK);
    *state = ring;
    return ring;
}

static int let_go(void **state)
{
    pd_ring_release(*state);
    return 0;
}

static void every_reader_gets_every_byte_in_order(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 3);

    for (uint64_t record = 0; record < 10 * SLOTS; record++) {
        sl_put(ring, SL_RECORD, (size_t)(record * 97 % SL_RECORD + 1));
        for (unsigned reader = 0; reader < 3; reader++)
            sl_take(ring, reader, record);
    }
    assert_int_equal(pd_ring_position(ring), 10 * SLOTS * SL_RECORD);
}

static void a_full_ring_holds_the_producer(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 2);

    sl_put_records(ring, SLOTS);
    assert_int_equal(sl_try_room(ring), PD_HUNG);
    sl_take(ring, 0, 0);
    assert_int_equal(sl_try_room(ring), PD_HUNG); /* the slowest reader counts */
    sl_take(ring, 1, 0);
    sl_put_records(ring, 1);
    assert_int_equal(sl_try_room(ring), PD_HUNG);
}

static void a_waiting_producer_goes_on_when_the_slowest_reader_moves(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 2);
    struct sl_waiting producer;

    sl_put_records(ring, SLOTS);
    sl_start(&producer, ring, SL_IN_ROOM, 0);
    sl_expect_waiting(&producer);
    sl_take(ring, 1, 0);
    sl_take(ring, 1, 1);
    sl_expect_waiting(&producer);
    sl_take(ring, 0, 0);
    sl_expect_return(&producer, PD_OK);
}

static void a_reader_that_moves_puts_the_stall_off(void **state)
{
    enum { MOVES = 8, EACH_MS = 100 };
    struct pd_ring *ring = ring_of(state, 2 * MOVES, 2);
    struct sl_waiting producer;

    sl_put_records(ring, 2 * MOVES);
    sl_start_stall(&producer, ring, 500 * MS);
    for (uint64_t i = 0; i < MOVES; i++) {
        sl_sleep_ms(EACH_MS);
        sl_take(ring, 1, i);
    }
    assert_false(atomic_load(&producer.done));
    sl_expect_return(&producer, PD_HUNG); /* nobody moves any more */
}

static void a_stall_ends_not_before_its_time(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 1);
    uint64_t since = sl_now();

    sl_put_records(ring, SLOTS);
    assert_int_equal(sl_try_room(ring), PD_HUNG);
    assert_true(sl_now() - since >= SL_STALL_NS);
    sl_take(ring, 0, 0);
    assert_int_equal(sl_try_room(ring), PD_OK); /* and is not for ever */
}

static void a_reader_waits_for_a_whole_record(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 1);
    struct sl_waiting reader;

    sl_put(ring, SL_RECORD - 1, 1000);
    sl_start(&reader, ring, SL_IN_RECORD, 0);
    sl_expect_waiting(&reader);
    sl_put(ring, 1, 1);
    sl_expect_return(&reader, PD_OK);
    assert_true(sl_right(reader.record, 0, SL_RECORD));
}

static void finishing_pads_the_last_record_with_zeros(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 1);
    uint8_t zeros[SL_RECORD] = {0};
    const uint8_t *record;

    sl_put_records(ring, SLOTS); /* leaves other bytes everywhere */
    for (uint64_t i = 0; i < SLOTS; i++)
        sl_take(ring, 0, i);
    sl_put(ring, 100, 100);
    sl_finish(ring);
    assert_int_equal(pd_ring_position(ring), (SLOTS + 1) * SL_RECORD);
    record = sl_look(ring, 0);
    assert_non_null(record);
    assert_true(sl_right(record, SLOTS * SL_RECORD, 100));
    assert_memory_equal(record + 100, zeros, SL_RECORD - 100);
    pd_ring_next(ring, 0);
    assert_null(sl_look(ring, 0));
    assert_null(sl_look(ring, 0));
}

static void finishing_behind_whole_records_adds_none(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 1);

    sl_put_records(ring, SLOTS); /* and needs no room */
    sl_finish(ring);
    for (uint64_t i = 0; i < SLOTS; i++)
        sl_take(ring, 0, i);
    assert_null(sl_look(ring, 0));
    pd_ring_release(ring);
    ring = ring_of(state, SLOTS, 1);
    sl_finish(ring); /* of no bytes at all */
    assert_null(sl_look(ring, 0));
    assert_int_equal(sl_agree(ring, 0), PD_OK);
}

static void a_waiting_reader_is_told_of_the_end(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 1);
    struct sl_waiting reader;

    sl_start(&reader, ring, SL_IN_RECORD, 0);
    sl_expect_waiting(&reader);
    sl_finish(ring);
    sl_expect_return(&reader, PD_OK);
    assert_null(reader.record);
}

static void aborting_wakes_everybody(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 4);
    struct sl_waiting reader, agreeing, producer;

    sl_put_records(ring, SLOTS);
    for (uint64_t i = 0; i < SLOTS; i++)
        sl_take(ring, 0, i);
    sl_start(&reader, ring, SL_IN_RECORD, 0);
    sl_start(&agreeing, ring, SL_IN_AGREE, 1);
    sl_start(&producer, ring, SL_IN_ROOM, 0);
    sl_expect_waiting(&reader);
    sl_expect_waiting(&agreeing);
    sl_expect_waiting(&producer);
    pd_ring_abort(ring);
    sl_expect_return(&reader, PD_INTERRUPTED);
    sl_expect_return(&agreeing, PD_INTERRUPTED);
    sl_expect_return(&producer, PD_INTERRUPTED);
}

static void after_an_abort_nothing_goes_on(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_ring *ring = ring_of(state, SLOTS, 1);
    const uint8_t *record = NULL;

    sl_put(ring, SL_RECORD + 1, SL_RECORD);
    pd_ring_abort(ring);
    assert_int_equal(pd_ring_record(ring, 0, &record, &err), PD_INTERRUPTED);
    assert_int_equal(err.status, PD_INTERRUPTED);
    assert_null(record);
    assert_int_equal(sl_try_room(ring), PD_INTERRUPTED);
    assert_int_equal(pd_ring_finish(ring, 0, &err), PD_INTERRUPTED);
    pd_ring_next(ring, 0);
    assert_int_equal(sl_agree(ring, 0), PD_INTERRUPTED);
}

static void readers_agree_when_all_have_passed_the_last_record(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 3);
    struct sl_waiting first, second;

    sl_put_records(ring, 2);
    sl_take(ring, 0, 0);
    sl_take(ring, 0, 1);
    sl_start(&first, ring, SL_IN_AGREE, 0);
    sl_take(ring, 1, 0);
    sl_take(ring, 1, 1);
    sl_take(ring, 2, 0);
    sl_finish(ring);
    sl_start(&second, ring, SL_IN_AGREE, 1);
    sl_expect_waiting(&first);
    sl_expect_waiting(&second);
    sl_take(ring, 2, 1);
    sl_expect_return(&first, PD_OK);
    sl_expect_return(&second, PD_OK);
    assert_int_equal(sl_agree(ring, 2), PD_OK);
}

static void there_is_no_agreement_before_the_end_is_known(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 1);
    struct sl_waiting call;

    sl_put_records(ring, 1);
    sl_take(ring, 0, 0);
    sl_start(&call, ring, SL_IN_AGREE, 0);
    sl_expect_waiting(&call); /* all is passed, but more may come */
    sl_finish(ring);
    sl_expect_return(&call, PD_OK);
}

static void readers_that_left_need_not_agree(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 3);
    struct sl_waiting call;

    sl_put_records(ring, 1);
    sl_finish(ring);
    sl_take(ring, 0, 0);
    sl_start(&call, ring, SL_IN_AGREE, 0);
    sl_expect_waiting(&call);
    pd_ring_detach(ring, 1, false);
    sl_expect_waiting(&call);
    pd_ring_detach(ring, 2, true);
    sl_expect_return(&call, PD_OK);
    assert_int_equal(sl_agree(ring, 1), PD_INTERRUPTED);
    assert_int_equal(sl_agree(ring, 2), PD_INTERRUPTED);
}

static void what_was_agreed_outlasts_an_abort(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 2);

    sl_put_records(ring, 1);
    sl_finish(ring);
    sl_take(ring, 0, 0);
    sl_take(ring, 1, 0);
    assert_int_equal(sl_agree(ring, 0), PD_OK);
    pd_ring_abort(ring);
    assert_null(sl_look(ring, 1)); /* it learns of the end as before */
    assert_int_equal(sl_agree(ring, 1), PD_OK);
    assert_int_equal(sl_agree(ring, 0), PD_OK);
}

static void after_an_abort_nobody_agrees_any_more(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 2);

    sl_put_records(ring, 1);
    sl_finish(ring);
    sl_take(ring, 0, 0);
    pd_ring_abort(ring);
    pd_ring_next(ring, 1);
    assert_int_equal(sl_agree(ring, 0), PD_INTERRUPTED);
    assert_int_equal(sl_agree(ring, 1), PD_INTERRUPTED);
}

static void a_detached_reader_no_longer_holds_the_ring(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_ring *ring = ring_of(state, SLOTS, 2);
    const uint8_t *record = NULL;
    struct sl_waiting producer;

    sl_put_records(ring, SLOTS);
    for (uint64_t i = 0; i < SLOTS; i++)
        sl_take(ring, 1, i);
    sl_start(&producer, ring, SL_IN_ROOM, 0);
    sl_expect_waiting(&producer);
    pd_ring_detach(ring, 0, false);
    sl_expect_return(&producer, PD_OK);
    pd_ring_detach(ring, 0, true); /* again: nothing happens */
    sl_put_records(ring, SLOTS);
    assert_int_equal(sl_try_room(ring), PD_HUNG); /* the other one still holds it */
    assert_int_equal(pd_ring_record(ring, 0, &record, &err), PD_INTERRUPTED);
    sl_take(ring, 1, SLOTS);
}

/* Fills the whole ring and empties it with the last reader, from record number on. */
static void go_round(struct pd_ring *ring, unsigned reader, uint64_t number, unsigned rounds)
{
    for (; rounds > 0; rounds--) {
        sl_put_records(ring, SLOTS);
        for (uint64_t i = 0; i < SLOTS; i++)
            sl_take(ring, reader, number++);
    }
}

static void the_record_of_a_reader_that_hangs_is_never_filled_again(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 3);
    const uint8_t *held[2];

    sl_put_records(ring, SLOTS);
    for (unsigned reader = 0; reader < 2; reader++) {
        sl_take(ring, reader, 0);
        held[reader] = sl_look(ring, reader);
    }
    pd_ring_detach(ring, 0, true);
    pd_ring_detach(ring, 1, true); /* hangs in the same record */
    pd_ring_detach(ring, 1, true);
    for (uint64_t i = 0; i < SLOTS; i++)
        sl_take(ring, 2, i); /* one that comes later finds the same bytes */
    go_round(ring, 2, SLOTS, 5);
    assert_true(sl_right(held[0], SL_RECORD, SL_RECORD));
    assert_true(sl_right(held[1], SL_RECORD, SL_RECORD));
}

static void one_after_the_other_may_hang_in_the_same_place(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 3);
    const uint8_t *held[2];

    sl_put_records(ring, 1);
    held[0] = sl_look(ring, 0);
    pd_ring_detach(ring, 0, true);
    sl_take(ring, 1, 0);
    sl_take(ring, 2, 0);
    sl_put_records(ring, SLOTS);
    for (uint64_t i = 1; i < SLOTS; i++) {
        sl_take(ring, 1, i);
        sl_take(ring, 2, i);
    }
    held[1] = sl_look(ring, 1); /* record SLOTS, in the spare memory */
    assert_ptr_not_equal(held[0], held[1]);
    pd_ring_detach(ring, 1, true);
    sl_take(ring, 2, SLOTS);
    go_round(ring, 2, SLOTS + 1, 3);
    assert_true(sl_right(held[0], 0, SL_RECORD));
    assert_true(sl_right(held[1], SLOTS * SL_RECORD, SL_RECORD));
}

static void one_that_hangs_without_a_record_holds_none(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_ring *ring = ring_of(state, SLOTS, 2);
    uint8_t *room;
    size_t len;

    sl_put(ring, SL_RECORD + 10, 512);
    sl_take(ring, 0, 0);
    assert_int_equal(pd_ring_room(ring, 0, &room, &len, &err), PD_OK);
    pd_ring_detach(ring, 0, true); /* its next record is being filled */
    sl_fill(room, SL_RECORD + 10, len);
    pd_ring_commit(ring, len);
    sl_take(ring, 1, 0);
    sl_take(ring, 1, 1);
    go_round(ring, 1, 2, 2);
}

static void a_hold_keeps_the_memory_after_the_producer_let_go(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 1);
    const uint8_t *record;

    sl_put_records(ring, 1);
    record = sl_look(ring, 0);
    assert_ptr_equal(pd_ring_hold(ring), ring);
    pd_ring_detach(ring, 0, true);
    pd_ring_release(ring);
    assert_true(sl_right(record, 0, SL_RECORD));
    pd_ring_release(NULL);
}

static void a_streaming_reader_waits_for_a_full_ring(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 2);
    struct sl_waiting reader;

    pd_ring_stream(ring, 0, 100);
    sl_start(&reader, ring, SL_IN_RECORD, 0);
    sl_expect_waiting(&reader);
    sl_put_records(ring, SLOTS - 1);
    sl_take(ring, 1, 0); /* the other one does not wait */
    sl_expect_waiting(&reader);
    sl_put_records(ring, 1);
    sl_expect_return(&reader, PD_OK);
    for (uint64_t i = 0; i < SLOTS; i++) /* now all of them, without waiting */
        sl_take(ring, 0, i);
    sl_start(&reader, ring, SL_IN_RECORD, 0); /* it has caught up: a full ring again */
    sl_expect_waiting(&reader);
    for (uint64_t i = 1; i < SLOTS; i++)
        sl_take(ring, 1, i);
    sl_put_records(ring, SLOTS - 1);
    sl_expect_waiting(&reader);
    sl_put_records(ring, 1);
    sl_expect_return(&reader, PD_OK);
    sl_take(ring, 0, SLOTS);
}

static void a_streaming_reader_that_has_not_caught_up_does_not_wait(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 1);

    pd_ring_stream(ring, 0, 100);
    sl_put_records(ring, SLOTS);
    for (uint64_t i = 0; i < 3 * SLOTS; i++) {
        sl_take(ring, 0, i);
        sl_put_records(ring, 1);
    }
}

static void a_streaming_reader_gets_the_rest_at_the_end(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 2);
    struct sl_waiting reader;

    pd_ring_stream(ring, 0, 100);
    sl_start(&reader, ring, SL_IN_RECORD, 0);
    sl_expect_waiting(&reader);
    sl_put_records(ring, 1);
    sl_expect_waiting(&reader);
    sl_finish(ring);
    sl_expect_return(&reader, PD_OK);
    sl_take(ring, 0, 0);
    assert_null(sl_look(ring, 0));
}

static void a_streaming_reader_waits_for_its_mark(void **state)
{
    static const struct {
        unsigned percent;
        uint64_t slots, records;
    } marks[] = {{1, 4, 1}, {49, 4, 1}, {50, 4, 2}, {99, 4, 3}, {100, 4, 4}, {90, 128, 115}};

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        struct pd_ring *ring = ring_of(state, marks[i].slots, 1);
        uint64_t next = 0;

        pd_ring_stream(ring, 0, marks[i].percent);
        for (int underrun = 0; underrun < 2; underrun++) {
            struct sl_waiting reader;

            sl_start(&reader, ring, SL_IN_RECORD, 0);
            sl_expect_waiting(&reader);
            sl_put_records(ring, marks[i].records - 1);
            sl_expect_waiting(&reader);
            sl_put_records(ring, 1);
            sl_expect_return(&reader, PD_OK);
            for (uint64_t n = 0; n < marks[i].records; n++)
                sl_take(ring, 0, next++);
        }
        let_go(state);
    }
    *state = NULL;
}

static void a_reader_learns_what_it_waited_for(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 2);
    struct sl_waiting reader;

    sl_put_records(ring, 1);
    sl_take(ring, 0, 0);
    assert_int_equal(pd_ring_waited(ring, 0), PD_RING_AT_HAND);
    sl_start(&reader, ring, SL_IN_RECORD, 0); /* the other one is behind by less than half */
    sl_expect_waiting(&reader);
    sl_put_records(ring, 1);
    sl_expect_return(&reader, PD_OK);
    assert_int_equal(pd_ring_waited(ring, 0), PD_RING_PRODUCER);
    sl_take(ring, 0, 1);
    assert_int_equal(pd_ring_waited(ring, 0), PD_RING_AT_HAND);
    sl_start(&reader, ring, SL_IN_RECORD, 0);
    sl_expect_waiting(&reader);
    sl_take(ring, 1, 0); /* who is to blame is said when the wait begins */
    sl_take(ring, 1, 1);
    sl_put_records(ring, 1);
    sl_expect_return(&reader, PD_OK);
    assert_int_equal(pd_ring_waited(ring, 0), PD_RING_OTHERS);
    sl_take(ring, 0, 2);
    sl_start(&reader, ring, SL_IN_RECORD, 0);
    sl_expect_waiting(&reader);
    pd_ring_abort(ring);
    sl_expect_return(&reader, PD_INTERRUPTED);
    assert_int_equal(pd_ring_waited(ring, 0), PD_RING_PRODUCER);
}

static void one_that_has_left_keeps_nobody_waiting(void **state)
{
    struct pd_ring *ring = ring_of(state, SLOTS, 2);
    struct sl_waiting reader;

    sl_put_records(ring, SLOTS);
    for (uint64_t i = 0; i < SLOTS; i++)
        sl_take(ring, 0, i);
    pd_ring_detach(ring, 1, false);
    sl_start(&reader, ring, SL_IN_RECORD, 0);
    sl_expect_waiting(&reader);
    sl_put_records(ring, 1);
    sl_expect_return(&reader, PD_OK);
    assert_int_equal(pd_ring_waited(ring, 0), PD_RING_PRODUCER);
}

static void sizes_are_rounded_and_checked(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_ring_stats stats;
    struct pd_ring *ring = NULL;

    assert_int_equal(pd_ring_new(1 << 20, 0, 1, &ring, &err), PD_INTERNAL);
    assert_int_equal(pd_ring_new(1 << 20, SL_RECORD, 0, &ring, &err), PD_INTERNAL);
    assert_int_equal(pd_ring_new(1 << 20, SL_RECORD, 10, &ring, &err), PD_INTERNAL);
    assert_int_equal(pd_ring_new(1 << 20, UINT64_MAX / 2, 1, &ring, &err), PD_NO_MEMORY);
    pd_ring_stats(ring_of(state, 0, 1), &stats);
    assert_int_equal(stats.records, 4);
    pd_ring_release(*state);
    assert_int_equal(pd_ring_new(6 * SL_RECORD - 1, SL_RECORD, 9, &ring, &err), PD_OK);
    *state = ring;
    sl_put(ring, 3 * SL_RECORD + 5, SL_RECORD);
    for (unsigned i = 0; i < 9; i++)
        sl_take(ring, i, 0);
    sl_take(ring, 0, 1);
    pd_ring_stats(ring, &stats);
    assert_int_equal(stats.records, 5);
    assert_int_equal(stats.attached, 9);
    assert_int_equal(stats.used, 2);
    assert_int_equal(stats.lag[0], 1);
    assert_int_equal(stats.lag[8], 2);
}

/* ---- many threads ---- */

enum { STRESS_READERS = 6, STRESS_RECORDS = 1500, STRESS_LEAVES = 400 };

/* Reader 4 leaves half-way, reader 5 hangs: it keeps its record and looks at it to the end. */
struct stress_reader {
    pthread_t thread;
    struct pd_ring *ring;
    unsigned reader;
    uint64_t records;
    bool wrong;
    enum pd_status status;
    atomic_bool *over; /* the others are done */
};

static void dawdle(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + 1442695040888963407u;
    if ((*x >> 33) % 16 == 0)
        usleep((useconds_t)((*x >> 40) % 200));
}

static void *stress_read(void *arg)
{
    struct stress_reader *r = arg;
    struct pd_error err = PD_ERROR_INIT;
    uint64_t random = r->reader;
    const uint8_t *record = NULL;

    while ((r->status = pd_ring_record(r->ring, r->reader, &record, &err)) == PD_OK && record) {
        dawdle(&random);
        r->wrong = r->wrong || !sl_right(record, r->records * SL_RECORD, SL_RECORD);
        if (r->reader >= 4 && r->records == STRESS_LEAVES) {
            pd_ring_detach(r->ring, r->reader, r->reader == 5);
            while (r->reader == 5 && !atomic_load(r->over))
                usleep(100);
            r->wrong = r->wrong || (r->reader == 5 &&
                                    !sl_right(record, r->records * SL_RECORD, SL_RECORD));
            break;
        }
        r->records++;
        pd_ring_next(r->ring, r->reader);
    }
    if (r->status == PD_OK && !record)
        r->status = pd_ring_agree(r->ring, r->reader, &err);
    pd_ring_release(r->ring);
    return NULL;
}

static void many_threads_at_random_paces_agree_on_every_byte(void **state)
{
    struct pd_ring *ring = ring_of(state, 7, STRESS_READERS);
    struct stress_reader readers[STRESS_READERS];
    uint64_t random = 99;
    atomic_bool over = false;

    memset(readers, 0, sizeof(readers));
    pd_ring_stream(ring, 3, 60);
    for (unsigned i = 0; i < STRESS_READERS; i++) {
        readers[i].ring = pd_ring_hold(ring);
        readers[i].reader = i;
        readers[i].over = &over;
        assert_int_equal(pthread_create(&readers[i].thread, NULL, stress_read, &readers[i]), 0);
    }
    for (uint64_t left = STRESS_RECORDS * SL_RECORD, n; left > 0; left -= n) {
        dawdle(&random);
        n = (random >> 50) + 1 < left ? (random >> 50) + 1 : left;
        sl_put(ring, n, n);
    }
    sl_finish(ring);
    for (unsigned i = 0; i < STRESS_READERS; i++) {
        if (i == 5)
            atomic_store(&over, true);
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_false(readers[i].wrong);
        assert_int_equal(readers[i].status, PD_OK);
        assert_int_equal(readers[i].records, i < 4 ? STRESS_RECORDS : STRESS_LEAVES);
    }
}

#define TEST(f) cmocka_unit_test_teardown(f, let_go)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_reader_gets_every_byte_in_order),
        TEST(a_full_ring_holds_the_producer),
        TEST(a_waiting_producer_goes_on_when_the_slowest_reader_moves),
        TEST(a_reader_that_moves_puts_the_stall_off),
        TEST(a_stall_ends_not_before_its_time),
        TEST(a_reader_waits_for_a_whole_record),
        TEST(finishing_pads_the_last_record_with_zeros),
        TEST(finishing_behind_whole_records_adds_none),
        TEST(a_waiting_reader_is_told_of_the_end),
        TEST(aborting_wakes_everybody),
        TEST(after_an_abort_nothing_goes_on),
        TEST(readers_agree_when_all_have_passed_the_last_record),
        TEST(there_is_no_agreement_before_the_end_is_known),
        TEST(readers_that_left_need_not_agree),
        TEST(what_was_agreed_outlasts_an_abort),
        TEST(after_an_abort_nobody_agrees_any_more),
        TEST(a_detached_reader_no_longer_holds_the_ring),
        TEST(the_record_of_a_reader_that_hangs_is_never_filled_again),
        TEST(one_after_the_other_may_hang_in_the_same_place),
        TEST(one_that_hangs_without_a_record_holds_none),
        TEST(a_hold_keeps_the_memory_after_the_producer_let_go),
        TEST(a_streaming_reader_waits_for_a_full_ring),
        TEST(a_streaming_reader_that_has_not_caught_up_does_not_wait),
        TEST(a_streaming_reader_gets_the_rest_at_the_end),
        TEST(a_streaming_reader_waits_for_its_mark),
        TEST(a_reader_learns_what_it_waited_for),
        TEST(one_that_has_left_keeps_nobody_waiting),
        TEST(sizes_are_rounded_and_checked),
        TEST(many_threads_at_random_paces_agree_on_every_byte),
    };

    alarm(120); /* a call that waits for ever ends the program */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
