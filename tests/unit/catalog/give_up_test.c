#include <string.h>

#include "../../lib/catalog_lib.h"

/* Two volumes with the same archive of one dump on them; `here` is on V1, `there` on V2. */
struct twins {
    int64_t v1, v2, archive;
    struct pd_copy_row copies[2];
};

static struct pd_volume_row row_of(struct cat_case *c, const char *which)
{
    struct pd_volume_row row;

    cat_ok(c, pd_catalog_volume_find(c->catalog, which, &row, &c->err));
    return row;
}

static struct twins make_twins(struct cat_case *c)
{
    static const char *const path[] = {"/data/a"};
    struct twins t = {.v1 = cat_volume(c, "V1"), .v2 = cat_volume(c, "V2")};
    int64_t volumes[] = {t.v1, t.v2};
    int64_t dump = cat_dump(c, "d", 2, 1);

    t.archive = cat_archive(c, dump, 1, path, 1, volumes, 2, t.copies);
    return t;
}

static enum pd_status scratch(struct cat_case *c, const char *which, bool lose)
{
    struct pd_volume_row row = row_of(c, which);

    pd_error_clear(&c->err);
    return pd_catalog_volume_scratch(c->catalog, row.uuid, lose, &c->err);
}

static void a_volume_is_given_up_while_another_has_all_verified(void **state)
{
    struct cat_case *c = *state;
    struct twins t = make_twins(c);

    cat_expect(c, PD_HELD, scratch(c, "V1", false));
    assert_non_null(strstr(c->err.message, "no other verified copy of 1 archives, as d1.1"));
    assert_int_equal(row_of(c, "V1").state, PD_VOLUME_APPENDABLE);
    assert_int_equal(cat_state(c, t.archive, t.copies[0].id), PD_COPY_WRITTEN);
    /* its own verified copy is none elsewhere */
    cat_ok(c, cat_verify(c, t.copies[0].id, "full", PD_OK));
    cat_expect(c, PD_HELD, scratch(c, "V1", false));
    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_OK));
    cat_ok(c, scratch(c, "V1", false));
    assert_int_equal(row_of(c, "V1").state, PD_VOLUME_SCRATCH);
    assert_int_equal(cat_state(c, t.archive, t.copies[0].id), PD_COPY_BAD);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy WHERE reason = 'given-up'"
                                   " AND message = 'volume V1 was given up'"), 1);
    /* now the other one is the last */
    cat_expect(c, PD_HELD, scratch(c, "V2", false));
    assert_int_equal(cat_state(c, t.archive, t.copies[1].id), PD_COPY_VERIFIED);
    cat_ok(c, scratch(c, "V1", false)); /* once more changes nothing */
    assert_int_equal(cat_check(c), 0);
}

static void the_last_copy_is_given_up_when_that_is_said(void **state)
{
    struct cat_case *c = *state;
    struct twins t = make_twins(c);

    cat_ok(c, scratch(c, "V1", true));
    cat_ok(c, scratch(c, "V2", true));
    assert_int_equal(cat_state(c, t.archive, t.copies[1].id), PD_COPY_BAD);
    assert_int_equal(cat_check(c), 0);
}

static void what_was_given_up_stays_bad(void **state)
{
    struct cat_case *c = *state;
    struct twins t = make_twins(c);

    cat_ok(c, scratch(c, "V1", true));
    cat_ok(c, cat_verify(c, t.copies[0].id, "full", PD_OK));
    cat_ok(c, cat_verify(c, t.copies[0].id, "full", PD_BAD_RECORD));
    assert_int_equal(cat_state(c, t.archive, t.copies[0].id), PD_COPY_BAD);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy WHERE reason = 'given-up'"), 1);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM verification"), 2);
    assert_int_equal(cat_check(c), 0);
}

static void an_archive_that_comes_late_to_it_is_bad(void **state)
{
    struct cat_case *c = *state;
    int64_t volume = cat_volume(c, "V1"), dump = cat_dump(c, "d", 1, 1);
    struct pd_copy_row copy;
    struct pd_toc toc;
    int64_t archive = cat_begin(c, dump, 1, &volume, 1, &copy);

    cat_sql(c, "UPDATE volume SET state = 'scratch'");
    cat_toc_start(&toc, "d.1");
    cat_toc_add(c, &toc, "/data/a");
    cat_toc_end(c, &toc);
    copy.state = PD_COPY_WRITTEN;
    cat_ok(c, pd_catalog_archive_written(c->catalog, archive, &toc, &copy, 1, &c->err));
    assert_int_equal(cat_state(c, archive, copy.id), PD_COPY_BAD);
    assert_int_equal(cat_check(c), 0);
    pd_toc_release(&toc);
}

