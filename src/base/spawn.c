#include "pairdump/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pairdump/size.h"

#define SLICE_MS    20    /* between two looks at the process, the clock and the stop flag */
#define GRACE_LOOKS 10    /* at least, until one counts as deaf */
#define CHUNK       65536 /* one read */
#define DRAIN_READS 32    /* the largest pipe in chunks, twice: what a process left in it */

struct run {
    const struct pd_env *env;
    const struct pd_spawn *spawn;
    struct pd_spawn_result *result;
    pid_t pid;
    int fds[2]; /* to read its output and its errors; -1: closed */
    bool too_much;
    uint64_t started;
};

static void close_end(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* Both ends above 2, since in the child those places are taken. */
static bool make_pipe(int ends[2])
{
    int low[2];

    ends[0] = ends[1] = -1;
    if (pipe2(low, O_CLOEXEC) != 0) {
        return false;
    }
    ends[0] = fcntl(low[0], F_DUPFD_CLOEXEC, 3);
    ends[1] = fcntl(low[1], F_DUPFD_CLOEXEC, 3);
    int failed = ends[0] < 0 || ends[1] < 0 ? errno : 0;
    close(low[0]);
    close(low[1]);
    if (failed == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        failed = errno;
    }
    if (failed != 0) {
        close_end(&ends[0]);
        close_end(&ends[1]);
        errno = failed;
    }
    return failed == 0;
}

/* The strings stay those of environ. */
static char **make_environment(void)
{
    size_t count = 0, kept = 0;
    char **out;

    while (environ && environ[count]) {
        count++;
    }
    out = calloc(count + 2, sizeof *out);
    for (size_t i = 0; out && i < count; i++) {
        if (strncmp(environ[i], "LC_ALL=", 7) != 0 && strncmp(environ[i], "LANGUAGE=", 9) != 0) {
            out[kept++] = environ[i];
        }
    }
    if (out) {
        out[kept] = (char *)"LC_ALL=C"; /* execve(2) only reads */
    }
    return out;
}

static int set_attributes(posix_spawnattr_t *attr)
{
    static const int fresh[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGCHLD,
                                SIGALRM, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU};
    sigset_t defaults, none;
    int failed;

    sigemptyset(&defaults);
    sigemptyset(&none);
    for (size_t i = 0; i < sizeof fresh / sizeof fresh[0]; i++) {
        sigaddset(&defaults, fresh[i]);
    }
    failed = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                                POSIX_SPAWN_SETSIGMASK);
    if (failed == 0) {
        failed = posix_spawnattr_setsigdefault(attr, &defaults);
    }
    return failed != 0 ? failed : posix_spawnattr_setsigmask(attr, &none);
}

static int set_files(posix_spawn_file_actions_t *files, int out, int err)
{
    int failed = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);

    if (failed == 0) {
        failed = posix_spawn_file_actions_adddup2(files, out, 1);
    }
    if (failed == 0) {
        failed = posix_spawn_file_actions_adddup2(files, err, 2);
    }
    return failed != 0 ? failed : posix_spawn_file_actions_addclosefrom_np(files, 3);
}

static int spawn_it(struct run *run, int out, int err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    char **environment = make_environment();
    int failed = environment ? posix_spawnattr_init(&attr) : ENOMEM;

    if (failed != 0) {
        free(environment);
        return failed;
    }
    failed = posix_spawn_file_actions_init(&files);
    if (failed == 0) {
        failed = set_attributes(&attr);
        if (failed == 0) {
            failed = set_files(&files, out, err);
        }
        if (failed == 0) {
            failed = posix_spawn(&run->pid, run->spawn->program, &files, &attr,
                                 (char *const *)run->spawn->argv, environment);
        }
        posix_spawn_file_actions_destroy(&files);
    }
    posix_spawnattr_destroy(&attr);
    free(environment);
    return failed;
}

static enum pd_status start(struct run *run, struct pd_error *err)
{
    int out[2], errors[2] = {-1, -1};
    bool piped = make_pipe(out) && make_pipe(errors);
    int failed = piped ? spawn_it(run, out[1], errors[1]) : errno;

