/*
 * What a dump's book writes down is what the catalog then knows: each entry of dump_book.h, written by
 * the book and taken from its journal.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format_lib.h"
#include "../../lib/work_book_lib.h"

static void a_list_tells_its_problems(void **state)
{
    struct bl_bed *b = *state;
    char odd[] = "/odd\t\n%\xff", gone[] = "went away", plain[] = "/plain", nothing[] = "";
    struct pd_dump_problem list[] = {
        {odd, gone, PD_SOURCE_VANISHED, 2, false},
        {plain, nothing, PD_SOURCE_CHANGED, 0, true},
    };
    const struct pd_dump_problems problems = {.list = list, .count = 2}, none = {.count = 0};
    struct pd_list *spool = NULL;
    char *path = NULL;

    cat_ok(b->c, pd_book_path(&b->book, "list", &path, &b->c->err));
    cat_ok(b->c, pd_list_create(path, &spool, &b->c->err));
    cat_ok(b->c, pd_book_listed(&b->book, spool, 4, &problems, &b->c->err));
    cat_ok(b->c, pd_book_listed(&b->book, spool, 0, &none, &b->c->err));
    bl_take_next(b, "listed");
    assert_int_equal(bl_number(b, "COUNT(*)", "problem"), 2);
    assert_int_equal(bl_number(b, "COUNT(*)",
                            "problem WHERE status = 'source-vanished' AND errno_value = 2"
                            " AND archived = 0 AND message = 'went away'"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)",
                            "problem WHERE status = 'source-changed' AND errno_value = 0"
                            " AND archived = 1 AND message = '' AND CAST(path AS CHAR) = '/plain'"),
                     1);
    bl_take_next(b, "listed");
    assert_int_equal(bl_number(b, "COUNT(*)", "problem"), 2);
    pd_list_free(spool);
    free(path);
}

static void an_archive_is_begun_on_its_volumes(void **state)
{
    struct bl_bed *b = *state;

    bl_begin(b, 1);
    bl_take_next(b, "begin");
    assert_int_equal(bl_number(b, "COUNT(*)", "archive WHERE seq = 1 AND name = 'd.1'"
                                           " AND record_size = 65536 AND records = 0"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)", "copy WHERE state = 'writing' AND tape_file = 1"), 2);
    assert_int_equal(bl_number(b, "COUNT(*)",
                            "copy c JOIN volume v ON c.volume_id = v.id WHERE"
                            " (c.copy = 1 AND v.label = 'V1') OR (c.copy = 2 AND v.label = 'V2')"),
                     2);
}

static void an_archive_is_written(void **state)
{
    struct bl_bed *b = *state;
    struct pd_copy_row copies[2];

    bl_begin(b, 1);
    bl_copy_rows(copies, 3);
    copies[0].state = PD_COPY_BAD;
    copies[0].reason = PD_IO;
    copies[0].tape_file = 1;
    (void)snprintf(copies[0].message, sizeof copies[0].message, "the drive\tsaid \"no\"");
    copies[1].state = PD_COPY_WRITTEN;
    struct bl_told told = bl_written(b, 1, 70, copies);
    assert_int_equal(told.offset, 0);
    assert_int_equal(told.tape_file, 3); /* of the first copy that is written */
    bl_take_next(b, "begin");
    bl_take_next(b, "written");
    bl_has_files(b, 1, 70);
    assert_int_equal(bl_number(b, "COUNT(*)", "copy WHERE copy = 1 AND state = 'bad'"
                                           " AND reason = 'io-error' AND tape_file = 1"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)", "copy WHERE copy = 2 AND state = 'written'"
                                           " AND reason = 'ok' AND tape_file = 3"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)", "copy WHERE message = 'the drive\tsaid \"no\"'"), 1);
    assert_int_equal(bl_number(b, "tape_files", "volume WHERE label = 'V2'"), 4);
}

