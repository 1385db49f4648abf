#include "copying_view.h"

const struct pd_option pd_cmd_repair_options[] = {
    {"to", 0, "TARGET", "where the new volume is made"},
    {"in-place", 0, NULL, "write bad records anew where they are; disks only"},
    {"label", 0, "LABEL", "label of the new volume (default: the next number)"},
    {"at", 0, "TARGET", "look for volumes here first; repeatable"},
    {"wait", 0, "TIME", "ask for volumes that are not at hand, and wait so long for each"},
    {NULL, 0, NULL, NULL},
};

/* Volumes are claimed by their labels; one that never came to be has no row. */
static enum pd_status repair(struct pd_face *face, const struct pd_args *args,
                             struct pd_catalog *catalog, struct pd_error *err)
{
    struct pd_copying_options options = {.replace = args->words[0],
                                         .in_place = pd_args_flag(args, "in-place")};
    struct pd_claim claim = {.kind = PD_CLAIM_VOLUME, .name = args->words[0]};
    struct pd_volume_row *row = calloc(1, sizeof *row);
    struct pd_error why = PD_ERROR_INIT;
    char what[64];
    enum pd_status status = row ? pd_catalog_volume_find(catalog, args->words[0], row, &why)
                                : pd_error_memory(&why, "a volume");

    if (status == PD_OK) {
        claim.name = row->label;
    }
    snprintf(what, sizeof what, "repair %.40s", claim.name);
    if (status == PD_OK || status == PD_NOT_FOUND) {
        status = pd_copying_view(face, args, what, &claim, 1, &options, catalog, err);
    } else {
        *err = why;
    }
    free(row);
    return status;
}

enum pd_status pd_cmd_repair(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct pd_catalog *catalog = NULL;
    enum pd_status status = pd_args_words(args, 1, 1, err);

    if (status == PD_OK && pd_args_flag(args, "to") == pd_args_flag(args, "in-place")) {
        status = pd_error_set(err, PD_USAGE, 0, "where to? Give --to TARGET, or --in-place");
    }
    if (status == PD_OK && pd_args_flag(args, "in-place") && pd_args_flag(args, "label")) {
        status = pd_error_set(err, PD_USAGE, 0, "--label goes with --to");
    }
    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &catalog, err);
    }
    if (status == PD_OK) {
        status = repair(face, args, catalog, err);
    }
    pd_catalog_close(catalog);
    return status;
}
