#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/catalog_lib.h"
#include "pairdump/claim.h"
#include "pairdump/process.h"

#define NOW (1700000000 * PD_NS_PER_S) /* of the clock of the library */
#define LIMIT (600 * PD_NS_PER_S)

/* Two runs, each with a session of its own. */
struct runs {
    struct cat_case *c;
    struct pd_catalog *second;
    struct pd_run_row a, b;
};

static int setup(void **state)
{
    struct runs *r = calloc(1, sizeof *r);

    assert_non_null(r);
    (void)cat_setup((void **)&r->c);
    cat_ok(r->c, pd_catalog_again(r->c->catalog, &r->second, &r->c->err));
    cat_ok(r->c, pd_catalog_run_add(r->c->catalog, "dump a", &r->a, &r->c->err));
    cat_ok(r->c, pd_catalog_run_add(r->second, "dump b", &r->b, &r->c->err));
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct runs *r = *state;

    pd_catalog_close(r->second);
    int left = cat_teardown((void **)&r->c);
    free(r);
    return left;
}

static enum pd_status claim(struct runs *r, const struct pd_run_row *run, enum pd_claim_kind kind,
                            const char *name)
{
    struct pd_claim wanted = {.kind = kind, .name = name, .taken_from = 99};

    pd_error_clear(&r->c->err);
    return pd_catalog_claim(run == &r->a ? r->c->catalog : r->second, run->id, &wanted, 1, LIMIT,
                            &r->c->err);
}

static void unclaim(struct runs *r, const struct pd_run_row *run, enum pd_claim_kind kind,
                    const char *name)
{
    const struct pd_claim wanted = {.kind = kind, .name = name};

    cat_ok(r->c, pd_catalog_unclaim(run == &r->a ? r->c->catalog : r->second, run->id, &wanted,
                                    &r->c->err));
}

/* The run that has it; 0: none. */
static int64_t owner(struct runs *r, enum pd_claim_kind kind, const char *name)
{
    struct pd_run_row row;
    bool found = false;

    cat_ok(r->c, pd_catalog_claim_owner(r->c->catalog, kind, name, &row, &found, &r->c->err));
    return found ? row.id : 0;
}

static int64_t claims_of(struct runs *r, int64_t run)
{
    char sql[80];

    (void)snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM claim WHERE run_id = %d", (int)run);
    return cat_number(r->c, sql);
}

static void alter_run(struct runs *r, const struct pd_run_row *run, const char *column,
                      const char *value)
{
    char sql[512];

    (void)snprintf(sql, sizeof sql, "UPDATE run SET %s = '%s' WHERE id = %d", column, value,
                   (int)run->id);
    cat_sql(r->c, sql);
}

static void beat_at(struct runs *r, const struct pd_run_row *run, int64_t when)
{
    char value[32];

    (void)snprintf(value, sizeof value, "%lld", (long long)when);
    alter_run(r, run, "heartbeat", value);
}

/* ---- runs ---- */

static void a_run_says_who_it_is(void **state)
{
    struct runs *r = *state;
    char host[256] = "", self[PD_PROCESS_TEXT];

    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    pd_process_self(self);
    assert_true(r->a.id > 0 && r->b.id > 0 && r->a.id != r->b.id);
    assert_string_equal(r->a.host, host);
    assert_string_equal(r->a.process, self);
    assert_string_equal(r->a.what, "dump a");
    assert_int_equal(r->a.pid, getpid());
    assert_true(r->a.started == NOW && r->a.heartbeat == NOW);
    assert_false(pd_run_is_gone(&r->c->env, &r->a, LIMIT));
    assert_int_equal(cat_check(r->c), 0);
}

