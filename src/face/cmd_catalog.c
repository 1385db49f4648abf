#include <errno.h>
#include <inttypes.h>

#include "command.h"
#include "pairdump/agree.h"
#include "render.h"

const struct pd_option pd_cmd_catalog_options[] = {
    {"no-media", 0, NULL, "check: the catalog by itself, without a look at the volumes"},
    {"at", 0, "TARGET", "check: look for volumes here first; repeatable"},
    {NULL, 0, NULL, NULL},
};

static enum pd_status catalog_init(struct pd_face *face, const struct pd_args *args,
                                   struct pd_error *err)
{
    struct pd_catalog *catalog = NULL;
    enum pd_status status = pd_face_catalog(face, true, &catalog, err);

    (void)args;
    if (status == PD_OK && face->json) {
        json_object_set_new(face->json, "schema",
                            json_integer((json_int_t)pd_catalog_schema_version(catalog)));
    } else if (status == PD_OK) {
        const char *path = pd_catalog_path(catalog);
        fprintf(face->out, "catalog %s, schema %u\n", path ? path : "(server)",
                pd_catalog_schema_version(catalog));
    }
    pd_catalog_close(catalog);
    return status;
}

/* ---- check ---- */

struct check_view {
    struct pd_face *face;
    json_t *problems, *warnings; /* in JSON mode, else NULL */
    uint64_t count;              /* of problems */
};

/* A line that is escaped already. */
static void show_line(void *arg, const char *line)
{
    struct check_view *view = arg;

    view->count++;
    if (view->problems) {
        json_array_append_new(view->problems, json_string(line));
    } else {
        fprintf(view->face->out, "%s\n", line);
    }
}

static void show_problem(void *arg, const char *text)
{
    char *line = pd_render_path(text);

    show_line(arg, line ? line : "(out of memory)");
    free(line);
}

static void show_warning(void *arg, const struct pd_error *warning)
{
    struct check_view *view = arg;

    pd_log_error(view->face->env.log, PD_LOG_WARN, warning);
    if (view->warnings) {
        json_array_append_new(view->warnings, pd_render_json_error(warning));
    }
}

static void show_agreement(struct pd_face *face, const struct pd_agree_summary *summary)
{
    if (face->json) {
        json_object_set_new(face->json, "volumes", pd_render_json_u64(summary->volumes));
        json_object_set_new(face->json, "archives", pd_render_json_u64(summary->archives));
        json_object_set_new(face->json, "unreachable", pd_render_json_u64(summary->unreachable));
        return;
    }
    fprintf(face->out,
            "%" PRIu64 " volumes with %" PRIu64 " archives looked at, %" PRIu64
            " volumes out of reach\n",
            summary->volumes, summary->archives, summary->unreachable);
}

/* The media against a catalog that perhaps has contradictions of its own. */
static enum pd_status check_media(struct check_view *view, const struct pd_args *args,
                                  struct pd_catalog *catalog, struct pd_error *err)
{
    struct pd_agree_options options = {.on_warning = show_warning, .warning_arg = view};
    struct pd_agree_summary summary;
    const char **at = NULL;
    enum pd_status status = pd_args_all(args, "at", &at, &options.at_count, err);

    options.at = at;
    if (status == PD_OK) {
        status = pd_agree_run(&view->face->env, catalog, &options, show_line, view, &summary, err);
    }
    if (status == PD_OK) {
        show_agreement(view->face, &summary);
    }
    if (status == PD_OK && summary.unreachable > 0) {
        status = pd_error_set(err, PD_UNVERIFIED, 0,
                              "%" PRIu64 " volumes could not be compared with the catalog",
                              summary.unreachable);
    }
    free(at);
    return status;
}

static enum pd_status check(struct check_view *view, const struct pd_args *args,
                            struct pd_catalog *catalog, struct pd_error *err)
{
    bool media = !pd_args_flag(args, "no-media");
    enum pd_status status = pd_catalog_check(catalog, show_problem, view, err);

