#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "pairdump/check.h"
#include "pairdump/dump.h"
#include "pairdump/restore.h"
#include "pairdump/sample.h"
#include "pairdump/size.h"
#include "pairdump/space.h"
#include "render.h"

const struct pd_option pd_cmd_test_dump_options[] = {
    {"size", 0, "SIZE", "bytes of test data (default 64M)"},
    {"files", 0, "N", "files of test data (default 200)"},
    {"seed", 0, "N", "seed of the test data (default 1)"},
    {"to", 0, "TARGET", "scratch target of one copy; its volumes stay; repeatable"},
    {"scratch", 0, "DIR", "folder for everything temporary (default $TMPDIR or /tmp)"},
    {"batch-size", 0, "SIZE", "bytes of one archive"},
    {"batch-files", 0, "N", "files in one archive"},
    {"block-size", 0, "SIZE", "bytes of one record"},
    {"keep", 0, NULL, "leave the scratch folder"},
    {NULL, 0, NULL, NULL},
};

struct rehearsal {
    struct pd_face *face;
    char root[512];
    char source[540], back[540], catalog_url[560], state[540], tape[2][560];
    struct pd_catalog *catalog;
    struct pd_dump_summary summary;
    uint64_t differences;
};

static enum pd_status make_folder(const char *path, struct pd_error *err)
{
    if (mkdir(path, 0700) != 0) {
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot make %s", path);
    }
    return PD_OK;
}

static enum pd_status make_scratch(struct rehearsal *r, const struct pd_args *args, uint64_t size,
                                   struct pd_error *err)
{
    const char *parent = pd_args_get(args, "scratch");
    bool own_targets = !pd_args_flag(args, "to");
    enum pd_status status;

    if (!parent) {
        parent = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    }
    if (strlen(parent) > 400 || parent[0] != '/') {
        return pd_error_set(err, PD_USAGE, 0, "--scratch takes a short absolute path");
    }
    /* source, restored tree and, on mock tapes, two copies */
    status = pd_space_check(parent, pd_mul_sat(size, own_targets ? 4 : 2), 32 * 1048576, err);
    if (status != PD_OK) {
        return status;
    }
    snprintf(r->root, sizeof r->root, "%s/pairdump-test.XXXXXX", parent);
    if (!mkdtemp(r->root)) {
        r->root[0] = '\0';
        return pd_error_set(err, pd_status_from_errno(errno), errno,
                            "cannot make a scratch folder in %s", parent);
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

static enum pd_status dump_it(struct rehearsal *r, const struct pd_args *args,
                              struct pd_error *err)
{
    const char *paths[] = {r->source};
    struct pd_pool_config pool = {0};
    struct pd_dump_options options = {.name = "test-dump",
                                      .source = {.paths = paths, .path_count = 1, .cwd = "/"},
                                      .pool = &pool,
                                      .config = r->face->config,
                                      .state_dir = r->state};
    enum pd_status status;

    if (pd_args_flag(args, "to")) {
        status = pd_face_pool(r->face, args, &pool, err);
    } else {
        status = pd_pool_config_init("default", &pool, err);
        for (int i = 0; i < 2 && status == PD_OK; i++) {
            pool.copies[i] = strdup(r->tape[i]);
            status = pool.copies[i] ? PD_OK : pd_error_memory(err, "targets");
            pool.copy_count = (size_t)i + 1;
        }
        if (status == PD_OK) {
            status = pd_args_size(args, "batch-size", &pool.batch_size, err);
        }
    }
    if (status == PD_OK) {
        status = pd_catalog_open(&r->face->env, r->catalog_url, true, &r->catalog, err);
    }
    if (status == PD_OK) {
        status = pd_dump_run(&r->face->env, r->catalog, &options, &r->summary, err);
    }
    pd_pool_config_release(&pool);
    return status;
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

static enum pd_status rehearse(struct rehearsal *r, const struct pd_args *args,
                               struct pd_error *err)
{
    struct pd_sample_options sample = {.bytes = 64 * 1048576, .files = 200, .seed = 1};
    enum pd_status status;
    uint64_t began = pd_clock_monotonic(r->face->env.clock);

    if ((status = pd_args_size(args, "size", &sample.bytes, err)) != PD_OK ||
        (status = pd_args_u64(args, "files", &sample.files, err)) != PD_OK ||
        (status = pd_args_u64(args, "seed", &sample.seed, err)) != PD_OK) {
        return status;
    }
    if (sample.files == 0) {
        return pd_error_set(err, PD_USAGE, 0, "--files is at least 1");
    }
    status = make_scratch(r, args, sample.bytes, err);
    const struct {
        const char *name;
        int step;
    } steps[] = {{"made test data", 0}, {"dumped and verified", 1}, {"verified again", 2},
                 {"restored", 3},       {"compared: identical", 4}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == PD_OK; i++) {
        switch (steps[i].step) {
        case 0:
            status = pd_sample_make(&r->face->env, r->source, &sample, err);
            break;
        case 1:
            status = dump_it(r, args, err);
            break;
        case 2:
            status = verify_it(r, err);
            break;
        case 3:
            status = restore_it(r, err);
            break;
        default:
            status = compare_it(r, err);
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

enum pd_status pd_cmd_test_dump(struct pd_face *face, const struct pd_args *args,
                                struct pd_error *err)
{
    struct rehearsal *r = calloc(1, sizeof *r);
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status = r ? pd_args_words(args, 0, 0, err) : pd_error_memory(err, "test");

    if (status == PD_OK) {
        r->face = face;
        status = rehearse(r, args, err);
    }
    if (r) {
        pd_catalog_close(r->catalog);
    }
    if (r && r->root[0] && pd_args_flag(args, "keep")) {
        fprintf(stderr, "pairdump: kept %s\n", r->root);
    } else if (r && r->root[0] && pd_sample_remove(r->root, &late) != PD_OK && status == PD_OK) {
        *err = late;
        status = late.status;
    }
    if (r && face->json && status == PD_OK) {
        json_object_set_new(face->json, "files", pd_render_json_u64(r->summary.row.files));
        json_object_set_new(face->json, "bytes", pd_render_json_u64(r->summary.row.bytes));
        json_object_set_new(face->json, "seconds_dump",
                            json_real((double)r->summary.total_ns / 1e9));
    }
    free(r);
    return status;
}
