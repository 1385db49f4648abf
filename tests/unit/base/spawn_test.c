#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/spawn.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

/* A clock that sets the stop flag when it is looked at for the n-th time. */
struct bed {
    struct pd_env env;
    struct pd_progress progress;
    struct pd_clock clock;
    struct pd_stop stop;
    volatile sig_atomic_t flag;
    unsigned looks, stop_at;
    uint64_t step; /* added at each look */
    uint64_t started;
};

static uint64_t look(void *self)
{
    struct bed *bed = self;

    if (++bed->looks == bed->stop_at) {
        bed->flag = 1;
    }
    return pd_clock_monotonic(pd_clock_real()) + bed->looks * bed->step;
}

static void bed_make(struct bed *bed)
{
    memset(bed, 0, sizeof *bed);
    bed->clock = *pd_clock_real();
    bed->clock.monotonic = look;
    bed->clock.self = bed;
    bed->stop.flag = &bed->flag;
    bed->env.clock = &bed->clock;
    bed->env.stop = &bed->stop;
    pd_progress_init(&bed->progress);
    bed->env.progress = &bed->progress;
    bed->started = pd_clock_monotonic(pd_clock_real());
}

static void took_less(const struct bed *bed, uint64_t ns)
{
    assert_true(pd_clock_monotonic(pd_clock_real()) - bed->started < ns);
}

static struct pd_spawn shell(const char *const argv[])
{
    return (struct pd_spawn){.program = "/bin/sh",
                             .argv = argv,
                             .timeout_ns = 60 * S,
                             .grace_ns = 300 * MS,
                             .out_max = 4096,
                             .err_max = 4096};
}
#define SHELL(script) shell((const char *const[]){"sh", "-c", script, NULL})

/* Runs it and fails the test unless that gives the status. */
static struct pd_spawn_result run(struct bed *bed, struct pd_spawn spawn, enum pd_status wanted)
{
    struct pd_spawn_result result;
    struct pd_error err = PD_ERROR_INIT;

    ml_is(pd_spawn_run(&bed->env, &spawn, &result, &err), wanted, &err, "run", __LINE__);
    return result;
}

static void says(struct bed *bed, const char *script, const char *wanted)
{
    struct pd_spawn_result result = run(bed, SHELL(script), PD_OK);

    assert_string_equal(result.out.data ? result.out.data : "", wanted);
    assert_int_equal(result.exit_code, 0);
    pd_spawn_result_free(&result);
}

static void both_outputs_and_the_exit_code(void **state)
{
    struct bed bed;
    struct pd_spawn_result result;

    (void)state;
    bed_make(&bed);
    result = run(&bed, SHELL("echo out; echo err >&2; exit 7"), PD_OK);
    assert_string_equal(result.out.data, "out\n");
    assert_string_equal(result.err.data, "err\n");
    assert_int_equal(result.exit_code, 7);
    assert_int_equal(result.signal, 0);
    pd_spawn_result_free(&result);

    result = run(&bed, SHELL("kill -9 $$"), PD_OK);
    assert_int_equal(result.exit_code, -1);
    assert_int_equal(result.signal, SIGKILL);
    pd_spawn_result_free(&result);

    result = run(&bed, SHELL("exec >&- 2>&-; sleep 0.2; exit 4"), PD_OK);
    assert_int_equal(result.exit_code, 4);
    assert_int_equal(result.out.len, 0);
    pd_spawn_result_free(&result);
}

static void arguments_meet_no_shell(void **state)
{
    static const char *const argv[] = {"printf", "%s|", "a b", "$HOME;`id`", "", "*\n'\"", NULL};
    struct bed bed;
    struct pd_spawn spawn = shell(argv);
    struct pd_spawn_result result;

    (void)state;
    bed_make(&bed);
    spawn.program = "/usr/bin/printf";
    result = run(&bed, spawn, PD_OK);
    assert_string_equal(result.out.data, "a b|$HOME;`id`||*\n'\"|");
    pd_spawn_result_free(&result);
}

