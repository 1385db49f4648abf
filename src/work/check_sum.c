#include <stdlib.h>
#include <string.h>

#include "check_priv.h"

/* In what order verdicts weigh. */
static int weight(enum pd_status status)
{
    switch (status) {
    case PD_OK:
        return 0;
    case PD_DEGRADED:
        return 1;
    case PD_UNVERIFIED:
        return 2;
    case PD_INTERRUPTED:
        return 4;
    default:
        return 3;
    }
}

static int compare_paths(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* The paths of a bad copy's damage, sorted, each once. Caller frees *out. */
static enum pd_status paths_of(const struct pd_check_copy *copy, const char ***out, size_t *count,
                               struct pd_error *err)
{
    const char **paths = calloc(copy->damage_count + 1, sizeof(*paths));
    size_t n = 0, kept = 0;

    *out = NULL;
    *count = 0;
    if (paths == NULL)
        return pd_error_memory(err, "the files lost");
    for (size_t i = 0; i < copy->damage_count; i++)
        if (copy->damage[i].path != NULL)
            paths[n++] = copy->damage[i].path;
    qsort(paths, n, sizeof(*paths), compare_paths);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(paths[i], paths[i - 1]) != 0)
            paths[kept++] = paths[i];
    *out = paths;
    *count = kept;
    return PD_OK;
}

/* Keeps of a those that are in b too; both sorted. */
static size_t intersect(const char **a, size_t a_count, const char **b, size_t b_count)
{
    size_t kept = 0;

    for (size_t i = 0, k = 0; i < a_count && k < b_count;) {
        int order = strcmp(a[i], b[k]);

        if (order == 0)
            a[kept++] = a[i];
        i += order <= 0;
        k += order >= 0;
    }
    return kept;
}

/* Files of one archive that are damaged on each copy that was read. */
static enum pd_status count_lost(const struct pd_check_copy *copies, size_t count, uint64_t *lost,
                                 struct pd_error *err)
{
    const char **common = NULL, **paths = NULL;
    size_t common_count = 0, path_count = 0;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < count && status == PD_OK; i++) {
        if (!copies[i].asked || copies[i].unread || copies[i].state == PD_COPY_WRITING)
            continue;
        status = paths_of(&copies[i], &paths, &path_count, err);
        if (status == PD_OK && common == NULL) {
            common = paths;
            common_count = path_count;
        } else if (status == PD_OK) {
            common_count = intersect(common, common_count, paths, path_count);
            free(paths);
        }
    }
    if (status == PD_OK)
        *lost += common_count;
    free(common);
    return status;
}

/* Of a copy that lies on a shelf, or on another host, no more is known than before. */
static enum pd_status status_of(const struct pd_check_copy *copy)
{
    if (!copy->settled) {
        return PD_INTERRUPTED;
    }
    return copy->status == PD_NOT_FOUND && copy->state != PD_COPY_BAD ? PD_UNVERIFIED
                                                                      : copy->status;
}

static bool is_asked(const struct pd_check_copy *copies, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (copies[i].asked)
            return true;
    return false;
}

/* The verdict on one archive. A copy not asked for counts as good only when it is recorded as
 * verified, and only to tell degraded from failed. */
static enum pd_status judge(const struct pd_check_copy *copies, size_t count)
{
    enum pd_status *asked = calloc(count + 1, sizeof(*asked));
    enum pd_status status;
    size_t n = 0;
    bool elsewhere = false;

    if (asked == NULL)
        return PD_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (copies[i].asked)
            asked[n++] = status_of(&copies[i]);
        else
            elsewhere = elsewhere || copies[i].state == PD_COPY_VERIFIED;
    }
    status = pd_status_across(asked, n);
    free(asked);
    if (elsewhere && status != PD_OK && status != PD_INTERRUPTED)
        status = PD_DEGRADED;
    return status;
}

static enum pd_status sum_archives(const struct pd_check_plan *plan,
                                   struct pd_check_summary *summary, struct pd_error *err)
{
    enum pd_status status = PD_OK, verdict;
    uint64_t with_copies = 0;

    summary->status = PD_OK;
    for (size_t i = 0, end; i < plan->copy_count && status == PD_OK; i = end) {
        const struct pd_check_copy *first = &plan->copies[i];

        for (end = i; end < plan->copy_count && plan->copies[end].archive_id == first->archive_id;)
            end++;
        if (!is_asked(first, end - i)) /* it was left */
            continue;
        with_copies++;
        verdict = judge(first, end - i);
        if (verdict == PD_NO_MEMORY)
            return pd_error_memory(err, "the verdict");
        if (weight(verdict) > weight(summary->status))
            summary->status = verdict;
        if (verdict == PD_FAILED)
            status = count_lost(first, end - i, &summary->files_lost, err);
    }
    summary->archives = with_copies;
    return status;
}

/* What was asked for as a whole has all its archives, and these all their copies. */
static enum pd_status judge_whole(struct pd_catalog *catalog, int64_t dump_id,
                                  const struct pd_check_plan *plan,
                                  struct pd_check_summary *summary, struct pd_error *err)
{
    enum pd_status status = pd_catalog_missing_copies(catalog, dump_id, &summary->missing, err);

    if (plan->archive_count > summary->archives) {
        summary->archives = plan->archive_count; /* archives that have no copy at all */
        if (summary->status != PD_INTERRUPTED)
            summary->status = PD_FAILED;
    }
    if (summary->status == PD_OK && summary->missing > 0)
        summary->status = PD_DEGRADED;
    return status;
}

enum pd_status pd_check_sum(struct pd_catalog *catalog, const struct pd_check_options *options,
                            const struct pd_check_plan *plan, struct pd_check_summary *summary,
                            struct pd_error *err)
{
    enum pd_status status = sum_archives(plan, summary, err);

    if (status == PD_OK && options->volume_count == 0)
        status = judge_whole(catalog, options->dump_id, plan, summary, err);
    if (status == PD_OK && summary->status == PD_OK && summary->copies + summary->left == 0)
        summary->status = PD_UNVERIFIED; /* nothing was read */
    return status;
}
