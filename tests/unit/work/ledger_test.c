#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/catalog_lib.h"
#include "../../lib/format_lib.h"
#include "../../lib/stream_lib.h"
#include "pairdump/claim.h"
#include "pairdump/ledger.h"
#include "pairdump/sql.h"

#define NOW   (1700000000 * PD_NS_PER_S) /* of the catalog's clock */
#define LIMIT (600 * PD_NS_PER_S)
#define MS    UINT64_C(1000000)
#define LONG  (20000 * MS)

struct bed {
    struct cat_case *c;
    char dir[128];
    char path[160];
    struct pd_journal *journal;
    struct pd_ledger *ledger;
    struct pd_ledger_job job;
    unsigned written; /* entries */
    /* of the take function, under the lock: */
    pthread_mutex_t lock;
    unsigned calls;
    unsigned fail_from, fail_to; /* calls, 1 is the first */
    bool fail_each;              /* every other call */
    enum pd_status fail;
};

/* The first field is the path of a problem, which tells in the catalog that the entry was taken. */
static enum pd_status take(struct pd_catalog *catalog, void *arg, const struct pd_entry *entry,
                           struct pd_error *err)
{
    struct bed *b = arg;
    const struct pd_problem problem = {.path = entry->fields[0],
                                       .status = PD_SOURCE_VANISHED,
                                       .message = entry->fields[1]};
    enum pd_status status = pd_catalog_problem_add(catalog, b->job.dump_id, &problem, err);

    pthread_mutex_lock(&b->lock);
    b->calls++;
    bool fails = (b->calls >= b->fail_from && b->calls <= b->fail_to) ||
                 (b->fail_each && b->calls % 2 == 1);
    enum pd_status fail = b->fail;
    pthread_mutex_unlock(&b->lock);
    return status == PD_OK && fails ? pd_error_set(err, fail, 0, "as the test wants") : status;
}

static void fail_calls(struct bed *b, unsigned from, unsigned to, enum pd_status status)
{
    pthread_mutex_lock(&b->lock);
    b->fail_from = from;
    b->fail_to = to;
    b->fail = status;
    pthread_mutex_unlock(&b->lock);
}

static unsigned calls(struct bed *b)
{
    pthread_mutex_lock(&b->lock);
    unsigned count = b->calls;
    pthread_mutex_unlock(&b->lock);
    return count;
}

static int set_up(void **state, int (*make)(void **))
{
    struct bed *b = calloc(1, sizeof *b);

    assert_non_null(b);
    (void)make((void **)&b->c);
    format_dir_make(b->dir, sizeof b->dir);
    (void)snprintf(b->path, sizeof b->path, "%s/journal", b->dir);
    assert_int_equal(pd_journal_open(b->path, true, &b->journal, &b->c->err), PD_OK);
    assert_int_equal(pthread_mutex_init(&b->lock, NULL), 0);
    b->job = (struct pd_ledger_job){.env = &b->c->env,
                                    .catalog = b->c->catalog,
                                    .journal = b->journal,
                                    .dump_id = cat_dump(b->c, "d", 1, 1),
                                    .take = take,
                                    .arg = b};
    *state = b;
    return 0;
}

static int start(void **state)
{
    return set_up(state, cat_setup);
}

static int start_sqlite(void **state)
{
    return set_up(state, cat_setup_sqlite);
}

static int end(void **state)
{
    struct bed *b = *state;

    pd_ledger_free(b->ledger);
    pd_journal_close(b->journal);
    pthread_mutex_destroy(&b->lock);
    format_dir_remove(b->dir);
    int left = cat_teardown((void **)&b->c);
    free(b);
    return left;
}

static void begin(struct bed *b)
{
    cat_ok(b->c, pd_ledger_start(&b->job, &b->ledger, &b->c->err));
}

static void stop(struct bed *b)
{
    pd_ledger_free(b->ledger);
    b->ledger = NULL;
}

static void put(struct bed *b, bool numbered)
{
    struct pd_entry_text text = {PD_BUF_INIT, PD_OK};
    char path[32];

    (void)snprintf(path, sizeof path, "/%06u", numbered ? ++b->written : 999999);
    pd_entry_word(&text, path);
    pd_entry_word(&text, "gone");
    cat_ok(b->c, pd_journal_append(b->journal, &text, numbered, false, NULL, &b->c->err));
    if (b->ledger) {
        pd_ledger_wake(b->ledger);
    }
}