static void a_retention_date_keeps_it(void **state)
{
    struct cat_case *c = *state;
    int64_t now = pd_clock_utc(c->env.clock);
    int64_t id = cat_volume(c, "V1");

    cat_ok(c, pd_catalog_volume_retain(c->catalog, id, now + 1, &c->err));
    for (int lose = 0; lose < 2; lose++) {
        cat_expect(c, PD_HELD, scratch(c, "V1", lose));
        assert_non_null(strstr(c->err.message, "is to be kept until"));
    }
    assert_int_equal(row_of(c, "V1").state, PD_VOLUME_APPENDABLE);
    cat_ok(c, pd_catalog_volume_retain(c->catalog, id, now, &c->err));
    cat_ok(c, scratch(c, "V1", false));
    /* what a dump keeps of the row does not undo it */
    cat_ok(c, pd_catalog_volume_retain(c->catalog, id, now + 5, &c->err));
    struct pd_volume_row row = row_of(c, "V1");
    row.retain_until = 0;
    cat_ok(c, pd_catalog_volume_update(c->catalog, &row, &c->err));
    assert_true(row_of(c, "V1").retain_until == now + 5);
    /* and it holds for the last step too */
    cat_expect(c, PD_HELD, pd_catalog_volume_gone(c->catalog, row.uuid, &c->err));
    cat_expect(c, PD_CATALOG, pd_catalog_volume_retain(c->catalog, 99, 1, &c->err));
}

static void an_unfinished_dump_keeps_it(void **state)
{
    struct cat_case *c = *state;
    int64_t volume = cat_volume(c, "V1"), dump = cat_dump(c, "d", 1, 1);
    struct pd_copy_row copy;

    (void)cat_begin(c, dump, 1, &volume, 1, &copy);
    cat_expect(c, PD_BUSY, scratch(c, "V1", true));
    assert_non_null(strstr(c->err.message, "unfinished dump d "));
    assert_int_equal(row_of(c, "V1").state, PD_VOLUME_APPENDABLE);
}

static void what_is_gone_leaves_its_label_to_another(void **state)
{
    struct cat_case *c = *state;
    struct twins t = make_twins(c);
    struct pd_volume_row old = row_of(c, "V1"), row;
    char label[32];

    cat_expect(c, PD_HELD, pd_catalog_volume_gone(c->catalog, old.uuid, &c->err));
    assert_non_null(strstr(c->err.message, "V1 is appendable"));
    cat_ok(c, scratch(c, "V1", true));
    for (int i = 0; i < 2; i++) {
        cat_ok(c, pd_catalog_volume_gone(c->catalog, old.uuid, &c->err));
    }
    cat_expect(c, PD_NOT_FOUND, pd_catalog_volume_find(c->catalog, "V1", &row, &c->err));
    row = row_of(c, old.uuid);
    assert_int_equal(row.id, t.v1);
    assert_int_equal(row.state, PD_VOLUME_GONE);
    (void)snprintf(label, sizeof label, "~%lld", (long long)t.v1);
    assert_string_equal(row.label, label);
    assert_string_equal(row.location, "");
    (void)cat_volume(c, "V1");
    assert_int_equal(cat_state(c, t.archive, t.copies[0].id), PD_COPY_BAD);
    cat_expect(c, PD_HELD, pd_catalog_volume_scratch(c->catalog, old.uuid, true, &c->err));
    cat_expect(c, PD_HELD, pd_catalog_volume_retire(c->catalog, old.uuid, &c->err));
    assert_int_equal(cat_check(c), 0);
}

static void retired_is_what_can_be_written(void **state)
{
    static const struct {
        enum pd_volume_state from;
        enum pd_status want;
    } cases[] = {
        {PD_VOLUME_APPENDABLE, PD_OK}, {PD_VOLUME_FULL_STATE, PD_OK}, {PD_VOLUME_RETIRED, PD_OK},
        {PD_VOLUME_RESERVED, PD_HELD}, {PD_VOLUME_SCRATCH, PD_HELD},  {PD_VOLUME_GONE, PD_HELD},
        {PD_VOLUME_BAD, PD_HELD},
    };
    struct cat_case *c = *state;
    struct twins t = make_twins(c);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pd_volume_row row = row_of(c, "V1");
        row.state = cases[i].from;
        cat_ok(c, pd_catalog_volume_update(c->catalog, &row, &c->err));
        cat_expect(c, cases[i].want, pd_catalog_volume_retire(c->catalog, row.uuid, &c->err));
        assert_int_equal(row_of(c, "V1").state,
                         cases[i].want == PD_OK ? PD_VOLUME_RETIRED : cases[i].from);
    }
    assert_int_equal(cat_state(c, t.archive, t.copies[0].id), PD_COPY_WRITTEN);
    cat_expect(c, PD_NOT_FOUND, pd_catalog_volume_retire(c->catalog, "none", &c->err));
}

