#include <string.h>

#include "../../lib/catalog_lib.h"

#define UUID_D "dddddddd-2222-4333-8444-555555555555"
#define UUID_V "eeeeeeee-2222-4333-8444-555555555555"

static struct pd_volume_row a_volume(const char *label, const char *uuid)
{
    struct pd_volume_row row = {.copy = 1,
                                .pool = "default",
                                .location = "disk:/a",
                                .host = "h",
                                .block_size = 65536,
                                .tape_files = 3,
                                .created = 5};

    snprintf(row.label, sizeof row.label, "%s", label);
    snprintf(row.uuid, sizeof row.uuid, "%s", uuid);
    return row;
}

static struct pd_dump_row a_dump(const char *name)
{
    struct pd_dump_row row = {.uuid = UUID_D, .copies = 2, .started = 7, .finished = 9};

    snprintf(row.name, sizeof row.name, "%s", name);
    return row;
}

static enum pd_heard_as hear_volume(struct cat_case *c, struct pd_volume_row *row)
{
    struct pd_heard heard;

    cat_ok(c, pd_catalog_hear_volume(c->catalog, row, &heard, &c->err));
    return heard.as;
}

static enum pd_heard_as hear_dump(struct cat_case *c, struct pd_dump_row *row)
{
    struct pd_heard heard;

    cat_ok(c, pd_catalog_hear_dump(c->catalog, row, &heard, &c->err));
    return heard.as;
}

static void make_toc(struct cat_case *c, struct pd_toc *toc, const char *name, uint64_t seq)
{
    cat_toc_start(toc, name);
    cat_toc_add(c, toc, "/data/a");
    cat_toc_add(c, toc, "/data/b");
    cat_toc_end(c, toc);
    toc->seq = seq;
}

struct heard_copy {
    struct pd_heard heard;
    bool archive_added, copy_added;
    int64_t archive_id;
};

static struct heard_copy hear(struct cat_case *c, const struct pd_dump_row *dump,
                              struct pd_toc *toc, int64_t volume, uint32_t tape_file,
                              enum pd_copy_state state)
{
    struct pd_copy_row copy = {.volume_id = volume,
                               .copy = 1,
                               .tape_file = tape_file,
                               .state = state,
                               .reason = state == PD_COPY_BAD ? PD_TRUNCATED : PD_OK,
                               .changed = 11};
    struct pd_heard_archive in = {.dump = dump, .toc = toc, .copy = &copy};
    struct heard_copy out;

    cat_ok(c, pd_catalog_hear_archive(c->catalog, &in, &out.heard, &c->err));
    out.archive_added = in.archive_added;
    out.copy_added = in.copy_added;
    out.archive_id = in.archive_id;
    return out;
}

static void a_volume_is_added_once(void **state)
{
    struct cat_case *c = *state;
    struct pd_volume_row row = a_volume("V1", UUID_V), again = row, other;

    assert_int_equal(hear_volume(c, &row), PD_HEARD_ADDED);
    again.location[0] = 'x'; /* where it is seen later changes nothing */
    assert_int_equal(hear_volume(c, &again), PD_HEARD_KNOWN);
    assert_int_equal(again.id, row.id);
    assert_string_equal(again.location, "disk:/a");
    other = a_volume("V1", UUID_D);
    assert_int_equal(hear_volume(c, &other), PD_HEARD_CONTRADICTS);
    other = a_volume("V2", UUID_V);
    assert_int_equal(hear_volume(c, &other), PD_HEARD_CONTRADICTS);
    other = a_volume("V1", UUID_V);
    other.copy = 2;
    assert_int_equal(hear_volume(c, &other), PD_HEARD_CONTRADICTS);
    other.copy = 1;
    other.block_size *= 2;
    assert_int_equal(hear_volume(c, &other), PD_HEARD_CONTRADICTS);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM volume"), 1);
    assert_int_equal(cat_check(c), 0);
}

