#include "restore_view.h"

#include <inttypes.h>

#include "pairdump/size.h"
#include "pairdump/text.h"
#include "render.h"

static void show_file(void *arg, const char *path, const struct pd_error *why)
{
    struct pd_restore_view *view = arg;
    char *text = pd_render_path(path);

    pd_log_line(view->face->env.log, PD_LOG_WARN, "%s: %s [%s]", text ? text : "?",
                why->message[0] ? why->message : pd_status_text(why->status),
                pd_status_name(why->status));
    if (view->files) {
        json_t *item = pd_render_json_error(why);
        json_object_set_new(item, "file", json_string(text ? text : "?"));
        json_array_append_new(view->files, item);
    }
    free(text);
}

static void show_avoided(void *arg, const char *label, const char *archive, uint64_t record,
                         enum pd_status why)
{
    struct pd_restore_view *view = arg;

    pd_log_line(view->face->env.log, PD_LOG_WARN,
                "%s: %s: record %" PRIu64 ": avoided this copy: %s [%s]", label, archive, record,
                pd_status_text(why), pd_status_name(why));
    if (view->avoided) {
        json_t *item = json_object();
        json_object_set_new(item, "volume", json_string(label));
        json_object_set_new(item, "archive", pd_render_json_path(archive));
        json_object_set_new(item, "record", pd_render_json_u64(record));
        json_object_set_new(item, "status", json_string(pd_status_name(why)));
        json_array_append_new(view->avoided, item);
    }
}

static json_t *volume_json(const struct pd_restore_view *view, const struct pd_restore_volume *v)
{
    json_t *item = json_object();

    json_object_set_new(item, "volume", json_string(v->row.label));
    json_object_set_new(item, "location", pd_render_json_path(v->row.location));
    json_object_set_new(item, "host", pd_render_json_path(v->row.host));
    json_object_set_new(item, "archives", pd_render_json_u64(v->archives));
    if (view->dry_run) {
        json_object_set_new(item, "files", pd_render_json_u64(v->files));
        json_object_set_new(item, "bytes", pd_render_json_u64(v->bytes));
        json_object_set_new(item, "spare", pd_render_json_u64(v->spare));
        json_object_set_new(item, "reached", json_boolean(v->why.status == PD_OK));
    } else {
        json_object_set_new(item, "mounts", pd_render_json_u64(v->mounts));
        json_object_set_new(item, "records", pd_render_json_u64(v->records));
        json_object_set_new(item, "bad_records", pd_render_json_u64(v->bad_records));
        json_object_set_new(item, "avoided", pd_render_json_u64(v->avoided));
    }
    if (v->why.status != PD_OK) {
        json_object_set_new(item, "error", pd_render_json_error(&v->why));
    }
    return item;
}

static enum pd_status add_needed(struct pd_buf *out, const struct pd_restore_volume *v)
{
    char bytes[24];
    enum pd_status status;

    pd_format_size(v->bytes, bytes, sizeof bytes);
    if (v->archives == 0 && v->why.status == PD_OK) {
        status = pd_buf_printf(out, "spare, has %" PRIu64 " of the archives", v->spare);
    } else if (v->archives == 0) {
        status = pd_buf_puts(out, "not needed");
    } else {
        status = pd_buf_printf(out, "%" PRIu64 " archives, %" PRIu64 " files, %s", v->archives,
                               v->files, bytes);
    }
    if (status == PD_OK) {
        status = pd_buf_printf(out, "  %s%s%s", v->row.location, v->row.host[0] ? " on " : "",
                               v->row.host);
    }
    if (status == PD_OK && v->why.status != PD_OK) {
        status = pd_buf_printf(out, "\n    OUT OF REACH: %s", v->why.message);
    }
    return status;
}

static enum pd_status add_read(struct pd_buf *out, const struct pd_restore_volume *v)
{
    enum pd_status status = v->records + v->bad_records + v->avoided == 0
                                ? pd_buf_puts(out, "not needed")
                                : pd_buf_printf(out, "%" PRIu64 " records of %" PRIu64 " archives",
                                                v->records, v->archives);

    if (status == PD_OK && v->bad_records > 0) {
        status = pd_buf_printf(out, ", %" PRIu64 " bad", v->bad_records);
    }
    if (status == PD_OK && v->avoided > 0) {
        status = pd_buf_printf(out, "; avoided in %" PRIu64 ": %s", v->avoided, v->why.message);
    }
    return status;
}

