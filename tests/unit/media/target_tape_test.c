#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/drive_mock.h"
#include "pairdump/target_tape.h"

struct bed {
    char *dir;
    char *image; /* DIR/PD100001.tap */
    struct pd_target *target;
};

static void open_target(struct bed *bed, bool with_list)
{
    struct pd_drive *drive = NULL;
    char *list = strdup(bed->dir);

    assert_non_null(list);
    OK(pd_drive_mock_open(bed->dir, NULL, &drive, &err));
    OK(pd_target_tape_open(ml_env(), drive, false, with_list ? pd_drive_mock_media : NULL, list,
                           free, "tape:test", &bed->target, &err));
}

static void reopen(struct bed *bed, bool with_list)
{
    ml_close(bed->target);
    open_target(bed, with_list);
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));

    assert_non_null(bed);
    bed->dir = ml_folder();
    bed->image = ml_text("%s/PD100001.tap", bed->dir);
    open_target(bed, true);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    ml_close(bed->target);
    free(bed->image);
    ml_remove(bed->dir);
    free(bed);
    return 0;
}

static void format(struct bed *bed, const char *name)
{
    struct pd_label label = ml_label(name);

    OK(pd_target_format(bed->target, &label, &err));
}

static off_t image_size(const struct bed *bed)
{
    struct stat st;

    assert_int_equal(stat(bed->image, &st), 0);
    return st.st_size;
}

/* What is recorded on PD100001 by other means, with the target closed meanwhile. */
static void record(struct bed *bed, const char *text, unsigned marks_before, unsigned marks_behind)
{
    struct pd_drive *drive = NULL;
    bool early;

    ml_close(bed->target);
    OK(pd_drive_mock_open(bed->dir, NULL, &drive, &err));
    OK(pd_drive_load(drive, "PD100001", &err));
    OK(pd_drive_end(drive, &err));
    OK(pd_drive_marks(drive, marks_before, true, &err));
    if (text != NULL)
        OK(pd_drive_write(drive, text, strlen(text), &early, &err));
    OK(pd_drive_marks(drive, marks_behind, true, &err));
    OK(pd_drive_close(drive, &err));
    open_target(bed, true);
}

static void is_refused(struct bed *bed, enum pd_status mounted, enum pd_status formatted)
{
    struct pd_label label = ml_label("PD100001");
    off_t size = image_size(bed);

    IS(pd_target_mount(bed->target, "PD100001", &err), mounted);
    IS(pd_target_format(bed->target, &label, &err), formatted);
    assert_int_equal(image_size(bed), size);
}

static void test_foreign(void **state)
{
    struct bed *bed = *state;

    record(bed, "somebody's backup", 0, 1);
    is_refused(bed, PD_FOREIGN, PD_FOREIGN);
}

static void test_foreign_marks(void **state)
{
    struct bed *bed = *state;

    record(bed, NULL, 2, 0);
    is_refused(bed, PD_FOREIGN, PD_FOREIGN);
    record(bed, "data behind filemarks", 0, 1);
    is_refused(bed, PD_FOREIGN, PD_FOREIGN);
}

static void test_foreign_long_record(void **state)
{
    struct bed *bed = *state;
    size_t len = (size_t)5 << 20;
    char *text = malloc(len + 1);

    assert_non_null(text);
    memset(text, 'x', len);
    text[len] = '\0';
    record(bed, text, 0, 1);
    is_refused(bed, PD_FOREIGN, PD_FOREIGN);
    free(text);
}

static void test_blank(void **state)
{
    struct bed *bed = *state;

    record(bed, NULL, 0, 0);
    IS(pd_target_mount(bed->target, "PD100001", &err), PD_BLANK);
    IS(pd_target_mount(bed->target, NULL, &err), PD_BLANK);
    format(bed, "PD100001");
    ml_count(bed->target, 1);
}

/* A kill between the label's record and its filemark, and in the middle of the record. */
static void test_killed_format(void **state)
{
    struct bed *bed = *state;

    format(bed, "PD100001");
    for (int i = 0; i < 2; i++) {
        off_t size = image_size(bed);

        OK(pd_target_unmount(bed->target, &err));
        assert_int_equal(truncate(bed->image, i == 0 ? size - 4 : size / 2), 0);
        IS(pd_target_mount(bed->target, "PD100001", &err), PD_BLANK);
        format(bed, "PD100001");
        assert_int_equal(image_size(bed), size);
        ml_count(bed->target, 1);
    }
}

