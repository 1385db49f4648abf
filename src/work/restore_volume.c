#include "pairdump/ask.h"
#include "pairdump/check.h"
#include "pairdump/registry.h"
#include "restore_priv.h"

/* A volume that some archive of the run lies on. */
struct volume {
    struct pd_volume_row row;
    struct pd_target *target; /* NULL: not open */
    struct pd_health health;  /* of all its copies in this run */
    bool needed;              /* by the archive being restored */
    bool failed;              /* out of reach in this run; fault says why */
    bool counted;
    bool asked; /* the operator was asked for it */
    struct pd_error fault;
};

struct pd_restore_volumes {
    struct pd_restore_run *run;
    struct volume **list;
    size_t count;
    bool has_from;
    int64_t from; /* only this volume */
};

/* What a reader that does not come back has is its own; that the drive hung ends its use. */
static void see_taken(struct volume *volume)
{
    if (!volume->health.taken)
        return;
    volume->health.taken = false;
    volume->target = NULL;
    if (!volume->health.lost)
        return;
    volume->failed = true;
    if (pd_error_set(&volume->fault, PD_HUNG, 0, "the drive hung in this run") != PD_OK)
        pd_error_context(&volume->fault, volume->row.label, NULL, NULL);
}

static void close_volume(struct pd_restore_volumes *volumes, struct volume *volume)
{
    see_taken(volume);
    pd_leave_volume(volumes->run->env, volume->target);
    volume->target = NULL;
}

enum pd_status pd_restore_volumes_new(struct pd_restore_run *run, struct pd_restore_volumes **out,
                                      struct pd_error *err)
{
    struct pd_restore_volumes *volumes = calloc(1, sizeof(*volumes));
    struct pd_volume_row *row = calloc(1, sizeof(*row));
    enum pd_status status = PD_OK;

    *out = NULL;
    if (volumes == NULL || row == NULL) {
        status = pd_error_memory(err, "the volumes");
        goto out;
    }
    volumes->run = run;
    if (run->options->from != NULL) {
        status = pd_catalog_volume_find(run->catalog, run->options->from, row, err);
        if (status != PD_OK)
            goto out;
        volumes->has_from = true;
        volumes->from = row->id;
    }
    *out = volumes;
    volumes = NULL;
out:
    free(row);
    pd_restore_volumes_free(volumes);
    return status;
}

void pd_restore_volumes_free(struct pd_restore_volumes *volumes)
{
    if (volumes == NULL)
        return;
    for (size_t i = 0; i < volumes->count; i++) {
        close_volume(volumes, volumes->list[i]);
        free(volumes->list[i]);
    }
    free(volumes->list);
    free(volumes);
}

/* ---- the copies of one archive ---- */

struct copies {
    const struct pd_restore_volumes *volumes;
    struct pd_copy_row *rows;
    size_t count;
};