static void what_was_given_up_stays_so(void **state)
{
    static const char *const states[] = {"scratch", "gone", "reserved"};
    struct cat_case *c = *state;
    struct pd_volume_row row = a_volume("V1", UUID_V);
    char sql[80];

    assert_int_equal(hear_volume(c, &row), PD_HEARD_ADDED);
    for (size_t i = 0; i < 3; i++) {
        snprintf(sql, sizeof sql, "UPDATE volume SET state = '%s'", states[i]);
        cat_sql(c, sql);
        row = a_volume("V1", UUID_V);
        assert_int_equal(hear_volume(c, &row), PD_HEARD_LEFT_OUT);
    }
}

static void a_dump_is_added_once_and_completed(void **state)
{
    struct cat_case *c = *state;
    struct pd_dump_row row = a_dump("d"), again = a_dump("d"), other = a_dump("e");

    assert_int_equal(hear_dump(c, &row), PD_HEARD_ADDED);
    assert_int_equal(row.state, PD_DUMP_DONE);
    assert_int_equal(row.status, PD_UNVERIFIED);
    snprintf(again.host, sizeof again.host, "here");
    again.started = 6;
    again.incremental = true;
    assert_int_equal(hear_dump(c, &again), PD_HEARD_KNOWN);
    cat_ok(c, pd_catalog_dump_find(c->catalog, "d", &again, &c->err));
    assert_int_equal(again.id, row.id);
    assert_string_equal(again.host, "here");
    assert_int_equal(again.started, 6);
    assert_true(again.incremental);
    again = a_dump("d");
    assert_int_equal(hear_dump(c, &again), PD_HEARD_KNOWN);
    assert_string_equal(again.host, "here"); /* what is known is not lost */
    again = a_dump("d");
    snprintf(again.host, sizeof again.host, "there");
    assert_int_equal(hear_dump(c, &again), PD_HEARD_CONTRADICTS);
    assert_int_equal(hear_dump(c, &other), PD_HEARD_CONTRADICTS);
    other = a_dump("d");
    snprintf(other.uuid, sizeof other.uuid, "%s", UUID_V);
    assert_int_equal(hear_dump(c, &other), PD_HEARD_CONTRADICTS);
    /* no dump is found by a part of its UUID, or by an order */
    other = a_dump("last");
    snprintf(other.uuid, sizeof other.uuid, "%s", UUID_V);
    assert_int_equal(hear_dump(c, &other), PD_HEARD_ADDED);
    assert_int_equal(cat_check(c), 0);
}

static void one_that_ran_here_is_not_changed(void **state)
{
    struct cat_case *c = *state;
    int64_t id = cat_dump(c, "d", 2, 100);
    struct pd_dump_row row, told;
    const struct pd_problem problem = {.path = "/x", .status = PD_IO, .message = "m"};

    cat_sql(c, "UPDATE dump SET pid = 77");
    cat_ok(c, pd_catalog_dump_find(c->catalog, "d", &row, &c->err));
    told = row;
    assert_int_equal(hear_dump(c, &told), PD_HEARD_LEFT_OUT); /* it has not ended */
    cat_sql(c, "UPDATE dump SET state = 'done'");
    told = row;
    told.started = 1;
    told.copies = 8;
    assert_int_equal(hear_dump(c, &told), PD_HEARD_KNOWN);
    assert_int_equal(told.id, id);
    assert_int_equal(told.started, 100);
    assert_int_equal(told.copies, 2);
    cat_ok(c, pd_catalog_hear_problem(c->catalog, &told, &problem, &c->err));
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM problem"), 0);
}