static enum pd_status check(struct bed *b)
{
    pd_error_clear(&b->c->err);
    enum pd_status status = pd_ledger_check(b->ledger, &b->c->err);
    assert_int_equal(b->c->err.status, status);
    return status;
}

static enum pd_status settle(struct bed *b, uint64_t patience_ns)
{
    pd_error_clear(&b->c->err);
    enum pd_status status = pd_ledger_settle(b->ledger, patience_ns, &b->c->err);
    assert_int_equal(b->c->err.status, status);
    return status;
}

static void wait_calls(struct bed *b, unsigned wanted)
{
    for (unsigned i = 0; calls(b) < wanted; i++) {
        assert_true(i < 2000);
        sl_sleep_ms(10);
    }
}

static void wait_end(struct bed *b)
{
    for (unsigned i = 0; check(b) == PD_OK; i++) {
        assert_true(i < 1000);
        sl_sleep_ms(10);
    }
}

struct order {
    unsigned next;
};

static enum pd_status is_next(void *arg, const struct pd_problem *problem, struct pd_error *err)
{
    struct order *order = arg;
    char path[32];

    (void)err;
    (void)snprintf(path, sizeof path, "/%06u", ++order->next);
    assert_string_equal(problem->path, path);
    return PD_OK;
}

/* The catalog has the first so many entries, in order, each once. */
static void taken(struct bed *b, unsigned wanted)
{
    struct order order = {0};
    uint64_t last = 99;

    cat_ok(b->c, pd_catalog_problems(b->c->catalog, b->job.dump_id, is_next, &order, &b->c->err));
    assert_int_equal(order.next, wanted);
    cat_ok(b->c, pd_catalog_applied(b->c->catalog, b->job.dump_id, &last, &b->c->err));
    assert_int_equal(last, wanted);
}

/* ---- in order, each once ---- */

static void entries_are_taken_in_order_each_once(void **state)
{
    struct bed *b = *state;

    put(b, false);
    for (int i = 0; i < 20; i++) { /* before there is a ledger */
        put(b, true);
    }
    begin(b);
    for (int i = 0; i < 40; i++) {
        put(b, i % 4 != 0);
    }
    cat_ok(b->c, settle(b, LONG));
    taken(b, 50);
    put(b, true);
    put(b, false);
    cat_ok(b->c, settle(b, LONG));
    taken(b, 51);
    assert_int_equal(calls(b), 51);
    cat_ok(b->c, check(b));
    assert_string_equal(b->c->log, "");
}

static void an_entry_is_taken_without_being_waited_for(void **state)
{
    struct bed *b = *state;

    begin(b);
    cat_ok(b->c, settle(b, 0)); /* there is nothing */
    sl_sleep_ms(50);            /* it rests */
    put(b, true);
    wait_calls(b, 1);
    put(b, true);
    wait_calls(b, 2);
    cat_ok(b->c, settle(b, LONG));
    taken(b, 2);
}

static void the_next_ledger_goes_on_where_one_ended(void **state)
{
    struct bed *b = *state;

    begin(b);
    for (int i = 0; i < 5; i++) {
        put(b, true);
    }
    cat_ok(b->c, settle(b, LONG));
    stop(b);
    put(b, true);
    put(b, true);
    begin(b);
    cat_ok(b->c, settle(b, LONG));
    taken(b, 7);
    assert_int_equal(calls(b), 7);
    stop(b);
    pd_ledger_free(NULL);
}

/* ---- a catalog that cannot be reached ---- */

static void what_a_later_try_can_mend_is_tried_again(void **state)
{
    static const enum pd_status passing[] = {PD_CATALOG_LOST, PD_CATALOG_BUSY, PD_INTERRUPTED};
    struct bed *b = *state;

    begin(b);
    for (unsigned i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        fail_calls(b, i * 5 + 2, i * 5 + 3, passing[i]);
        put(b, true);
        put(b, true);
        put(b, true);
        cat_ok(b->c, settle(b, LONG));
        taken(b, 3 * i + 3);
        assert_int_equal(calls(b), i * 5 + 5);
    }
    cat_ok(b->c, check(b));
    stop(b);
    assert_non_null(strstr(b->c->log, "as the test wants"));
    assert_non_null(strstr(b->c->log, "the dump goes on"));
}

static void what_another_session_holds_up_is_tried_again_soon(void **state)
{
    struct bed *b = *state;

    begin(b);
    fail_calls(b, 1, 60, PD_CATALOG_BUSY);
    put(b, true);
    cat_ok(b->c, settle(b, LONG));
    taken(b, 1);
    assert_int_equal(calls(b), 61);
}

