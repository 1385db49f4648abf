#include <string.h>

#include "../../lib/catalog_lib.h"

/* A dump that was to have two copies, of which each test makes what it needs. */
struct two {
    int64_t dump, archive, volumes[2];
    struct pd_copy_row copies[2];
};

static const char *const paths[] = {"/data/a", "/data/b"};

static struct two make_two(struct cat_case *c)
{
    struct two t = {.dump = cat_dump(c, "d", 2, 1)};

    t.volumes[0] = cat_volume(c, "V1");
    t.volumes[1] = cat_volume(c, "V2");
    t.archive = cat_archive(c, t.dump, 1, paths, 2, t.volumes, 2, t.copies);
    return t;
}

static void verify_both(struct cat_case *c, const struct two *t)
{
    cat_ok(c, cat_verify(c, t->copies[0].id, "full", PD_OK));
    cat_ok(c, cat_verify(c, t->copies[1].id, "full", PD_OK));
}

static enum pd_status held_item(struct cat_case *c, const struct pd_item *item, unsigned copies)
{
    const struct pd_held_terms terms = {.copies = copies};
    struct pd_held held = {PD_INTERNAL, 0};

    cat_ok(c, pd_catalog_held(c->catalog, item, &terms, &held, &c->err));
    return held.why;
}

static enum pd_status held(struct cat_case *c, const char *path)
{
    struct pd_item item = cat_item(path);

    return held_item(c, &item, 1);
}

#define assert_status(got, wanted)                                                                 \
    assert_string_equal(pd_status_name(got), pd_status_name(wanted))

/* ---- held ---- */

static void what_was_never_dumped_is_not_found(void **state)
{
    static const char *const unknown[] = {"/data/c", "/data", "/data/", "/", "/other/a",
                                          "/DATA/a", "/data/A", "/data/a ", "/data/[a]",
                                          "/data/*", "/data/_"};
    struct cat_case *c = *state;

    assert_status(held(c, "/data/a"), PD_NOT_FOUND);
    struct two t = make_two(c);
    verify_both(c, &t);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_status(held(c, unknown[i]), PD_NOT_FOUND);
    }
}

static void only_what_all_copies_verified_hold_is_held(void **state)
{
    static const enum pd_status by_states[4][4] = {
        /* second copy: writing, written, verified, bad */
        [PD_COPY_WRITING] = {PD_DEGRADED, PD_DEGRADED, PD_DEGRADED, PD_DEGRADED},
        [PD_COPY_WRITTEN] = {PD_DEGRADED, PD_UNVERIFIED, PD_UNVERIFIED, PD_DEGRADED},
        [PD_COPY_VERIFIED] = {PD_DEGRADED, PD_UNVERIFIED, PD_OK, PD_DEGRADED},
        [PD_COPY_BAD] = {PD_DEGRADED, PD_DEGRADED, PD_DEGRADED, PD_DEGRADED},
    };
    struct cat_case *c = *state;
    char sql[128];

    (void)make_two(c);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 4; k++) {
            (void)snprintf(sql, sizeof sql, "UPDATE copy SET state = '%s' WHERE copy = 1",
                           pd_copy_state_name((enum pd_copy_state)i));
            cat_sql(c, sql);
            (void)snprintf(sql, sizeof sql, "UPDATE copy SET state = '%s' WHERE copy = 2",
                           pd_copy_state_name((enum pd_copy_state)k));
            cat_sql(c, sql);
            assert_status(held(c, "/data/a"), by_states[i][k]);
        }
    }
    cat_sql(c, "UPDATE copy SET state = 'nonsense'");
    assert_status(held(c, "/data/a"), PD_DEGRADED);
}

static void a_copy_becomes_held_by_verification_alone(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);

    assert_status(held(c, "/data/a"), PD_UNVERIFIED);
    cat_ok(c, cat_verify(c, t.copies[0].id, "full", PD_OK));
    cat_ok(c, cat_verify(c, t.copies[1].id, "records", PD_OK));
    assert_status(held(c, "/data/a"), PD_UNVERIFIED);
    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_INTERRUPTED));
    assert_status(held(c, "/data/a"), PD_UNVERIFIED);
    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_OK));
    assert_status(held(c, "/data/a"), PD_OK);
    assert_status(held(c, "/data/b"), PD_OK);
    cat_ok(c, cat_verify(c, t.copies[0].id, "records", PD_BAD_RECORD));
    assert_status(held(c, "/data/a"), PD_DEGRADED);
    cat_ok(c, cat_verify(c, t.copies[0].id, "full", PD_OK));
    assert_status(held(c, "/data/a"), PD_OK);
}

