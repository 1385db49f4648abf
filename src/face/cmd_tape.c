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

static void print_volume(const struct tape_view *view, const struct pd_label *found,
                         uint32_t tape_files, const struct pd_target_space *space)
{
    char left[24] = "unknown", total[24] = "unknown";
    FILE *out = view->face->out;

    if (space->available != UINT64_MAX) {
        pd_format_size(space->available, left, sizeof left);
    }
    if (space->total != 0) {
        pd_format_size(space->total, total, sizeof total);
    }
    fprintf(out, "%s %s\n  pool %s, copy %u, records of %" PRIu64 " bytes\n", found->label,
            found->uuid, found->pool, found->copy, found->block_size);
    for (size_t i = 0; i < found->partner_count; i++) {
        fprintf(out, "  partner %s (copy %u)\n", found->partners[i].label, found->partners[i].copy);
    }
    fprintf(out, "  %" PRIu32 " tape files; %s left of %s\n", tape_files, left, total);
}

/* The volume that is mounted. */
static enum pd_status show_volume(struct tape_view *view, struct pd_error *err)
{
    struct pd_target_position position = {0};
    struct pd_target_space space = {0};
    json_t *json = view->face->json;
    enum pd_status status = pd_target_position(view->target, &position, err);

    if (status == PD_OK) {
        status = pd_target_space_left(view->target, &space, err);
    }
    if (status != PD_OK) {
        return status;
    }
    const struct pd_label *found = pd_target_label(view->target);
    if (json) {
        json_object_set_new(json, "volume", json_string(found->label));
        json_object_set_new(json, "uuid", json_string(found->uuid));
        json_object_set_new(json, "pool", pd_render_json_path(found->pool));
        json_object_set_new(json, "copy", json_integer((json_int_t)found->copy));
        json_object_set_new(json, "block_size", pd_render_json_u64(found->block_size));
        json_object_set_new(json, "tape_files", json_integer((json_int_t)position.file_count));
        json_object_set_new(json, "available", pd_render_json_u64(space.available));
    } else {
        print_volume(view, found, position.file_count, &space);
    }
    return PD_OK;
}

/* What lies in a drive, in a word. */
static const char *holds(enum pd_status mounted)
{
    switch (mounted) {
    case PD_OK:
        return "volume";
    case PD_NO_MEDIUM:
        return "nothing";
    case PD_BLANK:
        return "blank";
    case PD_FOREIGN:
        return "foreign";
    default:
        return "unreadable";
    }
}

static void show_drive(const struct tape_view *view, const struct pd_drive_status *drive,
                       enum pd_status mounted)
{
    FILE *out = view->face->out;

    if (view->face->json) {
        json_t *item = json_object();
        json_object_set_new(item, "holds", json_string(holds(mounted)));
        json_object_set_new(item, "medium", pd_render_json_path(drive->medium));
        json_object_set_new(item, "density", json_integer((json_int_t)drive->density));
        json_object_set_new(item, "write_protected", json_boolean(drive->write_protected));
        json_object_set_new(item, "cleaning", json_boolean(drive->cleaning));
        json_object_set_new(item, "max_record", pd_render_json_u64(drive->max_record));
        json_object_set_new(view->face->json, "drive", item);
        return;
    }
    fprintf(out, "drive: holds %s", mounted == PD_OK        ? "a volume"
                                    : mounted == PD_BLANK   ? "a blank medium"
                                    : mounted == PD_FOREIGN ? "what is no volume"
                                    : drive->loaded         ? "a medium"
                                                            : "nothing");
    if (drive->medium[0]) {
        fputs(", ", out);
        pd_render_print_path(out, drive->medium);
    }
    if (drive->density != 0) {
        fprintf(out, ", density 0x%02x", drive->density);
    }
    fprintf(out, "%s%s\n", drive->write_protected ? ", write protected" : "",
            drive->cleaning ? "; asks to be cleaned" : "");
}

/* The drive itself says first what it can, even of what is no volume. */
static enum pd_status tape_status(struct tape_view *view, const char *label, struct pd_error *err)
{
    struct pd_drive_status drive = {0};
    bool looks = pd_target_caps(view->target).tape && !label;
    enum pd_status status = looks ? pd_target_drive(view->target, &drive, err) : PD_OK;

    if (status == PD_OK) {
        status = pd_target_mount(view->target, label, err);
    }
    if (looks && (drive.loaded || status == PD_NO_MEDIUM)) {
        show_drive(view, &drive, status);
    }
    return status == PD_OK ? show_volume(view, err) : status;
}

/* Without a label whatever lies there is loaded well. */
static enum pd_status tape_load(struct tape_view *view, const char *label, struct pd_error *err)
{
    struct pd_drive_status drive = {0};
    bool any = pd_target_caps(view->target).tape && !label;
    enum pd_status status = any ? pd_target_drive(view->target, &drive, err) : PD_OK;
    const char *what = NULL;

    if (status != PD_OK) {
        return status;
    }
    status = pd_target_mount(view->target, label, err);
    if (any && (status == PD_BLANK || status == PD_FOREIGN)) {
        what = status == PD_BLANK ? "a blank medium" : "a medium that is no volume";
        pd_error_clear(err);
    } else if (status != PD_OK) {
        return status;
    }
    if (view->face->json) {
        json_object_set_new(view->face->json, "volume",
                            what ? json_null() : json_string(pd_target_label(view->target)->label));
        json_object_set_new(view->face->json, "holds", json_string(holds(status)));
    } else {
        fprintf(view->face->out, "%s is loaded\n",
                what ? what : pd_target_label(view->target)->label);
    }
    return PD_OK;
}

/* On a tape, whatever it is; on a disk, a volume. */
static enum pd_status take_hold(struct tape_view *view, const char *verb, const char *label,
                                struct pd_error *err)
{
    struct pd_drive_status drive;

    if (label) {
        return pd_error_set(err, PD_USAGE, 0, "%s takes no volume: it is for what is loaded", verb);
    }
    return pd_target_caps(view->target).tape ? pd_target_drive(view->target, &drive, err)
                                             : pd_target_mount(view->target, NULL, err);
}

/* A changer puts away what the drive does not take, too. */
static enum pd_status tape_unload(struct tape_view *view, const char *label, struct pd_error *err)
{
    bool any = !label && pd_target_caps(view->target).library;
    enum pd_status status = any ? PD_OK : take_hold(view, "unload", label, err);

    return status == PD_OK ? pd_target_unmount(view->target, err) : status;
}

/* Who looks at what lies in a drive has rewound it. */
static enum pd_status tape_rewind(struct tape_view *view, const char *label, struct pd_error *err)
{
    if (!pd_target_caps(view->target).tape) {
        return pd_error_set(err, PD_UNSUPPORTED, 0, "only a tape can be rewound");
    }
    return take_hold(view, "rewind", label, err);
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
    {"eject", tape_unload},
    {"rewind", tape_rewind},
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
        return pd_error_set(err, PD_USAGE, 0, "tape knows status, load, unload, eject, rewind and inventory");
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
