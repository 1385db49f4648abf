#include <inttypes.h>

#include "command.h"
#include "history_files.h"
#include "render.h"
#include "verify_view.h"

const struct pd_option pd_cmd_history_options[] = {
    {"file", 0, "PATH", "of the archives that hold this file, or pattern; repeatable"},
    {"since", 0, "DATE", "from a day on (2026-12-31), or a time"},
    {NULL, 0, NULL, NULL},
};

struct history_view {
    struct pd_face *face;
    struct pd_catalog *catalog;
    json_t *list, *reports;
    int64_t since;
};

static enum pd_status show_damage(void *arg, const struct pd_damage *damage, struct pd_error *err)
{
    struct history_view *view = arg;

    (void)err;
    if (view->list) {
        json_array_append_new(view->list, pd_verify_view_damage_json(damage));
    } else {
        pd_verify_view_damage(view->face->out, damage);
    }
    return PD_OK;
}

static enum pd_status show_verification(void *arg, const struct pd_verification_row *row,
                                        struct pd_error *err)
{
    struct history_view *view = arg;
    struct history_view inner = {.face = view->face};
    char when[32];

    if (row->finished < view->since) {
        return PD_OK;
    }
    if (view->list) {
        json_t *item = json_object();
        json_object_set_new(item, "volume", json_string(row->label));
        json_object_set_new(item, "archive", json_string(row->archive));
        json_object_set_new(item, "started", pd_render_json_time(row->started));
        json_object_set_new(item, "finished", pd_render_json_time(row->finished));
        json_object_set_new(item, "mode", json_string(row->mode));
        json_object_set_new(item, "status", json_string(pd_status_name(row->status)));
        json_object_set_new(item, "records", pd_render_json_u64(row->records));
        json_object_set_new(item, "bad_records", pd_render_json_u64(row->bad_records));
        json_object_set_new(item, "files", pd_render_json_u64(row->files));
        json_object_set_new(item, "bad_files", pd_render_json_u64(row->bad_files));
        inner.list = json_array();
        json_object_set_new(item, "damage", inner.list);
        json_array_append_new(view->list, item);
    } else {
        pd_render_time(row->finished, when, sizeof when);
        fprintf(view->face->out, "%s %-8s %-32s %s: %" PRIu64 " records, %" PRIu64 " bad\n", when,
                row->label, row->archive, pd_status_name(row->status), row->records,
                row->bad_records);
    }
    return pd_catalog_damage(view->catalog, row->id, show_damage, &inner, err);
}

static void put_count(json_t *item, const char *name, uint64_t count)
{
    json_object_set_new(item, name,
                        count == PD_COUNT_UNKNOWN ? json_null() : pd_render_json_u64(count));
}

static void print_counts(FILE *out, const char *what, uint64_t corrected, uint64_t uncorrected)
{
    if (corrected != PD_COUNT_UNKNOWN) {
        fprintf(out, "; %s errors %" PRIu64 " corrected", what, corrected);
    }
    if (uncorrected != PD_COUNT_UNKNOWN) {
        fprintf(out, "; %s errors %" PRIu64 " not corrected", what, uncorrected);
    }
}

static enum pd_status show_report(void *arg, const struct pd_drive_report *report,
                                  struct pd_error *err)
{
    struct history_view *view = arg;
    FILE *out = view->face->out;
    char when[32];

    (void)err;
    if (report->taken < view->since) {
        return PD_OK;
    }
    if (view->reports) {
        json_t *item = json_object();
        json_object_set_new(item, "volume", json_string(report->label));
        json_object_set_new(item, "drive", pd_render_json_path(report->drive));
        json_object_set_new(item, "taken", pd_render_json_time(report->taken));
        json_object_set_new(item, "source", json_string(report->source));
        json_object_set_new(item, "alerts", json_string(report->alerts));
        put_count(item, "write_corrected", report->write_corrected);
        put_count(item, "write_uncorrected", report->write_uncorrected);
        put_count(item, "read_corrected", report->read_corrected);
        put_count(item, "read_uncorrected", report->read_uncorrected);
        json_array_append_new(view->reports, item);
        return PD_OK;
    }
    pd_render_time(report->taken, when, sizeof when);
    fprintf(out, "%s %-8s drive ", when, report->label);
    pd_render_print_path(out, report->drive);
    fprintf(out, ": %s%s", report->alerts[0] ? "alerts " : "no alert", report->alerts);
    print_counts(out, "write", report->write_corrected, report->write_uncorrected);
    print_counts(out, "read", report->read_corrected, report->read_uncorrected);
    fputc('\n', out);
    return PD_OK;
}

/* Of one volume, or of all (0). */
static enum pd_status show_history(struct history_view *view, int64_t volume_id,
                                   struct pd_error *err)
{
    enum pd_status status =
        pd_catalog_verifications(view->catalog, 0, volume_id, show_verification, view, err);

    return status == PD_OK
               ? pd_catalog_drive_reports(view->catalog, volume_id, show_report, view, err)
               : status;
}

/* Ids of the volumes named; all are looked for before anything is shown. Caller frees *ids. */
static enum pd_status find_volumes(struct pd_catalog *catalog, const struct pd_args *args,
                                   int64_t **ids, struct pd_error *err)
{
    struct pd_volume_row *row = calloc(1, sizeof *row);
    enum pd_status status;

    *ids = calloc(args->word_count + 1, sizeof **ids);
    status = row && *ids ? PD_OK : pd_error_memory(err, "volumes");
    for (size_t i = 0; i < args->word_count && status == PD_OK; i++) {
        status = pd_catalog_volume_find(catalog, args->words[i], row, err);
        (*ids)[i] = row->id;
    }
    free(row);
    return status;
}

static enum pd_status show_volumes(struct history_view *view, const int64_t *ids, size_t count,
                                   struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (view->face->json) {
        view->list = json_array();
        view->reports = json_array();
        json_object_set_new(view->face->json, "history", view->list);
        json_object_set_new(view->face->json, "drive_reports", view->reports);
    }
    for (size_t i = 0; i < (count ? count : 1) && status == PD_OK; i++) {
        status = show_history(view, ids[i], err);
    }
    return status;
}

static enum pd_status parse_since(const struct pd_args *args, int64_t *since, struct pd_error *err)
{
    const char *text = pd_args_get(args, "since");

    *since = INT64_MIN;
    return text && !pd_time_parse(text, since)
               ? pd_error_set(err, PD_USAGE, 0,
                              "--since takes a day as 2026-12-31, or a time as"
                              " 2026-12-31T18:00:00Z, not \"%s\"",
                              text)
               : PD_OK;
}

enum pd_status pd_cmd_history(struct pd_face *face, const struct pd_args *args,
                              struct pd_error *err)
{
    struct history_view view = {.face = face};
    struct pd_history_files files = {.face = face, .volume_count = args->word_count};
    const char **paths = NULL;
    int64_t *ids = NULL;
    size_t count = 0;
    enum pd_status status = pd_args_all(args, "file", &paths, &count, err);

    if (status == PD_OK) {
        status = parse_since(args, &view.since, err);
    }
    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &view.catalog, err);
    }
    if (status == PD_OK) {
        status = find_volumes(view.catalog, args, &ids, err);
    }
    if (status == PD_OK && count > 0) {
        files.catalog = view.catalog;
        files.volumes = ids;
        files.since = view.since;
        status = pd_history_files_show(&files, paths, count, err);
    } else if (status == PD_OK) {
        status = show_volumes(&view, ids, args->word_count, err);
    }
    pd_catalog_close(view.catalog);
    free(ids);
    free(paths);
    return status;
}
