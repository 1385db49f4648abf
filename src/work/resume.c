#include "pairdump/resume.h"

#include <stdlib.h>
#include <string.h>

#include "pairdump/check.h"
#include "pairdump/process.h"
#include "resume_book.h"

struct resuming {
    struct pd_dumping *d;
    struct pd_story story;
    struct pd_volume_row *last; /* volumes that the last archive was begun on, one for each copy */
    int64_t held[PD_COPIES_MAX]; /* ids of the volumes of the last archive that is recorded */
};

/* ---- what was written before ---- */

/* Begun and never finished: the catalog forgets it, and it will be begun again. */
static enum pd_status abandon_unfinished(struct resuming *r, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < r->story.count && status == PD_OK; i++) {
        struct pd_told_archive *a = &r->story.archives[i];
        if (a->state == PD_TOLD_BEGUN) {
            a->state = PD_TOLD_GONE;
            status = pd_book_abandon(&r->d->book, a->seq, err);
        }
    }
    return status == PD_OK ? pd_dump_settle(r->d, true, err) : status;
}

static enum pd_status tell_bad(void *arg, const struct pd_verify_result *result,
                               struct pd_error *err)
{
    struct pd_dumping *d = arg;

    (void)err;
    if (result->status != PD_OK) {
        pd_dump_warn(d, &result->error);
    }
    return PD_OK;
}

/* Finished archives are read back, not rewritten. */
static enum pd_status verify_written(struct resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    struct pd_check_options options = {.dump_id = d->row->id,
                                       .unverified_only = true,
                                       .retry = pd_dump_retry(d, "open"),
                                       .on_result = tell_bad,
                                       .result_arg = d};
    struct pd_check_summary summary;
    enum pd_status status = PD_OK;

    if (r->story.plan.pool.verify.mode != PD_VERIFY_NONE) {
        pd_pool_clear_drives(d->env, &r->story.plan.pool);
        status = pd_check_run(d->env, d->catalog, &options, &summary, err);
    }
    return status == PD_OK ? pd_env_check(d->env, err) : status;
}

struct loading {
    struct resuming *r;
    struct pd_dump_archive *archive;
    int64_t volumes[PD_COPIES_MAX]; /* of the archive at hand, and of the one before */
    int64_t before[PD_COPIES_MAX];
};

static enum pd_status load_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct loading *loading = arg;
    struct resuming *r = loading->r;
    struct pd_dumping *d = r->d;
    bool none = r->story.plan.pool.verify.mode == PD_VERIFY_NONE;

    (void)err;
    if (row->copy == 0 || row->copy > PD_COPIES_MAX) {
        return PD_OK;
    }
    size_t i = row->copy - 1;
    struct pd_dump_copy *copy = &loading->archive->copies[i];
    struct pd_dump_copy_summary *summary = &d->summary->copies[i];
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
    summary->bytes += copy->written ? loading->archive->row.records *
                                          loading->archive->row.record_size
                                    : 0;
    loading->volumes[i] = row->volume_id;
    pd_dump_name_volume(d, i, row->label);
    return PD_OK;
}

static enum pd_status load_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    struct loading *loading = arg;
    struct resuming *r = loading->r;
    struct pd_dumping *d = r->d;
    const struct pd_told_archive *told = pd_story_archive(&r->story, row->seq);
    size_t place = 0;

    if (!told || told->state != PD_TOLD_WRITTEN) {
        return pd_error_set(err, PD_CATALOG, 0, "archive %s is in the catalog, not in the journal",
                            row->name);
    }
    enum pd_status status = pd_dump_add_archive(d, &place, err);
    if (status != PD_OK) {
        return status;
    }
    struct pd_dump_archive *a = &d->archives[place];
    a->row = *row;
    a->index_offset = told->offset;
    a->index_len = told->len;
    a->index_tape_file = told->tape_file;
    d->row->archives++;
    d->row->files += row->files;
    d->row->bytes += row->payload_bytes;
    d->last_seq = row->seq > d->last_seq ? row->seq : d->last_seq;
    loading->archive = a;
    return PD_OK;
}

