#include <inttypes.h>

#include "command.h"
#include "holding.h"
#include "pairdump/process.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "pairdump/text.h"
#include "render.h"

const struct pd_option pd_cmd_label_options[] = {
    {"pool", 0, "NAME", "pool that the volume belongs to (default: default)"},
    {"copy", 0, "N", "number of the copy it takes, 1 to 8 (default 1)"},
    {"block-size", 0, "SIZE", "bytes of one record, 64K to 4M (default 512K)"},
    {"relabel", 0, "OLD", "the medium bears this label, and is scratch: put the new one over it"},
    {"give-up", 0, NULL, "with --relabel: even when the catalog does not know OLD"},
    {NULL, 0, NULL, NULL},
};

static enum pd_status fill_label(struct pd_face *face, const struct pd_args *args,
                                 struct pd_label *label, struct pd_error *err)
{
    const char *pool = pd_args_get(args, "pool") ? pd_args_get(args, "pool") : "default";
    uint64_t copy = 1;
    enum pd_status status;

    *label = (struct pd_label){.format = PD_FORMAT_VERSION, .block_size = 512 * 1024};
    if ((status = pd_args_u64(args, "copy", &copy, err)) != PD_OK ||
        (status = pd_args_size(args, "block-size", &label->block_size, err)) != PD_OK) {
        return status;
    }
    if (copy < 1 || copy > PD_COPIES_MAX) {
        return pd_error_set(err, PD_USAGE, 0, "--copy is 1 to %d, not %" PRIu64, PD_COPIES_MAX,
                            copy);
    }
    if (label->block_size < 65536 || label->block_size > 4194304 ||
        (label->block_size & (label->block_size - 1)) != 0) {
        return pd_error_set(err, PD_USAGE, 0, "--block-size is a power of two from 64K to 4M");
    }
    if (!pd_label_is_valid(args->words[1])) {
        return pd_error_set(err, PD_USAGE, 0,
                            "a label is 1 to 8 characters of A-Z, 0-9, - and _, not \"%s\"",
                            args->words[1]);
    }
    if (strlen(pool) >= sizeof label->pool) {
        return pd_error_set(err, PD_USAGE, 0, "the pool's name is too long");
    }
    snprintf(label->label, sizeof label->label, "%s", args->words[1]);
    snprintf(label->pool, sizeof label->pool, "%s", pool);
    snprintf(label->software, sizeof label->software, "pairdump %s", PD_VERSION);
    label->copy = (unsigned)copy;
    label->created = pd_clock_utc(face->env.clock) / PD_NS_PER_S * PD_NS_PER_S;
    pd_uuid_make(face->env.rng, label->uuid);
    return PD_OK;
}

/* In the catalog places are absolute, as the working folder is not known there. */
static enum pd_status name_place(const char *url, struct pd_volume_row *row, struct pd_error *err)
{
    char *location = NULL;
    enum pd_status status = pd_target_url_location(url, &location, err);

    if (status == PD_OK && strlen(location) >= sizeof row->location) {
        status = pd_error_set(err, PD_USAGE, 0, "the target's path is too long");
    }
    if (status == PD_OK) {
        snprintf(row->location, sizeof row->location, "%s", location);
        pd_process_host(row->host);
    }
    free(location);
    return status;
}

static enum pd_status add_volume(struct pd_catalog *catalog, const struct pd_label *label,
                                 struct pd_volume_row *row, struct pd_error *err)
{
    snprintf(row->label, sizeof row->label, "%s", label->label);
    snprintf(row->uuid, sizeof row->uuid, "%s", label->uuid);
    snprintf(row->pool, sizeof row->pool, "%s", label->pool);
    row->copy = label->copy;
    row->state = PD_VOLUME_APPENDABLE;
    row->block_size = label->block_size;
    row->tape_files = 1;
    row->created = label->created;
    return pd_catalog_volume_add(catalog, row, err);
}

/* A label is given once in all the catalog. */
static enum pd_status check_new(struct pd_catalog *catalog, const char *label, struct pd_error *err)
{
    struct pd_volume_row *known = calloc(1, sizeof *known);
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = PD_OK;

    if (!known) {
        return pd_error_memory(err, "volume");
    }
    if (pd_catalog_volume_find(catalog, label, known, &why) == PD_OK) {
        bool elsewhere = pd_volume_is_elsewhere(known);
        status = pd_error_set(err, PD_EXISTS, 0, "the catalog has a volume %s already, at %s%s%s",
                              label, known->location, elsewhere ? " on host " : "",
                              elsewhere ? known->host : "");
    }
    free(known);
    return status;
}

/* One volume to label, and, with --relabel, what it was before. */
struct labelling {
    struct pd_face *face;
    struct pd_catalog *catalog;
    struct pd_target *target;
    struct pd_label label;
    struct pd_volume_row row; /* of the new volume */
    struct pd_volume_row old; /* id 0: the catalog does not know it */
    struct pd_holding holding;
};

/* The catalog's row of the volume that is mounted under the old label. */
static enum pd_status find_old(struct labelling *l, const char *label, bool give_up,
                               struct pd_error *err)
{
    const char *uuid = pd_target_label(l->target)->uuid;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_catalog_volume_find(l->catalog, uuid, &l->old, &why);

