#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rebuild_priv.h"

enum { GAP_MAX = 256 }; /* tape files that may be missing in a row */

struct survey {
    struct pd_rebuild *r;
    struct pd_target *target;
    struct pd_rebuild_volume *volume;
    size_t number;
};

static enum pd_status leave_out(struct survey *s, const char *archive, const struct pd_error *why,
                                struct pd_error *err)
{
    s->volume->trouble = true;
    return pd_rebuild_find(s->r, PD_REBUILD_LEFT_OUT, s->volume, archive, why, err);
}

/* Where that costs little: is the tape file there, and as long as the index says? What is wrong
 * goes to bad. */
static enum pd_status check_length(struct survey *s, uint32_t tape_file, const struct pd_toc *toc,
                                   struct pd_error *bad, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status;

    if (!pd_target_caps(s->target).seeks_cheaply) {
        return PD_OK;
    }
    status = pd_target_open_file(s->target, tape_file, bad);
    if (status != PD_OK) {
        *err = *bad;
        return pd_rebuild_ends(status) ? status : PD_OK;
    }
    status = pd_target_seek(s->target, toc->record_count, toc->record_size, bad);
    if (status == PD_END_OF_FILE) {
        status = pd_error_set(bad, PD_TRUNCATED, 0, "ends before its %" PRIu64 " records",
                              toc->record_count);
    } else if (status == PD_OK) {
        struct pd_error behind = PD_ERROR_INIT;
        if (pd_target_seek(s->target, toc->record_count + 1, toc->record_size, &behind) == PD_OK) {
            status = pd_error_set(bad, PD_BAD_FORMAT, 0, "goes on behind its %" PRIu64 " records",
                                  toc->record_count);
        }
    }
    (void)!pd_target_close_file(s->target, &late); /* only read from */
    if (pd_rebuild_ends(status)) {
        *err = *bad;
        return status;
    }
    return PD_OK;
}

/* An index speaks of tape files before it, and names archives after its dump. */
static const char *misfit(const struct survey *s, const struct pd_index_info *info,
                          const struct pd_verify_listed *listed, uint32_t index)
{
    char name[160];

    snprintf(name, sizeof name, "%s.%04" PRIu64, info->dump_name, listed->toc.seq);
    if (listed->tape_file >= index) {
        return "the index lists a tape file that does not stand before it";
    }
    if (strcmp(name, listed->toc.name) != 0) {
        return "the index of another dump lists it, or another number";
    }
    if (listed->toc.record_size != s->volume->label.block_size) {
        return "its records are not as long as those of the volume";
    }
    return listed->toc.record_count == 0 ? "the index lists no records of it" : NULL;
}

static enum pd_status add_entry(struct survey *s, const struct pd_rebuild_entry *from,
                                const struct pd_toc *toc, struct pd_error *err)
{
    struct pd_rebuild *r = s->r;
    struct pd_rebuild_entry **grown = pd_rebuild_grown(r->entries, r->entry_count, err);
    struct pd_rebuild_entry *entry;
    enum pd_status status;

    if (!grown) {
        return PD_NO_MEMORY;
    }
    r->entries = grown;
    entry = malloc(sizeof *entry);
    if (!entry) {
        return pd_error_memory(err, "an index");
    }
    *entry = *from;
    status = pd_rebuild_spool_put(r, toc, entry, err);
    if (status == PD_OK) {
        r->entries[r->entry_count++] = entry;
        return PD_OK;
    }
    free(entry);
    return status;
}

static enum pd_status take_listed(struct survey *s, const struct pd_index_info *info, size_t dump,
                                  struct pd_verify_listed *listed, uint32_t index,
                                  struct pd_error *err)
{
    struct pd_rebuild_entry entry = {.volume = s->number,
                                     .dump = dump,
                                     .seq = listed->toc.seq,
                                     .tape_file = listed->tape_file,
                                     .when = info->created,
                                     .bad = PD_ERROR_INIT};
    const char *wrong = misfit(s, info, listed, index);
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status;

    if (wrong) {
        (void)!pd_error_set(&why, PD_BAD_FORMAT, 0, "%s", wrong);
        return leave_out(s, listed->toc.name, &why, err);
    }
    s->volume->files[listed->tape_file] = PD_REBUILD_LISTED;
    status = check_length(s, listed->tape_file, &listed->toc, &entry.bad, err);
    if (status == PD_OK && entry.bad.status != PD_OK) {
        status = leave_out(s, listed->toc.name, &entry.bad, err);
    }
    return status == PD_OK ? add_entry(s, &entry, &listed->toc, err) : status;
}

static void row_of(const struct pd_index_info *info, const struct pd_label *label,
                   struct pd_dump_row *row)
{
    const struct pd_index_facts *facts = &info->facts;

    memset(row, 0, sizeof *row);
    memcpy(row->uuid, info->dump_uuid, sizeof row->uuid);
    memcpy(row->name, info->dump_name, sizeof row->name);
    memcpy(row->host, facts->host, sizeof row->host);
    memcpy(row->roots, facts->roots, sizeof row->roots);
    memcpy(row->policy, facts->policy, sizeof row->policy);
    snprintf(row->pool, sizeof row->pool, "%s", facts->pool[0] ? facts->pool : label->pool);
    row->incremental = facts->incremental;
    row->copies = facts->copies ? facts->copies : (unsigned)label->partner_count + 1;
    row->started = facts->started;
    row->finished = info->created > row->started ? info->created : row->started; /* to the second */
    row->skipped = info->skipped;
    row->problems = info->problems;
}