static void the_end_of_a_run_frees_all_that_it_had(void **state)
{
    struct runs *r = *state;

    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_VOLUME, "V1"));
    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_SOURCE, "/data"));
    cat_ok(r->c, pd_catalog_run_remove(r->c->catalog, r->a.id, &r->c->err));
    cat_ok(r->c, pd_catalog_run_remove(r->c->catalog, r->a.id, &r->c->err));
    assert_int_equal(cat_number(r->c, "SELECT COUNT(*) FROM claim"), 0);
    assert_int_equal(cat_number(r->c, "SELECT COUNT(*) FROM run"), 1);
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_VOLUME, "V1"));
    cat_expect(r->c, PD_BUSY, pd_catalog_run_beat(r->c->catalog, r->a.id, &r->c->err));
    cat_expect(r->c, PD_BUSY, claim(r, &r->a, PD_CLAIM_VOLUME, "V2"));
    assert_int_equal(cat_check(r->c), 0);
}

static void a_beat_is_written_down(void **state)
{
    struct runs *r = *state;

    beat_at(r, &r->a, 5);
    cat_ok(r->c, pd_catalog_run_beat(r->c->catalog, r->a.id, &r->c->err));
    assert_true(cat_number(r->c, "SELECT MIN(heartbeat) FROM run") == NOW);
}

static void names_of_any_bytes_are_told_apart(void **state)
{
    static const char *const names[] = {"/a", "/A", "/a ", "/a\xff", "/a\xfe", "/\xc3\xa4",
                                        "/\xc3\x84", "/a\n", "/a%"};
    struct runs *r = *state;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cat_ok(r->c, claim(r, i % 2 ? &r->a : &r->b, PD_CLAIM_SOURCE, names[i]));
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(owner(r, PD_CLAIM_SOURCE, names[i]), i % 2 ? r->a.id : r->b.id);
        cat_expect(r->c, PD_BUSY, claim(r, i % 2 ? &r->b : &r->a, PD_CLAIM_SOURCE, names[i]));
    }
    assert_int_equal(cat_check(r->c), 0);
}

static void a_long_name_leaves_room_for_its_owner(void **state)
{
    struct runs *r = *state;
    char name[4097];

    memset(name, 'x', sizeof name);
    name[0] = '/';
    name[sizeof name - 1] = '\0';
    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_SOURCE, name));
    cat_expect(r->c, PD_BUSY, claim(r, &r->b, PD_CLAIM_SOURCE, name));
    assert_non_null(strstr(r->c->err.message, "dump a"));
    name[sizeof name - 2] = 'y';
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_SOURCE, name));
}

/* ---- who gets what ---- */

static void what_one_has_the_other_does_not_get(void **state)
{
    static const enum pd_claim_kind kinds[] = {PD_CLAIM_DUMP, PD_CLAIM_VOLUME, PD_CLAIM_DRIVE,
                                               PD_CLAIM_SOURCE};
    struct runs *r = *state;
    char number[32];

    (void)snprintf(number, sizeof number, "process %d", (int)getpid());
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        cat_ok(r->c, claim(r, &r->a, kinds[i], "/same"));
        cat_ok(r->c, claim(r, &r->a, kinds[i], "/same"));
        assert_int_equal(claims_of(r, r->a.id), i + 1);
        cat_expect(r->c, PD_BUSY, claim(r, &r->b, kinds[i], "/same"));
        assert_non_null(strstr(r->c->err.message, "\"dump a\""));
        assert_non_null(strstr(r->c->err.message, r->a.host));
        assert_non_null(strstr(r->c->err.message, number));
        assert_non_null(strstr(r->c->err.message, "2023-11-14T22:13:20Z"));
        assert_non_null(strstr(r->c->err.message, pd_claim_kind_name(kinds[i])));
        assert_int_equal(owner(r, kinds[i], "/same"), r->a.id);
    }
    unclaim(r, &r->b, PD_CLAIM_DRIVE, "/same"); /* not its own: nothing happens */
    assert_int_equal(owner(r, PD_CLAIM_DRIVE, "/same"), r->a.id);
    unclaim(r, &r->a, PD_CLAIM_DRIVE, "/same");
    unclaim(r, &r->a, PD_CLAIM_DRIVE, "/same");
    assert_int_equal(owner(r, PD_CLAIM_DRIVE, "/same"), 0);
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_DRIVE, "/same"));
    assert_string_equal(r->c->log, "");
    assert_int_equal(cat_check(r->c), 0);
}

