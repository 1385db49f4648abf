#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "pairdump/log.h"
#include "pairdump/text.h"

struct heard {
    int lines;
    enum pd_log_level level;
    char last[4096];
    atomic_int inside;
    int overlaps;
};

static void hear(void *arg, enum pd_log_level level, const char *line)
{
    struct heard *heard = arg;

    heard->overlaps += atomic_fetch_add(&heard->inside, 1) != 0;
    heard->lines++;
    heard->level = level;
    snprintf(heard->last, sizeof heard->last, "%s", line);
    atomic_fetch_sub(&heard->inside, 1);
}

static struct pd_log *make(struct heard *heard, enum pd_log_level level)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_log *log = NULL;

    memset(heard, 0, sizeof *heard);
    assert_int_equal(pd_log_new(hear, heard, level, &log, &err), PD_OK);
    return log;
}

static void test_levels(void **state)
{
    struct heard heard;
    struct pd_log *log = make(&heard, PD_LOG_NOTE);

    (void)state;
    pd_log_line(log, PD_LOG_DEBUG, "a");
    pd_log_line(log, PD_LOG_INFO, "b");
    assert_int_equal(heard.lines, 0);
    pd_log_line(log, PD_LOG_NOTE, "c %d", 3);
    assert_string_equal(heard.last, "c 3");
    assert_int_equal(heard.level, PD_LOG_NOTE);
    pd_log_set_level(log, PD_LOG_ERROR);
    pd_log_line(log, PD_LOG_WARN, "d");
    assert_int_equal(heard.lines, 1);
    pd_log_set_level(log, PD_LOG_DEBUG);
    pd_log_line(log, PD_LOG_DEBUG, "e");
    assert_int_equal(heard.lines, 2);
    pd_log_free(log);
    pd_log_free(NULL);
}

static void test_level_names(void **state)
{
    (void)state;
    assert_string_equal(pd_log_level_name(PD_LOG_DEBUG), "debug");
    assert_string_equal(pd_log_level_name(PD_LOG_ERROR), "error");
    assert_string_equal(pd_log_level_name((enum pd_log_level)5), "?");
    assert_string_equal(pd_log_level_name((enum pd_log_level) - 1), "?");
}

static void test_one_message_is_one_line(void **state)
{
    struct heard heard;
    struct pd_log *log = make(&heard, PD_LOG_DEBUG);
    char text[5000];

    (void)state;
    pd_log_line(log, PD_LOG_INFO, "file %s", "a\nb\x1b[2J\xff");
    assert_string_equal(heard.last, "file a%0Ab%1B[2J%FF");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    pd_log_line(log, PD_LOG_INFO, "%s", text);
    assert_int_equal(strlen(heard.last), 2047);
    assert_string_equal(heard.last + 2044, "...");
    pd_log_free(log);
}

static void test_error_with_context(void **state)
{
    struct heard heard;
    struct pd_log *log = make(&heard, PD_LOG_WARN);
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    (void)pd_error_set(&err, PD_HUNG, 0, "no answer");
    pd_error_context(&err, "PD200007", NULL, "x");
    pd_log_error(log, PD_LOG_INFO, &err);
    assert_int_equal(heard.lines, 0);
    pd_log_error(log, PD_LOG_ERROR, &err);
    assert_string_equal(heard.last, "PD200007: x: no answer: no progress within the stall time; "
                                    "check the drive [hung]");
    pd_log_free(log);
}

static void *shout(void *arg)
{
    for (int i = 0; i < 500; i++) {
        pd_log_line(arg, PD_LOG_INFO, "%d", i);
    }
    return NULL;
}

/* As the sink: `lines` is not atomic, and none may be lost. */
static void step_in(void *arg)
{
    struct heard *heard = arg;

    heard->overlaps += atomic_fetch_add(&heard->inside, 1) != 0;
    heard->lines++;
    atomic_fetch_sub(&heard->inside, 1);
}

static void test_sink_is_never_called_twice_at_once(void **state)
{
    struct heard heard;
    struct pd_log *log = make(&heard, PD_LOG_INFO);
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, shout, log), 0);
    }
    for (int i = 0; i < 500; i++) {
        pd_log_pause(log, step_in, &heard);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(heard.lines, 2500);
    assert_int_equal(heard.overlaps, 0);
    pd_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_one_message_is_one_line),
        cmocka_unit_test(test_error_with_context),
        cmocka_unit_test(test_sink_is_never_called_twice_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
