#include <inttypes.h>

#include "command.h"
#include "pairdump/audit.h"
#include "pairdump/size.h"
#include "render.h"
#include "verify_view.h"

const struct pd_option pd_cmd_audit_options[] = {
    {"budget", 0, "TIME|SIZE", "stop after so much time (4h) or so many bytes (2T)"},
    {"older-than", 0, "AGE", "only volumes not read back for so long: 180d, 26w"},
    {"pool", 0, "NAME", "only volumes of this pool"},
    {"dry-run", 0, NULL, "only say what would be read"},
    {"at", 0, "TARGET", "look for volumes here first; repeatable"},
    {"wait", 0, "TIME", "ask for volumes that are not at hand, and wait so long for each"},
    {NULL, 0, NULL, NULL},
};

struct audit_view {
    struct pd_face *face;
    json_t *volumes, *results;
    char away[PD_LABEL_TEXT]; /* the volume that was said to be out of reach last */
};

static json_t *json_volume(const struct pd_audit_volume *volume)
{
    json_t *item = json_object();
    uint64_t ns = pd_audit_estimate(volume, volume->take);

    json_object_set_new(item, "volume", json_string(volume->label));
    json_object_set_new(item, "last_verified", pd_render_json_time(volume->verified));
    json_object_set_new(item, "archives", pd_render_json_u64(volume->take_archives));
    json_object_set_new(item, "of_archives", pd_render_json_u64(volume->archives));
    json_object_set_new(item, "bytes", pd_render_json_u64(volume->take));
    json_object_set_new(item, "seconds",
                        ns > 0 ? json_real((double)ns / (double)PD_NS_PER_S) : json_null());
    return item;
}

static enum pd_status show_volume(void *arg, const struct pd_audit_volume *volume,
                                  struct pd_error *err)
{
    struct audit_view *view = arg;
    FILE *out = view->face->out;
    char when[64], bytes[24], time[24];
    uint64_t ns = pd_audit_estimate(volume, volume->take);

    (void)err;
    if (view->volumes) {
        json_array_append_new(view->volumes, json_volume(volume));
        return PD_OK;
    }
    pd_ticker_clear(view->face->ticker);
    pd_render_age(view->face->env.clock, volume->verified, when, sizeof when);
    pd_format_size(volume->take, bytes, sizeof bytes);
    fprintf(out, "%-8s  %s %s: %" PRIu64 " of %" PRIu64 " archives, %s", volume->label,
            volume->verified ? "last verified" : "not all of it verified",
            volume->verified ? when : "so far", volume->take_archives, volume->archives, bytes);
    if (ns >= (uint64_t)PD_NS_PER_S) {
        pd_format_duration(ns, time, sizeof time);
        fprintf(out, ", about %s", time);
    }
    fputc('\n', out);
    return PD_OK;
}

/* A volume that is out of reach is said to be so once, and not for each of its archives. */
static void print_result(struct audit_view *view, const struct pd_verify_result *result)
{
    char text[512];

    pd_ticker_clear(view->face->ticker);
    if (!result->unread) {
        pd_verify_view_print(view->face->out, result);
    } else if (strcmp(view->away, result->label) != 0) {
        memcpy(view->away, result->label, sizeof view->away);
        pd_error_format(&result->error, text, sizeof text);
        fprintf(view->face->out, "%-8s  not read: %s\n", result->label, text);
    }
}

static enum pd_status show_result(void *arg, const struct pd_verify_result *result,
                                  struct pd_error *err)
{
    struct audit_view *view = arg;

    (void)err;
    if (view->results) {
        json_array_append_new(view->results, pd_verify_view_json(result));
    } else {
        print_result(view, result);
    }
    return PD_OK;
}

/* "15m" are minutes; of a plain number nobody knows what it counts. */
static enum pd_status parse_budget(const char *text, struct pd_audit_budget *out,
                                   struct pd_error *err)
{
    uint64_t value = 0;
    bool plain = text && pd_parse_u64(text, &value);

    *out = (struct pd_audit_budget){UINT64_MAX, UINT64_MAX};
    if (!text) {
        return PD_OK;
    }
    if (!plain && pd_parse_duration(text, &value) && value > 0) {
        out->ns = value;
        return PD_OK;
    }
    if (!plain && pd_parse_size(text, &value) && value > 0) {
        out->bytes = value;
        return PD_OK;
    }
    return pd_error_set(err, PD_USAGE, 0,
                        "--budget takes a time as 90m or 4h, or a size as 500G or 2T, not \"%s\"",
                        text);
}