static void show_volume(void *arg, const struct pd_restore_volume *v)
{
    struct pd_restore_view *view = arg;
    struct pd_buf *out = &view->volumes;

    if (view->by_volume) {
        json_array_append_new(view->by_volume, volume_json(view, v));
        return;
    }
    /* short memory costs lines of the summary, which is no result */
    if (pd_buf_printf(out, "%s  %-8s  ", out->len > 0 ? "\n" : "", v->row.label) == PD_OK) {
        (void)!(view->dry_run ? add_needed(out, v) : add_read(out, v));
    }
}

void pd_restore_view_start(struct pd_restore_view *view, struct pd_restore_options *options)
{
    view->dry_run = options->dry_run;
    view->stream = options->stream;
    options->on_file = show_file;
    options->file_arg = view;
    options->on_avoided = show_avoided;
    options->avoided_arg = view;
    options->on_volume = show_volume;
    options->volume_arg = view;
    if (view->face->json) {
        view->files = json_array();
        view->avoided = json_array();
        view->by_volume = json_array();
        json_object_set_new(view->face->json, "troubled", view->files);
        json_object_set_new(view->face->json, "avoided", view->avoided);
        json_object_set_new(view->face->json, "by_volume", view->by_volume);
    }
}

void pd_restore_view_free(struct pd_restore_view *view)
{
    pd_buf_free(&view->volumes);
}

static void say(const struct pd_restore_view *view, const char *line)
{
    if (view->stream) {
        pd_log_line(view->face->env.log, PD_LOG_NOTE, "%s", line);
    } else {
        fprintf(view->face->out, "%s\n", line);
    }
}

static void put_json(json_t *json, const struct pd_restore_summary *s)
{
    json_object_set_new(json, "files", pd_render_json_u64(s->files));
    json_object_set_new(json, "bytes", pd_render_json_u64(s->bytes));
    json_object_set_new(json, "lost", pd_render_json_u64(s->lost));
    json_object_set_new(json, "existing", pd_render_json_u64(s->existing));
    json_object_set_new(json, "not_whole", pd_render_json_u64(s->not_whole));
    json_object_set_new(json, "failed", pd_render_json_u64(s->failed));
    json_object_set_new(json, "volumes", pd_render_json_u64(s->volumes));
}

static void say_totals(const struct pd_restore_view *view, const struct pd_restore_options *options,
                       const struct pd_restore_summary *s)
{
    struct pd_buf line = PD_BUF_INIT;
    char bytes[24];
    char *to = options->stream ? NULL : pd_render_path(options->destination);

    pd_format_size(s->bytes, bytes, sizeof bytes);
    if (pd_buf_printf(&line, "%s %" PRIu64 " files, %s, from %" PRIu64 " volumes to %s",
                      options->dry_run ? "would restore" : "restored", s->files, bytes, s->volumes,
                      options->stream ? "the stream"
                      : to            ? to
                                      : "?") == PD_OK) {
        say(view, line.data);
    }
    pd_buf_free(&line);
    free(to);
}

/* Line by line: a log line has no line breaks. */
static void say_volumes(struct pd_restore_view *view)
{
    for (char *line = view->volumes.data, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        say(view, line);
    }
}

void pd_restore_view_summary(struct pd_restore_view *view, const struct pd_restore_options *options,
                             const struct pd_restore_summary *summary)
{
    const struct {
        uint64_t count;
        const char *what;
    } rows[] = {
        {summary->lost, options->dry_run ? "OUT OF REACH: no volume with them is at hand"
                                         : "LOST: no copy has them good"},
        {summary->existing, "kept: they exist already (--overwrite replaces them)"},
        {summary->not_whole, "not whole: they changed or failed while they were dumped"},
        {summary->failed,
         options->stream ? "could not be put into the stream" : "could not be written here"},
    };

    if (view->face->json) {
        put_json(view->face->json, summary);
        return;
    }
    say_totals(view, options, summary);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[120];

        if (rows[i].count > 0) {
            snprintf(line, sizeof line, "  %" PRIu64 " %s", rows[i].count, rows[i].what);
            say(view, line);
        }
    }
    say_volumes(view);
}