/* What stands in an index that stays counts as a pair of its own: no other index lists it. */
static bool is_on_next_pair(struct loading *loading, size_t place)
{
    struct resuming *r = loading->r;
    const struct pd_dump_archive *a = &r->d->archives[place];
    const struct pd_told_archive *told = pd_story_archive(&r->story, a->row.seq);
    const struct pd_told_archive *before = pd_story_archive(&r->story, a[-1].row.seq);

    return memcmp(loading->before, loading->volumes, sizeof loading->before) != 0 ||
           (told && before && told->index != before->index);
}

/* Archives that lie on the same volumes are on one pair. */
static enum pd_status load_copies(struct loading *loading, struct pd_error *err)
{
    struct resuming *r = loading->r;
    struct pd_dumping *d = r->d;
    enum pd_status status = PD_OK;

    for (size_t place = 0; place < d->archive_count && status == PD_OK; place++) {
        loading->archive = &d->archives[place];
        memcpy(loading->before, loading->volumes, sizeof loading->before);
        memset(loading->volumes, 0, sizeof loading->volumes);
        status = pd_catalog_copies(d->catalog, loading->archive->row.id, 0, load_copy, loading, err);
        if (place > 0 && is_on_next_pair(loading, place)) {
            d->pairs++;
            d->pair_start = place;
        }
        loading->archive->pair = d->pairs;
        for (size_t i = 0; i < d->row->copies && i < PD_COPIES_MAX; i++) {
            if (!loading->archive->copies[i].begun) {
                loading->archive->copies[i].status = PD_MISSING;
            }
        }
    }
    memcpy(r->held, loading->volumes, sizeof r->held);
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

static enum pd_status load(struct resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    struct loading loading = {.r = r};
    enum pd_status status;

    d->row->archives = d->row->files = d->row->bytes = d->row->problems = 0;
    d->row->skipped = r->story.skipped;
    status = pd_catalog_archives(d->catalog, d->row->id, load_archive, &loading, err);
    if (status == PD_OK) {
        status = load_copies(&loading, err);
    }
    return status == PD_OK ? pd_catalog_problems(d->catalog, d->row->id, count_problem, d, err)
                           : status;
}

/* ---- going on ---- */

/* The index of the last pair is written anew, behind all its archives, unless others have appended. */
static enum pd_status give_up_indexes(void *arg, bool *again, struct pd_error *err)
{
    struct resuming *r = arg;
    struct pd_dumping *d = r->d;
    bool any = false;
    enum pd_status status = PD_OK;

    *again = true;
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        any = any || r->story.indexes[i].written;
        *again = *again && (!r->story.indexes[i].written ||
                            r->last[i].tape_files <= (uint64_t)r->story.indexes[i].tape_file + 1);
    }
    for (size_t i = 0; i < PD_COPIES_MAX && *again && status == PD_OK; i++) {
        if (r->last[i].label[0] && r->story.indexes[i].written &&
            r->last[i].tape_files > r->story.indexes[i].tape_file) {
            r->last[i].tape_files = r->story.indexes[i].tape_file;
            d->untold = true; /* until it is cut off there too: nobody else is to find it changed */
            status = pd_book_volume(&d->book, &r->last[i], err);
        }
    }
    if (status == PD_OK && *again && any) {
        status = pd_book_dropped(&d->book, err);
        pd_story_drop_index(&r->story);
    }
    return status == PD_OK ? pd_dump_settle(d, true, err) : status;
}

/* A full volume is mounted again for an index that it lacks. */
static bool is_usable(const struct resuming *r, size_t copy)
{
    const struct pd_volume_row *row = &r->last[copy];

    return row->state == PD_VOLUME_APPENDABLE ||
           (row->state == PD_VOLUME_FULL_STATE && !r->story.indexes[copy].written);
}

