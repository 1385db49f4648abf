#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pairdump/health.h"

#define MS ((uint64_t)PD_NS_PER_S / 1000)
#define S  ((uint64_t)PD_NS_PER_S)

/* A clock that stands until it is set. */
struct still {
    struct pd_clock clock;
    uint64_t now;
    struct pd_health h;
};

static int64_t utc(void *self)
{
    return INT64_C(1000000) * PD_NS_PER_S + (int64_t)((struct still *)self)->now;
}

static uint64_t monotonic(void *self)
{
    return ((struct still *)self)->now;
}

static void no_sleep(void *self, uint64_t ns)
{
    ((struct still *)self)->now += ns;
}

static int start(void **state)
{
    struct still *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->clock = (struct pd_clock){utc, monotonic, no_sleep, s};
    s->now = 5 * S;
    pd_health_init(&s->h);
    *state = s;
    return 0;
}

static int end(void **state)
{
    free(*state);
    return 0;
}

static void good(struct still *s, unsigned records)
{
    for (unsigned i = 0; i < records; i++)
        pd_health_success(&s->h, &s->clock, 10 * MS);
}

static void pass(struct still *s, unsigned records)
{
    for (unsigned i = 0; i < records; i++)
        pd_health_pass(&s->h);
}

static void counts_what_was_read(void **state)
{
    struct still *s = *state;

    good(s, 3);
    pd_health_fault(&s->h, &s->clock, PD_BAD_RECORD);
    s->now += S;
    good(s, 1);
    pd_health_fault(&s->h, &s->clock, PD_IO);
    assert_int_equal(s->h.served, 4);
    assert_int_equal(s->h.mismatches, 1);
    assert_int_equal(s->h.errors, 1);
    assert_true(s->h.last_success == utc(s));
    assert_int_equal(s->h.average_ns, 10 * MS);
}

static void the_average_follows(void **state)
{
    struct still *s = *state;

    good(s, 1);
    pd_health_success(&s->h, &s->clock, 90 * MS);
    assert_int_equal(s->h.average_ns, 20 * MS);
    for (unsigned i = 0; i < 100; i++)
        pd_health_success(&s->h, &s->clock, 90 * MS);
    assert_true(s->h.average_ns > 89 * MS && s->h.average_ns <= 90 * MS);
    pd_health_success(&s->h, &s->clock, UINT64_MAX);
    assert_true(s->h.average_ns > UINT64_MAX / 9);
}

static void one_bad_record_demotes_nobody(void **state)
{
    struct still *s = *state;

    pd_health_fault(&s->h, &s->clock, PD_BAD_RECORD);
    assert_false(s->h.demoted);
    good(s, 1);
    pd_health_fault(&s->h, &s->clock, PD_IO);
    assert_false(s->h.demoted);
    good(s, 32);
    for (unsigned i = 0; i < 50; i++) { /* one in seventeen, for ever */
        pd_health_fault(&s->h, &s->clock, PD_BAD_RECORD);
        good(s, 16);
        assert_false(s->h.demoted);
    }
}

static void two_in_a_row_do(void **state)
{
    struct still *s = *state;

    good(s, 100);
    pd_health_fault(&s->h, &s->clock, PD_BAD_RECORD);
    pd_health_fault(&s->h, &s->clock, PD_BAD_RECORD);
    assert_true(s->h.demoted);
    assert_false(s->h.lost);
}

static void three_in_sixteen_do(void **state)
{
    struct still *s = *state;

    pd_health_fault(&s->h, &s->clock, PD_BAD_RECORD);
    good(s, 8);
    pd_health_fault(&s->h, &s->clock, PD_IO);
    good(s, 8);
    assert_false(s->h.demoted);
    pd_health_fault(&s->h, &s->clock, PD_BAD_RECORD);
    assert_true(s->h.demoted);
}

static void a_drive_in_trouble_is_demoted_at_once(void **state)
{
    static const enum pd_status grave[] = {PD_LATE, PD_HUNG, PD_NO_MEDIUM, PD_NOT_READY,
                                           PD_WRONG_VOLUME};
    struct still *s = *state;

    for (size_t i = 0; i < sizeof(grave) / sizeof(grave[0]); i++) {
        pd_health_init(&s->h);
        good(s, 100);
        pd_health_fault(&s->h, &s->clock, grave[i]);
        assert_true(s->h.demoted);
        assert_int_equal(s->h.lost, grave[i] == PD_HUNG);
    }
    pd_health_init(&s->h);
    pd_health_slow(&s->h, &s->clock);
    assert_true(s->h.demoted);
    assert_int_equal(s->h.errors, 0);
}

