#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pairdump/text.h"

typedef enum pd_status (*escape_fn)(struct pd_buf *out, const char *bytes, size_t len);

static const escape_fn escapes[] = {pd_escape, pd_escape_manifest, pd_escape_utf8};

static void test_buf(void **state)
{
    struct pd_buf buf = PD_BUF_INIT;

    (void)state;
    assert_int_equal(pd_buf_append(&buf, NULL, 0), PD_OK);
    assert_string_equal(buf.data, "");
    assert_int_equal(pd_buf_append(&buf, "a\0b", 3), PD_OK);
    assert_int_equal(pd_buf_puts(&buf, "cd"), PD_OK);
    assert_int_equal(pd_buf_printf(&buf, "-%s-%d", "x", 5), PD_OK);
    assert_int_equal(buf.len, 9);
    assert_memory_equal(buf.data, "a\0bcd-x-5", 10);
    char *before = buf.data;
    pd_buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    assert_ptr_equal(buf.data, before);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(pd_buf_printf(&buf, "%04d", i), PD_OK);
    }
    assert_int_equal(buf.len, 40000);
    assert_memory_equal(buf.data + 39996, "9999", 5);
    pd_buf_free(&buf);
    assert_null(buf.data);
    pd_buf_free(&buf);
}

static void test_buf_refuses_absurd_sizes(void **state)
{
    struct pd_buf buf = PD_BUF_INIT;

    (void)state;
    assert_int_equal(pd_buf_puts(&buf, "kept"), PD_OK);
    assert_int_equal(pd_buf_append(&buf, "x", SIZE_MAX), PD_NO_MEMORY);
    assert_int_equal(pd_buf_append(&buf, "x", SIZE_MAX / 2), PD_NO_MEMORY);
    assert_int_equal(buf.len, 4);
    assert_string_equal(buf.data, "kept");
    pd_buf_free(&buf);
}

static void test_hex(void **state)
{
    const uint8_t bytes[] = {0x00, 0x9f, 0xa0, 0xff};
    uint8_t back[4];
    char text[9];

    (void)state;
    pd_hex_encode(bytes, sizeof bytes, text);
    assert_string_equal(text, "009fa0ff");
    assert_true(pd_hex_decode(text, back, 4));
    assert_memory_equal(back, bytes, 4);
    assert_true(pd_hex_decode("009FA0fF", back, 4));
    assert_memory_equal(back, bytes, 4);
    const char *bad[] = {"", "0", "009fa0f", "009fa0fg", " 09fa0ff", "0x9fa0ff", "009fa0f\xe9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(pd_hex_decode(bad[i], back, 4));
    }
}

static void round_trip(escape_fn escape, const char *bytes, size_t len)
{
    struct pd_buf text = PD_BUF_INIT;
    struct pd_buf back = PD_BUF_INIT;

    assert_int_equal(escape(&text, bytes, len), PD_OK);
    assert_null(memchr(text.data, '\n', text.len));
    assert_null(memchr(text.data, '\r', text.len));
    assert_true(pd_unescape(text.data, text.len, &back));
    assert_int_equal(back.len, len);
    assert_memory_equal(back.data, bytes, len);
    pd_buf_free(&text);
    pd_buf_free(&back);
}

static void test_every_byte_survives(void **state)
{
    char all[255];

    (void)state;
    for (int i = 0; i < 255; i++) {
        all[i] = (char)(i + 1);
    }
    for (size_t e = 0; e < 3; e++) {
        round_trip(escapes[e], all, sizeof all);
        round_trip(escapes[e], "", 0);
        for (size_t i = 0; i < 255; i++) {
            round_trip(escapes[e], all + i, 1);
            for (size_t k = 0; k < 255; k++) {
                const char pair[2] = {all[i], all[k]};
                round_trip(escapes[e], pair, 2);
            }
        }
        round_trip(escapes[e], "%0A%25", 6);
    }
}

static void check(escape_fn escape, const char *bytes, const char *text)
{
    struct pd_buf out = PD_BUF_INIT;

    assert_int_equal(escape(&out, bytes, strlen(bytes)), PD_OK);
    assert_string_equal(out.data, text);
    pd_buf_free(&out);
}

static void test_escape_forms(void **state)
{
    (void)state;
    check(pd_escape, "a\tb\n%\x7f\xe9", "a%09b%0A%25%7F\xe9");
    check(pd_escape_manifest, "a\tb\n\r%\x7f\xe9", "a\tb%0A%0D%25\x7f\xe9");
    check(pd_escape_utf8, "a\t%\xe9\xc3\xa9\xc2\x85\xed\xa0\x80",
          "a%09%25%E9\xc3\xa9%C2%85%ED%A0%80");
    check(pd_escape_utf8, "\xf0\x9f\x98", "%F0%9F%98");
    check(pd_escape_utf8, "\xc1\xbf\xff", "%C1%BF%FF");
}

