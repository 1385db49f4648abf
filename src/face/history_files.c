#include "history_files.h"

#include <inttypes.h>

#include "pairdump/text.h"
#include "render.h"
#include "verify_view.h"

struct showing {
    const struct pd_history_files *options;
    FILE *out;
    json_t *files;   /* NULL: text */
    json_t *copies;  /* of the file at hand */
    json_t *events;  /* of the copy */
    json_t *damages; /* of the verification */
    const struct pd_toc_file *file;
    uint64_t count, damage_count;
    bool named; /* the damage concerns the file */
};

/* What its first name has lost, a hard link has lost too. */
static bool concerns(const struct pd_toc_file *file, const struct pd_damage *damage)
{
    return damage->path && (strcmp(damage->path, file->path) == 0 ||
                            (file->kind == PD_KIND_HARDLINK && file->link &&
                             strcmp(damage->path, file->link) == 0));
}

static enum pd_status show_damage(void *arg, const struct pd_damage *damage, struct pd_error *err)
{
    struct showing *s = arg;

    (void)err;
    s->damage_count++;
    if (!concerns(s->file, damage)) {
        return PD_OK;
    }
    s->named = true;
    if (s->damages) {
        json_array_append_new(s->damages, pd_verify_view_damage_json(damage));
    } else {
        fputs("  ", s->out);
        pd_verify_view_damage(s->out, damage);
    }
    return PD_OK;
}

static json_t *json_event(const struct pd_verification_row *row)
{
    json_t *item = json_object();

    json_object_set_new(item, "started", pd_render_json_time(row->started));
    json_object_set_new(item, "finished", pd_render_json_time(row->finished));
    json_object_set_new(item, "mode", json_string(row->mode));
    json_object_set_new(item, "status", json_string(pd_status_name(row->status)));
    json_object_set_new(item, "message", pd_render_json_path(row->message));
    return item;
}

static enum pd_status show_event(void *arg, const struct pd_verification_row *row,
                                 struct pd_error *err)
{
    struct showing *s = arg;
    json_t *item = NULL;
    char when[32];
    enum pd_status status;

    if (row->finished < s->options->since) {
        return PD_OK;
    }
    s->named = false;
    s->damage_count = 0;
    if (s->files) {
        item = json_event(row);
        s->damages = json_array();
        json_object_set_new(item, "damage", s->damages);
        json_array_append_new(s->events, item);
    } else {
        pd_render_time(row->finished, when, sizeof when);
        fprintf(s->out, "    %s %s %s", when, row->mode, pd_status_name(row->status));
        if (row->message[0]) {
            fputs(": ", s->out);
            pd_render_print_path(s->out, row->message);
        }
        fputc('\n', s->out);
    }
    status = pd_catalog_damage(s->options->catalog, row->id, show_damage, s, err);
    if (item) {
        json_object_set_new(item, "named", json_boolean(s->named));
    } else if (status == PD_OK && s->damage_count > 0 && !s->named) {
        fprintf(s->out, "      %" PRIu64 " damages, none names this file\n", s->damage_count);
    }
    return status;
}

static bool is_asked(const struct pd_history_files *options, const struct pd_copy_row *row)
{
    bool asked = options->volume_count == 0;

    for (size_t i = 0; i < options->volume_count; i++) {
        asked = asked || options->volumes[i] == row->volume_id;
    }
    return asked;
}

static void show_state(struct showing *s, const struct pd_copy_row *row)
{
    json_t *item = NULL;
    char when[64];

    if (s->files) {
        item = json_object();
        s->events = json_array();
        json_object_set_new(item, "volume", json_string(row->label));
        json_object_set_new(item, "copy", json_integer((json_int_t)row->copy));
        json_object_set_new(item, "tape_file", json_integer((json_int_t)row->tape_file));
        json_object_set_new(item, "state", json_string(pd_copy_state_name(row->state)));
        json_object_set_new(item, "reason", json_string(pd_status_name(row->reason)));
        json_object_set_new(item, "changed", pd_render_json_time(row->changed));
        json_object_set_new(item, "verifications", s->events);
        json_array_append_new(s->copies, item);
        return;
    }
    pd_render_age(s->options->face->env.clock, row->changed, when, sizeof when);
    fprintf(s->out, "  %-8s copy %u, tape file %" PRIu32 ": %s %s", row->label, row->copy,
            row->tape_file, pd_copy_state_name(row->state), when);
    if (row->reason != PD_OK) {
        fprintf(s->out, " [%s]", pd_status_name(row->reason));
    }
    fputc('\n', s->out);
}

static enum pd_status show_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct showing *s = arg;

    if (!is_asked(s->options, row)) {
        return PD_OK;
    }
    show_state(s, row);
    return pd_catalog_verifications(s->options->catalog, row->id, 0, show_event, s, err);
}

static void show_file(struct showing *s, const struct pd_found *found)
{
    const struct pd_toc_file *file = found->file;
    char kind[2] = {file->kind, '\0'};
    json_t *item;

    if (!s->files) {
        pd_render_print_path(s->out, file->path);
        fprintf(s->out, " in %s%s\n", found->archive_name,
                file->state == PD_WHOLE ? "" : ", not whole");
        return;
    }
    item = json_object();
    s->copies = json_array();
    json_object_set_new(item, "path", pd_render_json_path(file->path));
    json_object_set_new(item, "kind", json_string(kind));
    json_object_set_new(item, "whole", json_boolean(file->state == PD_WHOLE));
    json_object_set_new(item, "dump", json_string(found->dump_name));
    json_object_set_new(item, "archive", json_string(found->archive_name));
    json_object_set_new(item, "copies", s->copies);
    json_array_append_new(s->files, item);
}

static enum pd_status show_found(void *arg, const struct pd_found *found, struct pd_error *err)
{
    struct showing *s = arg;
    enum pd_status status;

    s->count++;
    s->file = found->file;
    show_file(s, found);
    status = pd_catalog_copies(s->options->catalog, found->archive_id, 0, show_copy, s, err);
    return status == PD_OK ? pd_env_check(&s->options->face->env, err) : status;
}

enum pd_status pd_history_files_show(const struct pd_history_files *options,
                                     const char *const *paths, size_t count, struct pd_error *err)
{
    struct showing s = {.options = options,
                        .out = options->face->out,
                        .files = options->face->json ? json_array() : NULL};
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < count && status == PD_OK; i++) {
        uint64_t before = s.count;
        char *path = NULL;
        status = pd_path_absolute(paths[i], "/", &path, err);
        if (status == PD_OK) {
            status = pd_catalog_find(options->catalog, 0, path, show_found, &s, err);
        }
        if (status == PD_OK && s.count == before) {
            status = pd_error_set(err, PD_NOT_FOUND, 0, "no file %s in the catalog", path);
        }
        free(path);
    }
    if (s.files) {
        json_object_set_new(options->face->json, "files", s.files);
    }
    return status;
}