static void add_summary(json_t *json, const struct pd_audit_summary *s)
{
    json_object_set_new(json, "due", pd_render_json_u64(s->due));
    json_object_set_new(json, "picked", pd_render_json_u64(s->picked));
    json_object_set_new(json, "copies", pd_render_json_u64(s->check.copies));
    json_object_set_new(json, "good", pd_render_json_u64(s->check.good));
    json_object_set_new(json, "bad", pd_render_json_u64(s->check.bad));
    json_object_set_new(json, "unreachable", pd_render_json_u64(s->check.unreachable));
    json_object_set_new(json, "left", pd_render_json_u64(s->check.left));
    json_object_set_new(json, "bytes", pd_render_json_u64(s->check.bytes));
    json_object_set_new(json, "files_lost", pd_render_json_u64(s->check.files_lost));
    json_object_set_new(json, "never_verified", pd_render_json_u64(s->never));
    json_object_set_new(json, "oldest", s->oldest ? json_string(s->oldest_label) : json_null());
    json_object_set_new(json, "oldest_verified", pd_render_json_time(s->oldest));
}

static void print_oldest(const struct pd_face *face, const struct pd_audit_summary *s)
{
    char when[64];

    if (s->volumes == 0) {
        fputs("no volume holds anything\n", face->out);
    }
    if (s->never > 0) {
        fprintf(face->out, "not all verified so far: %" PRIu64 " of %" PRIu64 " volumes\n",
                s->never, s->volumes);
    }
    if (s->oldest != 0) {
        pd_render_age(face->env.clock, s->oldest, when, sizeof when);
        fprintf(face->out, "%s: %s, %s\n", s->never > 0 ? "oldest of the others" : "oldest",
                s->oldest_label, when);
    }
}

static void print_summary(const struct pd_face *face, bool dry_run,
                          const struct pd_audit_summary *s)
{
    char bytes[24];

    if (s->due == 0) {
        fputs("nothing to do\n", face->out);
    } else if (dry_run) {
        fprintf(face->out, "%" PRIu64 " of %" PRIu64 " volumes would be read\n", s->picked, s->due);
    } else {
        pd_format_size(s->check.bytes, bytes, sizeof bytes);
        fprintf(face->out,
                "%" PRIu64 " of %" PRIu64 " volumes, %" PRIu64 " copies read back (%s): %" PRIu64
                " good, %" PRIu64 " bad; %" PRIu64 " unreachable\n",
                s->picked, s->due, s->check.copies - s->check.unreachable, bytes, s->check.good,
                s->check.bad, s->check.unreachable);
    }
    print_oldest(face, s);
}

static enum pd_status judge(const struct pd_audit_summary *s, struct pd_error *err)
{
    if (s->status == PD_OK) {
        return PD_OK;
    }
    if (s->status == PD_INTERRUPTED) {
        return pd_error_set(err, s->status, 0, "the audit was stopped; what was read is recorded");
    }
    return pd_error_set(err, s->status, 0,
                        "%" PRIu64 " of %" PRIu64 " copies are bad, %" PRIu64 " out of reach",
                        s->check.bad, s->check.copies, s->check.unreachable);
}

static enum pd_status take_options(struct pd_face *face, const struct pd_args *args,
                                   struct pd_audit_options *options, const char ***at,
                                   struct pd_error *err)
{
    enum pd_status status = pd_args_all(args, "at", at, &options->at_count, err);

    options->at = *at;
    options->pool = pd_args_get(args, "pool");
    options->dry_run = pd_args_flag(args, "dry-run");
    options->retry = pd_config_retry(face->config, "verify");
    if (status == PD_OK) {
        status = pd_args_words(args, 0, 0, err);
    }
    if (status == PD_OK) {
        status = pd_args_duration(args, "older-than", &options->older_than_ns, err);
    }
    return status == PD_OK ? parse_budget(pd_args_get(args, "budget"), &options->budget, err)
                           : status;
}

enum pd_status pd_cmd_audit(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    struct audit_view view = {.face = face,
                              .volumes = face->json ? json_array() : NULL,
                              .results = face->json ? json_array() : NULL};
    struct pd_audit_options options = {
        .on_volume = show_volume, .on_result = show_result, .arg = &view};
    struct pd_audit_summary summary = {.status = PD_INTERNAL};
    struct pd_catalog *catalog = NULL;
    const char **at = NULL;
    enum pd_status status = take_options(face, args, &options, &at, err);

    if (status == PD_OK) {
        status = pd_face_catalog(face, false, &catalog, err);
    }
    if (status == PD_OK) {
        status = pd_audit_run(&face->env, catalog, &options, &summary, err);
        pd_ticker_clear(face->ticker);
    }
    if (view.volumes) {
        json_object_set_new(face->json, "volumes", view.volumes);
        json_object_set_new(face->json, "results", view.results);
    }
    if (status == PD_OK && face->json) {
        add_summary(face->json, &summary);
    } else if (status == PD_OK) {
        print_summary(face, options.dry_run, &summary);
    }
    if (status == PD_OK) {
        status = judge(&summary, err);
    }
    pd_catalog_close(catalog);
    free(at);
    return status;
}