static void sources_collide_when_one_lies_in_the_other(void **state)
{
    static const struct {
        const char *has, *wants;
        bool meet;
    } table[] = {
        {"/a/b", "/a/b", true},   {"/a/b", "/a", true},     {"/a/b", "/", true},
        {"/a/b", "/a/b/c", true}, {"/a/b", "/a/b/c/d", true}, {"/", "/", true},
        {"/", "/a", true},        {"/a/b", "/a/bc", false}, {"/a/bc", "/a/b", false},
        {"/a/b", "/a/c", false},  {"/a/b", "/b", false},    {"/a/b", "/a/b\xff", false},
        {"/a/b", "/A/b", false},
    };
    struct runs *r = *state;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        cat_ok(r->c, claim(r, &r->a, PD_CLAIM_SOURCE, table[i].has));
        enum pd_status want = table[i].meet ? PD_BUSY : PD_OK;
        cat_expect(r->c, want, claim(r, &r->b, PD_CLAIM_SOURCE, table[i].wants));
        assert_int_equal(claims_of(r, r->b.id), !table[i].meet);
        unclaim(r, &r->a, PD_CLAIM_SOURCE, table[i].has);
        unclaim(r, &r->b, PD_CLAIM_SOURCE, table[i].wants);
        /* only paths have an inside */
        cat_ok(r->c, claim(r, &r->a, PD_CLAIM_DRIVE, table[i].has));
        bool same = strcmp(table[i].has, table[i].wants) == 0;
        cat_expect(r->c, same ? PD_BUSY : PD_OK,
                   claim(r, &r->b, PD_CLAIM_DRIVE, table[i].wants));
        unclaim(r, &r->a, PD_CLAIM_DRIVE, table[i].has);
        unclaim(r, &r->b, PD_CLAIM_DRIVE, table[i].wants);
    }
    assert_int_equal(cat_number(r->c, "SELECT COUNT(*) FROM claim"), 0);
}

static void a_run_is_not_in_its_own_way(void **state)
{
    static const char *const names[] = {"/a/b", "/a", "/", "/a/b/c"};
    struct runs *r = *state;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cat_ok(r->c, claim(r, &r->a, PD_CLAIM_SOURCE, names[i]));
    }
    assert_int_equal(claims_of(r, r->a.id), 4);
    unclaim(r, &r->a, PD_CLAIM_SOURCE, "/");
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_SOURCE, "/b"));
    cat_expect(r->c, PD_BUSY, claim(r, &r->b, PD_CLAIM_SOURCE, "/a/x"));
}

static void drives_and_sources_are_of_a_host(void **state)
{
    struct runs *r = *state;

    for (int kind = PD_CLAIM_DUMP; kind <= PD_CLAIM_SOURCE; kind++) {
        cat_ok(r->c, claim(r, &r->a, (enum pd_claim_kind)kind, "/x"));
    }
    alter_run(r, &r->a, "host", "elsewhere");
    cat_sql(r->c, "UPDATE claim SET host = 'elsewhere' WHERE host <> ''");
    cat_expect(r->c, PD_BUSY, claim(r, &r->b, PD_CLAIM_DUMP, "/x"));
    assert_non_null(strstr(r->c->err.message, "elsewhere"));
    assert_non_null(strstr(r->c->err.message, "claim-limit"));
    cat_expect(r->c, PD_BUSY, claim(r, &r->b, PD_CLAIM_VOLUME, "/x"));
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_DRIVE, "/x"));
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_SOURCE, "/x"));
    assert_int_equal(cat_check(r->c), 0);
}

