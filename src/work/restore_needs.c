#include "pairdump/check.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "restore_priv.h"

/* Whether a volume is at hand, found out once. */
struct place {
    char label[PD_LABEL_TEXT];
    bool reached;
};

struct needs {
    struct pd_restore_run *run;
    struct place *places;
    size_t count;
    struct pd_copy_row *copies; /* of the archive at hand */
    size_t copy_count;
};

static enum pd_status take_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct needs *needs = arg;
    struct pd_copy_row *bigger;

    if (!pd_restore_copy_counts(needs->run, row))
        return PD_OK;
    bigger = realloc(needs->copies, (needs->copy_count + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return pd_error_memory(err, "the copies");
    needs->copies = bigger;
    needs->copies[needs->copy_count++] = *row;
    return PD_OK;
}

/* As they are read: verified ones first, bad ones last. */
static int compare_copies(const void *a, const void *b)
{
    static const int trust[] = {
        [PD_COPY_WRITING] = 3, [PD_COPY_WRITTEN] = 1, [PD_COPY_VERIFIED] = 0, [PD_COPY_BAD] = 2};
    const struct pd_copy_row *x = a, *y = b;

    if (x->state != y->state)
        return trust[x->state] - trust[y->state];
    return x->copy < y->copy ? -1 : x->copy > y->copy;
}

/* Looks whether it is at hand. A volume that is not, is told with the reason. */
static enum pd_status look(struct needs *needs, struct pd_restore_volume *volume, bool *reached,
                           struct pd_error *err)
{
    const struct pd_restore_options *options = needs->run->options;
    struct place *bigger;
    char *url = NULL;
    enum pd_status status;

    for (size_t i = 0; i < needs->count; i++) {
        *reached = needs->places[i].reached;
        if (strcmp(needs->places[i].label, volume->row.label) == 0)
            return PD_OK;
    }
    bigger = realloc(needs->places, (needs->count + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return pd_error_memory(err, "the volumes");
    needs->places = bigger;
    pd_error_clear(&volume->why);
    status = pd_locate_volume(needs->run->env, &volume->row, options->at, options->at_count, &url,
                              &volume->why);
    free(url);
    if (status == PD_INTERRUPTED || status == PD_NO_MEMORY) {
        *err = volume->why;
        return status;
    }
    *reached = status == PD_OK;
    bigger[needs->count] = (struct place){.reached = *reached};
    memcpy(bigger[needs->count++].label, volume->row.label, sizeof(bigger->label));
    return PD_OK;
}

static struct pd_restore_volume *volume_of(struct needs *needs, const struct pd_copy_row *row,
                                           struct pd_error *err)
{
    struct pd_restore_volume *volume = pd_restore_seen(needs->run, row->label);

    if (volume == NULL && pd_error_memory(err, "the volumes") == PD_OK)
        return NULL;
    return volume;
}

static void count_archive(struct pd_restore_run *run, struct pd_restore_volume *volume,
                          const struct pd_restore_part *part)
{
    run->summary->volumes += volume->archives == 0;
    volume->archives++;
    volume->files += part->files;
    volume->bytes = pd_add_sat(volume->bytes, part->bytes);
}

/* Would the run ask for this volume, and wait? */
static bool is_asked_for(const struct pd_restore_run *run, const struct pd_volume_row *row)
{
    return run->env->wait_ns > 0 && run->options->at_count == 0 &&
           pd_target_url_exclusive(row->location) && !pd_volume_is_elsewhere(row);
}

static enum pd_status need_archive(struct needs *needs, const struct pd_restore_part *part,
                                   struct pd_error *err)
{
    struct pd_restore_run *run = needs->run;
    struct pd_restore_summary *summary = run->summary;
    struct pd_restore_volume *first = NULL;
    bool found = false;

    for (size_t i = 0; i < needs->copy_count; i++) {
        struct pd_restore_volume *volume = volume_of(needs, &needs->copies[i], err);
        bool reached = false;
        enum pd_status status = volume == NULL ? err->status : look(needs, volume, &reached, err);

        if (status != PD_OK)
            return status;
        if (first == NULL)
            first = volume;
        if (!reached)
            continue;
        if (found)
            volume->spare++;
        else
            count_archive(run, volume, part);
        found = true;
    }
    if (!found && first != NULL)
        count_archive(run, first, part);
    if (found || (first != NULL && is_asked_for(run, &first->row))) {
        summary->files += part->files;
        summary->bytes = pd_add_sat(summary->bytes, part->bytes);
    } else {
        summary->lost += part->files;
    }
    return PD_OK;
}

enum pd_status pd_restore_needs(struct pd_restore_run *run, const struct pd_restore_plan *plan,
                                struct pd_error *err)
{
    struct needs needs = {.run = run};
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < plan->count && status == PD_OK; i++) {
        needs.copy_count = 0;
        status = pd_env_check(run->env, err);
        if (status == PD_OK)
            status = pd_catalog_copies(run->catalog, plan->parts[i].archive.id, 0, take_copy,
                                       &needs, err);
        if (needs.copy_count > 1)
            qsort(needs.copies, needs.copy_count, sizeof(*needs.copies), compare_copies);
        if (status == PD_OK)
            status = need_archive(&needs, &plan->parts[i], err);
    }
    free(needs.copies);
    free(needs.places);
    return status;
}
