#include "verify_view.h"

#include <inttypes.h>

#include "render.h"

void pd_verify_view_damage(FILE *out, const struct pd_damage *damage)
{
    fprintf(out, "    %s", pd_status_name(damage->status));
    if (damage->has_record) {
        fprintf(out, " record %" PRIu64, damage->record);
    }
    if (damage->path) {
        fputs(" file ", out);
        pd_render_print_path(out, damage->path);
    }
    fputc('\n', out);
}

json_t *pd_verify_view_damage_json(const struct pd_damage *damage)
{
    json_t *item = json_object();

    json_object_set_new(item, "status", json_string(pd_status_name(damage->status)));
    if (damage->has_record) {
        json_object_set_new(item, "record", pd_render_json_u64(damage->record));
    }
    if (damage->path) {
        json_object_set_new(item, "file", pd_render_json_path(damage->path));
    }
    return item;
}

static json_t *json_damage(const struct pd_verify_result *result)
{
    json_t *list = json_array();

    for (size_t i = 0; i < result->damage_count; i++) {
        json_array_append_new(list, pd_verify_view_damage_json(&result->damage[i]));
    }
    return list;
}

json_t *pd_verify_view_json(const struct pd_verify_result *result)
{
    json_t *item = json_object();

    json_object_set_new(item, "volume", json_string(result->label));
    json_object_set_new(item, "archive", pd_render_json_path(result->archive));
    json_object_set_new(item, "tape_file", json_integer((json_int_t)result->tape_file));
    json_object_set_new(item, "status", json_string(pd_status_name(result->status)));
    json_object_set_new(item, "records", pd_render_json_u64(result->records));
    json_object_set_new(item, "bad_records", pd_render_json_u64(result->bad_records));
    json_object_set_new(item, "files", pd_render_json_u64(result->files));
    json_object_set_new(item, "bad_files", pd_render_json_u64(result->bad_files));
    json_object_set_new(item, "bytes", pd_render_json_u64(result->bytes));
    json_object_set_new(item, "damage", json_damage(result));
    if (result->status != PD_OK) {
        json_object_set_new(item, "error", pd_render_json_error(&result->error));
    }
    return item;
}

void pd_verify_view_print(FILE *out, const struct pd_verify_result *result)
{
    char text[512];

    if (result->status == PD_OK) {
        fprintf(out, "%-8s  %-32s  ok, %" PRIu64 " records, %" PRIu64 " files\n", result->label,
                result->archive, result->records, result->files);
        return;
    }
    pd_error_format(&result->error, text, sizeof text);
    if (result->unread || result->status == PD_UNVERIFIED) {
        fprintf(out, "%-8s  %-32s  %s: %s\n", result->label, result->archive,
                result->unread ? "not read" : "in part", text);
        return;
    }
    fprintf(out, "%-8s  %-32s  BAD: %" PRIu64 " records, %" PRIu64 " files: %s\n", result->label,
            result->archive, result->bad_records, result->bad_files, text);
    for (size_t i = 0; i < result->damage_count; i++) {
        pd_verify_view_damage(out, &result->damage[i]);
    }
}
