#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "pairdump/size.h"

static const uint64_t untouched = UINT64_C(0x1234567890);

static void test_u64(void **state)
{
    const char *bad[] = {"",
                         " ",
                         "-1",
                         "+1",
                         " 1",
                         "1 ",
                         "1a",
                         "0x1",
                         "1.0",
                         "18446744073709551616",
                         "99999999999999999999999",
                         "\xd9\xa1"};
    uint64_t value = 0;

    (void)state;
    assert_true(pd_parse_u64("0", &value));
    assert_int_equal(value, 0);
    assert_true(pd_parse_u64("007", &value));
    assert_int_equal(value, 7);
    assert_true(pd_parse_u64("18446744073709551615", &value));
    assert_true(value == UINT64_MAX);
    value = untouched;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(pd_parse_u64(bad[i], &value));
        assert_true(value == untouched);
    }
}

static void test_i64(void **state)
{
    const char *bad[] = {
        "", "-", "--1", "+1", "- 1", "9223372036854775808", "-9223372036854775809"};
    int64_t value = 0;

    (void)state;
    assert_true(pd_parse_i64("-9223372036854775808", &value));
    assert_true(value == INT64_MIN);
    assert_true(pd_parse_i64("9223372036854775807", &value));
    assert_true(value == INT64_MAX);
    assert_true(pd_parse_i64("-0", &value));
    assert_true(value == 0);
    assert_true(pd_parse_i64("-12", &value));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(pd_parse_i64(bad[i], &value));
        assert_true(value == -12);
    }
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"1k", 1024},
        {"1K", 1024},
        {"1KB", 1024},
        {"1KiB", 1024},
        {"64M", UINT64_C(67108864)},
        {"1536000M", UINT64_C(1536000) << 20},
        {"1.5G", UINT64_C(1610612736)},
        {"0.5K", 512},
        {"2T", UINT64_C(2) << 40},
        {"3P", UINT64_C(3) << 50},
        {"1.0", 1},
        {"16383P", UINT64_C(16383) << 50},
        {"0.0009765625K", 1},
        {"18446744073709551615", UINT64_MAX},
    };
    const char *bad[] = {"",
                         "K",
                         "-1",
                         "+1K",
                         "1 K",
                         "1KK",
                         "1iB",
                         "1Ki",
                         "1.5",
                         "0.3K",
                         "1.K",
                         ".5K",
                         "1,5K",
                         "16384P",
                         "1E",
                         "1KiBs",
                         "1.5.5K",
                         "18446744073709551616",
                         "0x10",
                         "1e3",
                         "0.00000000000000001K",
                         "16383.99999999P9",
                         "nan",
                         "1K "};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t value = untouched;
        assert_true(pd_parse_size(good[i].text, &value));
        assert_true(value == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t value = untouched;
        assert_false(pd_parse_size(bad[i], &value));
        assert_true(value == untouched);
    }
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"0", 0},
        {"90", 90000},
        {"90s", 90000},
        {"500ms", 500},
        {"15m", 900000},
        {"4h", 14400000},
        {"180d", UINT64_C(15552000000)},
        {"213503d", UINT64_C(18446659200000)},
        {"2w", UINT64_C(1209600000)},
        {"30500w", UINT64_C(18446400000000)},
    };
    const char *bad[] = {"",   "s",       "-1s",    "1 s", "1.5s", "1S",  "1M",
                         "1y", "213504d", "30501w", "1W",  "1ss",  "1min"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t value = untouched;
        assert_true(pd_parse_duration(good[i].text, &value));
        assert_true(value == good[i].ms * UINT64_C(1000000));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t value = untouched;
        assert_false(pd_parse_duration(bad[i], &value));
        assert_true(value == untouched);
    }
}

static void test_bool(void **state)
{
    const char *yes[] = {"yes", "true", "on", "1", "YES", "True"};
    const char *no[] = {"no", "false", "off", "0", "Off"};
    const char *bad[] = {"", "y", "2", "yes ", "enable"};
    bool value;

    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        value = false;
        assert_true(pd_parse_bool(yes[i], &value) && value);
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        value = true;
        assert_true(pd_parse_bool(no[i], &value) && !value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(pd_parse_bool(bad[i], &value));
    }
}

static void check_size(uint64_t bytes, const char *text)
{
    char out[16];

    pd_format_size(bytes, out, sizeof out);
    assert_string_equal(out, text);
}

static void test_format_size(void **state)
{
    (void)state;
    check_size(0, "0 B");
    check_size(1023, "1023 B");
    check_size(1024, "1 KiB");
    check_size(524288, "512 KiB");
    check_size(UINT64_C(1610612736), "1.5 GiB");
    check_size(UINT64_C(1) << 60, "1 EiB");
    check_size(UINT64_MAX, "16 EiB");
}

static void test_format_duration(void **state)
{
    char out[24];

    (void)state;
    pd_format_duration(UINT64_C(125900000000), out, sizeof out);
    assert_string_equal(out, "2:05");
    pd_format_duration(UINT64_C(3725000000000), out, sizeof out);
    assert_string_equal(out, "1:02:05");
    pd_format_duration(0, out, sizeof out);
    assert_string_equal(out, "0:00");
    pd_format_duration(UINT64_MAX, out, sizeof out);
    assert_string_equal(out, "5124095:34:33");
}

static void test_format_age(void **state)
{
    static const struct {
        uint64_t s;
        const char *text;
    } ages[] = {
        {0, "0 minutes"},      {59, "0 minutes"},      {60, "1 minute"},
        {7199, "119 minutes"}, {7200, "2 hours"},      {172799, "47 hours"},
        {172800, "2 days"},    {27907200, "323 days"}, {31708800, "367 days"},
    };
    char out[24];

    (void)state;
    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        pd_format_age(ages[i].s * 1000000000U + 999999999U, out, sizeof out);
        assert_string_equal(out, ages[i].text);
    }
    pd_format_age(UINT64_MAX, out, sizeof out);
    assert_string_equal(out, "213503 days");
}

static void test_saturating(void **state)
{
    (void)state;
    assert_true(pd_add_sat(2, 3) == 5);
    assert_true(pd_add_sat(UINT64_MAX, 0) == UINT64_MAX);
    assert_true(pd_add_sat(UINT64_MAX, 1) == UINT64_MAX);
    assert_true(pd_mul_sat(UINT64_C(1) << 32, UINT64_C(1) << 31) == UINT64_C(1) << 63);
    assert_true(pd_mul_sat(UINT64_C(1) << 32, UINT64_C(1) << 32) == UINT64_MAX);
    assert_true(pd_mul_sat(UINT64_MAX, 0) == 0);
    assert_true(pd_round_up(0, 512) == 0);
    assert_true(pd_round_up(1, 512) == 512);
    assert_true(pd_round_up(512, 512) == 512);
    assert_true(pd_round_up(513, 512) == 1024);
    assert_true(pd_round_up(7, 3) == 9);
    assert_true(pd_round_up(UINT64_MAX, 512) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_i64),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_bool),
        cmocka_unit_test(test_format_size),
        cmocka_unit_test(test_format_duration),
        cmocka_unit_test(test_format_age),
        cmocka_unit_test(test_saturating),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
