#include "copying_view.h"

const struct pd_option pd_cmd_copy_options[] = {
    {"to", 0, "TARGET", "where the copies are made"},
    {"label", 0, "LABEL", "label of the first new volume (default: the next number)"},
    {"at", 0, "TARGET", "look for volumes here first; repeatable"},
    {"wait", 0, "TIME", "ask for volumes that are not at hand, and wait so long for each"},
    {NULL, 0, NULL, NULL},
};

enum pd_status pd_cmd_copy(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct pd_copying_options options = {0};
    struct pd_catalog *catalog = NULL;
    char what[64];
    enum pd_status status = pd_args_words(args, 1, 1000, err);

    if (status == PD_OK && !pd_args_flag(args, "to")) {
        status = pd_error_set(err, PD_USAGE, 0, "where to? Give --to TARGET");
    }
    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &catalog, err);
    }
    if (status == PD_OK) {
        snprintf(what, sizeof what, "copy %.40s", args->words[0]);
        options.what = args->words;
        options.what_count = args->word_count;
        status = pd_copying_view(face, args, what, NULL, 0, &options, catalog, err);
    }
    pd_catalog_close(catalog);
    return status;
}
