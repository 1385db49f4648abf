#include <inttypes.h>

#include "command.h"
#include "pairdump/restore.h"
#include "pairdump/size.h"
#include "pairdump/text.h"
#include "render.h"

const struct pd_option pd_cmd_restore_options[] = {
    {"dump", 0, "DUMP", "name, UUID, or last (default)"},
    {"to", 0, "DIR", "folder to restore below (default: the current one)"},
    {"from", 0, "VOLUME", "read only from this volume"},
    {"all", 0, NULL, "every file of the dump"},
    {"at", 0, "TARGET", "look for volumes here first; repeatable"},
    {"overwrite", 0, NULL, "replace files that exist"},
    {"dry-run", 'n', NULL, "say what would be restored, and write nothing"},
    {"wait", 0, "TIME", "ask for volumes that are not at hand, and wait so long for each"},
    {NULL, 0, NULL, NULL},
};

struct restore_view {
    struct pd_face *face;
    json_t *files;
    json_t *avoided;
};

static void show_file(void *arg, const char *path, const struct pd_error *why)
{
    struct restore_view *view = arg;
    char *text = pd_render_path(path);

    pd_log_line(view->face->env.log, PD_LOG_WARN, "%s: %s [%s]", text ? text : "?",
                why->message[0] ? why->message : pd_status_text(why->status),
                pd_status_name(why->status));
    if (view->files) {
        json_t *item = pd_render_json_error(why);
        json_object_set_new(item, "file", json_string(text ? text : "?"));
        json_array_append_new(view->files, item);
    }
    free(text);
}

static void show_avoided(void *arg, const char *label, const char *archive, uint64_t record,
                         enum pd_status why)
{
    struct restore_view *view = arg;

    pd_log_line(view->face->env.log, PD_LOG_WARN,
                "%s: %s: record %" PRIu64 ": avoided this copy: %s [%s]", label, archive, record,
                pd_status_text(why), pd_status_name(why));
    if (view->avoided) {
        json_t *item = json_object();
        json_object_set_new(item, "volume", json_string(label));
        json_object_set_new(item, "archive", pd_render_json_path(archive));
        json_object_set_new(item, "record", pd_render_json_u64(record));
        json_object_set_new(item, "status", json_string(pd_status_name(why)));
        json_array_append_new(view->avoided, item);
    }
}

static void print_summary(struct pd_face *face, const struct pd_restore_options *options,
                          const struct pd_restore_summary *s)
{
    char bytes[24];

    if (face->json) {
        json_object_set_new(face->json, "files", pd_render_json_u64(s->files));
        json_object_set_new(face->json, "bytes", pd_render_json_u64(s->bytes));
        json_object_set_new(face->json, "lost", pd_render_json_u64(s->lost));
        json_object_set_new(face->json, "existing", pd_render_json_u64(s->existing));
        json_object_set_new(face->json, "not_whole", pd_render_json_u64(s->not_whole));
        json_object_set_new(face->json, "failed", pd_render_json_u64(s->failed));
        json_object_set_new(face->json, "volumes", pd_render_json_u64(s->volumes));
        return;
    }
    pd_format_size(s->bytes, bytes, sizeof bytes);
    fprintf(face->out, "%s %" PRIu64 " files, %s, from %" PRIu64 " volumes %s ",
            options->dry_run ? "would restore" : "restored", s->files, bytes, s->volumes,
            options->dry_run ? "to" : "to");
    pd_render_print_path(face->out, options->destination);
    fputc('\n', face->out);
    const struct {
        uint64_t count;
        const char *what;
    } rows[] = {
        {s->lost, "LOST: no copy has them good"},
        {s->existing, "kept: they exist already (--overwrite replaces them)"},
        {s->not_whole, "not whole: they changed or failed while they were dumped"},
        {s->failed, "could not be written here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].count > 0) {
            fprintf(face->out, "  %" PRIu64 " %s\n", rows[i].count, rows[i].what);
        }
    }
}

/* Patterns are source paths: relative ones are taken from the root, as restored names are. */
static enum pd_status make_absolute(const struct pd_args *args, char ***out, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    *out = calloc(args->word_count + 1, sizeof **out);
    if (!*out) {
        return pd_error_memory(err, "patterns");
    }
    for (size_t i = 0; i < args->word_count && status == PD_OK; i++) {
        status = args->words[i][0]
                     ? pd_path_absolute(args->words[i], "/", &(*out)[i], err)
                     : pd_error_set(err, PD_USAGE, 0, "a pattern is empty; --all restores all");
    }
    return status;
}