static enum pd_status take_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct copies *copies = arg;
    struct pd_copy_row *bigger;

    if (row->state == PD_COPY_WRITING || (row->reason == PD_GIVEN_UP && !copies->volumes->has_from))
        return PD_OK;
    if (copies->volumes->has_from && row->volume_id != copies->volumes->from)
        return PD_OK;
    bigger = realloc(copies->rows, (copies->count + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return pd_error_memory(err, "the copies");
    copies->rows = bigger;
    copies->rows[copies->count++] = *row;
    if (row->state == PD_COPY_BAD && row->reason != PD_REPLACED && !copies->volumes->has_from)
        pd_restore_avoided(copies->volumes->run, row->label, row->archive, 0, row->reason);
    return PD_OK;
}

/* A copy that was replaced is asked only when no other is known to be good, or none was. True: some
 * are left out. */
static bool leave_replaced(struct copies *copies)
{
    size_t kept = 0, count = copies->count;

    if (copies->volumes->has_from || copies->count == 0 ||
        copies->rows[0].state != PD_COPY_VERIFIED)
        return false;
    for (size_t i = 0; i < copies->count; i++)
        if (copies->rows[i].reason != PD_REPLACED)
            copies->rows[kept++] = copies->rows[i];
    copies->count = kept;
    return kept < count;
}

/* Verified copies first, bad ones last: each record is checked, so even those can help. */
static int compare_copies(const void *a, const void *b)
{
    static const int trust[] = {
        [PD_COPY_WRITING] = 3, [PD_COPY_WRITTEN] = 1, [PD_COPY_VERIFIED] = 0, [PD_COPY_BAD] = 2};
    const struct pd_copy_row *x = a, *y = b;

    if (x->state != y->state)
        return trust[x->state] - trust[y->state];
    return x->copy < y->copy ? -1 : x->copy > y->copy;
}

/* The volume of a copy, known from before or new. */
static enum pd_status find_volume(struct pd_restore_volumes *volumes, const char *label,
                                  struct volume **out, struct pd_error *err)
{
    struct volume **bigger, *volume;
    enum pd_status status;

    for (size_t i = 0; i < volumes->count; i++) {
        if (strcmp(volumes->list[i]->row.label, label) == 0) {
            *out = volumes->list[i];
            return PD_OK;
        }
    }
    bigger = realloc(volumes->list, (volumes->count + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return pd_error_memory(err, "the volumes");
    volumes->list = bigger;
    volume = calloc(1, sizeof(*volume));
    if (volume == NULL)
        return pd_error_memory(err, "the volumes");
    status = pd_catalog_volume_find(volumes->run->catalog, label, &volume->row, err);
    if (status != PD_OK) {
        free(volume);
        return status;
    }
    pd_health_init(&volume->health);
    volumes->list[volumes->count++] = volume;
    *out = volume;
    return PD_OK;
}

/* A drive holds one volume: those not needed now make way. */
static void make_way(struct pd_restore_volumes *volumes)
{
    for (size_t i = 0; i < volumes->count; i++) {
        struct volume *volume = volumes->list[i];

        see_taken(volume);
        if (volume->target != NULL && !volume->needed && pd_target_caps(volume->target).tape)
            close_volume(volumes, volume);
    }
}

struct opening {
    struct pd_restore_volumes *volumes;
    struct volume *volume;
};

static enum pd_status open_at(const struct opening *opening, bool asked, const char *url,
                              struct pd_error *err)
{
    struct volume *volume = opening->volume;
    enum pd_status status = pd_restore_volume_open(opening->volumes->run, &volume->row, asked, url,
                                                   &volume->target, err);

    if (status == PD_OK)
        pd_restore_opened(opening->volumes->run, volume->row.label);
    return status;
}

static enum pd_status open_found(void *arg, struct pd_error *err)
{
    struct opening *opening = arg;

    return open_at(opening, false, NULL, err);
}

/* A reader that lost the volume, or found another one, has left it so. */
static bool is_mounted(const struct volume *volume)
{
    const struct pd_label *label = volume->target == NULL ? NULL : pd_target_label(volume->target);

    return label != NULL && strcmp(label->uuid, volume->row.uuid) == 0;
}

static enum pd_status open_volume(struct pd_restore_volumes *volumes, struct volume *volume,
                                  struct pd_error *err)
{
    struct opening opening = {volumes, volume};
    const struct pd_activity activity = {.name = "open",
                                         .subject = volume->row.label,
                                         .run = open_found,
                                         .arg = &opening,
                                         .retry = volumes->run->options->retry};

    if (is_mounted(volume))
        return PD_OK;
    if (volume->target != NULL)
        close_volume(volumes, volume);
    return pd_activity_run(volumes->run->env, &activity, err);
}

/* Opens one copy; a failure is kept, so that the next archive does not wait for it again. */
static enum pd_status reach(struct pd_restore_volumes *volumes, struct volume *volume,
                            struct pd_error *err)
{
    struct pd_error fault = PD_ERROR_INIT;
    enum pd_status status;

    if (volume->failed) {
        *err = volume->fault;
        return volume->fault.status;
    }
    status = open_volume(volumes, volume, &fault);
    if (status == PD_OK) {
        if (!volume->counted)
            volumes->run->summary->volumes++;
        volume->counted = true;
        return PD_OK;
    }
    pd_error_context(&fault, volume->row.label, NULL, NULL);
    volume->failed = status != PD_BUSY; /* a drive with another volume may be free later */
    volume->fault = fault;
    *err = fault;
    return status;
}

static enum pd_status open_asked(void *arg, struct pd_error *err)
{
    struct opening *opening = arg;

    return open_at(opening, true, opening->volume->row.location, err);
}

/* Once in a run; a volume that did not come stays out of reach. */
static enum pd_status ask_for(struct pd_restore_volumes *volumes, struct volume *volume,
                              struct pd_error *err)
{
    const struct pd_env *env = volumes->run->env;
    struct opening opening = {volumes, volume};
    char what[32];
    const struct pd_ask ask = {
        .what = what, .where = volume->row.location, .run = open_asked, .arg = &opening};

    (void)snprintf(what, sizeof(what), "volume %s", volume->row.label);
    if (volume->asked || volumes->run->options->at_count > 0 ||
        !pd_target_url_exclusive(volume->row.location) || pd_volume_is_elsewhere(&volume->row))
        return reach(volumes, volume, err);
    volume->asked = true;
    volume->failed = pd_ask(env, &ask, err) != PD_OK;
    volume->fault = *err;
    return volume->failed ? err->status : reach(volumes, volume, err);
}

static enum pd_status mark_needed(struct pd_restore_volumes *volumes, const struct copies *copies,
                                  struct pd_error *err)
{
    struct volume *volume = NULL;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < volumes->count; i++)
        volumes->list[i]->needed = false;
    for (size_t i = 0; i < copies->count && status == PD_OK; i++) {
        status = find_volume(volumes, copies->rows[i].label, &volume, err);
        if (status == PD_OK)
            volume->needed = true;
    }
    return status;
}

typedef enum pd_status (*reach_fn)(struct pd_restore_volumes *volumes, struct volume *volume,
                                   struct pd_error *err);

/* Those of the first `most` copies that can be reached. */
static enum pd_status open_copies(struct pd_restore_volumes *volumes, const struct copies *copies,
                                  size_t most, reach_fn reach_volume,
                                  const struct pd_archive_row *archive, struct pd_replica_copy *out,
                                  size_t *count, struct pd_error *err)
{
    struct volume *volume = NULL;
    enum pd_status status;

    for (size_t i = 0; i < copies->count && i < most; i++) {
        const struct pd_copy_row *row = &copies->rows[i];

        status = find_volume(volumes, row->label, &volume, err);
        if (status != PD_OK)
            return status;
        status = reach_volume(volumes, volume, err);
        if (status == PD_INTERRUPTED || status == PD_NO_MEMORY)
            return status;
        if (status == PD_OK) {
            out[*count].target = volume->target;
            out[*count].tape_file = row->tape_file;
            out[*count].name = volume->row.label;
            out[*count].health = &volume->health;
            ++*count;
        } else {
            pd_log_error(volumes->run->env->log, PD_LOG_WARN, err);
            pd_restore_avoided(volumes->run, row->label, archive->name, 0, status);
        }
    }
    return PD_OK;
}

enum pd_status pd_restore_volumes_open(struct pd_restore_volumes *volumes,
                                       const struct pd_archive_row *archive, bool replaced,
                                       struct pd_replica_copy **out, size_t *count, bool *spare,
                                       struct pd_error *err)
{
    struct copies copies = {.volumes = volumes};
    struct pd_replica_copy *opened = NULL;
    enum pd_status status;

    *out = NULL;
    *count = 0;
    *spare = false;
    status = pd_catalog_copies(volumes->run->catalog, archive->id, 0, take_copy, &copies, err);
    if (status != PD_OK)
        goto out;
    if (copies.count == 0) {
        status = pd_error_set(err, PD_MISSING, 0,
                              volumes->has_from ? "this archive has no copy on volume %s"
                                                : "no finished copy of this archive is known%s",
                              volumes->has_from ? volumes->run->options->from : "");
        goto out;
    }
    qsort(copies.rows, copies.count, sizeof(*copies.rows), compare_copies);
    *spare = !replaced && leave_replaced(&copies);
    opened = calloc(copies.count, sizeof(*opened));
    if (opened == NULL) {
        status = pd_error_memory(err, "the copies");
        goto out;
    }
    status = mark_needed(volumes, &copies, err);
    if (status == PD_OK) {
        make_way(volumes);
        status = open_copies(volumes, &copies, copies.count, reach, archive, opened, count, err);
    }
    if (status == PD_OK && *count == 0 && !*spare &&
        volumes->run->env->wait_ns > 0) /* none at hand: the best one is asked for */
        status = open_copies(volumes, &copies, 1, ask_for, archive, opened, count, err);
    if (status == PD_OK && *count == 0) {
        struct pd_error why = *err; /* of the last copy tried */

        status = pd_error_set(err, PD_MISSING, 0, "no volume with it can be reached: %s: %s",
                              why.volume, why.message);
    }
    if (status != PD_OK)
        goto out;
    *out = opened;
    opened = NULL;
out:
    free(opened);
    free(copies.rows);
    return status;
}
