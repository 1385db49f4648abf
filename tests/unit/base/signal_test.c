#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pairdump/signal.h"

/* Each case runs in a child, for the flag is one per process. */
static int in_child(int (*body)(void))
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(body());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool install(struct pd_stop *stop)
{
    struct pd_error err = PD_ERROR_INIT;

    return pd_signal_install(stop, &err) == PD_OK && !pd_stop_requested(stop);
}

static int first_int(void)
{
    struct pd_stop stop;

    return install(&stop) && raise(SIGINT) == 0 && pd_stop_requested(&stop) ? 7 : 1;
}

static int first_term(void)
{
    struct pd_stop stop;

    return install(&stop) && raise(SIGTERM) == 0 && pd_stop_requested(&stop) ? 7 : 1;
}

static int second_int(void)
{
    struct pd_stop stop;

    if (install(&stop)) {
        raise(SIGINT);
        raise(SIGINT);
    }
    return 1;
}

static int term_after_int(void)
{
    struct pd_stop stop;

    if (install(&stop)) {
        raise(SIGINT);
        raise(SIGTERM);
    }
    return 1;
}

static int broken_pipe(void)
{
    struct pd_stop stop;
    int ends[2];

    if (!install(&stop) || pipe(ends) != 0) {
        return 1;
    }
    close(ends[0]);
    return write(ends[1], "x", 1) < 0 && errno == EPIPE && !pd_stop_requested(&stop) ? 7 : 1;
}

static void test_first_signal_sets_the_flag(void **state)
{
    (void)state;
    int status = in_child(first_int);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = in_child(first_term);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void test_second_signal_ends_the_program(void **state)
{
    (void)state;
    int status = in_child(second_int);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    status = in_child(term_after_int);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void test_broken_pipe_is_an_error_code(void **state)
{
    (void)state;
    int status = in_child(broken_pipe);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void test_own_stop_object(void **state)
{
    volatile sig_atomic_t flag = 0;
    const struct pd_stop stop = {&flag};

    (void)state;
    assert_false(pd_stop_requested(&stop));
    flag = 1;
    assert_true(pd_stop_requested(&stop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_signal_sets_the_flag),
        cmocka_unit_test(test_second_signal_ends_the_program),
        cmocka_unit_test(test_broken_pipe_is_an_error_code),
        cmocka_unit_test(test_own_stop_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
