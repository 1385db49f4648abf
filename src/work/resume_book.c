#include "resume_book.h"

#include <stdlib.h>
#include <string.h>

#include "pairdump/size.h"

struct pd_told_archive *pd_story_archive(struct pd_story *story, uint64_t seq)
{
    for (size_t i = story->count; i > 0; i--) {
        if (story->archives[i - 1].seq == seq) {
            return &story->archives[i - 1];
        }
    }
    return NULL;
}

static bool number(const struct pd_entry *entry, size_t field, uint64_t *out)
{
    return field < entry->count && pd_parse_u64(entry->fields[field], out);
}

static enum pd_status bad(const struct pd_entry *entry, struct pd_error *err)
{
    return pd_error_set(err, PD_BAD_FORMAT, 0, "the dump's journal has a %s that is not as it should be",
                        entry->fields[0]);
}

/* The lane that stands in field `at`, where there is one; NULL: it cannot be. */
static struct pd_told_lane *lane_of(struct pd_story *story, const struct pd_entry *entry, size_t at)
{
    uint64_t lane = 0;

    return at >= entry->count || (number(entry, at, &lane) && lane < PD_COPIES_MAX)
               ? &story->lanes[lane]
               : NULL;
}

static enum pd_status read_volumes(struct pd_told_lane *lane, const struct pd_entry *entry,
                                   struct pd_error *err)
{
    memset(lane->indexes, 0, sizeof lane->indexes);
    lane->indexing = false;
    memset(lane->volumes, 0, sizeof lane->volumes);
    for (size_t at = 4; at + 2 < entry->count; at += 3) { /* a lane behind them is no three */
        uint64_t copy = 0;
        if (!number(entry, at, &copy) || copy == 0 || copy > PD_COPIES_MAX) {
            return bad(entry, err);
        }
        snprintf(lane->volumes[copy - 1], PD_UUID_TEXT, "%s", entry->fields[at + 1]);
    }
    return PD_OK;
}

static enum pd_status read_begin(struct pd_story *story, const struct pd_entry *entry,
                                 struct pd_error *err)
{
    bool has_lane = entry->count > 6 && strcmp(entry->fields[entry->count - 2], PD_BOOK_LANE) == 0;
    struct pd_told_lane *lane = lane_of(story, entry, entry->count - has_lane);
    uint64_t seq = 0;

    if (!lane || !number(entry, 1, &seq)) {
        return bad(entry, err);
    }
    if (story->count == story->room) {
        size_t room = story->room ? story->room * 2 : 16;
        struct pd_told_archive *grown = realloc(story->archives, room * sizeof *grown);
        if (!grown) {
            return pd_error_memory(err, "archives");
        }
        story->archives = grown;
        story->room = room;
    }
    story->archives[story->count++] = (struct pd_told_archive){
        .seq = seq, .state = PD_TOLD_BEGUN, .lane = (size_t)(lane - story->lanes)};
    return read_volumes(lane, entry, err);
}

static enum pd_status read_written(struct pd_story *story, const struct pd_entry *entry,
                                   struct pd_error *err)
{
    uint64_t seq = 0, tape_file = 0;
    struct pd_told_archive *a = number(entry, 1, &seq) ? pd_story_archive(story, seq) : NULL;

    if (!a || !number(entry, 2, &a->offset) || !number(entry, 3, &a->len) ||
        !number(entry, 4, &tape_file)) {
        return bad(entry, err);
    }
    a->tape_file = (uint32_t)tape_file;
    a->state = PD_TOLD_WRITTEN;
    return PD_OK;
}

static enum pd_status read_abandon(struct pd_story *story, const struct pd_entry *entry,
                                   struct pd_error *err)
{
    uint64_t seq = 0;
    struct pd_told_archive *a = number(entry, 1, &seq) ? pd_story_archive(story, seq) : NULL;

    if (!a) {
        return bad(entry, err);
    }
    a->state = PD_TOLD_GONE;
    return PD_OK;
}

static enum pd_status read_list(struct pd_story *story, const struct pd_entry *entry,
                                struct pd_error *err)
{
    struct pd_list_totals *t = &story->totals;

    if (entry->count < 9 || !number(entry, 1, &story->list_layout) ||
        !number(entry, 2, &story->list_size) || !number(entry, 3, &t->items) ||
        !number(entry, 4, &t->files) || !number(entry, 5, &t->bytes) ||
        !number(entry, 6, &t->archive_bytes) || !number(entry, 7, &t->largest)) {
        return bad(entry, err);
    }
    snprintf(t->largest_path, sizeof t->largest_path, "%s", entry->fields[8]);
    return PD_OK;
}

