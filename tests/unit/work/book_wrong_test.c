/*
 * The folder of a dump's book, and entries that are not as they should be.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format_lib.h"
#include "../../lib/work_book_lib.h"

/* ---- the folder ---- */

/* More archives than the book holds tables of; later a book that holds none; and a try that fails
 * behind the book, which has let go of its table by then. */
static void tables_come_from_the_folder_when_they_are_not_held(void **state)
{
    enum { COUNT = PD_BOOK_HELD + 3 };
    struct bl_bed *b = *state;
    struct bl_told told[COUNT + 1];

    for (unsigned seq = 1; seq <= COUNT; seq++) {
        bl_begin(b, seq);
        told[seq] = bl_written_well(b, seq, seq * 3);
        assert_int_equal(told[seq].offset,
                         seq > 1 ? told[seq - 1].offset + told[seq - 1].len : 0);
        assert_int_equal(told[seq].tape_file, seq);
    }
    for (unsigned seq = 1; seq <= COUNT - 1; seq++) {
        bl_take_next(b, "begin");
        b->fail_first = seq == 2 || seq == COUNT - 1;
        bl_take_next(b, "written");
        assert_int_equal(b->fail_first, 0);
        bl_has_files(b, seq, seq * 3);
    }
    pd_book_release(&b->book, false);
    cat_ok(b->c, pd_book_open(&b->c->env, b->dir, &b->dump, false, &b->book, &b->c->err));
    b->book.dump_id = b->dump.id;
    bl_take_next(b, "begin");
    bl_take_next(b, "written");
    bl_has_files(b, COUNT, COUNT * 3);
    bl_begin(b, COUNT + 1);
    struct bl_told last = bl_written_well(b, COUNT + 1, 1);
    assert_int_equal(last.offset, told[COUNT].offset + told[COUNT].len);
    bl_take_next(b, "begin");
    bl_take_next(b, "written");
    bl_has_files(b, COUNT + 1, 1);
}

static void a_text_that_was_cut_is_told(void **state)
{
    struct bl_bed *b = *state;
    struct pd_toc toc;
    char *path = NULL;

    bl_begin(b, 1);
    struct bl_told told = bl_written_well(b, 1, 5);
    cat_ok(b->c, pd_book_toc(&b->book, told.offset, told.len, &toc, &b->c->err));
    assert_int_equal(toc.file_count, 5);
    assert_string_equal(toc.dump_uuid, b->dump.uuid);
    pd_toc_release(&toc);
    cat_ok(b->c, pd_book_path(&b->book, "index", &path, &b->c->err));
    pd_book_release(&b->book, false);
    assert_int_equal(truncate(path, (off_t)told.len - 1), 0);
    cat_ok(b->c, pd_book_open(&b->c->env, b->dir, &b->dump, false, &b->book, &b->c->err));
    b->book.dump_id = b->dump.id;
    bl_take_next(b, "begin");
    bl_next(b, "written");
    b->before = bl_catalog_text(b);
    cat_expect(b->c, PD_BAD_FORMAT, bl_apply(b));
    char *after = bl_catalog_text(b);
    assert_string_equal(b->before, after);
    free(after);
    cat_expect(b->c, PD_BAD_FORMAT,
               pd_book_toc(&b->book, UINT64_MAX, 2, &toc, &b->c->err));
    free(path);
}

