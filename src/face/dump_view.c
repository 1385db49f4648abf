#include "dump_view.h"

#include <inttypes.h>
#include <string.h>

#include "pairdump/size.h"
#include "render.h"

static enum pd_status show_problem(void *arg, const struct pd_problem *problem,
                                   struct pd_error *err)
{
    struct pd_dump_view *view = arg;
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
    struct pd_dump_view *view = arg;

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

static uint64_t streaming_rate(const struct pd_fanout_figures *f)
{
    return f->stream_ns > 0 ? (uint64_t)((double)f->bytes / ((double)f->stream_ns / 1e9)) : 0;
}

/* Of a copy on tape. */
static void print_streaming(FILE *out, const struct pd_fanout_figures *f)
{
    char rate[24];

    pd_format_size(streaming_rate(f), rate, sizeof rate);
    fprintf(out, "          %s/s while streaming, %" PRIu64 " %s, starved %.1f s", rate, f->stops,
            f->stops == 1 ? "stop" : "stops", (double)f->starved_ns / 1e9);
    if (f->others_ns > 0) {
        fprintf(out, ", kept waiting by a slower copy %.1f s", (double)f->others_ns / 1e9);
    }
    fputc('\n', out);
}

void pd_dump_view_copy(const struct pd_dump_summary *s, size_t i, char *out, size_t size)
{
    size_t copies = s->copy_count / (s->pairs > 0 ? s->pairs : 1);

    if (s->pairs > 1) {
        snprintf(out, size, "pair %zu, copy %zu", i / copies + 1, i % copies + 1);
    } else {
        snprintf(out, size, "copy %zu", i + 1);
    }
}

static void print_copy(FILE *out, const struct pd_dump_summary *s, size_t i)
{
    const struct pd_dump_copy_summary *copy = &s->copies[i];
    uint64_t archives = s->row.archives;
    char bytes[24], name[64];

    pd_format_size(copy->bytes, bytes, sizeof bytes);
    pd_dump_view_copy(s, i, name, sizeof name);
    fprintf(out, "  %s  %-17s  %s  %s in %" PRIu64 " of %" PRIu64 " archives", name,
            copy->labels[0] ? copy->labels : "(no volume)", copy_word(copy, archives), bytes,
            copy->archives_written, archives);
    fprintf(out, ", %" PRIu64 " verified", copy->archives_verified);
    if (copy->archives_bad > 0) {
        fprintf(out, ", %" PRIu64 " BAD", copy->archives_bad);
    }
    fprintf(out, "\n          %s\n", copy->url);
    if (copy->streaming.starts > 0) {
        print_streaming(out, &copy->streaming);
    }
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
    case PD_EXIT_CATALOG:
        return "NOT RECORDED";
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
        print_copy(face->out, s, i);
    }
}

static json_t *json_streaming(const struct pd_fanout_figures *f)
{
    json_t *item = json_object();

    json_object_set_new(item, "bytes", pd_render_json_u64(f->bytes));
    json_object_set_new(item, "bytes_per_second", pd_render_json_u64(streaming_rate(f)));
    json_object_set_new(item, "starts", pd_render_json_u64(f->starts));
    json_object_set_new(item, "stops", pd_render_json_u64(f->stops));
    json_object_set_new(item, "seconds", json_real((double)f->stream_ns / 1e9));
    json_object_set_new(item, "seconds_filling", json_real((double)f->fill_ns / 1e9));
    json_object_set_new(item, "seconds_starved", json_real((double)f->starved_ns / 1e9));
    json_object_set_new(item, "seconds_for_others", json_real((double)f->others_ns / 1e9));
    return item;
}

static json_t *json_copy_summary(const struct pd_dump_summary *s, size_t i)
{
    const struct pd_dump_copy_summary *copy = &s->copies[i];
    size_t copies = s->copy_count / (s->pairs > 0 ? s->pairs : 1);
    json_t *item = json_object();

    json_object_set_new(item, "pair_of_drives", pd_render_json_u64(i / copies + 1));
    json_object_set_new(item, "copy", pd_render_json_u64(i % copies + 1));
    json_object_set_new(item, "target", pd_render_json_path(copy->url));
    json_object_set_new(item, "volumes", json_string(copy->labels));
    json_object_set_new(item, "status", json_string(pd_status_name(copy->status)));
    json_object_set_new(item, "archives_written", pd_render_json_u64(copy->archives_written));
    json_object_set_new(item, "archives_verified", pd_render_json_u64(copy->archives_verified));
    json_object_set_new(item, "archives_bad", pd_render_json_u64(copy->archives_bad));
    json_object_set_new(item, "bytes", pd_render_json_u64(copy->bytes));
    json_object_set_new(item, "need", pd_render_json_u64(copy->need));
    json_object_set_new(item, "available", pd_render_json_u64(copy->available));
    if (copy->streaming.starts > 0) {
        json_object_set_new(item, "streaming", json_streaming(&copy->streaming));
    }
    if (copy->status != PD_OK && copy->error.status != PD_OK) {
        json_object_set_new(item, "error", pd_render_json_error(&copy->error));
    }
    return item;
}

static void add_json(json_t *root, const struct pd_dump_summary *s, bool dry_run)
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
    json_object_set_new(root, "pairs_of_drives", pd_render_json_u64(s->pairs));
    json_object_set_new(root, "ring_bytes", pd_render_json_u64(s->ring_bytes));
    for (size_t i = 0; i < s->copy_count; i++) {
        json_array_append_new(copies, json_copy_summary(s, i));
    }
    json_object_set_new(root, "copies", copies);
}

void pd_dump_view_start(struct pd_dump_view *view, struct pd_face *face,
                        struct pd_dump_options *options)
{
    memset(view, 0, sizeof *view);
    pthread_mutex_init(&view->lock, NULL);
    view->face = face;
    if (face->json) {
        view->problems = json_array();
        view->warnings = json_array();
    }
    options->config = face->config;
    options->state_dir = face->config->state_dir;
    options->on_problem = show_problem;
    options->problem_arg = view;
    options->on_warning = show_warning;
    options->warning_arg = view;
}

void pd_dump_view_end(struct pd_dump_view *view, const struct pd_dump_summary *summary,
                      bool dry_run)
{
    struct pd_face *face = view->face;

    pd_ticker_clear(face->ticker);
    if (face->json) {
        add_json(face->json, summary, dry_run);
        json_object_set_new(face->json, "problems", view->problems);
        json_object_set_new(face->json, "warnings", view->warnings);
    } else if (!dry_run && summary->row.id != 0 && summary->copy_count > 0) {
        print_summary(face, summary);
    }
    pthread_mutex_destroy(&view->lock);
}
