#include <string.h>

#include "../../lib/catalog_lib.h"

/* An archive of a dump of two copies, on V1 and V2; V3 was made in place of V1. */
struct trio {
    int64_t v1, v2, v3, archive;
    struct pd_copy_row copies[2];
};

static struct pd_volume_row row_of(struct cat_case *c, const char *which)
{
    struct pd_volume_row row;

    cat_ok(c, pd_catalog_volume_find(c->catalog, which, &row, &c->err));
    return row;
}

static int64_t add_in_place_of(struct cat_case *c, const char *label, int64_t old)
{
    struct pd_volume_row row = row_of(c, "V1");

    (void)snprintf(row.label, sizeof row.label, "%s", label);
    (void)snprintf(row.uuid, sizeof row.uuid, "abcd9999-0000-4000-8000-0000000000%s", label);
    row.used = 0;
    row.tape_files = 1;
    row.replaces = old;
    cat_ok(c, pd_catalog_volume_add(c->catalog, &row, &c->err));
    return row.id;
}

static struct trio make_trio(struct cat_case *c)
{
    static const char *const path[] = {"/data/a"};
    struct trio t = {.v1 = cat_volume(c, "V1"), .v2 = cat_volume(c, "V2")};
    int64_t volumes[] = {t.v1, t.v2};
    int64_t dump = cat_dump(c, "d", 2, 1);

    t.archive = cat_archive(c, dump, 1, path, 1, volumes, 2, t.copies);
    cat_sql(c, "UPDATE dump SET state = 'done', archives = 1, finished = 2");
    cat_ok(c, cat_verify(c, t.copies[0].id, "full", PD_BAD_RECORD));
    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_OK));
    t.v3 = add_in_place_of(c, "V3", t.v1);
    return t;
}

static struct pd_copy_row make_copy(struct cat_case *c, const struct trio *t, int64_t volume)
{
    struct pd_copy_row row = {
        .archive_id = t->archive, .volume_id = volume, .copy = t->copies[0].copy, .tape_file = 1};

    cat_ok(c, pd_catalog_copy_begin(c->catalog, &row, &c->err));
    return row;
}

static enum pd_status held(struct cat_case *c, unsigned copies)
{
    const struct pd_held_terms terms = {.copies = copies};
    struct pd_item item = cat_item("/data/a");
    struct pd_held out = {PD_INTERNAL, 0};

    cat_ok(c, pd_catalog_held(c->catalog, &item, &terms, &out, &c->err));
    return out.why;
}

static struct pd_dump_row dump_of(struct cat_case *c)
{
    struct pd_dump_row row;

    cat_ok(c, pd_catalog_dump_find(c->catalog, "d", &row, &c->err));
    return row;
}

static void a_copy_made_later_is_written_then_verified(void **state)
{
    struct cat_case *c = *state;
    struct trio t = make_trio(c);
    struct pd_copy_row row = make_copy(c, &t, t.v3);

    assert_int_equal(cat_state(c, t.archive, row.id), PD_COPY_WRITING);
    assert_int_equal(cat_check(c), 0); /* being written, though its dump is done */
    row.tape_file = 3;
    cat_ok(c, pd_catalog_copy_written(c->catalog, &row, 1000, &c->err));
    assert_int_equal(cat_state(c, t.archive, row.id), PD_COPY_WRITTEN);
    assert_int_equal(row_of(c, "V3").tape_files, 4);
    assert_int_equal(row_of(c, "V3").used, 1000);
    assert_int_equal(row_of(c, "V3").replaces, t.v1);
    cat_expect(c, PD_CATALOG, pd_catalog_copy_written(c->catalog, &row, 1000, &c->err));
    assert_int_equal(row_of(c, "V3").used, 1000);
    cat_ok(c, cat_verify(c, row.id, "full", PD_OK));
    assert_int_equal(cat_state(c, t.archive, row.id), PD_COPY_VERIFIED);
    assert_int_equal(cat_check(c), 0);
}

static void what_a_run_left_is_taken_and_what_is_written_is_not(void **state)
{
    struct cat_case *c = *state;
    struct trio t = make_trio(c);
    struct pd_copy_row first = make_copy(c, &t, t.v3), again = make_copy(c, &t, t.v3);

    assert_int_equal(first.id, again.id);
    cat_ok(c, pd_catalog_copy_forget(c->catalog, again.id, &c->err));
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy"), 2);
    again = make_copy(c, &t, t.v3);
    cat_ok(c, pd_catalog_copy_written(c->catalog, &again, 1, &c->err));
    cat_expect(c, PD_EXISTS, pd_catalog_copy_begin(c->catalog, &again, &c->err));
    cat_ok(c, pd_catalog_copy_forget(c->catalog, again.id, &c->err));
    assert_int_equal(cat_state(c, t.archive, again.id), PD_COPY_WRITTEN);
}

