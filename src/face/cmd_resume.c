#include <string.h>

#include "dump_view.h"
#include "pairdump/resume.h"

const struct pd_option pd_cmd_resume_options[] = {
    {"wait", 0, "TIME", "ask for volumes that are not at hand, and wait so long for each"},
    {NULL, 0, NULL, NULL},
};

/* The dumps that could be resumed here. */
struct choice {
    struct pd_face *face;
    struct pd_catalog *catalog;
    struct pd_dump_row *row; /* the first */
    size_t count;
    struct pd_buf names;
};

static enum pd_status consider(void *arg, const struct pd_dump_row *row, struct pd_error *err)
{
    struct choice *choice = arg;
    enum pd_resumable resumable = PD_RESUME_NOTHING;
    enum pd_status status =
        pd_resume_look(&choice->face->env, choice->catalog, choice->face->config,
                       choice->face->config->state_dir, row, &resumable, err);

    if (status != PD_OK || resumable != PD_RESUME_HERE) {
        return status;
    }
    if (choice->count++ == 0) {
        *choice->row = *row;
    }
    return pd_buf_printf(&choice->names, " %s", row->name) == PD_OK ? PD_OK
                                                                    : pd_error_memory(err, "names");
}

struct rows {
    struct pd_dump_row *list;
    size_t count, room;
};

static enum pd_status keep_row(void *arg, const struct pd_dump_row *row, struct pd_error *err)
{
    struct rows *rows = arg;

    if (rows->count == rows->room) {
        size_t room = rows->room ? rows->room * 2 : 16;
        struct pd_dump_row *grown = realloc(rows->list, room * sizeof *grown);
        if (!grown) {
            return pd_error_memory(err, "dumps");
        }
        rows->list = grown;
        rows->room = room;
    }
    rows->list[rows->count++] = *row;
    return PD_OK;
}

/* The only one that there is to resume. *row->id stays 0 when there is none. */
static enum pd_status choose(struct pd_face *face, struct pd_catalog *catalog,
                             struct pd_dump_row *row, struct pd_error *err)
{
    struct choice choice = {.face = face, .catalog = catalog, .row = row, .names = PD_BUF_INIT};
    struct rows rows = {NULL, 0, 0};
    enum pd_status status = pd_catalog_dumps(catalog, keep_row, &rows, err);

    for (size_t i = 0; i < rows.count && status == PD_OK; i++) {
        status = consider(&choice, &rows.list[i], err);
    }
    if (status == PD_OK && choice.count > 1) {
        status = pd_error_set(err, PD_USAGE, 0, "which one? There are%s", choice.names.data);
    }
    free(rows.list);
    pd_buf_free(&choice.names);
    return status;
}

static enum pd_status find(struct pd_face *face, struct pd_catalog *catalog, const char *which,
                           struct pd_dump_row *row, struct pd_error *err)
{
    enum pd_resumable resumable = PD_RESUME_NOTHING;
    enum pd_status status;

    if (!which) {
        return choose(face, catalog, row, err);
    }
    status = pd_catalog_dump_find(catalog, which, row, err);
    if (status == PD_OK) {
        status = pd_resume_look(&face->env, catalog, face->config, face->config->state_dir, row,
                                &resumable, err);
    }
    if (status == PD_OK && resumable == PD_RESUME_NOTHING) {
        row->id = 0;
    }
    return status;
}

enum pd_status pd_cmd_resume(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct pd_dump_view view;
    struct pd_dump_options options = {0};
    struct pd_catalog *catalog = NULL;
    struct pd_dump_summary *summary = calloc(1, sizeof *summary);
    struct pd_dump_row *row = calloc(1, sizeof *row);
    enum pd_status status = summary && row ? pd_args_words(args, 0, 1, err)
                                           : pd_error_memory(err, "summary");

    if (status == PD_OK) {
        status = pd_face_state_dir(face, err);
    }
    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &catalog, err);
    }
    if (status == PD_OK) {
        status = find(face, catalog, args->word_count ? args->words[0] : NULL, row, err);
    }
    if (status == PD_OK && row->id == 0) {
        if (!face->json) {
            fprintf(face->out, "nothing to resume\n");
        }
    } else if (status == PD_OK) {
        pd_dump_view_start(&view, face, &options);
        status = pd_resume_run(&face->env, catalog, row, &options, summary, err);
        pd_dump_view_end(&view, summary, false);
    }
    pd_catalog_close(catalog);
    free(row);
    free(summary);
    return status;
}
