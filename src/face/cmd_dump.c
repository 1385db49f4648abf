#include <inttypes.h>
#include <pthread.h>
#include <unistd.h>

#include "command.h"
#include "pairdump/dump.h"
#include "pairdump/size.h"
#include "render.h"

const struct pd_option pd_cmd_dump_options[] = {
    {"to", 0, "TARGET", "target of one copy; give it once per copy, 1 to 8 times"},
    {"pool", 0, "NAME", "pool of the configuration instead of --to"},
    {"files-from", 'T', "LIST", "read paths from a file, - for standard input"},
    {"null", '0', NULL, "paths in LIST end with NUL instead of newline"},
    {"exclude", 0, "PATTERN", "leave out paths (with /) or names (without); repeatable"},
    {"one-file-system", 'x', NULL, "do not enter other file systems"},
    {"batch-size", 0, "SIZE", "bytes of one archive (default 4G)"},
    {"batch-files", 0, "N", "files in one archive (default 25000)"},
    {"block-size", 0, "SIZE", "bytes of one record, 64K to 4M (default 512K)"},
    {"capacity", 0, "SIZE", "bytes that one volume may hold"},
    {"reserve", 0, "SIZE", "bytes kept free on each disk (default 64M)"},
    {"verify", 0, "POLICY", "full (default), sample=25%, or none"},
    {"incremental", 0, NULL, "leave out what all copies verified already hold unchanged"},
    {"dry-run", 'n', NULL, "say what would be done, and change nothing"},
    {"name", 0, "NAME", "name of the dump (default HOST-DATE-TIME)"},
    {NULL, 0, NULL, NULL},
};

struct dump_view {
    struct pd_face *face;
    pthread_mutex_t lock;
    json_t *problems;
    json_t *warnings;
};

static enum pd_status show_problem(void *arg, const struct pd_problem *problem,
                                   struct pd_error *err)
{
    struct dump_view *view = arg;
    char *path = pd_render_path(problem->path);

    (void)err;
    pd_log_line(view->face->env.log, PD_LOG_WARN, "%s: %s [%s]", path ? path : "?",
                problem->message ? problem->message : pd_status_text(problem->status),
                pd_status_name(problem->status));
    if (view->problems) {
        json_t *item = json_object();
        json_object_set_new(item, "path", json_string(path ? path : "?"));
        json_object_set_new(item, "status", json_string(pd_status_name(problem->status)));
        json_object_set_new(item, "in_archive", json_boolean(problem->archived));
        pthread_mutex_lock(&view->lock);
        json_array_append_new(view->problems, item);
        pthread_mutex_unlock(&view->lock);
    }
    free(path);
    return PD_OK;
}

static void show_warning(void *arg, const struct pd_error *warning)
{
    struct dump_view *view = arg;

    pd_log_error(view->face->env.log, PD_LOG_WARN, warning);
    if (view->warnings) {
        pthread_mutex_lock(&view->lock);
        json_array_append_new(view->warnings, pd_render_json_error(warning));
        pthread_mutex_unlock(&view->lock);
    }
}

/* What became of a copy, in a word; "ok" is for what was read back. */
static const char *copy_word(const struct pd_dump_copy_summary *copy, uint64_t archives)
{
    if (copy->status != PD_OK) {
        return pd_status_name(copy->status);
    }
    if (copy->archives_written == 0) {
        return archives == 0 ? "-" : "nothing written";
    }
    return copy->archives_verified > 0 ? "ok" : "written";
}

static void print_copy(FILE *out, const struct pd_dump_copy_summary *copy, size_t number,
                       uint64_t archives)
{
    char bytes[24];

    pd_format_size(copy->bytes, bytes, sizeof bytes);
    fprintf(out, "  copy %zu  %-17s  %s  %s in %" PRIu64 " of %" PRIu64 " archives", number,
            copy->labels[0] ? copy->labels : "(no volume)", copy_word(copy, archives), bytes,
            copy->archives_written, archives);
    fprintf(out, ", %" PRIu64 " verified", copy->archives_verified);
    if (copy->archives_bad > 0) {
        fprintf(out, ", %" PRIu64 " BAD", copy->archives_bad);
    }
    fprintf(out, "\n          %s\n", copy->url);
    if (copy->status != PD_OK && copy->error.message[0]) {
        char line[1400];
        pd_error_format(&copy->error, line, sizeof line);
        fprintf(out, "          %s\n", line);
    }
}

