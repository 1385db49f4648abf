#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdatomic.h>
#include <unistd.h>

#include "pairdump/fanout.h"

#include "../../lib/media_lib.h"
#include "../../lib/stream_lib.h"
#include "../../lib/work_restore_lib.h"

#define MS      UINT64_C(1000000)
#define RECORDS 20
#define TAIL    100 /* bytes of the last record, the others are zeros */
#define BYTES   ((RECORDS - 1) * SL_RECORD + TAIL)
#define SLOTS   6
#define ENDLESS (UINT64_C(1) << 40)

/* A fan-out to volumes in memory, and what its producer is to do. */
struct bed {
    struct restore_lib_env e;
    struct sl_volume volumes[2];
    struct pd_fanout_copy copies[2];
    struct pd_fanout_job job;
    struct pd_error err;
    unsigned threads; /* before it began */
    unsigned warnings;
    /* the producer */
    uint64_t bytes;
    uint64_t fail_at, stop_at, pause_at, come_back_at; /* bytes; UINT64_MAX: never */
    enum pd_status fail;
    unsigned pause_ms;
    bool reads; /* as reader 0 */
    struct pd_ring *ring;
    uint64_t at_first_write; /* stream position when the first record is written */
    atomic_bool written;
};

/* As a signal does, while others look at it. */
__attribute__((no_sanitize("thread"), noinline)) static void set_stop(struct restore_lib_env *e)
{
    e->stopped = 1;
}

static enum pd_status produce(void *arg, struct pd_ring *ring, struct pd_error *err)
{
    struct bed *b = arg;
    enum pd_status status = PD_OK;

    b->ring = ring;
    for (uint64_t at = 0; at < b->bytes && status == PD_OK;) {
        uint8_t *room = NULL;
        size_t n = 0;

        if (at >= b->stop_at)
            set_stop(&b->e);
        if (at == b->pause_at)
            sl_sleep_ms(b->pause_ms);
        if (at == b->come_back_at) {
            struct pd_ring_stats stats;
            do {
                sl_sleep_ms(1);
                pd_ring_stats(ring, &stats);
            } while (stats.attached > 1);
            sl_let_go(&b->volumes[0]);
        }
        if (at >= b->fail_at)
            return pd_error_set(err, b->fail, 0, "the producer was told to fail");
        status = pd_ring_room(ring, 0, &room, &n, err);
        if (status == PD_OK) {
            n = n < b->bytes - at ? n : (size_t)(b->bytes - at);
            sl_fill(room, at, n);
            pd_ring_commit(ring, n);
            at += n;
        }
        if (status == PD_OK && b->reads && at % b->job.record_size == 0) {
            const uint8_t *record;
            status = pd_ring_record(ring, 0, &record, err);
            pd_ring_next(ring, 0);
        }
    }
    if (status == PD_OK)
        status = pd_ring_finish(ring, 0, err);
    if (b->reads)
        pd_ring_detach(ring, 0, false);
    return status;
}

static void warn(void *arg, enum pd_log_level level, const char *line)
{
    struct bed *b = arg;

    b->warnings += level >= PD_LOG_WARN && line[0] != '\0';
}

static int start(void **state)
{
    static const char *const labels[] = {"ONE", "TWO"};
    struct bed *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->threads = sl_threads();
    restore_lib_env_start(&b->e);
    pd_log_free(b->e.env.log);
    assert_int_equal(pd_log_new(warn, b, PD_LOG_WARN, &b->e.env.log, &b->err), PD_OK);
    b->e.env.stall_ns = 20000 * MS;
    for (size_t i = 0; i < 2; i++) {
        sl_volume_init(&b->volumes[i], labels[i]);
        b->copies[i].target = sl_target(&b->volumes[i]);
    }
    b->job = (struct pd_fanout_job){.env = &b->e.env,
                                    .name = "test.0001",
                                    .record_size = SL_RECORD,
                                    .buffer = SLOTS * SL_RECORD,
                                    .mark = 100,
                                    .durable = true,
                                    .produce = produce,
                                    .produce_arg = b};
    b->bytes = BYTES;
    b->fail_at = b->stop_at = b->pause_at = b->come_back_at = UINT64_MAX;
    *state = b;
    return 0;
}

/* Threads that were given up come back here, and must not find anything gone. */
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

