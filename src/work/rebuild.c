#include "pairdump/rebuild.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/activity.h"
#include "pairdump/registry.h"
#include "rebuild_priv.h"

bool pd_rebuild_ends(enum pd_status status)
{
    return status == PD_INTERRUPTED || status == PD_NO_MEMORY;
}

void *pd_rebuild_grown(void *list, size_t count, struct pd_error *err)
{
    void *grown = list;

    if ((count & (count - 1)) == 0) { /* else there is room up to the next power of two */
        grown = realloc(list, (count ? count * 2 : 1) * sizeof(void *));
    }
    if (!grown) {
        (void)!pd_error_memory(err, "a list");
    }
    return grown;
}

enum pd_status pd_rebuild_find(struct pd_rebuild *r, enum pd_rebuild_kind kind,
                               const struct pd_rebuild_volume *volume, const char *archive,
                               const struct pd_error *why, struct pd_error *err)
{
    struct pd_error found = *why;

    pd_error_context(&found, volume ? volume->label.label : NULL,
                     archive && archive[0] ? archive : NULL, NULL);
    *(kind == PD_REBUILD_CONTRADICTION ? &r->summary->contradictions
      : kind == PD_REBUILD_LEFT_OUT    ? &r->summary->left_out
                                       : &r->summary->lacking) += 1;
    pd_log_error(r->env->log, kind == PD_REBUILD_CONTRADICTION ? PD_LOG_ERROR : PD_LOG_WARN,
                 &found);
    return r->options->on_finding
               ? r->options->on_finding(r->options->finding_arg, kind, &found, err)
               : PD_OK;
}

static void free_volume(struct pd_rebuild_volume *volume)
{
    if (volume) {
        free(volume->location);
        free(volume->files);
        free(volume);
    }
}

/* ---- a target ---- */

struct visit {
    struct pd_rebuild *r;
    const char *url;
    struct pd_target *target;
    const char *label; /* NULL: what lies in the drive */
    char **labels;
    size_t label_count;
};

static enum pd_status take_label(void *arg, const char *label, struct pd_error *err)
{
    struct visit *v = arg;
    char **grown = pd_rebuild_grown(v->labels, v->label_count, err);

    if (!grown) {
        return PD_NO_MEMORY;
    }
    v->labels = grown;
    v->labels[v->label_count] = strdup(label);
    if (!v->labels[v->label_count]) {
        return pd_error_memory(err, "a label");
    }
    v->label_count++;
    return PD_OK;
}

static enum pd_status mount(void *arg, struct pd_error *err)
{
    struct visit *v = arg;

    return pd_target_mount(v->target, v->label, err);
}

static enum pd_status mount_volume(struct visit *v, const char *label, struct pd_error *err)
{
    const struct pd_activity activity = {.name = "load",
                                         .subject = label ? label : v->url,
                                         .run = mount,
                                         .arg = v,
                                         .retry = PD_RETRY_DEFAULT};

    v->label = label;
    return pd_activity_run(v->r->env, &activity, err);
}

static enum pd_status new_volume(struct visit *v, struct pd_rebuild_volume **out,
                                 struct pd_error *err)
{
    struct pd_rebuild_volume *volume = calloc(1, sizeof *volume);
    enum pd_status status = volume ? pd_target_url_location(v->url, &volume->location, err)
                                   : pd_error_memory(err, "a volume");

    if (status == PD_OK) {
        volume->url = v->url;
        volume->label = *pd_target_label(v->target);
        *out = volume;
        return PD_OK;
    }
    free_volume(volume);
    return status;
}

/* A volume that was met before: at the same place it was named twice; at another it is a double. */
static enum pd_status is_double(struct visit *v, const struct pd_rebuild_volume *volume,
                                bool *twice, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;

    *twice = false;
    for (size_t i = 0; i < v->r->volume_count; i++) {
        const struct pd_rebuild_volume *other = v->r->volumes[i];
        if (strcmp(other->label.uuid, volume->label.uuid) != 0) {
            continue;
        }
        *twice = true;
        if (strcmp(other->label.label, volume->label.label) == 0 &&
            strcmp(other->location, volume->location) == 0) {
            return PD_OK;
        }
        (void)!pd_error_set(&why, PD_CATALOG, 0,
                            "UUID %s is also that of %s at %s, which was taken; one is a copy of"
                            " the other",
                            volume->label.uuid, other->label.label, other->location);
        return pd_rebuild_find(v->r, PD_REBUILD_CONTRADICTION, volume, "", &why, err);
    }
    return PD_OK;
}

static enum pd_status keep_volume(struct visit *v, struct pd_rebuild_volume **volume,
                                  struct pd_error *err)
{
    struct pd_rebuild *r = v->r;
    bool twice = false;
    enum pd_status status = is_double(v, *volume, &twice, err);