static void the_index_names_the_tape_file_of_the_first_good_copy(void **state)
{
    struct bl_bed *b = *state;
    struct pd_copy_row copies[2];

    bl_copy_rows(copies, 1);
    copies[0].state = copies[1].state = PD_COPY_WRITTEN;
    copies[1].tape_file = 8;
    assert_int_equal(bl_written(b, 1, 1, copies).tape_file, 1);
}

static void no_copy_was_written_has_no_tape_file(void **state)
{
    struct bl_bed *b = *state;
    struct pd_copy_row copies[2];

    bl_begin(b, 1);
    bl_copy_rows(copies, 1);
    copies[0].state = copies[1].state = PD_COPY_BAD;
    copies[0].reason = copies[1].reason = PD_NO_SPACE;
    assert_int_equal(bl_written(b, 1, 1, copies).tape_file, 0);
    bl_take_next(b, "begin");
    bl_take_next(b, "written");
    assert_int_equal(bl_number(b, "COUNT(*)", "copy WHERE state = 'bad' AND reason = 'no-space'"), 2);
}

static void its_problems_come_with_it(void **state)
{
    struct bl_bed *b = *state;
    const struct pd_archive_row row = bl_archive_row(1);
    char path[] = "/p", message[] = "m";
    struct pd_dump_problem one = {path, message, PD_SOURCE_UNREADABLE, 5, true};
    const struct pd_dump_problems problems = {.list = &one, .count = 1};
    struct pd_expect *expect = bl_expect_of(b, 1, 1);
    struct pd_copy_row copies[2];
    struct bl_told told;

    bl_begin(b, 1);
    bl_copy_rows(copies, 1);
    copies[0].state = copies[1].state = PD_COPY_WRITTEN;
    cat_ok(b->c, pd_book_written(&b->book, &row, expect, copies, 2, &problems, &told.offset,
                                 &told.len, &told.tape_file, &b->c->err));
    pd_expect_release(expect);
    bl_take_next(b, "begin");
    bl_take_next(b, "written");
    assert_int_equal(bl_number(b, "COUNT(*)", "problem WHERE CAST(path AS CHAR) = '/p' AND errno_value = 5"
                                           " AND status = 'source-unreadable' AND archived = 1"),
                     1);
}

static void an_archive_is_abandoned(void **state)
{
    struct bl_bed *b = *state;

    bl_begin(b, 1);
    cat_ok(b->c, pd_book_abandon(&b->book, 1, &b->c->err));
    cat_ok(b->c, pd_book_abandon(&b->book, 9, &b->c->err)); /* never begun */
    bl_begin(b, 1);
    bl_take_next(b, "begin");
    bl_take_next(b, "abandon");
    assert_int_equal(bl_number(b, "COUNT(*)", "archive"), 0);
    assert_int_equal(bl_number(b, "COUNT(*)", "copy"), 0);
    bl_take_next(b, "abandon");
    bl_take_next(b, "begin");
    assert_int_equal(bl_number(b, "COUNT(*)", "archive"), 1);
}