static void anything_changed_is_not_held(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);
    const struct pd_item same = cat_item("/data/a");
    struct pd_item items[8];

    verify_both(c, &t);
    for (size_t i = 0; i < 8; i++) {
        items[i] = same;
    }
    items[0].size++;
    items[1].mtime--;
    items[2].mtime_ns++;
    items[3].ctime++;
    items[4].ctime_ns--;
    items[5].kind = PD_KIND_DIR;
    items[6].kind = PD_KIND_SYMLINK;
    items[7].size = 0;
    assert_status(held_item(c, &same, 1), PD_OK);
    for (size_t i = 0; i < 8; i++) {
        assert_status(held_item(c, &items[i], 1), PD_SOURCE_CHANGED);
    }
    /* what may differ: how it would be stored, and how many names it has */
    items[0] = same;
    items[0].stored = 99;
    items[0].nlink = 5;
    items[0].dev = 7;
    assert_status(held_item(c, &items[0], 1), PD_OK);
}

static void another_inode_is_another_file(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);
    struct pd_item item = cat_item("/data/a");

    verify_both(c, &t);
    item.ino = 5;
    assert_status(held_item(c, &item, 1), PD_OK); /* none is known */
    cat_sql(c, "UPDATE file SET ino = 5");
    assert_status(held_item(c, &item, 1), PD_OK);
    item.ino = 6;
    assert_status(held_item(c, &item, 1), PD_SOURCE_CHANGED);
    item.ino = 0;
    assert_status(held_item(c, &item, 1), PD_OK);
    cat_sql(c, "UPDATE file SET ino = -1");
    item.ino = UINT64_MAX;
    assert_status(held_item(c, &item, 1), PD_OK);
}

static void what_is_not_whole_in_the_archive_is_not_held(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);

    verify_both(c, &t);
    cat_sql(c, "UPDATE file SET state = 126 WHERE seq = 0"); /* '~' */
    assert_status(held(c, "/data/a"), PD_SOURCE_CHANGED);
    assert_status(held(c, "/data/b"), PD_OK);
    cat_sql(c, "UPDATE file SET state = 33 WHERE seq = 0"); /* '!' */
    assert_status(held(c, "/data/a"), PD_SOURCE_CHANGED);
    cat_sql(c, "UPDATE file SET state = 0 WHERE seq = 0");
    assert_status(held(c, "/data/a"), PD_SOURCE_CHANGED);
}

static void all_kinds_can_be_held(void **state)
{
    static const struct {
        const char *path;
        enum pd_kind stored, asked;
    } kinds[] = {
        {"/k/d", PD_KIND_DIR, PD_KIND_DIR},        {"/k/l", PD_KIND_SYMLINK, PD_KIND_SYMLINK},
        {"/k/h", PD_KIND_HARDLINK, PD_KIND_FILE},  {"/k/p", PD_KIND_FIFO, PD_KIND_FIFO},
        {"/k/c", PD_KIND_CHAR, PD_KIND_CHAR},      {"/k/b", PD_KIND_BLOCK, PD_KIND_BLOCK},
        {"/k/\xff *", PD_KIND_FILE, PD_KIND_FILE}, {"/top", PD_KIND_FILE, PD_KIND_FILE},
        {"/", PD_KIND_DIR, PD_KIND_DIR},
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 1, 1), volume = cat_volume(c, "V1");
    struct pd_copy_row copy;
    struct pd_toc toc;
    int64_t id = cat_begin(c, dump, 1, &volume, 1, &copy);

    cat_toc_start(&toc, "d.1");
    for (size_t i = 0; i < KINDS; i++) {
        cat_toc_add(c, &toc, kinds[i].path);
        toc.files[i].kind = (char)kinds[i].stored;
    }
    cat_toc_end(c, &toc);
    copy.state = PD_COPY_WRITTEN;
    cat_ok(c, pd_catalog_archive_written(c->catalog, id, &toc, &copy, 1, &c->err));
    pd_toc_release(&toc);
    cat_ok(c, cat_verify(c, copy.id, "full", PD_OK));
    for (size_t i = 0; i < KINDS; i++) {
        struct pd_item item = cat_item(kinds[i].path);
        item.kind = (char)kinds[i].asked;
        assert_status(held_item(c, &item, 1), PD_OK);
        item.kind = kinds[i].asked == PD_KIND_FILE ? PD_KIND_DIR : PD_KIND_FILE;
        assert_status(held_item(c, &item, 1), PD_SOURCE_CHANGED);
    }
}

