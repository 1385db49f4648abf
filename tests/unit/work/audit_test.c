#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "../../lib/work_verify_set.h"
#include "pairdump/audit.h"

#define NO_LIMIT UINT64_MAX
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- the pick ---- */

/* Reads 10 bytes in a second, unless said otherwise. */
static struct pd_audit_volume volume(const char *label, int64_t verified, size_t place,
                                     uint64_t bytes)
{
    struct pd_audit_volume v = {.verified = verified,
                                .place = place,
                                .archives = 1,
                                .bytes = bytes,
                                .known_bytes = 10,
                                .known_ns = 1000000000};

    (void)snprintf(v.label, sizeof(v.label), "%s", label);
    return v;
}

static void expect_takes(struct pd_audit_volume *volumes, size_t count, uint64_t bytes,
                         uint64_t seconds, const uint64_t *takes)
{
    const struct pd_audit_budget budget = {bytes,
                                           seconds == NO_LIMIT ? NO_LIMIT : seconds * 1000000000};

    pd_audit_pick(volumes, count, &budget);
    for (size_t i = 0; i < count; i++)
        if (volumes[i].take != takes[i])
            fail_msg("%s: %d bytes, not %d", volumes[i].label, (int)volumes[i].take, (int)takes[i]);
}

static void test_order(void **state)
{
    struct pd_audit_volume v[] = {volume("D", 30, 0, 1), volume("C", 0, 0, 1),
                                  volume("B", 20, 0, 1), volume("E", 20, 0, 1),
                                  volume("A", 0, 0, 1),  volume("F", INT64_MAX, 0, 1)};
    static const char *const wanted[] = {"A", "C", "B", "E", "D", "F"};

    (void)state;
    qsort(v, COUNT(v), sizeof(v[0]), pd_audit_compare);
    for (size_t i = 0; i < COUNT(v); i++)
        assert_string_equal(v[i].label, wanted[i]);
}

static void test_bytes(void **state)
{
    struct pd_audit_volume v[] = {volume("A", 0, 0, 100), volume("B", 1, 1, 50),
                                  volume("C", 2, 0, 10)};

    (void)state;
    expect_takes(v, 3, NO_LIMIT, NO_LIMIT, (uint64_t[]){100, 50, 10});
    expect_takes(v, 3, 160, NO_LIMIT, (uint64_t[]){100, 50, 10});
    expect_takes(v, 3, 159, NO_LIMIT, (uint64_t[]){100, 50, 9});
    expect_takes(v, 3, 120, NO_LIMIT,
                 (uint64_t[]){100, 20, 0}); /* C, which would fit, is younger */
    expect_takes(v, 3, 100, NO_LIMIT, (uint64_t[]){100, 0, 0});
    expect_takes(v, 3, 1, NO_LIMIT, (uint64_t[]){1, 0, 0});
    expect_takes(v, 3, 0, NO_LIMIT, (uint64_t[]){0, 0, 0});
    v[0].out = true;   /* costs nothing */
    v[1].known_ns = 0; /* which is no matter here */
    expect_takes(v, 3, 55, NO_LIMIT, (uint64_t[]){0, 50, 5});
    v[1].bytes = 0;
    expect_takes(v, 3, 55, NO_LIMIT, (uint64_t[]){0, 0, 10});
    expect_takes(v, 0, 55, NO_LIMIT, NULL);
}