static void a_commit_that_another_session_holds_up_is_made_later(void **state)
{
    struct bed *b = *state;
    struct pd_sql *other = NULL;

    begin(b);
    put(b, true);
    cat_ok(b->c, settle(b, LONG));
    cat_ok(b->c, pd_sql_sqlite_open(&b->c->env, pd_catalog_path(b->c->catalog), false, &other,
                                    &b->c->err));
    cat_ok(b->c, pd_sql_exec(other, "BEGIN IMMEDIATE", &b->c->err));
    put(b, true);
    put(b, true);
    cat_expect(b->c, PD_CATALOG_BUSY, settle(b, 50 * MS));
    cat_ok(b->c, check(b));
    cat_ok(b->c, pd_sql_exec(other, "COMMIT", &b->c->err));
    pd_sql_close(other);
    cat_ok(b->c, settle(b, LONG));
    taken(b, 3);
    assert_int_equal(calls(b), 3);
}

static void a_failure_that_stays_ends_it(void **state)
{
    struct bed *b = *state;

    fail_calls(b, 3, 3, PD_CATALOG);
    for (int i = 0; i < 5; i++) {
        put(b, true);
    }
    begin(b);
    cat_expect(b->c, PD_CATALOG, settle(b, LONG));
    assert_non_null(strstr(b->c->err.message, "as the test wants"));
    cat_expect(b->c, PD_CATALOG, check(b));
    put(b, true);
    cat_expect(b->c, PD_CATALOG, settle(b, LONG));
    cat_expect(b->c, PD_CATALOG, check(b));
    assert_int_equal(calls(b), 3);
    taken(b, 2);
}

static void a_journal_that_cannot_be_read_ends_it(void **state)
{
    struct bed *b = *state;

    put(b, true);
    put(b, true);
    FILE *file = fopen(b->path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, -3, SEEK_END), 0);
    assert_int_equal(fputc('x', file), 'x');
    assert_int_equal(fclose(file), 0);
    begin(b);
    wait_end(b);
    cat_expect(b->c, PD_BAD_FORMAT, check(b));
    cat_expect(b->c, PD_BAD_FORMAT, settle(b, LONG));
    taken(b, 1);
}

/* ---- patience ---- */

static void patience_ends_while_nothing_moves(void **state)
{
    struct bed *b = *state;

    fail_calls(b, 2, 1000, PD_CATALOG_LOST);
    put(b, true);
    put(b, true);
    begin(b);
    wait_calls(b, 2);
    uint64_t began = sl_now();
    cat_expect(b->c, PD_CATALOG_LOST, settle(b, 600 * MS));
    uint64_t took = sl_now() - began;
    assert_true(took >= 600 * MS);
    assert_true(took < 5000 * MS);
    cat_ok(b->c, check(b)); /* it goes on trying */
    fail_calls(b, 0, 0, PD_OK);
    cat_ok(b->c, settle(b, LONG));
    taken(b, 2);
}

static void no_patience_is_a_look(void **state)
{
    struct bed *b = *state;

    fail_calls(b, 1, 1000, PD_CATALOG_LOST);
    put(b, true);
    begin(b);
    wait_calls(b, 2);
    uint64_t began = sl_now();
    cat_expect(b->c, PD_CATALOG_LOST, settle(b, 0));
    assert_true(sl_now() - began < 500 * MS);
}

/* Each entry fails once, and is taken by the next try: together that takes longer than the patience. */
static void patience_lasts_while_something_moves(void **state)
{
    enum { COUNT = 8 };
    struct bed *b = *state;

    b->fail_each = true;
    b->fail = PD_CATALOG_LOST;
    for (int i = 0; i < COUNT; i++) {
        put(b, true);
    }
    begin(b);
    wait_calls(b, 1);
    uint64_t began = sl_now();
    cat_ok(b->c, settle(b, 1200 * MS));
    assert_true(sl_now() - began > 1250 * MS);
    taken(b, COUNT);
    assert_int_equal(calls(b), 2 * COUNT);
}

static void who_waits_does_not_wait_for_the_pause(void **state)
{
    struct bed *b = *state;

    fail_calls(b, 1, 4, PD_CATALOG_LOST);
    put(b, true);
    begin(b);
    wait_calls(b, 4); /* and now a pause of two seconds */
    sl_sleep_ms(20);
    uint64_t began = sl_now();
    cat_ok(b->c, settle(b, LONG));
    assert_true(sl_now() - began < 1000 * MS);
    taken(b, 1);
}

