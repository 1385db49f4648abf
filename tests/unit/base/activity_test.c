#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "pairdump/activity.h"

#define MS UINT64_C(1000000)

struct world {
    /* script: what the step answers, call by call; the last one for ever */
    const enum pd_status *script;
    size_t script_len;
    unsigned calls;
    /* the clock notes each wait, and raises the stop flag in wait number stop_in_sleep */
    uint64_t waits[32];
    unsigned sleeps;
    unsigned stop_in_sleep;
    volatile sig_atomic_t flag;
    char log[4096];
    /* handlers */
    unsigned successes, failures, handler_tries;
    struct pd_error handler_error;

    struct pd_clock clock;
    struct pd_stop stop;
    struct pd_progress progress;
    struct pd_env env;
};

static int64_t no_utc(void *self)
{
    (void)self;
    return 0;
}

static uint64_t no_monotonic(void *self)
{
    (void)self;
    return 0;
}

static void note_sleep(void *self, uint64_t ns)
{
    struct world *world = self;

    assert_true(world->sleeps < 32);
    world->waits[world->sleeps++] = ns;
    if (world->sleeps == world->stop_in_sleep) {
        world->flag = 1;
    }
}

static void note_line(void *arg, enum pd_log_level level, const char *line)
{
    struct world *world = arg;
    size_t at = strlen(world->log);

    snprintf(world->log + at, sizeof world->log - at, "%s: %s\n", pd_log_level_name(level), line);
}

static void open_world(struct world *world)
{
    const uint64_t seed = 1;
    struct pd_error err = PD_ERROR_INIT;

    memset(world, 0, sizeof *world);
    world->clock = (struct pd_clock){no_utc, no_monotonic, note_sleep, world};
    world->stop.flag = &world->flag;
    pd_progress_init(&world->progress);
    world->env.clock = &world->clock;
    world->env.stop = &world->stop;
    world->env.progress = &world->progress;
    assert_int_equal(pd_rng_new(&seed, &world->env.rng, &err), PD_OK);
    assert_int_equal(pd_log_new(note_line, world, PD_LOG_DEBUG, &world->env.log, &err), PD_OK);
}

static void close_world(struct world *world)
{
    pd_rng_free(world->env.rng);
    pd_log_free(world->env.log);
}

static enum pd_status step(void *arg, struct pd_error *err)
{
    struct world *world = arg;
    size_t at = world->calls < world->script_len ? world->calls : world->script_len - 1;
    enum pd_status status = world->script[at];

    world->calls++;
    return status == PD_OK ? PD_OK : pd_error_set(err, status, 0, "call %u", world->calls);
}

static void on_success(void *arg, const char *name, unsigned tries, const struct pd_error *err)
{
    struct world *world = arg;

    assert_string_equal(name, "load");
    world->successes++;
    world->handler_tries = tries;
    world->handler_error = *err;
}

static void on_failure(void *arg, const char *name, unsigned tries, const struct pd_error *err)
{
    struct world *world = arg;

    assert_string_equal(name, "load");
    world->failures++;
    world->handler_tries = tries;
    world->handler_error = *err;
}

static enum pd_status run(struct world *world, const enum pd_status *script, size_t len,
                          struct pd_retry retry, struct pd_error *err)
{
    const struct pd_activity activity = {
        .name = "load",
        .subject = "PD100001",
        .run = step,
        .arg = world,
        .retry = retry,
        .on_success = on_success,
        .on_failure = on_failure,
        .handler_arg = world,
    };

    world->script = script;
    world->script_len = len;
    return pd_activity_run(&world->env, &activity, err);
}

static void test_first_try(void **state)
{
    const enum pd_status script[] = {PD_OK};
    struct world world;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    open_world(&world);
    (void)pd_error_set(&err, PD_BUSY, 0, "from before");
    assert_int_equal(run(&world, script, 1, PD_RETRY_DEFAULT, &err), PD_OK);
    assert_string_equal(err.message, "from before"); /* success leaves the error alone */
    assert_int_equal(world.calls, 1);
    assert_int_equal(world.sleeps, 0);
    assert_int_equal(world.successes, 1);
    assert_int_equal(world.failures, 0);
    assert_string_equal(world.log, "debug: activity load PD100001: ok after 1 of 3 tries\n");
    close_world(&world);
}

