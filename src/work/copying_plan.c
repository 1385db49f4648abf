#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "copying_priv.h"
#include "pairdump/process.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "pairdump/space.h"

/* ---- what the catalog has ---- */

static enum pd_status take_row(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct pd_copying *c = arg;
    struct pd_copying_row *rows = c->rows;

    if ((c->row_count & (c->row_count - 1)) == 0) { /* room grows by doubling */
        rows = reallocarray(rows, c->row_count ? 2 * c->row_count : 1, sizeof *rows);
        if (!rows) {
            return pd_error_memory(err, "the copies");
        }
        c->rows = rows;
    }
    rows[c->row_count++] = (struct pd_copying_row){.id = row->id,
                                                   .archive_id = row->archive_id,
                                                   .volume_id = row->volume_id,
                                                   .copy = row->copy,
                                                   .tape_file = row->tape_file,
                                                   .state = row->state,
                                                   .reason = row->reason};
    return PD_OK;
}

static enum pd_status take_volume(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct pd_copying *c = arg;
    struct pd_volume_row *volumes = reallocarray(c->volumes, c->volume_count + 1, sizeof *volumes);

    if (!volumes) {
        return pd_error_memory(err, "the volumes");
    }
    c->volumes = volumes;
    volumes[c->volume_count++] = *row;
    return PD_OK;
}

static enum pd_status take_dump(void *arg, const struct pd_dump_row *row, struct pd_error *err)
{
    struct pd_copying *c = arg;
    struct pd_dump_row *dumps = reallocarray(c->dumps, c->dump_count + 1, sizeof *dumps);

    if (!dumps) {
        return pd_error_memory(err, "the dumps");
    }
    c->dumps = dumps;
    dumps[c->dump_count++] = *row;
    return PD_OK;
}

static const struct pd_volume_row *volume_of(const struct pd_copying *c, int64_t id)
{
    for (size_t i = 0; i < c->volume_count; i++) {
        if (c->volumes[i].id == id) {
            return &c->volumes[i];
        }
    }
    return NULL;
}

const struct pd_dump_row *pd_copying_dump(const struct pd_copying *c, int64_t id)
{
    for (size_t i = 0; i < c->dump_count; i++) {
        if (c->dumps[i].id == id) {
            return &c->dumps[i];
        }
    }
    return NULL;
}

bool pd_copying_is_mine(const struct pd_copying *c, const struct pd_volume_row *volume)
{
    if (c->old.id != 0) {
        return volume->replaces == c->old.id;
    }
    return volume->replaces == 0 && strcmp(volume->pool, PD_COPYING_POOL) == 0 &&
           strcmp(volume->location, c->location) == 0;
}

/* Given up, or replaced: it tells of nothing that is still to be had. */
static bool is_void(const struct pd_copying_row *row)
{
    return row->reason == PD_GIVEN_UP || row->reason == PD_REPLACED;
}

/* The rows of an archive, which stand together. */
static const struct pd_copying_row *rows_of(const struct pd_copying *c, int64_t archive_id,
                                            size_t *count)
{
    size_t low = 0, high = c->row_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->rows[middle].archive_id < archive_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *count = 0;
    while (low + *count < c->row_count && c->rows[low + *count].archive_id == archive_id) {
        ++*count;
    }
    return c->rows ? c->rows + low : NULL;
}

/* ---- the volume to be replaced ---- */

/* A label of our own kind that no volume bears: the copy was lost before its volume was labelled.
 * Its partners tell pool and pair. */
static enum pd_status make_up_old(struct pd_copying *c, const char *label, struct pd_error *err)
{
    size_t len = strlen(label);
    uint64_t pair = 0;
    struct pd_error why = PD_ERROR_INIT;
    bool like = len == 8 && label[2] >= '1' && label[2] <= '8' && pd_parse_u64(label + 3, &pair);

