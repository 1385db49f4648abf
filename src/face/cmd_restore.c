#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "pairdump/text.h"
#include "render.h"
#include "restore_view.h"

const struct pd_option pd_cmd_restore_options[] = {
    {"dump", 0, "DUMP", "name, UUID, or last (default); of several the newest of each path"},
    {"as-of", 0, "TIME", "the newest of each path in dumps that had started by then (UTC)"},
    {"host", 0, "HOST", "with --as-of, only dumps of this host"},
    {"to", 0, "DIR", "folder to restore below (default: the current one); -: a tar stream"},
    {"from", 0, "VOLUME", "read only from this volume"},
    {"all", 0, NULL, "every file"},
    {"at", 0, "TARGET", "look for volumes here first; repeatable"},
    {"overwrite", 0, NULL, "replace files that exist"},
    {"dry-run", 'n', NULL, "say what would be restored from which volumes, and write nothing"},
    {"wait", 0, "TIME", "ask for volumes that are not at hand, and wait so long for each"},
    {NULL, 0, NULL, NULL},
};

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

/* ---- which dumps ---- */

struct asked {
    struct pd_dump_row *rows; /* the newest first */
    int64_t *ids;
    size_t count;
    int64_t until;    /* those that had started by then */
    const char *host; /* of this one only; NULL: of any */
};

static enum pd_status add_dump(struct asked *asked, const struct pd_dump_row *row,
                               struct pd_error *err)
{
    struct pd_dump_row *bigger = realloc(asked->rows, (asked->count + 1) * sizeof *bigger);

    if (!bigger) {
        return pd_error_memory(err, "the dumps");
    }
    asked->rows = bigger;
    asked->rows[asked->count++] = *row;
    return PD_OK;
}

static enum pd_status take_if_started(void *arg, const struct pd_dump_row *row,
                                      struct pd_error *err)
{
    struct asked *asked = arg;

    if (row->started > asked->until || (asked->host && strcmp(asked->host, row->host) != 0)) {
        return PD_OK;
    }
    return add_dump(asked, row, err);
}

/* A day lasts to its end, and so does a second, since that is how times are shown. */
static enum pd_status parse_until(const char *text, int64_t *until, struct pd_error *err)
{
    if (!pd_time_parse(text, until)) {
        return pd_error_set(err, PD_USAGE, 0,
                            "--as-of takes a day as 2026-11-20, or a time as 2026-11-20T22:26:00Z, "
                            "not %s",
                            text);
    }
    if (!strpbrk(text, "Tt ")) {
        *until += 24 * 3600 * PD_NS_PER_S - 1;
    } else if (!strchr(text, '.')) {
        *until += PD_NS_PER_S - 1;
    }
    return PD_OK;
}

/* Two hosts have other files under the same paths. */
static enum pd_status expect_one_host(const struct asked *asked, struct pd_error *err)
{
    for (size_t i = 1; i < asked->count; i++) {
        if (strcmp(asked->rows[i].host, asked->rows[0].host) != 0) {
            return pd_error_set(
                err, PD_USAGE, 0,
                "these dumps are of several hosts, %s and %s; say which with --host",
                asked->rows[i].host, asked->rows[0].host);
        }
    }
    return PD_OK;
}

static enum pd_status find_as_of(struct pd_catalog *catalog, const char *text, struct asked *asked,
                                 struct pd_error *err)
{
    enum pd_status status = pd_catalog_dumps(catalog, take_if_started, asked, err);

    if (status == PD_OK && asked->count == 0) {
        status = pd_error_set(err, PD_NOT_FOUND, 0, "no dump%s%s had started by %s",
                              asked->host ? " of host " : "", asked->host ? asked->host : "", text);
    }
    return status == PD_OK ? expect_one_host(asked, err) : status;
}

static enum pd_status find_named(struct pd_catalog *catalog, const char *const *names, size_t count,
                                 struct asked *asked, struct pd_error *err)
{
    struct pd_dump_row row;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i == 0 || (i < count && status == PD_OK); i++) {
        status = pd_catalog_dump_find(catalog, count > 0 ? names[i] : NULL, &row, err);
        for (size_t k = 0; k < asked->count && status == PD_OK; k++) {
            if (asked->rows[k].id == row.id) {
                status = pd_error_set(err, PD_USAGE, 0, "dump %s is given twice", row.name);
            }
        }
        if (status == PD_OK) {
            status = add_dump(asked, &row, err);
        }
    }
    return status;
}

