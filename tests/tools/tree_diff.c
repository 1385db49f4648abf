/*
 * tree_diff A B: prints every difference of two trees in content and metadata (kinds, modes, owners,
 * times to the nanosecond, link targets, hard links, devices, extended attributes with ACLs). Where
 * holes are does not count. Exit code 0: none, 1: some, 2: could not tell.
 */
#include <signal.h>

#include "pairdump/sample.h"

static void print_line(void *arg, const char *path, const char *what)
{
    (void)arg;
    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;

        if (c < 0x20 || c >= 0x7f || c == '%')
            printf("%%%02X", c);
        else
            putchar(c);
    }
    printf(": %s\n", what);
}

static void silent(void *arg, enum pd_log_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

int main(int argc, char **argv)
{
    static volatile sig_atomic_t stopped;
    const struct pd_stop stop = {.flag = &stopped};
    struct pd_progress progress;
    struct pd_env env = {.clock = pd_clock_real(), .progress = &progress, .stop = &stop};
    struct pd_error err = PD_ERROR_INIT;
    const uint64_t seed = 1;
    enum pd_status status;

    if (argc != 3) {
        fprintf(stderr, "usage: tree_diff A B\n");
        return 2;
    }
    pd_progress_init(&progress);
    status = pd_log_new(silent, NULL, PD_LOG_ERROR, &env.log, &err);
    if (status == PD_OK)
        status = pd_rng_new(&seed, &env.rng, &err);
    if (status == PD_OK)
        status = pd_sample_compare(&env, argv[1], argv[2], print_line, NULL, &err);
    pd_rng_free(env.rng);
    pd_log_free(env.log);
    if (fflush(stdout) != 0)
        return 2;
    if (status == PD_OK)
        return 0;
    fprintf(stderr, "tree_diff: %s\n", err.message);
    return status == PD_BAD_FILE ? 1 : 2;
}