/* Fails the test unless the fan-out gives this, and each copy that. */
static void expect(struct bed *b, enum pd_status wanted, enum pd_status one, enum pd_status two)
{
    const enum pd_status each[2] = {one, two};
    enum pd_status got;
    char text[1400];

    pd_error_clear(&b->err);
    got = pd_fanout(&b->job, b->copies, 2, &b->err);
    pd_error_format(&b->err, text, sizeof(text));
    if (got != wanted || (got != PD_OK && b->err.status != got))
        fail_msg("gave %s, not %s: %s", pd_status_name(got), pd_status_name(wanted), text);
    for (size_t i = 0; i < 2; i++) {
        if (b->copies[i].status != each[i])
            fail_msg("copy %zu is %s, not %s", i, pd_status_name(b->copies[i].status),
                     pd_status_name(each[i]));
        if (each[i] != PD_OK && each[i] != PD_INTERNAL)
            assert_int_equal(b->copies[i].error.status, each[i]);
        assert_int_equal(b->copies[i].lost, each[i] == PD_HUNG);
        if (each[i] == PD_HUNG)
            assert_null(b->copies[i].target);
    }
}

/* The volume has the whole archive as its only tape file. */
static void expect_whole(const struct bed *b, size_t copy)
{
    const struct sl_volume *v = &b->volumes[copy];
    uint8_t zeros[SL_RECORD] = {0};

    assert_int_equal(v->ended, 1);
    assert_int_equal(v->abandoned, 0);
    assert_int_equal(v->kept_records, RECORDS);
    assert_true(sl_right(v->kept, 0, BYTES));
    assert_memory_equal(v->kept + BYTES, zeros, SL_RECORD - TAIL);
    assert_int_equal(b->copies[copy].records, RECORDS);
    assert_int_equal(b->copies[copy].file_no, 1);
}

/* What was begun on the volume was given up, once. */
static void expect_abandoned(const struct bed *b, size_t copy)
{
    assert_int_equal(b->volumes[copy].ended, 0);
    assert_int_equal(b->volumes[copy].abandoned, 1);
    assert_int_equal(b->volumes[copy].open_records, 0);
}

static void fail_at(struct bed *b, size_t copy, enum sl_call call, uint64_t number,
                    enum pd_status status)
{
    b->volumes[copy].fail = call;
    b->volumes[copy].fail_at = number;
    b->volumes[copy].fail_status = status;
}

static void hang_at(struct bed *b, size_t copy, enum sl_call call, uint64_t number)
{
    b->volumes[copy].hang = call;
    b->volumes[copy].hang_at = number;
    b->e.env.stall_ns = 250 * MS;
}

/* ---- what goes well ---- */

static void both_copies_are_bit_identical(void **state)
{
    struct bed *b = *state;

    b->volumes[1].write_ms = 2; /* the slower one gets the same bytes */
    expect(b, PD_OK, PD_OK, PD_OK);
    expect_whole(b, 0);
    expect_whole(b, 1);
    assert_memory_equal(b->volumes[0].kept, b->volumes[1].kept, RECORDS * SL_RECORD);
    assert_int_equal(b->e.progress.written[1], RECORDS * SL_RECORD);
    assert_string_equal(b->volumes[1].name, "test.0001");
    assert_true(b->volumes[1].durable);
    assert_int_equal(b->e.progress.hung, 0);
    b->job.durable = false;
    expect(b, PD_OK, PD_OK, PD_OK); /* another archive behind it */
    assert_int_equal(b->copies[1].file_no, 2);
    assert_false(b->volumes[1].durable);
}

static void the_producer_may_read_along(void **state)
{
    struct bed *b = *state;

    b->job.extra_readers = 1;
    b->reads = true;
    expect(b, PD_OK, PD_OK, PD_OK);
    expect_whole(b, 0);
    expect_whole(b, 1);
}

static void a_copy_without_a_target_stays_out(void **state)
{
    struct bed *b = *state;

    sl_close(b->copies[0].target);
    b->copies[0].target = NULL;
    b->copies[0].status = PD_OK; /* of the archive before */
    expect(b, PD_OK, PD_INTERNAL, PD_OK);
    expect_whole(b, 1);
    assert_int_equal(b->volumes[0].calls[SL_BEGIN], 0);
}

static void without_targets_nothing_is_produced(void **state)
{
    struct bed *b = *state;
    struct pd_fanout_copy none[PD_COPIES_MAX + 1];

    memset(none, 0, sizeof(none));
    assert_int_equal(pd_fanout(&b->job, none, 2, &b->err), PD_INTERNAL);
    none[PD_COPIES_MAX].target = b->copies[0].target;
    assert_int_equal(pd_fanout(&b->job, none, PD_COPIES_MAX + 1, &b->err), PD_INTERNAL);
    assert_null(b->ring);
}

static void see_first_write(void *arg)
{
    struct bed *b = arg;

    if (!atomic_exchange(&b->written, true))
        b->at_first_write = pd_ring_position(b->ring);
}