static void it_is_tried_again_after_records_or_time(void **state)
{
    struct still *s = *state;

    assert_false(pd_health_probe(&s->h, &s->clock));
    pd_health_fault(&s->h, &s->clock, PD_LATE);
    pass(s, 63);
    assert_false(pd_health_probe(&s->h, &s->clock));
    pass(s, 1);
    assert_true(pd_health_probe(&s->h, &s->clock));
    assert_false(pd_health_probe(&s->h, &s->clock));
    pass(s, 127); /* twice as many */
    assert_false(pd_health_probe(&s->h, &s->clock));
    pass(s, 1);
    assert_true(pd_health_probe(&s->h, &s->clock));
    s->now += 120 * S - 1;
    assert_false(pd_health_probe(&s->h, &s->clock));
    s->now += 1;
    assert_true(pd_health_probe(&s->h, &s->clock));
}

static void waits_do_not_grow_without_end(void **state)
{
    struct still *s = *state;

    pd_health_fault(&s->h, &s->clock, PD_LATE);
    for (unsigned i = 0; i < 100; i++) {
        s->now += (30 * S) << 10;
        assert_true(pd_health_probe(&s->h, &s->clock));
    }
}

static void a_good_record_brings_it_back_on_trial(void **state)
{
    struct still *s = *state;

    pd_health_fault(&s->h, &s->clock, PD_LATE);
    s->now += 30 * S;
    assert_true(pd_health_probe(&s->h, &s->clock));
    good(s, 1);
    assert_false(s->h.demoted);
    pd_health_fault(&s->h, &s->clock, PD_BAD_RECORD);
    assert_true(s->h.demoted);
    s->now += 60 * S - 1; /* the wait has doubled */
    assert_false(pd_health_probe(&s->h, &s->clock));
    s->now += 1;
    assert_true(pd_health_probe(&s->h, &s->clock));
    good(s, 100); /* settled: all is forgotten */
    pd_health_fault(&s->h, &s->clock, PD_BAD_RECORD);
    assert_false(s->h.demoted);
    pd_health_fault(&s->h, &s->clock, PD_BAD_RECORD);
    assert_true(s->h.demoted);
    s->now += 30 * S;
    assert_true(pd_health_probe(&s->h, &s->clock));
}

static void what_is_lost_is_not_tried(void **state)
{
    struct still *s = *state;

    pd_health_fault(&s->h, &s->clock, PD_HUNG);
    pass(s, 100000);
    s->now += 100000 * S;
    assert_false(pd_health_probe(&s->h, &s->clock));
}

static void only_what_is_well_known_and_much_slower_lags(void **state)
{
    struct still *s = *state;
    struct pd_health slow;

    pd_health_init(&slow);
    good(s, 8);
    for (unsigned i = 0; i < 7; i++)
        pd_health_success(&slow, &s->clock, 800 * MS);
    assert_false(pd_health_lags(&slow, &s->h));
    pd_health_success(&slow, &s->clock, 800 * MS);
    assert_true(pd_health_lags(&slow, &s->h));
    assert_false(pd_health_lags(&s->h, &slow));
    pd_health_init(&slow);
    for (unsigned i = 0; i < 20; i++)
        pd_health_success(&slow, &s->clock, 90 * MS);
    assert_false(pd_health_lags(&slow, &s->h)); /* nine times, but it is nothing */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_what_was_read),
        TEST(the_average_follows),
        TEST(one_bad_record_demotes_nobody),
        TEST(two_in_a_row_do),
        TEST(three_in_sixteen_do),
        TEST(a_drive_in_trouble_is_demoted_at_once),
        TEST(it_is_tried_again_after_records_or_time),
        TEST(waits_do_not_grow_without_end),
        TEST(a_good_record_brings_it_back_on_trial),
        TEST(what_is_lost_is_not_tried),
        TEST(only_what_is_well_known_and_much_slower_lags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
