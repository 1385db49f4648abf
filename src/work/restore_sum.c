#include "restore_priv.h"

static struct pd_restore_volume *find(const struct pd_restore_run *run, const char *label)
{
    for (size_t i = 0; i < run->seen_count; i++)
        if (strcmp(run->seen[i]->row.label, label) == 0)
            return run->seen[i];
    return NULL;
}

/* A run that cannot tell of a volume restores no less for it. */
struct pd_restore_volume *pd_restore_seen(struct pd_restore_run *run, const char *label)
{
    struct pd_restore_volume *volume = find(run, label), **bigger;
    struct pd_error error = PD_ERROR_INIT;

    if (volume != NULL)
        return volume;
    bigger = realloc(run->seen, (run->seen_count + 1) * sizeof(*bigger));
    if (bigger == NULL)
        return NULL;
    run->seen = bigger;
    volume = calloc(1, sizeof(*volume));
    if (volume == NULL)
        return NULL;
    if (pd_catalog_volume_find(run->catalog, label, &volume->row, &error) != PD_OK) {
        pd_log_error(run->env->log, PD_LOG_DEBUG, &error);
        free(volume);
        return NULL;
    }
    run->seen[run->seen_count++] = volume;
    return volume;
}

void pd_restore_opened(struct pd_restore_run *run, const char *label)
{
    struct pd_restore_volume *volume = pd_restore_seen(run, label);

    if (volume != NULL)
        volume->mounts++;
}

void pd_restore_served(struct pd_restore_run *run, const struct pd_replica_copy *copies,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct pd_restore_volume *volume = pd_restore_seen(run, copies[i].name);

        if (volume == NULL)
            continue;
        volume->archives += copies[i].served > 0;
        volume->records += copies[i].served;
        volume->bad_records += copies[i].errors + copies[i].mismatches;
    }
}

void pd_restore_avoided(struct pd_restore_run *run, const char *label, const char *archive,
                        uint64_t record, enum pd_status why)
{
    struct pd_restore_volume *volume = pd_restore_seen(run, label);

    run->summary->avoided++;
    if (volume != NULL && volume->avoided++ == 0 &&
        pd_error_set(&volume->why, why, 0, "%s", pd_status_text(why)) == PD_OK)
        volume->why.status = PD_INTERNAL; /* nothing is avoided for being good */
    if (run->options->on_avoided != NULL)
        run->options->on_avoided(run->options->avoided_arg, label, archive, record, why);
}

void pd_restore_tell_seen(const struct pd_restore_run *run)
{
    for (size_t i = 0; i < run->seen_count && run->options->on_volume != NULL; i++)
        run->options->on_volume(run->options->volume_arg, run->seen[i]);
}

void pd_restore_seen_free(struct pd_restore_run *run)
{
    for (size_t i = 0; i < run->seen_count; i++)
        free(run->seen[i]);
    free(run->seen);
    run->seen = NULL;
    run->seen_count = 0;
}
