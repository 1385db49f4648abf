#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agree_priv.h"
#include "pairdump/check.h"
#include "pairdump/registry.h"

#define NOWHERE SIZE_MAX

/* A target to look at. */
struct place {
    char *url;
    char *path; /* to know it again */
};

struct volume {
    struct pd_volume_row row;
    size_t place; /* where it is, or should be; NOWHERE: not known */
    bool gone;    /* it should be there, and is not */
};

struct agreeing {
    struct pd_agree_run run;
    struct place *places;
    size_t place_count;
    struct volume *volumes;
    size_t volume_count;
};

/* ---- findings ---- */

void pd_agree_problem(const struct pd_agree_run *run, struct pd_error *what, const char *label,
                      const char *archive)
{
    char line[1400];

    pd_error_context(what, label, archive, NULL);
    pd_error_format(what, line, sizeof(line));
    run->summary->problems++;
    run->fn(run->arg, line);
}

void pd_agree_warn(const struct pd_agree_run *run, struct pd_error *what, const char *label,
                   const char *archive)
{
    pd_error_context(what, label, archive, NULL);
    if (run->options->on_warning != NULL)
        run->options->on_warning(run->options->warning_arg, what);
}

void pd_agree_unreachable(const struct pd_agree_run *run, struct pd_error *why, const char *label)
{
    run->summary->unreachable++;
    pd_agree_warn(run, why, label, NULL);
}

bool pd_agree_ends(enum pd_status status)
{
    return status == PD_INTERRUPTED || status == PD_NO_MEMORY || status == PD_BUSY;
}

/* ---- places ---- */

/* *out is its number; a place is kept once, whatever options its URL has. */
static enum pd_status add_place(struct agreeing *agreeing, const char *url, size_t *out,
                                struct pd_error *err)
{
    struct place *places;
    char *path = NULL, *copy;
    enum pd_status status = pd_target_url_path(url, &path, err);

    if (status != PD_OK)
        return status;
    for (*out = 0; *out < agreeing->place_count; ++*out)
        if (strcmp(agreeing->places[*out].path, path) == 0) {
            free(path);
            return PD_OK;
        }
    places = reallocarray(agreeing->places, agreeing->place_count + 1, sizeof(*places));
    copy = strdup(url);
    if (places != NULL)
        agreeing->places = places;
    if (places == NULL || copy == NULL) {
        free(path);
        free(copy);
        return pd_error_memory(err, "the places to look at");
    }
    places[agreeing->place_count++] = (struct place){copy, path};
    return PD_OK;
}

/* Targets named are looked at in any case. */
static enum pd_status add_named(struct agreeing *agreeing, struct pd_error *err)
{
    const struct pd_agree_options *options = agreeing->run.options;
    enum pd_status status = PD_OK;
    size_t place;

    for (size_t i = 0; i < options->at_count && status == PD_OK; i++)
        status = add_place(agreeing, options->at[i], &place, err);
    return status;
}

/* ---- volumes ---- */

static enum pd_status take_volume(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct agreeing *agreeing = arg;
    struct volume *volumes =
        reallocarray(agreeing->volumes, agreeing->volume_count + 1, sizeof(*volumes));

    if (volumes == NULL)
        return pd_error_memory(err, "the volumes to look at");
    agreeing->volumes = volumes;
    volumes[agreeing->volume_count++] = (struct volume){.row = *row, .place = NOWHERE};
    return PD_OK;
}

/* Does the catalog count on it? Not on one that has no label yet, or that is bad, retired or given
 * up and holds nothing good. */
static enum pd_status is_wanted(const struct agreeing *agreeing, const struct volume *volume,
                                bool *wanted, struct pd_error *err)
{
    struct pd_agree_copies copies;
    enum pd_status status =
        pd_agree_copies_load(agreeing->run.catalog, volume->row.id, &copies, err);

    *wanted = volume->row.tape_files > 0 && (volume->row.state == PD_VOLUME_APPENDABLE ||
                                             volume->row.state == PD_VOLUME_FULL_STATE);
    for (size_t i = 0; i < copies.count; i++)
        *wanted = *wanted || pd_agree_copy_counts(&copies.list[i]);
    pd_agree_copies_release(&copies);
    return status;
}

static enum pd_status locate(struct agreeing *agreeing, struct volume *volume,
                             struct pd_error *err)
{
    const struct pd_agree_run *run = &agreeing->run;
    struct pd_error why = PD_ERROR_INIT;
    char *url = NULL;
    bool wanted = false;
    enum pd_status found, status;