static void test_ok_after_two(void **state)
{
    const enum pd_status script[] = {PD_NOT_READY, PD_OK};
    struct world world;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_retry retry = PD_RETRY_DEFAULT;

    (void)state;
    open_world(&world);
    retry.jitter_percent = 0;
    assert_int_equal(run(&world, script, 2, retry, &err), PD_OK);
    assert_int_equal(err.status, PD_OK);
    assert_int_equal(world.calls, 2);
    assert_int_equal(world.successes, 1);
    assert_int_equal(world.handler_tries, 2);
    assert_int_equal(world.handler_error.status, PD_OK);
    assert_string_equal(world.log, "note: activity load PD100001: try 1 of 3 failed: call 1 "
                                   "[not-ready]; again in 500 ms\n"
                                   "info: activity load PD100001: ok after 2 of 3 tries\n");
    close_world(&world);
}

static void test_gives_up(void **state)
{
    const enum pd_status script[] = {PD_IO};
    struct world world;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    open_world(&world);
    assert_int_equal(run(&world, script, 1, PD_RETRY_DEFAULT, &err), PD_IO);
    assert_int_equal(world.calls, 3);
    assert_int_equal(world.sleeps, 2);
    assert_string_equal(err.message, "call 3");
    assert_int_equal(world.failures, 1);
    assert_int_equal(world.successes, 0);
    assert_int_equal(world.handler_tries, 3);
    assert_string_equal(world.handler_error.message, "call 3");
    assert_non_null(strstr(world.log, "activity load PD100001: io-error after 3 of 3 tries"));
    close_world(&world);
}

/* Every status of the table, and unknown ones: tried again exactly if the table says so. */
static void test_only_retryable_is_tried_again(void **state)
{
    (void)state;
    for (int i = -1; i <= PD_STATUS_COUNT; i++) {
        const enum pd_status script[] = {(enum pd_status)i, PD_OK};
        struct world world;
        struct pd_error err = PD_ERROR_INIT;
        open_world(&world);
        bool again = pd_status_retryable(script[0]);
        enum pd_status status = run(&world, script, 2, PD_RETRY_DEFAULT, &err);
        assert_int_equal(world.calls, again ? 2 : 1);
        assert_int_equal(status, again ? PD_OK : script[0]);
        assert_int_equal(world.successes + world.failures, 1);
        close_world(&world);
    }
}

static void test_waits_grow_to_the_limit(void **state)
{
    const enum pd_status script[] = {PD_AGAIN};
    const struct pd_retry retry = {7, 100 * MS, 900 * MS, 300, 0};
    const uint64_t expected[] = {100, 300, 900, 900, 900, 900};
    struct world world;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    open_world(&world);
    assert_int_equal(run(&world, script, 1, retry, &err), PD_AGAIN);
    assert_int_equal(world.sleeps, 6);
    for (int i = 0; i < 6; i++) {
        assert_true(world.waits[i] == expected[i] * MS);
    }
    close_world(&world);
}

static void test_jitter_only_shortens(void **state)
{
    const enum pd_status script[] = {PD_AGAIN};
    const struct pd_retry retry = {30, 100 * MS, 100 * MS, 100, 50};
    struct world world;
    struct pd_error err = PD_ERROR_INIT;
    bool differ = false;

    (void)state;
    open_world(&world);
    assert_int_equal(run(&world, script, 1, retry, &err), PD_AGAIN);
    for (unsigned i = 0; i < world.sleeps; i++) {
        assert_true(world.waits[i] >= 50 * MS && world.waits[i] <= 100 * MS);
        differ = differ || world.waits[i] != world.waits[0];
    }
    assert_true(differ);
    close_world(&world);
}

static void test_absurd_policies_end(void **state)
{
    const struct pd_retry policies[] = {
        {0, 0, 0, 0, 0},
        {3, UINT64_MAX, UINT64_MAX, 10000, 100},
        {3, 0, 0, 0, 200},
    };
    const unsigned calls[] = {1, 3, 3};
    const enum pd_status script[] = {PD_AGAIN};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct world world;
        struct pd_error err = PD_ERROR_INIT;
        open_world(&world);
        assert_int_equal(run(&world, script, 1, policies[i], &err), PD_AGAIN);
        assert_int_equal(world.calls, calls[i]);
        close_world(&world);
    }
}