static void a_copy_is_verified(void **state)
{
    struct bl_bed *b = *state;
    struct pd_damage damage[] = {
        {.has_record = true, .record = 0, .path = NULL, .status = PD_IO},
        {.has_record = true, .record = 1, .path = "/odd\t%\n\xff", .status = PD_BAD_FORMAT},
        {.has_record = false, .path = "/only", .status = PD_MISSING},
    };
    struct pd_verify_result good = {.status = PD_OK, .started = 11, .finished = 12, .records = 3,
                                    .files = 2};
    struct pd_verify_result bad = {.status = PD_IO, .started = 13, .finished = 14, .records = 3,
                                   .bad_records = 2, .files = 2, .bad_files = 1, .damage = damage,
                                   .damage_count = 3};

    (void)snprintf(bad.error.message, sizeof bad.error.message, "cannot read");
    bl_begin(b, 1);
    (void)bl_written_well(b, 1, 2);
    cat_ok(b->c, pd_book_verified(&b->book, 1, 1, &good, &b->c->err));
    cat_ok(b->c, pd_book_verified(&b->book, 1, 2, &bad, &b->c->err));
    bl_take_next(b, "begin");
    bl_take_next(b, "written");
    bl_take_next(b, "verified");
    assert_int_equal(bl_number(b, "COUNT(*)", "copy WHERE copy = 1 AND state = 'verified'"), 1);
    assert_int_equal(bl_number(b, "COUNT(*)", "copy WHERE copy = 2 AND state = 'written'"), 1);
    assert_int_equal(bl_number(b, "COUNT(*)",
                            "verification WHERE started = 11 AND finished = 12 AND mode = 'full'"
                            " AND status = 'ok' AND records = 3 AND bad_records = 0"
                            " AND files = 2 AND bad_files = 0 AND message = ''"),
                     1);
    bl_take_next(b, "verified");
    assert_int_equal(bl_number(b, "COUNT(*)", "copy WHERE copy = 2 AND state = 'bad'"
                                           " AND reason = 'io-error'"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)",
                            "verification WHERE started = 13 AND finished = 14 AND status = 'io-error'"
                            " AND records = 3 AND bad_records = 2 AND files = 2 AND bad_files = 1"
                            " AND message = 'cannot read'"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)", "damage"), 3);
    assert_int_equal(bl_number(b, "COUNT(*)", "damage WHERE record = 0 AND path IS NULL"
                                           " AND status = 'io-error'"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)", "damage WHERE record = 1 AND path IS NOT NULL"
                                           " AND status = 'bad-format'"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)", "damage WHERE record IS NULL AND CAST(path AS CHAR) = '/only'"
                                           " AND status = 'missing'"),
                     1);
}

/* The catalog was away when the dump had read it back, and was there for another run, which found
 * more. */
static void what_was_found_out_since_stays(void **state)
{
    struct bl_bed *b = *state;
    struct pd_verify_result good = {
        .status = PD_OK, .started = 11, .finished = 12, .records = 3, .files = 2};
    struct pd_verification_row later = {.started = 20, .finished = 21, .mode = "full"};

    bl_begin(b, 1);
    (void)bl_written_well(b, 1, 2);
    cat_ok(b->c, pd_book_verified(&b->book, 1, 1, &good, &b->c->err));
    cat_ok(b->c, pd_book_verified(&b->book, 1, 2, &good, &b->c->err));
    bl_take_next(b, "begin");
    bl_take_next(b, "written");
    later.copy_id = bl_number(b, "id", "copy WHERE copy = 1");
    later.status = PD_BAD_RECORD;
    cat_ok(b->c, pd_catalog_verification_add(b->c->catalog, &later, NULL, 0, &b->c->err));
    later.copy_id = bl_number(b, "id", "copy WHERE copy = 2");
    later.status = PD_OK;
    cat_ok(b->c, pd_catalog_verification_add(b->c->catalog, &later, NULL, 0, &b->c->err));
    bl_take_next(b, "verified");
    bl_take_next(b, "verified");
    assert_int_equal(bl_number(b, "COUNT(*)", "verification WHERE finished = 12"), 2);
    assert_int_equal(bl_number(b, "COUNT(*)",
                               "copy WHERE copy = 1 AND state = 'bad'"
                               " AND reason = 'bad-record' AND changed = 21"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)",
                               "copy WHERE copy = 2 AND state = 'verified'"
                               " AND changed = 21"),
                     1);
}

static void put_volume(struct bl_bed *b, enum pd_volume_state state, uint64_t used)
{
    struct pd_volume_row row = b->volumes[0];

    row.state = state;
    row.tape_files = 7;
    row.used = used;
    row.last_written = 99;
    cat_ok(b->c, pd_book_volume(&b->book, &row, &b->c->err));
}

