/*
 * What every target promises (target.h), tried on each driver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/media_bed.h"
#include "../lib/media_lib.h"

static void label_returns(struct mb_bed *bed)
{
    struct pd_label label = ml_label("PD100001");
    const struct pd_label *found;

    assert_null(pd_target_label(bed->target));
    OK(pd_target_format(bed->target, &label, &err));
    found = pd_target_label(bed->target);
    assert_non_null(found);
    assert_memory_equal(found, &label, sizeof(label));
    ml_count(bed->target, 1);

    mb_reopen(bed);
    OK(pd_target_mount(bed->target, NULL, &err));
    found = pd_target_label(bed->target);
    assert_string_equal(found->label, label.label);
    assert_string_equal(found->uuid, label.uuid);
    assert_int_equal(found->block_size, label.block_size);
    ml_count(bed->target, 1);

    mb_reopen(bed);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    assert_string_equal(pd_target_label(bed->target)->uuid, label.uuid);
}

static void test_label(void **state)
{
    (void)state;
    mb_for_each(label_returns, false);
}

static void nothing_is_overwritten(struct mb_bed *bed)
{
    struct pd_label label = ml_label("PD100001");

    mb_format(bed, "PD100001");
    ml_write_file(bed->target, 1, 3);
    (void)snprintf(label.uuid, sizeof(label.uuid), "%s", "00000000-0000-4000-8000-000000000000");
    IS(pd_target_format(bed->target, &label, &err), PD_EXISTS);
    assert_null(pd_target_label(bed->target));
    OK(pd_target_mount(bed->target, "PD100001", &err));
    assert_string_not_equal(pd_target_label(bed->target)->uuid, label.uuid);
    ml_read_file(bed->target, 1, 3);
}

static void test_format_refuses(void **state)
{
    (void)state;
    mb_for_each(nothing_is_overwritten, false);
}

static enum pd_status note_before(void *arg, struct pd_error *err)
{
    int *before = arg;

    ++*before;
    return *before == 1 ? pd_error_set(err, PD_CATALOG_LOST, 0, "not now") : PD_OK;
}

/* The first try fails in what comes before; the second replaces the label, where that can be done.
 */
static void a_label_is_replaced(struct mb_bed *bed)
{
    struct pd_label label = ml_label("PD100001");
    char old[PD_UUID_TEXT];
    struct pd_error why = PD_ERROR_INIT;
    int before = 0;
    enum pd_status status;

    mb_format(bed, "PD100001");
    ml_write_file(bed->target, 1, 3);
    ml_write_file(bed->target, 2, 1);
    (void)snprintf(old, sizeof(old), "%s", pd_target_label(bed->target)->uuid);
    (void)snprintf(label.uuid, sizeof(label.uuid), "%s", "00000000-0000-4000-8000-000000000000");
    IS(pd_target_relabel(bed->target, label.uuid, &label, note_before, &before, &err), PD_INTERNAL);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    status = pd_target_relabel(bed->target, old, &label, note_before, &before, &why);
    assert_true(status == PD_CATALOG_LOST || status == PD_UNSUPPORTED);
    assert_null(pd_target_label(bed->target));
    OK(pd_target_mount(bed->target, "PD100001", &err));
    assert_string_equal(pd_target_label(bed->target)->uuid, old);
    ml_count(bed->target, 3);
    ml_read_file(bed->target, 1, 3);
    if (status == PD_UNSUPPORTED) {
        assert_int_equal(before, 0);
        return;
    }
    OK(pd_target_relabel(bed->target, old, &label, note_before, &before, &err));
    assert_int_equal(before, 2);
    assert_string_equal(pd_target_label(bed->target)->uuid, label.uuid);
    ml_count(bed->target, 1);
    ml_write_file(bed->target, 1, 2);
    mb_reopen(bed);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    assert_string_equal(pd_target_label(bed->target)->uuid, label.uuid);
    ml_count(bed->target, 2);
    ml_read_file(bed->target, 1, 2);
}

static void test_relabel(void **state)
{
    (void)state;
    mb_for_each(a_label_is_replaced, false);
}

static enum pd_status count_names(void *arg, const char *label, struct pd_error *err)
{
    unsigned *seen = arg;

    (void)err;
    if (strcmp(label, "PD100001") == 0)
        *seen |= 1;
    else if (strcmp(label, "PD100002") == 0)
        *seen |= 2;
    else
        *seen |= 4;
    return PD_OK;
}

static enum pd_status stop_listing(void *arg, const char *label, struct pd_error *err)
{
    ++*(unsigned *)arg;
    return pd_error_set(err, PD_SKIPPED, 0, "enough of %s", label);
}

