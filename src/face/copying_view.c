#include "copying_view.h"

#include <inttypes.h>

#include "holding.h"
#include "pairdump/size.h"
#include "render.h"

struct view {
    struct pd_face *face;
    bool in_place;
    json_t *archives, *lost, *avoided;
};

static void show_result(void *arg, const struct pd_copying_result *result)
{
    struct view *view = arg;
    FILE *out = view->face->out;
    char why[512];

    if (view->archives) {
        json_t *item = json_object();
        json_object_set_new(item, "archive", pd_render_json_path(result->archive));
        json_object_set_new(item, "volume", json_string(result->label));
        json_object_set_new(item, "status", json_string(pd_status_name(result->status)));
        json_object_set_new(item, "before", json_boolean(result->before));
        json_object_set_new(item, "records", pd_render_json_u64(result->records));
        json_object_set_new(item, "bytes", pd_render_json_u64(result->bytes));
        json_object_set_new(item, "mended", pd_render_json_u64(result->mended));
        if (result->status != PD_OK) {
            json_object_set_new(item, "error", pd_render_json_error(&result->error));
        }
        json_array_append_new(view->archives, item);
        return;
    }
    pd_ticker_clear(view->face->ticker);
    if (result->status == PD_OK && view->in_place) {
        fprintf(out, "%-8s  %-32s  ok, %" PRIu64 " records mended, all read back\n", result->label,
                result->archive, result->mended);
        return;
    }
    if (result->status == PD_OK) {
        fprintf(out, "%-8s  %-32s  %s\n", result->label, result->archive,
                result->before ? "ok, made before" : "ok, written and read back");
        return;
    }
    pd_error_format(&result->error, why, sizeof why);
    fprintf(out, "%-8s  %-32s  %s: %s\n", result->label[0] ? result->label : "-", result->archive,
            view->in_place ? "NOT WHOLE" : "NOT COPIED", why);
}

static void show_lost(void *arg, const char *archive, uint64_t record, const char *path)
{
    struct view *view = arg;
    char *text = path ? pd_render_path(path) : NULL;

    pd_log_line(view->face->env.log, PD_LOG_ERROR,
                "%s: no copy at hand has record %" PRIu64 " good: %s", archive, record,
                text ? text : "of the archive's own files");
    if (view->lost) {
        json_t *item = json_object();
        json_object_set_new(item, "archive", pd_render_json_path(archive));
        json_object_set_new(item, "record", pd_render_json_u64(record));
        json_object_set_new(item, "file", text ? json_string(text) : json_null());
        json_array_append_new(view->lost, item);
    }
    free(text);
}

static void show_avoided(void *arg, const char *label, const char *archive, uint64_t record,
                         enum pd_status why)
{
    struct view *view = arg;

    pd_log_line(view->face->env.log, PD_LOG_INFO, "%s: %s: record %" PRIu64 ": avoided: %s", label,
                archive, record, pd_status_name(why));
    if (view->avoided) {
        json_t *item = json_object();
        json_object_set_new(item, "volume", json_string(label));
        json_object_set_new(item, "archive", pd_render_json_path(archive));
        json_object_set_new(item, "record", pd_render_json_u64(record));
        json_object_set_new(item, "status", json_string(pd_status_name(why)));
        json_array_append_new(view->avoided, item);
    }
}

static void show_copies(struct pd_face *face, const struct pd_copying_summary *s)
{
    char bytes[24];

    pd_format_size(s->bytes, bytes, sizeof bytes);
    fprintf(face->out,
            "copy %u: %" PRIu64 " archives, %" PRIu64 " good (%" PRIu64
            " of them made before), %" PRIu64 " not copied; %s written to %s\n",
            s->copy, s->archives, s->good, s->before, s->failed, bytes,
            s->labels[0] ? s->labels : "no volume");
}

static void show_summary(struct view *view, const struct pd_copying_options *options,
                         const struct pd_copying_summary *s)
{
    struct pd_face *face = view->face;

    pd_ticker_clear(face->ticker);
    if (face->json) {
        json_object_set_new(face->json, "copy", json_integer((json_int_t)s->copy));
        json_object_set_new(face->json, "volumes", json_string(s->labels));
        json_object_set_new(face->json, "good", pd_render_json_u64(s->good));
        json_object_set_new(face->json, "before", pd_render_json_u64(s->before));
        json_object_set_new(face->json, "failed", pd_render_json_u64(s->failed));
        json_object_set_new(face->json, "lost_files", pd_render_json_u64(s->lost_files));
        json_object_set_new(face->json, "bytes", pd_render_json_u64(s->bytes));
        json_object_set_new(face->json, "mended", pd_render_json_u64(s->mended));
        return;
    }
    if (options->in_place) {
        fprintf(face->out,
                "%s: %" PRIu64 " archives, %" PRIu64 " good, %" PRIu64 " not; %" PRIu64
                " records mended\n",
                s->labels, s->archives, s->good, s->failed, s->mended);
    } else {
        show_copies(face, s);
    }
    if (s->lost_files > 0) {
        fprintf(face->out, "  %s: %" PRIu64 " files lie in records that are good %s\n",
                s->status == PD_FAILED ? "LOST" : "missed", s->lost_files,
                s->status == PD_FAILED ? "nowhere" : "on no copy at hand");
    }
    if (options->replace && !options->in_place && s->archives == 0) {
        fprintf(face->out, "  nothing is left to be made in place of %s\n", options->replace);
    }
}

static enum pd_status judge(const struct pd_copying_summary *s, struct pd_error *err)
{
    if (s->status == PD_OK) {
        return PD_OK;
    }
    return pd_error_set(err, s->status, 0, "%" PRIu64 " of %" PRIu64 " archives are not whole%s%s",
                        s->failed, s->archives, s->error.message[0] ? ": " : "", s->error.message);
}

enum pd_status pd_copying_view(struct pd_face *face, const struct pd_args *args, const char *what,
                               struct pd_claim *claims, size_t count,
                               const struct pd_copying_options *asked, struct pd_catalog *catalog,
                               struct pd_error *err)
{
    struct view view = {.face = face};
    struct pd_copying_options options = *asked;
    struct pd_holding holding = {.begun = false};
    struct pd_copying_summary summary = {0};
    struct pd_error late = PD_ERROR_INIT;
    const char **at = NULL;
    enum pd_status status = pd_args_all(args, "at", &at, &options.at_count, err);

    if (status == PD_OK) {
        status = pd_holding_begin(face, catalog, what, claims, count, &holding, err);
    }
    if (status == PD_OK) {
        options.at = at;
        options.to = pd_args_get(args, "to");
        options.label = pd_args_get(args, "label");
        options.config = face->config;
        options.run_id = holding.run.id;
        options.on_result = show_result;
        options.on_lost = show_lost;
        options.on_avoided = show_avoided;
        options.arg = &view;
        view.in_place = options.in_place;
        if (face->json) {
            view.archives = json_array();
            view.lost = json_array();
            view.avoided = json_array();
            json_object_set_new(face->json, "archives", view.archives);
            json_object_set_new(face->json, "lost", view.lost);
            json_object_set_new(face->json, "avoided", view.avoided);
        }
        status = pd_copying_run(&face->env, catalog, &options, &summary, err);
        if (status == PD_OK) {
            show_summary(&view, &options, &summary);
            status = judge(&summary, err);
        }
    }
    if (pd_holding_end(&holding, &late) != PD_OK) {
        pd_log_error(face->env.log, PD_LOG_WARN, &late);
    }
    free(at);
    return status;
}
