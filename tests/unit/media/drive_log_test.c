/*
 * What drives count and complain of: pages of bytes, and a program that answers as sg_logs does.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/drive_log.h"

static const struct pd_drive_log none = {.write_corrected = PD_DRIVE_LOG_UNKNOWN,
                                         .write_uncorrected = PD_DRIVE_LOG_UNKNOWN,
                                         .read_corrected = PD_DRIVE_LOG_UNKNOWN,
                                         .read_uncorrected = PD_DRIVE_LOG_UNKNOWN};

static void test_alerts(void **state)
{
    static const uint8_t page[] = {0x2e, 0,  0, 20,       /* */
                                   0,    4,  0, 1,  1,    /* media */
                                   0,    7,  0, 1,  0,    /* not set */
                                   0,    20, 0, 1,  0xff, /* cleaning-required: bit 0 counts */
                                   0,    40, 0, 1,  1};   /* of no drive */
    struct pd_drive_log log = none;
    char text[256];

    (void)state;
    OK(pd_drive_log_page(PD_LOG_PAGE_ALERT, page, sizeof(page), &log, &err));
    assert_true(log.alerts == (UINT64_C(1) << 3 | UINT64_C(1) << 19 | UINT64_C(1) << 39));
    assert_true(log.write_corrected == PD_DRIVE_LOG_UNKNOWN);
    assert_int_equal(pd_drive_log_alerts(log.alerts, false, text, sizeof(text)), 3);
    assert_string_equal(text, "4 media, 20 cleaning-required, 40");
    assert_int_equal(pd_drive_log_alerts(log.alerts, true, text, sizeof(text)), 2);
    assert_string_equal(text, "4 media, 20 cleaning-required");
    assert_int_equal(pd_drive_log_alerts(0, false, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    assert_int_equal(pd_drive_log_alerts(UINT64_MAX, false, text, 8), 64);
    assert_string_equal(text, "1 read-");
}

static void test_all_alerts_fit(void **state)
{
    char text[1024];

    (void)state;
    assert_int_equal(pd_drive_log_alerts(UINT64_MAX, false, text, sizeof(text)), 64);
    assert_true(strlen(text) < sizeof(text) - 1);
    assert_non_null(strstr(text, ", 64"));
}

static void test_counts(void **state)
{
    static const uint8_t writing[] = {0x82, 0, 0, 19,             /* */
                                      0,    3, 0, 4,  0, 0, 1, 2, /* 258 corrected */
                                      0,    6, 0, 1,  7,          /* 7 not */
                                      0x80, 0, 0, 2,  1, 1};      /* the maker's */
    static const uint8_t reading[] = {3,    0,    0,    12,   0,    3,    0,    8,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct pd_drive_log log = none;

    (void)state;
    OK(pd_drive_log_page(PD_LOG_PAGE_WRITE, writing, sizeof(writing), &log, &err));
    assert_int_equal(log.write_corrected, 258);
    assert_int_equal(log.write_uncorrected, 7);
    assert_true(log.read_corrected == PD_DRIVE_LOG_UNKNOWN);
    OK(pd_drive_log_page(PD_LOG_PAGE_READ, reading, sizeof(reading), &log, &err));
    assert_true(log.read_corrected == INT64_MAX); /* more than can be counted is not unknown */
    assert_true(log.read_uncorrected == PD_DRIVE_LOG_UNKNOWN);
    assert_int_equal(log.write_corrected, 258);
}

static void test_wrong_pages(void **state)
{
    static const struct {
        unsigned page;
        size_t len;
        uint8_t bytes[16];
    } cases[] = {
        {PD_LOG_PAGE_ALERT, 0, {0}},                                /* nothing */
        {PD_LOG_PAGE_ALERT, 3, {0x2e, 0, 0}},                       /* cut in the head */
        {PD_LOG_PAGE_ALERT, 4, {0x02, 0, 0, 0}},                    /* another page */
        {PD_LOG_PAGE_ALERT, 4, {0x6e, 0, 0, 0}},                    /* one of subpages */
        {PD_LOG_PAGE_ALERT, 4, {0x2e, 1, 0, 0}},                    /* a subpage */
        {PD_LOG_PAGE_ALERT, 8, {0x2e, 0, 0, 5, 0, 1, 0, 1}},        /* cut */
        {PD_LOG_PAGE_ALERT, 10, {0x2e, 0, 0, 5, 0, 1, 0, 1, 0, 0}}, /* more behind */
        {PD_LOG_PAGE_ALERT, 7, {0x2e, 0, 0, 3, 0, 1, 0}},           /* half a parameter */
        {PD_LOG_PAGE_ALERT, 9, {0x2e, 0, 0, 5, 0, 1, 0, 2, 0}},     /* longer than it */
        {PD_LOG_PAGE_ALERT, 8, {0x2e, 0, 0, 4, 0, 1, 0, 0}},        /* a flag of no byte */
        {PD_LOG_PAGE_ALERT, 14, {0x2e, 0, 0, 10, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0}}, /* twice */
        {PD_LOG_PAGE_WRITE, 8, {2, 0, 0, 4, 0, 3, 0, 0}}, /* a count of no byte */
        {PD_LOG_PAGE_WRITE, 14, {2, 0, 0, 10, 0, 3, 0, 1, 0, 0, 3, 0, 1, 0}}, /* twice */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pd_drive_log log = none;

        print_message("    case %zu\n", i);
        IS(pd_drive_log_page(cases[i].page, cases[i].bytes, cases[i].len, &log, &err),
           PD_BAD_FORMAT);
        assert_memory_equal(&log, &none, sizeof(log));
    }
    struct pd_drive_log log = none;
    IS(pd_drive_log_page(0x0d, "", 0, &log, &err), PD_UNSUPPORTED);
}

/* ---- asking ---- */

struct bed {
    char *dir, *url, *program, *path;
    volatile sig_atomic_t stopped;
    struct pd_stop stop;
    struct pd_env env;
    struct pd_progress progress;
};

static void say(const struct bed *bed, const char *script)
{
    ml_write_bytes(bed->program, script, strlen(script));
    assert_int_equal(chmod(bed->program, 0755), 0);
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    char *node;

    assert_non_null(bed);
    bed->stop.flag = &bed->stopped;
    pd_progress_init(&bed->progress);
    bed->env =
        (struct pd_env){.clock = pd_clock_real(), .progress = &bed->progress, .stop = &bed->stop};
    bed->dir = ml_folder();
    bed->url = ml_text("fault:read@9=EIO:mock:%s?capacity=1M", bed->dir);
    bed->program = ml_text("%s/sg_logs", bed->dir);
    bed->path = strdup(getenv("PATH"));
    node = ml_text("%s/sg", bed->dir);
    ml_write_bytes(node, "", 0);
    free(node);
    assert_int_equal(setenv("PATH", bed->dir, 1), 0);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(setenv("PATH", bed->path, 1), 0);
    ml_remove(bed->dir);
    free(bed->url);
    free(bed->program);
    free(bed->path);
    free(bed);
    return 0;
}

static void test_ask(void **state)
{
    struct bed *bed = *state;
    struct pd_drive_log log;

    say(bed, "#!/bin/sh\n"
             "[ \"$1 $2 $3 $#\" = '--raw --no_inq --readonly 5' ] && [ -f \"$5\" ] || exit 9\n"
             "case $4 in\n"
             "--page=0x2e) printf '\\056\\0\\0\\005\\0\\004\\0\\001\\001' ;;\n"
             "--page=0x02) printf '\\002\\0\\0\\005\\0\\006\\0\\001\\003' ;;\n"
             "*) echo 'log_sense: not supported' >&2; exit 9 ;;\n"
             "esac\n");
    OK(pd_drive_log_take(&bed->env, bed->url, &log, &err));
    assert_true(log.alerts == 8);
    assert_int_equal(log.write_uncorrected, 3);
    assert_true(log.read_corrected == PD_DRIVE_LOG_UNKNOWN); /* that page alone is missing */
    assert_non_null(strstr(log.drive, "mock "));
    assert_true(log.taken > 0);
}

/* Whatever else the drive had to say is said once. */
static void test_attention(void **state)
{
    struct bed *bed = *state;
    struct pd_drive_log log;

    say(bed,
        "#!/bin/sh\n"
        "said=$5.said\n"
        "[ -f \"$said\" ] || { : >\"$said\"; echo 'unit attention' >&2; exit 6; }\n"
        "[ \"$4\" = --page=0x2e ] && printf '\\056\\0\\0\\005\\0\\004\\0\\001\\001' || exit 9\n");
    OK(pd_drive_log_take(&bed->env, bed->url, &log, &err));
    assert_true(log.alerts == 8);
    say(bed, "#!/bin/sh\necho 'unit attention' >&2\nexit 6\n");
    IS(pd_drive_log_take(&bed->env, bed->url, &log, &err), PD_IO);
}

static void test_refusals(void **state)
{
    struct bed *bed = *state;
    struct pd_error why = PD_ERROR_INIT;
    struct pd_drive_log log;
    char *disk = ml_text("disk:%s", bed->dir), *node = ml_text("%s/sg", bed->dir);

    say(bed, "#!/bin/sh\necho 'log_sense: not supported' >&2\nexit 9\n");
    assert_int_equal(pd_drive_log_take(&bed->env, bed->url, &log, &why), PD_IO);
    assert_non_null(strstr(why.message, "page 2Eh: log_sense: not supported"));
    say(bed, "#!/bin/sh\necho garbage\n");
    IS(pd_drive_log_take(&bed->env, bed->url, &log, &err), PD_BAD_FORMAT);
    say(bed, "#!/bin/sh\nkill -9 $$\n");
    IS(pd_drive_log_take(&bed->env, bed->url, &log, &err), PD_IO);
    IS(pd_drive_log_take(&bed->env, disk, &log, &err), PD_UNSUPPORTED);
    IS(pd_drive_log_take(&bed->env, "tape:/dev/null", &log, &err), PD_UNSUPPORTED);
    IS(pd_drive_log_take(&bed->env, "tape:/dev/no-such-drive", &log, &err), PD_UNSUPPORTED);
    IS(pd_drive_log_take(&bed->env, "nothing", &log, &err), PD_UNSUPPORTED);
    assert_int_equal(remove(node), 0);
    IS(pd_drive_log_take(&bed->env, bed->url, &log, &err), PD_UNSUPPORTED);
    free(disk);
    free(node);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_all_alerts_fit),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_wrong_pages),
        CASE(test_ask),
        CASE(test_refusals),
        CASE(test_attention),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