    close_end(&out[1]);
    close_end(&errors[1]);
    run->fds[0] = out[0];
    run->fds[1] = errors[0];
    if (failed != 0) {
        close_end(&run->fds[0]);
        close_end(&run->fds[1]);
        return pd_error_set(err, pd_status_from_errno(failed), failed,
                            piped ? "cannot run %s" : "no pipe to run %s", run->spawn->program);
    }
    return PD_OK;
}

/* One read. False: nothing is there, or it is closed now. */
static bool take_some(struct run *run, int which, char *chunk, enum pd_status *status)
{
    struct pd_buf *buf = which == 0 ? &run->result->out : &run->result->err;
    size_t max = which == 0 ? run->spawn->out_max : run->spawn->err_max;
    ssize_t got = run->fds[which] >= 0 ? read(run->fds[which], chunk, CHUNK) : 0;

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return errno == EINTR;
    }
    if (got <= 0) {
        close_end(&run->fds[which]);
        return false;
    }
    size_t room = max - buf->len;
    if (which == 0 && (size_t)got > room) {
        run->too_much = true;
    }
    if (pd_buf_append(buf, chunk, (size_t)got < room ? (size_t)got : room) != PD_OK &&
        !run->spawn->finish) {
        *status = PD_NO_MEMORY;
    }
    return true;
}

/* Waits a slice for something to be said, and takes it. */
static enum pd_status listen_once(struct run *run, char *chunk)
{
    struct pollfd polls[2] = {{.fd = run->fds[0], .events = POLLIN},
                              {.fd = run->fds[1], .events = POLLIN}};
    enum pd_status status = PD_OK;

    if (poll(polls, 2, SLICE_MS) > 0) {
        for (int i = 0; i < 2; i++) {
            if (polls[i].revents != 0) {
                (void)take_some(run, i, chunk, &status);
            }
        }
    }
    return status;
}

/* What an ended process left in the pipes; another that still writes there is not listened to for
 * ever. */
static enum pd_status drain(struct run *run, char *chunk)
{
    enum pd_status status = PD_OK;

    for (int i = 0; i < 2; i++) {
        for (int reads = 0; reads < DRAIN_READS && take_some(run, i, chunk, &status); reads++) {
        }
    }
    return status;
}

/* The process stays a zombie, so that its number and group stay its own. */
static bool has_ended(const struct run *run)
{
    siginfo_t info = {.si_pid = 0};
    int answer = waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT);

    return answer == 0 ? info.si_pid != 0 : errno != EINTR;
}

/* A clock that leaps leaves it some looks all the same. */
static bool wait_grace(const struct run *run)
{
    uint64_t until = pd_add_sat(pd_clock_monotonic(run->env->clock), run->spawn->grace_ns);

    for (unsigned looks = 0; !has_ended(run); looks++) {
        if (looks >= GRACE_LOOKS && pd_clock_monotonic(run->env->clock) >= until) {
            return false;
        }
        (void)poll(NULL, 0, SLICE_MS);
    }
    return true;
}

/* False: not even SIGKILL ended it. */
static bool end_early(const struct run *run)
{
    (void)kill(-run->pid, SIGTERM);
    bool ended = wait_grace(run);
    (void)kill(-run->pid, SIGKILL); /* also the rest of its group */
    return ended || wait_grace(run);
}

static enum pd_status reap(const struct run *run, struct pd_error *err)
{
    int how = 0;
    pid_t pid;

    do {
        pid = waitpid(run->pid, &how, 0);
    } while (pid < 0 && errno == EINTR);
    if (pid < 0) {
        return pd_error_set(err, PD_IO, errno, "how %s ended cannot be known", run->spawn->program);
    }
    run->result->exit_code = WIFEXITED(how) ? WEXITSTATUS(how) : -1;
    run->result->signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    return PD_OK;
}

/* PD_OK: it may go on. */
static enum pd_status may_go_on(const struct run *run, struct pd_error *err)
{
    const struct pd_spawn *spawn = run->spawn;
    char limit[24];