static void several_volumes(struct mb_bed *bed)
{
    unsigned seen = 0;

    OK(pd_target_volumes(bed->target, count_names, &seen, &err));
    assert_int_equal(seen, pd_target_caps(bed->target).library ? 3 : 0); /* blank ones */
    mb_format(bed, "PD100001");
    ml_write_file(bed->target, 1, 1);
    mb_format(bed, "PD100002");
    ml_write_file(bed->target, 1, 2);
    ml_write_file(bed->target, 2, 2);
    OK(pd_target_volumes(bed->target, count_names, &seen, &err));
    assert_int_equal(seen, 3);
    seen = 0;
    IS(pd_target_volumes(bed->target, stop_listing, &seen, &err), PD_SKIPPED);
    assert_int_equal(seen, 1);

    OK(pd_target_mount(bed->target, "PD100001", &err));
    ml_count(bed->target, 2);
    IS(pd_target_mount(bed->target, "PD100003", &err), PD_NOT_FOUND);
    assert_null(pd_target_label(bed->target));
    OK(pd_target_volumes(bed->target, count_names, &seen, &err));
    assert_int_equal(seen & 4, 0); /* asking for it has not made it */
    OK(pd_target_mount(bed->target, "PD100002", &err));
    ml_count(bed->target, 3);
    ml_read_file(bed->target, 1, 2);
    IS(pd_target_mount(bed->target, "../x", &err), PD_USAGE);
}

static void test_volumes(void **state)
{
    (void)state;
    mb_for_each_library(several_volumes);
}

static void files_come_back(struct mb_bed *bed)
{
    mb_format(bed, "PD100001");
    ml_write_file(bed->target, 1, 5);
    ml_write_file(bed->target, 2, 1);
    ml_write_file(bed->target, 3, 40);
    ml_count(bed->target, 4);
    ml_read_file(bed->target, 2, 1);
    ml_read_file(bed->target, 3, 40);
    ml_read_file(bed->target, 1, 5);
    ml_read_file(bed->target, 1, 5);
    ml_write_file(bed->target, 4, 2);
    OK(pd_target_sync(bed->target, &err));

    mb_reopen(bed);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    ml_read_file(bed->target, 4, 2);
    ml_read_file(bed->target, 1, 5);
    ml_count(bed->target, 5);
    ml_write_file(bed->target, 5, 2);
    ml_read_file(bed->target, 3, 40);
    ml_read_file(bed->target, 5, 2);
}

static void test_files(void **state)
{
    (void)state;
    mb_for_each(files_come_back, false);
}

static void label_is_tape_file_0(struct mb_bed *bed)
{
    struct pd_label label;

    mb_format(bed, "PD100001");
    OK(pd_target_open_file(bed->target, 0, &err));
    OK(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err));
    assert_int_equal(bed->got, ML_BLOCK);
    OK(pd_label_decode(bed->record, bed->got, &label, &err));
    assert_string_equal(label.label, "PD100001");
    IS(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err), PD_END_OF_FILE);
    OK(pd_target_close_file(bed->target, &err));
}

static void test_label_file(void **state)
{
    (void)state;
    mb_for_each(label_is_tape_file_0, false);
}

static void missing_files(struct mb_bed *bed)
{
    mb_format(bed, "PD100001");
    ml_write_file(bed->target, 1, 2);
    IS(pd_target_open_file(bed->target, 2, &err), PD_MISSING);
    IS(pd_target_open_file(bed->target, 77, &err), PD_MISSING);
    IS(pd_target_open_file(bed->target, UINT32_MAX, &err), PD_MISSING);
    mb_reopen(bed);
    OK(pd_target_mount(bed->target, NULL, &err));
    IS(pd_target_open_file(bed->target, 77, &err), PD_MISSING);
    IS(pd_target_open_file(bed->target, 2, &err), PD_MISSING);
    ml_read_file(bed->target, 1, 2);
}

static void test_missing(void **state)
{
    (void)state;
    mb_for_each(missing_files, false);
}

static void seek_to(struct mb_bed *bed, uint64_t number)
{
    OK(pd_target_seek(bed->target, number, ML_BLOCK, &err));
    OK(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err));
    ml_check(bed->record, bed->got, 2, number);
}