static void a_tape_gets_its_first_record_from_a_full_ring(void **state)
{
    for (int small = 0; small < 2; small++) {
        struct bed *b = *state;

        sl_close(b->copies[0].target);
        sl_volume_release(&b->volumes[0]);
        sl_volume_init(&b->volumes[0], "TAPE");
        b->volumes[0].caps.tape = true;
        b->volumes[0].on_write = see_first_write;
        b->volumes[0].arg = b;
        b->copies[0].target = sl_target(&b->volumes[0]);
        b->pause_at = SL_RECORD; /* while the tape is made ready */
        b->pause_ms = 150;
        b->volumes[0].begin_ms = 75;
        b->bytes = small ? SL_RECORD + 1 : BYTES;
        expect(b, PD_OK, PD_OK, PD_OK);
        assert_in_range(b->at_first_write, small ? 2 * SL_RECORD : SLOTS * SL_RECORD, BYTES);
        assert_int_equal(b->volumes[0].kept_records, small ? 2 : RECORDS);
        (void)again(state);
    }
}

/* ---- copies that fail ---- */

static void whichever_call_fails_the_other_copy_is_whole(void **state)
{
    for (uint64_t call = 1; call <= RECORDS + 2; call++) {
        struct bed *b = *state;
        size_t bad = call % 2;
        bool ends = call == RECORDS + 2;

        fail_at(b, bad, call == 1 ? SL_BEGIN : ends ? SL_END : SL_WRITE,
                call == 1 || ends ? 1 : call - 1, PD_IO);
        b->volumes[bad].write_ms = call > RECORDS ? 3 : 0; /* the other has all by then */
        expect(b, PD_OK, bad == 0 ? PD_IO : PD_OK, bad == 1 ? PD_IO : PD_OK);
        expect_whole(b, 1 - bad);
        if (call > 1)
            expect_abandoned(b, bad);
        else
            assert_int_equal(b->volumes[bad].calls[SL_ABANDON], 0);
        assert_int_equal(b->volumes[bad].calls[SL_WRITE], ends ? RECORDS : call - 1);
        assert_int_equal(b->copies[bad].records, call == 1 ? 0 : call - 2);
        assert_string_equal(b->copies[bad].error.volume, bad == 0 ? "ONE" : "TWO");
        assert_non_null(b->copies[bad].target); /* still the caller's */
        (void)again(state);
    }
}

static void when_no_copy_is_left_the_worst_speaks(void **state)
{
    static const struct plan {
        struct {
            enum sl_call call;
            uint64_t number;
            enum pd_status status;
        } fail[2];
        enum pd_status wanted;
    } plans[] = {
        {{{SL_WRITE, 3, PD_IO}, {SL_WRITE, 30, PD_WRITE_PROTECTED}}, PD_IO},
        {{{SL_WRITE, 3, PD_IO}, {SL_BEGIN, 1, PD_NO_MEMORY}}, PD_NO_MEMORY},
        {{{SL_WRITE, 2, PD_NO_MEMORY}, {SL_WRITE, 12, PD_VOLUME_FULL}}, PD_VOLUME_FULL},
        {{{SL_END, 1, PD_IO}, {SL_END, 1, PD_NO_MEDIUM}}, PD_IO},
        {{{SL_END, 1, PD_VOLUME_FULL}, {SL_WRITE, 5, PD_NO_MEMORY}}, PD_VOLUME_FULL},
    };

    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        const struct plan *plan = &plans[i];
        struct bed *b = *state;

        b->bytes = plan->fail[0].call == SL_END ? BYTES : ENDLESS;
        for (size_t copy = 0; copy < 2; copy++)
            fail_at(b, copy, plan->fail[copy].call, plan->fail[copy].number,
                    plan->fail[copy].status);
        expect(b, plan->wanted, plan->fail[0].status, plan->fail[1].status);
        assert_string_equal(b->err.volume, plan->wanted == plan->fail[0].status ? "ONE" : "TWO");
        for (size_t copy = 0; copy < 2; copy++)
            if (plan->fail[copy].call != SL_BEGIN)
                expect_abandoned(b, copy);
        (void)again(state);
    }
}

/* ---- full volumes ---- */

