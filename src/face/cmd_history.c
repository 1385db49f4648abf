#include <inttypes.h>

#include "command.h"
#include "render.h"

const struct pd_option pd_cmd_history_options[] = {{NULL, 0, NULL, NULL}};

struct history_view {
    struct pd_face *face;
    struct pd_catalog *catalog;
    json_t *list;
};

static enum pd_status show_damage(void *arg, const struct pd_damage *damage, struct pd_error *err)
{
    struct history_view *view = arg;

    (void)err;
    if (view->list) {
        json_t *item = json_object();
        json_object_set_new(item, "status", json_string(pd_status_name(damage->status)));
        if (damage->has_record) {
            json_object_set_new(item, "record", pd_render_json_u64(damage->record));
        }
        if (damage->path) {
            json_object_set_new(item, "file", pd_render_json_path(damage->path));
        }
        json_array_append_new(view->list, item);
        return PD_OK;
    }
    fprintf(view->face->out, "    %s", pd_status_name(damage->status));
    if (damage->has_record) {
        fprintf(view->face->out, " record %" PRIu64, damage->record);
    }
    if (damage->path) {
        fputs(" file ", view->face->out);
        pd_render_print_path(view->face->out, damage->path);
    }
    fputc('\n', view->face->out);
    return PD_OK;
}

static enum pd_status show_verification(void *arg, const struct pd_verification_row *row,
                                        struct pd_error *err)
{
    struct history_view *view = arg;
    struct history_view inner = {.face = view->face};
    char when[32];

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
    if (view->list) {
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
        json_array_append_new(view->list, item);
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

static enum pd_status show_reports(struct pd_face *face, struct pd_catalog *catalog,
                                   int64_t volume_id, struct pd_error *err)
{
    struct history_view view = {.face = face, .list = face->json ? json_array() : NULL};

    if (view.list) {
        json_object_set_new(face->json, "drive_reports", view.list);
    }
    return pd_catalog_drive_reports(catalog, volume_id, show_report, &view, err);
}

enum pd_status pd_cmd_history(struct pd_face *face, const struct pd_args *args,
                              struct pd_error *err)
{
    struct history_view view = {.face = face};
    struct pd_volume_row *volume = calloc(1, sizeof *volume);
    enum pd_status status =
        volume ? pd_args_words(args, 0, 1, err) : pd_error_memory(err, "volume");

    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &view.catalog, err);
    }
    if (status == PD_OK && args->word_count > 0) {
        status = pd_catalog_volume_find(view.catalog, args->words[0], volume, err);
    }
    if (status == PD_OK) {
        view.list = face->json ? json_array() : NULL;
        status =
            pd_catalog_verifications(view.catalog, 0, volume->id, show_verification, &view, err);
    }
    if (view.list) {
        json_object_set_new(face->json, "history", view.list);
    }
    if (status == PD_OK) {
        status = show_reports(face, view.catalog, volume->id, err);
    }
    pd_catalog_close(view.catalog);
    free(volume);
    return status;
}