static void a_book_is_one_runs_and_goes_when_it_is_done(void **state)
{
    struct bl_bed *b = *state;
    struct pd_dump_book other = {0}, again = {0};
    struct pd_dump_row unknown = b->dump;

    assert_true(pd_book_exists(b->dir, b->dump.uuid));
    cat_expect(b->c, PD_BUSY,
               pd_book_open(&b->c->env, b->dir, &b->dump, false, &other, &b->c->err));
    pd_book_release(&other, false);
    cat_expect(b->c, PD_EXISTS,
               pd_book_open(&b->c->env, b->dir, &b->dump, true, &again, &b->c->err));
    pd_book_release(&again, false);
    (void)snprintf(unknown.uuid, sizeof unknown.uuid, "%s", "11111111-0000-4000-8000-000000000000");
    memset(&again, 0, sizeof again);
    cat_expect(b->c, PD_NOT_FOUND,
               pd_book_open(&b->c->env, b->dir, &unknown, false, &again, &b->c->err));
    pd_book_release(&again, false);
    pd_book_release(&b->book, false);
    assert_true(pd_book_exists(b->dir, b->dump.uuid));
    cat_ok(b->c, pd_book_open(&b->c->env, b->dir, &b->dump, false, &b->book, &b->c->err));
    pd_book_release(&b->book, true);
    assert_false(pd_book_exists(b->dir, b->dump.uuid));
    char *left = NULL;
    assert_true(asprintf(&left, "%s/dumps/%s", b->dir, b->dump.uuid) > 0);
    assert_int_not_equal(access(left, F_OK), 0);
    free(left);
}

static void a_ledger_takes_what_the_book_writes(void **state)
{
    struct bl_bed *b = *state;

    cat_ok(b->c, pd_book_start(&b->book, b->c->catalog, b->dump.id, 0, &b->c->err));
    for (unsigned seq = 1; seq <= 10; seq++) {
        bl_begin(b, seq);
        (void)bl_written_well(b, seq, seq * 20);
    }
    cat_ok(b->c, pd_ledger_settle(b->book.ledger, UINT64_C(20000000000), &b->c->err));
    for (unsigned seq = 1; seq <= 10; seq++) {
        bl_has_files(b, seq, seq * 20);
    }
    assert_int_equal(cat_check(b->c), 0);
}

/* ---- wrong ones ---- */

enum { FIELDS_MAX = 40 };

/* The fields are split at spaces; "V" stands for the first volume's UUID, "-" for nothing. */
static void refuse(struct bl_bed *b, const char *text)
{
    char copy[512], *rest = copy, *fields[FIELDS_MAX];
    size_t count = 0;

    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        assert_true(count < FIELDS_MAX);
        fields[count++] = strcmp(word, "V") == 0 ? b->volumes[0].uuid : word;
    }
    struct pd_entry kept = b->entry;
    b->entry = (struct pd_entry){.number = kept.number, .count = count, .fields = fields};
    enum pd_status status = bl_apply(b);
    b->entry = kept;
    if (status != PD_BAD_FORMAT) {
        fail_msg("\"%s\" gave %s: %s", text, pd_status_name(status), b->c->err.message);
    }
    char *after = bl_catalog_text(b);
    assert_string_equal(b->before, after);
    free(after);
}

/* Each with one field less, down to its kind alone, is wrong too. */
static void refuse_cut(struct bl_bed *b, const char *whole)
{
    char text[512];

    (void)snprintf(text, sizeof text, "%s", whole);
    for (char *cut; (cut = strrchr(text, ' ')) != NULL;) {
        *cut = '\0';
        refuse(b, text);
    }
}

