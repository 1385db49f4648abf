#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "pairdump/check.h"
#include "pairdump/dump.h"
#include "pairdump/registry.h"
#include "pairdump/restore.h"
#include "pairdump/sample.h"
#include "pairdump/size.h"
#include "pairdump/space.h"
#include "render.h"
#include "scratch.h"

const struct pd_option pd_cmd_test_dump_options[] = {
    {"size", 0, "SIZE", "bytes of test data (default 64M)"},
    {"files", 0, "N", "files of test data (default 200)"},
    {"seed", 0, "N", "seed of the test data (default 1)"},
    {"to", 0, "TARGET", "target of one copy; its volumes stay; repeatable"},
    {"scratch", 0, NULL, "for tapes: overwrite what lies in the drives, blank or scratch"},
    {"folder", 0, "DIR", "folder for everything temporary (default $TMPDIR or /tmp)"},
    {"batch-size", 0, "SIZE", "bytes of one archive"},
    {"batch-files", 0, "N", "files in one archive"},
    {"block-size", 0, "SIZE", "bytes of one record"},
    {"keep", 0, NULL, "leave the temporary folder"},
    {NULL, 0, NULL, NULL},
};

struct rehearsal {
    struct pd_face *face;
    char root[512];
    char source[540], back[540], catalog_url[560], state[540], tape[2][560];
    struct pd_catalog *catalog;
    struct pd_dump_summary summary;
    struct pd_sample_options sample;
    struct pd_pool_config pool;
    struct pd_scratch *scratch; /* tapes, or NULL */
    uint64_t differences;
};

static enum pd_status make_folder(const char *path, struct pd_error *err)
{
    if (mkdir(path, 0700) != 0) {
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot make %s", path);
    }
    return PD_OK;
}

static enum pd_status make_root(struct rehearsal *r, const struct pd_args *args, uint64_t size,
                                struct pd_error *err)
{
    const char *parent = pd_args_get(args, "folder");
    bool own_targets = !pd_args_flag(args, "to");
    enum pd_status status;

    if (!parent) {
        parent = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    }
    if (strlen(parent) > 400 || parent[0] != '/') {
        return pd_error_set(err, PD_USAGE, 0, "--folder takes a short absolute path");
    }
    /* source, restored tree and, on mock tapes, two copies */
    status = pd_space_check(parent, pd_mul_sat(size, own_targets ? 4 : 2), 32 * 1048576, err);
    if (status != PD_OK) {
        return status;
    }
    snprintf(r->root, sizeof r->root, "%s/pairdump-test.XXXXXX", parent);
    if (!mkdtemp(r->root)) {
        r->root[0] = '\0';
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot make a folder in %s",
                            parent);
    }
    snprintf(r->source, sizeof r->source, "%s/source", r->root);
    snprintf(r->back, sizeof r->back, "%s/restored", r->root);
    snprintf(r->state, sizeof r->state, "%s/state", r->root);
    snprintf(r->catalog_url, sizeof r->catalog_url, "sqlite:%s/catalog.db", r->state);
    if ((status = make_folder(r->source, err)) == PD_OK) {
        status = make_folder(r->state, err);
    }
    for (int i = 0; i < 2 && status == PD_OK && own_targets; i++) {
        char folder[540];
        snprintf(folder, sizeof folder, "%s/tape%d", r->root, i + 1);
        snprintf(r->tape[i], sizeof r->tape[i], "mock:%s", folder);
        status = make_folder(folder, err);
    }
    return status;
}

static enum pd_status make_pool(struct rehearsal *r, const struct pd_args *args,
                                struct pd_error *err)
{
    enum pd_status status;

    if (pd_args_flag(args, "to")) {
        return pd_face_pool(r->face, args, &r->pool, err);
    }
    status = pd_pool_config_init("default", &r->pool, err);
    for (size_t i = 0; i < 2 && status == PD_OK; i++) {
        r->pool.copies[i] = strdup(r->tape[i]);
        status = r->pool.copies[i] ? PD_OK : pd_error_memory(err, "targets");
        r->pool.copy_count = i + 1;
    }
    return status == PD_OK ? pd_args_size(args, "batch-size", &r->pool.batch_size, err) : status;
}

/* What lies in a drive is overwritten only when that is said. */
static enum pd_status check_targets(struct rehearsal *r, const struct pd_args *args,
                                    struct pd_error *err)
{
    const char **urls = NULL;
    size_t count = 0;
    bool scratch = pd_args_flag(args, "scratch");
    enum pd_status status = pd_args_all(args, "to", &urls, &count, err);