static void a_copy_that_never_came_is_missed(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 3, 1);
    int64_t volumes[] = {cat_volume(c, "V1"), cat_volume(c, "V2")};
    struct pd_copy_row copies[2];
    uint64_t missing = 77;

    (void)cat_archive(c, dump, 1, paths, 2, volumes, 2, copies);
    cat_ok(c, cat_verify(c, copies[0].id, "full", PD_OK));
    assert_status(held(c, "/data/a"), PD_DEGRADED);
    cat_ok(c, cat_verify(c, copies[1].id, "full", PD_OK));
    assert_status(held(c, "/data/a"), PD_DEGRADED);
    cat_ok(c, pd_catalog_missing_copies(c->catalog, dump, &missing, &c->err));
    assert_int_equal(missing, 1);
}

static void more_copies_may_be_asked_for_than_the_dump_had(void **state)
{
    static const enum pd_status by_copies[] = {PD_OK, PD_OK, PD_OK, PD_DEGRADED, PD_DEGRADED};
    struct cat_case *c = *state;
    struct two t = make_two(c);
    struct pd_item item = cat_item("/data/a");

    verify_both(c, &t);
    for (unsigned i = 0; i < 5; i++) {
        assert_status(held_item(c, &item, i), by_copies[i]);
    }
}

static void a_copy_too_many_counts_too(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);
    struct pd_item item = cat_item("/data/a");

    cat_sql(c, "UPDATE dump SET copies = 1");
    cat_ok(c, cat_verify(c, t.copies[0].id, "full", PD_OK));
    assert_status(held(c, "/data/a"), PD_UNVERIFIED);
    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_BAD_FILE));
    assert_status(held(c, "/data/a"), PD_DEGRADED);
    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_OK));
    assert_status(held(c, "/data/a"), PD_OK);
    /* and without copies nothing is held, though none are asked for */
    cat_sql(c, "UPDATE dump SET copies = 0");
    cat_sql(c, "DELETE FROM copy");
    assert_status(held_item(c, &item, 0), PD_UNVERIFIED);
    assert_status(held_item(c, &item, 1), PD_DEGRADED);
}

static void of_several_dumps_the_one_nearest_to_safe_answers(void **state)
{
    struct cat_case *c = *state;
    struct two old = make_two(c);
    int64_t dump = cat_dump(c, "new", 2, 2);
    struct pd_copy_row copies[2];

    verify_both(c, &old);
    (void)cat_archive(c, dump, 2, paths, 1, old.volumes, 2, copies);
    assert_status(held(c, "/data/a"), PD_OK); /* the new one is not read back, the old one is */
    cat_ok(c, cat_verify(c, old.copies[0].id, "full", PD_IO));
    assert_status(held(c, "/data/a"), PD_UNVERIFIED);
    assert_status(held(c, "/data/b"), PD_DEGRADED); /* which the new one does not have */
    cat_ok(c, cat_verify(c, copies[1].id, "full", PD_IO));
    assert_status(held(c, "/data/a"), PD_DEGRADED);
    /* two halves of two dumps do not make a whole */
    cat_ok(c, cat_verify(c, copies[0].id, "full", PD_OK));
    assert_status(held(c, "/data/a"), PD_DEGRADED);
    cat_sql(c, "UPDATE file SET size = 511 WHERE archive_id = 1");
    assert_status(held(c, "/data/a"), PD_DEGRADED);
    assert_status(held(c, "/data/b"), PD_SOURCE_CHANGED);
    cat_ok(c, cat_verify(c, copies[1].id, "full", PD_OK));
    assert_status(held(c, "/data/a"), PD_OK);
}