static void what_was_replaced_counts_nowhere(void **state)
{
    struct cat_case *c = *state;
    struct trio t = make_trio(c);
    struct pd_copy_row row = make_copy(c, &t, t.v3);
    uint64_t missing = 7;

    cat_ok(c, pd_catalog_copy_written(c->catalog, &row, 1, &c->err));
    cat_expect(c, PD_CATALOG, pd_catalog_copy_replaces(c->catalog, row.id, t.v1, &c->err));
    pd_error_clear(&c->err);
    assert_int_equal(held(c, 2), PD_DEGRADED);
    assert_int_equal(dump_of(c).bad_copies, 1);
    cat_ok(c, cat_verify(c, row.id, "full", PD_OK));
    cat_ok(c, pd_catalog_copy_replaces(c->catalog, row.id, t.v1, &c->err));
    assert_int_equal(held(c, 2), PD_OK);
    assert_int_equal(held(c, 3), PD_DEGRADED);
    assert_int_equal(dump_of(c).bad_copies, 0);
    assert_int_equal(row_of(c, "V1").bad_copies, 0);
    cat_ok(c, pd_catalog_missing_copies(c->catalog, 0, &missing, &c->err));
    assert_int_equal(missing, 0);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy WHERE reason = 'replaced'"
                                   " AND message = 'replaced by the copy on V3'"),
                     1);
    assert_int_equal(cat_check(c), 0);

    /* whatever is found out, and when its volume is given up */
    cat_ok(c, cat_verify(c, t.copies[0].id, "full", PD_OK));
    assert_int_equal(cat_state(c, t.archive, t.copies[0].id), PD_COPY_BAD);
    cat_ok(c, pd_catalog_volume_scratch(c->catalog, row_of(c, "V1").uuid, false, &c->err));
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy WHERE reason = 'replaced'"), 1);
    assert_int_equal(dump_of(c).bad_copies, 0);
    assert_int_equal(held(c, 2), PD_OK);
    assert_int_equal(cat_check(c), 0);
}

static void bad_ones_made_before_are_replaced_too(void **state)
{
    struct cat_case *c = *state;
    struct trio t = make_trio(c);
    struct pd_copy_row bad = make_copy(c, &t, t.v3), good;

    cat_ok(c, pd_catalog_copy_written(c->catalog, &bad, 1, &c->err));
    cat_ok(c, cat_verify(c, bad.id, "full", PD_BAD_FILE));
    good = make_copy(c, &t, add_in_place_of(c, "V4", t.v1));
    cat_ok(c, pd_catalog_copy_written(c->catalog, &good, 1, &c->err));
    cat_ok(c, cat_verify(c, good.id, "full", PD_OK));
    cat_ok(c, pd_catalog_copy_replaces(c->catalog, good.id, t.v1, &c->err));
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy WHERE reason = 'replaced'"), 2);
    assert_int_equal(cat_state(c, t.archive, good.id), PD_COPY_VERIFIED);
    assert_int_equal(cat_state(c, t.archive, t.copies[1].id), PD_COPY_VERIFIED);
    assert_int_equal(held(c, 2), PD_OK);
}

static void the_check_finds_what_contradicts(void **state)
{
    struct cat_case *c = *state;
    struct trio t = make_trio(c);

    (void)t;
    cat_sql(c, "UPDATE copy SET reason = 'replaced' WHERE copy = 1");
    assert_int_equal(cat_check(c), 1);
    assert_non_null(strstr(c->problems, "replaced, but by no other copy: V1"));
    cat_sql(c, "UPDATE copy SET reason = 'bad-record' WHERE copy = 1");
    cat_sql(c, "UPDATE volume SET replaces = 99 WHERE label = 'V3'");
    assert_int_equal(cat_check(c), 1);
    assert_non_null(strstr(c->problems, "made in place of no volume: V3"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, cat_setup, cat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_made_later_is_written_then_verified),
        TEST(what_a_run_left_is_taken_and_what_is_written_is_not),
        TEST(what_was_replaced_counts_nowhere),
        TEST(bad_ones_made_before_are_replaced_too),
        TEST(the_check_finds_what_contradicts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
