#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "pairdump/clock.h"

static void test_format(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {-PD_NS_PER_S, "1969-12-31T23:59:59Z"},
        {PD_NS_PER_S - 1, "1970-01-01T00:00:00Z"},
        {INT64_C(1795213560) * PD_NS_PER_S, "2026-11-20T22:26:00Z"},
        {INT64_MAX, "2262-04-11T23:47:16Z"},
        {INT64_MIN, "1677-09-21T00:12:43Z"},
    };
    char out[21];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pd_time_format(cases[i].ns, out, sizeof out);
        assert_string_equal(out, cases[i].text);
    }
}

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01", 0},
        {"1970-01-01t00:00:01z", PD_NS_PER_S},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T22:30:00-01:30", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T00:00:00.5Z", PD_NS_PER_S / 2},
        {"1970-01-01T00:00:00.000000001Z", 1},
        {"1970-01-01T00:00:00.0000000019Z", 1},
        {"1969-12-31T23:59:59.999999999Z", -1},
        {"2026-11-20T22:26:00Z", INT64_C(1795213560) * PD_NS_PER_S},
        {"2024-02-29", INT64_C(1709164800) * PD_NS_PER_S},
        {"2000-02-29", INT64_C(951782400) * PD_NS_PER_S},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800) * PD_NS_PER_S},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ns = 77;
        assert_true(pd_time_parse(cases[i].text, &ns));
        assert_true(ns == cases[i].ns);
    }
}

static void test_parse_refuses(void **state)
{
    const char *bad[] = {
        "",
        "now",
        "1970",
        "1970-01",
        "1970-1-1",
        "1970-00-01",
        "1970-13-01",
        "1970-01-00",
        "1970-01-32",
        "2023-02-29",
        "1900-02-29",
        "2024-04-31",
        "1970-01-01T",
        "1970-01-01Z",
        "1970-01-01T00:00",
        "1970-01-01T00:00Z",
        "1970-01-01T00:00:00",
        "1970-01-01 00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00+1:00",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00Z ",
        " 1970-01-01",
        "-970-01-01",
        "9999-12-31",
        "0000-01-01",
        "2262-04-12",
        "1677-09-20",
        "2262-04-11T23:47:16.9Z",
        "+197-01-01",
        "1970-01-01T00:00:00+",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ns = 77;
        if (pd_time_parse(bad[i], &ns)) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_true(ns == 77);
    }
}

static void test_round_trip(void **state)
{
    char out[21];

    (void)state;
    for (int64_t day = -106000; day < 106000; day += 13) {
        int64_t ns = (day * 86400 + day % 86400) * PD_NS_PER_S;
        int64_t back;
        pd_time_format(ns, out, sizeof out);
        assert_true(pd_time_parse(out, &back));
        assert_true(back == ns);
    }
}

static void test_real_clock(void **state)
{
    const struct pd_clock *clock = pd_clock_real();

    (void)state;
    uint64_t before = pd_clock_monotonic(clock);
    pd_clock_sleep(clock, 2000000);
    assert_true(pd_clock_monotonic(clock) - before >= 2000000);
    assert_true(pd_clock_utc(clock) > INT64_C(1700000000) * PD_NS_PER_S);
}

struct fake {
    int64_t now;
};

static int64_t fake_utc(void *self)
{
    return ((struct fake *)self)->now;
}

static uint64_t fake_monotonic(void *self)
{
    return (uint64_t)((struct fake *)self)->now + 5;
}

static void fake_sleep(void *self, uint64_t ns)
{
    ((struct fake *)self)->now += (int64_t)ns;
}

static void test_clock_is_an_argument(void **state)
{
    struct fake fake = {.now = 100};
    const struct pd_clock clock = {fake_utc, fake_monotonic, fake_sleep, &fake};

    (void)state;
    pd_clock_sleep(&clock, 11);
    assert_int_equal(pd_clock_utc(&clock), 111);
    assert_int_equal(pd_clock_monotonic(&clock), 116);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_real_clock),    cmocka_unit_test(test_clock_is_an_argument),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