static void seeks(struct mb_bed *bed)
{
    mb_format(bed, "PD100001");
    ml_write_file(bed->target, 1, 3);
    ml_write_file(bed->target, 2, 10);
    ml_write_file(bed->target, 3, 3);
    OK(pd_target_open_file(bed->target, 2, &err));
    seek_to(bed, 7);
    seek_to(bed, 8);
    seek_to(bed, 0);
    seek_to(bed, 0);
    seek_to(bed, 9);
    IS(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err), PD_END_OF_FILE);
    seek_to(bed, 3);
    OK(pd_target_seek(bed->target, 10, ML_BLOCK, &err));
    IS(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err), PD_END_OF_FILE);
    IS(pd_target_seek(bed->target, 11, ML_BLOCK, &err), PD_END_OF_FILE);
    IS(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err), PD_END_OF_FILE);
    IS(pd_target_seek(bed->target, 100000, ML_BLOCK, &err), PD_END_OF_FILE);
    IS(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err), PD_END_OF_FILE);
    seek_to(bed, 1);
    OK(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err));
    ml_check(bed->record, bed->got, 2, 2);
    OK(pd_target_close_file(bed->target, &err));
    ml_read_file(bed->target, 3, 3);
}

static void test_seek(void **state)
{
    (void)state;
    mb_for_each(seeks, false);
}

static void abandoned(struct mb_bed *bed)
{
    mb_format(bed, "PD100001");
    ml_write_file(bed->target, 1, 2);
    OK(pd_target_begin(bed->target, "given-up", &bed->number, &err));
    assert_int_equal(bed->number, 2);
    for (uint64_t i = 0; i < 6; i++)
        mb_put(bed, i + 100);
    OK(pd_target_abandon(bed->target, &err));
    ml_count(bed->target, 2);
    IS(pd_target_open_file(bed->target, 2, &err), PD_MISSING);
    ml_read_file(bed->target, 1, 2);
    ml_write_file(bed->target, 2, 3);
    ml_read_file(bed->target, 2, 3);
    ml_count(bed->target, 3);

    /* Given up without a record, and as the last thing before the end. */
    OK(pd_target_begin(bed->target, "given-up", &bed->number, &err));
    OK(pd_target_abandon(bed->target, &err));
    OK(pd_target_begin(bed->target, "given-up", &bed->number, &err));
    mb_put(bed, 100);
    OK(pd_target_abandon(bed->target, &err));
    mb_reopen(bed);
    OK(pd_target_mount(bed->target, NULL, &err));
    ml_count(bed->target, 3);
    ml_write_file(bed->target, 3, 2);
    ml_read_file(bed->target, 2, 3);
    ml_read_file(bed->target, 3, 2);
    ml_count(bed->target, 4);
}

static void test_abandon(void **state)
{
    (void)state;
    mb_for_each(abandoned, false);
}

static void unfinished(struct mb_bed *bed)
{
    mb_format(bed, "PD100001");
    ml_write_file(bed->target, 1, 2);
    OK(pd_target_begin(bed->target, "cut-off", &bed->number, &err));
    mb_put(bed, 0);
    mb_reopen(bed); /* neither ended nor abandoned */
    OK(pd_target_mount(bed->target, NULL, &err));
    ml_count(bed->target, 2);
    ml_write_file(bed->target, 2, 4);
    ml_read_file(bed->target, 1, 2);
    ml_read_file(bed->target, 2, 4);
    ml_count(bed->target, 3);
}

static void test_unfinished(void **state)
{
    (void)state;
    mb_for_each(unfinished, false);
}

static void full(struct mb_bed *bed)
{
    struct pd_target_space space = {0};
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = PD_OK;
    uint64_t written = 0;

    mb_format(bed, "PD100001");
    OK(pd_target_space_left(bed->target, &space, &err));
    assert_int_equal(space.total, 9 * ML_BLOCK);
    assert_int_equal(space.available, 8 * ML_BLOCK);
    ml_write_file(bed->target, 1, 5);
    OK(pd_target_space_left(bed->target, &space, &err));
    assert_int_equal(space.available, 3 * ML_BLOCK);
    OK(pd_target_begin(bed->target, "too-much", &bed->number, &err));
    while (status == PD_OK && written < 100) {
        ml_fill(bed->record, 2, written++);
        status = pd_target_write(bed->target, bed->record, ML_BLOCK, &why);
    }
    assert_int_equal(status, PD_VOLUME_FULL);
    assert_int_equal(written, 4);
    assert_string_equal(why.volume, "PD100001");
    IS(pd_target_end(bed->target, true, &err), PD_INTERNAL);
    OK(pd_target_abandon(bed->target, &err));
    OK(pd_target_space_left(bed->target, &space, &err));
    assert_int_equal(space.available, 3 * ML_BLOCK);

    /* The index of what is there goes into the reserve. */
    OK(pd_target_use_reserve(bed->target, true, &err));
    ml_write_file(bed->target, 2, 6);
    OK(pd_target_use_reserve(bed->target, false, &err));
    OK(pd_target_begin(bed->target, "too-much", &bed->number, &err));
    IS(pd_target_write(bed->target, bed->record, ML_BLOCK, &err), PD_VOLUME_FULL);
    OK(pd_target_abandon(bed->target, &err));
    ml_read_file(bed->target, 1, 5);
    ml_read_file(bed->target, 2, 6);
    ml_count(bed->target, 3);
}