    if (status != PD_OK || twice) {
        return status;
    }
    struct pd_rebuild_volume **grown = pd_rebuild_grown(r->volumes, r->volume_count, err);
    if (!grown) {
        return PD_NO_MEMORY;
    }
    r->volumes = grown;
    r->volumes[r->volume_count++] = *volume;
    *volume = NULL;
    return pd_rebuild_survey(r, v->target, r->volumes[r->volume_count - 1], r->volume_count - 1,
                             err);
}

/* What cannot be mounted is named; blank ones are kept at hand for later. */
static enum pd_status not_mounted(struct visit *v, const char *label, const struct pd_error *why,
                                  struct pd_error *err)
{
    struct pd_error named = *why;

    if (pd_rebuild_ends(why->status)) {
        *err = *why;
        return why->status;
    }
    if (why->status == PD_BLANK && v->label_count > 1) {
        pd_log_error(v->r->env->log, PD_LOG_NOTE, why);
        return PD_OK;
    }
    v->r->unread++;
    pd_error_context(&named, label ? label : v->url, NULL, NULL);
    return pd_rebuild_find(v->r, PD_REBUILD_LEFT_OUT, NULL, NULL, &named, err);
}

static enum pd_status visit_volume(struct visit *v, const char *label, struct pd_error *err)
{
    struct pd_rebuild_volume *volume = NULL;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_env_check(v->r->env, err);

    if (status != PD_OK) {
        return status;
    }
    if (mount_volume(v, label, &why) != PD_OK) {
        return not_mounted(v, label, &why, err);
    }
    status = new_volume(v, &volume, err);
    if (status == PD_OK) {
        status = keep_volume(v, &volume, err);
    }
    free_volume(volume);
    return status;
}

static enum pd_status visit_all(struct visit *v, struct pd_error *err)
{
    enum pd_status status = pd_target_volumes(v->target, take_label, v, err);

    if (status == PD_OK && v->label_count == 0 && pd_target_url_device(v->url)) {
        return visit_volume(v, NULL, err);
    }
    if (status == PD_OK && v->label_count == 0) {
        status = pd_error_set(err, PD_NOT_FOUND, 0, "no volume at %s", v->url);
    }
    for (size_t i = 0; i < v->label_count && status == PD_OK; i++) {
        status = visit_volume(v, v->labels[i], err);
    }
    return status;
}

/* What was read is kept; a target that cannot be left well was only read from. */
static void leave(struct visit *v)
{
    struct pd_error late = PD_ERROR_INIT;

    if (v->target && pd_target_put_back(v->target, &late) != PD_OK) {
        pd_log_error(v->r->env->log, PD_LOG_WARN, &late);
    }
    pd_error_clear(&late);
    if (pd_target_close(v->target, &late) != PD_OK) {
        pd_log_error(v->r->env->log, PD_LOG_WARN, &late);
    }
    for (size_t i = 0; i < v->label_count; i++) {
        free(v->labels[i]);
    }
    free(v->labels);
}

/* The part of a place that names the robot, *len bytes; NULL: there is none. */
static const char *changer_of(const char *location, size_t *len)
{
    const char *options = strrchr(location, '?');
    const char *changer = options ? strstr(options, "changer=") : NULL;

    *len = changer ? strcspn(changer, "&") : 0;
    return changer;
}

static bool share_library(const char *a, const char *b)
{
    size_t a_len = 0, b_len = 0;
    const char *x = changer_of(a, &a_len), *y = changer_of(b, &b_len);

    return x && y && a_len == b_len && memcmp(x, y, a_len) == 0;
}

/* A drive of a library that was read through an earlier target's drive has the same cartridges. It
 * is the place of those of its copy, when the targets are given in the order of copies. */
static enum pd_status visit_library_again(struct pd_rebuild *r, size_t number, bool *again,
                                          struct pd_error *err)
{
    const char *const *targets = r->options->targets;
    char *place = NULL;
    enum pd_status status = pd_target_url_location(targets[number], &place, err);

    *again = false;
    for (size_t i = 0; i < number && status == PD_OK && !*again; i++) {
        *again = share_library(targets[i], targets[number]);
    }
    for (size_t i = 0; i < r->volume_count && status == PD_OK && *again; i++) {
        struct pd_rebuild_volume *volume = r->volumes[i];
        if (volume->label.copy == number + 1 && share_library(volume->location, place)) {
            char *location = strdup(place);
            if (!location) {
                status = pd_error_memory(err, "a place");
                break;
            }
            free(volume->location);
            volume->location = location;
            volume->url = targets[number];
        }
    }
    free(place);
    return status;
}

