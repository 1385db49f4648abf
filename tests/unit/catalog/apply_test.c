#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/flaky_sql.h"
#include "pairdump/claim.h"

#define LIMIT (600 * PD_NS_PER_S)

static const struct pd_problem trouble = {.path = "/gone", .status = PD_SOURCE_VANISHED,
                                          .sys_errno = 2, .message = "went away"};

/* ---- entries ---- */

/* An entry that adds one problem, and counts how often it is asked to. */
struct adding {
    int64_t dump;
    unsigned called;
    enum pd_status answer;
};

static enum pd_status add_problem(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct adding *adding = arg;
    enum pd_status status = pd_catalog_problem_add(catalog, adding->dump, &trouble, err);

    adding->called++;
    return status == PD_OK && adding->answer != PD_OK
               ? pd_error_set(err, adding->answer, 0, "as the test wants")
               : status;
}

static int64_t problems(struct cat_case *c)
{
    return cat_number(c, "SELECT COUNT(*) FROM problem");
}

static uint64_t applied(struct cat_case *c, int64_t dump)
{
    uint64_t seq = 99;

    cat_ok(c, pd_catalog_applied(c->catalog, dump, &seq, &c->err));
    return seq;
}

static void entries_are_taken_once_and_in_order(void **state)
{
    struct cat_case *c = *state;
    struct adding adding = {.dump = cat_dump(c, "d", 1, 1)};
    int64_t other = cat_dump(c, "e", 1, 1);

    assert_int_equal(applied(c, adding.dump), 0);
    cat_expect(c, PD_CATALOG,
               pd_catalog_apply(c->catalog, adding.dump, 2, add_problem, &adding, &c->err));
    for (uint64_t seq = 1; seq <= 3; seq++) {
        for (int i = 0; i < 2; i++) {
            cat_ok(c, pd_catalog_apply(c->catalog, adding.dump, seq, add_problem, &adding,
                                       &c->err));
            assert_int_equal(applied(c, adding.dump), seq);
        }
    }
    cat_ok(c, pd_catalog_apply(c->catalog, adding.dump, 1, add_problem, &adding, &c->err));
    cat_expect(c, PD_CATALOG,
               pd_catalog_apply(c->catalog, adding.dump, 5, add_problem, &adding, &c->err));
    assert_non_null(strstr(c->err.message, "has taken 3"));
    cat_expect(c, PD_INTERNAL,
               pd_catalog_apply(c->catalog, adding.dump, 0, add_problem, &adding, &c->err));
    assert_int_equal(adding.called, 3);
    assert_int_equal(problems(c), 3);
    assert_int_equal(applied(c, other), 0);
    cat_close(c);
    cat_open(c);
    assert_int_equal(applied(c, adding.dump), 3);
    assert_int_equal(cat_check(c), 0);
}

static void an_entry_that_fails_leaves_nothing(void **state)
{
    struct cat_case *c = *state;
    struct adding adding = {.dump = cat_dump(c, "d", 1, 1), .answer = PD_NO_SPACE};

    for (uint64_t seq = 1; seq <= 2; seq++) {
        adding.answer = PD_NO_SPACE;
        cat_expect(c, PD_NO_SPACE,
                   pd_catalog_apply(c->catalog, adding.dump, seq, add_problem, &adding, &c->err));
        assert_int_equal(applied(c, adding.dump), seq - 1);
        assert_int_equal(problems(c), seq - 1);
        adding.answer = PD_OK;
        cat_ok(c, pd_catalog_apply(c->catalog, adding.dump, seq, add_problem, &adding, &c->err));
    }
    assert_int_equal(adding.called, 4);
    adding.dump = 999;
    assert_int_not_equal(
        pd_catalog_apply(c->catalog, adding.dump, 1, add_problem, &adding, &c->err), PD_OK);
    assert_int_equal(adding.called, 4);
    assert_int_equal(cat_check(c), 0);
}