static void test_interrupted_is_not_tried_again(void **state)
{
    const enum pd_status script[] = {PD_AGAIN, PD_OK};
    struct world world;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    open_world(&world);
    world.flag = 1;
    assert_int_equal(run(&world, script, 2, PD_RETRY_DEFAULT, &err), PD_AGAIN);
    assert_int_equal(world.calls, 1);
    assert_int_equal(world.sleeps, 0);
    assert_int_equal(world.failures, 1);
    close_world(&world);
}

static void test_interrupted_while_waiting(void **state)
{
    const enum pd_status script[] = {PD_AGAIN, PD_AGAIN, PD_OK};
    struct world world;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_retry retry = PD_RETRY_DEFAULT;

    (void)state;
    open_world(&world);
    retry.tries = 9;
    world.stop_in_sleep = 2;
    assert_int_equal(run(&world, script, 3, retry, &err), PD_AGAIN);
    assert_int_equal(world.calls, 2);
    assert_int_equal(world.failures, 1);
    close_world(&world);
}

static void test_no_subject_no_handlers(void **state)
{
    const enum pd_status script[] = {PD_BUSY};
    struct world world;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    open_world(&world);
    world.script = script;
    world.script_len = 1;
    const struct pd_activity activity = {
        .name = "open", .run = step, .arg = &world, .retry = PD_RETRY_ONCE};
    assert_int_equal(pd_activity_run(&world.env, &activity, &err), PD_BUSY);
    assert_string_equal(world.log, "info: activity open: busy after 1 of 1 tries\n");
    close_world(&world);
}

static enum pd_status fail_silently(void *arg, struct pd_error *err)
{
    (void)arg;
    (void)err;
    return PD_HUNG;
}

static void test_error_carries_the_status_that_was_returned(void **state)
{
    struct world world;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    open_world(&world);
    const struct pd_activity activity = {
        .name = "open", .run = fail_silently, .retry = PD_RETRY_ONCE};
    assert_int_equal(pd_activity_run(&world.env, &activity, &err), PD_HUNG);
    assert_int_equal(err.status, PD_HUNG);
    close_world(&world);
}

static void test_env_check(void **state)
{
    struct world world;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    open_world(&world);
    assert_int_equal(pd_env_check(&world.env, &err), PD_OK);
    assert_int_equal(err.status, PD_OK);
    world.flag = 1;
    assert_int_equal(pd_env_check(&world.env, &err), PD_INTERRUPTED);
    assert_int_equal(err.status, PD_INTERRUPTED);
    close_world(&world);
}

static void test_progress(void **state)
{
    struct pd_progress progress;

    (void)state;
    memset(&progress, 0xff, sizeof progress);
    pd_progress_init(&progress);
    assert_int_equal(atomic_load(&progress.phase), PD_PHASE_IDLE);
    assert_int_equal(atomic_load(&progress.verified[PD_COPIES_MAX - 1]), 0);
    assert_int_equal(atomic_load(&progress.problems), 0);
    assert_string_equal(pd_phase_name(PD_PHASE_IDLE), "idle");
    assert_string_equal(pd_phase_name(PD_PHASE_DONE), "done");
    assert_string_equal(pd_phase_name((enum pd_phase)99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_try),
        cmocka_unit_test(test_ok_after_two),
        cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_only_retryable_is_tried_again),
        cmocka_unit_test(test_waits_grow_to_the_limit),
        cmocka_unit_test(test_jitter_only_shortens),
        cmocka_unit_test(test_absurd_policies_end),
        cmocka_unit_test(test_interrupted_is_not_tried_again),
        cmocka_unit_test(test_interrupted_while_waiting),
        cmocka_unit_test(test_no_subject_no_handlers),
        cmocka_unit_test(test_error_carries_the_status_that_was_returned),
        cmocka_unit_test(test_env_check),
        cmocka_unit_test(test_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