static void nothing_is_inherited_but_the_environment(void **state)
{
    struct bed bed;
    int fd;

    (void)state;
    bed_make(&bed);
    fd = fcntl(1, F_DUPFD, 57);
    assert_int_equal(fd, 57);
    says(&bed,
         "for f in /proc/$$/fd/*; do n=${f##*/}; [ $n -gt 2 ] && [ -e /proc/$$/fd/57 ] "
         "&& echo leak; done; readlink /proc/$$/fd/0",
         "/dev/null\n");
    close(fd);
    assert_int_equal(setenv("LC_ALL", "xx_YY", 1), 0);
    assert_int_equal(setenv("LANGUAGE", "xx", 1), 0);
    assert_int_equal(setenv("PD_SPAWN_TEST", "kept", 1), 0);
    says(&bed, "echo $LC_ALL,$LANGUAGE,$PD_SPAWN_TEST", "C,,kept\n");
    unsetenv("LC_ALL");
    unsetenv("LANGUAGE");
    unsetenv("PD_SPAWN_TEST");
    /* a session and so a group of its own */
    says(&bed,
         "read -r a b c d group session rest </proc/$$/stat; "
         "[ $group = $$ ] && [ $session = $$ ] && echo own",
         "own\n");
}

static void signals_are_fresh(void **state)
{
    struct bed bed;
    sigset_t all, before;

    (void)state;
    bed_make(&bed);
    sigfillset(&all);
    assert_int_equal(sigprocmask(SIG_BLOCK, &all, &before), 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    /* 32 and 33 are of the C library, which leaves them ignored */
    says(&bed,
         "while read -r a b; do case $a in SigBlk:|SigIgn:) echo $((0x$b & 0x7fffffff));; esac; "
         "done </proc/$$/status",
         "0\n0\n");
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

static void what_cannot_be_run(void **state)
{
    struct bed bed;
    struct pd_spawn spawn = SHELL("true");
    struct pd_spawn_result result;
    char *dir = ml_folder(), *plain = ml_text("%s/plain", dir);
    char *script = ml_text("%s/script", dir);

    (void)state;
    bed_make(&bed);
    spawn.program = "/nowhere/at/all";
    result = run(&bed, spawn, PD_NOT_FOUND);
    pd_spawn_result_free(&result);
    ml_write_bytes(plain, "x", 1);
    spawn.program = plain;
    result = run(&bed, spawn, PD_DENIED);
    pd_spawn_result_free(&result);
    ml_write_bytes(script, "#!/nowhere/interpreter\n", 23);
    assert_int_equal(chmod(script, 0755), 0);
    spawn.program = script;
    result = run(&bed, spawn, PD_NOT_FOUND);
    pd_spawn_result_free(&result);
    free(plain);
    free(script);
    ml_remove(dir);
}

static void output_has_bounds(void **state)
{
    struct bed bed;
    struct pd_spawn spawn = SHELL("head -c 4096 /dev/zero; head -c 300000 /dev/zero >&2");
    struct pd_spawn_result result;

    (void)state;
    bed_make(&bed);
    result = run(&bed, spawn, PD_OK);
    assert_int_equal(result.out.len, 4096);
    assert_int_equal(result.err.len, 4096);
    assert_int_equal(result.exit_code, 0);
    pd_spawn_result_free(&result);

    spawn = SHELL("head -c 4097 /dev/zero");
    result = run(&bed, spawn, PD_BAD_FORMAT);
    assert_int_equal(result.out.len, 4096);
    pd_spawn_result_free(&result);

    spawn = SHELL("yes");
    result = run(&bed, spawn, PD_BAD_FORMAT);
    pd_spawn_result_free(&result);
    took_less(&bed, 10 * S);

    spawn = SHELL("head -c 3000000 /dev/zero; exit 3");
    spawn.finish = true;
    result = run(&bed, spawn, PD_OK);
    assert_int_equal(result.out.len, 4096);
    assert_int_equal(result.exit_code, 3);
    pd_spawn_result_free(&result);
}

static void much_output_is_whole(void **state)
{
    struct bed bed;
    struct pd_spawn spawn = SHELL("seq 1 400000");
    struct pd_spawn_result result;

    (void)state;
    bed_make(&bed);
    spawn.out_max = (size_t)4 << 20;
    result = run(&bed, spawn, PD_OK);
    assert_int_equal(result.out.len, 2688895);
    assert_memory_equal(result.out.data + result.out.len - 8, "\n400000\n", 8);
    pd_spawn_result_free(&result);
}

/* The number of the process stands in the output; it must be gone. */
static void is_gone(const struct pd_spawn_result *result)
{
    pid_t pid = (pid_t)strtol(result->out.data, NULL, 10);

    assert_true(pid > 1);
    for (int i = 0; i < 100 && kill(pid, 0) == 0; i++) {
        (void)usleep(20000); /* one that init has to wait for */
    }
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void a_time_is_given(void **state)
{
    static const char *const scripts[] = {
        "echo $$; exec sleep 100",
        "trap '' TERM; echo $$; while :; do sleep 1; done",
        "trap 'exit 0' TERM; echo $$; while :; do sleep 0.01; done",
        /* the rest of the group: its leader ends on SIGTERM, it does not */
        "(trap '' TERM; exec sleep 100) & echo $!; wait",
    };
    struct bed bed;

    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        for (int finish = 0; finish < 2; finish++) {
            struct pd_spawn spawn = SHELL(scripts[i]);

            bed_make(&bed);
            spawn.timeout_ns = 700 * MS; /* the number is told by then */
            spawn.finish = finish;
            struct pd_spawn_result result = run(&bed, spawn, PD_HUNG);
            took_less(&bed, 10 * S);
            is_gone(&result);
            pd_spawn_result_free(&result);
        }
    }
}

static void it_may_tidy_up(void **state)
{
    char *dir = ml_folder(), *mark = ml_text("%s/mark", dir);
    char *script = ml_text("trap 'echo bye >%s; exit 0' TERM; while :; do sleep 0.01; done", mark);
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct pd_spawn spawn = shell(argv);
    struct bed bed;

    (void)state;
    bed_make(&bed);
    spawn.timeout_ns = 700 * MS;
    spawn.grace_ns = 20 * S;
    struct pd_spawn_result result = run(&bed, spawn, PD_HUNG);
    pd_spawn_result_free(&result);
    took_less(&bed, 15 * S);
    assert_true(ml_exists(mark));
    assert_int_equal(unlink(mark), 0);
    free(mark);
    free(script);
    ml_remove(dir);
}

static void time_is_that_of_the_clock(void **state)
{
    struct bed bed;
    struct pd_spawn spawn = SHELL("exec sleep 100");
    struct pd_spawn_result result;

    (void)state;
    bed_make(&bed);
    bed.step = 100 * S;
    spawn.timeout_ns = 3600 * S;
    result = run(&bed, spawn, PD_HUNG);
    took_less(&bed, 20 * S);
    pd_spawn_result_free(&result);
}

static void what_stays_in_the_background_is_not_waited_for(void **state)
{
    struct bed bed;
    struct pd_spawn spawn = SHELL("yes & echo hello; exit 5");
    struct pd_spawn_result result;

    (void)state;
    bed_make(&bed);
    says(&bed, "sleep 30 & echo hello", "hello\n");
    took_less(&bed, 10 * S);
    /* one that writes all the time ends by SIGPIPE */
    spawn.finish = true;
    result = run(&bed, spawn, PD_OK);
    assert_int_equal(result.exit_code, 5);
    pd_spawn_result_free(&result);
    took_less(&bed, 20 * S);
}

static void the_stop_flag(void **state)
{
    char *dir = ml_folder(), *mark = ml_text("%s/mark", dir);
    char *script = ml_text("sleep 1.5; echo done >%s", mark);
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct pd_spawn spawn = shell(argv);
    struct pd_spawn_result result;
    struct bed bed;

    (void)state;
    /* before it began */
    for (int finish = 0; finish < 2; finish++) {
        bed_make(&bed);
        bed.flag = 1;
        spawn.finish = finish;
        result = run(&bed, spawn, PD_INTERRUPTED);
        pd_spawn_result_free(&result);
        assert_false(ml_exists(mark));
    }
    /* while it runs */
    bed_make(&bed);
    bed.stop_at = 5;
    spawn.finish = false;
    result = run(&bed, spawn, PD_INTERRUPTED);
    pd_spawn_result_free(&result);
    (void)usleep(1800000);
    assert_false(ml_exists(mark));

    bed_make(&bed);
    bed.stop_at = 5;
    spawn.finish = true;
    result = run(&bed, spawn, PD_OK);
    pd_spawn_result_free(&result);
    assert_int_equal(bed.flag, 1);
    assert_true(ml_exists(mark));
    assert_int_equal(unlink(mark), 0);
    free(mark);
    free(script);
    ml_remove(dir);
}

static int in_child(int (*body)(void))
{
    int how = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(body());
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}

static bool gives(enum pd_status wanted, const char *script, const char *out)
{
    struct bed bed;
    struct pd_spawn spawn = SHELL(script);
    struct pd_spawn_result result;
    struct pd_error err = PD_ERROR_INIT;

    bed_make(&bed);
    bool ok = pd_spawn_run(&bed.env, &spawn, &result, &err) == wanted &&
              strcmp(result.out.data ? result.out.data : "", out) == 0;
    pd_spawn_result_free(&result);
    return ok;
}

static int without_files(void)
{
    close(0);
    close(1);
    close(2);
    return gives(PD_OK, "cat; echo out; echo err >&2", "out\n") ? 7 : 1;
}

static int without_child_signals(void)
{
    signal(SIGCHLD, SIG_IGN);
    return gives(PD_IO, "echo out", "out\n") ? 7 : 1;
}

static void odd_parents(void **state)
{
    (void)state;
    assert_int_equal(in_child(without_files), 7);
    assert_int_equal(in_child(without_child_signals), 7);
}

static void programs_are_found(void **state)
{
    char *dir = ml_folder(), *mine = ml_text("%s/pd-spawn-test", dir);
    char *before = strdup(getenv("PATH")), *list = ml_text(":relative::%s:/x", dir);
    struct pd_error wrong = PD_ERROR_INIT;
    char *out = NULL;

    (void)state;
    ml_write_bytes(mine, "#!/bin/sh\n", 10);
    assert_int_equal(setenv("PATH", list, 1), 0);
    assert_int_equal(pd_spawn_find("pd-spawn-test", &out, &wrong), PD_NOT_FOUND);
    assert_null(out);
    assert_int_equal(chmod(mine, 0755), 0);
    OK(pd_spawn_find("pd-spawn-test", &out, &err));
    assert_string_equal(out, mine);
    free(out);
    /* what an administrator has, with the PATH of cron, or none */
    assert_int_equal(setenv("PATH", "/usr/bin:/bin", 1), 0);
    OK(pd_spawn_find("chroot", &out, &err));
    free(out);
    unsetenv("PATH");
    OK(pd_spawn_find("chroot", &out, &err));
    free(out);
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(setenv("PATH", ".:", 1), 0);
    assert_int_equal(pd_spawn_find("pd-spawn-test", &out, &wrong), PD_NOT_FOUND);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(setenv("PATH", before, 1), 0);
    free(before);
    free(list);
    free(mine);
    ml_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_outputs_and_the_exit_code),
        cmocka_unit_test(arguments_meet_no_shell),
        cmocka_unit_test(nothing_is_inherited_but_the_environment),
        cmocka_unit_test(signals_are_fresh),
        cmocka_unit_test(what_cannot_be_run),
        cmocka_unit_test(output_has_bounds),
        cmocka_unit_test(much_output_is_whole),
        cmocka_unit_test(a_time_is_given),
        cmocka_unit_test(it_may_tidy_up),
        cmocka_unit_test(time_is_that_of_the_clock),
        cmocka_unit_test(what_stays_in_the_background_is_not_waited_for),
        cmocka_unit_test(the_stop_flag),
        cmocka_unit_test(odd_parents),
        cmocka_unit_test(programs_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
