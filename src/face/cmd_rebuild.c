#include <inttypes.h>

#include "command.h"
#include "pairdump/rebuild.h"
#include "render.h"

const struct pd_option pd_cmd_rebuild_options[] = {
    {NULL, 0, NULL, NULL},
};

struct rebuild_view {
    struct pd_face *face;
    json_t *findings;
};

static const char *kind_name(enum pd_rebuild_kind kind)
{
    return kind == PD_REBUILD_CONTRADICTION ? "contradiction"
           : kind == PD_REBUILD_LEFT_OUT    ? "left-out"
                                            : "lacking";
}

/* For people the log has it. */
static enum pd_status show_finding(void *arg, enum pd_rebuild_kind kind, const struct pd_error *why,
                                   struct pd_error *err)
{
    struct rebuild_view *view = arg;

    (void)err;
    if (view->findings) {
        json_t *item = json_object();
        json_object_set_new(item, "kind", json_string(kind_name(kind)));
        json_object_set_new(item, "volume", json_string(why->volume));
        json_object_set_new(item, "archive", pd_render_json_path(why->archive));
        json_object_set_new(item, "error", pd_render_json_error(why));
        json_array_append_new(view->findings, item);
    }
    return PD_OK;
}

static void print_summary(struct pd_face *face, const struct pd_rebuild_summary *s)
{
    const struct {
        const char *name;
        uint64_t count;
    } counts[] = {
        {"volumes", s->volumes},
        {"dumps", s->dumps},
        {"archives", s->archives},
        {"copies", s->copies},
        {"files", s->files},
        {"new_volumes", s->new_volumes},
        {"new_dumps", s->new_dumps},
        {"new_archives", s->new_archives},
        {"new_copies", s->new_copies},
        {"read_whole", s->read_whole},
        {"contradictions", s->contradictions},
        {"left_out", s->left_out},
        {"lacking", s->lacking},
    };

    if (face->json) {
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            json_object_set_new(face->json, counts[i].name, pd_render_json_u64(counts[i].count));
        }
        return;
    }
    fprintf(face->out,
            "found %" PRIu64 " volumes, %" PRIu64 " dumps, %" PRIu64 " archives in %" PRIu64
            " copies, %" PRIu64 " files\n",
            s->volumes, s->dumps, s->archives, s->copies, s->files);
    fprintf(face->out,
            "added %" PRIu64 " volumes, %" PRIu64 " dumps, %" PRIu64 " archives, %" PRIu64
            " copies; none is verified yet\n",
            s->new_volumes, s->new_dumps, s->new_archives, s->new_copies);
    if (s->read_whole > 0) {
        fprintf(face->out, "%" PRIu64 " archives without an index were read whole\n",
                s->read_whole);
    }
    if (s->contradictions + s->left_out + s->lacking > 0) {
        fprintf(face->out,
                "%" PRIu64 " contradictions, %" PRIu64 " things left out, %" PRIu64
                " dumps that lack archives, or their end\n",
                s->contradictions, s->left_out, s->lacking);
    }
}

enum pd_status pd_cmd_rebuild(struct pd_face *face, const struct pd_args *args,
                              struct pd_error *err)
{
    struct rebuild_view view = {.face = face, .findings = face->json ? json_array() : NULL};
    struct pd_rebuild_options options = {.targets = args->words,
                                         .target_count = args->word_count,
                                         .state_dir = face->config->state_dir,
                                         .on_finding = show_finding,
                                         .finding_arg = &view};
    struct pd_rebuild_summary summary = {.volumes = 0};
    struct pd_catalog *catalog = NULL;
    enum pd_status status = PD_OK;

    if (args->word_count == 0) {
        status = pd_error_set(err, PD_USAGE, 0, "of what? Give the targets that hold the volumes");
    }
    if (status == PD_OK) {
        status = pd_face_state_dir(face, err);
    }
    if (status == PD_OK) {
        status = pd_face_catalog(face, true, &catalog, err);
    }
    if (status == PD_OK) {
        status = pd_rebuild_run(&face->env, catalog, &options, &summary, err);
        pd_ticker_clear(face->ticker);
        print_summary(face, &summary);
    }
    if (view.findings) {
        json_object_set_new(face->json, "findings", view.findings);
    }
    pd_catalog_close(catalog);
    return status;
}