    if (status == PD_OK && scratch && count == 0) {
        status = pd_error_set(err, PD_USAGE, 0, "--scratch is for the drives named with --to");
    }
    for (size_t i = 0; i < count && status == PD_OK && !scratch; i++) {
        if (pd_target_url_exclusive(urls[i])) {
            status = pd_error_set(err, PD_USAGE, 0,
                                  "%s: a drive is tried with --scratch only, which overwrites the "
                                  "blank or scratch tape in it",
                                  urls[i]);
        }
    }
    free(urls);
    if (status == PD_OK && scratch) {
        r->scratch = calloc(1, sizeof *r->scratch);
        status = r->scratch ? PD_OK : pd_error_memory(err, "drives");
    }
    return status;
}

/* The test's own catalog knows the tapes as a pair that is to be appended to. */
static enum pd_status open_catalog(struct rehearsal *r, struct pd_error *err)
{
    enum pd_status status = pd_catalog_open(&r->face->env, r->catalog_url, true, &r->catalog, err);

    for (size_t i = 0; status == PD_OK && r->scratch && i < r->scratch->count; i++) {
        status = pd_catalog_volume_add(r->catalog, &r->scratch->copies[i].row, err);
    }
    return status;
}

static enum pd_status label_tapes(struct rehearsal *r, struct pd_error *err)
{
    return pd_scratch_begin(r->face, &r->pool, r->scratch, err);
}

static enum pd_status make_data(struct rehearsal *r, struct pd_error *err)
{
    return pd_sample_make(&r->face->env, r->source, &r->sample, err);
}

static enum pd_status dump_it(struct rehearsal *r, struct pd_error *err)
{
    const char *paths[] = {r->source};
    struct pd_dump_options options = {.name = "test-dump",
                                      .source = {.paths = paths, .path_count = 1, .cwd = "/"},
                                      .pool = &r->pool,
                                      .config = r->face->config,
                                      .state_dir = r->state};
    enum pd_status status = open_catalog(r, err);

    return status == PD_OK ? pd_dump_run(&r->face->env, r->catalog, &options, &r->summary, err)
                           : status;
}

static enum pd_status verify_it(struct rehearsal *r, struct pd_error *err)
{
    struct pd_check_options options = {.dump_id = r->summary.row.id,
                                       .retry = pd_config_retry(r->face->config, "verify")};
    struct pd_check_summary summary = {0};
    enum pd_status status = pd_check_run(&r->face->env, r->catalog, &options, &summary, err);

    if (status == PD_OK && summary.status != PD_OK) {
        status = pd_error_set(err, summary.status, 0, "%" PRIu64 " of %" PRIu64 " copies bad",
                              summary.bad + summary.unreachable, summary.copies);
    }
    return status;
}

static enum pd_status restore_it(struct rehearsal *r, struct pd_error *err)
{
    struct pd_restore_options options = {.dump_id = r->summary.row.id,
                                         .destination = r->back,
                                         .retry = pd_config_retry(r->face->config, "restore")};
    struct pd_restore_summary summary = {0};
    enum pd_status status = pd_restore_run(&r->face->env, r->catalog, &options, &summary, err);

    if (status == PD_OK && summary.status != PD_OK) {
        status = pd_error_set(err, summary.status, 0, "not everything came back");
    }
    return status;
}

static void show_difference(void *arg, const char *path, const char *what)
{
    struct rehearsal *r = arg;
    char *text = pd_render_path(path);

    r->differences++;
    pd_log_line(r->face->env.log, PD_LOG_ERROR, "%s: %s", text ? text : "?", what);
    free(text);
}

static enum pd_status compare_it(struct rehearsal *r, struct pd_error *err)
{
    char below[1200];

    snprintf(below, sizeof below, "%s%s", r->back, r->source);
    return pd_sample_compare(&r->face->env, r->source, below, show_difference, r, err);
}

static uint64_t rate(uint64_t bytes, uint64_t ns)
{
    return ns > 0 ? (uint64_t)((double)bytes / ((double)ns / 1e9)) : 0;
}