static void all_or_none(void **state)
{
    struct runs *r = *state;
    struct pd_claim wanted[] = {
        {PD_CLAIM_DUMP, "free", 99},
        {PD_CLAIM_VOLUME, "gone", 99},
        {PD_CLAIM_VOLUME, "V1", 99},
    };
    struct pd_run_row dead;

    cat_ok(r->c, pd_catalog_run_add(r->c->catalog, "dump dead", &dead, &r->c->err));
    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_VOLUME, "V1"));
    struct pd_claim gone = {PD_CLAIM_VOLUME, "gone", 0};
    cat_ok(r->c, pd_catalog_claim(r->c->catalog, dead.id, &gone, 1, LIMIT, &r->c->err));
    alter_run(r, &dead, "host", "elsewhere");
    beat_at(r, &dead, 1);
    cat_expect(r->c, PD_BUSY,
               pd_catalog_claim(r->second, r->b.id, wanted, 3, LIMIT, &r->c->err));
    assert_int_equal(claims_of(r, r->b.id), 0);
    assert_int_equal(claims_of(r, dead.id), 1);
    assert_int_equal(wanted[1].taken_from, 0);
    assert_string_equal(r->c->log, "");
    assert_int_equal(cat_number(r->c, "SELECT SUM(taken) FROM run"), 0);
    unclaim(r, &r->a, PD_CLAIM_VOLUME, "V1");
    cat_ok(r->c, pd_catalog_claim(r->second, r->b.id, wanted, 3, LIMIT, &r->c->err));
    assert_int_equal(wanted[0].taken_from, 0);
    assert_int_equal(wanted[1].taken_from, dead.id);
    assert_int_equal(wanted[2].taken_from, 0);
    assert_int_equal(claims_of(r, r->b.id), 3);
    assert_int_equal(cat_check(r->c), 0);
}

/* ---- taking over ---- */

static unsigned lines(const char *text)
{
    unsigned n = 0;

    for (; *text; text++) {
        n += *text == '\n';
    }
    return n;
}

static void the_heartbeat_of_another_host_decides(void **state)
{
    struct runs *r = *state;
    struct pd_claim wanted = {PD_CLAIM_VOLUME, "V1", 0};

    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_VOLUME, "V1"));
    alter_run(r, &r->a, "host", "elsewhere");
    beat_at(r, &r->a, NOW - LIMIT);
    cat_expect(r->c, PD_BUSY, claim(r, &r->b, PD_CLAIM_VOLUME, "V1"));
    beat_at(r, &r->a, NOW + LIMIT); /* its clock runs ahead */
    cat_expect(r->c, PD_BUSY, claim(r, &r->b, PD_CLAIM_VOLUME, "V1"));
    beat_at(r, &r->a, NOW - LIMIT - 1);
    cat_ok(r->c, pd_catalog_claim(r->second, r->b.id, &wanted, 1, LIMIT, &r->c->err));
    assert_int_equal(wanted.taken_from, r->a.id);
    assert_int_equal(lines(r->c->log), 1);
    assert_non_null(strstr(r->c->log, "taking over volume V1 from \"dump a\" (host elsewhere"));
    assert_non_null(strstr(r->c->log, "no sign of life since 2023-11-14T22:03:19Z"));
    /* it comes back, and is told to stop */
    cat_expect(r->c, PD_BUSY, pd_catalog_run_beat(r->c->catalog, r->a.id, &r->c->err));
    cat_expect(r->c, PD_BUSY, claim(r, &r->a, PD_CLAIM_VOLUME, "V9"));
    cat_ok(r->c, pd_catalog_run_beat(r->second, r->b.id, &r->c->err));
    assert_int_equal(cat_check(r->c), 0);
    /* what it says when it ends changes nothing for the other */
    cat_ok(r->c, pd_catalog_run_remove(r->c->catalog, r->a.id, &r->c->err));
    assert_int_equal(owner(r, PD_CLAIM_VOLUME, "V1"), r->b.id);
    assert_int_equal(cat_check(r->c), 0);
    unclaim(r, &r->b, PD_CLAIM_VOLUME, "V1");
    assert_int_equal(owner(r, PD_CLAIM_VOLUME, "V1"), 0);
}

static void a_process_that_runs_is_never_gone(void **state)
{
    struct runs *r = *state;

    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_VOLUME, "V1"));
    beat_at(r, &r->a, 1);
    cat_expect(r->c, PD_BUSY, claim(r, &r->b, PD_CLAIM_VOLUME, "V1"));
    assert_null(strstr(r->c->err.message, "claim-limit"));
}