    for (unsigned copy = 1; like && copy <= PD_COPIES_MAX; copy++) {
        char partner[PD_LABEL_TEXT];
        snprintf(partner, sizeof partner, "%.2s%u%.5s", label, copy, label + 3);
        enum pd_status status = pd_catalog_volume_find(c->catalog, partner, &c->old, &why);
        if (status != PD_OK && status != PD_NOT_FOUND) {
            *err = why;
            return status;
        }
        if (status == PD_OK && c->old.pair == pair && c->old.replaces == 0) {
            snprintf(c->old.label, sizeof c->old.label, "%s", label);
            pd_uuid_make(c->env->rng, c->old.uuid);
            c->old.id = PD_COPYING_MADE_UP;
            c->old.copy = (unsigned)(label[2] - '0');
            c->old.state = PD_VOLUME_RETIRED;
            c->old.location[0] = c->old.host[0] = c->old.medium[0] = '\0';
            c->old.used = c->old.tape_files = 0;
            c->old.last_written = c->old.last_verified = c->old.retain_until = 0;
            return PD_OK;
        }
    }
    memset(&c->old, 0, sizeof c->old);
    return pd_error_set(err, PD_NOT_FOUND, 0, "no volume %s in the catalog", label);
}

enum pd_status pd_copying_find_old(struct pd_copying *c, struct pd_error *err)
{
    const char *label = c->options->replace;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status;

    if (!label) {
        return PD_OK;
    }
    status = pd_catalog_volume_find(c->catalog, label, &c->old, &why);
    if (status == PD_NOT_FOUND && !c->options->in_place) {
        status = make_up_old(c, label, err);
    } else if (status != PD_OK) {
        *err = why;
    }
    if (status == PD_OK && (c->old.state == PD_VOLUME_SCRATCH || c->old.state == PD_VOLUME_GONE)) {
        status = pd_error_set(err, PD_GIVEN_UP, 0,
                              "%s is %s: nothing on it counts; copy its dumps instead",
                              c->old.label, pd_volume_state_name(c->old.state));
    }
    if (status == PD_OK && c->old.state == PD_VOLUME_RESERVED) {
        status =
            pd_error_set(err, PD_USAGE, 0, "%s is reserved, and no medium bears it", c->old.label);
    }
    return status;
}

/* ---- repair: which archives ---- */

/* Was the volume filled side by side with the one to be replaced? */
static bool is_partner(const struct pd_copying *c, const struct pd_volume_row *volume)
{
    return volume && c->old.pair != 0 && volume->pair == c->old.pair && volume->replaces == 0 &&
           volume->copy != c->old.copy && strcmp(volume->pool, c->old.pool) == 0 &&
           strncmp(volume->label, c->old.label, 2) == 0;
}

/* It has a copy on the old volume, or should have one there and has it nowhere. */
static bool belongs_to_old(const struct pd_copying *c, const struct pd_dump_row *dump,
                           const struct pd_copying_row *rows, size_t count)
{
    bool partner = false, other = false;

    for (size_t i = 0; i < count; i++) {
        if (rows[i].volume_id == c->old.id) {
            return !is_void(&rows[i]) && /* a killed run of ours may have left one that is begun */
                   (rows[i].state != PD_COPY_WRITING || dump->state != PD_DUMP_DONE);
        }
        partner = partner || is_partner(c, volume_of(c, rows[i].volume_id));
        const struct pd_volume_row *volume = volume_of(c, rows[i].volume_id);
        other = other || (rows[i].copy == c->old.copy && !is_void(&rows[i]) &&
                          !(volume && pd_copying_is_mine(c, volume)));
    }
    return partner && !other && dump->copies >= c->old.copy;
}

/* ---- copy: which archives ---- */

static enum pd_status refuse_unfinished(const struct pd_copying *c, const struct pd_dump_row *dump,
                                        struct pd_error *err)
{
    return pd_error_set(err, PD_BUSY, 0, "dump %s is not finished%s%s; resume it first", dump->name,
                        c->old.id != 0 ? ", and writes to " : "",
                        c->old.id != 0 ? c->old.label : "");
}

static enum pd_status name_dump(struct pd_copying *c, const char *what, int64_t *dump_id,
                                struct pd_error *err)
{
    struct pd_dump_row *row = calloc(1, sizeof *row);
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status =
        row ? pd_catalog_dump_find(c->catalog, what, row, &why) : pd_error_memory(&why, "a dump");

    *dump_id = status == PD_OK ? row->id : 0;
    if (status == PD_OK && row->state != PD_DUMP_DONE) { /* more of it may come to be known */
        status = refuse_unfinished(c, row, &why);
    }
    free(row);
    if (status == PD_NOT_FOUND) {
        return PD_OK;
    }
    *err = status == PD_OK ? *err : why;
    return status;
}