static void a_full_volume_gives_the_archive_up_everywhere(void **state)
{
    struct bed *full = *state;

    fail_at(full, 0, SL_BEGIN, 1, PD_VOLUME_FULL);
    fail_at(full, 1, SL_ABANDON, 1, PD_IO); /* which is only logged */
    expect(full, PD_VOLUME_FULL, PD_VOLUME_FULL, PD_INTERRUPTED);
    assert_int_equal(full->volumes[0].calls[SL_ABANDON], 0);
    assert_int_equal(full->warnings, 1);
    expect_abandoned(full, 1);
    (void)again(state);
    for (uint64_t capacity = 1; capacity < RECORDS; capacity += 6) { /* 19: the last record */
        struct bed *b = *state;

        b->volumes[1].capacity = capacity;
        b->volumes[1].write_ms = 2; /* the other has written all that there is by then */
        expect(b, PD_VOLUME_FULL, PD_INTERRUPTED, PD_VOLUME_FULL);
        expect_abandoned(b, 0);
        expect_abandoned(b, 1);
        assert_string_equal(b->err.volume, "TWO");
        (void)again(state);
    }
}

static void a_volume_full_after_another_has_ended_is_a_bad_copy(void **state)
{
    struct bed *b = *state;

    fail_at(b, 1, SL_END, 1, PD_VOLUME_FULL);
    b->volumes[1].after = &b->volumes[0];
    expect(b, PD_OK, PD_OK, PD_NO_SPACE);
    expect_whole(b, 0);
    expect_abandoned(b, 1);
}

/* ---- copies that hang ---- */

static void a_call_that_hangs_costs_its_copy_only(void **state)
{
    static const struct {
        enum sl_call call;
        uint64_t number;
    } where[] = {{SL_BEGIN, 1}, {SL_WRITE, 1}, {SL_WRITE, 7}, {SL_WRITE, RECORDS}, {SL_END, 1}};

    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        struct bed *b = *state;
        size_t bad = i % 2;
        struct sl_volume *v = &b->volumes[bad];

        hang_at(b, bad, where[i].call, where[i].number);
        b->volumes[1 - bad].write_ms = 2; /* so that all memory of the ring is used again */
        expect(b, PD_OK, bad == 0 ? PD_HUNG : PD_OK, bad == 1 ? PD_HUNG : PD_OK);
        expect_whole(b, 1 - bad);
        assert_int_equal(b->e.progress.hung, 1);
        assert_int_equal(sl_closed(v), 0);
        sl_let_go(v);
        sl_wait_closed(v); /* by the thread that came back */
        if (where[i].call == SL_WRITE) { /* and it found its record as it was */
            assert_int_equal(v->open_records, where[i].number);
            assert_true(sl_right(v->open, 0, (where[i].number - 1) * SL_RECORD + TAIL));
        }
        (void)again(state);
    }
}

static void the_report_does_not_wait_for_what_hangs(void **state)
{
    struct bed *b = *state;
    uint64_t since = sl_now();

    b->bytes = ENDLESS;
    hang_at(b, 0, SL_WRITE, 2);
    hang_at(b, 1, SL_WRITE, 3);
    expect(b, PD_HUNG, PD_HUNG, PD_HUNG);
    assert_in_range(sl_now() - since, b->e.env.stall_ns, 10000 * MS);
    assert_int_equal(b->e.progress.hung, 2);
    b = again(state);
    b->bytes = ENDLESS;
    hang_at(b, 0, SL_WRITE, 2);
    fail_at(b, 1, SL_WRITE, 4, PD_IO);
    expect(b, PD_HUNG, PD_HUNG, PD_IO);
    expect_abandoned(b, 1);
}

static void giving_up_may_hang_too(void **state)
{
    struct bed *b = *state;

    fail_at(b, 0, SL_WRITE, 5, PD_IO);
    hang_at(b, 0, SL_ABANDON, 1);
    expect(b, PD_OK, PD_HUNG, PD_OK);
    expect_whole(b, 1);
}

static void one_that_comes_back_during_the_archive_stays_out(void **state)
{
    struct bed *b = *state;

    hang_at(b, 0, SL_WRITE, 3);
    b->come_back_at = 8 * SL_RECORD;
    expect(b, PD_OK, PD_HUNG, PD_OK);
    expect_whole(b, 1);
    sl_wait_closed(&b->volumes[0]);
    assert_int_equal(b->volumes[0].ended, 0);
}

static void slow_calls_and_waiting_for_data_are_no_hanging(void **state)
{
    struct bed *b = *state;

    b->e.env.stall_ns = 400 * MS;
    b->volumes[0].write_ms = 40;
    b->pause_at = 4 * SL_RECORD;
    b->pause_ms = 900;
    expect(b, PD_OK, PD_OK, PD_OK);
    expect_whole(b, 0);
    expect_whole(b, 1);
}

/* ---- what ends a run ---- */

