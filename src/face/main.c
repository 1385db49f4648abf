#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "command.h"
#include "render.h"

static const char *get_variable(const char *name)
{
    return getenv(name);
}

static void print_log(void *arg, enum pd_log_level level, const char *line)
{
    struct pd_face *face = arg;

    pd_ticker_clear(face->ticker);
    if (level == PD_LOG_NOTE || level == PD_LOG_INFO) {
        fprintf(stderr, "pairdump: %s\n", line);
    } else {
        fprintf(stderr, "pairdump: %s: %s\n", pd_log_level_name(level), line);
    }
}

static void forget_ticker(void *arg)
{
    struct pd_face *face = arg;

    face->ticker = NULL;
}

static void take_globals(struct pd_face *face, const struct pd_args *args)
{
    face->catalog_url = pd_args_get(args, "catalog");
    face->credentials = pd_args_get(args, "credentials");
    face->json_mode = pd_args_flag(args, "json");
    face->quiet = pd_args_flag(args, "quiet");
    face->verbose = pd_args_flag(args, "verbose");
    face->no_progress = pd_args_flag(args, "no-progress");
    pd_log_set_level(face->env.log, face->quiet     ? PD_LOG_ERROR
                                    : face->verbose ? PD_LOG_DEBUG
                                                    : PD_LOG_NOTE);
}

static enum pd_status run_command(struct pd_face *face, const struct pd_command *command, int argc,
                                  char **argv, struct pd_error *err)
{
    struct pd_args args = {0};
    struct pd_option options[48];
    size_t n = 0;
    enum pd_status status;

    for (const struct pd_option *o = command->options; o->name && n < 46; o++) {
        options[n++] = *o;
    }
    options[n++] = (struct pd_option){"help", 'h', NULL, "show help"};
    options[n] = (struct pd_option){NULL, 0, NULL, NULL};
    status = pd_args_parse(options, argc, argv, false, &args, NULL, err);
    if (status == PD_OK && pd_args_flag(&args, "help")) {
        pd_render_help(face->out, command->name);
    } else if (status == PD_OK &&
               (status = pd_args_duration(&args, "wait", &face->env.wait_ns, err)) == PD_OK) {
        if (!face->quiet && !face->no_progress && isatty(STDERR_FILENO)) {
            face->ticker = pd_ticker_start(&face->env, stderr);
        }
        status = command->run(face, &args, err);
        struct pd_ticker *ticker = face->ticker;
        pd_log_pause(face->env.log, forget_ticker, face);
        pd_ticker_stop(ticker);
    }
    pd_args_release(&args);
    return status;
}

static enum pd_status start(struct pd_face *face, int argc, char **argv, struct pd_error *err)
{
    struct pd_args globals = {0};
    int next = 0;
    enum pd_status status = pd_args_parse(pd_command_globals, argc, argv, true, &globals, &next,
                                          err);
    const struct pd_command *command = NULL;

    if (status != PD_OK) {
        goto out;
    }
    take_globals(face, &globals);
    if (pd_args_flag(&globals, "version")) {
        fprintf(face->out, "pairdump %s\n", PD_VERSION);
        goto out;
    }
    if (pd_args_flag(&globals, "help")) {
        pd_render_help(face->out, NULL);
        goto out;
    }
    if (face->json_mode) {
        face->json = json_object();
    }
    if (next >= argc) {
        status = pd_error_set(err, PD_USAGE, 0, "no command given; try \"pairdump help\"");
        goto out;
    }
    command = pd_command_find(argv[next]);
    if (!command) {
        status = pd_error_set(err, PD_USAGE, 0, "no command \"%s\"; try \"pairdump help\"",
                              argv[next]);
        goto out;
    }
    if (face->json) {
        json_object_set_new(face->json, "command", json_string(command->name));
    }
    status = pd_config_load(pd_args_get(&globals, "config"), get_variable, &face->config, err);
    if (status == PD_OK) {
        face->env.stall_ns = face->config->stall_ns;
        face->env.read_deadline_ns = face->config->read_deadline_ns;
        face->env.wait_ns = face->config->media_wait_ns;
        status = run_command(face, command, argc - next, argv + next, err);
    }
out:
    pd_args_release(&globals);
    return status;
}

/* Prints the JSON object, and makes sure that results really went out: a full disk behind standard
 * output must not look like success. */
static int finish(struct pd_face *face, enum pd_status status, const struct pd_error *err)
{
    int code = (int)pd_status_exit(status);
    char line[1400];

    if (status != PD_OK && err->status != PD_OK) {
        pd_error_format(err, line, sizeof line);
        fprintf(stderr, "pairdump: %s\n", line);
    }
    if (face->json) {
        json_object_set_new(face->json, "status", json_string(pd_status_name(status)));
        json_object_set_new(face->json, "exit", json_integer(code));
        if (status != PD_OK && err->status != PD_OK) {
            json_object_set_new(face->json, "error", pd_render_json_error(err));
        }
        json_dumpf(face->json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        fputc('\n', stdout);
        json_decref(face->json);
    }
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0) {
        fprintf(stderr, "pairdump: standard output: %s\n", strerror(errno));
        code = PD_EXIT_FAILED;
    }
    return code;
}

/* A file that is opened as 0, 1 or 2 would be taken for the terminal. */
static void fill_standard_files(void)
{
    int fd = open("/dev/null", O_RDWR);

    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDWR);
    }
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    struct pd_face face = {.out = stdout};
    struct pd_progress progress;
    struct pd_stop stop;
    struct pd_error err = PD_ERROR_INIT;
    enum pd_status status;

    fill_standard_files();
    pd_progress_init(&progress);
    face.env.clock = pd_clock_real();
    face.env.progress = &progress;
    face.env.stop = &stop;
    status = pd_log_new(print_log, &face, PD_LOG_NOTE, &face.env.log, &err);
    if (status == PD_OK) {
        status = pd_rng_new(NULL, &face.env.rng, &err);
    }
    if (status == PD_OK) {
        status = pd_signal_install(&stop, &err);
    }
    if (status == PD_OK) {
        status = start(&face, argc, argv, &err);
    }
    int code = finish(&face, status, &err);
    if (atomic_load(&progress.hung) > 0) {
        fflush(NULL);
        _exit(code);
    }
    pd_config_free(face.config);
    pd_rng_free(face.env.rng);
    pd_log_free(face.env.log);
    return code;
}