    if (status == PD_OK) {
        return PD_OK;
    }
    l->old.id = 0;
    if (status != PD_NOT_FOUND) {
        *err = why;
        return status;
    }
    status = pd_catalog_volume_find(l->catalog, label, &l->old, &why);
    l->old.id = 0;
    if (status == PD_OK) {
        return pd_error_set(err, PD_WRONG_VOLUME, 0,
                            "the catalog's %s is %s; the one in the drive is another, %s", label,
                            l->old.uuid, uuid);
    }
    if (status != PD_NOT_FOUND) {
        *err = why;
        return status;
    }
    if (!give_up) {
        return pd_error_set(err, PD_HELD, 0,
                            "the catalog does not know %s; to lose what is on it say --give-up",
                            label);
    }
    return PD_OK;
}

/* The new label is free, or that of the old volume, which leaves it. */
static enum pd_status check_other(const struct labelling *l, struct pd_error *err)
{
    return l->old.id != 0 && strcmp(l->old.label, l->label.label) == 0
               ? PD_OK
               : check_new(l->catalog, l->label.label, err);
}

/* From here on nobody may count on what the medium still holds. */
static enum pd_status forget_old(void *arg, struct pd_error *err)
{
    struct labelling *l = arg;
    enum pd_status status = pd_holding_check(&l->holding, err);

    if (status == PD_OK && l->old.id != 0) {
        status = pd_catalog_volume_gone(l->catalog, l->old.uuid, err);
    }
    return status == PD_OK ? check_new(l->catalog, l->label.label, err) : status;
}

static enum pd_status hold(struct labelling *l, const char *old, const char *url,
                           struct pd_error *err)
{
    struct pd_claim claims[PD_HOLDING_MAX] = {{.kind = PD_CLAIM_VOLUME, .name = old}};
    size_t count = 1;
    char what[64];
    char *path = NULL;
    enum pd_status status = pd_target_url_path(url, &path, err);

    snprintf(what, sizeof what, "label %s", l->label.label);
    if (strcmp(old, l->label.label) != 0) {
        claims[count++] = (struct pd_claim){.kind = PD_CLAIM_VOLUME, .name = l->label.label};
    }
    if (status == PD_OK && pd_target_url_exclusive(url)) {
        claims[count++] = (struct pd_claim){.kind = PD_CLAIM_DRIVE, .name = path};
    }
    if (status == PD_OK) {
        status = pd_holding_begin(l->face, l->catalog, what, claims, count, &l->holding, err);
    }
    free(path);
    return status;
}

static enum pd_status relabel(struct labelling *l, const struct pd_args *args, const char *old,
                              struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = hold(l, old, args->words[0], err);

    if (status == PD_OK) {
        status = pd_target_mount(l->target, old, err);
    }
    if (status == PD_OK) {
        status = find_old(l, old, pd_args_flag(args, "give-up"), err);
    }
    if (status == PD_OK) {
        status = check_other(l, err);
    }
    if (status == PD_OK) {
        char uuid[PD_UUID_TEXT];
        snprintf(uuid, sizeof uuid, "%s", pd_target_label(l->target)->uuid);
        status = pd_target_relabel(l->target, uuid, &l->label, forget_old, l, err);
    }
    if (status == PD_OK) {
        status = add_volume(l->catalog, &l->label, &l->row, err);
    }
    if (pd_holding_end(&l->holding, &late) != PD_OK && status == PD_OK) {
        *err = late;
        status = late.status;
    }
    return status;
}

static enum pd_status label_blank(struct labelling *l, struct pd_error *err)
{
    enum pd_status status = pd_target_format(l->target, &l->label, err);

    return status == PD_OK ? add_volume(l->catalog, &l->label, &l->row, err) : status;
}

static enum pd_status prepare(struct labelling *l, const struct pd_args *args, const char *old,
                              struct pd_error *err)
{
    enum pd_status status = pd_args_words(args, 2, 2, err);

    if (status == PD_OK) {
        status = fill_label(l->face, args, &l->label, err);
    }
    if (status == PD_OK && !old && pd_args_flag(args, "give-up")) {
        status = pd_error_set(err, PD_USAGE, 0, "--give-up goes with --relabel");
    }
    if (status == PD_OK) {
        status = pd_face_catalog(l->face, true, &l->catalog, err);
    }
    if (status == PD_OK && !old) {
        status = check_new(l->catalog, l->label.label, err);
    }
    if (status == PD_OK) {
        status = pd_target_open(&l->face->env, args->words[0], &l->target, err);
    }
    if (status == PD_OK) {
        status = name_place(args->words[0], &l->row, err);
    }
    return status;
}

static void show(const struct labelling *l)
{
    const struct pd_face *face = l->face;

    if (face->json) {
        json_object_set_new(face->json, "volume", json_string(l->label.label));
        json_object_set_new(face->json, "uuid", json_string(l->label.uuid));
    } else {
        fprintf(face->out, "%s %s, pool %s, copy %u\n", l->label.label, l->label.uuid,
                l->label.pool, l->label.copy);
    }
}

enum pd_status pd_cmd_label(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    const char *old = pd_args_get(args, "relabel");
    struct labelling *l = calloc(1, sizeof *l);
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status;

    if (!l) {
        return pd_error_memory(err, "volume");
    }
    l->face = face;
    status = prepare(l, args, old, err);
    if (status == PD_OK) {
        status = old ? relabel(l, args, old, err) : label_blank(l, err);
    }
    if (pd_target_close(l->target, &late) != PD_OK && status == PD_OK) {
        *err = late;
        status = late.status;
    }
    if (status == PD_OK) {
        show(l);
    }
    pd_catalog_close(l->catalog);
    free(l);
    return status;
}
