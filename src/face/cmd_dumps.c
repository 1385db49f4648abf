#include <inttypes.h>

#include "command.h"
#include "pairdump/resume.h"
#include "pairdump/size.h"
#include "render.h"

const struct pd_option pd_cmd_dumps_options[] = {{NULL, 0, NULL, NULL}};
const struct pd_option pd_cmd_show_options[] = {{NULL, 0, NULL, NULL}};

struct show_view {
    struct pd_face *face;
    struct pd_catalog *catalog;
    json_t *list;
};

static json_t *json_dump_row(const struct pd_dump_row *row)
{
    json_t *item = json_object();

    json_object_set_new(item, "dump", json_string(row->name));
    json_object_set_new(item, "uuid", json_string(row->uuid));
    json_object_set_new(item, "host", pd_render_json_path(row->host));
    json_object_set_new(item, "pool", json_string(row->pool));
    json_object_set_new(item, "roots", json_string(row->roots));
    json_object_set_new(item, "verify", json_string(row->policy));
    json_object_set_new(item, "state", json_string(pd_dump_state_name(row->state)));
    json_object_set_new(item, "verdict", json_string(pd_status_name(pd_dump_row_verdict(row))));
    json_object_set_new(item, "incremental", json_boolean(row->incremental));
    json_object_set_new(item, "copies", json_integer((json_int_t)row->copies));
    json_object_set_new(item, "started", pd_render_json_time(row->started));
    json_object_set_new(item, "finished", pd_render_json_time(row->finished));
    json_object_set_new(item, "archives", pd_render_json_u64(row->archives));
    json_object_set_new(item, "files", pd_render_json_u64(row->files));
    json_object_set_new(item, "bytes", pd_render_json_u64(row->bytes));
    json_object_set_new(item, "problems", pd_render_json_u64(row->problems));
    json_object_set_new(item, "skipped", pd_render_json_u64(row->skipped));
    return item;
}

/* Of a dump that is not done: what can become of it. */
static const char *unfinished(enum pd_resumable resumable)
{
    switch (resumable) {
    case PD_RESUME_RUNNING:
        return "running";
    case PD_RESUME_HERE:
        return "resumable";
    default:
        return "unfinished";
    }
}

static enum pd_status show_dump(void *arg, const struct pd_dump_row *row, struct pd_error *err)
{
    struct show_view *view = arg;
    enum pd_resumable resumable = PD_RESUME_NOTHING;
    enum pd_status status =
        pd_resume_look(&view->face->env, view->catalog, view->face->config,
                       view->face->config->state_dir, row, &resumable, err);
    char when[32], bytes[24];

    if (status != PD_OK) {
        return status;
    }
    if (view->list) {
        json_t *item = json_dump_row(row);
        json_object_set_new(item, "resumable", json_string(pd_resumable_name(resumable)));
        json_array_append_new(view->list, item);
        return PD_OK;
    }
    pd_render_time(row->started, when, sizeof when);
    pd_format_size(row->bytes, bytes, sizeof bytes);
    fprintf(view->face->out, "%-32s %s %-10s %-16s %10s %9" PRIu64 " files %" PRIu64 " archives\n",
            row->name, when, pd_dump_state_name(row->state),
            resumable == PD_RESUME_NOTHING ? pd_status_name(pd_dump_row_verdict(row))
                                           : unfinished(resumable),
            bytes,
            row->files, row->archives);
    return PD_OK;
}

enum pd_status pd_cmd_dumps(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct show_view view = {.face = face};
    enum pd_status status = pd_args_words(args, 0, 0, err);

    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &view.catalog, err);
    }
    if (status == PD_OK) {
        view.list = face->json ? json_array() : NULL;
        status = pd_catalog_dumps(view.catalog, show_dump, &view, err);
    }
    if (view.list) {
        json_object_set_new(face->json, "dumps", view.list);
    }
    pd_catalog_close(view.catalog);
    return status;
}