/* Goes on when a part of it failed. */
static enum pd_status careless(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct adding *adding = arg;
    struct pd_dump_row twin = {.name = "d", .uuid = "twin"};
    enum pd_status status = pd_catalog_problem_add(catalog, adding->dump, &trouble, err);

    if (status == PD_OK) {
        adding->answer = pd_catalog_dump_add(catalog, &twin, err);
        pd_error_clear(err);
    }
    return status;
}

static void an_entry_cannot_go_on_after_a_failure(void **state)
{
    struct cat_case *c = *state;
    struct adding adding = {.dump = cat_dump(c, "d", 1, 1)};

    cat_expect(c, PD_INTERNAL,
               pd_catalog_apply(c->catalog, adding.dump, 1, careless, &adding, &c->err));
    assert_int_equal(adding.answer, PD_EXISTS);
    assert_int_equal(problems(c), 0);
    adding.answer = PD_OK;
    cat_ok(c, pd_catalog_apply(c->catalog, adding.dump, 1, add_problem, &adding, &c->err));
}

static enum pd_status nested(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    return pd_catalog_apply(catalog, ((struct adding *)arg)->dump, 1, add_problem, arg, err);
}

static void an_entry_within_an_entry_is_refused(void **state)
{
    struct cat_case *c = *state;
    struct adding adding = {.dump = cat_dump(c, "d", 1, 1)};

    cat_expect(c, PD_INTERNAL,
               pd_catalog_apply(c->catalog, adding.dump, 1, nested, &adding, &c->err));
    assert_int_equal(applied(c, adding.dump), 0);
}

static void what_was_taken_moves_with_the_catalog(void **state)
{
    struct cat_case *c = *state;
    struct adding adding = {.dump = cat_dump(c, "d", 1, 1)};
    struct pd_run_row run;
    struct pd_claim claim = {PD_CLAIM_VOLUME, "V1", 0};
    char *text = NULL;
    size_t len = 0;
    uint64_t rows = 0;
    FILE *out = open_memstream(&text, &len);

    for (uint64_t seq = 1; seq <= 2; seq++) {
        cat_ok(c, pd_catalog_apply(c->catalog, adding.dump, seq, add_problem, &adding, &c->err));
    }
    cat_ok(c, pd_catalog_run_add(c->catalog, "dump d", &run, &c->err));
    cat_ok(c, pd_catalog_claim(c->catalog, run.id, &claim, 1, LIMIT, &c->err));
    cat_ok(c, pd_catalog_export(c->catalog, out, &c->err));
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\napplied\tdump_id="));
    assert_null(strstr(text, "\nrun\t"));
    assert_null(strstr(text, "\nclaim\t"));
    cat_sql(c, "DELETE FROM applied");
    cat_sql(c, "DELETE FROM problem");
    cat_sql(c, "DELETE FROM dump");
    FILE *in = fmemopen(text, len, "r");
    cat_ok(c, pd_catalog_import(c->catalog, in, &rows, &c->err));
    assert_int_equal(fclose(in), 0);
    free(text);
    assert_int_equal(applied(c, adding.dump), 2);
    assert_int_equal(cat_check(c), 0);
}

/* ---- several at once ---- */

enum { APPLIERS = 4, ENTRIES = 15 };

static int apply_all(struct cat_case *c, int64_t dump)
{
    struct adding adding = {.dump = dump};
    enum pd_status status = pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err);

    for (uint64_t seq = 1; status == PD_OK && seq <= ENTRIES; seq++) {
        status = pd_catalog_apply(c->catalog, dump, seq, add_problem, &adding, &c->err);
    }
    if (status != PD_OK) {
        print_error("%s\n", c->err.message);
    }
    pd_catalog_close(c->catalog);
    return (int)status;
}

static void several_may_apply_the_same_journal(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 1, 1);

    cat_close(c);
    for (int i = 0; i < APPLIERS; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            _exit(apply_all(c, dump));
        }
    }
    for (int i = 0; i < APPLIERS; i++) {
        int status = 0;
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), PD_OK);
    }
    cat_open(c);
    assert_int_equal(applied(c, dump), ENTRIES);
    assert_int_equal(problems(c), ENTRIES);
}