static int newest_first(const void *a, const void *b)
{
    const struct pd_dump_row *x = a, *y = b;

    if (x->started != y->started) {
        return x->started > y->started ? -1 : 1;
    }
    return x->id > y->id ? -1 : x->id < y->id;
}

static enum pd_status find_dumps(struct pd_catalog *catalog, const struct pd_args *args,
                                 struct asked *asked, struct pd_error *err)
{
    const char *as_of = pd_args_get(args, "as-of");
    const char **names = NULL;
    size_t count = 0;
    enum pd_status status = pd_args_all(args, "dump", &names, &count, err);

    asked->host = pd_args_get(args, "host");
    if (status == PD_OK && as_of) {
        status = find_as_of(catalog, as_of, asked, err);
    } else if (status == PD_OK) {
        status = find_named(catalog, names, count, asked, err);
    }
    free(names);
    if (status != PD_OK) {
        return status;
    }
    if (asked->count > 1) {
        qsort(asked->rows, asked->count, sizeof *asked->rows, newest_first);
    }
    asked->ids = calloc(asked->count, sizeof *asked->ids);
    if (!asked->ids) {
        return pd_error_memory(err, "the dumps");
    }
    for (size_t i = 0; i < asked->count; i++) {
        asked->ids[i] = asked->rows[i].id;
    }
    return PD_OK;
}

/* Was it broken off, and has no later one done the same over? */
static bool is_gap(const struct asked *asked, size_t which)
{
    const struct pd_dump_row *row = &asked->rows[which];

    if (row->state == PD_DUMP_DONE) {
        return false;
    }
    for (size_t i = 0; i < which; i++) {
        const struct pd_dump_row *later = &asked->rows[i];

        if (later->state == PD_DUMP_DONE && strcmp(later->host, row->host) == 0 &&
            strcmp(later->roots, row->roots) == 0) {
            return false;
        }
    }
    return true;
}

/* What the dumps do not hold cannot come back, whatever is asked for. */
static void warn_of_gaps(struct pd_face *face, const struct asked *asked)
{
    const struct pd_dump_row *oldest = &asked->rows[asked->count - 1];

    for (size_t i = 0; i < asked->count; i++) {
        const struct pd_dump_row *dump = &asked->rows[i];

        if (is_gap(asked, i)) {
            pd_log_line(face->env.log, PD_LOG_WARN,
                        "dump %s was never finished: what it wrote last is not in it", dump->name);
        }
        if (dump->problems > 0) {
            pd_log_line(face->env.log, PD_LOG_WARN,
                        "dump %s had trouble with %" PRIu64 " source files; see show %s",
                        dump->name, dump->problems, dump->name);
        }
    }
    if (oldest->skipped > 0) {
        pd_log_line(face->env.log, PD_LOG_WARN,
                    "dump %s is incremental: %" PRIu64
                    " files that earlier dumps hold are not in it",
                    oldest->name, oldest->skipped);
    }
}

/* ---- the command ---- */

/* Was it closed? Then /dev/null stands in its place, open for reading too, which no shell does. */
static bool goes_nowhere(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    struct stat st, null;

    return flags >= 0 && (flags & O_ACCMODE) == O_RDWR && fstat(fd, &st) == 0 &&
           stat("/dev/null", &null) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == null.st_rdev;
}

static enum pd_status check_stream(const struct pd_face *face, const struct pd_args *args,
                                   struct pd_error *err)
{
    bool sends = !pd_args_flag(args, "dry-run");

    if (face->json) {
        return pd_error_set(err, PD_USAGE, 0, "standard output takes either the files or JSON");
    }
    if (pd_args_flag(args, "overwrite")) {
        return pd_error_set(err, PD_USAGE, 0, "a stream overwrites nothing");
    }
    if (sends && isatty(STDOUT_FILENO)) {
        return pd_error_set(err, PD_USAGE, 0,
                            "a tar stream does not go to a terminal; pipe it into tar -x");
    }
    if (sends && goes_nowhere(STDOUT_FILENO)) {
        return pd_error_set(err, PD_USAGE, 0, "standard output is closed");
    }
    return PD_OK;
}

