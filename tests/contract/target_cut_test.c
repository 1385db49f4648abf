/*
 * What every target promises of tape files that are given up at its end, tried on each driver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/media_bed.h"
#include "../lib/media_lib.h"

static bool keeps_what_was_cut(const struct mb_bed *bed)
{
    return pd_target_caps(bed->target).tape;
}

/* Files 1 to count, each of as many records as its number says, and two more. */
static void fill(struct mb_bed *bed, uint32_t count)
{
    mb_format(bed, "PD100001");
    for (uint32_t file = 1; file <= count; file++)
        ml_write_file(bed->target, file, file + 2);
}

static void cut_and_written(struct mb_bed *bed)
{
    fill(bed, 5);
    OK(pd_target_cut(bed->target, 3, &err));
    ml_count(bed->target, 3);
    for (uint32_t file = 3; file <= 6; file++)
        IS(pd_target_open_file(bed->target, file, &err), PD_MISSING);
    ml_read_file(bed->target, 1, 3);
    ml_read_file(bed->target, 2, 4);
    ml_count(bed->target, 3);
    ml_write_file(bed->target, 3, 9);
    ml_count(bed->target, 4);
    ml_read_file(bed->target, 3, 9);
    IS(pd_target_open_file(bed->target, 4, &err), PD_MISSING);

    mb_reopen(bed);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    ml_count(bed->target, 4);
    ml_read_file(bed->target, 1, 3);
    ml_read_file(bed->target, 2, 4);
    ml_read_file(bed->target, 3, 9);
    IS(pd_target_open_file(bed->target, 4, &err), PD_MISSING);
    ml_write_file(bed->target, 4, 1);
    ml_read_file(bed->target, 4, 1);
}

static void test_cut(void **state)
{
    (void)state;
    mb_for_each(cut_and_written, false);
}

/* By the next process, before it has written or read anything. */
static void cut_after_mount(struct mb_bed *bed)
{
    fill(bed, 4);
    mb_reopen(bed);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    OK(pd_target_cut(bed->target, 1, &err));
    ml_count(bed->target, 1);
    OK(pd_target_begin(bed->target, "archive", &bed->number, &err));
    assert_int_equal(bed->number, 1);
    mb_put(bed, 0);
    OK(pd_target_abandon(bed->target, &err));
    ml_count(bed->target, 1);
    ml_write_file(bed->target, 1, 2);
    ml_read_file(bed->target, 1, 2);
    assert_string_equal(pd_target_label(bed->target)->label, "PD100001");
}

static void test_cut_after_mount(void **state)
{
    (void)state;
    mb_for_each(cut_after_mount, false);
}

static void cut_in_steps(struct mb_bed *bed)
{
    fill(bed, 4);
    OK(pd_target_cut(bed->target, 4, &err));
    ml_count(bed->target, 4);
    OK(pd_target_cut(bed->target, 2, &err));
    ml_count(bed->target, 2);
    OK(pd_target_cut(bed->target, 3, &err)); /* is not there any more */
    ml_count(bed->target, 2);
    ml_read_file(bed->target, 1, 3);
    ml_write_file(bed->target, 2, 1);
    OK(pd_target_cut(bed->target, 2, &err)); /* what was just written */
    ml_count(bed->target, 2);
    ml_write_file(bed->target, 2, 6);
    ml_read_file(bed->target, 2, 6);
}

static void test_cut_in_steps(void **state)
{
    (void)state;
    mb_for_each(cut_in_steps, false);
}

static void cut_of_nothing(struct mb_bed *bed)
{
    IS(pd_target_cut(bed->target, 1, &err), PD_INTERNAL); /* nothing is mounted */
    fill(bed, 3);
    IS(pd_target_cut(bed->target, 0, &err), PD_INTERNAL);
    ml_count(bed->target, 4);
    OK(pd_target_cut(bed->target, 4, &err));
    OK(pd_target_cut(bed->target, 5, &err));
    OK(pd_target_cut(bed->target, UINT32_MAX, &err));
    ml_count(bed->target, 4);
    OK(pd_target_begin(bed->target, "archive", &bed->number, &err));
    IS(pd_target_cut(bed->target, 1, &err), PD_INTERNAL);
    OK(pd_target_abandon(bed->target, &err));
    OK(pd_target_open_file(bed->target, 1, &err));
    IS(pd_target_cut(bed->target, 1, &err), PD_INTERNAL);
    OK(pd_target_close_file(bed->target, &err));
    for (uint32_t file = 1; file <= 3; file++)
        ml_read_file(bed->target, file, file + 2);
    ml_write_file(bed->target, 4, 2);
    ml_read_file(bed->target, 4, 2);
}

static void test_cut_of_nothing(void **state)
{
    (void)state;
    mb_for_each(cut_of_nothing, false);
}

/* Nothing is written behind the cut: gone on a disk, still there on a tape. */
static void cut_and_left(struct mb_bed *bed)
{
    fill(bed, 3);
    OK(pd_target_cut(bed->target, 2, &err));
    mb_reopen(bed);
    OK(pd_target_mount(bed->target, NULL, &err));
    ml_read_file(bed->target, 1, 3);
    if (keeps_what_was_cut(bed)) {
        ml_count(bed->target, 4);
        ml_read_file(bed->target, 2, 4);
        ml_read_file(bed->target, 3, 5);
        return;
    }
    ml_count(bed->target, 2);
    IS(pd_target_open_file(bed->target, 2, &err), PD_MISSING);
    IS(pd_target_open_file(bed->target, 3, &err), PD_MISSING);
}

static void test_cut_and_left(void **state)
{
    (void)state;
    mb_for_each(cut_and_left, false);
}

/* What was cut does not count as used, where that is told at all. */
static void cut_gives_space(struct mb_bed *bed)
{
    struct pd_target_space before = {0}, after = {0};

    mb_format(bed, "PD100001");
    ml_write_file(bed->target, 1, 2);
    OK(pd_target_space_left(bed->target, &before, &err));
    ml_write_file(bed->target, 2, 3);
    OK(pd_target_cut(bed->target, 2, &err));
    OK(pd_target_space_left(bed->target, &after, &err));
    assert_int_equal(after.available, before.available);
    ml_write_file(bed->target, 2, 6);
    ml_read_file(bed->target, 2, 6);
}

static void test_cut_gives_space(void **state)
{
    (void)state;
    mb_for_each(cut_gives_space, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_cut_after_mount),
        cmocka_unit_test(test_cut_in_steps),
        cmocka_unit_test(test_cut_of_nothing),
        cmocka_unit_test(test_cut_and_left),
        cmocka_unit_test(test_cut_gives_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
