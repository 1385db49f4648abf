#include <inttypes.h>

#include "command.h"
#include "library_view.h"
#include "pairdump/changer.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "render.h"

const struct pd_option pd_cmd_tape_options[] = {{NULL, 0, NULL, NULL}};

struct tape_view {
    struct pd_face *face;
    struct pd_target *target;
    json_t *list;
};

static enum pd_status tape_status(struct tape_view *view, const char *label, struct pd_error *err)
{
    struct pd_target_position position = {0};
    struct pd_target_space space = {0};
    char left[24] = "unknown", total[24] = "unknown";
    FILE *out = view->face->out;
    enum pd_status status = pd_target_mount(view->target, label, err);

    if (status == PD_OK) {
        status = pd_target_position(view->target, &position, err);
    }
    if (status == PD_OK) {
        status = pd_target_space_left(view->target, &space, err);
    }
    if (status != PD_OK) {
        return status;
    }
    const struct pd_label *found = pd_target_label(view->target);
    if (view->face->json) {
        json_object_set_new(view->face->json, "volume", json_string(found->label));
        json_object_set_new(view->face->json, "uuid", json_string(found->uuid));
        json_object_set_new(view->face->json, "pool", pd_render_json_path(found->pool));
        json_object_set_new(view->face->json, "copy", json_integer((json_int_t)found->copy));
        json_object_set_new(view->face->json, "block_size", pd_render_json_u64(found->block_size));
        json_object_set_new(view->face->json, "tape_files",
                            json_integer((json_int_t)position.file_count));
        json_object_set_new(view->face->json, "available", pd_render_json_u64(space.available));
        return PD_OK;
    }
    if (space.available != UINT64_MAX) {
        pd_format_size(space.available, left, sizeof left);
    }
    if (space.total != 0) {
        pd_format_size(space.total, total, sizeof total);
    }
    fprintf(out, "%s %s\n  pool %s, copy %u, records of %" PRIu64 " bytes\n", found->label,
            found->uuid, found->pool, found->copy, found->block_size);
    for (size_t i = 0; i < found->partner_count; i++) {
        fprintf(out, "  partner %s (copy %u)\n", found->partners[i].label, found->partners[i].copy);
    }
    fprintf(out, "  %" PRIu32 " tape files; %s left of %s\n", position.file_count, left, total);
    return PD_OK;
}

static enum pd_status tape_load(struct tape_view *view, const char *label, struct pd_error *err)
{
    enum pd_status status = pd_target_mount(view->target, label, err);

    if (status == PD_OK && !view->face->json) {
        fprintf(view->face->out, "%s is loaded\n", pd_target_label(view->target)->label);
    }
    return status;
}

static enum pd_status tape_unload(struct tape_view *view, const char *label, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (label) {
        return pd_error_set(err, PD_USAGE, 0, "unload takes no volume: what is loaded goes out");
    }
    /* a changer puts away what no volume is as well */
    if (!pd_target_caps(view->target).library) {
        status = pd_target_mount(view->target, NULL, err);
    }
    if (status == PD_OK) {
        status = pd_target_unmount(view->target, err);
    }
    return status;
}

static enum pd_status show_label(void *arg, const char *label, struct pd_error *err)
{
    struct tape_view *view = arg;

    (void)err;
    if (view->list) {
        json_array_append_new(view->list, pd_render_json_path(label));
    } else {
        pd_render_print_path(view->face->out, label);
        fputc('\n', view->face->out);
    }
    return PD_OK;
}

static enum pd_status tape_inventory(struct tape_view *view, const char *label,
                                     struct pd_error *err)
{
    if (label) {
        return pd_error_set(err, PD_USAGE, 0, "inventory takes no volume");
    }
    view->list = view->face->json ? json_array() : NULL;
    if (view->list) {
        json_object_set_new(view->face->json, "volumes", view->list);
    }
    return pd_target_volumes(view->target, show_label, view, err);
}

static const struct {
    const char *name;
    enum pd_status (*run)(struct tape_view *view, const char *label, struct pd_error *err);
} verbs[] = {
    {"status", tape_status},
    {"load", tape_load},
    {"unload", tape_unload},
    {"inventory", tape_inventory},
};

/* A changer instead of a target. */
static enum pd_status tape_library(struct pd_face *face, const struct pd_args *args,
                                   struct pd_error *err)
{
    if (strcmp(args->words[0], "inventory") != 0 || args->word_count > 2) {
        return pd_error_set(err, PD_USAGE, 0, "of a changer, tape knows inventory: %s",
                            args->words[1]);
    }
    return pd_library_view(face, args->words[1], err);
}

enum pd_status pd_cmd_tape(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct tape_view view = {.face = face};
    struct pd_error late = PD_ERROR_INIT;
    size_t verb = 0;
    size_t verb_count = sizeof verbs / sizeof verbs[0];
    enum pd_status status = pd_args_words(args, 2, 3, err);

    if (status != PD_OK) {
        return status;
    }
    while (verb < verb_count && strcmp(verbs[verb].name, args->words[0]) != 0) {
        verb++;
    }
    if (verb == verb_count) {
        return pd_error_set(err, PD_USAGE, 0, "tape knows status, load, unload and inventory");
    }
    if (pd_changer_is_url(args->words[1])) {
        return tape_library(face, args, err);
    }
    status = pd_target_open(&face->env, args->words[1], &view.target, err);
    if (status == PD_OK) {
        status = verbs[verb].run(&view, args->word_count > 2 ? args->words[2] : NULL, err);
    }
    if (pd_target_close(view.target, &late) != PD_OK && status == PD_OK) {
        *err = late;
        status = late.status;
    }
    return status;
}