static enum pd_status keep_line(void *arg, const struct pd_index_problem *problem,
                                struct pd_error *err)
{
    return pd_index_problem_encode(problem, arg) == PD_OK ? PD_OK
                                                          : pd_error_memory(err, "problems");
}

static enum pd_status take_index(struct survey *s, uint32_t tape_file,
                                 struct pd_verify_index *index, struct pd_error *err)
{
    struct pd_dump_row row;
    size_t dump = 0;
    bool fits = false;
    enum pd_status status;

    row_of(&index->info, &s->volume->label, &row);
    status = pd_rebuild_dump_told(s->r, s->volume, &row, &dump, &fits, err);
    if (status != PD_OK) {
        return status;
    }
    for (size_t i = 0; i < index->count && !fits; i++) { /* not read whole: they are known */
        if (index->list[i].tape_file < tape_file) {
            s->volume->files[index->list[i].tape_file] = PD_REBUILD_LISTED;
        }
    }
    if (!fits) {
        s->volume->trouble = true;
        return PD_OK;
    }
    s->volume->pair = s->volume->pair ? s->volume->pair : index->info.pair;
    status = pd_index_problems(index->text, index->text_len, keep_line,
                               &s->r->dumps[dump]->problems, err);
    for (size_t i = 0; i < index->count && status == PD_OK; i++) {
        status = take_listed(s, &index->info, dump, &index->list[i], tape_file, err);
        pd_toc_release(&index->list[i].toc);
    }
    return status;
}

static enum pd_status read_index(struct survey *s, uint32_t tape_file, struct pd_error *err)
{
    struct pd_verify_index index;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_verify_index_read(s->r->env, s->target, tape_file, &index, &why);

    s->volume->files[tape_file] = PD_REBUILD_INDEX;
    if (status == PD_OK) {
        status = take_index(s, tape_file, &index, err);
    } else if (pd_rebuild_ends(status)) {
        *err = why;
    } else {
        s->r->unread++;
        status = leave_out(s, "index", &why, err);
    }
    pd_verify_index_release(&index);
    return status;
}

static enum pd_status look_at(struct survey *s, uint32_t tape_file, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    bool is_index = false;
    enum pd_status status = pd_verify_index_peek(s->target, tape_file, &is_index, &why);

    if (pd_rebuild_ends(status)) {
        *err = why;
        return status;
    }
    if (status == PD_OK && is_index) {
        return read_index(s, tape_file, err);
    }
    if (status != PD_OK) {
        s->volume->files[tape_file] = PD_REBUILD_INDEX; /* nothing to be read there */
        s->r->unread++;
        return leave_out(s, "", &why, err);
    }
    s->volume->files[tape_file] = PD_REBUILD_UNREAD;
    s->volume->unread++;
    return PD_OK;
}

static enum pd_status tell_unended(struct survey *s, uint64_t bytes, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;

    (void)!pd_error_set(&why, PD_TRUNCATED, 0,
                        "%" PRIu64 " bytes behind the last filemark: cut off, or never finished",
                        bytes);
    return leave_out(s, "", &why, err);
}

/* One tape file that is gone does not take the others with it: looks for those on a disk, one by
 * one. *count: one more than the last number. */
static enum pd_status count_files(struct survey *s, uint32_t *count, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    *count = 0;
    for (uint32_t n = 0; n < *count + GAP_MAX && status == PD_OK; n++) {
        struct pd_error why = PD_ERROR_INIT;
        enum pd_status found = pd_target_open_file(s->target, n, &why);
        if (found == PD_OK) {
            (void)!pd_target_close_file(s->target, &why); /* only read from */
            *count = n + 1;
        } else if (pd_rebuild_ends(found)) {
            *err = why;
            return found;
        }
        status = pd_env_check(s->r->env, err);
    }
    return status;
}

/* From the end: an index says what lies before it, so only indexes are read. */
enum pd_status pd_rebuild_survey(struct pd_rebuild *r, struct pd_target *target,
                                 struct pd_rebuild_volume *volume, size_t number,
                                 struct pd_error *err)
{
    struct survey s = {r, target, volume, number};
    struct pd_target_position position = {0};
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = pd_target_position(target, &position, &why);

    if (pd_rebuild_ends(status)) {
        *err = why;
        return status;
    }
    if (status != PD_OK) {
        r->unread++;
        status = leave_out(&s, "", &why, err);
        if (status == PD_OK && pd_target_caps(target).seeks_cheaply) {
            status = count_files(&s, &position.file_count, err);
        }
        if (status != PD_OK || position.file_count <= 1) {
            return status;
        }
    }
    volume->file_count = position.file_count > 0 ? position.file_count : 1;
    volume->files = calloc(volume->file_count, sizeof *volume->files);
    if (!volume->files) {
        return pd_error_memory(err, "the list of tape files");
    }
    if (position.unended > 0) {
        status = tell_unended(&s, position.unended, err);
    }
    for (uint32_t n = volume->file_count - 1; n > 0 && status == PD_OK; n--) {
        if (volume->files[n] == PD_REBUILD_UNSEEN) {
            status = pd_env_check(r->env, err);
            status = status == PD_OK ? look_at(&s, n, err) : status;
        }
    }
    return status;
}