static void test_time(void **state)
{
    struct pd_audit_volume v[] = {volume("A", 0, 0, 100), volume("B", 1, 1, 50),
                                  volume("C", 2, 0, 10), volume("D", 3, 1, 1000)};

    (void)state;
    expect_takes(v, 4, NO_LIMIT, 1000, (uint64_t[]){100, 50, 10, 1000});
    /* each place has all the time */
    expect_takes(v, 4, NO_LIMIT, 11, (uint64_t[]){100, 50, 10, 60});
    expect_takes(v, 4, NO_LIMIT, 10, (uint64_t[]){100, 50, 0, 50});
    /* behind a part of A, C is not squeezed in */
    expect_takes(v, 4, NO_LIMIT, 3, (uint64_t[]){30, 30, 0, 0});
    expect_takes(v, 4, NO_LIMIT, 0, (uint64_t[]){0, 0, 0, 0});
    v[0].known_bytes = 1000; /* a hundred times as fast */
    expect_takes(v, 4, NO_LIMIT, 1, (uint64_t[]){100, 10, 9, 0});
    expect_takes(v, 4, 105, 1, (uint64_t[]){100, 5, 0, 0}); /* what is less */
    v[0].known_bytes = v[0].known_ns = v[0].bytes = UINT64_MAX;
    expect_takes(v, 4, NO_LIMIT, 1, (uint64_t[]){1000000000, 10, 0, 0});
}

static void test_unknown_speed(void **state)
{
    struct pd_audit_volume v[] = {volume("A", 0, 0, 100), volume("B", 1, 1, 50),
                                  volume("C", 2, 2, 10)};

    (void)state;
    v[0].known_ns = v[0].known_bytes = 0; /* is timed alone */
    expect_takes(v, 3, NO_LIMIT, 5, (uint64_t[]){100, 0, 0});
    expect_takes(v, 3, 60, 5, (uint64_t[]){60, 0, 0});
    v[0].known_ns = v[0].known_bytes = 10;
    v[1].known_ns = v[1].known_bytes = 0; /* only when the older one is done */
    expect_takes(v, 3, NO_LIMIT, 5, (uint64_t[]){100, 0, 0});
    assert_int_equal(pd_audit_estimate(&v[1], 77), 0);
    assert_int_equal(pd_audit_estimate(&v[2], 15), 1500000000);
}

/* ---- the run ---- */

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct pd_error ok_err = PD_ERROR_INIT, *err = &ok_err;                                    \
        if ((call) != PD_OK)                                                                       \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

struct seen {
    char text[2048]; /* "PD100001:3/3 " for a pick, "PD100001=first.0001:ok " for a result */
    const struct pd_clock *real;
    struct pd_clock clock; /* at which each reading takes a minute */
    uint64_t late;
    bool stop;
    volatile sig_atomic_t *stopped;
    struct pd_audit_summary sum;
};

static int start(void **state)
{
    struct verify_set *set = calloc(1, sizeof(*set));

    assert_non_null(set);
    verify_set_start(set, "disk", "");
    verify_set_dump(set, "first", 4); /* three archives, none verified */
    *state = set;
    return 0;
}

static int end(void **state)
{
    verify_set_end(*state);
    free(*state);
    return 0;
}

static enum pd_status see_volume(void *arg, const struct pd_audit_volume *v, struct pd_error *err)
{
    struct seen *seen = arg;
    size_t at = strlen(seen->text);

    (void)err;
    (void)snprintf(seen->text + at, sizeof(seen->text) - at, "%s:%d/%d ", v->label,
                   (int)v->take_archives, (int)v->archives);
    return PD_OK;
}

static enum pd_status see_result(void *arg, const struct pd_verify_result *result,
                                 struct pd_error *err)
{
    struct seen *seen = arg;

    (void)result;
    (void)err;
    seen->late += 60000000000U;
    if (seen->stop)
        *seen->stopped = 1;
    return PD_OK;
}

static uint64_t late_clock(void *self)
{
    struct seen *seen = self;

    return pd_clock_monotonic(seen->real) + seen->late;
}

static int64_t utc(void *self)
{
    return pd_clock_utc(((struct seen *)self)->real);
}

static void nap(void *self, uint64_t ns)
{
    pd_clock_sleep(((struct seen *)self)->real, ns);
}

static void audit_with(struct verify_set *set, struct seen *seen, struct pd_audit_options options)
{
    options.retry = (struct pd_retry)PD_RETRY_ONCE;
    options.on_volume = see_volume;
    options.on_result = see_result;
    options.arg = seen;
    if (options.budget.bytes == 0)
        options.budget.bytes = NO_LIMIT;
    if (options.budget.ns == 0)
        options.budget.ns = NO_LIMIT;
    seen->text[0] = '\0';
    seen->late = 0;
    OK(pd_audit_run(&set->e.env, set->catalog, &options, &seen->sum, err));
}