static enum pd_status read_listed(struct pd_story *story, const struct pd_entry *entry,
                                  struct pd_error *err)
{
    story->listed = number(entry, 1, &story->skipped);
    return story->listed ? PD_OK : bad(entry, err);
}

void pd_story_drop_index(struct pd_story *story, struct pd_told_lane *lane)
{
    for (size_t i = 0; i < story->count; i++) {
        if (story->archives[i].index == lane->index) {
            story->archives[i].index = 0;
        }
    }
    memset(lane->indexes, 0, sizeof lane->indexes);
    lane->indexing = false;
}

static enum pd_status read_dropped(struct pd_story *story, const struct pd_entry *entry,
                                   struct pd_error *err)
{
    struct pd_told_lane *lane = lane_of(story, entry, 2);

    if (!lane) {
        return bad(entry, err);
    }
    pd_story_drop_index(story, lane);
    return PD_OK;
}

/* An index lists all archives of its lane that none before it does. */
static enum pd_status read_indexed(struct pd_story *story, const struct pd_entry *entry,
                                   struct pd_error *err)
{
    struct pd_told_lane *lane = lane_of(story, entry, 4);
    uint64_t copy = 0, tape_file = 0;

    if (!lane || !number(entry, 1, &copy) || !number(entry, 2, &tape_file) || copy == 0 ||
        copy > PD_COPIES_MAX) {
        return bad(entry, err);
    }
    if (!lane->indexing) {
        lane->index = ++story->index_count;
    }
    lane->indexing = true;
    for (size_t i = 0; i < story->count; i++) {
        struct pd_told_archive *a = &story->archives[i];
        if (a->state == PD_TOLD_WRITTEN && a->index == 0 && &story->lanes[a->lane] == lane) {
            a->index = lane->index;
        }
    }
    lane->indexes[copy - 1].written = true;
    lane->indexes[copy - 1].tape_file = (uint32_t)tape_file;
    return PD_OK;
}

static enum pd_status read_option(struct pd_story *story, const struct pd_entry *entry,
                                  struct pd_error *err)
{
    return entry->count == 3 ? pd_plan_take(&story->plan, entry->fields[1], entry->fields[2], err)
                             : bad(entry, err);
}

static enum pd_status read_labelling(struct pd_story *story, const struct pd_entry *entry,
                                     struct pd_error *err)
{
    char(*grown)[PD_UUID_TEXT] = reallocarray(story->labels, story->label_count + 1, sizeof *grown);

    if (!grown) {
        return pd_error_memory(err, "labels");
    }
    story->labels = grown;
    if (entry->count < 2) {
        return bad(entry, err);
    }
    snprintf(grown[story->label_count++], sizeof *grown, "%s", entry->fields[1]);
    return PD_OK;
}

static enum pd_status read_entry(struct pd_story *story, const struct pd_entry *entry,
                                 struct pd_error *err)
{
    static const struct {
        const char *kind;
        enum pd_status (*read)(struct pd_story *, const struct pd_entry *, struct pd_error *);
    } kinds[] = {
        {"option", read_option},   {"list", read_list},       {"listed", read_listed},
        {"begin", read_begin},     {"written", read_written}, {"abandon", read_abandon},
        {"indexed", read_indexed}, {"dropped", read_dropped}, {"labelling", read_labelling},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].kind, entry->fields[0]) == 0) {
            return kinds[i].read(story, entry, err);
        }
    }
    return PD_OK; /* for the catalog alone */
}

enum pd_status pd_story_read(struct pd_dump_book *book, struct pd_story *story,
                             struct pd_error *err)
{
    struct pd_entry entry = {0};
    uint64_t place = 0;
    bool more = true;
    enum pd_status status;

    memset(story, 0, sizeof *story);
    status = pd_plan_start(&story->plan, err);
    while (status == PD_OK &&
           (status = pd_journal_next(book->journal, &place, &entry, &more, err)) == PD_OK && more) {
        status = read_entry(story, &entry, err);
    }
    story->plan.options.source.paths = story->plan.paths;
    story->plan.options.source.excludes = story->plan.excludes;
    book->alg = story->plan.pool.digest;
    pd_entry_release(&entry);
    return status;
}

void pd_story_release(struct pd_story *story)
{
    pd_plan_release(&story->plan);
    free(story->archives);
    free(story->labels);
    memset(story, 0, sizeof *story);
}
