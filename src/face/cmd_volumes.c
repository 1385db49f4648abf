#include <inttypes.h>

#include "command.h"
#include "holding.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "render.h"

const struct pd_option pd_cmd_volumes_options[] = {
    {"retire", 0, NULL, "write nothing more to these; what they hold still counts"},
    {"retain", 0, "DATE", "keep these until a day (2036-12-31, UTC), or none"},
    {"scratch", 0, NULL, "give up what is on these: it counts no longer"},
    {"give-up", 0, NULL, "with --scratch: even what has no other verified copy"},
    {NULL, 0, NULL, NULL},
};

struct volumes_view {
    struct pd_face *face;
    const struct pd_args *args;
    json_t *list;
};

/* ---- showing ---- */

/* A full one of which all is verified is said to be so: it can go to its shelf. */
static const char *state_of(const struct pd_volume_row *row)
{
    bool verified = row->state == PD_VOLUME_FULL_STATE && row->archives > 0 &&
                    row->verified_copies == row->archives;

    return verified ? "verified" : pd_volume_state_name(row->state);
}

/* Of its place, else of its pool; 0: not known. */
static uint64_t capacity_of(const struct pd_face *face, const struct pd_volume_row *row)
{
    const struct pd_pool_config *pool = pd_config_pool(face->config, row->pool);
    uint64_t capacity = pd_target_url_capacity(row->location);

    return capacity == 0 && pool ? pool->capacity : capacity;
}

static json_t *volume_json(const struct pd_face *face, const struct pd_volume_row *row)
{
    json_t *item = json_object();
    uint64_t capacity = capacity_of(face, row);

    json_object_set_new(item, "volume", json_string(row->label));
    json_object_set_new(item, "uuid", json_string(row->uuid));
    json_object_set_new(item, "pool", json_string(row->pool));
    json_object_set_new(item, "copy", json_integer((json_int_t)row->copy));
    json_object_set_new(item, "pair", pd_render_json_u64(row->pair));
    json_object_set_new(item, "state", json_string(state_of(row)));
    json_object_set_new(item, "location", pd_render_json_path(row->location));
    json_object_set_new(item, "host", pd_render_json_path(row->host));
    json_object_set_new(item, "medium", pd_render_json_path(row->medium));
    json_object_set_new(item, "used", pd_render_json_u64(row->used));
    json_object_set_new(item, "capacity", capacity ? pd_render_json_u64(capacity) : json_null());
    json_object_set_new(item, "tape_files", pd_render_json_u64(row->tape_files));
    json_object_set_new(item, "archives", pd_render_json_u64(row->archives));
    json_object_set_new(item, "verified_copies", pd_render_json_u64(row->verified_copies));
    json_object_set_new(item, "bad_copies", pd_render_json_u64(row->bad_copies));
    json_object_set_new(item, "drive_errors", pd_render_json_u64(row->drive_errors));
    json_object_set_new(item, "created", pd_render_json_time(row->created));
    json_object_set_new(item, "last_written", pd_render_json_time(row->last_written));
    json_object_set_new(item, "last_verified", pd_render_json_time(row->last_verified));
    json_object_set_new(item, "retain_until", pd_render_json_time(row->retain_until));
    return item;
}

static void print_volume(const struct pd_face *face, const struct pd_volume_row *row)
{
    char used[24], size[24], verified[64], written[32], until[32];
    uint64_t capacity = capacity_of(face, row);

    pd_format_size(row->used, used, sizeof used);
    pd_render_age(face->env.clock, row->last_verified, verified, sizeof verified);
    pd_render_time(row->last_written, written, sizeof written);
    fprintf(face->out, "%-8s %-10s copy %u  %10s", row->label, state_of(row), row->copy, used);
    if (capacity > 0) {
        pd_format_size(capacity, size, sizeof size);
        fprintf(face->out, " of %s", size);
    }
    fprintf(face->out, " in %" PRIu64 " archives, %" PRIu64 " bad  written %s  verified %s  ",
            row->archives, row->bad_copies, written, verified);
    if (row->retain_until != 0) {
        pd_render_time(row->retain_until, until, sizeof until);
        fprintf(face->out, "keep until %s  ", until);
    }
    if (row->drive_errors > 0) {
        fprintf(face->out, "drive trouble %" PRIu64 " times  ", row->drive_errors);
    }
    pd_render_print_path(face->out, row->location);
    if (pd_volume_is_elsewhere(row)) {
        fputs(" on host ", face->out);
        pd_render_print_path(face->out, row->host);
    }
    fputc('\n', face->out);
}

/* Not, unless asked for, what is gone and never held anything: tests leave such. */
static bool is_wanted(const struct pd_args *args, const struct pd_volume_row *row)
{
    bool wanted = args->word_count == 0 && (row->state != PD_VOLUME_GONE || row->archives > 0);

    for (size_t i = 0; i < args->word_count; i++) {
        wanted = wanted || strcmp(args->words[i], row->label) == 0 ||
                 strcmp(args->words[i], row->uuid) == 0;
    }
    return wanted;
}

