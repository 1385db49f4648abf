#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/status.h"

#define UNKNOWN_LOW  ((enum pd_status) - 1)
#define UNKNOWN_HIGH ((enum pd_status)PD_STATUS_COUNT)

static void test_every_row_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < PD_STATUS_COUNT; i++) {
        enum pd_status status = (enum pd_status)i;
        enum pd_status back;
        const char *name = pd_status_name(status);
        assert_true(strlen(name) > 1);
        for (const char *c = name; *c; c++) {
            assert_true(islower((unsigned char)*c) || *c == '-');
        }
        assert_true(strlen(pd_status_text(status)) > 3);
        assert_true(pd_status_parse(name, &back));
        assert_int_equal(back, status);
    }
}

static void test_known_rows(void **state)
{
    (void)state;
    assert_string_equal(pd_status_name(PD_OK), "ok");
    assert_int_equal(pd_status_severity(PD_VOLUME_FULL), PD_SEV_NOTE);
    assert_true(pd_status_retryable(PD_CATALOG_BUSY));
    assert_false(pd_status_retryable(PD_SHORT_WRITE));
    assert_int_equal(pd_status_exit(PD_BUSY), 4);
    assert_int_equal(pd_status_exit(PD_INTERRUPTED), 130);
    assert_int_equal(pd_status_exit(PD_UNVERIFIED), 1);
}

/* Only what is good, or left out on request, may end with exit code 0; no good news is retried. */
static void test_exit_zero_is_rare(void **state)
{
    (void)state;
    for (int i = 0; i < PD_STATUS_COUNT; i++) {
        enum pd_status status = (enum pd_status)i;
        bool zero = pd_status_exit(status) == PD_EXIT_OK;
        assert_int_equal(zero, status == PD_OK || status == PD_SKIPPED);
        if (pd_status_retryable(status)) {
            assert_int_equal(pd_status_severity(status), PD_SEV_ERROR);
        }
    }
}

static void test_unknown_is_internal(void **state)
{
    const enum pd_status unknown[] = {UNKNOWN_LOW, UNKNOWN_HIGH, (enum pd_status)INT32_MAX,
                                      (enum pd_status)INT32_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_string_equal(pd_status_name(unknown[i]), "internal");
        assert_int_equal(pd_status_severity(unknown[i]), PD_SEV_FATAL);
        assert_int_equal(pd_status_exit(unknown[i]), PD_EXIT_FAILED);
        assert_false(pd_status_retryable(unknown[i]));
        assert_string_equal(pd_status_text(unknown[i]), pd_status_text(PD_INTERNAL));
    }
}

static void test_parse_unknown(void **state)
{
    const char *bad[] = {"", "OK", "ok ", "okay", "io_error", "io"};
    enum pd_status status;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        status = PD_OK;
        assert_false(pd_status_parse(bad[i], &status));
        assert_int_equal(status, PD_INTERNAL);
    }
}

static void test_worst_of_all_pairs(void **state)
{
    (void)state;
    for (int i = -1; i <= PD_STATUS_COUNT; i++) {
        for (int k = -1; k <= PD_STATUS_COUNT; k++) {
            enum pd_status a = (enum pd_status)i;
            enum pd_status b = (enum pd_status)k;
            enum pd_status worst = pd_status_worst(a, b);
            if (i < 0 || k < 0 || i == PD_STATUS_COUNT || k == PD_STATUS_COUNT) {
                assert_int_equal(worst, PD_INTERNAL);
            } else if (pd_status_severity(a) >= pd_status_severity(b)) {
                assert_int_equal(worst, a);
            } else {
                assert_int_equal(worst, b);
            }
        }
    }
}

/* The promise of status.h, word by word, written another way than the code. */
static enum pd_status expected(const enum pd_status *copies, size_t n)
{
    bool all_ok = true;
    bool any_ok = false;
    bool all_unread = true;

    for (size_t i = 0; i < n; i++) {
        all_ok = all_ok && copies[i] == PD_OK;
        any_ok = any_ok || copies[i] == PD_OK;
        all_unread = all_unread && copies[i] == PD_UNVERIFIED;
    }
    for (size_t i = 0; i < n; i++) {
        if (copies[i] == PD_INTERRUPTED) {
            return PD_INTERRUPTED;
        }
    }
    if (n == 0) {
        return PD_FAILED;
    }
    return all_ok ? PD_OK : any_ok ? PD_DEGRADED : all_unread ? PD_UNVERIFIED : PD_FAILED;
}

