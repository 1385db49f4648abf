#include <inttypes.h>
#include <unistd.h>

#include "command.h"
#include "pairdump/safe.h"
#include "pairdump/size.h"
#include "render.h"

const struct pd_option pd_cmd_safe_options[] = {
    {"files-from", 'T', "LIST", "read paths from a file, - for standard input"},
    {"null", '0', NULL, "paths in LIST and in the output end with NUL"},
    {"exclude", 0, "PATTERN", "leave out paths (with /) or names (without); repeatable"},
    {"one-file-system", 'x', NULL, "do not enter other file systems"},
    {"copies", 0, "N", "held in so many verified copies at least (default 2)"},
    {"verified-within", 0, "AGE", "all copies read back so lately: 180d, 26w"},
    {"list", 'l', NULL, "print the paths that are safe, folders left out"},
    {"unsafe", 'u', NULL, "print the paths that are not, with the reason"},
    {NULL, 0, NULL, NULL},
};

struct safe_view {
    struct pd_face *face;
    bool list, unsafe, nul;
    json_t *safe_paths, *unsafe_paths;
};

static void print_unsafe(struct pd_face *face, const struct pd_item *item,
                         const struct pd_held *held)
{
    char when[64];

    fprintf(face->out, "%-18s ", pd_status_name(held->why));
    pd_render_print_path(face->out, item->path);
    if (held->why == PD_STALE) {
        pd_render_age(face->env.clock, held->verified, when, sizeof when);
        fprintf(face->out, "  (last verified %s)", when);
    }
    fputc('\n', face->out);
}

static void add_unsafe(json_t *list, const struct pd_item *item, const struct pd_held *held)
{
    json_t *one = json_object();

    json_object_set_new(one, "path", pd_render_json_path(item->path));
    json_object_set_new(one, "why", json_string(pd_status_name(held->why)));
    json_object_set_new(one, "verified", pd_render_json_time(held->verified));
    json_array_append_new(list, one);
}

static enum pd_status show_item(void *arg, const struct pd_item *item, const struct pd_held *held,
                                struct pd_error *err)
{
    struct safe_view *view = arg;
    FILE *out = view->face->out;
    enum pd_status why = held->why;
    /* a folder's own metadata says nothing of what changed in it, and who deletes it deletes all */
    bool listed = view->list && item->kind != PD_KIND_DIR;
    bool wanted = why == PD_OK ? listed : view->unsafe;

    if (view->face->json) {
        if (why == PD_OK && listed) {
            json_array_append_new(view->safe_paths, pd_render_json_path(item->path));
        } else if (why != PD_OK) {
            add_unsafe(view->unsafe_paths, item, held);
        }
    } else if (wanted && view->nul) {
        fputs(item->path, out);
        fputc('\0', out);
    } else if (wanted && why != PD_OK) {
        print_unsafe(view->face, item, held);
    } else if (wanted) {
        pd_render_print_path(out, item->path);
        fputc('\n', out);
    }
    return pd_env_check(&view->face->env, err);
}

static void print_summary(struct pd_face *face, const struct pd_safe_summary *s)
{
    char safe[24], unsafe[24], when[64];

    if (face->json) {
        json_object_set_new(face->json, "safe", pd_render_json_u64(s->safe));
        json_object_set_new(face->json, "safe_bytes", pd_render_json_u64(s->safe_bytes));
        json_object_set_new(face->json, "unsafe", pd_render_json_u64(s->unsafe));
        json_object_set_new(face->json, "unsafe_bytes", pd_render_json_u64(s->unsafe_bytes));
        json_object_set_new(face->json, "oldest_verified", pd_render_json_time(s->oldest));
        return;
    }
    pd_format_size(s->safe_bytes, safe, sizeof safe);
    pd_format_size(s->unsafe_bytes, unsafe, sizeof unsafe);
    fprintf(face->out, "safe to delete: %" PRIu64 " (%s)\nnot safe:       %" PRIu64 " (%s)\n",
            s->safe, safe, s->unsafe, unsafe);
    for (int i = 0; i < PD_STATUS_COUNT; i++) {
        if (i != PD_OK && s->by_status[i] > 0) {
            fprintf(face->out, "  %8" PRIu64 " %s\n", s->by_status[i],
                    pd_status_name((enum pd_status)i));
        }
    }
    if (s->oldest != 0) {
        pd_render_age(face->env.clock, s->oldest, when, sizeof when);
        fprintf(face->out, "oldest verification: %s\n", when);
    }
}