/* Whatever two or three bytes come, the result of pd_escape_utf8 is printable UTF-8. */
static void test_escape_utf8_is_fixed_point(void **state)
{
    struct pd_buf once = PD_BUF_INIT;
    struct pd_buf twice = PD_BUF_INIT;

    (void)state;
    for (unsigned a = 0x7f; a < 256; a++) {
        for (unsigned b = 0x7f; b < 256; b++) {
            const char bytes[3] = {(char)a, (char)b, (char)0x80};
            pd_buf_clear(&once);
            pd_buf_clear(&twice);
            assert_int_equal(pd_escape_utf8(&once, bytes, 3), PD_OK);
            for (size_t i = 0; i < once.len; i++) {
                once.data[i] = once.data[i] == '%' ? '_' : once.data[i];
            }
            assert_int_equal(pd_escape_utf8(&twice, once.data, once.len), PD_OK);
            assert_string_equal(once.data, twice.data);
        }
    }
    pd_buf_free(&once);
    pd_buf_free(&twice);
}

static void test_unescape_refuses(void **state)
{
    const char *bad[] = {"%", "a%", "%4", "%4g", "%g4", "%%41", "%00", "a%00b", "% 1", "%-1"};
    struct pd_buf out = PD_BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pd_buf_clear(&out);
        assert_false(pd_unescape(bad[i], strlen(bad[i]), &out));
    }
    pd_buf_clear(&out);
    assert_false(pd_unescape("a\0b", 3, &out));
    pd_buf_clear(&out);
    assert_false(pd_unescape("%411", 2, &out)); /* len ends within the escape */
    pd_buf_clear(&out);
    assert_true(pd_unescape("%41%6a%6A", 9, &out));
    assert_string_equal(out.data, "Ajj");
    pd_buf_free(&out);
    assert_true(pd_unescape("", 0, &out));
    assert_string_equal(out.data, "");
    pd_buf_free(&out);
}

static void test_safe_paths(void **state)
{
    const char *good[] = {"a", "a/b", "a/b/", "...", "..a", "a..", ".a/b", "a/.../b", " ", "\n"};
    const char *bad[] = {"",     "/",    "/a",  ".",  "..", "./a", "a/.",    "a/./b", "../a",
                         "a/..", "a//b", "a//", "//", "./", "../", "a/../b", "a/../"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(pd_path_is_safe(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(pd_path_is_safe(bad[i], strlen(bad[i])));
    }
    assert_false(pd_path_is_safe("a\0b", 3));
    assert_true(pd_path_is_safe("a/../b", 1));
    assert_false(pd_path_is_safe("a/..b", 4));
}

static void test_absolute(void **state)
{
    static const struct {
        const char *path, *cwd, *clean;
    } cases[] = {
        {"/a/b", "/x", "/a/b"},
        {"a", "/x", "/x/a"},
        {"./a//b/", "/x/y", "/x/y/a/b"},
        {"../a", "/x/y", "/x/a"},
        {"../../../a", "/x", "/a"},
        {"", "/x", "/x"},
        {".", "/", "/"},
        {"/", "/x", "/"},
        {"/..", "/x", "/"},
        {"//a///b", "/", "/a/b"},
        {"/a/../b/./c", "/", "/b/c"},
        {"..a/...", "/", "/..a/..."},
        {"a/b/../..", "/x", "/x"},
    };
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *out = NULL;
        assert_int_equal(pd_path_absolute(cases[i].path, cases[i].cwd, &out, &err), PD_OK);
        assert_string_equal(out, cases[i].clean);
        free(out);
    }
}

static void test_labels(void **state)
{
    const char *good[] = {"A", "PD100001", "0", "A-B_C", "-", "________"};
    const char *bad[] = {"", "PD1000001", "pd100001", "PD 1", "PD/1", "..", "PD.1", "\xc3\x84"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(pd_label_is_valid(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(pd_label_is_valid(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_buf_refuses_absurd_sizes),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_every_byte_survives),
        cmocka_unit_test(test_escape_forms),
        cmocka_unit_test(test_escape_utf8_is_fixed_point),
        cmocka_unit_test(test_unescape_refuses),
        cmocka_unit_test(test_safe_paths),
        cmocka_unit_test(test_absolute),
        cmocka_unit_test(test_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