static void another_session_sees_what_this_one_has_committed(void **state)
{
    struct cat_case *c = *state;
    struct adding adding = {.dump = cat_dump(c, "d", 1, 1)};
    struct pd_catalog *again = NULL;
    uint64_t seq = 0;

    cat_ok(c, pd_catalog_again(c->catalog, &again, &c->err));
    assert_ptr_not_equal(again, c->catalog);
    cat_ok(c, pd_catalog_apply(c->catalog, adding.dump, 1, add_problem, &adding, &c->err));
    cat_ok(c, pd_catalog_applied(again, adding.dump, &seq, &c->err));
    assert_int_equal(seq, 1);
    cat_ok(c, pd_catalog_apply(again, adding.dump, 2, add_problem, &adding, &c->err));
    assert_int_equal(applied(c, adding.dump), 2);
    pd_catalog_close(again);
}

/* The server ends this session's connection while the entry is at work, the first two times. */
struct cutting {
    struct cat_case *c;
    struct adding adding;
};

static enum pd_status cut_off(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct cutting *cutting = arg;
    enum pd_status status = add_problem(catalog, &cutting->adding, err);
    char sql[64];

    if (status == PD_OK && cutting->adding.called <= 2) {
        int64_t id = cat_number(cutting->c, "SELECT MIN(id) FROM information_schema.processlist"
                                            " WHERE id <> CONNECTION_ID() AND db = DATABASE()");
        (void)snprintf(sql, sizeof sql, "KILL %" PRId64, id);
        cat_sql(cutting->c, sql);
    }
    return status;
}

static void a_connection_that_is_cut_off_comes_back(void **state)
{
    struct cat_case *c = *state;
    struct cutting cutting = {c, {.dump = cat_dump(c, "d", 1, 1)}};

    if (strncmp(c->url, "mysql:", 6) != 0) {
        return; /* a file has no connections */
    }
    /* the commit that comes next is what finds it: taken or not, the entry is so once */
    cat_ok(c, pd_catalog_apply(c->catalog, cutting.adding.dump, 1, cut_off, &cutting, &c->err));
    assert_int_equal(cutting.adding.called, 3);
    assert_int_equal(problems(c), 1);
    assert_int_equal(applied(c, cutting.adding.dump), 1);
}

/* ---- faults: every call that can fail does, once, in a story that uses all that changes ---- */

struct entry {
    struct pd_archive_row archive;
    struct pd_copy_row copies[2];
    struct pd_toc toc;
};

static enum pd_status begin_entry(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct entry *e = arg;

    return pd_catalog_archive_begin(catalog, &e->archive, e->copies, 2, err);
}

/* With the same problem twice: in an entry that is no mistake. */
static enum pd_status end_entry(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct entry *e = arg;
    enum pd_status status = pd_catalog_archive_written(catalog, e->archive.id, &e->toc, e->copies,
                                                       2, err);

    for (int i = 0; i < 2 && status == PD_OK; i++) {
        status = pd_catalog_problem_add(catalog, e->archive.dump_id, &trouble, err);
    }
    return status;
}

static enum pd_status verify_entry(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct entry *e = arg;
    enum pd_status status = PD_OK;

    for (int i = 0; i < 2 && status == PD_OK; i++) {
        struct pd_verification_row row = {.copy_id = e->copies[i].id, .started = 1, .finished = 2,
                                          .mode = "full", .status = PD_OK, .records = 1};
        status = pd_catalog_verification_add(catalog, &row, NULL, 0, err);
    }
    return status;
}

static void prepare_entry(struct cat_case *c, struct entry *e, int64_t dump, uint64_t seq,
                          const int64_t volumes[2])
{
    *e = (struct entry){.archive = {.dump_id = dump, .seq = seq, .record_size = 65536}};
    (void)snprintf(e->archive.name, sizeof e->archive.name, "%d.%d", (int)dump, (int)seq);
    for (unsigned i = 0; i < 2; i++) {
        e->copies[i] = (struct pd_copy_row){.volume_id = volumes[i], .copy = i + 1,
                                            .tape_file = (uint32_t)(10 * (uint64_t)dump + seq),
                                            .state = PD_COPY_WRITING};
    }
    cat_toc_start(&e->toc, e->archive.name);
    cat_toc_add(c, &e->toc, "/a/b/c");
    cat_toc_add(c, &e->toc, "/a/d");
    cat_toc_end(c, &e->toc);
}