static void a_bad_volume_state_and_copies_that_count_are_found(void **state)
{
    struct cat_case *c = *state;

    (void)make_twins(c);
    cat_sql(c, "UPDATE volume SET state = 'scratch' WHERE label = 'V1'");
    assert_int_equal(cat_check(c), 1);
    assert_non_null(strstr(c->problems, "its volume was given up: V1 d1.1"));
    cat_sql(c, "UPDATE copy SET state = 'bad' WHERE volume_id = 1");
    cat_sql(c, "INSERT INTO drive_report (volume_id, drive, taken, source, alerts,"
               " write_corrected, write_uncorrected, read_corrected, read_uncorrected)"
               " VALUES (77, 'd', 1, 's', '', 0, 0, 0, 0)");
    assert_true(cat_check(c) > 0); /* the engine itself may say so, too */
    assert_non_null(strstr(c->problems, "of no volume"));
}

struct seen {
    struct pd_drive_report last;
    unsigned n;
};

static enum pd_status note(void *arg, const struct pd_drive_report *report, struct pd_error *err)
{
    struct seen *seen = arg;

    (void)err;
    seen->last = *report;
    seen->n++;
    return PD_OK;
}

static void what_drives_told_comes_back(void **state)
{
    struct cat_case *c = *state;
    struct pd_drive_report report = {.volume_id = cat_volume(c, "V1"), .taken = 8,
                                     .source = "sg_logs", .alerts = "4 media, 6 write-failure",
                                     .write_corrected = 1, .write_uncorrected = 2,
                                     .read_corrected = UINT64_MAX - 1,
                                     .read_uncorrected = PD_COUNT_UNKNOWN};
    int64_t other = cat_volume(c, "V2");
    struct seen seen = {.n = 0};

    memset(report.drive, 'd', sizeof report.drive - 1);
    cat_ok(c, pd_catalog_drive_report_add(c->catalog, &report, &c->err));
    cat_ok(c, pd_catalog_drive_reports(c->catalog, report.volume_id, note, &seen, &c->err));
    assert_int_equal(seen.n, 1);
    assert_true(seen.last.volume_id == report.volume_id && seen.last.taken == report.taken);
    assert_string_equal(seen.last.drive, report.drive);
    assert_string_equal(seen.last.source, report.source);
    assert_string_equal(seen.last.alerts, report.alerts);
    assert_string_equal(seen.last.label, "V1");
    assert_true(seen.last.write_corrected == 1 && seen.last.write_uncorrected == 2);
    assert_true(seen.last.read_corrected == report.read_corrected);
    assert_true(seen.last.read_uncorrected == PD_COUNT_UNKNOWN);
    report.volume_id = other;
    report.taken = 9;
    cat_ok(c, pd_catalog_drive_report_add(c->catalog, &report, &c->err));
    seen.n = 0;
    cat_ok(c, pd_catalog_drive_reports(c->catalog, other, note, &seen, &c->err));
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.last.taken, 9);
    cat_ok(c, pd_catalog_drive_reports(c->catalog, 0, note, &seen, &c->err));
    assert_int_equal(seen.n, 3);
    assert_int_equal(cat_check(c), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cat_setup, cat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_volume_is_given_up_while_another_has_all_verified),
        TEST(the_last_copy_is_given_up_when_that_is_said),
        TEST(what_was_given_up_stays_bad),
        TEST(an_archive_that_comes_late_to_it_is_bad),
        TEST(a_retention_date_keeps_it),
        TEST(an_unfinished_dump_keeps_it),
        TEST(what_is_gone_leaves_its_label_to_another),
        TEST(retired_is_what_can_be_written),
        TEST(a_bad_volume_state_and_copies_that_count_are_found),
        TEST(what_drives_told_comes_back),
    };

    return cmocka_run_group_tests_name("give_up", tests, NULL, NULL);
}