    if (run->too_much && !spawn->finish) {
        return pd_error_set(err, PD_BAD_FORMAT, 0, "%s says more than %zu bytes", spawn->program,
                            spawn->out_max);
    }
    if (spawn->timeout_ns != 0 &&
        pd_clock_monotonic(run->env->clock) - run->started >= spawn->timeout_ns) {
        pd_format_duration(spawn->timeout_ns, limit, sizeof limit);
        return pd_error_set(err, PD_HUNG, 0, "%s did not end within %s", spawn->program, limit);
    }
    return spawn->finish ? PD_OK : pd_env_check(run->env, err);
}

static enum pd_status see_through(struct run *run, char *chunk, struct pd_error *err)
{
    enum pd_status status = PD_OK;
    bool ended = false;

    while (status == PD_OK && !ended) {
        status = listen_once(run, chunk);
        ended = has_ended(run);
        if (status == PD_OK && ended) {
            status = drain(run, chunk);
        }
        if (status != PD_OK) {
            (void)pd_error_memory(err, "what a program says");
        } else if (!ended || (run->too_much && !run->spawn->finish)) {
            status = may_go_on(run, err);
        }
    }
    if (!ended && !end_early(run)) {
        return pd_error_set(err, PD_HUNG, 0, "%s, process %ld, cannot be ended",
                            run->spawn->program, (long)run->pid);
    }
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status reaped = reap(run, &late);
    if (status == PD_OK && reaped != PD_OK) {
        *err = late;
        status = reaped;
    }
    return status;
}

enum pd_status pd_spawn_run(const struct pd_env *env, const struct pd_spawn *spawn,
                            struct pd_spawn_result *out, struct pd_error *err)
{
    struct run run = {.env = env, .spawn = spawn, .result = out, .fds = {-1, -1}};
    char *chunk;
    enum pd_status status;

    *out = (struct pd_spawn_result){.out = PD_BUF_INIT, .err = PD_BUF_INIT, .exit_code = -1};
    status = pd_env_check(env, err);
    if (status != PD_OK) {
        return status;
    }
    chunk = malloc(CHUNK);
    if (!chunk) {
        return pd_error_memory(err, "what a program says");
    }
    run.started = pd_clock_monotonic(env->clock); /* what it does before we look counts, too */
    if (spawn->timeout_ns > 0) {
        atomic_fetch_add(&env->progress->bounded, 1);
    }
    status = start(&run, err);
    if (status == PD_OK) {
        status = see_through(&run, chunk, err);
    }
    if (spawn->timeout_ns > 0) {
        atomic_fetch_sub(&env->progress->bounded, 1);
    }
    close_end(&run.fds[0]);
    close_end(&run.fds[1]);
    free(chunk);
    return status;
}

void pd_spawn_result_free(struct pd_spawn_result *result)
{
    pd_buf_free(&result->out);
    pd_buf_free(&result->err);
}

/* *out: the path when a program is there, else NULL. */
static enum pd_status look_in(const char *dir, size_t len, const char *name, char **out)
{
    struct pd_buf path = PD_BUF_INIT;
    struct stat st;

    *out = NULL;
    if (pd_buf_append(&path, dir, len) != PD_OK || pd_buf_printf(&path, "/%s", name) != PD_OK) {
        pd_buf_free(&path);
        return PD_NO_MEMORY;
    }
    if (stat(path.data, &st) == 0 && S_ISREG(st.st_mode) && access(path.data, X_OK) == 0) {
        *out = path.data;
    } else {
        pd_buf_free(&path);
    }
    return PD_OK;
}

enum pd_status pd_spawn_find(const char *name, char **out, struct pd_error *err)
{
    const char *const lists[] = {getenv("PATH"), "/usr/local/sbin:/usr/sbin:/sbin"};

    *out = NULL;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (const char *dir = lists[i]; dir && *dir != '\0';) {
            size_t len = strcspn(dir, ":");

            if (dir[0] == '/' && look_in(dir, len, name, out) != PD_OK) {
                return pd_error_memory(err, "a path");
            }
            if (*out) {
                return PD_OK;
            }
            dir += len + (dir[len] == ':');
        }
    }
    return pd_error_set(err, PD_NOT_FOUND, 0, "there is no program %s", name);
}