static void an_older_state_of_a_file_is_still_held(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);
    struct pd_copy_row copies[2];

    /* it was dumped, changed, dumped again, and put back as it was */
    verify_both(c, &t);
    (void)cat_archive(c, cat_dump(c, "new", 2, 2), 2, paths, 1, t.volumes, 2, copies);
    cat_sql(c, "UPDATE file SET mtime = 999 WHERE archive_id = 2");
    assert_status(held(c, "/data/a"), PD_OK);
}

/* ---- how long ago ---- */

static void verify_at(struct cat_case *c, int64_t copy, int64_t when)
{
    struct pd_verification_row row = {
        .copy_id = copy, .started = when - 1, .finished = when, .mode = "full", .status = PD_OK};

    cat_ok(c, pd_catalog_verification_add(c->catalog, &row, NULL, 0, &c->err));
}

static void assert_held_within(struct cat_case *c, int64_t since, int64_t until,
                               enum pd_status wanted, int64_t verified)
{
    const struct pd_held_terms terms = {.copies = 2, .since = since, .until = until};
    struct pd_item item = cat_item("/data/a");
    struct pd_held held = {PD_INTERNAL, -1};

    cat_ok(c, pd_catalog_held(c->catalog, &item, &terms, &held, &c->err));
    assert_status(held.why, wanted);
    assert_int_equal(held.verified, verified);
}

static void every_copy_must_have_been_read_back_of_late(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);

    assert_held_within(c, 1, 2000, PD_UNVERIFIED, 0);
    verify_at(c, t.copies[0].id, 1000);
    assert_held_within(c, 1, 2000, PD_UNVERIFIED, 0);
    verify_at(c, t.copies[1].id, 1500);
    assert_held_within(c, 0, 0, PD_OK, 1000);
    assert_held_within(c, 1600, 0, PD_OK, 1000); /* whenever */
    assert_held_within(c, 1000, 2000, PD_OK, 1000);
    assert_held_within(c, 1001, 2000, PD_STALE, 1000);
    assert_held_within(c, 1501, 2000, PD_STALE, 1000);
    verify_at(c, t.copies[0].id, 1900);
    assert_held_within(c, 1001, 2000, PD_OK, 1500);
    assert_held_within(c, 1501, 2000, PD_STALE, 1500);
    cat_ok(c, cat_verify(c, t.copies[1].id, "records", PD_OK)); /* says nothing of its files */
    assert_held_within(c, 1501, 2000, PD_STALE, 1500);
    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_INTERRUPTED));
    assert_held_within(c, 1501, 2000, PD_STALE, 1500);
    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_IO));
    assert_held_within(c, 1, 2000, PD_DEGRADED, 0);
}

static void a_verification_in_the_future_proves_nothing(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);

    verify_at(c, t.copies[0].id, 1000);
    verify_at(c, t.copies[1].id, 3000);
    assert_held_within(c, 0, 0, PD_OK, 1000);
    assert_held_within(c, 500, 3000, PD_OK, 1000);
    assert_held_within(c, 500, 2999, PD_STALE, 3000);
    verify_at(c, t.copies[1].id, 1100); /* by a clock that is right again */
    assert_held_within(c, 500, 2000, PD_OK, 1000);
    assert_int_equal(cat_check(c), 0);
}

static void of_several_archives_the_one_read_back_last_answers(void **state)
{
    struct cat_case *c = *state;
    struct two old = make_two(c);
    int64_t dump = cat_dump(c, "new", 2, 2);
    struct pd_copy_row copies[2];

    (void)cat_archive(c, dump, 2, paths, 1, old.volumes, 2, copies);
    for (int i = 0; i < 2; i++) {
        verify_at(c, old.copies[i].id, 900);
        verify_at(c, copies[i].id, 1500 + i);
    }
    assert_held_within(c, 0, 0, PD_OK, 1500);
    assert_held_within(c, 1200, 2000, PD_OK, 1500);
    assert_held_within(c, 1501, 2000, PD_STALE, 1500);
    verify_at(c, old.copies[0].id, 1990);
    verify_at(c, old.copies[1].id, 1991);
    assert_held_within(c, 1501, 2000, PD_OK, 1990);
    cat_ok(c, cat_verify(c, old.copies[0].id, "full", PD_IO));
    assert_held_within(c, 1501, 2000, PD_STALE, 1500);
    assert_held_within(c, 0, 0, PD_OK, 1500);
}

