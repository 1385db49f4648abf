#include <stdlib.h>
#include <string.h>

#include "check_priv.h"

/* Makes room for one more element of an array. */
static void *grow(void *array, size_t count, size_t *room, size_t size)
{
    size_t wanted = *room == 0 ? 16 : *room * 2;
    void *bigger;

    if (count < *room)
        return array;
    bigger = reallocarray(array, wanted, size);
    if (bigger != NULL)
        *room = wanted;
    return bigger;
}

static enum pd_status take_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    struct pd_check_plan *plan = arg;
    int64_t *archives =
        grow(plan->archives, plan->archive_count, &plan->archive_room, sizeof(*archives));

    if (archives == NULL)
        return pd_error_memory(err, "the archives to verify");
    plan->archives = archives;
    plan->archives[plan->archive_count++] = row->id;
    plan->bytes += row->records * row->record_size;
    return PD_OK;
}

static int compare_ids(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static enum pd_status find_volume(struct pd_check_plan *plan, int64_t id, size_t *out,
                                  struct pd_error *err)
{
    struct pd_check_volume *volumes;

    for (*out = 0; *out < plan->volume_count; ++*out)
        if (plan->volumes[*out].id == id)
            return PD_OK;
    volumes = grow(plan->volumes, plan->volume_count, &plan->volume_room, sizeof(*volumes));
    if (volumes == NULL)
        return pd_error_memory(err, "the volumes to verify");
    plan->volumes = volumes;
    memset(&volumes[plan->volume_count], 0, sizeof(*volumes));
    volumes[plan->volume_count++].id = id;
    return PD_OK;
}

struct taking {
    struct pd_check_plan *plan;
    const struct pd_check_options *options;
};

static enum pd_status take_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct taking *taking = arg;
    struct pd_check_plan *plan = taking->plan;
    struct pd_check_copy *copies, *copy;
    size_t volume = 0;
    enum pd_status status;

    if (taking->options->dump_id != 0 &&
        (plan->archive_count == 0 ||
         bsearch(&row->archive_id, plan->archives, plan->archive_count, sizeof(*plan->archives),
                 compare_ids) == NULL))
        return PD_OK;
    status = find_volume(plan, row->volume_id, &volume, err);
    if (status != PD_OK)
        return status;
    copies = grow(plan->copies, plan->copy_count, &plan->copy_room, sizeof(*copies));
    if (copies == NULL)
        return pd_error_memory(err, "the copies to verify");
    plan->copies = copies;
    copy = &copies[plan->copy_count++];
    memset(copy, 0, sizeof(*copy));
    copy->id = row->id;
    copy->archive_id = row->archive_id;
    copy->volume = volume;
    copy->tape_file = row->tape_file;
    copy->state = row->state;
    copy->asked = row->reason != PD_GIVEN_UP &&
                  (row->reason != PD_REPLACED || plan->volumes[volume].named) &&
                  (taking->options->volume_count == 0 || plan->volumes[volume].named) &&
                  (!taking->options->unverified_only || row->state == PD_COPY_WRITTEN) &&
                  (taking->options->wanted == NULL ||
                   taking->options->wanted(taking->options->choice_arg, row->id));
    return PD_OK;
}

static enum pd_status name_volumes(struct pd_catalog *catalog,
                                   const struct pd_check_options *options,
                                   struct pd_check_plan *plan, struct pd_error *err)
{
    struct pd_volume_row *row = calloc(1, sizeof(*row));
    size_t volume = 0;
    enum pd_status status = row == NULL ? pd_error_memory(err, "a volume") : PD_OK;

    for (size_t i = 0; i < options->volume_count && status == PD_OK; i++) {
        status = pd_catalog_volume_find(catalog, options->volumes[i], row, err);
        if (status == PD_OK && (row->state == PD_VOLUME_SCRATCH || row->state == PD_VOLUME_GONE))
            status = pd_error_set(err, PD_GIVEN_UP, 0, "%s is %s: nothing on it counts",
                                  options->volumes[i], pd_volume_state_name(row->state));
        if (status == PD_OK)
            status = find_volume(plan, row->id, &volume, err);
        if (status == PD_OK)
            plan->volumes[volume].named = true;
    }
    free(row);
    return status;
}