static void an_archive_and_its_copies_are_added(void **state)
{
    struct cat_case *c = *state;
    struct pd_volume_row v1 = a_volume("V1", UUID_V);
    struct pd_dump_row dump = a_dump("d");
    int64_t v2 = cat_volume(c, "V2");
    struct heard_copy got;
    struct pd_toc toc;

    (void)hear_volume(c, &v1);
    (void)hear_dump(c, &dump);
    make_toc(c, &toc, "d.0001", 1);
    got = hear(c, &dump, &toc, v1.id, 1, PD_COPY_WRITTEN);
    assert_int_equal(got.heard.as, PD_HEARD_ADDED);
    assert_true(got.archive_added && got.copy_added);
    got = hear(c, &dump, &toc, v1.id, 1, PD_COPY_WRITTEN);
    assert_int_equal(got.heard.as, PD_HEARD_KNOWN);
    assert_false(got.archive_added || got.copy_added);
    got = hear(c, &dump, &toc, v2, 1, PD_COPY_BAD);
    assert_true(!got.archive_added && got.copy_added);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy WHERE state = 'verified'"), 0);
    assert_int_equal(cat_number(c, "SELECT archives FROM dump"), 1);
    assert_int_equal(cat_number(c, "SELECT files FROM dump"), 2);
    assert_int_equal(cat_number(c, "SELECT used FROM volume WHERE label = 'V1'"),
                     (int64_t)(toc.record_count * toc.record_size));
    assert_int_equal(cat_number(c, "SELECT used FROM volume WHERE label = 'V2'"), 0);
    assert_int_equal(cat_check(c), 0);
    pd_toc_release(&toc);
}

static void a_copy_that_is_known_stays_in_its_state(void **state)
{
    static const char *const states[] = {"bad", "verified"};
    struct cat_case *c = *state;
    struct pd_volume_row v1 = a_volume("V1", UUID_V);
    struct pd_dump_row dump = a_dump("d");
    struct heard_copy got;
    struct pd_toc toc;
    char sql[120];

    (void)hear_volume(c, &v1);
    (void)hear_dump(c, &dump);
    make_toc(c, &toc, "d.0001", 1);
    (void)hear(c, &dump, &toc, v1.id, 1, PD_COPY_WRITTEN);
    for (size_t i = 0; i < 2; i++) {
        snprintf(sql, sizeof sql, "UPDATE copy SET state = '%s'", states[i]);
        cat_sql(c, sql);
        got = hear(c, &dump, &toc, v1.id, 1, i == 0 ? PD_COPY_WRITTEN : PD_COPY_BAD);
        assert_int_equal(got.heard.as, PD_HEARD_KNOWN);
        snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM copy WHERE state = '%s'", states[i]);
        assert_int_equal(cat_number(c, sql), 1);
    }
    pd_toc_release(&toc);
}

static void what_differs_contradicts_and_adds_nothing(void **state)
{
    struct cat_case *c = *state;
    struct pd_volume_row v1 = a_volume("V1", UUID_V);
    struct pd_dump_row dump = a_dump("d");
    int64_t v2 = cat_volume(c, "V2");
    struct heard_copy got;
    struct pd_toc toc, other;

    (void)hear_volume(c, &v1);
    (void)hear_dump(c, &dump);
    make_toc(c, &toc, "d.0001", 1);
    (void)hear(c, &dump, &toc, v1.id, 1, PD_COPY_WRITTEN);
    toc.files[1].mode ^= 1;
    got = hear(c, &dump, &toc, v2, 1, PD_COPY_WRITTEN);
    assert_int_equal(got.heard.as, PD_HEARD_CONTRADICTS);
    toc.files[1].mode ^= 1;
    toc.files[0].ino++;
    got = hear(c, &dump, &toc, v2, 1, PD_COPY_WRITTEN);
    assert_int_equal(got.heard.as, PD_HEARD_CONTRADICTS);
    toc.files[0].ino--;
    toc.records[0].bytes[3] ^= 1;
    got = hear(c, &dump, &toc, v2, 1, PD_COPY_WRITTEN);
    assert_int_equal(got.heard.as, PD_HEARD_CONTRADICTS);
    toc.records[0].bytes[3] ^= 1;
    got = hear(c, &dump, &toc, v1.id, 2, PD_COPY_WRITTEN); /* elsewhere on the volume */
    assert_int_equal(got.heard.as, PD_HEARD_CONTRADICTS);
    make_toc(c, &other, "d.0002", 2);
    got = hear(c, &dump, &other, v1.id, 1, PD_COPY_WRITTEN); /* where another one is */
    assert_int_equal(got.heard.as, PD_HEARD_CONTRADICTS);
    assert_false(got.archive_added);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM archive"), 1);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy"), 1);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM file"), 2);
    assert_int_equal(cat_number(c, "SELECT archives FROM dump"), 1);
    assert_int_equal(cat_check(c), 0);
    pd_toc_release(&toc);
    pd_toc_release(&other);
}