static void a_number_used_anew_is_another_process(void **state)
{
    struct runs *r = *state;
    char process[PD_PROCESS_TEXT];

    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_VOLUME, "V1"));
    (void)snprintf(process, sizeof process, "%.*s 1",
                   (int)(strrchr(r->a.process, ' ') - r->a.process), r->a.process);
    alter_run(r, &r->a, "process", process);
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_VOLUME, "V1"));
    assert_non_null(strstr(r->c->log, "no longer runs"));
}

static void of_another_boot_the_heartbeat_decides(void **state)
{
    static const char other[] = "01234567-89ab-4cde-8f01-23456789abcd pid:[4026531836] 5";
    struct runs *r = *state;

    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_VOLUME, "V1"));
    alter_run(r, &r->a, "process", other);
    cat_expect(r->c, PD_BUSY, claim(r, &r->b, PD_CLAIM_VOLUME, "V1"));
    beat_at(r, &r->a, NOW - LIMIT - 1);
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_VOLUME, "V1"));
}

static void what_was_taken_can_be_given_back(void **state)
{
    struct runs *r = *state;
    struct pd_claim wanted = {PD_CLAIM_DUMP, "d", 0};

    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_DUMP, "d"));
    alter_run(r, &r->a, "host", "elsewhere");
    beat_at(r, &r->a, 1);
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_DUMP, "d"));
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_VOLUME, "forgets runs that are gone and idle"));
    cat_ok(r->c, pd_catalog_claim(r->second, r->b.id, &wanted, 1, LIMIT, &r->c->err));
    assert_int_equal(wanted.taken_from, r->a.id);
    unclaim(r, &r->b, PD_CLAIM_DUMP, "d");
    assert_int_equal(owner(r, PD_CLAIM_DUMP, "d"), r->a.id);
    assert_int_equal(cat_check(r->c), 0);
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_DUMP, "d"));
    assert_int_equal(lines(r->c->log), 2);
    cat_ok(r->c, pd_catalog_run_remove(r->second, r->b.id, &r->c->err));
    assert_int_equal(owner(r, PD_CLAIM_DUMP, "d"), 0);
    /* who is left with nothing is forgotten when others claim */
    assert_int_equal(cat_number(r->c, "SELECT COUNT(*) FROM run"), 1);
    cat_ok(r->c, pd_catalog_run_add(r->second, "dump b", &r->b, &r->c->err));
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_DUMP, "d"));
    assert_int_equal(cat_number(r->c, "SELECT COUNT(*) FROM run"), 1);
    assert_int_equal(lines(r->c->log), 2);
}

static void who_takes_a_dump_is_the_heir_of_its_run(void **state)
{
    struct runs *r = *state;

    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_VOLUME, "V1"));
    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_DUMP, "d"));
    alter_run(r, &r->a, "host", "elsewhere");
    beat_at(r, &r->a, 1);
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_DUMP, "d"));
    assert_int_equal(owner(r, PD_CLAIM_VOLUME, "V1"), r->b.id);
    cat_ok(r->c, pd_catalog_run_remove(r->second, r->b.id, &r->c->err));
    assert_int_equal(cat_number(r->c, "SELECT COUNT(*) FROM claim"), 0);
}

static void what_an_heir_could_not_settle_goes_back(void **state)
{
    struct runs *r = *state;

    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_VOLUME, "V1"));
    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_SOURCE, "/data/x"));
    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_DUMP, "d"));
    alter_run(r, &r->a, "host", "elsewhere");
    beat_at(r, &r->a, 1);
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_SOURCE, "/data"));
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_DUMP, "d"));
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_VOLUME, "V2"));
    assert_int_equal(claims_of(r, r->a.id), 0);
    cat_ok(r->c, pd_catalog_run_return(r->second, r->b.id, &r->c->err));
    assert_int_equal(owner(r, PD_CLAIM_VOLUME, "V1"), r->a.id);
    assert_int_equal(owner(r, PD_CLAIM_DUMP, "d"), r->a.id);
    assert_int_equal(owner(r, PD_CLAIM_SOURCE, "/data/x"), r->a.id);
    assert_int_equal(owner(r, PD_CLAIM_VOLUME, "V2"), 0);
    assert_int_equal(cat_number(r->c, "SELECT COUNT(*) FROM claim"), 3);
    assert_int_equal(cat_number(r->c, "SELECT COUNT(*) FROM run"), 1);
    assert_int_equal(cat_check(r->c), 0);
    cat_ok(r->c, pd_catalog_run_return(r->second, r->b.id, &r->c->err)); /* once is enough */
    assert_int_equal(cat_number(r->c, "SELECT COUNT(*) FROM claim"), 3);
}

