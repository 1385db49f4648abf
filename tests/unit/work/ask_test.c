#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pairdump/ask.h"

#define S UINT64_C(1000000000)

/* A drive whose medium comes at some time; the clock goes on only while somebody sleeps. */
struct world {
    const enum pd_status *script; /* what the tries give, the last one for ever */
    size_t script_len;
    unsigned tries, sleeps, beats;
    unsigned stop_in_sleep; /* the stop flag is raised in that one; 0: never */
    unsigned give_up_at;    /* the beat of that number says no; 0: never */
    uint64_t now;
    volatile sig_atomic_t flag;
    char log[4096];

    struct pd_clock clock;
    struct pd_stop stop;
    struct pd_progress progress;
    struct pd_env env;
};

static int64_t utc(void *self)
{
    (void)self;
    return 0;
}

static uint64_t monotonic(void *self)
{
    struct world *world = self;

    return world->now;
}

static void nap(void *self, uint64_t ns)
{
    struct world *world = self;

    assert_true(ns > 0);
    world->now += ns;
    if (++world->sleeps == world->stop_in_sleep) {
        world->flag = 1;
    }
}

static void note_line(void *arg, enum pd_log_level level, const char *line)
{
    struct world *world = arg;
    size_t at = strlen(world->log);

    snprintf(world->log + at, sizeof world->log - at, "%s: %s\n", pd_log_level_name(level), line);
}

static enum pd_status look(void *arg, struct pd_error *err)
{
    struct world *world = arg;
    size_t at = world->tries < world->script_len ? world->tries : world->script_len - 1;
    enum pd_status status = world->script[at];

    world->tries++;
    return status == PD_OK ? PD_OK : pd_error_set(err, status, 0, "try %u", world->tries);
}

static bool beat(void *arg)
{
    struct world *world = arg;

    return ++world->beats != world->give_up_at;
}

static enum pd_status ask(struct world *world, const char *where, const enum pd_status *script,
                          size_t len, uint64_t wait_ns, struct pd_error *err)
{
    const uint64_t seed = 1;
    const struct pd_ask question = {.what = "volume PD100001",
                                    .where = where,
                                    .run = look,
                                    .arg = world,
                                    .beat = beat,
                                    .beat_arg = world};
    enum pd_status status;

    world->clock = (struct pd_clock){utc, monotonic, nap, world};
    world->stop.flag = &world->flag;
    pd_progress_init(&world->progress);
    world->env.clock = &world->clock;
    world->env.stop = &world->stop;
    world->env.progress = &world->progress;
    world->env.wait_ns = wait_ns;
    world->script = script;
    world->script_len = len;
    assert_int_equal(pd_rng_new(&seed, &world->env.rng, err), PD_OK);
    assert_int_equal(pd_log_new(note_line, world, PD_LOG_DEBUG, &world->env.log, err), PD_OK);
    status = pd_ask(&world->env, &question, err);
    pd_rng_free(world->env.rng);
    pd_log_free(world->env.log);
    return status;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

static void test_there_at_once(void **state)
{
    static const enum pd_status script[] = {PD_OK};
    struct world world = {.now = 0};
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(ask(&world, "tape:/dev/nst0", script, 1, 100 * S, &err), PD_OK);
    assert_int_equal(world.tries, 1);
    assert_int_equal(world.sleeps, 0);
    assert_string_equal(world.log, "");
}

static void test_it_comes(void **state)
{
    static const enum pd_status script[] = {PD_NO_MEDIUM,       PD_NOT_FOUND, PD_FOREIGN,
                                            PD_WRITE_PROTECTED, PD_NO_VOLUME, PD_OK};
    struct world world = {.now = 0};
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(ask(&world, "tape:/dev/nst0", script, 6, 100 * S, &err), PD_OK);
    assert_int_equal(world.tries, 6);
    assert_int_equal(world.beats, 5);
    assert_int_equal(count(world.log, "please put volume PD100001 into tape:/dev/nst0"), 1);
    assert_int_equal(count(world.log, "volume PD100001 is there"), 1);
}

static void test_it_does_not_come(void **state)
{
    static const enum pd_status script[] = {PD_NO_MEDIUM};
    struct world world = {.now = 0};
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(ask(&world, "tape:/dev/nst0", script, 1, 7 * S, &err), PD_NO_MEDIUM);
    assert_int_equal(world.now, 7 * S);
    assert_int_equal(err.status, PD_NO_MEDIUM);
    assert_int_equal(count(world.log, "is there"), 0);
}

static void test_reminds(void **state)
{
    static const enum pd_status script[] = {PD_NO_MEDIUM};
    struct world world = {.now = 0};
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(ask(&world, "mock:/m", script, 1, 1500 * S, &err), PD_NO_MEDIUM);
    assert_int_equal(count(world.log, "please put"), 3);
}

/* What nobody at the drive can mend, what is no tape, and a run that may not wait. */
static void test_does_not_wait(void **state)
{
    static const enum pd_status io[] = {PD_IO}, absent[] = {PD_NOT_FOUND};
    struct world a = {.now = 0}, b = {.now = 0}, c = {.now = 0};
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(ask(&a, "tape:/dev/nst0", io, 1, 100 * S, &err), PD_IO);
    assert_int_equal(ask(&b, "disk:/d", absent, 1, 100 * S, &err), PD_NOT_FOUND);
    assert_int_equal(ask(&c, "tape:/dev/nst0", absent, 1, 0, &err), PD_NOT_FOUND);
    assert_int_equal(a.sleeps + b.sleeps + c.sleeps, 0);
    assert_int_equal(a.tries + b.tries + c.tries, 3);
}

static void test_stops(void **state)
{
    static const enum pd_status script[] = {PD_NO_MEDIUM};
    struct world world = {.stop_in_sleep = 2}, given_up = {.give_up_at = 3};
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(ask(&world, "tape:/dev/nst0", script, 1, 100 * S, &err), PD_INTERRUPTED);
    assert_int_equal(world.sleeps, 2);
    assert_int_equal(ask(&given_up, "tape:/dev/nst0", script, 1, 100 * S, &err), PD_NO_MEDIUM);
    assert_int_equal(given_up.sleeps, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_at_once),    cmocka_unit_test(test_it_comes),
        cmocka_unit_test(test_it_does_not_come), cmocka_unit_test(test_reminds),
        cmocka_unit_test(test_does_not_wait),    cmocka_unit_test(test_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