    if (volume->row.state == PD_VOLUME_RESERVED)
        return PD_OK; /* no medium needs to bear it */
    status = is_wanted(agreeing, volume, &wanted, err);
    if (status != PD_OK)
        return status;
    found = pd_locate_volume(run->env, &volume->row, run->options->at, run->options->at_count,
                             &url, &why);
    if (pd_agree_ends(found)) {
        *err = why;
        return found;
    }
    if (found == PD_OK) {
        status = add_place(agreeing, url, &volume->place, err);
    } else if (found == PD_MISSING && wanted) {
        volume->gone = true;
        pd_agree_problem(run, &why, volume->row.label, NULL);
        status = add_place(agreeing, volume->row.location, &volume->place, err);
    } else if (wanted) {
        pd_agree_unreachable(run, &why, volume->row.label);
    }
    free(url);
    return status;
}

static enum pd_status look_at_volume(const struct agreeing *agreeing, struct pd_target *target,
                                     const struct volume *volume, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_target_mount(target, volume->row.label, &why);

    if (status == PD_OK && strcmp(pd_target_label(target)->uuid, volume->row.uuid) != 0)
        status = pd_error_set(&why, PD_WRONG_VOLUME, 0, "was replaced while it was looked for");
    if (status == PD_OK)
        return pd_agree_volume(&agreeing->run, target, &volume->row, err);
    if (pd_agree_ends(status)) {
        *err = why;
        return status;
    }
    pd_agree_unreachable(&agreeing->run, &why, volume->row.label);
    return PD_OK;
}

/* ---- volumes that the catalog does not know ---- */

struct labels {
    char (*list)[PD_LABEL_TEXT];
    size_t count;
};

static enum pd_status take_label(void *arg, const char *label, struct pd_error *err)
{
    struct labels *labels = arg;
    char(*list)[PD_LABEL_TEXT] = reallocarray(labels->list, labels->count + 1, sizeof(*list));

    if (list == NULL)
        return pd_error_memory(err, "the volumes of a place");
    labels->list = list;
    (void)snprintf(list[labels->count++], sizeof(*list), "%s", label);
    return PD_OK;
}

static bool is_settled(const struct agreeing *agreeing, size_t place, const char *label)
{
    for (size_t i = 0; i < agreeing->volume_count; i++)
        if (agreeing->volumes[i].place == place &&
            strcmp(agreeing->volumes[i].row.label, label) == 0)
            return true;
    return false;
}

/* Its dump has labelled and filled it while the catalog could not be reached. */
static enum pd_status judge_reserved(const struct agreeing *agreeing, struct pd_target *target,
                                     const struct pd_volume_row *row, struct pd_error *err)
{
    struct pd_target_position position = {0};
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_target_position(target, &position, &why);

    if (pd_agree_ends(status)) {
        *err = why;
        return status;
    }
    if (status == PD_OK && position.file_count > 1)
        (void)pd_error_set(&why, PD_INTERRUPTED, 0,
                           "is only reserved in the catalog, and holds %" PRIu32 " tape files: its "
                           "dump is at work, or is to be resumed",
                           position.file_count);
    if (why.status != PD_OK)
        pd_agree_warn(&agreeing->run, &why, row->label, NULL);
    return PD_OK;
}

/* Asked anew: a dump may have made it since the run began; its row came before its label. */
static enum pd_status judge_stranger(const struct agreeing *agreeing, struct pd_target *target,
                                     struct pd_error *err)
{
    const struct pd_label *label = pd_target_label(target);
    struct pd_volume_row row;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status =
        pd_catalog_volume_find(agreeing->run.catalog, label->label, &row, &why);

    if (status != PD_OK && status != PD_NOT_FOUND) {
        *err = why;
        return status;
    }
    if (status == PD_OK && strcmp(row.uuid, label->uuid) == 0)
        return row.state == PD_VOLUME_RESERVED ? judge_reserved(agreeing, target, &row, err)
                                               : PD_OK;
    if (status == PD_OK && pd_volume_is_elsewhere(&row))
        (void)pd_error_set(
            &why, PD_NOT_FOUND, 0,
            "is at %s with UUID %s, and not in the catalog, which has another one of "
            "that label on host %s",
            pd_target_url(target), label->uuid, row.host);
    else
        (void)pd_error_set(&why, status == PD_OK ? PD_WRONG_VOLUME : PD_NOT_FOUND, 0,
                           status == PD_OK ? "at %s is another volume of that label, with UUID %s"
                                           : "is at %s with UUID %s, and not in the catalog",
                           pd_target_url(target), label->uuid);
    pd_agree_problem(&agreeing->run, &why, label->label, NULL);
    return PD_OK;
}