static void by_journal(struct cat_case *c, const int64_t volumes[2])
{
    static const pd_catalog_fn entries[] = {begin_entry, end_entry, verify_entry};
    int64_t dump = cat_dump(c, "by journal", 2, 1);
    struct entry e;

    prepare_entry(c, &e, dump, 1, volumes);
    for (uint64_t i = 0; i < 3; i++) {
        cat_ok(c, pd_catalog_apply(c->catalog, dump, i + 1, entries[i], &e, &c->err));
        e.copies[0].state = e.copies[1].state = PD_COPY_WRITTEN;
    }
    pd_toc_release(&e.toc);
}

static void one_by_one(struct cat_case *c, const int64_t volumes[2])
{
    int64_t dump = cat_dump(c, "one by one", 2, 1), spare = cat_volume(c, "V3");
    struct pd_dump_row row;
    struct pd_volume_row volume;
    struct entry e;

    prepare_entry(c, &e, dump, 1, volumes);
    cat_ok(c, begin_entry(c->catalog, &e, &c->err));
    e.copies[0].state = e.copies[1].state = PD_COPY_WRITTEN;
    cat_ok(c, pd_catalog_archive_written(c->catalog, e.archive.id, &e.toc, e.copies, 2, &c->err));
    cat_ok(c, pd_catalog_problem_add(c->catalog, dump, &trouble, &c->err));
    cat_ok(c, verify_entry(c->catalog, &e, &c->err));
    e.archive.seq = 2;
    cat_ok(c, begin_entry(c->catalog, &e, &c->err));
    cat_ok(c, pd_catalog_archive_abandon(c->catalog, e.archive.id, &c->err));
    cat_ok(c, pd_catalog_volumes_forget(c->catalog, &spare, 1, &c->err));
    cat_ok(c, pd_catalog_volume_find(c->catalog, "V1", &volume, &c->err));
    volume.state = PD_VOLUME_FULL_STATE;
    cat_ok(c, pd_catalog_volume_update(c->catalog, &volume, &c->err));
    struct pd_error why = {.status = PD_WRONG_VOLUME, .message = "not there"};
    cat_ok(c, pd_catalog_volume_doubt(c->catalog, volumes[1], &why, &c->err));
    cat_ok(c, pd_catalog_dump_find(c->catalog, "one by one", &row, &c->err));
    row.archives = row.problems = 1;
    row.state = PD_DUMP_DONE;
    cat_ok(c, pd_catalog_dump_update(c->catalog, &row, &c->err));
    pd_toc_release(&e.toc);
}

static void by_claims(struct cat_case *c)
{
    struct pd_claim wanted[] = {{PD_CLAIM_VOLUME, "V1", 0}, {PD_CLAIM_SOURCE, "/a", 0}};
    struct pd_claim below = {PD_CLAIM_SOURCE, "/a/b", 0};
    struct pd_run_row gone, run;

    cat_ok(c, pd_catalog_run_add(c->catalog, "dump gone", &gone, &c->err));
    cat_ok(c, pd_catalog_claim(c->catalog, gone.id, &below, 1, LIMIT, &c->err));
    cat_sql(c, "UPDATE run SET process = 'x', heartbeat = 1");
    cat_ok(c, pd_catalog_run_add(c->catalog, "dump next", &run, &c->err));
    cat_ok(c, pd_catalog_run_beat(c->catalog, run.id, &c->err));
    cat_ok(c, pd_catalog_claim(c->catalog, run.id, wanted, 2, LIMIT, &c->err));
    assert_int_equal(wanted[0].taken_from, 0);
    assert_int_equal(wanted[1].taken_from, gone.id);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM run"), 2);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM claim"), 3);
    assert_int_equal(cat_check(c), 0);
    cat_ok(c, pd_catalog_unclaim(c->catalog, run.id, &wanted[1], &c->err));
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM claim"), 2);
    cat_ok(c, pd_catalog_run_remove(c->catalog, run.id, &c->err));
    cat_ok(c, pd_catalog_run_remove(c->catalog, gone.id, &c->err));
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM run"), 0);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM claim"), 0);
    /* the takeover is told once, however often it was tried */
    const char *told = strstr(c->log, "taking over");
    assert_non_null(told);
    assert_null(strstr(told + 1, "taking over"));
}