static void wrong_fields_change_nothing(void **state)
{
    static const char *const whole[] = {
        "abandon 1",
        "verified 1 1 11 12 ok 3 0 2 0 message",
        "volume V full 7 1000 99",
        "state done ok 77 1 2 3 4 5",
    };
    static const char *const wrong[] = {
        "",
        "nosuch 1",
        "Begin 2 n 65536",
        "listed",
        "listed x",
        "listed 0 /p",
        "listed 0 /p io-error 5 0",
        "listed 0 /p nosuch 5 0 m",
        "listed 0 /p io-error five 0 m",
        "listed 0 /p io-error 5 yes m",
        "listed 0 /p io-error 5 0 m /q",
        "begin",
        "begin 2",
        "begin 2 n",
        "begin x n 65536 1 V 1",
        "begin 2 n 64K 1 V 1",
        "begin 2 n 65536 one V 1",
        "begin 2 n 65536 1 V",
        "begin 2 n 65536 1",
        "begin 2 n 65536 1 V x",
        "begin 2 n 65536 1 V 1 2",
        "begin 2 n 65536 1 V 1 lane x",
        "begin 2 n 65536 1 V 1 line 1",
        "begin 2 n 65536 1 V 1 lane 1 1",
        "begin 2 n 65536 lane 1",
        "begin 2 n 65536 1 V 1 2 V 1 3 V 1 4 V 1 5 V 1 6 V 1 7 V 1 8 V 1 9 V 1",
        "written",
        "written x 0 9 1 1 1 written ok 1 m",
        "written 1",
        "written 1 0 9 1",
        "written 1 0 9 1 2 1 written ok 1 m",
        "written 1 0 9 1 1 1 written ok 1",
        "written 1 0 9 1 1 1 written nosuch 1 m",
        "written 1 0 9 1 1 1 written ok x m",
        "written 1 0 9 1 1 3 written ok 1 m",
        "written 1 0 9 1 1 1 nosuch ok 1 m",
        "written 1 x 9 1 1 1 written ok 1 m",
        "written 1 0 x 1 1 1 written ok 1 m",
        "abandon x",
        "verified x 1 11 12 ok 3 0 2 0 message",
        "verified 1 3 11 12 ok 3 0 2 0 message",
        "verified 1 1 x 12 ok 3 0 2 0 message",
        "verified 1 1 11 12 nosuch 3 0 2 0 message",
        "verified 1 1 11 12 ok 3 0 2 x message",
        "verified 1 1 11 12 io-error 3 1 2 0 message 1",
        "verified 1 1 11 12 io-error 3 1 2 0 message 1 /p",
        "verified 1 1 11 12 io-error 3 1 2 0 message x /p io-error",
        "verified 1 1 11 12 io-error 3 1 2 0 message 1 /p nosuch",
        "verified 1 1 11 12 io-error 3 1 2 0 message 1 /p io-error 2",
        "volume V nosuch 7 1000 99",
        "volume V full x 1000 99",
        "volume V full 7 x 99",
        "volume V full 7 1000 x",
        "state nosuch ok 77 1 2 3 4 5",
        "state done nosuch 77 1 2 3 4 5",
        "state done ok x 1 2 3 4 5",
        "state done ok 77 1 2 3 4 x",
    };
    struct bl_bed *b = *state;

    bl_begin(b, 1);
    (void)bl_written_well(b, 1, 2);
    bl_take_next(b, "begin");
    bl_next(b, "written");
    b->before = bl_catalog_text(b);
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        refuse_cut(b, whole[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        refuse(b, wrong[i]);
    }
    cat_ok(b->c, bl_apply(b)); /* the right one still is */
    bl_has_files(b, 1, 2);
}

static void what_the_catalog_does_not_know_is_told(void **state)
{
    struct bl_bed *b = *state;
    const char *const uuids[] = {"00000000-0000-4000-8000-00000000dead"};
    const struct pd_archive_row row = bl_archive_row(1);
    struct pd_verify_result good = {.status = PD_OK};
    struct pd_copy_row copies[2];

    bl_copy_rows(copies, 1);
    cat_ok(b->c, pd_book_verified(&b->book, 1, 1, &good, &b->c->err));
    bl_next(b, "verified");
    cat_expect(b->c, PD_CATALOG, bl_apply(b));
    b->entry.number = 1;
    cat_ok(b->c, pd_book_begin(&b->book, &row, copies, uuids, 1, 0, &b->c->err));
    bl_next(b, "begin");
    b->entry.number = 1;
    cat_expect(b->c, PD_NOT_FOUND, bl_apply(b));
    assert_int_equal(bl_number(b, "COUNT(*)", "archive"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bl_start, bl_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tables_come_from_the_folder_when_they_are_not_held),
        TEST(a_text_that_was_cut_is_told),
        TEST(a_book_is_one_runs_and_goes_when_it_is_done),
        TEST(a_ledger_takes_what_the_book_writes),
        TEST(wrong_fields_change_nothing),
        TEST(what_the_catalog_does_not_know_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