static void test_across_all_combinations(void **state)
{
    enum pd_status copies[3];

    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        for (int a = -1; a <= PD_STATUS_COUNT; a++) {
            for (int b = n > 1 ? -1 : PD_STATUS_COUNT; b <= PD_STATUS_COUNT; b++) {
                for (int c = n > 2 ? -1 : PD_STATUS_COUNT; c <= PD_STATUS_COUNT; c++) {
                    copies[0] = (enum pd_status)a;
                    copies[1] = (enum pd_status)b;
                    copies[2] = (enum pd_status)c;
                    if (pd_status_across(copies, n) != expected(copies, n)) {
                        fail_msg("%zu copies: %d %d %d", n, a, b, c);
                    }
                }
            }
        }
    }
}

static void test_across_by_hand(void **state)
{
    static const struct {
        size_t n;
        enum pd_status copies[3];
        enum pd_status whole;
    } cases[] = {
        {0, {PD_OK}, PD_FAILED},
        {1, {PD_OK}, PD_OK},
        {1, {PD_IO}, PD_FAILED},
        {1, {PD_UNVERIFIED}, PD_UNVERIFIED},
        {1, {PD_SKIPPED}, PD_FAILED},
        {2, {PD_OK, PD_OK}, PD_OK},
        {2, {PD_OK, PD_HUNG}, PD_DEGRADED},
        {2, {PD_BAD_RECORD, PD_OK}, PD_DEGRADED},
        {2, {PD_OK, PD_UNVERIFIED}, PD_DEGRADED},
        {2, {PD_OK, PD_INTERNAL}, PD_DEGRADED},
        {2, {PD_OK, (enum pd_status)999}, PD_DEGRADED},
        {2, {(enum pd_status)999, (enum pd_status)999}, PD_FAILED},
        {2, {PD_UNVERIFIED, PD_UNVERIFIED}, PD_UNVERIFIED},
        {2, {PD_UNVERIFIED, PD_IO}, PD_FAILED},
        {2, {PD_BAD_FILE, PD_BAD_FILE}, PD_FAILED},
        {2, {PD_DEGRADED, PD_DEGRADED}, PD_FAILED},
        {2, {PD_OK, PD_INTERRUPTED}, PD_INTERRUPTED},
        {2, {PD_IO, PD_INTERRUPTED}, PD_INTERRUPTED},
        {3, {PD_OK, PD_OK, PD_OK}, PD_OK},
        {3, {PD_OK, PD_OK, PD_MISSING}, PD_DEGRADED},
        {3, {PD_IO, PD_IO, PD_OK}, PD_DEGRADED},
        {3, {PD_IO, PD_INTERRUPTED, PD_OK}, PD_INTERRUPTED},
        {3, {PD_UNVERIFIED, PD_UNVERIFIED, PD_BLANK}, PD_FAILED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(pd_status_across(cases[i].copies, cases[i].n), cases[i].whole);
    }
}

static void test_what_blames_the_medium(void **state)
{
    static const enum pd_status bad[] = {PD_BAD_RECORD, PD_BAD_FILE, PD_BAD_FORMAT,
                                         PD_TRUNCATED,  PD_MISSING,  PD_IO};
    static const enum pd_status run[] = {
        PD_OK,      PD_INTERRUPTED,  PD_HUNG,       PD_NO_MEMORY, PD_NO_MEDIUM,
        PD_BUSY,    PD_WRONG_VOLUME, PD_UNVERIFIED, PD_STALE,     PD_DENIED,
        PD_CATALOG, PD_NO_SPACE,     PD_EXISTS};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(pd_status_blames_copy(bad[i]));
    }
    for (size_t i = 0; i < sizeof run / sizeof run[0]; i++) {
        assert_false(pd_status_blames_copy(run[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_whole),      cmocka_unit_test(test_known_rows),
        cmocka_unit_test(test_exit_zero_is_rare),       cmocka_unit_test(test_unknown_is_internal),
        cmocka_unit_test(test_parse_unknown),           cmocka_unit_test(test_worst_of_all_pairs),
        cmocka_unit_test(test_across_all_combinations), cmocka_unit_test(test_across_by_hand),
        cmocka_unit_test(test_what_blames_the_medium),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