struct named {
    int64_t *dumps, *volumes; /* as many as words; 0: the word names none */
};

static enum pd_status name_all(struct pd_copying *c, struct named *named, struct pd_error *err)
{
    size_t count = c->options->what_count;
    enum pd_status status = PD_OK;

    named->dumps = calloc(count + 1, sizeof *named->dumps);
    named->volumes = calloc(count + 1, sizeof *named->volumes);
    if (!named->dumps || !named->volumes) {
        return pd_error_memory(err, "what to copy");
    }
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        const char *what = c->options->what[i];
        for (size_t v = 0; v < c->volume_count; v++) {
            if (strcmp(c->volumes[v].label, what) == 0 || strcmp(c->volumes[v].uuid, what) == 0) {
                named->volumes[i] = c->volumes[v].id;
            }
        }
        status = name_dump(c, what, &named->dumps[i], err);
        if (status == PD_OK && named->dumps[i] == 0 && named->volumes[i] == 0) {
            status =
                pd_error_set(err, PD_NOT_FOUND, 0, "no dump and no volume %s in the catalog", what);
        }
        if (status == PD_OK && named->dumps[i] != 0 && named->volumes[i] != 0) {
            status =
                pd_error_set(err, PD_USAGE, 0, "%s is a dump and a volume; give its UUID", what);
        }
    }
    return status;
}

static bool is_named(const struct pd_copying *c, const struct named *named, int64_t dump_id,
                     const struct pd_copying_row *rows, size_t count)
{
    for (size_t i = 0; i < c->options->what_count; i++) {
        if (named->dumps[i] == dump_id) {
            return true;
        }
        for (size_t r = 0; r < count; r++) {
            if (named->volumes[i] != 0 && rows[r].volume_id == named->volumes[i] &&
                !is_void(&rows[r])) {
                return true;
            }
        }
    }
    return false;
}

/* Does some archive have a copy of that number, but for those that such a run has made here? */
static bool is_taken(const struct pd_copying *c, unsigned copy)
{
    for (size_t i = 0; i < c->count; i++) {
        size_t count = 0;
        const struct pd_copying_row *rows = rows_of(c, c->items[i].archive.id, &count);
        for (size_t r = 0; r < count; r++) {
            const struct pd_volume_row *volume = volume_of(c, rows[r].volume_id);
            if (rows[r].copy == copy && !is_void(&rows[r]) &&
                !(volume && pd_copying_is_mine(c, volume))) {
                return true;
            }
        }
    }
    return false;
}

static enum pd_status choose_copy(struct pd_copying *c, struct pd_error *err)
{
    c->copy = 1;
    while (c->copy <= PD_COPIES_MAX && is_taken(c, c->copy)) {
        c->copy++;
    }
    return c->copy <= PD_COPIES_MAX
               ? PD_OK
               : pd_error_set(err, PD_USAGE, 0, "there are %u copies already, and no more are kept",
                              (unsigned)PD_COPIES_MAX);
}

/* ---- the list ---- */

struct listing {
    struct pd_copying *c;
    const struct pd_dump_row *dump;
    const struct named *named;
};

static enum pd_status take_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    const struct listing *l = arg;
    struct pd_copying *c = l->c;
    size_t count = 0;
    const struct pd_copying_row *rows = rows_of(c, row->id, &count);
    struct pd_copying_item *items;

    if (c->old.id != 0 ? !belongs_to_old(c, l->dump, rows, count)
                       : !is_named(c, l->named, l->dump->id, rows, count)) {
        return PD_OK;
    }
    if (l->dump->state != PD_DUMP_DONE) {
        return refuse_unfinished(c, l->dump, err);
    }
    if (row->records == 0) {
        return PD_OK;
    }
    items = reallocarray(c->items, c->count + 1, sizeof *items);
    if (!items) {
        return pd_error_memory(err, "the archives to copy");
    }
    c->items = items;
    memset(&items[c->count], 0, sizeof *items);
    items[c->count].archive = *row;
    memcpy(items[c->count].result.archive, row->name, sizeof row->name);
    c->count++;
    return PD_OK;
}

static void take_sources(struct pd_copying *c, struct pd_copying_item *item)
{
    size_t count = 0;
    const struct pd_copying_row *rows = rows_of(c, item->archive.id, &count);

    for (size_t r = 0; r < count; r++) {
        item->sources += !is_void(&rows[r]) && rows[r].state != PD_COPY_WRITING;
    }
}

