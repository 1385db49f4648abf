/*
 * What every target promises of tape files that are mended in place, tried on each driver: tapes
 * refuse, and lose nothing by it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/media_bed.h"
#include "../lib/media_lib.h"

static bool can(const struct mb_bed *bed)
{
    return !pd_target_caps(bed->target).tape;
}

static void fill(struct mb_bed *bed)
{
    mb_format(bed, "PD100001");
    for (uint32_t file = 1; file <= 3; file++)
        ml_write_file(bed->target, file, file + 2);
    mb_reopen(bed);
    OK(pd_target_mount(bed->target, "PD100001", &err));
}

static void all_is_there(struct mb_bed *bed)
{
    ml_count(bed->target, 4);
    for (uint32_t file = 1; file <= 3; file++)
        ml_read_file(bed->target, file, file + 2);
}

/* Record `at` of file 2 becomes that of `number`. */
static enum pd_status patch(struct mb_bed *bed, uint64_t at, uint64_t number, struct pd_error *err)
{
    ml_fill(bed->record, 2, number);
    return pd_target_patch(bed->target, 2, at, bed->record, ML_BLOCK, err);
}

static void one_record(struct mb_bed *bed)
{
    fill(bed);
    if (!can(bed)) {
        IS(patch(bed, 1, 9, &err), PD_UNSUPPORTED);
        all_is_there(bed);
        return;
    }
    OK(patch(bed, 1, 9, &err));
    OK(pd_target_open_file(bed->target, 2, &err));
    for (uint64_t i = 0; i < 4; i++) {
        OK(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err));
        ml_check(bed->record, bed->got, 2, i == 1 ? 9 : i);
    }
    IS(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err), PD_END_OF_FILE);
    OK(pd_target_close_file(bed->target, &err));
    for (uint64_t i = 0; i < 4; i++) /* the first and the last, too */
        OK(patch(bed, i, i, &err));
    mb_reopen(bed);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    all_is_there(bed);
    ml_write_file(bed->target, 4, 2);
    ml_read_file(bed->target, 4, 2);
}

static void test_one_record(void **state)
{
    (void)state;
    mb_for_each(one_record, false);
}

static void what_is_not_there(struct mb_bed *bed)
{
    IS(patch(bed, 0, 0, &err), PD_INTERNAL); /* nothing is mounted */
    fill(bed);
    ml_fill(bed->record, 2, 0);
    IS(pd_target_patch(bed->target, 0, 0, bed->record, ML_BLOCK, &err), PD_INTERNAL);
    IS(pd_target_patch(bed->target, 2, 0, bed->record, ML_BLOCK / 2, &err), PD_INTERNAL);
    IS(pd_target_patch(bed->target, 2, UINT64_MAX / 2, bed->record, ML_BLOCK, &err), PD_INTERNAL);
    IS(patch(bed, 4, 0, &err), can(bed) ? PD_TRUNCATED : PD_UNSUPPORTED);
    IS(pd_target_patch(bed->target, 4, 0, bed->record, ML_BLOCK, &err),
       can(bed) ? PD_MISSING : PD_UNSUPPORTED);
    all_is_there(bed);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    mb_for_each(what_is_not_there, false);
}

static void a_whole_file(struct mb_bed *bed)
{
    fill(bed);
    IS(pd_target_rewrite(bed->target, 0, "archive", &err), PD_INTERNAL);
    IS(pd_target_rewrite(bed->target, 2, "a/b", &err), PD_INTERNAL);
    if (!can(bed)) {
        IS(pd_target_rewrite(bed->target, 2, "archive", &err), PD_UNSUPPORTED);
        all_is_there(bed);
        return;
    }
    OK(pd_target_rewrite(bed->target, 2, "archive", &err));
    ml_fill(bed->record, 2, 0);
    OK(pd_target_write(bed->target, bed->record, ML_BLOCK, &err));
    OK(pd_target_abandon(bed->target, &err)); /* what was there stays */
    all_is_there(bed);
    OK(pd_target_rewrite(bed->target, 2, "archive", &err));
    for (uint64_t i = 0; i < 6; i++) {
        ml_fill(bed->record, 2, i);
        OK(pd_target_write(bed->target, bed->record, ML_BLOCK, &err));
    }
    OK(pd_target_end(bed->target, true, &err));
    ml_count(bed->target, 4);
    ml_read_file(bed->target, 1, 3);
    ml_read_file(bed->target, 2, 6);
    ml_read_file(bed->target, 3, 5);
    mb_reopen(bed);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    ml_read_file(bed->target, 2, 6);
    ml_write_file(bed->target, 4, 2);
}

static void test_a_whole_file(void **state)
{
    (void)state;
    mb_for_each(a_whole_file, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_record),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_a_whole_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