static void test_full(void **state)
{
    (void)state;
    mb_for_each(full, true);
}

static void wrong_order(struct mb_bed *bed)
{
    struct pd_target_position position;

    ml_fill(bed->record, 1, 0);
    IS(pd_target_position(bed->target, &position, &err), PD_INTERNAL);
    IS(pd_target_begin(bed->target, "a", &bed->number, &err), PD_INTERNAL);
    IS(pd_target_open_file(bed->target, 1, &err), PD_INTERNAL);
    mb_format(bed, "PD100001");
    IS(pd_target_write(bed->target, bed->record, ML_BLOCK, &err), PD_INTERNAL);
    IS(pd_target_end(bed->target, true, &err), PD_INTERNAL);
    IS(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err), PD_INTERNAL);
    IS(pd_target_begin(bed->target, "a/b", &bed->number, &err), PD_INTERNAL);
    OK(pd_target_begin(bed->target, "a", &bed->number, &err));
    IS(pd_target_begin(bed->target, "b", &bed->number, &err), PD_INTERNAL);
    IS(pd_target_open_file(bed->target, 0, &err), PD_INTERNAL);
    IS(pd_target_write(bed->target, bed->record, ML_BLOCK - 512, &err), PD_INTERNAL);
    mb_put(bed, 0);
    OK(pd_target_end(bed->target, false, &err));
    OK(pd_target_open_file(bed->target, 1, &err));
    IS(pd_target_begin(bed->target, "b", &bed->number, &err), PD_INTERNAL);
    IS(pd_target_read(bed->target, bed->record, ML_BLOCK / 2, &bed->got, &err), PD_INTERNAL);
    IS(pd_target_seek(bed->target, UINT64_MAX, ML_BLOCK, &err), PD_INTERNAL);
    IS(pd_target_seek(bed->target, 0, 512, &err), PD_INTERNAL);
    OK(pd_target_read(bed->target, bed->record, ML_BLOCK, &bed->got, &err));
    ml_check(bed->record, bed->got, 1, 0);
    OK(pd_target_close_file(bed->target, &err));
    OK(pd_target_unmount(bed->target, &err));
    assert_null(pd_target_label(bed->target));
    IS(pd_target_sync(bed->target, &err), PD_INTERNAL);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    ml_count(bed->target, 2);
}

static void test_order(void **state)
{
    (void)state;
    mb_for_each(wrong_order, false);
}

static void nothing_there(struct mb_bed *bed)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_target_mount(bed->target, NULL, &why);

    assert_true(status == PD_BLANK || status == PD_NO_MEDIUM);
    if (strlen(why.volume) == sizeof(why.volume) - 1) /* cut, with "..." */
        why.volume[sizeof(why.volume) - 4] = '\0';
    assert_non_null(strstr(bed->url, why.volume)); /* of the innermost target */
    assert_null(pd_target_label(bed->target));
    assert_string_equal(pd_target_url(bed->target), bed->url);
}

static void test_nothing_there(void **state)
{
    (void)state;
    mb_for_each(nothing_there, false);
}

static void lazy_marks(struct mb_bed *bed)
{
    mb_format(bed, "PD100001");
    for (uint32_t file = 1; file <= 5; file++) {
        OK(pd_target_begin(bed->target, "archive", &bed->number, &err));
        assert_int_equal(bed->number, file);
        mb_put(bed, 0);
        OK(pd_target_end(bed->target, false, &err));
    }
    OK(pd_target_sync(bed->target, &err));
    mb_reopen(bed);
    OK(pd_target_mount(bed->target, NULL, &err));
    ml_count(bed->target, 6);
    for (uint32_t file = 5; file >= 1; file--)
        ml_read_file(bed->target, file, 1);
}

static void test_lazy_marks(void **state)
{
    (void)state;
    mb_for_each(lazy_marks, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label),         cmocka_unit_test(test_format_refuses),
        cmocka_unit_test(test_relabel),       cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_files),         cmocka_unit_test(test_label_file),
        cmocka_unit_test(test_missing),       cmocka_unit_test(test_seek),
        cmocka_unit_test(test_abandon),       cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_full),          cmocka_unit_test(test_order),
        cmocka_unit_test(test_nothing_there), cmocka_unit_test(test_lazy_marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