/* A source takes what lies in it and around it from all who are gone, and gives all of it back. */
static void a_source_takes_all_that_it_meets(void **state)
{
    struct runs *r = *state;
    struct pd_claim wanted = {PD_CLAIM_SOURCE, "/a", 0};

    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_SOURCE, "/a/b"));
    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_SOURCE, "/a/c"));
    cat_ok(r->c, claim(r, &r->a, PD_CLAIM_SOURCE, "/z"));
    char process[PD_PROCESS_TEXT];
    (void)snprintf(process, sizeof process, "%.*s 1",
                   (int)(strrchr(r->a.process, ' ') - r->a.process), r->a.process);
    alter_run(r, &r->a, "process", process);
    cat_ok(r->c, pd_catalog_claim(r->second, r->b.id, &wanted, 1, LIMIT, &r->c->err));
    assert_int_equal(wanted.taken_from, r->a.id);
    assert_int_equal(lines(r->c->log), 2);
    assert_int_equal(claims_of(r, r->b.id), 3);
    assert_int_equal(claims_of(r, r->a.id), 1);
    assert_int_equal(cat_check(r->c), 0);
    unclaim(r, &r->b, PD_CLAIM_SOURCE, "/a");
    assert_int_equal(claims_of(r, r->b.id), 0);
    assert_int_equal(claims_of(r, r->a.id), 3);
    assert_int_equal(owner(r, PD_CLAIM_SOURCE, "/a/c/d"), r->a.id);
    /* asked for by name, it stays when the other is let go */
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_SOURCE, "/a"));
    cat_ok(r->c, claim(r, &r->b, PD_CLAIM_SOURCE, "/a/b"));
    unclaim(r, &r->b, PD_CLAIM_SOURCE, "/a");
    assert_int_equal(claims_of(r, r->b.id), 1);
    assert_int_equal(owner(r, PD_CLAIM_SOURCE, "/a/b"), r->b.id);
    assert_int_equal(cat_check(r->c), 0);
}

static void the_check_finds_what_contradicts(void **state)
{
    static const char *const broken[] = {
        "UPDATE claim SET run_id = 999",
        "UPDATE claim SET taken_from = 999",
        "UPDATE claim SET via = 999",
        "UPDATE claim SET kind = 'other'",
        "INSERT INTO claim SELECT id + 1, run_id, kind, host, name, 0, 0 FROM claim",
        "INSERT INTO applied (dump_id, seq) VALUES (999, 1)",
    };
    struct runs *r = *state;

    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        cat_ok(r->c, claim(r, &r->a, PD_CLAIM_VOLUME, "V1"));
        assert_int_equal(cat_check(r->c), 0);
        cat_sql(r->c, broken[i]);
        assert_in_range(cat_check(r->c), 1, 3);
        cat_sql(r->c, "DELETE FROM claim");
        cat_sql(r->c, "DELETE FROM applied");
    }
}

/* ---- processes ---- */

/* A run of its own in a process of its own; without assertions, which would leave the process. */
static enum pd_status claim_in_child(struct cat_case *c, const char *name)
{
    struct pd_claim wanted = {PD_CLAIM_VOLUME, name, 0};
    struct pd_run_row run;
    enum pd_status status = pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err);

    status = status == PD_OK ? pd_catalog_run_add(c->catalog, "dump child", &run, &c->err) : status;
    return status == PD_OK ? pd_catalog_claim(c->catalog, run.id, &wanted, 1, LIMIT, &c->err)
                           : status;
}

