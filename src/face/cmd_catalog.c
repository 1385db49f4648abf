#include <errno.h>
#include <inttypes.h>

#include "command.h"
#include "render.h"

const struct pd_option pd_cmd_catalog_options[] = {{NULL, 0, NULL, NULL}};

struct check_view {
    struct pd_face *face;
    json_t *problems;
    uint64_t count;
};

static void show_problem(void *arg, const char *text)
{
    struct check_view *view = arg;

    view->count++;
    if (view->problems) {
        json_array_append_new(view->problems, pd_render_json_path(text));
    } else {
        pd_render_print_path(view->face->out, text);
        fputc('\n', view->face->out);
    }
}

static enum pd_status catalog_init(struct pd_face *face, struct pd_error *err)
{
    struct pd_catalog *catalog = NULL;
    enum pd_status status = pd_face_catalog(face, true, &catalog, err);

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

static enum pd_status catalog_check(struct pd_face *face, struct pd_error *err)
{
    struct check_view view = {.face = face, .problems = face->json ? json_array() : NULL};
    struct pd_catalog *catalog = NULL;
    enum pd_status status = pd_face_catalog(face, false, &catalog, err);

    if (status == PD_OK) {
        status = pd_catalog_check(catalog, show_problem, &view, err);
    }
    if (view.problems) {
        json_object_set_new(face->json, "problems", view.problems);
    } else if (status == PD_OK) {
        fprintf(face->out, "catalog is consistent\n");
    }
    pd_catalog_close(catalog);
    return status;
}

static enum pd_status catalog_export(struct pd_face *face, struct pd_error *err)
{
    struct pd_catalog *catalog = NULL;
    enum pd_status status;

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
    enum pd_status (*run)(struct pd_face *face, struct pd_error *err);
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
    if (import) {
        return catalog_import(face, args->words[1], err);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, args->words[0]) == 0) {
            return verbs[i].run(face, err);
        }
    }
    return pd_error_set(err, PD_USAGE, 0, "catalog knows init, check, export and import");
}
