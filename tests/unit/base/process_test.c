#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pairdump/process.h"

static void this_process_runs(void **state)
{
    char self[PD_PROCESS_TEXT], again[PD_PROCESS_TEXT];

    (void)state;
    pd_process_self(self);
    pd_process_self(again);
    assert_string_equal(self, again);
    assert_null(strstr(self, " -"));
    assert_int_equal(pd_process_look(getpid(), self), PD_PROCESS_RUNS);
}

static void any_name_of_a_process_will_do(void **state)
{
    static const char *const names[] = {"a) Z 1 (b", ") ) )", " ", "\n"};
    char self[PD_PROCESS_TEXT], named[PD_PROCESS_TEXT], before[16];

    (void)state;
    assert_int_equal(prctl(PR_GET_NAME, before), 0);
    pd_process_self(self);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(prctl(PR_SET_NAME, names[i]), 0);
        pd_process_self(named);
        assert_string_equal(named, self);
        assert_int_equal(pd_process_look(getpid(), self), PD_PROCESS_RUNS);
    }
    assert_int_equal(prctl(PR_SET_NAME, before), 0);
}

static void another_start_is_another_process(void **state)
{
    char self[PD_PROCESS_TEXT];

    (void)state;
    pd_process_self(self);
    char *last = &self[strlen(self) - 1];
    *last = *last == '7' ? '8' : '7';
    assert_int_equal(pd_process_look(getpid(), self), PD_PROCESS_ENDED);
    self[strlen(self) - 1] = '\0';
    assert_int_equal(pd_process_look(getpid(), self), PD_PROCESS_ENDED);
}

static void what_is_elsewhere_cannot_be_seen(void **state)
{
    static const char *const others[] = {"", "-", "- - -", "- pid:[4026531836] 5",
                                         "01234567-89ab-4cde-8f01-23456789abcd pid:[4026531836] 5"};
    char self[PD_PROCESS_TEXT], moved[PD_PROCESS_TEXT + 8];

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(pd_process_look(getpid(), others[i]), PD_PROCESS_ELSEWHERE);
    }
    pd_process_self(self);
    (void)snprintf(moved, sizeof moved, "%.36s pid:[1]%s", self, strrchr(self, ' '));
    assert_int_equal(pd_process_look(getpid(), moved), PD_PROCESS_ELSEWHERE);
    assert_int_equal(pd_process_look(0, self), PD_PROCESS_ELSEWHERE);
    assert_int_equal(pd_process_look(-1, self), PD_PROCESS_ELSEWHERE);
    assert_int_equal(pd_process_look(INT64_MAX, self), PD_PROCESS_ELSEWHERE);
}

/* Its identity comes by a pipe; it runs until it is killed. */
static pid_t start_child(char identity[PD_PROCESS_TEXT])
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char self[PD_PROCESS_TEXT] = "";
        pd_process_self(self);
        (void)!write(ends[1], self, sizeof self);
        for (;;) {
            (void)pause();
        }
    }
    assert_int_equal(read(ends[0], identity, PD_PROCESS_TEXT), PD_PROCESS_TEXT);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return pid;
}

static void an_ended_process_is_seen_to_have_ended(void **state)
{
    char identity[PD_PROCESS_TEXT];
    pid_t pid = start_child(identity);
    siginfo_t info;

    (void)state;
    assert_int_equal(pd_process_look(pid, identity), PD_PROCESS_RUNS);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(pd_process_look(pid, identity), PD_PROCESS_ENDED);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(pd_process_look(pid, identity), PD_PROCESS_ENDED);
}

static void this_host_has_a_name(void **state)
{
    char host[PD_HOST_TEXT], wanted[PD_HOST_TEXT] = "";

    (void)state;
    memset(host, 'x', sizeof host);
    pd_process_host(host);
    assert_int_equal(gethostname(wanted, sizeof wanted - 1), 0);
    assert_string_equal(host, wanted);
    assert_int_equal(host[sizeof host - 1], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_process_runs),
        cmocka_unit_test(any_name_of_a_process_will_do),
        cmocka_unit_test(another_start_is_another_process),
        cmocka_unit_test(what_is_elsewhere_cannot_be_seen),
        cmocka_unit_test(an_ended_process_is_seen_to_have_ended),
        cmocka_unit_test(this_host_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