static void a_volume_changes(void **state)
{
    struct bl_bed *b = *state;

    put_volume(b, PD_VOLUME_FULL_STATE, 1000);
    put_volume(b, PD_VOLUME_BAD, 2000);
    put_volume(b, PD_VOLUME_APPENDABLE, 3000);
    bl_take_next(b, "volume");
    assert_int_equal(bl_number(b, "COUNT(*)",
                               "volume WHERE label = 'V1' AND state = 'full' AND tape_files = 7"
                               " AND used = 1000 AND last_written = 99"),
                     1);
    bl_take_next(b, "volume");
    assert_int_equal(bl_number(b, "COUNT(*)", "volume WHERE state = 'bad' AND used = 2000"), 1);
    bl_take_next(b, "volume"); /* nothing mends it */
    assert_int_equal(bl_number(b, "COUNT(*)", "volume WHERE state = 'bad' AND used = 3000"), 1);
    assert_int_equal(bl_number(b, "COUNT(*)", "volume WHERE label = 'V2' AND tape_files = 1"), 1);
}

/* An operator may have said something while the journal waited. */
static void what_an_operator_said_of_a_volume_stays(void **state)
{
    static const enum pd_volume_state said[] = {PD_VOLUME_RETIRED, PD_VOLUME_SCRATCH,
                                                PD_VOLUME_GONE};
    struct bl_bed *b = *state;
    struct pd_volume_row row;

    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        char text[96];
        (void)snprintf(text, sizeof text, "UPDATE volume SET state = '%s' WHERE label = 'V1'",
                       pd_volume_state_name(said[i]));
        cat_sql(b->c, text);
        put_volume(b, PD_VOLUME_APPENDABLE, 1000 + i);
        put_volume(b, PD_VOLUME_FULL_STATE, 1000 + i);
        bl_take_next(b, "volume");
        bl_take_next(b, "volume");
        cat_ok(b->c, pd_catalog_volume_find(b->c->catalog, "V1", &row, &b->c->err));
        assert_int_equal(row.state, said[i]);
        assert_int_equal(row.used, 1000 + i);
        put_volume(b, PD_VOLUME_BAD, 1000);
        bl_take_next(b, "volume");
        cat_ok(b->c, pd_catalog_volume_find(b->c->catalog, "V1", &row, &b->c->err));
        assert_int_equal(row.state, i == 0 ? PD_VOLUME_BAD : said[i]);
    }
}