/* What an earlier run has done for the item. */
static void take_earlier(struct pd_copying *c, struct pd_copying_item *item)
{
    size_t count = 0;
    const struct pd_copying_row *rows = rows_of(c, item->archive.id, &count);

    for (size_t r = 0; r < count; r++) {
        const struct pd_volume_row *volume = volume_of(c, rows[r].volume_id);
        bool mine = volume && pd_copying_is_mine(c, volume) && rows[r].copy == c->copy &&
                    !is_void(&rows[r]) && item->state != PD_COPYING_GOOD;
        if (mine && (rows[r].state == PD_COPY_WRITTEN || rows[r].state == PD_COPY_VERIFIED)) {
            item->state = rows[r].state == PD_COPY_VERIFIED ? PD_COPYING_GOOD : PD_COPYING_WRITTEN;
            item->before = item->result.before = true;
            item->copy_id = rows[r].id;
            item->volume_id = rows[r].volume_id;
            snprintf(item->result.label, sizeof item->result.label, "%s", volume->label);
        }
    }
}

static enum pd_status check_sizes(struct pd_copying *c, struct pd_error *err)
{
    char one[24], other[24];

    c->block_size = c->count > 0 ? c->items[0].archive.record_size : c->old.block_size;
    for (size_t i = 1; i < c->count; i++) {
        if (c->items[i].archive.record_size != c->block_size) {
            pd_format_size(c->block_size, one, sizeof one);
            pd_format_size(c->items[i].archive.record_size, other, sizeof other);
            return pd_error_set(err, PD_USAGE, 0,
                                "%s has records of %s and %s of %s; a volume takes one size only,"
                                " copy them one after the other",
                                c->items[0].archive.name, one, c->items[i].archive.name, other);
        }
    }
    return PD_OK;
}

/* ---- the place ---- */

/* Has the volume, which is to stay, another copy of something that is to be written? */
static bool is_other_copy(const struct pd_copying *c, const struct pd_volume_row *volume)
{
    for (size_t i = 0; i < c->count; i++) {
        size_t count = 0;
        const struct pd_copying_row *rows = rows_of(c, c->items[i].archive.id, &count);
        for (size_t r = 0; r < count && c->items[i].state == PD_COPYING_TODO; r++) {
            if (rows[r].volume_id == volume->id && rows[r].copy != c->copy && !is_void(&rows[r])) {
                return true;
            }
        }
    }
    return false;
}

/* As for a dump: two copies in one folder are one, and on one file system a failure takes both. */
static enum pd_status check_apart(const struct pd_copying *c, const char *to,
                                  const struct pd_volume_row *other, struct pd_error *err)
{
    struct pd_space a, b;
    struct pd_error why = PD_ERROR_INIT;
    char *path = NULL;
    enum pd_status status = pd_target_url_path(other->location, &path, err);

    if (status == PD_OK && strcmp(path, to) == 0) {
        status = pd_error_set(err, PD_USAGE, 0,
                              "%s has copy %u on %s; a further copy needs another place", to,
                              other->copy, other->label);
    } else if (status == PD_OK && pd_space_of(to, &a, &why) == PD_OK &&
               pd_space_of(path, &b, &why) == PD_OK && a.fs_id == b.fs_id) {
        pd_log_line(c->env->log, PD_LOG_WARN,
                    "%s and %s, with copy %u on %s, are on one file system: one failure takes both"
                    " copies",
                    to, path, other->copy, other->label);
    }
    free(path);
    return status;
}

/* Drives hold one volume after the other; places of other hosts are others. */
static enum pd_status check_place(const struct pd_copying *c, struct pd_error *err)
{
    char host[PD_HOST_TEXT];
    char *to = NULL;
    enum pd_status status = PD_OK;

    if (!c->location || pd_target_url_exclusive(c->location)) {
        return PD_OK;
    }
    pd_process_host(host);
    status = pd_target_url_path(c->location, &to, err);
    for (size_t i = 0; i < c->volume_count && status == PD_OK; i++) {
        const struct pd_volume_row *volume = &c->volumes[i];
        if (volume->id != c->old.id && volume->location[0] && strcmp(volume->host, host) == 0 &&
            !pd_target_url_exclusive(volume->location) && is_other_copy(c, volume)) {
            status = check_apart(c, to, volume, err);
        }
    }
    free(to);
    return status;
}