struct setting {
    struct pd_copy_row rows[6];
    size_t count;
};

static enum pd_status take_row(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct setting *s = arg;

    (void)err;
    assert_true(s->count < COUNT(s->rows));
    s->rows[s->count++] = *row;
    return PD_OK;
}

/* All verified at the times given, by volume and archive. */
static void set_times(struct verify_set *set, const int64_t times[2][3])
{
    struct setting *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    OK(pd_catalog_copies(set->catalog, 0, 0, take_row, s, err));
    assert_int_equal(s->count, 6);
    for (size_t i = 0; i < s->count; i++) {
        const struct pd_copy_row *row = &s->rows[i];
        int64_t when = times[row->copy - 1][row->tape_file - 1];
        struct pd_verification_row found = {.copy_id = row->id,
                                            .started = when - 1000,
                                            .finished = when,
                                            .mode = "full",
                                            .status = PD_OK};
        OK(pd_catalog_verification_add(set->catalog, &found, NULL, 0, err));
    }
    free(s);
}

static int64_t ago(int64_t days)
{
    return pd_clock_utc(pd_clock_real()) - days * 86400 * PD_NS_PER_S;
}

static void test_everything(void **state)
{
    struct verify_set *set = *state;
    struct seen seen = {0};

    audit_with(set, &seen, (struct pd_audit_options){.dry_run = true});
    assert_string_equal(seen.text, "PD100001:3/3 PD200001:3/3 ");
    assert_int_equal(seen.sum.check.copies, 0);
    assert_int_equal(seen.sum.never, 2);
    audit_with(set, &seen, (struct pd_audit_options){0});
    assert_string_equal(seen.text, "PD100001:3/3 PD200001:3/3 ");
    assert_int_equal(seen.sum.status, PD_OK);
    assert_true(seen.sum.due == 2 && seen.sum.picked == 2 && seen.sum.volumes == 2);
    assert_true(seen.sum.check.copies == 6 && seen.sum.check.good == 6 && seen.sum.never == 0);
    assert_true(seen.sum.oldest > ago(1));
    audit_with(set, &seen, (struct pd_audit_options){.older_than_ns = 3600000000000});
    assert_string_equal(seen.text, "");
    assert_int_equal(seen.sum.status, PD_OK);
    assert_true(seen.sum.due == 0 && seen.sum.oldest > ago(1));
}

static void test_ages(void **state)
{
    struct verify_set *set = *state;
    struct seen seen = {0};
    const int64_t times[2][3] = {{ago(10), ago(300), ago(5)}, {ago(20), ago(20), ago(20)}};
    const uint64_t day = 86400000000000;

    set_times(set, times);
    audit_with(set, &seen, (struct pd_audit_options){.dry_run = true});
    assert_string_equal(seen.text, "PD100001:3/3 PD200001:3/3 ");
    audit_with(set, &seen, (struct pd_audit_options){.dry_run = true, .older_than_ns = 21 * day});
    assert_string_equal(seen.text, "PD100001:3/3 ");
    audit_with(set, &seen, (struct pd_audit_options){.dry_run = true, .older_than_ns = 301 * day});
    assert_string_equal(seen.text, "");
    assert_string_equal(seen.sum.oldest_label, "PD100001");
    assert_int_equal(seen.sum.oldest, times[0][1]);
    /* of a budget that does not do for all, the oldest get it; one archive is read, however small
     * it is */
    audit_with(set, &seen, (struct pd_audit_options){.budget.bytes = 1});
    assert_string_equal(seen.text, "PD100001:1/3 ");
    assert_true(seen.sum.check.copies == 1 && seen.sum.status == PD_OK);
    audit_with(set, &seen, (struct pd_audit_options){.budget.bytes = 1});
    assert_string_equal(seen.text, "PD200001:1/3 ");
    assert_int_equal(seen.sum.oldest, times[1][1]);
    audit_with(set, &seen, (struct pd_audit_options){.budget.bytes = 1});
    audit_with(set, &seen, (struct pd_audit_options){.budget.bytes = 1});
    assert_string_equal(seen.text, "PD200001:1/3 ");
    assert_string_equal(seen.sum.oldest_label, "PD100001");
    assert_int_equal(seen.sum.oldest, times[0][0]);
}