static void test_protected(void **state)
{
    struct bed *bed = *state;
    struct pd_label label = ml_label("PD100002");
    char *blank = ml_text("%s/PD100002.tap", bed->dir);
    uint32_t number;

    format(bed, "PD100001");
    ml_write_file(bed->target, 1, 2);
    OK(pd_target_unmount(bed->target, &err));
    assert_int_equal(chmod(bed->image, 0444), 0);
    OK(pd_target_mount(bed->target, "PD100001", &err));
    IS(pd_target_begin(bed->target, "x", &number, &err), PD_WRITE_PROTECTED);
    ml_read_file(bed->target, 1, 2);
    ml_write_bytes(blank, "", 0);
    assert_int_equal(chmod(blank, 0444), 0);
    IS(pd_target_format(bed->target, &label, &err), PD_WRITE_PROTECTED);
    free(blank);
}

static void test_wrong_cartridge(void **state)
{
    struct bed *bed = *state;
    char *other = ml_text("%s/PD100009.tap", bed->dir);

    format(bed, "PD100001");
    OK(pd_target_unmount(bed->target, &err));
    assert_int_equal(rename(bed->image, other), 0);
    IS(pd_target_mount(bed->target, "PD100001", &err), PD_NOT_FOUND);
    IS(pd_target_mount(bed->target, "PD100009", &err), PD_WRONG_VOLUME);
    OK(pd_target_mount(bed->target, NULL, &err)); /* whatever lies in the drive */
    assert_string_equal(pd_target_label(bed->target)->label, "PD100001");
    free(other);
}

static enum pd_status collect(void *arg, const char *label, struct pd_error *err)
{
    (void)err;
    (void)snprintf(arg, 32, "%s", label);
    return PD_OK;
}

/* No changer: the operator puts tapes in. */
static void test_without_list(void **state)
{
    struct bed *bed = *state;
    struct pd_label label = ml_label("PD100007");
    char seen[32] = "";

    format(bed, "PD100001");
    reopen(bed, false);
    OK(pd_target_volumes(bed->target, collect, seen, &err)); /* looks what is in the drive */
    assert_string_equal(seen, "PD100001");
    IS(pd_target_mount(bed->target, "PD100002", &err), PD_NOT_FOUND); /* it may be on a shelf */
    OK(pd_target_volumes(bed->target, collect, seen, &err));
    assert_string_equal(seen, "PD100001");
    OK(pd_target_mount(bed->target, "PD100001", &err));
    ml_write_file(bed->target, 1, 1);
    IS(pd_target_format(bed->target, &label, &err), PD_NO_VOLUME);
    assert_int_equal(truncate(bed->image, 0), 0);
    reopen(bed, false);
    seen[0] = '\0';
    OK(pd_target_volumes(bed->target, collect, seen, &err)); /* a blank one is no volume */
    assert_string_equal(seen, "");
    IS(pd_target_mount(bed->target, "PD100007", &err), PD_NOT_FOUND);
    OK(pd_target_format(bed->target, &label, &err)); /* a blank one, of whatever barcode */
    OK(pd_target_mount(bed->target, "PD100007", &err));
}

static enum pd_status count_calls(void *arg, struct pd_error *err)
{
    (void)err;
    ++*(int *)arg;
    return PD_OK;
}

/* By hand any label may follow; what lies in the drive is looked at again. */
static void test_relabel(void **state)
{
    struct bed *bed = *state;
    struct pd_label label = ml_label("PD100007"), old = ml_label("PD100001");
    int calls = 0;

    (void)snprintf(label.uuid, sizeof(label.uuid), "%s", "00000000-0000-4000-8000-000000000000");
    format(bed, "PD100001");
    ml_write_file(bed->target, 1, 2);
    IS(pd_target_relabel(bed->target, old.uuid, &label, count_calls, &calls, &err), PD_UNSUPPORTED);
    reopen(bed, false);
    OK(pd_target_mount(bed->target, NULL, &err));
    OK(pd_target_relabel(bed->target, old.uuid, &label, count_calls, &calls, &err));
    assert_int_equal(calls, 1);
    ml_count(bed->target, 1);
    ml_write_file(bed->target, 1, 1);
    reopen(bed, false);
    OK(pd_target_mount(bed->target, "PD100007", &err));
    ml_count(bed->target, 2);
    ml_read_file(bed->target, 1, 1);

    /* it is read again before: here it has gone meanwhile */
    assert_int_equal(truncate(bed->image, 0), 0);
    IS(pd_target_relabel(bed->target, label.uuid, &old, count_calls, &calls, &err), PD_IO);
    assert_int_equal(calls, 1);
    assert_null(pd_target_label(bed->target));
}

