#include <string.h>

#include "resume_priv.h"

/* The index of the last pair is written anew, behind all its archives, unless others have appended.
 */
static enum pd_status give_up_indexes(void *arg, bool *again, struct pd_error *err)
{
    struct pd_resume_lane *rl = arg;
    struct pd_dumping *d = rl->l->d;
    bool any = false;
    enum pd_status status = PD_OK;

    *again = true;
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        any = any || rl->told->indexes[i].written;
        *again = *again && (!rl->told->indexes[i].written ||
                            rl->last[i].tape_files <= (uint64_t)rl->told->indexes[i].tape_file + 1);
    }
    for (size_t i = 0; i < PD_COPIES_MAX && *again && status == PD_OK; i++) {
        if (rl->last[i].label[0] && rl->told->indexes[i].written &&
            rl->last[i].tape_files > rl->told->indexes[i].tape_file) {
            rl->last[i].tape_files = rl->told->indexes[i].tape_file;
            d->untold = true; /* until it is cut off there too: nobody else is to find it changed */
            status = pd_book_volume(&d->book, &rl->last[i], err);
        }
    }
    if (status == PD_OK && *again && any) {
        status = pd_book_dropped(&d->book, rl->l->number, err);
        pd_story_drop_index(&rl->r->story, rl->told);
    }
    return status == PD_OK ? pd_dump_settle(d, true, err) : status;
}

/* A full volume is mounted again for an index that it lacks. */
static bool is_usable(const struct pd_resume_lane *rl, size_t copy)
{
    const struct pd_volume_row *row = &rl->last[copy];

    return row->state == PD_VOLUME_APPENDABLE ||
           (row->state == PD_VOLUME_FULL_STATE && !rl->told->indexes[copy].written);
}

/* A kill came between the index of a full volume and its row. */
static enum pd_status count_index(struct pd_resume_lane *rl, size_t copy, struct pd_error *err)
{
    struct pd_volume_row *row = &rl->last[copy];

    if (row->state != PD_VOLUME_FULL_STATE || !rl->told->indexes[copy].written ||
        row->tape_files != rl->told->indexes[copy].tape_file) {
        return PD_OK;
    }
    row->tape_files++;
    return pd_book_volume(&rl->l->d->book, row, err);
}

/* The volumes that the last archive was begun on, but for those that nothing can be written to.
 * *all: all of them can be appended to; *any: some can be written to. */
static enum pd_status find_last(struct pd_resume_lane *rl, bool *all, bool *any,
                                struct pd_error *err)
{
    enum pd_status status = PD_OK;

    *all = true;
    *any = false;
    for (size_t i = 0; i < pd_pool_copies(rl->l->pool) && status == PD_OK; i++) {
        struct pd_volume_row *row = &rl->last[i];
        bool usable = rl->told->volumes[i][0] != '\0';
        if (usable) {
            status = pd_catalog_volume_find(rl->l->d->catalog, rl->told->volumes[i], row, err);
            usable = status == PD_OK && is_usable(rl, i);
        }
        if (status == PD_OK && rl->told->volumes[i][0] != '\0') {
            status = count_index(rl, i, err);
        }
        if (!usable) {
            row->label[0] = '\0';
        }
        *all = *all && usable && row->state == PD_VOLUME_APPENDABLE;
        *any = *any || usable;
    }
    return status;
}

/* Do the archives that are recorded last lie on these volumes? */
static bool is_last_recorded(const struct pd_resume_lane *rl)
{
    bool same = rl->l->archive_count > 0;

    for (size_t i = 0; i < pd_pool_copies(rl->l->pool); i++) {
        same = same && (!rl->last[i].label[0] || rl->last[i].id == rl->held[i]);
    }
    return same;
}

/* Does the archive that is recorded last stand in an index that stays? Then so do all before it. */
static bool is_last_listed(struct pd_resume_lane *rl)
{
    struct pd_dump_lane *l = rl->l;
    const struct pd_told_archive *told =
        l->archive_count > 0
            ? pd_story_archive(&rl->r->story, l->archives[l->archive_count - 1].row.seq)
            : NULL;

    return told && told->index != 0;
}

/* The volumes mounted, as they are now: another run may have filled them meanwhile. */
static bool can_append(struct pd_dump_lane *l)
{
    bool can = true;

    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        can = can && pd_pool_copy(l->pool, i)->volume.state == PD_VOLUME_APPENDABLE;
    }
    return can;
}

/* Mounts the volumes that the last archive was begun on, where that can be. */
static enum pd_status mount_last(struct pd_resume_lane *rl, bool *all, bool *good,
                                 struct pd_error *err)
{
    struct pd_dump_lane *l = rl->l;
    struct pd_dumping *d = l->d;
    bool usable = false;
    enum pd_status status = find_last(rl, all, &usable, err);

    *good = false;
    if (status == PD_OK && usable) {
        status = pd_pool_take_pair(l->pool, rl->last, d->row->name, give_up_indexes, rl, good, err);
    }
    if (status == PD_OK && d->untold && !*good) { /* the next resume looks again */
        status = pd_error_set(err, PD_BUSY, 0,
                              "the volumes of its last archives changed while they were mounted;"
                              " resume it again");
    }
    *all = *all && *good && can_append(l);
    return status;
}

/* Archives that stand in no index, on volumes that cannot be written to. */
static void miss_index(struct pd_resume_lane *rl)
{
    struct pd_dump_lane *l = rl->l;
    struct pd_error why = PD_ERROR_INIT;
    bool unlisted = false;

    for (size_t a = 0; a < l->archive_count; a++) {
        const struct pd_told_archive *told =
            pd_story_archive(&rl->r->story, l->archives[a].row.seq);
        unlisted = unlisted || (told && told->index == 0);
    }
    for (size_t i = 0; i < pd_pool_copies(l->pool) && unlisted; i++) {
        if (rl->told->volumes[i][0]) {
            pd_error_clear(&why);
            (void)pd_error_set(
                &why, PD_MISSING, 0,
                "copy %zu: no index on a volume tells of archives that the dump wrote"
                " before; it cannot be written to now",
                i + 1);
            pd_dump_lose_index(l, i, &why);
        }
    }
}

/* Goes on with those volumes; when not all can be appended to, the others get their index, and what
 * follows goes to another pair. */
enum pd_status pd_resume_take_pair(struct pd_resume_lane *rl, struct pd_error *err)
{
    struct pd_dump_lane *l = rl->l;
    struct pd_dumping *d = l->d;
    bool all = false, good = false;
    enum pd_status status = mount_last(rl, &all, &good, err);

    if (status != PD_OK) {
        return status;
    }
    d->untold = d->untold && !good;
    if (l->archive_count > 0 && (!(good && is_last_recorded(rl)) || is_last_listed(rl))) {
        l->pair_start = l->archive_count; /* what follows goes to another pair, or another index */
        l->pairs++;
    }
    if (good) {
        pd_dump_name_pair(l);
    } else {
        miss_index(rl);
    }
    l->mounted = all;
    return good && !all ? pd_dump_close_pair(l, PD_PAIR_OLD, err) : PD_OK;
}