static void test_future(void **state)
{
    struct verify_set *set = *state;
    struct seen seen = {0};
    const int64_t times[2][3] = {{ago(1), ago(1), ago(1)}, {ago(-5), ago(-5), ago(-5)}};

    set_times(set, times);
    audit_with(set, &seen, (struct pd_audit_options){.older_than_ns = 86400000000000 * 30});
    assert_string_equal(seen.text, "PD200001:3/3 ");
    assert_int_equal(seen.sum.check.good, 3);
    assert_int_equal(seen.sum.oldest, times[0][0]);
    assert_int_equal(seen.sum.never, 0);
}

static void test_states(void **state)
{
    static const struct {
        enum pd_volume_state state;
        const char *picked;
    } states[] = {{PD_VOLUME_FULL_STATE, "PD100001:3/3 "},
                  {PD_VOLUME_RETIRED, "PD100001:3/3 "},
                  {PD_VOLUME_BAD, "PD100001:3/3 "}};
    struct verify_set *set = *state;
    struct seen seen = {0};
    struct pd_volume_row *row = calloc(1, sizeof(*row));
    const int64_t times[2][3] = {{ago(90), ago(90), ago(90)}, {ago(1), ago(1), ago(1)}};
    struct pd_audit_options options = {.dry_run = true, .older_than_ns = 86400000000000 * 30};

    assert_non_null(row);
    set_times(set, times);
    for (size_t i = 0; i < COUNT(states); i++) {
        OK(pd_catalog_volume_find(set->catalog, "PD100001", row, err));
        row->state = states[i].state;
        OK(pd_catalog_volume_update(set->catalog, row, err));
        audit_with(set, &seen, options);
        assert_string_equal(seen.text, states[i].picked);
    }
    OK(pd_catalog_volume_scratch(set->catalog, row->uuid, true, err));
    audit_with(set, &seen, options);
    assert_string_equal(seen.text, "");
    assert_int_equal(seen.sum.volumes, 1);
    free(row);
}

static void test_out_of_reach(void **state)
{
    struct verify_set *set = *state;
    struct seen seen = {0};
    char away[200];
    const int64_t times[2][3] = {{ago(90), ago(90), ago(90)}, {ago(1), ago(1), ago(1)}};

    set_times(set, times);
    (void)snprintf(away, sizeof(away), "%s/away", set->root);
    assert_int_equal(rename(set->place[0], away), 0);
    /* its share of the budget goes to the next */
    audit_with(set, &seen, (struct pd_audit_options){.budget.bytes = 1});
    assert_string_equal(seen.text, "PD100001:1/3 PD200001:1/3 ");
    assert_true(seen.sum.check.unreachable == 1 && seen.sum.check.good == 1);
    assert_int_equal(seen.sum.status, PD_DEGRADED);
    assert_int_equal(rename(away, set->place[0]), 0);
}

static void test_damage(void **state)
{
    struct verify_set *set = *state;
    struct seen seen = {0};
    char path[300];

    audit_with(set, &seen, (struct pd_audit_options){0});
    verify_set_path(set, 0, 2, path, sizeof(path));
    verify_set_flip(path, 5000, 1);
    audit_with(set, &seen, (struct pd_audit_options){0});
    assert_int_equal(seen.sum.status, PD_DEGRADED);
    assert_true(seen.sum.check.bad == 1 && seen.sum.check.good == 5);
    verify_set_path(set, 1, 2, path, sizeof(path));
    verify_set_flip(path, 5000, 1);
    audit_with(set, &seen, (struct pd_audit_options){0});
    assert_int_equal(seen.sum.status, PD_FAILED);
    assert_true(seen.sum.check.files_lost > 0);
}