/* The export without its ids, which may have gaps. */
static char *telling(struct cat_case *c)
{
    char *text = NULL, *to;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    cat_ok(c, pd_catalog_export(c->catalog, out, &c->err));
    assert_int_equal(fclose(out), 0);
    to = text;
    for (const char *from = text; *from;) {
        *to++ = *from++;
        if (to - text > 3 && memcmp(to - 3, "id=", 3) == 0) {
            from += strspn(from, "0123456789");
        }
    }
    *to = '\0';
    return text;
}

/* A new catalog in place of the last; what it says at the end. */
static char *tell_story(enum flaky_call call, unsigned at, enum pd_status status, bool done,
                        bool *struck)
{
    void *state = NULL;
    int64_t volumes[2];

    (void)cat_setup_sqlite(&state);
    struct cat_case *own = state;
    struct flaky *f = flaky_between(own);
    flaky_set(f, call, at, at, status, done);
    volumes[0] = cat_volume(own, "V1");
    volumes[1] = cat_volume(own, "V2");
    by_journal(own, volumes);
    one_by_one(own, volumes);
    by_claims(own);
    char *text = telling(own);
    if (cat_check(own) != 0) {
        fail_msg("%s", own->problems);
    }
    *struck = f->failed > 0;
    assert_int_equal(cat_teardown(&state), 0);
    return text;
}

static void each_fault_is_survived_and_nothing_is_lost_or_doubled(void **state)
{
    static const struct {
        enum flaky_call call;
        enum pd_status status;
        bool done;
    } faults[] = {
        {FLAKY_BEGIN, PD_CATALOG_BUSY, false},    {FLAKY_STEP, PD_CATALOG_LOST, false},
        {FLAKY_COMMIT, PD_CATALOG_BUSY, false},   {FLAKY_COMMIT, PD_COMMIT_UNKNOWN, false},
        {FLAKY_COMMIT, PD_COMMIT_UNKNOWN, true},
    };
    bool struck = false;
    char *want = tell_story(FLAKY_BEGIN, 0, PD_OK, false, &struck);

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struck = true;
        for (unsigned at = 1; struck; at++) {
            char *text = tell_story(faults[i].call, at, faults[i].status, faults[i].done, &struck);
            if (strcmp(want, text) != 0) {
                fail_msg("fault %d at %u:\n%s\ninstead of\n%s", (int)i, at, text, want);
            }
            assert_in_range(at, 1, 1000);
            free(text);
        }
    }
    free(want);
}

/* ---- faults that stay ---- */

static void a_server_that_stays_away_is_given_up(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 1, 1);
    struct adding adding = {.dump = dump};
    struct flaky *f = flaky_between(c);
    struct pd_dump_row row = {.name = "e", .uuid = "e"};

    flaky_set(f, FLAKY_BEGIN, 1, 1000, PD_CATALOG_LOST, false);
    cat_expect(c, PD_CATALOG_LOST, pd_catalog_dump_add(c->catalog, &row, &c->err));
    assert_int_equal(f->failed, 8);
    /* whether a commit was taken remains open: an entry can be asked for again, others cannot */
    flaky_set(f, FLAKY_COMMIT, 1, 1000, PD_COMMIT_UNKNOWN, false);
    cat_expect(c, PD_CATALOG_LOST,
               pd_catalog_apply(c->catalog, dump, 1, add_problem, &adding, &c->err));
    assert_int_equal(adding.called, 8);
    cat_expect(c, PD_COMMIT_UNKNOWN, pd_catalog_dump_add(c->catalog, &row, &c->err));
    assert_int_equal(f->failed, 16);
    flaky_set(f, FLAKY_COMMIT, 1, 1000, PD_COMMIT_UNKNOWN, true);
    cat_expect(c, PD_CATALOG_LOST,
               pd_catalog_apply(c->catalog, dump, 1, add_problem, &adding, &c->err));
    flaky_set(f, FLAKY_COMMIT, 1, 0, PD_OK, false);
    cat_ok(c, pd_catalog_apply(c->catalog, dump, 1, add_problem, &adding, &c->err));
    assert_int_equal(adding.called, 9);
    assert_int_equal(problems(c), 1);
    assert_int_equal(applied(c, dump), 1);
}

