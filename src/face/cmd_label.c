#include <inttypes.h>

#include "command.h"
#include "pairdump/process.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "pairdump/text.h"
#include "render.h"

const struct pd_option pd_cmd_label_options[] = {
    {"pool", 0, "NAME", "pool that the volume belongs to (default: default)"},
    {"copy", 0, "N", "number of the copy it takes, 1 to 8 (default 1)"},
    {"block-size", 0, "SIZE", "bytes of one record, 64K to 4M (default 512K)"},
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

enum pd_status pd_cmd_label(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct pd_label label;
    struct pd_target *target = NULL;
    struct pd_catalog *catalog = NULL;
    struct pd_volume_row *row = calloc(1, sizeof *row);
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = row ? pd_args_words(args, 2, 2, err) : pd_error_memory(err, "volume");

    if (status == PD_OK) {
        status = fill_label(face, args, &label, err);
    }
    if (status == PD_OK) {
        status = pd_face_catalog(face, true, &catalog, err);
    }
    if (status == PD_OK) {
        status = check_new(catalog, label.label, err);
    }
    if (status == PD_OK) {
        status = pd_target_open(&face->env, args->words[0], &target, err);
    }
    if (status == PD_OK) {
        status = name_place(args->words[0], row, err);
    }
    if (status == PD_OK) {
        status = pd_target_format(target, &label, err);
    }
    if (status == PD_OK) {
        status = add_volume(catalog, &label, row, err);
    }
    if (pd_target_close(target, &late) != PD_OK && status == PD_OK) {
        *err = late;
        status = late.status;
    }
    if (status == PD_OK && face->json) {
        json_object_set_new(face->json, "volume", json_string(label.label));
        json_object_set_new(face->json, "uuid", json_string(label.uuid));
    } else if (status == PD_OK) {
        fprintf(face->out, "%s %s, pool %s, copy %u\n", label.label, label.uuid, label.pool,
                label.copy);
    }
    pd_catalog_close(catalog);
    free(row);
    return status;
}