struct ages {
    size_t n;
    struct pd_copy_age rows[8];
};

static enum pd_status take_age(void *arg, const struct pd_copy_age *age, struct pd_error *err)
{
    struct ages *ages = arg;

    (void)err;
    assert_true(ages->n < 8);
    ages->rows[ages->n++] = *age;
    return PD_OK;
}

static void an_audit_knows_age_size_and_speed_of_each_copy(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);
    struct pd_copy_row more[3][2], given_up[1];
    struct pd_verification_row row = {.started = 100, .finished = 400, .mode = "full"};
    struct ages ages = {0};

    (void)cat_archive(c, t.dump, 3, paths, 2, t.volumes, 2, more[0]);
    (void)cat_archive(c, t.dump, 2, paths, 2, t.volumes, 2, more[1]);
    (void)cat_begin(c, t.dump, 4, t.volumes, 2, more[2]);
    (void)cat_archive(c, t.dump, 5, paths, 2, t.volumes, 1, given_up);
    cat_sql(c, "UPDATE copy SET state = 'bad', reason = 'given-up' WHERE tape_file = 5");
    (void)cat_archive(c, t.dump, 6, paths, 2, t.volumes, 1, given_up);
    cat_sql(c, "UPDATE copy SET state = 'bad', reason = 'replaced' WHERE tape_file = 6");
    row.copy_id = t.copies[0].id;
    cat_ok(c, pd_catalog_verification_add(c->catalog, &row, NULL, 0, &c->err));
    row.copy_id = more[0][0].id;
    row.status = PD_IO;
    row.finished = 500;
    cat_ok(c, pd_catalog_verification_add(c->catalog, &row, NULL, 0, &c->err));
    cat_ok(c, pd_catalog_copy_ages(c->catalog, t.volumes[0], take_age, &ages, &c->err));
    assert_int_equal(ages.n, 3); /* by tape file, without the one being written */
    assert_int_equal(ages.rows[0].id, t.copies[0].id);
    assert_int_equal(ages.rows[0].state, PD_COPY_VERIFIED);
    assert_true(ages.rows[0].changed == 400 && ages.rows[0].read_ns == 300);
    assert_int_equal(ages.rows[0].bytes, 65536);
    assert_int_equal(ages.rows[1].id, more[1][0].id);
    assert_int_equal(ages.rows[1].state, PD_COPY_WRITTEN);
    assert_int_equal(ages.rows[1].read_ns, 0);
    assert_int_equal(ages.rows[2].id, more[0][0].id);
    assert_int_equal(ages.rows[2].state, PD_COPY_BAD);
    assert_true(ages.rows[2].changed == 500 && ages.rows[2].read_ns == 0);
    /* a clock that was put back while it was read tells no speed */
    row = (struct pd_verification_row){
        .copy_id = t.copies[0].id, .started = 700, .finished = 600, .mode = "full"};
    cat_ok(c, pd_catalog_verification_add(c->catalog, &row, NULL, 0, &c->err));
    ages.n = 0;
    cat_ok(c, pd_catalog_copy_ages(c->catalog, t.volumes[0], take_age, &ages, &c->err));
    assert_true(ages.rows[0].changed == 600 && ages.rows[0].read_ns == 0);
    ages.n = 0;
    cat_ok(c, pd_catalog_copy_ages(c->catalog, t.volumes[1] + 9, take_age, &ages, &c->err));
    assert_int_equal(ages.n, 0);
}

static void the_time_of_a_verification_is_that_of_a_row(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);

    verify_at(c, t.copies[0].id, 1000);
    verify_at(c, t.copies[0].id, 2000);
    assert_int_equal(cat_check(c), 0);
    cat_sql(c, "UPDATE copy SET changed = 1500 WHERE state = 'verified'");
    assert_int_equal(cat_check(c), 1);
    assert_non_null(strstr(c->problems, "at which no full verification ended: V1 "));
    cat_sql(c, "UPDATE verification SET mode = 'records'"); /* said once, not twice */
    assert_int_equal(cat_check(c), 1);
}