static enum pd_status show_volume(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct volumes_view *view = arg;

    (void)err;
    if (!is_wanted(view->args, row)) {
        return PD_OK;
    }
    if (view->list) {
        json_array_append_new(view->list, volume_json(view->face, row));
    } else {
        print_volume(view->face, row);
    }
    return PD_OK;
}

/* ---- changing ---- */

struct change {
    bool retire, scratch, give_up, retain;
    int64_t until;
};

static enum pd_status parse_change(const struct pd_args *args, struct change *out,
                                   struct pd_error *err)
{
    const char *date = pd_args_get(args, "retain");
    char text[64];

    *out = (struct change){.retire = pd_args_flag(args, "retire"),
                           .scratch = pd_args_flag(args, "scratch"),
                           .give_up = pd_args_flag(args, "give-up"),
                           .retain = date != NULL};
    if (out->retire + out->scratch + out->retain > 1) {
        return pd_error_set(err, PD_USAGE, 0, "one of --retire, --retain and --scratch at a time");
    }
    if (out->give_up && !out->scratch) {
        return pd_error_set(err, PD_USAGE, 0, "--give-up goes with --scratch");
    }
    if (out->retire + out->scratch + out->retain > 0 && args->word_count == 0) {
        return pd_error_set(err, PD_USAGE, 0, "name the volumes");
    }
    snprintf(text, sizeof text, "%s%s", date ? date : "",
             date && strlen(date) == sizeof "2036-12-31" - 1 ? "T00:00:00Z" : "");
    if (date && strcmp(date, "none") != 0 &&
        (!pd_time_parse(text, &out->until) || out->until <= 0)) {
        return pd_error_set(err, PD_USAGE, 0, "--retain takes a day as 2036-12-31, or none, not %s",
                            date);
    }
    return PD_OK;
}

/* While no run has it. */
static enum pd_status give_state(struct pd_face *face, struct pd_catalog *catalog,
                                 const struct pd_volume_row *row, const struct change *change,
                                 struct pd_error *err)
{
    struct pd_claim claim = {.kind = PD_CLAIM_VOLUME, .name = row->label};
    struct pd_holding holding = {.begun = false};
    struct pd_error late = PD_ERROR_INIT;
    char what[64];
    enum pd_status status;

    snprintf(what, sizeof what, "volumes --%s %s", change->retire ? "retire" : "scratch",
             row->label);
    status = pd_holding_begin(face, catalog, what, &claim, 1, &holding, err);
    if (status == PD_OK) {
        status = change->retire
                     ? pd_catalog_volume_retire(catalog, row->uuid, err)
                     : pd_catalog_volume_scratch(catalog, row->uuid, change->give_up, err);
    }
    if (pd_holding_end(&holding, &late) != PD_OK && status == PD_OK) {
        *err = late;
        status = late.status;
    }
    return status;
}

/* One after the other; those before one that is refused stay changed. */
static enum pd_status change_volumes(struct pd_face *face, struct pd_catalog *catalog,
                                     const struct pd_args *args, const struct change *change,
                                     struct pd_error *err)
{
    struct pd_volume_row *row = calloc(1, sizeof *row);
    enum pd_status status = row ? PD_OK : pd_error_memory(err, "volume");

    for (size_t i = 0; i < args->word_count && status == PD_OK; i++) {
        status = pd_catalog_volume_find(catalog, args->words[i], row, err);
        if (status == PD_OK && change->retain) {
            status = pd_catalog_volume_retain(catalog, row->id, change->until, err);
        } else if (status == PD_OK) {
            status = give_state(face, catalog, row, change, err);
        }
    }
    free(row);
    return status;
}

/* Whoever is asked for must be there. */
static enum pd_status check_words(struct pd_catalog *catalog, const struct pd_args *args,
                                  struct pd_error *err)
{
    struct pd_volume_row *row = calloc(1, sizeof *row);
    enum pd_status status = row ? PD_OK : pd_error_memory(err, "volume");

    for (size_t i = 0; i < args->word_count && status == PD_OK; i++) {
        status = pd_catalog_volume_find(catalog, args->words[i], row, err);
    }
    free(row);
    return status;
}

enum pd_status pd_cmd_volumes(struct pd_face *face, const struct pd_args *args,
                              struct pd_error *err)
{
    struct volumes_view view = {.face = face, .args = args};
    struct pd_catalog *catalog = NULL;
    struct change change;
    enum pd_status status = parse_change(args, &change, err);

    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &catalog, err);
    }
    if (status == PD_OK) {
        status = check_words(catalog, args, err);
    }
    if (status == PD_OK && (change.retire || change.scratch || change.retain)) {
        status = change_volumes(face, catalog, args, &change, err);
    }
    if (status == PD_OK) {
        view.list = face->json ? json_array() : NULL;
        status = pd_catalog_volumes(catalog, show_volume, &view, err);
    }
    if (view.list) {
        json_object_set_new(face->json, "volumes", view.list);
    }
    pd_catalog_close(catalog);
    return status;
}