/* Two volumes at one place are read one after the other. */
static void move_together(struct verify_set *set)
{
    struct pd_volume_row *row = calloc(1, sizeof(*row));
    char from[200], to[200];

    assert_non_null(row);
    (void)snprintf(from, sizeof(from), "%s/PD200001", set->place[1]);
    (void)snprintf(to, sizeof(to), "%s/PD200001", set->place[0]);
    assert_int_equal(rename(from, to), 0);
    OK(pd_catalog_volume_find(set->catalog, "PD200001", row, err));
    (void)snprintf(row->location, sizeof(row->location), "disk:%s", set->place[0]);
    OK(pd_catalog_volume_update(set->catalog, row, err));
    free(row);
}

/* What was read is recorded; the rest is not good, and comes first the next time. */
static void test_interrupted(void **state)
{
    struct verify_set *set = *state;
    struct seen seen = {.stop = true};

    move_together(set);
    seen.stopped = &set->e.stopped;
    audit_with(set, &seen, (struct pd_audit_options){0});
    assert_int_equal(seen.sum.status, PD_INTERRUPTED);
    assert_true(seen.sum.check.good >= 1 && seen.sum.check.good <= 3);
    assert_true(seen.sum.never >= 1); /* the second */
    set->e.stopped = 0;
    seen.stop = false;
    const char *next = seen.sum.never == 2 ? "PD1" : "PD2";
    audit_with(set, &seen, (struct pd_audit_options){.budget.bytes = 1});
    assert_int_equal(strncmp(seen.text, next, 3), 0);
    audit_with(set, &seen, (struct pd_audit_options){0});
    assert_int_equal(seen.sum.status, PD_OK);
    assert_int_equal(seen.sum.never, 0);
}

/* Each archive takes a minute of the clock, whatever it was believed to take. */
static void test_deadline(void **state)
{
    struct verify_set *set = *state;
    struct seen seen = {.real = pd_clock_real()};
    const struct pd_clock *before = set->e.env.clock;

    seen.clock = (struct pd_clock){utc, late_clock, nap, &seen};
    set->e.env.clock = &seen.clock;
    audit_with(set, &seen, (struct pd_audit_options){.budget.ns = 30000000000});
    assert_int_equal(seen.sum.status, PD_OK);
    assert_true(seen.sum.check.good >= 1 && seen.sum.check.good <= 3);
    assert_true(seen.sum.never >= 1);
    set->e.env.clock = before;
}

static void test_pool(void **state)
{
    struct verify_set *set = *state;
    struct seen seen = {0};
    struct pd_error why = PD_ERROR_INIT;
    struct pd_audit_options options = {.budget = {NO_LIMIT, NO_LIMIT}, .pool = "no such"};
    struct pd_volume_row *row = calloc(1, sizeof(*row));

    assert_non_null(row);
    assert_int_equal(pd_audit_run(&set->e.env, set->catalog, &options, &seen.sum, &why),
                     PD_NOT_FOUND);
    OK(pd_catalog_volume_find(set->catalog, "PD200001", row, err));
    (void)snprintf(row->pool, sizeof(row->pool), "other");
    OK(pd_catalog_volume_update(set->catalog, row, err));
    audit_with(set, &seen, (struct pd_audit_options){.pool = "other"});
    assert_string_equal(seen.text, "PD200001:3/3 ");
    assert_int_equal(seen.sum.volumes, 1);
    free(row);
}

#define RUN(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_unknown_speed),
        RUN(test_everything),
        RUN(test_ages),
        RUN(test_future),
        RUN(test_states),
        RUN(test_out_of_reach),
        RUN(test_damage),
        RUN(test_interrupted),
        RUN(test_deadline),
        RUN(test_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
