#include <string.h>

#include "resume_priv.h"

struct loading {
    struct pd_resuming *r;
    struct pd_resume_lane *rl; /* of the archive at hand */
    struct pd_dump_archive *archive;
    int64_t volumes[PD_COPIES_MAX]; /* of the archive at hand, and of the one before */
    int64_t before[PD_COPIES_MAX];
};

static enum pd_status load_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct loading *loading = arg;
    struct pd_resuming *r = loading->r;
    struct pd_dump_lane *l = loading->rl->l;
    bool none = r->story.plan.pool.verify.mode == PD_VERIFY_NONE;

    (void)err;
    if (row->copy == 0 || row->copy > PD_COPIES_MAX) {
        return PD_OK;
    }
    size_t i = row->copy - 1;
    struct pd_dump_copy *copy = &loading->archive->copies[i];
    struct pd_dump_copy_summary *summary = &l->copies[i];
    copy->begun = true;
    copy->tape_file = row->tape_file;
    copy->written = row->state == PD_COPY_WRITTEN || row->state == PD_COPY_VERIFIED;
    copy->status = row->state == PD_COPY_VERIFIED ? PD_OK
                   : row->state == PD_COPY_BAD    ? row->reason
                                                  : PD_UNVERIFIED;
    copy->chosen = !none;
    summary->archives_written += copy->written;
    summary->archives_verified += row->state == PD_COPY_VERIFIED;
    if (row->state == PD_COPY_BAD) {
        summary->archives_bad++;
        summary->status = pd_status_worst(summary->status, row->reason);
        if (summary->error.status == PD_OK) {
            pd_error_set(&summary->error, row->reason, 0, "%s", row->message);
            pd_error_context(&summary->error, row->label, row->archive, NULL);
        }
    }
    summary->bytes +=
        copy->written ? loading->archive->row.records * loading->archive->row.record_size : 0;
    loading->volumes[i] = row->volume_id;
    pd_dump_name_volume(l, i, row->label);
    return PD_OK;
}

/* Archives of a lane stand in the order in which they were begun, not in that of their numbers. */
static void put_in_order(struct loading *loading, size_t place)
{
    struct pd_dump_archive *a = loading->rl->l->archives;
    struct pd_story *story = &loading->r->story;
    struct pd_dump_archive own = a[place];

    while (place > 0 &&
           pd_story_archive(story, a[place - 1].row.seq) > pd_story_archive(story, own.row.seq)) {
        a[place] = a[place - 1];
        place--;
    }
    a[place] = own;
}

static enum pd_status load_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    struct loading *loading = arg;
    struct pd_resuming *r = loading->r;
    struct pd_dumping *d = r->d;
    const struct pd_told_archive *told = pd_story_archive(&r->story, row->seq);
    size_t place = 0;

    if (!told || told->state != PD_TOLD_WRITTEN) {
        return pd_error_set(err, PD_CATALOG, 0, "archive %s is in the catalog, not in the journal",
                            row->name);
    }
    if (told->lane >= d->lane_count) {
        return pd_error_set(err, PD_BAD_FORMAT, 0,
                            "the dump's journal has archive %s on a pair of drives that it has not",
                            row->name);
    }
    loading->rl = &r->lanes[told->lane];
    enum pd_status status = pd_dump_add_archive(loading->rl->l, &place, err);
    if (status != PD_OK) {
        return status;
    }
    struct pd_dump_archive *a = &loading->rl->l->archives[place];
    a->row = *row;
    a->index_offset = told->offset;
    a->index_len = told->len;
    a->index_tape_file = told->tape_file;
    put_in_order(loading, place);
    d->row->archives++;
    d->row->files += row->files;
    d->row->bytes += row->payload_bytes;
    return pd_batches_add_done(&d->batches, row->seq, err);
}

/* What stands in an index that stays counts as a pair of its own: no other index lists it. */
static bool is_on_next_pair(struct loading *loading, size_t place)
{
    struct pd_resuming *r = loading->r;
    const struct pd_dump_archive *a = &loading->rl->l->archives[place];
    const struct pd_told_archive *told = pd_story_archive(&r->story, a->row.seq);
    const struct pd_told_archive *before = pd_story_archive(&r->story, a[-1].row.seq);

    return memcmp(loading->before, loading->volumes, sizeof loading->before) != 0 ||
           (told && before && told->index != before->index);
}

/* Archives that lie on the same volumes are on one pair. */
static enum pd_status load_copies(struct pd_resume_lane *rl, struct pd_error *err)
{
    struct loading loading = {.r = rl->r, .rl = rl};
    struct pd_dump_lane *l = rl->l;
    struct pd_dumping *d = l->d;
    enum pd_status status = PD_OK;

    for (size_t place = 0; place < l->archive_count && status == PD_OK; place++) {
        loading.archive = &l->archives[place];
        memcpy(loading.before, loading.volumes, sizeof loading.before);
        memset(loading.volumes, 0, sizeof loading.volumes);
        status =
            pd_catalog_copies(d->catalog, loading.archive->row.id, 0, load_copy, &loading, err);
        if (place > 0 && is_on_next_pair(&loading, place)) {
            l->pairs++;
            l->pair_start = place;
        }
        loading.archive->pair = l->pairs;
        for (size_t i = 0; i < d->row->copies && i < PD_COPIES_MAX; i++) {
            if (!loading.archive->copies[i].begun) {
                loading.archive->copies[i].status = PD_MISSING;
            }
        }
    }
    memcpy(rl->held, loading.volumes, sizeof rl->held);
    return status;
}

static enum pd_status count_problem(void *arg, const struct pd_problem *problem,
                                    struct pd_error *err)
{
    struct pd_dumping *d = arg;

    (void)problem;
    (void)err;
    d->row->problems++;
    return PD_OK;
}

enum pd_status pd_resume_load(struct pd_resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    struct loading loading = {.r = r};
    enum pd_status status;

    d->row->archives = d->row->files = d->row->bytes = d->row->problems = 0;
    d->row->skipped = r->story.skipped;
    status = pd_catalog_archives(d->catalog, d->row->id, load_archive, &loading, err);
    for (size_t i = 0; i < d->lane_count && status == PD_OK; i++) {
        status = load_copies(&r->lanes[i], err);
    }
    return status == PD_OK ? pd_catalog_problems(d->catalog, d->row->id, count_problem, d, err)
                           : status;
}
