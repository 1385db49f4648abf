#include <inttypes.h>

#include "command.h"
#include "pairdump/check.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "render.h"
#include "verify_view.h"

const struct pd_option pd_cmd_verify_options[] = {
    {"dump", 0, "DUMP", "copies of one dump: name, UUID, or last"},
    {"target", 0, "TARGET", "check the volumes of a target by themselves, without a catalog"},
    {"at", 0, "TARGET", "look for volumes here first; repeatable"},
    {"wait", 0, "TIME", "ask for volumes that are not at hand, and wait so long for each"},
    {NULL, 0, NULL, NULL},
};

struct verify_view {
    struct pd_face *face;
    json_t *results;
    uint64_t good, bad;
};

static enum pd_status show_result(void *arg, const struct pd_verify_result *result,
                                  struct pd_error *err)
{
    struct verify_view *view = arg;

    (void)err;
    *(result->status == PD_OK ? &view->good : &view->bad) += 1;
    if (view->results) {
        json_array_append_new(view->results, pd_verify_view_json(result));
    } else {
        pd_ticker_clear(view->face->ticker);
        pd_verify_view_print(view->face->out, result);
    }
    return PD_OK;
}

struct volume_names {
    char labels[256][PD_LABEL_TEXT];
    size_t count;
    bool more;
};

static enum pd_status take_name(void *arg, const char *label, struct pd_error *err)
{
    struct volume_names *names = arg;

    (void)err;
    if (names->count == sizeof names->labels / sizeof names->labels[0]) {
        names->more = true;
    } else {
        snprintf(names->labels[names->count++], PD_LABEL_TEXT, "%s", label);
    }
    return PD_OK;
}

/* Names the volumes with a target of its own, closed again, since the verification opens one. */
static enum pd_status list_volumes(struct pd_face *face, const char *url,
                                   struct volume_names *names, struct pd_error *err)
{
    struct pd_target *target = NULL;
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status = pd_target_open(&face->env, url, &target, err);

    if (status != PD_OK) {
        return status;
    }
    status = pd_target_volumes(target, take_name, names, err);
    if (status == PD_OK && names->count == 0 && pd_target_url_device(url)) {
        status = pd_target_mount(target, NULL, err); /* says what lies in the drive instead */
    }
    if (pd_target_close(target, status == PD_OK ? err : &ignored) != PD_OK && status == PD_OK) {
        status = err->status;
    }
    if (status == PD_OK && names->count == 0) {
        status = pd_error_set(err, PD_NOT_FOUND, 0, "no volume at %s", url);
    }
    if (status == PD_OK && names->more) {
        status = pd_error_set(err, PD_UNSUPPORTED, 0,
                              "more than %zu volumes at %s; verify them by label",
                              names->count, url);
    }
    return status;
}

static enum pd_status verify_target(struct pd_face *face, const char *url,
                                    struct verify_view *view, struct pd_error *err)
{
    struct volume_names names = {.count = 0};
    size_t blank = 0;
    enum pd_status worst = PD_OK;
    enum pd_status status = list_volumes(face, url, &names, err);

    for (size_t i = 0; i < names.count && status == PD_OK; i++) {
        struct pd_label label;
        enum pd_status found = PD_INTERNAL;

        status = pd_verify_volume(&face->env, url, names.labels[i], 0, show_result, view, &label,
                                  &found, err);
        if (status == PD_BLANK && ++blank < names.count) { /* kept at hand for later */
            pd_log_error(face->env.log, PD_LOG_NOTE, err);
            pd_error_clear(err);
            status = found = PD_OK;
        }
        worst = pd_status_worst(worst, found);
    }
    if (status == PD_OK && worst == PD_OK && view->good + view->bad == 0) {
        return pd_error_set(err, PD_UNVERIFIED, 0, "%s: no archive is on it", url);
    }
    if (status == PD_OK && worst == PD_INTERRUPTED) {
        return pd_error_set(err, PD_INTERRUPTED, 0, "verification of %s stopped", url);
    }
    if (status == PD_OK && worst == PD_UNVERIFIED) {
        return pd_error_set(err, PD_UNVERIFIED, 0, "%s: not all of it could be checked", url);
    }
    if (status == PD_OK && worst != PD_OK) {
        return pd_error_set(err, PD_FAILED, 0, "%s: %" PRIu64 " of %" PRIu64 " archives bad", url,
                            view->bad, view->good + view->bad);
    }
    return status;
}

