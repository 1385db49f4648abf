/*
 * A process that is killed while it gives up tape files on a disk: at each call that removes one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"

enum { FILES = 5, FROM = 2 };

struct bed {
    char *dir;
    char *url;
};

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));

    assert_non_null(bed);
    bed->dir = ml_folder();
    bed->url = ml_text("disk:%s", bed->dir);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    free(bed->url);
    ml_remove(bed->dir);
    free(bed);
    return 0;
}

static void fill(const struct bed *bed, const char *name)
{
    struct pd_target *target = ml_open(bed->url);
    struct pd_label label = ml_label(name);

    OK(pd_target_format(target, &label, &err));
    for (uint32_t file = 1; file <= FILES; file++)
        ml_write_file(target, file, file);
    ml_close(target);
}

/* In the child, traced. */
static void cut(const struct bed *bed, const char *name)
{
    struct pd_target *target = ml_open(bed->url);
    struct pd_error err = PD_ERROR_INIT;

    if (pd_target_mount(target, name, &err) != PD_OK || ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
        _exit(99);
    (void)raise(SIGSTOP);
    _exit(pd_target_cut(target, FROM, &err) == PD_OK ? 0 : 98);
}

static bool enters_unlink(pid_t child)
{
    struct __ptrace_syscall_info info;
    long got = ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info);

    return got > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_unlinkat;
}

/* Kills it as it enters the call of that number; its exit code, or -1 when it was killed. */
static int run_until(pid_t child, unsigned kill_at)
{
    unsigned calls = 0;
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, child, 0,
                            (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)),
                     0);
    while (!WIFEXITED(status) && !WIFSIGNALED(status)) {
        if (WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80) && enters_unlink(child) &&
            ++calls == kill_at)
            assert_int_equal(kill(child, SIGKILL), 0);
        (void)ptrace(PTRACE_SYSCALL, child, 0, 0);
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* All that is there has the right number and content, and what comes next goes behind it. */
static uint32_t has_no_gap(const struct bed *bed, const char *name)
{
    struct pd_target *target = ml_open(bed->url);
    struct pd_target_position position = {0};

    OK(pd_target_mount(target, name, &err));
    OK(pd_target_position(target, &position, &err));
    for (uint32_t file = 1; file < position.file_count; file++)
        ml_read_file(target, file, file);
    for (uint32_t file = position.file_count; file <= FILES; file++)
        IS(pd_target_open_file(target, file, &err), PD_MISSING);
    ml_write_file(target, position.file_count, 7);
    ml_close(target);
    return position.file_count;
}

static void a_kill_between_leaves_no_gap(void **state)
{
    const struct bed *bed = *state;
    unsigned kill_at = 0;
    int code = -1;

    while (code == -1) {
        char name[16];
        (void)snprintf(name, sizeof(name), "PD%06u", ++kill_at);
        fill(bed, name);
        pid_t child = fork();
        if (child == 0)
            cut(bed, name);
        code = run_until(child, kill_at);
        if (code == 99)
            skip(); /* no tracing here */
        uint32_t left = has_no_gap(bed, name);
        assert_int_equal(left, code == -1 ? FILES + 2 - kill_at : FROM);
    }
    assert_int_equal(code, 0);
    assert_int_equal(kill_at, FILES - FROM + 2);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_kill_between_leaves_no_gap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