    if (status == PD_OK && !view->face->json) {
        fprintf(view->face->out, "catalog is consistent in itself\n");
    }
    if (media && (status == PD_OK || view->count > 0)) {
        status = check_media(view, args, catalog, err);
    }
    if (view->count > 0 && (status == PD_OK || status == PD_UNVERIFIED)) {
        status = pd_error_set(err, PD_CATALOG, 0, "%" PRIu64 " contradictions", view->count);
    }
    return status;
}

static enum pd_status catalog_check(struct pd_face *face, const struct pd_args *args,
                                    struct pd_error *err)
{
    struct check_view view = {.face = face};
    struct pd_catalog *catalog = NULL;
    enum pd_status status;

    if (pd_args_flag(args, "no-media") && pd_args_flag(args, "at")) {
        return pd_error_set(err, PD_USAGE, 0, "give --at or --no-media, not both");
    }
    if (face->json) {
        view.problems = json_array();
        view.warnings = json_array();
        json_object_set_new(face->json, "problems", view.problems);
        json_object_set_new(face->json, "warnings", view.warnings);
    }
    status = pd_face_catalog(face, false, &catalog, err);
    if (status == PD_OK) {
        status = check(&view, args, catalog, err);
    }
    pd_catalog_close(catalog);
    return status;
}

/* ---- text ---- */

static enum pd_status catalog_export(struct pd_face *face, const struct pd_args *args,
                                     struct pd_error *err)
{
    struct pd_catalog *catalog = NULL;
    enum pd_status status;

    (void)args;
    if (face->json) {
        return pd_error_set(err, PD_USAGE, 0, "export is text; leave --json out");
    }
    status = pd_face_catalog(face, false, &catalog, err);
    if (status == PD_OK) {
        status = pd_catalog_export(catalog, face->out, err);
    }
    pd_catalog_close(catalog);
    return status;
}

static enum pd_status catalog_import(struct pd_face *face, const char *path, struct pd_error *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *in = standard ? stdin : fopen(path, "re");
    struct pd_catalog *catalog = NULL;
    uint64_t rows = 0;
    enum pd_status status = in ? pd_face_catalog(face, true, &catalog, err)
                               : pd_error_set(err, PD_USAGE, errno, "cannot read %s", path);

    if (status == PD_OK) {
        status = pd_catalog_import(catalog, in, &rows, err);
    }
    if (status == PD_OK && face->json) {
        json_object_set_new(face->json, "rows", pd_render_json_u64(rows));
    } else if (status == PD_OK) {
        fprintf(face->out, "%" PRIu64 " rows imported\n", rows);
    }
    if (in && !standard) {
        fclose(in);
    }
    pd_catalog_close(catalog);
    return status;
}

static const struct {
    const char *name;
    enum pd_status (*run)(struct pd_face *face, const struct pd_args *args, struct pd_error *err);
} verbs[] = {
    {"init", catalog_init},
    {"check", catalog_check},
    {"export", catalog_export},
};

enum pd_status pd_cmd_catalog(struct pd_face *face, const struct pd_args *args,
                              struct pd_error *err)
{
    enum pd_status status = pd_args_words(args, 1, 2, err);
    bool import = status == PD_OK && strcmp(args->words[0], "import") == 0;

    if (status != PD_OK) {
        return status;
    }
    if (import == (args->word_count == 1)) {
        return pd_error_set(err, PD_USAGE, 0, import ? "import what? Give a file, or - for standard"
                                                       " input"
                                                     : "only import takes a file");
    }
    if (args->value_count > 0 && strcmp(args->words[0], "check") != 0) {
        return pd_error_set(err, PD_USAGE, 0, "--%s goes with check",
                            args->values[0].option->name);
    }
    if (import) {
        return catalog_import(face, args->words[1], err);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, args->words[0]) == 0) {
            return verbs[i].run(face, args, err);
        }
    }
    return pd_error_set(err, PD_USAGE, 0, "catalog knows init, check, export and import");
}