/* A kill came between the index of a full volume and its row. */
static enum pd_status count_index(struct resuming *r, size_t copy, struct pd_error *err)
{
    struct pd_volume_row *row = &r->last[copy];

    if (row->state != PD_VOLUME_FULL_STATE || !r->story.indexes[copy].written ||
        row->tape_files != r->story.indexes[copy].tape_file) {
        return PD_OK;
    }
    row->tape_files++;
    return pd_book_volume(&r->d->book, row, err);
}

/* The volumes that the last archive was begun on, but for those that nothing can be written to. *all: all
 * of them can be appended to; *any: some can be written to. */
static enum pd_status find_last(struct resuming *r, bool *all, bool *any, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    *all = true;
    *any = false;
    for (size_t i = 0; i < pd_pool_copies(r->d->pool) && status == PD_OK; i++) {
        struct pd_volume_row *row = &r->last[i];
        bool usable = r->story.volumes[i][0] != '\0';
        if (usable) {
            status = pd_catalog_volume_find(r->d->catalog, r->story.volumes[i], row, err);
            usable = status == PD_OK && is_usable(r, i);
        }
        if (status == PD_OK && r->story.volumes[i][0] != '\0') {
            status = count_index(r, i, err);
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
static bool is_last_recorded(const struct resuming *r)
{
    bool same = r->d->archive_count > 0;

    for (size_t i = 0; i < pd_pool_copies(r->d->pool); i++) {
        same = same && (!r->last[i].label[0] || r->last[i].id == r->held[i]);
    }
    return same;
}

/* Does the archive that is recorded last stand in an index that stays? Then so do all before it. */
static bool is_last_listed(struct resuming *r)
{
    struct pd_dumping *d = r->d;
    const struct pd_told_archive *told =
        d->archive_count > 0
            ? pd_story_archive(&r->story, d->archives[d->archive_count - 1].row.seq)
            : NULL;

    return told && told->index != 0;
}

/* The volumes mounted, as they are now: another run may have filled them meanwhile. */
static bool can_append(struct pd_dumping *d)
{
    bool can = true;

    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        can = can && pd_pool_copy(d->pool, i)->volume.state == PD_VOLUME_APPENDABLE;
    }
    return can;
}

/* Mounts the volumes that the last archive was begun on, where that can be. */
static enum pd_status mount_last(struct resuming *r, bool *all, bool *good, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    bool usable = false;
    enum pd_status status = find_last(r, all, &usable, err);

    *good = false;
    if (status == PD_OK && usable) {
        status = pd_pool_take_pair(d->pool, r->last, d->row->name, give_up_indexes, r, good, err);
    }
    if (status == PD_OK && d->untold && !*good) { /* the next resume looks again */
        status = pd_error_set(err, PD_BUSY, 0,
                              "the volumes of its last archives changed while they were mounted;"
                              " resume it again");
    }
    *all = *all && *good && can_append(d);
    return status;
}

/* Archives that stand in no index, on volumes that cannot be written to. */
static void miss_index(struct resuming *r)
{
    struct pd_dumping *d = r->d;
    struct pd_error why = PD_ERROR_INIT;
    bool unlisted = false;

    for (size_t a = 0; a < d->archive_count; a++) {
        const struct pd_told_archive *told = pd_story_archive(&r->story, d->archives[a].row.seq);
        unlisted = unlisted || (told && told->index == 0);
    }
    for (size_t i = 0; i < pd_pool_copies(d->pool) && unlisted; i++) {
        if (r->story.volumes[i][0]) {
            pd_error_clear(&why);
            (void)pd_error_set(
                &why, PD_MISSING, 0,
                "copy %zu: no index on a volume tells of archives that the dump wrote"
                " before; it cannot be written to now",
                i + 1);
            pd_dump_lose_index(d, i, &why);
        }
    }
}

/* Goes on with those volumes; when not all can be appended to, the others get their index, and what
 * follows goes to another pair. */
static enum pd_status take_last_pair(struct resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    bool all = false, good = false;
    enum pd_status status = mount_last(r, &all, &good, err);

    if (status != PD_OK) {
        return status;
    }
    d->untold = d->untold && !good;
    if (d->archive_count > 0 && (!(good && is_last_recorded(r)) || is_last_listed(r))) {
        d->pair_start = d->archive_count; /* what follows goes to another pair, or another index */
        d->pairs++;
    }
    if (good) {
        pd_dump_name_pair(d);
    } else {
        miss_index(r);
    }
    d->mounted = all;
    return good && !all ? pd_dump_close_pair(d, PD_PAIR_OLD, err) : PD_OK;
}

static enum pd_status open_list(struct resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    char *path = NULL;
    enum pd_status status;

    if (r->story.list_layout != PD_LIST_LAYOUT) {
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "the dump was begun by another version of pairdump; resume it with that");
    }
    status = pd_book_path(&d->book, "list", &path, err);
    if (status == PD_OK) {
        status = pd_list_open(path, r->story.list_size, &r->story.totals, &d->list, err);
    }
    free(path);
    if (status == PD_OK) {
        d->summary->source_files = r->story.totals.items;
        d->summary->source_bytes = r->story.totals.bytes;
        d->summary->archive_bytes = r->story.totals.archive_bytes;
    }
    return status;
}

/* Its list of paths came through a pipe, and was never whole. */
static bool is_unlistable(const struct pd_story *story)
{
    const char *list = story->plan.options.source.list_file;

    return !story->listed && list && strcmp(list, "-") == 0;
}

/* With a list there is nothing left to be found: files are only read. */
static enum pd_status open_source(struct resuming *r, struct pd_dump_options *options,
                                  struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    enum pd_status status = PD_OK;

    if (r->story.listed) {
        options->source.path_count = 0;
        options->source.list_file = NULL;
    }
    for (size_t i = 0; i < r->story.plan.root_count && status == PD_OK; i++) {
        status = pd_dump_add_root(d, r->story.plan.roots[i], err);
    }
    return status == PD_OK ? pd_dump_open_source(d, err) : status;
}

static enum pd_status take_claims(struct resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    char what[sizeof d->row->name + 16];
    enum pd_status status;

    snprintf(what, sizeof what, "resume %s", d->row->name);
    status = pd_dump_claim_source(d, what, err);
    return status == PD_OK ? pd_dump_claim_dump(d, err) : status;
}

/* The catalog learns what the journal has for it; *done: that was all. */
static enum pd_status catch_up(struct resuming *r, bool *done, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    char uuid[PD_UUID_TEXT];
    enum pd_status status = pd_book_start(&d->book, d->catalog, d->row->id, d->run.id, err);

    if (status == PD_OK) {
        status = pd_dump_settle(d, true, err);
    }
    if (status == PD_OK) {
        memcpy(uuid, d->row->uuid, sizeof uuid);
        status = pd_catalog_dump_find(d->catalog, uuid, d->row, err);
    }
    *done = status == PD_OK && d->row->state == PD_DUMP_DONE;
    return status;
}

/* What the run before had reserved; the one that goes on reserves its own. */
static enum pd_status drop_reserved(struct resuming *r, struct pd_error *err)
{
    const struct pd_pool_run run = pd_dump_pool_run(r->d);

    return pd_pool_drop_reserved(&run, r->story.labels, r->story.label_count, err);
}

static enum pd_status prepare(struct resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    enum pd_status status = abandon_unfinished(r, err);

    if (status == PD_OK && is_unlistable(&r->story)) {
        d->goes_on = false;
        status = pd_error_set(err, PD_USAGE, 0,
                              "its list of paths came from standard input and was not taken whole;"
                              " nothing was written: make a new dump");
    }
    if (status == PD_OK) {
        status = verify_written(r, err);
    }
    if (status == PD_OK) {
        status = pd_dump_open_pool(d, &r->story.plan.pool, err);
    }
    if (status == PD_OK) {
        status = drop_reserved(r, err);
    }
    if (status == PD_OK) {
        status = load(r, err);
    }
    if (status == PD_OK) {
        status = r->story.listed ? open_list(r, err) : pd_dump_list(d, err);
    }
    if (status == PD_OK) {
        status = take_last_pair(r, err);
    }
    if (status == PD_OK) {
        status = pd_dump_check_space(d, err);
    }
    if (status == PD_OK) {
        pd_dump_reserve(d);
    }
    return status;
}

/* The dump was done, and only the catalog did not know. */
static enum pd_status tell_outcome(struct resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    enum pd_status verdict = d->row->status;
    enum pd_status status;

    d->summary->copy_count = d->row->copies < PD_COPIES_MAX ? d->row->copies : PD_COPIES_MAX;
    for (size_t i = 0; i < d->summary->copy_count && i < r->story.plan.pool.copy_count; i++) {
        snprintf(d->summary->copies[i].url, sizeof d->summary->copies[i].url, "%s",
                 r->story.plan.pool.copies[i]);
    }
    status = load(r, err);
    if (status == PD_OK) {
        status = drop_reserved(r, err);
    }
    if (status == PD_OK && verdict != PD_OK) {
        status = pd_error_set(err, verdict, 0, "recorded as it ended; see show %s", d->row->name);
    }
    d->summary->status = status;
    d->summary->error = *err;
    pd_dump_release(d, pd_status_exit(status) != PD_EXIT_CATALOG);
    return status;
}

static enum pd_status open_book(struct resuming *r, struct pd_error *err)
{
    struct pd_dumping *d = r->d;
    char host[PD_HOST_TEXT];
    enum pd_status status;

    if (!pd_book_exists(d->options->state_dir, d->row->uuid)) {
        pd_process_host(host);
        return pd_error_set(err, PD_NOT_FOUND, 0,
                            "no journal of dump %s in %s; it was made on host %s%s", d->row->name,
                            d->options->state_dir, d->row->host,
                            strcmp(host, d->row->host) == 0 ? ", maybe with another state folder"
                                                            : "");
    }
    status = pd_book_open(d->env, d->options->state_dir, d->row, false, &d->book, err);
    return status == PD_OK ? pd_story_read(&d->book, &r->story, err) : status;
}

enum pd_status pd_resume_run(const struct pd_env *env, struct pd_catalog *catalog,
                             const struct pd_dump_row *row, const struct pd_dump_options *options,
                             struct pd_dump_summary *summary, struct pd_error *err)
{
    struct pd_dump_options merged = *options;
    struct pd_dumping d = {.env = env,
                           .catalog = catalog,
                           .options = &merged,
                           .summary = summary,
                           .row = &summary->row,
                           .goes_on = true,
                           .problems.lock = PTHREAD_MUTEX_INITIALIZER};
    struct resuming r = {.d = &d, .last = calloc(PD_COPIES_MAX, sizeof *r.last)};
    uint64_t began = pd_clock_monotonic(env->clock);
    bool done = false;
    enum pd_status status = r.last ? PD_OK : pd_error_memory(err, "volumes");

    memset(summary, 0, sizeof *summary);
    summary->row = *row;
    summary->ring_bytes = options->config->buffer;
    if (status == PD_OK) {
        status = open_book(&r, err);
    }
    if (status == PD_OK) {
        merged.source = r.story.plan.options.source;
        merged.incremental = r.story.plan.options.incremental;
        merged.pool = &r.story.plan.pool;
        status = open_source(&r, &merged, err);
    }
    if (status == PD_OK) {
        status = take_claims(&r, err);
    }
    if (status == PD_OK) {
        status = catch_up(&r, &done, err);
    }
    if (status == PD_OK && !done) {
        status = prepare(&r, err);
    }
    status = done ? tell_outcome(&r, err) : pd_dump_carry_out(&d, status, err);
    summary->total_ns = pd_clock_monotonic(env->clock) - began;
    pd_story_release(&r.story);
    free(r.last);
    return status;
}