/* No limit unless it was asked for. */
static enum pd_status take_terms(const struct pd_face *face, const struct pd_args *args,
                                 struct pd_held_terms *terms, struct pd_error *err)
{
    uint64_t wanted = 2, within = 0;
    enum pd_status status = pd_args_u64(args, "copies", &wanted, err);

    if (status == PD_OK && (wanted < 1 || wanted > PD_COPIES_MAX)) {
        status = pd_error_set(err, PD_USAGE, 0, "--copies is 1 to %d", PD_COPIES_MAX);
    }
    if (status == PD_OK) {
        status = pd_args_duration(args, "verified-within", &within, err);
    }
    *terms = (struct pd_held_terms){.copies = (unsigned)wanted};
    if (status == PD_OK && pd_args_flag(args, "verified-within")) {
        terms->until = pd_clock_utc(face->env.clock);
        terms->since = within < (uint64_t)terms->until ? terms->until - (int64_t)within : 0;
    }
    return status;
}

static enum pd_status take_options(const struct pd_args *args,
                                   struct pd_source_path_options *source, const char ***excludes,
                                   struct pd_error *err)
{
    enum pd_status status = pd_args_all(args, "exclude", excludes, &source->exclude_count, err);

    source->paths = args->words;
    source->path_count = args->word_count;
    source->list_file = pd_args_get(args, "files-from");
    source->list_nul = pd_args_flag(args, "null");
    source->list_recurse = true;
    source->excludes = *excludes;
    source->one_file_system = pd_args_flag(args, "one-file-system");
    if (status == PD_OK && args->word_count == 0 && !source->list_file) {
        status = pd_error_set(err, PD_USAGE, 0, "what? Give paths, or -T LIST");
    }
    return status;
}

static enum pd_status judge(const struct pd_safe_summary *s, struct pd_error *err)
{
    if (s->unsafe == 0 && s->safe > 0) {
        return PD_OK;
    }
    return pd_error_set(err, PD_DEGRADED, 0, "%" PRIu64 " of %" PRIu64 " are not safe", s->unsafe,
                        s->safe + s->unsafe);
}

enum pd_status pd_cmd_safe(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct safe_view view = {.face = face,
                             .list = pd_args_flag(args, "list"),
                             .unsafe = pd_args_flag(args, "unsafe"),
                             .nul = pd_args_flag(args, "null")};
    char *cwd = getcwd(NULL, 0);
    struct pd_source_path_options source = {.cwd = cwd ? cwd : "/"};
    struct pd_safe_summary summary = {0};
    struct pd_catalog *catalog = NULL;
    const char **excludes = NULL;
    struct pd_held_terms terms;
    enum pd_status status = take_options(args, &source, &excludes, err);

    if (status == PD_OK) {
        status = take_terms(face, args, &terms, err);
    }
    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &catalog, err);
    }
    if (status == PD_OK && face->json) {
        view.safe_paths = json_array();
        view.unsafe_paths = json_array();
        json_object_set_new(face->json, "safe_paths", view.safe_paths);
        json_object_set_new(face->json, "unsafe_paths", view.unsafe_paths);
    }
    if (status == PD_OK) {
        status = pd_safe_run(&face->env, catalog, &terms, &source, show_item, &view, &summary, err);
        pd_ticker_clear(face->ticker);
    }
    if (status == PD_OK && !(view.nul && (view.list || view.unsafe))) {
        print_summary(face, &summary);
    }
    if (status == PD_OK) {
        status = judge(&summary, err);
    }
    pd_catalog_close(catalog);
    free(excludes);
    free(cwd);
    return status;
}