/* What the dump does not hold cannot come back, whatever is asked for. */
static void warn_of_gaps(struct pd_face *face, const struct pd_dump_row *dump)
{
    if (dump->state != PD_DUMP_DONE) {
        pd_log_line(face->env.log, PD_LOG_WARN,
                    "dump %s was never finished: what it wrote last is not in it", dump->name);
    }
    if (dump->skipped > 0) {
        pd_log_line(face->env.log, PD_LOG_WARN,
                    "dump %s is incremental: %" PRIu64 " files that earlier dumps hold are not in it",
                    dump->name, dump->skipped);
    }
    if (dump->problems > 0) {
        pd_log_line(face->env.log, PD_LOG_WARN,
                    "dump %s had trouble with %" PRIu64 " source files; see show %s", dump->name,
                    dump->problems, dump->name);
    }
}

static void take_options(struct pd_face *face, const struct pd_args *args,
                         struct restore_view *view, struct pd_restore_options *options)
{
    options->destination = pd_args_get(args, "to") ? pd_args_get(args, "to") : ".";
    options->from = pd_args_get(args, "from");
    options->pattern_count = args->word_count;
    options->overwrite = pd_args_flag(args, "overwrite");
    options->dry_run = pd_args_flag(args, "dry-run");
    options->retry = pd_config_retry(face->config, "restore");
    options->on_file = show_file;
    options->file_arg = view;
    options->on_avoided = show_avoided;
    options->avoided_arg = view;
}

static enum pd_status judge(const struct pd_restore_summary *summary,
                            const struct pd_dump_row *dump, struct pd_error *err)
{
    if (summary->status != PD_OK) {
        return pd_error_set(err, summary->status, 0, "not everything asked for is back");
    }
    if (dump->state != PD_DUMP_DONE) {
        return pd_error_set(err, PD_DEGRADED, 0, "the dump %s was never finished", dump->name);
    }
    return PD_OK;
}

enum pd_status pd_cmd_restore(struct pd_face *face, const struct pd_args *args,
                              struct pd_error *err)
{
    struct restore_view view = {.face = face};
    struct pd_restore_options options = {0};
    struct pd_restore_summary summary = {0};
    struct pd_catalog *catalog = NULL;
    struct pd_dump_row *dump = calloc(1, sizeof *dump);
    const char **at = NULL;
    char **patterns = NULL;
    enum pd_status status = dump ? PD_OK : pd_error_memory(err, "dump");

    if (status == PD_OK && pd_args_flag(args, "all") == (args->word_count > 0)) {
        status = pd_error_set(err, PD_USAGE, 0, "give either --all or paths to restore");
    }
    if (status == PD_OK) {
        status = make_absolute(args, &patterns, err);
    }
    if (status == PD_OK) {
        status = pd_args_all(args, "at", &at, &options.at_count, err);
    }
    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &catalog, err);
    }
    if (status == PD_OK) {
        status = pd_catalog_dump_find(catalog, pd_args_get(args, "dump"), dump, err);
    }
    if (status != PD_OK) {
        goto out;
    }
    warn_of_gaps(face, dump);
    options.dump_id = dump->id;
    options.at = at;
    options.patterns = (const char *const *)patterns;
    take_options(face, args, &view, &options);
    if (face->json) {
        view.files = json_array();
        view.avoided = json_array();
        json_object_set_new(face->json, "dump", json_string(dump->name));
        json_object_set_new(face->json, "troubled", view.files);
        json_object_set_new(face->json, "avoided", view.avoided);
    }
    status = pd_restore_run(&face->env, catalog, &options, &summary, err);
    pd_ticker_clear(face->ticker);
    if (status == PD_OK) {
        print_summary(face, &options, &summary);
        status = judge(&summary, dump, err);
    }
out:
    pd_catalog_close(catalog);
    for (size_t i = 0; patterns && i < args->word_count; i++) {
        free(patterns[i]);
    }
    free(patterns);
    free(at);
    free(dump);
    return status;
}