static void a_producer_that_fails_gives_the_archive_up(void **state)
{
    for (uint64_t at = 0; at < RECORDS; at += 6) {
        struct bed *b = *state;

        b->fail_at = at * SL_RECORD;
        b->fail = PD_CATALOG;
        expect(b, PD_CATALOG, PD_INTERRUPTED, PD_INTERRUPTED);
        assert_string_equal(b->err.message, "the producer was told to fail");
        expect_abandoned(b, 0);
        expect_abandoned(b, 1);
        (void)again(state);
    }
}

static void a_full_volume_counts_more_than_a_failed_producer(void **state)
{
    struct bed *b = *state;

    b->volumes[1].capacity = 2;
    b->come_back_at = b->fail_at = 4 * SL_RECORD; /* when a copy has left */
    b->fail = PD_NO_MEMORY;
    expect(b, PD_VOLUME_FULL, PD_INTERRUPTED, PD_VOLUME_FULL);
}

static void the_stop_flag_interrupts(void **state)
{
    for (int waits = 0; waits < 2; waits++) {
        struct bed *b = *state;

        b->bytes = ENDLESS;
        b->volumes[0].write_ms = waits ? 100 : 0;
        b->stop_at = (waits ? SLOTS - 1 : 50) * SL_RECORD; /* then the ring is full */
        expect(b, PD_INTERRUPTED, PD_INTERRUPTED, PD_INTERRUPTED);
        assert_in_range(b->volumes[0].calls[SL_WRITE], 0, waits ? 5 : 1000);
        expect_abandoned(b, 0);
        expect_abandoned(b, 1);
        (void)again(state);
    }
}

/* ---- volumes on disk ---- */

static size_t files_in(const char *dir, const char *label)
{
    char *pattern = ml_text("%s/%s/0001*", dir, label);
    glob_t found = {0};
    size_t count = glob(pattern, GLOB_NOSORT, NULL, &found) == 0 ? found.gl_pathc : 0;

    globfree(&found);
    free(pattern);
    return count;
}

static void nothing_of_a_given_up_archive_is_left_on_disks(void **state)
{
    static const char *const options[] = {"", "?capacity=1M"};
    struct bed *b = *state;
    char *dirs[2];

    b->job.record_size = ML_BLOCK;
    b->job.buffer = 8 * ML_BLOCK;
    b->bytes = 20 * ML_BLOCK;
    for (size_t i = 0; i < 2; i++) {
        struct pd_label label = ml_label(i == 0 ? "PD100001" : "PD200001");
        char *url;

        sl_close(b->copies[i].target);
        dirs[i] = ml_folder();
        url = ml_text("disk:%s%s", dirs[i], options[i]);
        b->copies[i].target = ml_open(url);
        free(url);
        OK(pd_target_format(b->copies[i].target, &label, &err));
    }
    expect(b, PD_VOLUME_FULL, PD_INTERRUPTED, PD_VOLUME_FULL);
    assert_int_equal(files_in(dirs[0], "PD100001"), 0);
    assert_int_equal(files_in(dirs[1], "PD200001"), 0);
    b->bytes = 5 * ML_BLOCK; /* the same volumes take a smaller one */
    expect(b, PD_OK, PD_OK, PD_OK);
    assert_int_equal(files_in(dirs[1], "PD200001"), 1);
    for (size_t i = 0; i < 2; i++) {
        ml_close(b->copies[i].target);
        b->copies[i].target = NULL;
        ml_remove(dirs[i]);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_copies_are_bit_identical),
        TEST(the_producer_may_read_along),
        TEST(a_copy_without_a_target_stays_out),
        TEST(without_targets_nothing_is_produced),
        TEST(a_tape_gets_its_first_record_from_a_full_ring),
        TEST(whichever_call_fails_the_other_copy_is_whole),
        TEST(when_no_copy_is_left_the_worst_speaks),
        TEST(a_full_volume_gives_the_archive_up_everywhere),
        TEST(a_volume_full_after_another_has_ended_is_a_bad_copy),
        TEST(a_call_that_hangs_costs_its_copy_only),
        TEST(the_report_does_not_wait_for_what_hangs),
        TEST(giving_up_may_hang_too),
        TEST(one_that_comes_back_during_the_archive_stays_out),
        TEST(slow_calls_and_waiting_for_data_are_no_hanging),
        TEST(a_producer_that_fails_gives_the_archive_up),
        TEST(a_full_volume_counts_more_than_a_failed_producer),
        TEST(the_stop_flag_interrupts),
        TEST(nothing_of_a_given_up_archive_is_left_on_disks),
    };

    alarm(240); /* a call that waits for ever ends the program */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
