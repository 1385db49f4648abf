#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/base/ini_lines.h"
#include "pairdump/text.h"

/* A file that is not as long as it was when it was looked at. */
static enum pd_status read_pipe(const char *content, size_t size, char **text,
                                struct pd_error *err)
{
    size_t len = strlen(content);
    int ends[2];

    *text = NULL;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], content, len), (ssize_t)len);
    close(ends[1]);
    enum pd_status status = pd_ini_lines_read(ends[0], size, "the file", PD_CONFIG, text, err);
    close(ends[0]);
    return status;
}

static void test_read(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    char *text = NULL;

    (void)state;
    assert_int_equal(read_pipe("abc", 3, &text, &err), PD_OK);
    assert_string_equal(text, "abc");
    free(text);
    assert_int_equal(read_pipe("", 0, &text, &err), PD_OK);
    assert_string_equal(text, "");
    free(text);
}

static void test_read_refuses_a_changed_file(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    char *text = NULL;

    (void)state;
    assert_int_equal(read_pipe("abc", 4, &text, &err), PD_CONFIG);
    assert_non_null(strstr(err.message, "the file changed"));
    assert_null(text);
    assert_int_equal(read_pipe("abc", 2, &text, &err), PD_CONFIG);
    assert_null(text);
    assert_int_equal(pd_ini_lines_read(-1, 2, "x", PD_CREDENTIALS, &text, &err), PD_CREDENTIALS);
    assert_int_equal(err.sys_errno, EBADF);
    assert_null(text);
}

static enum pd_status note(void *arg, const char *section, const char *key, const char *value,
                           int line, struct pd_error *err)
{
    struct pd_buf *seen = arg;

    if (value && strcmp(value, "stop") == 0) {
        return pd_error_set(err, PD_BUSY, 0, "told to stop");
    }
    return pd_buf_printf(seen, "%d[%s]%s=%s\n", line, section, key ? key : "-",
                         value ? value : "-");
}

static void test_sections_and_pairs_in_order(void **state)
{
    static const char text[] = "k=v\n[a]\n\n  k = v w\n[b]\n# c\n[a]\nk:=x\nk=\n";
    struct pd_buf seen = PD_BUF_INIT;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(pd_ini_lines(text, sizeof text - 1, "n", PD_CONFIG, note, &seen, &err),
                     PD_OK);
    assert_string_equal(seen.data, "1[]k=v\n2[a]-=-\n4[a]k=v w\n5[b]-=-\n7[a]-=-\n8[a]k==x\n"
                                   "9[a]k=\n");
    pd_buf_free(&seen);
}

static void test_callback_stops_the_walk(void **state)
{
    static const char text[] = "[a]\nk=1\nk=stop\nk=2\nmalformed\n";
    struct pd_buf seen = PD_BUF_INIT;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(pd_ini_lines(text, sizeof text - 1, "n", PD_CONFIG, note, &seen, &err),
                     PD_BUSY);
    assert_string_equal(err.message, "told to stop");
    assert_string_equal(seen.data, "1[a]-=-\n2[a]k=1\n");
    pd_buf_free(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_refuses_a_changed_file),
        cmocka_unit_test(test_sections_and_pairs_in_order),
        cmocka_unit_test(test_callback_stops_the_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