/* ---- the plan ---- */

/* Nothing to do is no success where what was named counts no longer. */
static enum pd_status check_named(const struct pd_copying *c, const struct named *named,
                                  struct pd_error *err)
{
    for (size_t i = 0; i < c->volume_count; i++) {
        const struct pd_volume_row *volume = &c->volumes[i];
        bool asked = c->options->in_place && volume->id == c->old.id, counts = false;
        enum pd_status why = PD_OK;
        for (size_t n = 0; n < c->options->what_count && c->old.id == 0; n++) {
            asked = asked || named->volumes[n] == volume->id;
        }
        for (size_t r = 0; r < c->row_count && asked; r++) {
            bool own = c->rows[r].volume_id == volume->id;
            why = own && why != PD_REPLACED ? c->rows[r].reason : why;
            counts = counts || (own && !is_void(&c->rows[r]));
        }
        if (asked && !counts && why != PD_OK) {
            return pd_error_set(err, why, 0, "nothing on %s counts any more", volume->label);
        }
    }
    return PD_OK;
}

/* It gets its row when something is to be made in its place, and not for a slip of the pen. */
static enum pd_status add_made_up(struct pd_copying *c, struct pd_error *err)
{
    if (c->old.id != PD_COPYING_MADE_UP) {
        return PD_OK;
    }
    if (c->count == 0) {
        return pd_error_set(err, PD_NOT_FOUND, 0,
                            "no volume %s in the catalog, and its partners lack no copy on it",
                            c->old.label);
    }
    c->old.id = 0;
    return pd_catalog_volume_add(c->catalog, &c->old, err);
}

/* The copies that took the place of the old ones may be gone by now. */
static enum pd_status check_heirs(const struct pd_copying *c, struct pd_error *err)
{
    for (size_t i = 0; i < c->row_count; i++) {
        bool heir = c->rows[i].volume_id != c->old.id || c->rows[i].reason != PD_REPLACED;
        size_t count = 0;
        const struct pd_copying_row *rows = rows_of(c, c->rows[i].archive_id, &count);
        for (size_t r = 0; r < count && !heir; r++) {
            heir = rows[r].copy == c->old.copy && !is_void(&rows[r]);
        }
        if (!heir) {
            return pd_error_set(err, PD_GIVEN_UP, 0,
                                "what took the place of copies on %s was given up, too; copy its"
                                " dumps instead",
                                c->old.label);
        }
    }
    return PD_OK;
}

static enum pd_status check_plan(struct pd_copying *c, struct pd_error *err)
{
    enum pd_status status = check_sizes(c, err);

    if (status == PD_OK) {
        status = check_place(c, err);
    }
    if (status == PD_OK && c->old.id != 0) {
        status = check_heirs(c, err);
    }
    return status == PD_OK ? add_made_up(c, err) : status;
}

enum pd_status pd_copying_plan(struct pd_copying *c, struct pd_error *err)
{
    struct named named = {NULL, NULL};
    enum pd_status status = pd_catalog_copies(c->catalog, 0, 0, take_row, c, err);

    if (status == PD_OK) {
        status = pd_catalog_volumes(c->catalog, take_volume, c, err);
    }
    if (status == PD_OK) {
        status = pd_catalog_dumps(c->catalog, take_dump, c, err);
    }
    if (status == PD_OK && c->old.id == 0) {
        status = name_all(c, &named, err);
    }
    for (size_t i = 0; i < c->dump_count && status == PD_OK; i++) {
        struct listing listing = {c, &c->dumps[i], &named};
        status = pd_catalog_archives(c->catalog, c->dumps[i].id, take_archive, &listing, err);
    }
    if (status == PD_OK && c->old.id != 0) {
        c->copy = c->old.copy;
    } else if (status == PD_OK) {
        status = choose_copy(c, err);
    }
    for (size_t i = 0; i < c->count && status == PD_OK; i++) {
        take_sources(c, &c->items[i]);
        if (!c->options->in_place) {
            take_earlier(c, &c->items[i]);
        }
    }
    if (status == PD_OK) {
        status = check_named(c, &named, err);
    }
    free(named.dumps);
    free(named.volumes);
    return status == PD_OK ? check_plan(c, err) : status;
}