static enum pd_status look_at_stranger(const struct agreeing *agreeing, struct pd_target *target,
                                       const char *label, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_target_mount(target, label, &why);

    if (status == PD_OK)
        return judge_stranger(agreeing, target, err);
    if (pd_agree_ends(status)) {
        *err = why;
        return status;
    }
    if (status != PD_BLANK && status != PD_FOREIGN && status != PD_NOT_FOUND) /* no volume */
        pd_agree_warn(&agreeing->run, &why, label, NULL);
    return PD_OK;
}

static enum pd_status look_for_strangers(const struct agreeing *agreeing, size_t place,
                                         struct pd_target *target, struct pd_error *err)
{
    struct labels labels = {NULL, 0};
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_target_volumes(target, take_label, &labels, &why);

    if (pd_agree_ends(status)) {
        *err = why;
    } else if (status != PD_OK) {
        pd_agree_warn(&agreeing->run, &why, NULL, NULL);
        status = PD_OK;
    }
    for (size_t i = 0; i < labels.count && status == PD_OK; i++)
        if (!is_settled(agreeing, place, labels.list[i]))
            status = look_at_stranger(agreeing, target, labels.list[i], err);
    free(labels.list);
    return status;
}

/* ---- the run ---- */

/* Nothing of the place can be seen. */
static void leave_place(const struct agreeing *agreeing, size_t place, const struct pd_error *why)
{
    bool told = false;

    for (size_t i = 0; i < agreeing->volume_count; i++) {
        const struct volume *volume = &agreeing->volumes[i];
        struct pd_error each = *why;

        if (volume->place == place && !volume->gone) {
            pd_agree_unreachable(&agreeing->run, &each, volume->row.label);
            told = true;
        }
    }
    if (!told) {
        struct pd_error once = *why;

        pd_agree_warn(&agreeing->run, &once, NULL, NULL);
    }
}

static enum pd_status look_at_place(const struct agreeing *agreeing, size_t place,
                                    struct pd_error *err)
{
    const struct pd_agree_run *run = &agreeing->run;
    struct pd_target *target = NULL;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status =
        pd_target_open(run->env, agreeing->places[place].url, &target, &why);

    if (pd_agree_ends(status)) {
        *err = why;
        return status;
    }
    if (status != PD_OK) {
        leave_place(agreeing, place, &why);
        return PD_OK;
    }
    for (size_t i = 0; i < agreeing->volume_count && status == PD_OK; i++)
        if (agreeing->volumes[i].place == place && !agreeing->volumes[i].gone)
            status = look_at_volume(agreeing, target, &agreeing->volumes[i], err);
    /* All cartridges of a library are not loaded for that: "tape inventory" shows the unknown ones.
     */
    if (status == PD_OK && !pd_target_caps(target).library)
        status = look_for_strangers(agreeing, place, target, err);
    pd_leave_volume(run->env, target);
    return status;
}

enum pd_status pd_agree_run(const struct pd_env *env, struct pd_catalog *catalog,
                            const struct pd_agree_options *options, pd_catalog_problem_fn fn,
                            void *arg, struct pd_agree_summary *summary, struct pd_error *err)
{
    struct agreeing agreeing = {.run = {env, catalog, options, fn, arg, summary}};
    enum pd_status status;

    memset(summary, 0, sizeof(*summary));
    status = pd_catalog_volumes(catalog, take_volume, &agreeing, err);
    if (status == PD_OK)
        status = add_named(&agreeing, err);
    for (size_t i = 0; i < agreeing.volume_count && status == PD_OK; i++)
        status = locate(&agreeing, &agreeing.volumes[i], err);
    for (size_t i = 0; i < agreeing.place_count && status == PD_OK; i++)
        status = look_at_place(&agreeing, i, err);
    for (size_t i = 0; i < agreeing.place_count; i++) {
        free(agreeing.places[i].url);
        free(agreeing.places[i].path);
    }
    free(agreeing.places);
    free(agreeing.volumes);
    return status;
}