/* What can be refused before the catalog is asked. */
static enum pd_status check_usage(const struct pd_face *face, const struct pd_args *args,
                                  struct asked *asked, struct pd_error *err)
{
    const char *as_of = pd_args_get(args, "as-of"), *to = pd_args_get(args, "to");
    enum pd_status status;

    if (pd_args_flag(args, "all") == (args->word_count > 0)) {
        return pd_error_set(err, PD_USAGE, 0, "give either --all or paths to restore");
    }
    if (as_of && pd_args_get(args, "dump")) {
        return pd_error_set(err, PD_USAGE, 0, "give either --dump or --as-of");
    }
    if (!as_of && pd_args_get(args, "host")) {
        return pd_error_set(err, PD_USAGE, 0, "--host goes with --as-of");
    }
    status = to && strcmp(to, "-") == 0 ? check_stream(face, args, err) : PD_OK;
    return status == PD_OK && as_of ? parse_until(as_of, &asked->until, err) : status;
}

static void take_options(const struct pd_face *face, const struct pd_args *args,
                         struct pd_restore_options *options)
{
    options->destination = pd_args_get(args, "to") ? pd_args_get(args, "to") : ".";
    options->stream = strcmp(options->destination, "-") == 0;
    options->stream_fd = STDOUT_FILENO;
    options->temp = getenv("TMPDIR");
    options->from = pd_args_get(args, "from");
    options->pattern_count = args->word_count;
    options->overwrite = pd_args_flag(args, "overwrite");
    options->dry_run = pd_args_flag(args, "dry-run");
    options->retry = pd_config_retry(face->config, "restore");
}

static void put_dumps(struct pd_face *face, const struct asked *asked)
{
    json_t *names = json_array();

    json_object_set_new(face->json, "dump", json_string(asked->rows[0].name));
    for (size_t i = 0; i < asked->count; i++) {
        json_array_append_new(names, json_string(asked->rows[i].name));
    }
    json_object_set_new(face->json, "dumps", names);
}

static enum pd_status judge(const struct pd_restore_summary *summary, const struct asked *asked,
                            struct pd_error *err)
{
    if (summary->status != PD_OK) {
        return pd_error_set(err, summary->status, 0, "not everything asked for is back");
    }
    for (size_t i = 0; i < asked->count; i++) {
        if (is_gap(asked, i)) {
            return pd_error_set(err, PD_DEGRADED, 0, "the dump %s was never finished",
                                asked->rows[i].name);
        }
    }
    return PD_OK;
}

static enum pd_status restore(struct pd_face *face, struct pd_catalog *catalog,
                              const struct asked *asked, struct pd_restore_options *options,
                              struct pd_error *err)
{
    struct pd_restore_view view = {.face = face};
    struct pd_restore_summary summary = {0};
    enum pd_status status;

    options->dumps = asked->ids;
    options->dump_count = asked->count;
    warn_of_gaps(face, asked);
    if (face->json) {
        put_dumps(face, asked);
    }
    pd_restore_view_start(&view, options);
    status = pd_restore_run(&face->env, catalog, options, &summary, err);
    pd_ticker_clear(face->ticker);
    if (status == PD_OK) {
        pd_restore_view_summary(&view, options, &summary);
        status = judge(&summary, asked, err);
    }
    pd_restore_view_free(&view);
    return status;
}

enum pd_status pd_cmd_restore(struct pd_face *face, const struct pd_args *args,
                              struct pd_error *err)
{
    struct pd_restore_options options = {0};
    struct asked asked = {0};
    struct pd_catalog *catalog = NULL;
    const char **at = NULL;
    char **patterns = NULL;
    enum pd_status status = check_usage(face, args, &asked, err);

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
        status = find_dumps(catalog, args, &asked, err);
    }
    if (status == PD_OK) {
        take_options(face, args, &options);
        options.at = at;
        options.patterns = (const char *const *)patterns;
        status = restore(face, catalog, &asked, &options, err);
    }
    pd_catalog_close(catalog);
    for (size_t i = 0; patterns && i < args->word_count; i++) {
        free(patterns[i]);
    }
    free(patterns);
    free(at);
    free(asked.rows);
    free(asked.ids);
    return status;
}