static const char *verdict(enum pd_status status)
{
    switch (pd_status_exit(status)) {
    case PD_EXIT_OK:
        return "OK";
    case PD_EXIT_DEGRADED:
        return status == PD_UNVERIFIED ? "WRITTEN, UNVERIFIED" : "DEGRADED";
    case PD_EXIT_INTERRUPTED:
        return "INTERRUPTED";
    default:
        return "FAILED";
    }
}

static void print_summary(struct pd_face *face, const struct pd_dump_summary *s)
{
    char bytes[24], total[24], rate[24];

    pd_format_size(s->row.bytes, bytes, sizeof bytes);
    pd_format_duration(s->total_ns, total, sizeof total);
    double seconds = (double)s->total_ns / 1e9;
    pd_format_size(seconds > 0 ? (uint64_t)((double)s->row.bytes / seconds) : 0, rate,
                   sizeof rate);
    fprintf(face->out, "%s: %s\n", s->row.name, verdict(s->status));
    fprintf(face->out, "  %" PRIu64 " files, %s in %" PRIu64 " archives; took %s (%s/s)\n",
            s->row.files, bytes, s->row.archives, total, rate);
    if (s->row.skipped > 0) {
        fprintf(face->out, "  %" PRIu64 " files left out: held already, unchanged\n",
                s->row.skipped);
    }
    if (s->row.problems > 0) {
        fprintf(face->out, "  %" PRIu64 " source files not whole or not there: pairdump show %s\n",
                s->row.problems, s->row.name);
    }
    for (size_t i = 0; i < s->copy_count; i++) {
        print_copy(face->out, &s->copies[i], i + 1, s->row.archives);
    }
}

static void print_plan(struct pd_face *face, const struct pd_dump_summary *s)
{
    char bytes[24], need[24], free_text[24];

    pd_format_size(s->source_bytes, bytes, sizeof bytes);
    fprintf(face->out, "dry run: %" PRIu64 " files, %s in %" PRIu64 " archives\n",
            s->source_files, bytes, s->batches);
    for (size_t i = 0; i < s->copy_count; i++) {
        const struct pd_dump_copy_summary *copy = &s->copies[i];
        pd_format_size(copy->need, need, sizeof need);
        if (copy->available == UINT64_MAX) {
            snprintf(free_text, sizeof free_text, "unknown");
        } else {
            pd_format_size(copy->available, free_text, sizeof free_text);
        }
        fprintf(face->out, "  copy %zu  %s: needs %s, free %s\n", i + 1, copy->url, need,
                free_text);
    }
}

static json_t *json_copy_summary(const struct pd_dump_copy_summary *copy)
{
    json_t *item = json_object();

    json_object_set_new(item, "target", pd_render_json_path(copy->url));
    json_object_set_new(item, "volumes", json_string(copy->labels));
    json_object_set_new(item, "status", json_string(pd_status_name(copy->status)));
    json_object_set_new(item, "archives_written", pd_render_json_u64(copy->archives_written));
    json_object_set_new(item, "archives_verified", pd_render_json_u64(copy->archives_verified));
    json_object_set_new(item, "archives_bad", pd_render_json_u64(copy->archives_bad));
    json_object_set_new(item, "bytes", pd_render_json_u64(copy->bytes));
    json_object_set_new(item, "need", pd_render_json_u64(copy->need));
    json_object_set_new(item, "available", pd_render_json_u64(copy->available));
    if (copy->status != PD_OK && copy->error.status != PD_OK) {
        json_object_set_new(item, "error", pd_render_json_error(&copy->error));
    }
    return item;
}

