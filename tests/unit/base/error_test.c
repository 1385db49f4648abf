#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "pairdump/error.h"

static void test_set_and_format(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    char line[256];

    (void)state;
    assert_int_equal(pd_error_set(&err, PD_IO, EIO, "cannot write record %d", 7), PD_IO);
    assert_int_equal(err.status, PD_IO);
    assert_int_equal(err.sys_errno, EIO);
    assert_string_equal(err.message, "cannot write record 7: Input/output error");
    pd_error_context(&err, "PD100001", "night.0001", "data/a");
    pd_error_format(&err, line, sizeof line);
    assert_string_equal(line,
                        "PD100001: night.0001: data/a: cannot write record 7: Input/output "
                        "error: input/output error; check cable, drive and medium [io-error]");
}

static void test_format_without_context(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    char line[128];

    (void)state;
    pd_error_format(&err, line, sizeof line);
    assert_string_equal(line, "done [ok]");
    (void)pd_error_set(&err, PD_BUSY, 0, "x");
    pd_error_format(&err, line, 10);
    assert_string_equal(line, "x: in use");
    err.status = (enum pd_status)12345;
    pd_error_format(&err, line, sizeof line);
    assert_string_equal(line, "x: a contract inside pairdump was broken; please report it "
                              "[internal]");
}

static void test_first_context_wins(void **state)
{
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    (void)pd_error_set(&err, PD_IO, 0, "x");
    pd_error_context(&err, NULL, "a1", NULL);
    assert_string_equal(err.volume, "");
    pd_error_context(&err, "v1", "a2", NULL);
    pd_error_context(&err, "v2", NULL, "f1");
    assert_string_equal(err.volume, "v1");
    assert_string_equal(err.archive, "a1");
    assert_string_equal(err.file, "f1");
    (void)pd_error_set(&err, PD_HUNG, 0, "y");
    assert_string_equal(err.volume, "");
    assert_string_equal(err.file, "");
    assert_int_equal(err.sys_errno, 0);
}

static void test_message_from_itself(void **state)
{
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    (void)pd_error_set(&err, PD_IO, 0, "inner");
    (void)pd_error_set(&err, PD_FAILED, 0, "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
}

static void test_unprintable_is_escaped(void **state)
{
    static const struct {
        const char *raw, *shown;
    } cases[] = {
        {"two\nlines", "two%0Alines"},
        {"tab\tesc\033del\177", "tab%09esc%1Bdel%7F"},
        {"100%", "100%"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
        {"latin \xe9", "latin %E9"},
        {"c1 \xc2\x9b!", "c1 %C2%9B!"},
        {"overlong \xc0\xaf", "overlong %C0%AF"},
        {"surrogate \xed\xa0\x80", "surrogate %ED%A0%80"},
        {"cut \xe2\x82", "cut %E2%82"},
        {"beyond \xf4\x90\x80\x80", "beyond %F4%90%80%80"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pd_error err = PD_ERROR_INIT;
        (void)pd_error_set(&err, PD_IO, 0, "%s", cases[i].raw);
        assert_string_equal(err.message, cases[i].shown);
        pd_error_context(&err, NULL, NULL, cases[i].raw);
        assert_string_equal(err.file, cases[i].shown);
    }
}

static void test_long_text_is_cut(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    char name[1000];

    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    (void)pd_error_set(&err, PD_NO_SPACE, 0, "%s", name);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_string_equal(err.message + sizeof err.message - 4, "...");
    (void)pd_error_set(&err, PD_NO_SPACE, ENOSPC, "cannot write %s", name);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_non_null(strstr(err.message, "nnn...: No space left on device"));

    name[63] = '\0'; /* fits volume exactly */
    pd_error_context(&err, name, NULL, NULL);
    assert_string_equal(err.volume, name);
    name[63] = 'n';
    name[64] = '\0';
    pd_error_clear(&err);
    pd_error_context(&err, name, NULL, NULL);
    assert_int_equal(strlen(err.volume), 63);
    assert_string_equal(err.volume + 60, "...");
}

/* A cut falls between characters and escapes, wherever it has to fall. */
static void test_cut_keeps_characters_whole(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        struct pd_error err = PD_ERROR_INIT;
        char name[200] = "aaaaaaa";
        name[shift < 7 ? shift : 7] = '\0';
        for (size_t at = strlen(name); at + 5 < sizeof name; at += 5) {
            memcpy(name + at, "\xf0\x9f\x98\x80\n", 6);
        }
        pd_error_context(&err, name, NULL, NULL);
        size_t len = strlen(err.volume);
        assert_true(len >= 56 && len <= 63);
        assert_string_equal(err.volume + len - 3, "...");
        const char *last = err.volume + len - 7; /* four bytes, or an escape and one byte */
        assert_true(memcmp(last, "\xf0\x9f\x98\x80", 4) == 0 || memcmp(last + 1, "%0A", 3) == 0);
    }
}

static void test_memory(void **state)
{
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(pd_error_memory(&err, "ring"), PD_NO_MEMORY);
    assert_non_null(strstr(err.message, "ring"));
    pd_error_clear(&err);
    assert_int_equal(err.status, PD_OK);
    assert_string_equal(err.message, "");
}

static void test_errno_table(void **state)
{
    static const struct {
        int sys_errno;
        enum pd_status status;
    } cases[] = {
        {ENOSPC, PD_NO_SPACE},
        {EDQUOT, PD_NO_SPACE},
        {EROFS, PD_WRITE_PROTECTED},
        {ENOMEM, PD_NO_MEMORY},
        {EINTR, PD_AGAIN},
        {EAGAIN, PD_AGAIN},
        {ENOENT, PD_NOT_FOUND},
        {EEXIST, PD_EXISTS},
        {EBUSY, PD_BUSY},
        {EIO, PD_IO},
        {EACCES, PD_DENIED},
        {123456, PD_IO},
        {-1, PD_IO},
        {0, PD_INTERNAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(pd_status_from_errno(cases[i].sys_errno), cases[i].status);
    }
    for (int e = 0; e < 200; e++) {
        assert_int_not_equal(pd_status_from_errno(e), PD_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_format),
        cmocka_unit_test(test_format_without_context),
        cmocka_unit_test(test_first_context_wins),
        cmocka_unit_test(test_message_from_itself),
        cmocka_unit_test(test_unprintable_is_escaped),
        cmocka_unit_test(test_long_text_is_cut),
        cmocka_unit_test(test_cut_keeps_characters_whole),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_errno_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