static void its_end_does_not_wait_for_the_pause(void **state)
{
    struct bed *b = *state;

    fail_calls(b, 1, 1000, PD_CATALOG_LOST);
    put(b, true);
    begin(b);
    wait_calls(b, 4);
    sl_sleep_ms(20);
    uint64_t began = sl_now();
    stop(b);
    assert_true(sl_now() - began < 1000 * MS);
    assert_int_equal(calls(b), 4);
    taken(b, 0);
}

static void its_end_does_not_wait_for_the_next_beat(void **state)
{
    struct bed *b = *state;

    begin(b);
    sl_sleep_ms(100); /* it rests */
    uint64_t began = sl_now();
    stop(b);
    assert_true(sl_now() - began < 1000 * MS);
}

/* ---- its run ---- */

static int64_t heartbeat(struct bed *b)
{
    return cat_number(b->c, "SELECT heartbeat FROM run");
}

static void it_beats_for_its_run(void **state)
{
    struct bed *b = *state;
    struct pd_run_row run;

    cat_ok(b->c, pd_catalog_run_add(b->c->catalog, "dump", &run, &b->c->err));
    cat_sql(b->c, "UPDATE run SET heartbeat = 5");
    b->job.run_id = run.id;
    begin(b);
    for (unsigned i = 0; heartbeat(b) == 5; i++) {
        assert_true(i < 1000);
        sl_sleep_ms(10);
    }
    assert_true(heartbeat(b) == NOW);
    put(b, true);
    cat_ok(b->c, settle(b, LONG));
    taken(b, 1);
}

static void without_a_run_nothing_beats(void **state)
{
    struct bed *b = *state;
    struct pd_run_row run;

    cat_ok(b->c, pd_catalog_run_add(b->c->catalog, "dump", &run, &b->c->err));
    cat_sql(b->c, "UPDATE run SET heartbeat = 5");
    begin(b);
    put(b, true);
    cat_ok(b->c, settle(b, LONG));
    assert_true(heartbeat(b) == 5);
    cat_ok(b->c, check(b));
}

static void a_run_that_was_taken_for_gone_records_no_more(void **state)
{
    struct bed *b = *state;
    struct pd_claim claim = {.kind = PD_CLAIM_VOLUME, .name = "V1"};
    struct pd_run_row run, next;

    cat_ok(b->c, pd_catalog_run_add(b->c->catalog, "dump", &run, &b->c->err));
    cat_ok(b->c, pd_catalog_claim(b->c->catalog, run.id, &claim, 1, LIMIT, &b->c->err));
    cat_sql(b->c, "UPDATE run SET process = 'an earlier boot', pid = 1");
    cat_ok(b->c, pd_catalog_run_add(b->c->catalog, "dump", &next, &b->c->err));
    cat_sql(b->c, "UPDATE run SET heartbeat = 5 WHERE pid = 1");
    cat_ok(b->c, pd_catalog_claim(b->c->catalog, next.id, &claim, 1, LIMIT, &b->c->err));
    assert_int_equal(claim.taken_from, run.id);
    b->job.run_id = run.id;
    put(b, true);
    begin(b);
    cat_expect(b->c, PD_BUSY, settle(b, LONG));
    cat_expect(b->c, PD_BUSY, check(b));
    assert_int_equal(calls(b), 0);
    taken(b, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_are_taken_in_order_each_once),
        TEST(an_entry_is_taken_without_being_waited_for),
        TEST(the_next_ledger_goes_on_where_one_ended),
        TEST(what_a_later_try_can_mend_is_tried_again),
        TEST(what_another_session_holds_up_is_tried_again_soon),
        cmocka_unit_test_setup_teardown(a_commit_that_another_session_holds_up_is_made_later,
                                        start_sqlite, end),
        TEST(a_failure_that_stays_ends_it),
        TEST(a_journal_that_cannot_be_read_ends_it),
        TEST(patience_ends_while_nothing_moves),
        TEST(no_patience_is_a_look),
        TEST(patience_lasts_while_something_moves),
        TEST(who_waits_does_not_wait_for_the_pause),
        TEST(its_end_does_not_wait_for_the_pause),
        TEST(its_end_does_not_wait_for_the_next_beat),
        TEST(it_beats_for_its_run),
        TEST(without_a_run_nothing_beats),
        TEST(a_run_that_was_taken_for_gone_records_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