static void json_summary(json_t *root, const struct pd_dump_summary *s, bool dry_run)
{
    json_t *copies = json_array();

    json_object_set_new(root, "dry_run", json_boolean(dry_run));
    if (!dry_run) {
        json_object_set_new(root, "dump", json_string(s->row.name));
        json_object_set_new(root, "uuid", json_string(s->row.uuid));
        json_object_set_new(root, "state", json_string(pd_dump_state_name(s->row.state)));
        json_object_set_new(root, "archives", pd_render_json_u64(s->row.archives));
        json_object_set_new(root, "files", pd_render_json_u64(s->row.files));
        json_object_set_new(root, "bytes", pd_render_json_u64(s->row.bytes));
        json_object_set_new(root, "problem_count", pd_render_json_u64(s->row.problems));
        json_object_set_new(root, "skipped", pd_render_json_u64(s->row.skipped));
    }
    json_object_set_new(root, "source_files", pd_render_json_u64(s->source_files));
    json_object_set_new(root, "source_bytes", pd_render_json_u64(s->source_bytes));
    json_object_set_new(root, "batches", pd_render_json_u64(s->batches));
    json_object_set_new(root, "seconds_list", json_real((double)s->list_ns / 1e9));
    json_object_set_new(root, "seconds_write", json_real((double)s->write_ns / 1e9));
    json_object_set_new(root, "seconds_verify", json_real((double)s->verify_ns / 1e9));
    json_object_set_new(root, "seconds", json_real((double)s->total_ns / 1e9));
    json_object_set_new(root, "ring_bytes", pd_render_json_u64(s->ring_bytes));
    for (size_t i = 0; i < s->copy_count; i++) {
        json_array_append_new(copies, json_copy_summary(&s->copies[i]));
    }
    json_object_set_new(root, "copies", copies);
}

static enum pd_status take_options(struct pd_face *face, const struct pd_args *args,
                                   struct pd_dump_options *options, const char ***excludes,
                                   char **cwd, struct pd_error *err)
{
    size_t count = 0;
    enum pd_status status = pd_args_all(args, "exclude", excludes, &count, err);

    if (status != PD_OK) {
        return status;
    }
    *cwd = getcwd(NULL, 0);
    if (!*cwd) {
        return pd_error_set(err, PD_USAGE, 0, "the current folder is gone; change to another");
    }
    options->name = pd_args_get(args, "name");
    options->source.paths = args->words;
    options->source.path_count = args->word_count;
    options->source.list_file = pd_args_get(args, "files-from");
    options->source.list_nul = pd_args_flag(args, "null");
    options->source.list_recurse = true;
    options->source.excludes = *excludes;
    options->source.exclude_count = count;
    options->source.one_file_system = pd_args_flag(args, "one-file-system");
    options->source.cwd = *cwd;
    options->config = face->config;
    options->state_dir = face->config->state_dir;
    options->incremental = pd_args_flag(args, "incremental");
    options->dry_run = pd_args_flag(args, "dry-run");
    if (args->word_count == 0 && !options->source.list_file) {
        return pd_error_set(err, PD_USAGE, 0, "what? Give paths, or -T LIST");
    }
    if (options->source.list_nul && !options->source.list_file) {
        return pd_error_set(err, PD_USAGE, 0, "-0 goes with -T LIST");
    }
    return PD_OK;
}

enum pd_status pd_cmd_dump(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct dump_view view = {.face = face, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct pd_dump_options options = {0};
    struct pd_pool_config pool = {0};
    struct pd_catalog *catalog = NULL;
    struct pd_dump_summary *summary = calloc(1, sizeof *summary);
    const char **excludes = NULL;
    char *cwd = NULL;
    enum pd_status status;

    if (!summary) {
        return pd_error_memory(err, "summary");
    }
    status = take_options(face, args, &options, &excludes, &cwd, err);
    if (status == PD_OK) {
        status = pd_face_pool(face, args, &pool, err);
    }
    if (status == PD_OK) {
        status = pd_face_state_dir(face, err);
    }
    if (status == PD_OK) {
        status = pd_face_catalog(face, true, &catalog, err);
    }
    if (status != PD_OK) {
        goto out;
    }
    if (face->json) {
        view.problems = json_array();
        view.warnings = json_array();
    }
    options.pool = &pool;
    options.on_problem = show_problem;
    options.problem_arg = &view;
    options.on_warning = show_warning;
    options.warning_arg = &view;
    status = pd_dump_run(&face->env, catalog, &options, summary, err);
    pd_ticker_clear(face->ticker);
    if (face->json) {
        json_summary(face->json, summary, options.dry_run);
        json_object_set_new(face->json, "problems", view.problems);
        json_object_set_new(face->json, "warnings", view.warnings);
    } else if (options.dry_run && status == PD_OK) {
        print_plan(face, summary);
    } else if (summary->row.id != 0) {
        print_summary(face, summary);
    }
out:
    pd_catalog_close(catalog);
    pd_pool_config_release(&pool);
    free(summary);
    free(excludes);
    free(cwd);
    return status;
}
