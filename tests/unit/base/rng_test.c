#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "pairdump/rng.h"

static struct pd_rng *make(const uint64_t *seed)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_rng *rng = NULL;

    assert_int_equal(pd_rng_new(seed, &rng, &err), PD_OK);
    return rng;
}

/* Test data made from a seed today must be the same in thirty years: values of xoshiro256** after
 * splitmix64(0), as the authors' reference code gives them. */
static void test_seeded_values_are_fixed(void **state)
{
    const uint64_t seed = 0;
    const uint64_t expected[] = {UINT64_C(11091344671253066420), UINT64_C(13793997310169335082),
                                 UINT64_C(1900383378846508768)};
    struct pd_rng *rng = make(&seed);

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true(pd_rng_next(rng) == expected[i]);
    }
    pd_rng_free(rng);
}

static void test_seeds_differ(void **state)
{
    const uint64_t seeds[] = {1, 2};
    struct pd_rng *a = make(&seeds[0]);
    struct pd_rng *b = make(&seeds[1]);
    struct pd_rng *c = make(NULL);
    struct pd_rng *d = make(NULL);

    (void)state;
    assert_true(pd_rng_next(a) != pd_rng_next(b));
    assert_true(pd_rng_next(c) != pd_rng_next(d));
    pd_rng_free(a);
    pd_rng_free(b);
    pd_rng_free(c);
    pd_rng_free(d);
    pd_rng_free(NULL);
}

static void test_below(void **state)
{
    const uint64_t seed = 42;
    const uint64_t big = (UINT64_C(1) << 63) + 1;
    struct pd_rng *rng = make(&seed);
    unsigned counts[7] = {0};

    (void)state;
    for (int i = 0; i < 7000; i++) {
        counts[pd_rng_below(rng, 7)]++;
        assert_true(pd_rng_below(rng, big) < big);
        assert_int_equal(pd_rng_below(rng, 1), 0);
    }
    for (int i = 0; i < 7; i++) {
        assert_in_range(counts[i], 850, 1150);
    }
    pd_rng_free(rng);
}

static void test_uuid(void **state)
{
    const uint64_t seed = 9;
    struct pd_rng *rng = make(&seed);
    char first[PD_UUID_TEXT];
    char text[PD_UUID_TEXT];

    (void)state;
    pd_uuid_make(rng, first);
    for (int i = 0; i < 200; i++) {
        pd_uuid_make(rng, text);
        assert_true(pd_uuid_is_valid(text));
        assert_int_equal(text[14], '4');
        assert_non_null(strchr("89ab", text[19]));
        assert_string_not_equal(text, first);
    }
    pd_rng_free(rng);
}

static void test_uuid_refuses(void **state)
{
    const char *bad[] = {"",
                         "f81d4fae-7dec-41d0-a765-00a0c91e6bf",
                         "f81d4fae-7dec-41d0-a765-00a0c91e6bf66",
                         "f81d4fae07dec-41d0-a765-00a0c91e6bf6",
                         "F81D4FAE-7DEC-41D0-A765-00A0C91E6BF6",
                         "g81d4fae-7dec-41d0-a765-00a0c91e6bf6",
                         "f81d4fa--7dec-41d0-a765-00a0c91e6bf6"};

    (void)state;
    assert_true(pd_uuid_is_valid("f81d4fae-7dec-41d0-a765-00a0c91e6bf6"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(pd_uuid_is_valid(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeded_values_are_fixed),
        cmocka_unit_test(test_seeds_differ),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_uuid_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
