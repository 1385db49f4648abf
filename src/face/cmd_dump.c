#include <inttypes.h>
#include <unistd.h>

#include "dump_view.h"
#include "pairdump/size.h"

const struct pd_option pd_cmd_dump_options[] = {
    {"to", 0, "TARGET", "target of one copy; give it once per copy, 1 to 8 times"},
    {"pool", 0, "NAME", "pool of the configuration instead of --to"},
    {"pairs", 0, "N", "pairs of drives side by side; targets are shared out to them"},
    {"files-from", 'T', "LIST", "read paths from a file, - for standard input"},
    {"null", '0', NULL, "paths in LIST end with NUL instead of newline"},
    {"exclude", 0, "PATTERN", "leave out paths (with /) or names (without); repeatable"},
    {"one-file-system", 'x', NULL, "do not enter other file systems"},
    {"batch-size", 0, "SIZE", "bytes of one archive (default 4G)"},
    {"batch-files", 0, "N", "files in one archive (default 25000)"},
    {"block-size", 0, "SIZE", "bytes of one record, 64K to 4M (default 512K)"},
    {"capacity", 0, "SIZE", "bytes that one volume may hold"},
    {"reserve", 0, "SIZE", "bytes kept free on each disk (default 64M)"},
    {"verify", 0, "POLICY", "full (default), sample=25%, or none"},
    {"digest", 0, "NAME", PD_DIGEST_NAMES},
    {"incremental", 0, NULL, "leave out what all copies verified already hold unchanged"},
    {"dry-run", 'n', NULL, "say what would be done, and change nothing"},
    {"name", 0, "NAME", "name of the dump (default HOST-DATE-TIME)"},
    {"wait", 0, "TIME", "ask for volumes that are not at hand, and wait so long for each"},
    {NULL, 0, NULL, NULL},
};

static void print_plan(struct pd_face *face, const struct pd_dump_summary *s)
{
    char bytes[24], need[24], free_text[24], name[64];

    pd_format_size(s->source_bytes, bytes, sizeof bytes);
    fprintf(face->out, "dry run: %" PRIu64 " files, %s in %" PRIu64 " archives\n",
            s->source_files, bytes, s->batches);
    for (size_t i = 0; i < s->copy_count; i++) {
        const struct pd_dump_copy_summary *copy = &s->copies[i];
        pd_format_size(copy->need, need, sizeof need);
        if (copy->available == UINT64_MAX) {
            snprintf(free_text, sizeof free_text, "unknown");
        } else {
            pd_format_size(copy->available, free_text, sizeof free_text);
        }
        pd_dump_view_copy(s, i, name, sizeof name);
        fprintf(face->out, "  %s  %s: needs %s, free %s\n", name, copy->url, need, free_text);
    }
}

static enum pd_status take_options(const struct pd_args *args, struct pd_dump_options *options,
                                   const char ***excludes, char **cwd, struct pd_error *err)
{
    size_t count = 0;
    enum pd_status status = pd_args_all(args, "exclude", excludes, &count, err);

    if (status != PD_OK) {
        return status;
    }
    *cwd = getcwd(NULL, 0);
    if (!*cwd) {
        return pd_error_set(err, PD_USAGE, 0, "the current folder is gone; change to another");
    }
    options->name = pd_args_get(args, "name");
    options->source.paths = args->words;
    options->source.path_count = args->word_count;
    options->source.list_file = pd_args_get(args, "files-from");
    options->source.list_nul = pd_args_flag(args, "null");
    options->source.list_recurse = true;
    options->source.excludes = *excludes;
    options->source.exclude_count = count;
    options->source.one_file_system = pd_args_flag(args, "one-file-system");
    options->source.cwd = *cwd;
    options->incremental = pd_args_flag(args, "incremental");
    options->dry_run = pd_args_flag(args, "dry-run");
    if (args->word_count == 0 && !options->source.list_file) {
        return pd_error_set(err, PD_USAGE, 0, "what? Give paths, or -T LIST");
    }
    if (options->source.list_nul && !options->source.list_file) {
        return pd_error_set(err, PD_USAGE, 0, "-0 goes with -T LIST");
    }
    return PD_OK;
}

enum pd_status pd_cmd_dump(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct pd_dump_view view;
    struct pd_dump_options options = {0};
    struct pd_pool_config pool = {0};
    struct pd_catalog *catalog = NULL;
    struct pd_dump_summary *summary = calloc(1, sizeof *summary);
    const char **excludes = NULL;
    char *cwd = NULL;
    enum pd_status status;

    if (!summary) {
        return pd_error_memory(err, "summary");
    }
    status = take_options(args, &options, &excludes, &cwd, err);
    if (status == PD_OK) {
        status = pd_face_pool(face, args, &pool, err);
    }
    if (status == PD_OK) {
        status = pd_face_state_dir(face, err);
    }
    if (status == PD_OK) {
        status = pd_face_catalog(face, true, &catalog, err);
    }
    if (status != PD_OK) {
        goto out;
    }
    options.pool = &pool;
    pd_dump_view_start(&view, face, &options);
    status = pd_dump_run(&face->env, catalog, &options, summary, err);
    pd_dump_view_end(&view, summary, options.dry_run);
    if (options.dry_run && status == PD_OK && !face->json) {
        print_plan(face, summary);
    }
out:
    pd_catalog_close(catalog);
    pd_pool_config_release(&pool);
    free(summary);
    free(excludes);
    free(cwd);
    return status;
}