static void a_process_that_died_loses_what_it_had(void **state)
{
    struct cat_case *c = *state;
    struct pd_claim wanted = {PD_CLAIM_VOLUME, "V1", 0};
    struct pd_run_row run, left;
    siginfo_t info;
    bool found = false;

    cat_close(c);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit((int)claim_in_child(c, "V1"));
    }
    /* ended, and not waited for: it is gone all the same */
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(info.si_status, PD_OK);
    cat_open(c);
    cat_ok(c, pd_catalog_claim_owner(c->catalog, PD_CLAIM_VOLUME, "V1", &left, &found, &c->err));
    assert_true(found && left.pid == pid && pd_run_is_gone(&c->env, &left, LIMIT));
    cat_ok(c, pd_catalog_run_add(c->catalog, "dump next", &run, &c->err));
    cat_ok(c, pd_catalog_claim(c->catalog, run.id, &wanted, 1, LIMIT, &c->err));
    assert_int_equal(wanted.taken_from, left.id);
    assert_int_equal(lines(c->log), 1);
    assert_non_null(strstr(c->log, "\"dump child\""));
    assert_non_null(strstr(c->log, "no longer runs"));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(cat_check(c), 0);
}

enum { RACERS = 8 };

static void race(struct cat_case *c, const int go[2], const int result[2], const int end[2])
{
    char byte = 0;

    (void)close(go[1]);
    (void)close(end[1]);
    (void)!read(go[0], &byte, 1);
    byte = (char)claim_in_child(c, "V1");
    (void)!write(result[1], &byte, 1);
    (void)!read(end[0], &byte, 1); /* who won runs until all have tried */
    _exit(0);
}

static void of_eight_at_once_one_gets_it(void **state)
{
    struct cat_case *c = *state;
    int go[2], result[2], end[2], won = 0, busy = 0;

    cat_close(c);
    assert_int_equal(pipe(go) | pipe(result) | pipe(end), 0);
    for (int i = 0; i < RACERS; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            race(c, go, result, end);
        }
    }
    (void)close(go[0]);
    (void)close(go[1]);
    for (int i = 0; i < RACERS; i++) {
        char byte = 0;
        assert_int_equal(read(result[0], &byte, 1), 1);
        won += byte == PD_OK;
        busy += byte == PD_BUSY;
    }
    (void)close(end[1]);
    for (int i = 0; i < RACERS; i++) {
        assert_true(wait(NULL) > 0);
    }
    (void)close(end[0]);
    (void)close(result[0]);
    (void)close(result[1]);
    assert_int_equal(won, 1);
    assert_int_equal(busy, RACERS - 1);
    cat_open(c);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM claim"), 1);
    assert_int_equal(cat_check(c), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_says_who_it_is),
        TEST(the_end_of_a_run_frees_all_that_it_had),
        TEST(a_beat_is_written_down),
        TEST(names_of_any_bytes_are_told_apart),
        TEST(a_long_name_leaves_room_for_its_owner),
        TEST(what_one_has_the_other_does_not_get),
        TEST(sources_collide_when_one_lies_in_the_other),
        TEST(a_run_is_not_in_its_own_way),
        TEST(drives_and_sources_are_of_a_host),
        TEST(all_or_none),
        TEST(the_heartbeat_of_another_host_decides),
        TEST(a_process_that_runs_is_never_gone),
        TEST(a_number_used_anew_is_another_process),
        TEST(of_another_boot_the_heartbeat_decides),
        TEST(what_was_taken_can_be_given_back),
        TEST(who_takes_a_dump_is_the_heir_of_its_run),
        TEST(what_an_heir_could_not_settle_goes_back),
        TEST(a_source_takes_all_that_it_meets),
        TEST(the_check_finds_what_contradicts),
        cmocka_unit_test_setup_teardown(a_process_that_died_loses_what_it_had, cat_setup,
                                        cat_teardown),
        cmocka_unit_test_setup_teardown(of_eight_at_once_one_gets_it, cat_setup, cat_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