static enum pd_status visit_target(struct pd_rebuild *r, size_t number, struct pd_error *err)
{
    struct visit v = {.r = r, .url = r->options->targets[number]};
    bool again = false;
    enum pd_status status = visit_library_again(r, number, &again, err);

    if (status != PD_OK || again) {
        return status;
    }
    status = pd_target_open(r->env, v.url, &v.target, err);
    if (status == PD_OK) {
        status = visit_all(&v, err);
    }
    leave(&v);
    return status;
}

/* ---- archives that no index tells of ---- */

static enum pd_status read_volume(struct visit *v, struct pd_rebuild_volume *volume,
                                  struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = mount_volume(v, volume->label.label, &why);

    if (status == PD_OK && strcmp(pd_target_label(v->target)->uuid, volume->label.uuid) != 0) {
        status = pd_error_set(&why, PD_WRONG_VOLUME, 0, "another volume stands there by now");
    }
    if (pd_rebuild_ends(status)) {
        *err = why;
        return status;
    }
    if (status != PD_OK) {
        v->r->lost += volume->unread;
        volume->trouble = true;
        return pd_rebuild_find(v->r, PD_REBUILD_LEFT_OUT, volume, "", &why, err);
    }
    return pd_rebuild_read(v->r, v->target, volume, err);
}

static enum pd_status read_unlisted(struct pd_rebuild *r, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < r->volume_count && status == PD_OK; i++) {
        struct pd_rebuild_volume *volume = r->volumes[i];
        struct visit v = {.r = r, .url = volume->url};
        if (volume->unread == 0 || volume->id == 0) {
            continue;
        }
        pd_log_line(r->env->log, PD_LOG_NOTE,
                    "%s: no index tells of %zu archives, they are read whole", volume->label.label,
                    volume->unread);
        status = pd_target_open(r->env, volume->url, &v.target, err);
        if (status == PD_OK) {
            status = read_volume(&v, volume, err);
        }
        leave(&v);
    }
    return status;
}

/* ---- the run ---- */

static enum pd_status judge(const struct pd_rebuild *r, struct pd_error *err)
{
    const struct pd_rebuild_summary *s = r->summary;

    if (s->contradictions > 0) {
        return pd_error_set(err, PD_CATALOG, 0,
                            "%" PRIu64 " contradictions; what is named was not changed",
                            s->contradictions);
    }
    if (r->lost > 0) {
        return pd_error_set(err, PD_FAILED, 0, "%" PRIu64 " archives were left out", r->lost);
    }
    if (r->unread > 0 && s->copies == 0) {
        return pd_error_set(err, PD_FAILED, 0,
                            "%" PRIu64 " things were left out, and no copy taken", s->left_out);
    }
    if (s->left_out > 0) {
        return pd_error_set(err, PD_DEGRADED, 0, "%" PRIu64 " things were left out", s->left_out);
    }
    return s->lacking > 0
               ? pd_error_set(err, PD_DEGRADED, 0, "%" PRIu64 " dumps lack archives, or their end",
                              s->lacking)
               : PD_OK;
}

static void release(struct pd_rebuild *r)
{
    for (size_t i = 0; i < r->volume_count; i++) {
        free_volume(r->volumes[i]);
    }
    for (size_t i = 0; i < r->dump_count; i++) {
        pd_buf_free(&r->dumps[i]->problems);
        free(r->dumps[i]);
    }
    for (size_t i = 0; i < r->entry_count; i++) {
        free(r->entries[i]);
    }
    free(r->volumes);
    free(r->dumps);
    free(r->entries);
    if (r->spool) {
        fclose(r->spool); /* it has no name, and nothing of it is needed */
    }
}

enum pd_status pd_rebuild_run(const struct pd_env *env, struct pd_catalog *catalog,
                              const struct pd_rebuild_options *options,
                              struct pd_rebuild_summary *summary, struct pd_error *err)
{
    struct pd_rebuild r = {.env = env, .catalog = catalog, .options = options, .summary = summary};
    enum pd_status status;

    memset(summary, 0, sizeof *summary);
    status = pd_rebuild_spool_open(&r, err);
    for (size_t i = 0; i < options->target_count && status == PD_OK; i++) {
        status = visit_target(&r, i, err);
    }
    if (status == PD_OK) {
        status = pd_rebuild_record(&r, err);
    }
    if (status == PD_OK) {
        status = read_unlisted(&r, err);
    }
    if (status == PD_OK) {
        status = pd_rebuild_end(&r, err);
    }
    summary->volumes = r.volume_count;
    summary->dumps = r.dump_count;
    if (status == PD_OK) {
        status = judge(&r, err);
    }
    release(&r);
    return status;
}