/* Archives of which no copy is asked for are left out. */
static void drop_unasked(struct pd_check_plan *plan)
{
    size_t kept = 0;

    for (size_t i = 0, end; i < plan->copy_count; i = end) {
        bool asked = false;

        for (end = i; end < plan->copy_count &&
                      plan->copies[end].archive_id == plan->copies[i].archive_id;
             end++)
            asked = asked || plan->copies[end].asked;
        for (size_t k = i; k < end && asked; k++)
            plan->copies[kept++] = plan->copies[k];
    }
    plan->copy_count = kept;
}

static int compare_jobs(const void *a, const void *b, void *arg)
{
    const struct pd_check_copy *copies = arg;
    const struct pd_check_copy *x = &copies[*(const size_t *)a], *y = &copies[*(const size_t *)b];

    return (x->tape_file > y->tape_file) - (x->tape_file < y->tape_file);
}

static enum pd_status make_jobs(struct pd_check_plan *plan, struct pd_error *err)
{
    for (size_t i = 0; i < plan->copy_count; i++)
        plan->volumes[plan->copies[i].volume].job_count += plan->copies[i].asked;
    for (size_t i = 0; i < plan->volume_count; i++) {
        plan->volumes[i].jobs = calloc(plan->volumes[i].job_count + 1, sizeof(size_t));
        if (plan->volumes[i].jobs == NULL)
            return pd_error_memory(err, "the copies to verify");
        plan->volumes[i].turn =
            plan->volumes[i].job_count > 0 ? PD_CHECK_WAITING : PD_CHECK_DONE;
        plan->volumes[i].job_count = 0;
    }
    for (size_t i = 0; i < plan->copy_count; i++) {
        struct pd_check_volume *volume = &plan->volumes[plan->copies[i].volume];

        if (plan->copies[i].asked)
            volume->jobs[volume->job_count++] = i;
    }
    for (size_t i = 0; i < plan->volume_count; i++)
        qsort_r(plan->volumes[i].jobs, plan->volumes[i].job_count, sizeof(size_t), compare_jobs,
                plan->copies);
    return PD_OK;
}

static enum pd_status take_row(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct pd_check_plan *plan = arg;

    (void)err;
    for (size_t i = 0; i < plan->volume_count; i++)
        if (plan->volumes[i].id == row->id)
            plan->volumes[i].row = *row;
    return PD_OK;
}

enum pd_status pd_check_plan_make(struct pd_catalog *catalog,
                                  const struct pd_check_options *options,
                                  struct pd_check_plan *plan, struct pd_error *err)
{
    struct taking taking = {plan, options};
    enum pd_status status = name_volumes(catalog, options, plan, err);

    if (status == PD_OK && options->dump_id != 0)
        status = pd_catalog_archives(catalog, options->dump_id, take_archive, plan, err);
    if (status == PD_OK && plan->archive_count > 0)
        qsort(plan->archives, plan->archive_count, sizeof(*plan->archives), compare_ids);
    if (status == PD_OK)
        status = pd_catalog_copies(catalog, 0, 0, take_copy, &taking, err);
    if (status != PD_OK)
        return status;
    drop_unasked(plan);
    status = make_jobs(plan, err);
    return status == PD_OK ? pd_catalog_volumes(catalog, take_row, plan, err) : status;
}

void pd_check_plan_release(struct pd_check_plan *plan)
{
    for (size_t i = 0; i < plan->copy_count; i++) {
        free(plan->copies[i].damage);
        free(plan->copies[i].damage_text);
    }
    for (size_t i = 0; i < plan->volume_count; i++) {
        pd_verifier_free(plan->volumes[i].verifier);
        pd_expect_release(plan->volumes[i].expect);
        free(plan->volumes[i].place);
        free(plan->volumes[i].jobs);
    }
    free(plan->copies);
    free(plan->volumes);
    free(plan->archives);
    memset(plan, 0, sizeof(*plan));
}
