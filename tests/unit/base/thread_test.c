#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "pairdump/thread.h"

#define MS UINT64_C(1000000)

struct job {
    enum pd_status result;
    atomic_bool gate;    /* fn ends when it is open */
    atomic_int released; /* calls of release */
    atomic_bool saw_abandoned;
    unsigned beats; /* to give, 10 ms apart */
    char name[16];
    bool blocked; /* SIGINT, in the thread */
};

static void nap(uint64_t ns)
{
    pd_clock_sleep(pd_clock_real(), ns);
}

static void release(void *arg)
{
    atomic_fetch_add(&((struct job *)arg)->released, 1);
}

static enum pd_status finish(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct job *job = arg;
    sigset_t mask;

    (void)self;
    pthread_getname_np(pthread_self(), job->name, sizeof job->name);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    job->blocked = sigismember(&mask, SIGINT) == 1;
    return job->result == PD_OK ? PD_OK : pd_error_set(err, job->result, 0, "broke");
}

static enum pd_status wait_at_gate(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct job *job = arg;

    (void)err;
    while (!atomic_load(&job->gate)) {
        nap(MS);
    }
    atomic_store(&job->saw_abandoned, pd_thread_abandoned(self));
    return PD_OK;
}

static enum pd_status beat(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct job *job = arg;

    (void)err;
    for (unsigned i = 0; i < job->beats; i++) {
        nap(10 * MS);
        pd_thread_beat(self);
    }
    return PD_OK;
}

static struct pd_thread *start(pd_thread_fn fn, struct job *job)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_thread *thread = NULL;

    assert_int_equal(pd_thread_start("tester-with-a-long-name", fn, job, release, &thread, &err),
                     PD_OK);
    assert_non_null(thread);
    return thread;
}

static void test_status_and_error_come_back(void **state)
{
    const enum pd_status results[] = {PD_OK, PD_IO, PD_FAILED, PD_VOLUME_FULL};

    (void)state;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        struct job job = {.result = results[i]};
        struct pd_error err = PD_ERROR_INIT;
        struct pd_thread *thread = start(finish, &job);
        assert_int_equal(pd_thread_join(&thread, 0, &err), results[i]);
        assert_null(thread);
        assert_int_equal(err.status, results[i]);
        assert_string_equal(err.message, results[i] == PD_OK ? "" : "broke");
        assert_int_equal(job.released, 1);
        assert_string_equal(job.name, "tester-with-a-l");
        assert_true(job.blocked);
    }
}

static enum pd_status fail_silently(struct pd_thread *self, void *arg, struct pd_error *err)
{
    (void)self;
    (void)arg;
    (void)err;
    return PD_IO;
}

static void test_error_carries_the_status_that_was_returned(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_thread *thread = NULL;

    (void)state;
    assert_int_equal(pd_thread_start("x", fail_silently, NULL, NULL, &thread, &err), PD_OK);
    assert_int_equal(pd_thread_join(&thread, 0, &err), PD_IO);
    assert_int_equal(err.status, PD_IO);
}

static void test_join_of_nothing(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_thread *thread = NULL;

    (void)state;
    assert_int_equal(pd_thread_join(&thread, 1, &err), PD_OK);
}

static void test_caller_keeps_its_signals(void **state)
{
    struct job job = {0};
    struct pd_error err = PD_ERROR_INIT;
    sigset_t mask;

    (void)state;
    struct pd_thread *thread = start(finish, &job);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGINT), 0);
    assert_int_equal(pd_thread_join(&thread, 0, &err), PD_OK);
}

static void test_done(void **state)
{
    struct job job = {0};
    struct pd_error err = PD_ERROR_INIT;
    struct pd_thread *thread = start(wait_at_gate, &job);

    (void)state;
    assert_false(pd_thread_done(thread));
    atomic_store(&job.gate, true);
    for (int i = 0; i < 5000 && !pd_thread_done(thread); i++) {
        nap(MS);
    }
    assert_true(pd_thread_done(thread));
    assert_int_equal(job.released, 0);
    assert_int_equal(pd_thread_join(&thread, 0, &err), PD_OK);
    assert_int_equal(job.released, 1);
    assert_false(job.saw_abandoned);
}

static void test_hung_thread_is_named_and_cleans_up_later(void **state)
{
    static struct job job; /* outlives the join, as arg must */
    struct pd_error err = PD_ERROR_INIT;
    struct pd_thread *thread = start(wait_at_gate, &job);

    (void)state;
    assert_int_equal(pd_thread_join(&thread, 30 * MS, &err), PD_HUNG);
    assert_null(thread);
    assert_int_equal(err.status, PD_HUNG);
    assert_non_null(strstr(err.message, "tester-with-a-l"));
    assert_int_equal(job.released, 0);
    atomic_store(&job.gate, true);
    for (int i = 0; i < 5000 && atomic_load(&job.released) == 0; i++) {
        nap(MS);
    }
    assert_true(job.saw_abandoned);
    nap(5 * MS);
    assert_int_equal(atomic_load(&job.released), 1);
}

static void test_slow_but_beating_is_not_hung(void **state)
{
    struct job job = {.beats = 30};
    struct pd_error err = PD_ERROR_INIT;
    struct pd_thread *thread = start(beat, &job);

    (void)state;
    /* 300 ms of work, 150 ms of patience */
    assert_int_equal(pd_thread_join(&thread, 150 * MS, &err), PD_OK);
    assert_int_equal(job.released, 1);
}

static void test_endless_patience_does_not_wrap(void **state)
{
    struct job job = {.beats = 3};
    struct pd_error err = PD_ERROR_INIT;
    struct pd_thread *thread = start(beat, &job);

    (void)state;
    assert_int_equal(pd_thread_join(&thread, UINT64_MAX, &err), PD_OK);
}

static void test_many_short_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct job job = {.result = i % 2 ? PD_OK : PD_IO};
        struct pd_error err = PD_ERROR_INIT;
        struct pd_thread *thread = start(finish, &job);
        assert_int_equal(pd_thread_join(&thread, i % 3 ? 10000 * MS : 0, &err), job.result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_and_error_come_back),
        cmocka_unit_test(test_error_carries_the_status_that_was_returned),
        cmocka_unit_test(test_join_of_nothing),
        cmocka_unit_test(test_caller_keeps_its_signals),
        cmocka_unit_test(test_done),
        cmocka_unit_test(test_hung_thread_is_named_and_cleans_up_later),
        cmocka_unit_test(test_slow_but_beating_is_not_hung),
        cmocka_unit_test(test_endless_patience_does_not_wrap),
        cmocka_unit_test(test_many_short_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