static enum pd_status verify_catalog(struct pd_face *face, const struct pd_args *args,
                                     struct verify_view *view, struct pd_error *err)
{
    struct pd_check_options options = {.volumes = args->words, .volume_count = args->word_count};
    struct pd_check_summary summary = {0};
    struct pd_catalog *catalog = NULL;
    struct pd_dump_row *dump = calloc(1, sizeof *dump);
    const char **at = NULL;
    char bytes[24];
    enum pd_status status = dump ? pd_args_all(args, "at", &at, &options.at_count, err)
                                 : pd_error_memory(err, "dump");

    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &catalog, err);
    }
    if (status == PD_OK && pd_args_flag(args, "dump")) {
        status = pd_catalog_dump_find(catalog, pd_args_get(args, "dump"), dump, err);
        options.dump_id = dump->id;
    }
    if (status != PD_OK) {
        goto out;
    }
    options.at = at;
    options.retry = pd_config_retry(face->config, "verify");
    options.on_result = show_result;
    options.result_arg = view;
    status = pd_check_run(&face->env, catalog, &options, &summary, err);
    if (status != PD_OK) {
        goto out;
    }
    pd_format_size(summary.bytes, bytes, sizeof bytes);
    pd_ticker_clear(face->ticker);
    if (face->json) {
        json_object_set_new(face->json, "archives", pd_render_json_u64(summary.archives));
        json_object_set_new(face->json, "copies", pd_render_json_u64(summary.copies));
        json_object_set_new(face->json, "good", pd_render_json_u64(summary.good));
        json_object_set_new(face->json, "bad", pd_render_json_u64(summary.bad));
        json_object_set_new(face->json, "unreachable", pd_render_json_u64(summary.unreachable));
        json_object_set_new(face->json, "missing", pd_render_json_u64(summary.missing));
        json_object_set_new(face->json, "files_lost", pd_render_json_u64(summary.files_lost));
    } else {
        fprintf(face->out,
                "%" PRIu64 " archives, %" PRIu64 " copies read back (%s): %" PRIu64
                " good, %" PRIu64 " bad; %" PRIu64 " unreachable, %" PRIu64 " missing\n",
                summary.archives, summary.copies - summary.unreachable, bytes, summary.good,
                summary.bad, summary.unreachable, summary.missing);
    }
    status = summary.status;
    if (status != PD_OK && summary.copies + summary.missing == 0) {
        pd_error_set(err, status, 0, "there is no copy to read back");
    } else if (status != PD_OK) {
        bool known = summary.bad + summary.missing > 0;
        pd_error_set(err, status, 0, "%" PRIu64 " of %" PRIu64 " copies are %s",
                     summary.bad + summary.unreachable + summary.missing,
                     summary.copies + summary.missing,
                     !known                    ? "out of reach"
                     : summary.unreachable > 0 ? "not good, or out of reach"
                                               : "not good");
    }
out:
    pd_catalog_close(catalog);
    free(at);
    free(dump);
    return status;
}

enum pd_status pd_cmd_verify(struct pd_face *face, const struct pd_args *args,
                             struct pd_error *err)
{
    struct verify_view view = {.face = face, .results = face->json ? json_array() : NULL};
    const char **targets = NULL;
    size_t count = 0;
    enum pd_status status = pd_args_all(args, "target", &targets, &count, err);
    bool by_catalog = pd_args_flag(args, "dump") || args->word_count > 0;

    if (status == PD_OK && count > 0 && by_catalog) {
        status = pd_error_set(err, PD_USAGE, 0, "--target stands alone, without dump or volumes");
    } else if (status == PD_OK && pd_args_flag(args, "dump") && args->word_count > 0) {
        status = pd_error_set(err, PD_USAGE, 0, "give --dump or volumes, not both");
    } else if (status == PD_OK && count > 0) {
        for (size_t i = 0; i < count && status == PD_OK; i++) {
            status = verify_target(face, targets[i], &view, err);
        }
    } else if (status == PD_OK) {
        status = verify_catalog(face, args, &view, err);
    }
    if (view.results) {
        json_object_set_new(face->json, "results", view.results);
    }
    free(targets);
    return status;
}