static void what_a_drive_told_is_taken(void **state)
{
    struct bl_bed *b = *state;
    const struct pd_drive_report report = {.drive = "IBM ULT3580-TD8 10WT0\n",
                                           .taken = 77,
                                           .source = "sg_logs",
                                           .alerts = "4 media",
                                           .write_corrected = 12,
                                           .write_uncorrected = 0,
                                           .read_corrected = PD_COUNT_UNKNOWN,
                                           .read_uncorrected = INT64_MAX};

    cat_ok(b->c, pd_book_report(&b->book, b->volumes[1].uuid, &report, &b->c->err));
    bl_take_next(b, "report");
    assert_int_equal(bl_number(b, "COUNT(*)",
                               "drive_report r JOIN volume v ON v.id = r.volume_id"
                               " WHERE v.label = 'V2' AND r.taken = 77 AND r.alerts = '4 media'"
                               " AND r.source = 'sg_logs' AND r.write_corrected = 12"
                               " AND r.write_uncorrected = 0 AND r.read_corrected = -1"
                               " AND r.read_uncorrected = 9223372036854775807"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)", "drive_report"), 1);
}

/* What another dump has finished there meanwhile stays; what it only began does not count. */
static void a_volume_that_another_dump_has_used_since_stays(void **state)
{
    struct bl_bed *b = *state;
    struct pd_archive_row archive = {.dump_id = cat_dump(b->c, "other", 1, 1),
                                     .seq = 1,
                                     .name = "other.0001",
                                     .record_size = 65536};
    struct pd_copy_row copy = {.volume_id = b->volumes[0].id, .copy = 1, .tape_file = 7};

    cat_ok(b->c, pd_catalog_archive_begin(b->c->catalog, &archive, &copy, 1, &b->c->err));
    put_volume(b, PD_VOLUME_FULL_STATE, 1000);
    bl_take_next(b, "volume");
    assert_int_equal(bl_number(b, "COUNT(*)", "volume WHERE label = 'V1' AND state = 'full'"), 1);

    cat_sql(b->c, "UPDATE copy SET state = 'verified'");
    cat_sql(b->c,
            "UPDATE volume SET state = 'appendable', tape_files = 9, used = 5 WHERE label = 'V1'");
    put_volume(b, PD_VOLUME_FULL_STATE, 1000);
    bl_take_next(b, "volume");
    assert_int_equal(bl_number(b, "COUNT(*)",
                               "volume WHERE label = 'V1' AND state = 'appendable'"
                               " AND tape_files = 9 AND used = 5"),
                     1);
    put_volume(b, PD_VOLUME_BAD, 1000); /* but that is told */
    bl_take_next(b, "volume");
    assert_int_equal(bl_number(b, "COUNT(*)",
                               "volume WHERE label = 'V1' AND state = 'bad'"
                               " AND tape_files = 9 AND used = 5"),
                     1);
}

static void a_label_is_told(void **state)
{
    struct bl_bed *b = *state;

    cat_sql(b->c, "UPDATE volume SET state = 'reserved', tape_files = 0, reserved_by = 'd'");
    cat_ok(b->c, pd_book_labelling(&b->book, b->volumes[0].uuid, &b->c->err)); /* a note */
    cat_ok(b->c, pd_book_labelled(&b->book, b->volumes[0].uuid, &b->c->err));
    bl_take_next(b, "labelled");
    assert_int_equal(bl_number(b, "COUNT(*)",
                               "volume WHERE label = 'V1' AND state = 'appendable'"
                               " AND tape_files = 1 AND reserved_by = ''"),
                     1);
    assert_int_equal(bl_number(b, "COUNT(*)", "volume WHERE label = 'V2' AND state = 'reserved'"),
                     1);
}

static void a_dump_gets_on(void **state)
{
    struct bl_bed *b = *state;
    struct pd_dump_row row = {.state = PD_DUMP_LIST, .status = PD_OK, .skipped = 3};

    cat_ok(b->c, pd_book_state(&b->book, &row, &b->c->err));
    row = (struct pd_dump_row){.state = PD_DUMP_DONE, .status = PD_DEGRADED, .finished = 77,
                               .archives = 1, .files = 2, .bytes = 3, .problems = 4, .skipped = 5};
    cat_ok(b->c, pd_book_state(&b->book, &row, &b->c->err));
    bl_take_next(b, "state");
    cat_ok(b->c, pd_catalog_dump_find(b->c->catalog, "d", &row, &b->c->err));
    assert_int_equal(row.state, PD_DUMP_LIST);
    assert_int_equal(row.status, PD_OK);
    assert_int_equal(row.finished, 0);
    assert_int_equal(row.skipped, 3);
    bl_take_next(b, "state");
    cat_ok(b->c, pd_catalog_dump_find(b->c->catalog, "d", &row, &b->c->err));
    assert_int_equal(row.state, PD_DUMP_DONE);
    assert_int_equal(row.status, PD_DEGRADED);
    assert_int_equal(row.finished, 77);
    assert_int_equal(row.archives, 1);
    assert_int_equal(row.files, 2);
    assert_int_equal(row.bytes, 3);
    assert_int_equal(row.problems, 4);
    assert_int_equal(row.skipped, 5);
    assert_string_equal(row.name, "d"); /* what the entry does not tell stays */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bl_start, bl_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_tells_its_problems),
        TEST(an_archive_is_begun_on_its_volumes),
        TEST(an_archive_is_written),
        TEST(the_index_names_the_tape_file_of_the_first_good_copy),
        TEST(no_copy_was_written_has_no_tape_file),
        TEST(its_problems_come_with_it),
        TEST(an_archive_is_abandoned),
        TEST(a_copy_is_verified),
        TEST(what_was_found_out_since_stays),
        TEST(a_volume_changes),
        TEST(what_an_operator_said_of_a_volume_stays),
        TEST(what_a_drive_told_is_taken),
        TEST(a_volume_that_another_dump_has_used_since_stays),
        TEST(a_label_is_told),
        TEST(a_dump_gets_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