static enum pd_status show_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct show_view *view = arg;
    char when[32];

    (void)err;
    if (view->list) {
        json_t *item = json_object();
        json_object_set_new(item, "archive", json_string(row->archive));
        json_object_set_new(item, "copy", json_integer((json_int_t)row->copy));
        json_object_set_new(item, "volume", json_string(row->label));
        json_object_set_new(item, "tape_file", json_integer((json_int_t)row->tape_file));
        json_object_set_new(item, "state", json_string(pd_copy_state_name(row->state)));
        json_object_set_new(item, "reason", json_string(pd_status_name(row->reason)));
        json_object_set_new(item, "message", pd_render_json_path(row->message));
        json_object_set_new(item, "changed", pd_render_json_time(row->changed));
        json_array_append_new(view->list, item);
        return PD_OK;
    }
    pd_render_time(row->changed, when, sizeof when);
    fprintf(view->face->out, "    copy %u on %-8s tape file %" PRIu32 "  %s %s", row->copy,
            row->label, row->tape_file, pd_copy_state_name(row->state), when);
    if (row->state == PD_COPY_BAD) {
        fprintf(view->face->out, "  [%s] ", pd_status_name(row->reason));
        pd_render_print_path(view->face->out, row->message);
    }
    fputc('\n', view->face->out);
    return PD_OK;
}

static enum pd_status show_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    struct show_view *view = arg;
    const struct pd_digest_info *alg = pd_digest_alg_info(row->alg);
    char bytes[24];

    if (!view->list) {
        pd_format_size(row->records * row->record_size, bytes, sizeof bytes);
        fprintf(view->face->out,
                "  %s  %s in %" PRIu64 " records, %" PRIu64 " files with their %s\n", row->name,
                bytes, row->records, row->files, alg->title);
    } else { /* all archives of a dump have the same */
        json_object_set_new(view->face->json, "digest_algorithm", json_string(alg->name));
    }
    return pd_catalog_copies(view->catalog, row->id, 0, show_copy, view, err);
}

static enum pd_status show_problem(void *arg, const struct pd_problem *problem,
                                   struct pd_error *err)
{
    struct show_view *view = arg;

    (void)err;
    if (view->list) {
        json_t *item = json_object();
        json_object_set_new(item, "path", pd_render_json_path(problem->path));
        json_object_set_new(item, "status", json_string(pd_status_name(problem->status)));
        json_object_set_new(item, "in_archive", json_boolean(problem->archived));
        json_object_set_new(item, "message",
                            pd_render_json_path(problem->message ? problem->message : ""));
        json_array_append_new(view->list, item);
        return PD_OK;
    }
    fputs("  ! ", view->face->out);
    pd_render_print_path(view->face->out, problem->path);
    fprintf(view->face->out, "  [%s]%s\n", pd_status_name(problem->status),
            problem->archived ? " (in the archive, not whole)" : " (not in the dump)");
    return PD_OK;
}

static void print_head(FILE *out, const struct pd_dump_row *row)
{
    char started[32], finished[32], bytes[24];

    pd_render_time(row->started, started, sizeof started);
    pd_render_time(row->finished, finished, sizeof finished);
    pd_format_size(row->bytes, bytes, sizeof bytes);
    fprintf(out, "%s\n  uuid     %s\n  sources  %s\n  host     %s\n  pool     %s, %u copies\n",
            row->name, row->uuid, row->roots, row->host, row->pool, row->copies);
    fprintf(out, "  state    %s, %s\n  started  %s\n  finished %s\n  verify   %s\n",
            pd_dump_state_name(row->state),
            row->state == PD_DUMP_DONE ? pd_status_name(pd_dump_row_verdict(row)) : "unfinished", started,
            finished, row->policy);
    fprintf(out, "  holds    %" PRIu64 " files, %s in %" PRIu64 " archives; %" PRIu64
                 " problems, %" PRIu64 " left out\n",
            row->files, bytes, row->archives, row->problems, row->skipped);
}

enum pd_status pd_cmd_show(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct show_view view = {.face = face};
    struct pd_dump_row *row = calloc(1, sizeof *row);
    enum pd_status status = row ? pd_args_words(args, 0, 1, err) : pd_error_memory(err, "dump");

    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &view.catalog, err);
    }
    if (status == PD_OK) {
        status = pd_catalog_dump_find(view.catalog, args->word_count ? args->words[0] : NULL, row,
                                      err);
    }
    if (status != PD_OK) {
        goto out;
    }
    if (face->json) {
        json_object_update_new(face->json, json_dump_row(row));
        view.list = json_array();
        json_object_set_new(face->json, "copy_list", view.list);
    } else {
        print_head(face->out, row);
    }
    status = pd_catalog_archives(view.catalog, row->id, show_archive, &view, err);
    if (status != PD_OK) {
        goto out;
    }
    if (face->json) {
        view.list = json_array();
        json_object_set_new(face->json, "problem_list", view.list);
    }
    status = pd_catalog_problems(view.catalog, row->id, show_problem, &view, err);
out:
    pd_catalog_close(view.catalog);
    free(row);
    return status;
}