/* ---- what takes the word back ---- */

/* Paths of several folders, in turns; of each folder more than one statement asks for. */
static void many_are_answered_like_each_alone(void **state)
{
    enum { MANY = 700 };
    struct cat_case *c = *state;
    int64_t volume = cat_volume(c, "V1");
    char names[MANY][32];
    const char *dumped[2][MANY];
    size_t count[2] = {0, 0}, held_count = 0;
    struct pd_item items[MANY];
    const struct pd_held_terms terms = {.copies = 1};
    struct pd_held out[MANY];
    struct pd_copy_row copy;

    for (size_t i = 0; i < MANY; i++) { /* every ninth twice, the fifth folder unknown */
        size_t n = i % 9 == 1 ? i - 1 : i;
        (void)snprintf(names[i], sizeof names[i], "/f%zu/%zu", n % 5, n);
        if (n == i && n % 5 < 4 && n % 7 != 0) {
            dumped[n % 2][count[n % 2]++] = names[i];
        }
        items[i] = cat_item(names[i]);
        items[i].size += i % 11 == 0;
    }
    for (int d = 0; d < 2; d++) { /* the second is not verified */
        int64_t dump = cat_dump(c, d ? "two" : "one", 1, d);
        (void)cat_archive(c, dump, (uint64_t)d + 1, dumped[d], count[d], &volume, 1, &copy);
        if (d == 0) {
            cat_ok(c, cat_verify(c, copy.id, "full", PD_OK));
        }
    }
    cat_ok(c, pd_catalog_held_all(c->catalog, items, MANY, &terms, out, &c->err));
    for (size_t i = 0; i < MANY; i++) {
        assert_status(out[i].why, held_item(c, &items[i], 1));
        held_count += out[i].why == PD_OK;
    }
    assert_in_range(held_count, MANY / 5, MANY / 2);
    cat_ok(c, pd_catalog_held_all(c->catalog, items, 0, &terms, out, &c->err));
}

static void a_volume_in_doubt_holds_nothing_until_it_was_read(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);
    struct pd_error why = PD_ERROR_INIT;
    struct pd_copy_row more[2];
    int64_t second = cat_archive(c, t.dump, 2, paths, 2, t.volumes, 2, more);

    verify_both(c, &t);
    cat_ok(c, cat_verify(c, more[0].id, "full", PD_IO));
    (void)pd_error_set(&why, PD_MISSING, 0, "the drawer is empty");
    cat_ok(c, pd_catalog_volume_doubt(c->catalog, t.volumes[0], &why, &c->err));
    assert_int_equal(cat_state(c, t.archive, t.copies[0].id), PD_COPY_WRITTEN);
    assert_int_equal(cat_state(c, t.archive, t.copies[1].id), PD_COPY_VERIFIED);
    assert_int_equal(cat_state(c, second, more[0].id), PD_COPY_BAD);
    assert_int_equal(cat_state(c, second, more[1].id), PD_COPY_WRITTEN);
    assert_status(held(c, "/data/a"), PD_UNVERIFIED);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy WHERE reason = 'missing' AND"
                                   " message = 'the drawer is empty'"),
                     1);
    cat_ok(c, cat_verify(c, t.copies[0].id, "full", PD_OK));
    assert_status(held(c, "/data/a"), PD_OK);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM copy WHERE reason = 'missing'"), 0);
    assert_int_equal(cat_check(c), 0);
}

static void a_copy_on_a_hung_drive_counts_as_written(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);

    verify_both(c, &t);
    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_HUNG));
    assert_int_equal(cat_state(c, t.archive, t.copies[1].id), PD_COPY_WRITTEN);
    assert_status(held(c, "/data/a"), PD_UNVERIFIED);
    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_OK));
    assert_status(held(c, "/data/a"), PD_OK);
}