static void an_interrupted_run_does_not_try_again(void **state)
{
    struct cat_case *c = *state;
    struct adding adding = {.dump = cat_dump(c, "d", 1, 1)};
    struct flaky *f = flaky_between(c);

    c->stopped = 1;
    flaky_set(f, FLAKY_BEGIN, 1, 1000, PD_CATALOG_BUSY, false);
    cat_expect(c, PD_CATALOG_BUSY,
               pd_catalog_apply(c->catalog, adding.dump, 1, add_problem, &adding, &c->err));
    assert_int_equal(f->failed, 1);
    flaky_set(f, FLAKY_BEGIN, 1, 0, PD_OK, false);
    cat_ok(c, pd_catalog_apply(c->catalog, adding.dump, 1, add_problem, &adding, &c->err));
}

/* A dump of the same name that another run made meanwhile is not taken for one's own. */
static void what_others_made_is_not_ones_own(void **state)
{
    struct cat_case *c = *state;
    struct pd_dump_row row = {.name = "d", .uuid = "mine"};

    (void)cat_dump(c, "d", 1, 1);
    struct flaky *f = flaky_between(c);
    flaky_set(f, FLAKY_COMMIT, 1, 1, PD_COMMIT_UNKNOWN, false);
    cat_expect(c, PD_EXISTS, pd_catalog_dump_add(c->catalog, &row, &c->err));
    (void)snprintf(row.name, sizeof row.name, "e");
    flaky_set(f, FLAKY_COMMIT, 1, 1, PD_COMMIT_UNKNOWN, true);
    cat_ok(c, pd_catalog_dump_add(c->catalog, &row, &c->err));
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM dump"), 2);
    assert_int_equal(row.id, cat_number(c, "SELECT MAX(id) FROM dump"));
}

static void a_text_is_imported_once(void **state)
{
    static const char text[] = "pairdump-catalog\tschema=5\nfolder\tid=1\tpath=/a\nend\trows=1\n";
    struct cat_case *c = *state;
    struct flaky *f = flaky_between(c);
    uint64_t rows = 0;
    FILE *in = fmemopen((void *)(uintptr_t)text, sizeof text - 1, "r");

    flaky_set(f, FLAKY_COMMIT, 1, 1, PD_COMMIT_UNKNOWN, true);
    cat_expect(c, PD_COMMIT_UNKNOWN, pd_catalog_import(c->catalog, in, &rows, &c->err));
    assert_int_equal(f->calls[FLAKY_BEGIN], 1);
    assert_int_equal(fclose(in), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cat_setup, cat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_are_taken_once_and_in_order),
        TEST(an_entry_that_fails_leaves_nothing),
        TEST(an_entry_cannot_go_on_after_a_failure),
        TEST(an_entry_within_an_entry_is_refused),
        TEST(what_was_taken_moves_with_the_catalog),
        TEST(several_may_apply_the_same_journal),
        TEST(another_session_sees_what_this_one_has_committed),
        TEST(a_connection_that_is_cut_off_comes_back),
        cmocka_unit_test(each_fault_is_survived_and_nothing_is_lost_or_doubled),
        TEST(a_server_that_stays_away_is_given_up),
        TEST(an_interrupted_run_does_not_try_again),
        TEST(what_others_made_is_not_ones_own),
        TEST(a_text_is_imported_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