static void inodes_come_with_an_index(void **state)
{
    struct cat_case *c = *state;
    struct pd_volume_row v1 = a_volume("V1", UUID_V);
    struct pd_dump_row dump = a_dump("d");
    struct heard_copy got;
    struct pd_toc weak, strong;

    (void)hear_volume(c, &v1);
    (void)hear_dump(c, &dump);
    make_toc(c, &strong, "d.0001", 1);
    make_toc(c, &weak, "d.0001", 1);
    for (uint64_t i = 0; i < weak.file_count; i++) {
        weak.files[i].ino = PD_INO_UNKNOWN;
        weak.files[i].dev = 0;
    }
    (void)hear(c, &dump, &weak, v1.id, 1, PD_COPY_WRITTEN);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM file WHERE ino = -1"), 2);
    got = hear(c, &dump, &strong, v1.id, 1, PD_COPY_WRITTEN);
    assert_int_equal(got.heard.as, PD_HEARD_KNOWN);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM file WHERE ino = -1"), 0);
    got = hear(c, &dump, &weak, v1.id, 1, PD_COPY_WRITTEN); /* and are not lost again */
    assert_int_equal(got.heard.as, PD_HEARD_KNOWN);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM file WHERE ino = -1"), 0);
    assert_int_equal(weak.files[0].ino, PD_INO_UNKNOWN);
    assert_int_equal(cat_check(c), 0);
    pd_toc_release(&weak);
    pd_toc_release(&strong);
}

static enum pd_status end(struct cat_case *c, const struct pd_dump_row *dump, uint64_t indexed,
                          uint64_t learned)
{
    struct pd_heard_end told = {.indexed = indexed, .learned = learned};
    struct pd_dump_row row;

    cat_ok(c, pd_catalog_hear_end(c->catalog, dump->id, &told, &c->err));
    cat_ok(c, pd_catalog_dump_find(c->catalog, dump->uuid, &row, &c->err));
    return row.status;
}

static void a_dump_is_not_called_whole_before_its_end_was_seen(void **state)
{
    struct cat_case *c = *state;
    struct pd_volume_row v1 = a_volume("V1", UUID_V);
    struct pd_dump_row dump = a_dump("d");
    struct pd_toc toc;

    (void)hear_volume(c, &v1);
    (void)hear_dump(c, &dump);
    make_toc(c, &toc, "d.0002", 2);
    (void)hear(c, &dump, &toc, v1.id, 2, PD_COPY_WRITTEN);
    pd_toc_release(&toc);
    assert_int_equal(end(c, &dump, 0, 2), PD_TRUNCATED);
    assert_int_equal(end(c, &dump, 2, 0), PD_MISSING);
    assert_int_equal(end(c, &dump, 0, 0), PD_MISSING);
    make_toc(c, &toc, "d.0001", 1);
    (void)hear(c, &dump, &toc, v1.id, 1, PD_COPY_WRITTEN);
    pd_toc_release(&toc);
    assert_int_equal(end(c, &dump, 1, 0), PD_UNVERIFIED); /* its end was seen before */
    assert_int_equal(end(c, &dump, 1, 2), PD_TRUNCATED);
    assert_int_equal(end(c, &dump, 1, 0), PD_TRUNCATED);
    assert_int_equal(end(c, &dump, 2, 2), PD_UNVERIFIED);
    cat_sql(c, "UPDATE dump SET pid = 77, status = 'ok'");
    assert_int_equal(end(c, &dump, 1, 2), PD_OK); /* one that ran here knows better */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cat_setup, cat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_volume_is_added_once),
        TEST(what_was_given_up_stays_so),
        TEST(a_dump_is_added_once_and_completed),
        TEST(one_that_ran_here_is_not_changed),
        TEST(an_archive_and_its_copies_are_added),
        TEST(a_copy_that_is_known_stays_in_its_state),
        TEST(what_differs_contradicts_and_adds_nothing),
        TEST(inodes_come_with_an_index),
        TEST(a_dump_is_not_called_whole_before_its_end_was_seen),
    };

    return cmocka_run_group_tests_name("rebuild", tests, NULL, NULL);
}