static void copies_that_no_row_tells_of_are_counted(void **state)
{
    struct cat_case *c = *state;
    int64_t three = cat_dump(c, "three", 3, 1), one = cat_dump(c, "one", 1, 2);
    int64_t volumes[] = {cat_volume(c, "V1"), cat_volume(c, "V2")};
    struct pd_copy_row copies[2];
    uint64_t missing = 77;

    cat_ok(c, pd_catalog_missing_copies(c->catalog, 0, &missing, &c->err));
    assert_int_equal(missing, 0);
    (void)cat_archive(c, three, 1, paths, 2, volumes, 1, copies);
    (void)cat_archive(c, three, 2, paths, 2, volumes, 2, copies);
    /* that one dump had a copy too many makes up for no other */
    (void)cat_archive(c, one, 3, paths, 2, volumes, 2, copies);
    cat_ok(c, pd_catalog_missing_copies(c->catalog, 0, &missing, &c->err));
    assert_int_equal(missing, 3);
    cat_ok(c, pd_catalog_missing_copies(c->catalog, three, &missing, &c->err));
    assert_int_equal(missing, 3);
    cat_ok(c, pd_catalog_missing_copies(c->catalog, one, &missing, &c->err));
    assert_int_equal(missing, 0);
    cat_ok(c, pd_catalog_missing_copies(c->catalog, one + 100, &missing, &c->err));
    assert_int_equal(missing, 0);
}

static void a_dump_tells_what_became_of_its_copies(void **state)
{
    struct cat_case *c = *state;
    struct two t = make_two(c);
    struct pd_copy_row more[2];
    struct pd_dump_row row;

    (void)cat_archive(c, t.dump, 2, paths, 2, t.volumes, 2, more);
    (void)cat_archive(c, cat_dump(c, "other", 1, 2), 3, paths, 2, t.volumes, 1, more);
    cat_ok(c, cat_verify(c, more[0].id, "full", PD_IO)); /* of the other dump */
    cat_ok(c, pd_catalog_dump_find(c->catalog, "d", &row, &c->err));
    assert_true(row.bad_copies == 0 && row.lost_archives == 0);
    row.state = PD_DUMP_DONE;
    cat_ok(c, pd_catalog_dump_update(c->catalog, &row, &c->err));
    assert_status(pd_dump_row_verdict(&row), PD_OK);

    cat_ok(c, cat_verify(c, t.copies[0].id, "full", PD_IO));
    cat_ok(c, pd_catalog_dump_find(c->catalog, "d", &row, &c->err));
    assert_true(row.bad_copies == 1 && row.lost_archives == 0);
    assert_status(row.status, PD_OK);
    assert_status(pd_dump_row_verdict(&row), PD_DEGRADED);

    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_BAD_FILE));
    cat_ok(c, pd_catalog_dump_find(c->catalog, "d", &row, &c->err));
    assert_true(row.bad_copies == 2 && row.lost_archives == 1);
    assert_status(pd_dump_row_verdict(&row), PD_FAILED);

    cat_ok(c, cat_verify(c, t.copies[1].id, "full", PD_OK));
    cat_ok(c, pd_catalog_dump_find(c->catalog, "d", &row, &c->err));
    assert_true(row.bad_copies == 1 && row.lost_archives == 0);
    assert_status(pd_dump_row_verdict(&row), PD_DEGRADED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cat_setup, cat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_never_dumped_is_not_found),
        TEST(only_what_all_copies_verified_hold_is_held),
        TEST(a_copy_becomes_held_by_verification_alone),
        TEST(anything_changed_is_not_held),
        TEST(another_inode_is_another_file),
        TEST(what_is_not_whole_in_the_archive_is_not_held),
        TEST(all_kinds_can_be_held),
        TEST(a_copy_that_never_came_is_missed),
        TEST(more_copies_may_be_asked_for_than_the_dump_had),
        TEST(a_copy_too_many_counts_too),
        TEST(of_several_dumps_the_one_nearest_to_safe_answers),
        TEST(an_older_state_of_a_file_is_still_held),
        TEST(every_copy_must_have_been_read_back_of_late),
        TEST(a_verification_in_the_future_proves_nothing),
        TEST(of_several_archives_the_one_read_back_last_answers),
        TEST(an_audit_knows_age_size_and_speed_of_each_copy),
        TEST(the_time_of_a_verification_is_that_of_a_row),
        TEST(many_are_answered_like_each_alone),
        TEST(a_volume_in_doubt_holds_nothing_until_it_was_read),
        TEST(a_copy_on_a_hung_drive_counts_as_written),
        TEST(copies_that_no_row_tells_of_are_counted),
        TEST(a_dump_tells_what_became_of_its_copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