/* Both drives at once: each had to keep this pace. */
static void show_drives(const struct rehearsal *r)
{
    const struct pd_dump_summary *sum = &r->summary;
    json_t *list = r->face->json ? json_array() : NULL;

    for (size_t i = 0; r->scratch && i < r->scratch->count && i < sum->copy_count; i++) {
        const struct pd_scratch_copy *copy = &r->scratch->copies[i];
        uint64_t bytes = sum->copies[i].bytes;
        if (list) {
            json_t *item = json_object();
            json_object_set_new(item, "target", pd_render_json_path(copy->row.location));
            json_object_set_new(item, "volume", json_string(copy->label.label));
            json_object_set_new(item, "bytes", pd_render_json_u64(bytes));
            json_object_set_new(item, "write_bytes_per_second",
                                pd_render_json_u64(rate(bytes, sum->write_ns)));
            json_object_set_new(item, "read_bytes_per_second",
                                pd_render_json_u64(rate(bytes, sum->verify_ns)));
            json_array_append_new(list, item);
            continue;
        }
        char size[24], written[24], back[24];
        pd_format_size(bytes, size, sizeof size);
        pd_format_size(rate(bytes, sum->write_ns), written, sizeof written);
        pd_format_size(rate(bytes, sum->verify_ns), back, sizeof back);
        fprintf(r->face->out, "%-8s  %s written at %s/s, read back at %s/s; ", copy->label.label,
                size, written, back);
        pd_render_print_path(r->face->out, copy->row.location);
        fputc('\n', r->face->out);
    }
    if (list) {
        json_object_set_new(r->face->json, "drives", list);
    }
}

static const struct {
    const char *name;
    enum pd_status (*run)(struct rehearsal *r, struct pd_error *err);
    bool tapes; /* only with tapes to overwrite */
} steps[] = {
    {"labelled the tapes", label_tapes, true}, {"made test data", make_data, false},
    {"dumped and verified", dump_it, false},   {"verified again", verify_it, false},
    {"restored", restore_it, false},           {"compared: identical", compare_it, false},
};

static enum pd_status run_steps(struct rehearsal *r, uint64_t began, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == PD_OK; i++) {
        if (steps[i].tapes && !r->scratch) {
            continue;
        }
        status = r->scratch ? pd_scratch_check(r->scratch, err) : PD_OK;
        if (status == PD_OK) {
            status = steps[i].run(r, err);
        }
        if (status == PD_OK && !r->face->json) {
            char took[24];
            uint64_t now = pd_clock_monotonic(r->face->env.clock);
            pd_format_duration(now - began, took, sizeof took);
            pd_ticker_clear(r->face->ticker);
            fprintf(r->face->out, "%8s  %s\n", took, steps[i].name);
        }
    }
    return status;
}

static enum pd_status rehearse(struct rehearsal *r, const struct pd_args *args,
                               struct pd_error *err)
{
    enum pd_status status;
    uint64_t began = pd_clock_monotonic(r->face->env.clock);

    r->sample = (struct pd_sample_options){.bytes = 64 * 1048576, .files = 200, .seed = 1};
    if ((status = pd_args_size(args, "size", &r->sample.bytes, err)) != PD_OK ||
        (status = pd_args_u64(args, "files", &r->sample.files, err)) != PD_OK ||
        (status = pd_args_u64(args, "seed", &r->sample.seed, err)) != PD_OK) {
        return status;
    }
    if (r->sample.files == 0) {
        return pd_error_set(err, PD_USAGE, 0, "--files is at least 1");
    }
    if ((status = check_targets(r, args, err)) != PD_OK ||
        (status = make_root(r, args, r->sample.bytes, err)) != PD_OK ||
        (status = make_pool(r, args, err)) != PD_OK) {
        return status;
    }
    status = run_steps(r, began, err);
    if (status == PD_OK && r->scratch) {
        show_drives(r);
    }
    return status;
}

static enum pd_status clean_up(struct rehearsal *r, bool keep, enum pd_status status,
                               struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;

    pd_catalog_close(r->catalog);
    if (r->scratch && pd_scratch_end(r->scratch, &late) != PD_OK && status == PD_OK) {
        *err = late;
        status = late.status;
    }
    pd_pool_config_release(&r->pool);
    if (r->root[0] && keep) {
        fprintf(stderr, "pairdump: kept %s\n", r->root);
    } else if (r->root[0] && pd_sample_remove(r->root, &late) != PD_OK && status == PD_OK) {
        *err = late;
        status = late.status;
    }
    free(r->scratch);
    return status;
}

enum pd_status pd_cmd_test_dump(struct pd_face *face, const struct pd_args *args,
                                struct pd_error *err)
{
    struct rehearsal *r = calloc(1, sizeof *r);
    enum pd_status status = r ? pd_args_words(args, 0, 0, err) : pd_error_memory(err, "test");

    if (!r) {
        return status;
    }
    r->face = face;
    if (status == PD_OK) {
        status = rehearse(r, args, err);
    }
    if (face->json && status == PD_OK) {
        json_object_set_new(face->json, "files", pd_render_json_u64(r->summary.row.files));
        json_object_set_new(face->json, "bytes", pd_render_json_u64(r->summary.row.bytes));
        json_object_set_new(face->json, "seconds_dump",
                            json_real((double)r->summary.total_ns / 1e9));
    }
    status = clean_up(r, pd_args_flag(args, "keep"), status, err);
    free(r);
    return status;
}