static void test_unterminated(void **state)
{
    struct bed *bed = *state;
    char *buf = pd_record_alloc(ML_BLOCK);
    size_t got;

    format(bed, "PD100001");
    ml_write_file(bed->target, 1, 2);
    record(bed, "left by a run that died", 0, 0);
    OK(pd_target_mount(bed->target, NULL, &err));
    OK(pd_target_open_file(bed->target, 2, &err)); /* nothing refers to it, but it is there */
    OK(pd_target_read(bed->target, buf, ML_BLOCK, &got, &err));
    assert_int_equal(got, 23);
    IS(pd_target_read(bed->target, buf, ML_BLOCK, &got, &err), PD_TRUNCATED);
    IS(pd_target_read(bed->target, buf, ML_BLOCK, &got, &err), PD_END_OF_FILE);
    OK(pd_target_close_file(bed->target, &err));
    ml_count(bed->target, 2);
    IS(pd_target_open_file(bed->target, 2, &err), PD_MISSING);
    ml_write_file(bed->target, 2, 1);
    ml_read_file(bed->target, 2, 1);
    ml_read_file(bed->target, 1, 2);
    ml_count(bed->target, 3);
    free(buf);
}

/* An object of the image becomes a record that cannot be read. */
static void break_record(const struct bed *bed, uint64_t records_before, uint64_t marks_before)
{
    off_t at = (off_t)(records_before * (ML_BLOCK + 8) + marks_before * 4);
    FILE *file = fopen(bed->image, "r+");

    assert_non_null(file);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fseeko(file, at + 3 + i * ((off_t)ML_BLOCK + 4), SEEK_SET), 0);
        assert_int_equal(fputc(0x80, file), 0x80);
    }
    assert_int_equal(fclose(file), 0);
}

static void test_bad_records(void **state)
{
    struct bed *bed = *state;
    char *buf = pd_record_alloc(ML_BLOCK);
    size_t got;

    format(bed, "PD100001");
    ml_write_file(bed->target, 1, 5);
    OK(pd_target_unmount(bed->target, &err));
    break_record(bed, 1, 1); /* the first of tape file 1 */
    break_record(bed, 4, 1); /* its fourth */
    OK(pd_target_mount(bed->target, "PD100001", &err));
    OK(pd_target_open_file(bed->target, 1, &err));
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t i = 0; i < 5; i++) {
            if (i == 0 || i == 3) {
                IS(pd_target_read(bed->target, buf, ML_BLOCK, &got, &err), PD_IO);
                continue;
            }
            OK(pd_target_read(bed->target, buf, ML_BLOCK, &got, &err));
            ml_check(buf, got, 1, i);
        }
        IS(pd_target_read(bed->target, buf, ML_BLOCK, &got, &err), PD_END_OF_FILE);
        OK(pd_target_seek(bed->target, 0, ML_BLOCK, &err));
    }
    OK(pd_target_close_file(bed->target, &err));
    ml_write_file(bed->target, 2, 1);
    ml_read_file(bed->target, 2, 1);
    free(buf);
}

/* Archives of other sizes than the label says are named, not cut. */
static void test_other_block_size(void **state)
{
    struct bed *bed = *state;
    char *text = calloc(1, ML_BLOCK * 2);
    char *buf = pd_record_alloc(ML_BLOCK);
    size_t got;

    assert_non_null(text);
    memset(text, 'x', ML_BLOCK + 100);
    format(bed, "PD100001");
    record(bed, text, 0, 1);
    OK(pd_target_mount(bed->target, NULL, &err));
    OK(pd_target_open_file(bed->target, 1, &err));
    IS(pd_target_read(bed->target, buf, ML_BLOCK, &got, &err), PD_BAD_FORMAT);
    IS(pd_target_read(bed->target, buf, ML_BLOCK, &got, &err), PD_END_OF_FILE);
    OK(pd_target_close_file(bed->target, &err));
    free(buf);
    free(text);
}

static void test_empty_file(void **state)
{
    struct bed *bed = *state;

    format(bed, "PD100001");
    ml_write_file(bed->target, 1, 0);
    ml_write_file(bed->target, 2, 1);
    ml_read_file(bed->target, 1, 0);
    ml_read_file(bed->target, 2, 1);
    OK(pd_target_mount(bed->target, NULL, &err));
    ml_read_file(bed->target, 1, 0);
    ml_count(bed->target, 3);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_foreign),         CASE(test_foreign_marks),    CASE(test_foreign_long_record),
        CASE(test_blank),           CASE(test_killed_format),    CASE(test_protected),
        CASE(test_wrong_cartridge), CASE(test_without_list),     CASE(test_unterminated),
        CASE(test_bad_records),     CASE(test_other_block_size), CASE(test_empty_file),
        CASE(test_relabel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
