#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/process.h"
#include "pairdump/size.h"
#include "rebuild_priv.h"

/* ---- dumps, as media tell ---- */

static void fill(char *out, size_t size, const char *from)
{
    if (!out[0]) {
        snprintf(out, size, "%s", from);
    }
}

static bool differ(const char *a, const char *b)
{
    return a[0] && b[0] && strcmp(a, b) != 0;
}

/* What two volumes tell differently of a dump; NULL: nothing. Counts grow from one index to the
 * next. */
static const char *difference(const struct pd_dump_row *a, const struct pd_dump_row *b)
{
    return differ(a->host, b->host)                                         ? "host"
           : differ(a->roots, b->roots)                                     ? "source paths"
           : differ(a->pool, b->pool)                                       ? "pool"
           : differ(a->policy, b->policy)                                   ? "policy"
           : a->started != 0 && b->started != 0 && a->started != b->started ? "start"
                                                                            : NULL;
}

static void merge(struct pd_dump_row *row, const struct pd_dump_row *told)
{
    fill(row->host, sizeof row->host, told->host);
    fill(row->roots, sizeof row->roots, told->roots);
    fill(row->pool, sizeof row->pool, told->pool);
    fill(row->policy, sizeof row->policy, told->policy);
    row->incremental = row->incremental || told->incremental;
    row->copies = row->copies > told->copies ? row->copies : told->copies;
    row->started = row->started ? row->started : told->started;
    row->finished = row->finished > told->finished ? row->finished : told->finished;
    row->skipped = row->skipped > told->skipped ? row->skipped : told->skipped;
    row->problems = row->problems > told->problems ? row->problems : told->problems;
}

/* Nothing of that is worth to lose archives for: the first one's word counts. */
static enum pd_status merge_told(struct pd_rebuild *r, const struct pd_rebuild_volume *volume,
                                 struct pd_dump_row *row, const struct pd_dump_row *told,
                                 struct pd_error *err)
{
    const char *what = difference(row, told);
    struct pd_error why = PD_ERROR_INIT;

    if (what) {
        (void)!pd_error_set(&why, PD_CATALOG, 0,
                            "dump %s: another volume tells of another %s; that was taken",
                            row->name, what);
    }
    merge(row, told);
    return what ? pd_rebuild_find(r, PD_REBUILD_CONTRADICTION, volume, "", &why, err) : PD_OK;
}

static enum pd_status add_dump(struct pd_rebuild *r, const struct pd_dump_row *told,
                               struct pd_error *err)
{
    struct pd_rebuild_dump **grown = pd_rebuild_grown(r->dumps, r->dump_count, err);
    struct pd_rebuild_dump *dump;

    if (!grown) {
        return PD_NO_MEMORY;
    }
    r->dumps = grown;
    dump = calloc(1, sizeof *dump);
    if (!dump) {
        return pd_error_memory(err, "a dump");
    }
    dump->row = *told;
    r->dumps[r->dump_count++] = dump;
    return PD_OK;
}

enum pd_status pd_rebuild_dump_told(struct pd_rebuild *r, const struct pd_rebuild_volume *volume,
                                    const struct pd_dump_row *told, size_t *number, bool *fits,
                                    struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;

    *fits = true;
    for (*number = 0; *number < r->dump_count; ++*number) {
        struct pd_dump_row *row = &r->dumps[*number]->row;
        bool name = strcmp(row->name, told->name) == 0, uuid = strcmp(row->uuid, told->uuid) == 0;
        if (name && uuid) {
            return merge_told(r, volume, row, told, err);
        }
        if (name || uuid) {
            *fits = false;
            (void)!pd_error_set(&why, PD_CATALOG, 0,
                                "dump %s (%s), but another volume has dump %s (%s)", told->name,
                                told->uuid, row->name, row->uuid);
            return pd_rebuild_find(r, PD_REBUILD_CONTRADICTION, volume, "", &why, err);
        }
    }
    return add_dump(r, told, err);
}

/* ---- into the catalog ---- */

/* What became of what was told, with what it was. */
static enum pd_status judge(struct pd_rebuild *r, struct pd_rebuild_volume *volume,
                            const char *archive, const struct pd_heard *heard, struct pd_error *err)
{
    if (volume && (heard->as == PD_HEARD_CONTRADICTS || heard->as == PD_HEARD_LEFT_OUT)) {
        volume->trouble = true;
    }
    switch (heard->as) {
    case PD_HEARD_CONTRADICTS:
        return pd_rebuild_find(r, PD_REBUILD_CONTRADICTION, volume, archive, &heard->why, err);
    case PD_HEARD_LEFT_OUT:
        return pd_rebuild_find(r, PD_REBUILD_LEFT_OUT, volume, archive, &heard->why, err);
    default:
        return PD_OK;
    }
}

/* Labels of pairs are prefix, copy number, five digits. */
static uint64_t pair_of(const struct pd_rebuild_volume *volume)
{
    const struct pd_label *label = &volume->label;
    size_t len = strlen(label->label);
    uint64_t pair = 0;

    if (volume->pair > 0 || label->partner_count == 0 || len < 7 ||
        label->label[len - 6] != (char)('0' + label->copy) ||
        !pd_parse_u64(label->label + len - 5, &pair)) {
        return volume->pair;
    }
    return pair;
}

static void row_of(const struct pd_rebuild_volume *volume, struct pd_volume_row *row)
{
    const struct pd_label *label = &volume->label;
    char host[PD_HOST_TEXT];

    memset(row, 0, sizeof *row);
    memcpy(row->label, label->label, sizeof row->label);
    memcpy(row->uuid, label->uuid, sizeof row->uuid);
    memcpy(row->pool, label->pool, sizeof row->pool);
    row->copy = label->copy;
    row->pair = pair_of(volume);
    row->state = PD_VOLUME_APPENDABLE;
    snprintf(row->location, sizeof row->location, "%s", volume->location);
    pd_process_host(host);
    memcpy(row->host, host, sizeof row->host);
    row->block_size = label->block_size;
    row->tape_files = volume->file_count;
    row->created = label->created;
}

static enum pd_status record_volume(struct pd_rebuild *r, struct pd_rebuild_volume *volume,
                                    struct pd_error *err)
{
    struct pd_volume_row *row = calloc(1, sizeof *row);
    struct pd_heard heard = {.as = PD_HEARD_KNOWN};
    enum pd_status status = row ? PD_OK : pd_error_memory(err, "a volume");

    if (status == PD_OK) {
        row_of(volume, row);
        status = pd_catalog_hear_volume(r->catalog, row, &heard, err);
    }
    if (status == PD_OK) {
        volume->fresh = heard.as == PD_HEARD_ADDED;
        volume->id = volume->fresh || heard.as == PD_HEARD_KNOWN ? row->id : 0;
        r->summary->new_volumes += volume->fresh;
        status = judge(r, volume, "", &heard, err);
    }
    free(row);
    return status;
}

/* Older volumes do not tell: it was then at the latest. */
static int64_t begin_of(const struct pd_dump_row *row)
{
    return row->started ? row->started : row->finished;
}

struct lines {
    struct pd_rebuild *r;
    const struct pd_dump_row *dump;
};

static enum pd_status record_problem(void *arg, const struct pd_index_problem *problem,
                                     struct pd_error *err)
{
    const struct lines *lines = arg;
    const struct pd_problem one = {.path = problem->path,
                                   .status = problem->status,
                                   .sys_errno = problem->sys_errno,
                                   .message = problem->message,
                                   .archived = problem->archived};

    return pd_catalog_hear_problem(lines->r->catalog, lines->dump, &one, err);
}

enum pd_status pd_rebuild_record_dump(struct pd_rebuild *r, struct pd_rebuild_volume *volume,
                                      struct pd_rebuild_dump *dump, struct pd_error *err)
{
    struct pd_heard heard = {.as = PD_HEARD_KNOWN};
    struct lines lines = {r, &dump->row};
    enum pd_status status;

    dump->row.started = begin_of(&dump->row);
    status = pd_catalog_hear_dump(r->catalog, &dump->row, &heard, err);

    if (status != PD_OK) {
        return status;
    }
    dump->taken = heard.as == PD_HEARD_ADDED || heard.as == PD_HEARD_KNOWN;
    r->summary->new_dumps += heard.as == PD_HEARD_ADDED;
    if (dump->taken && dump->problems.len > 0) {
        status =
            pd_index_problems(dump->problems.data, dump->problems.len, record_problem, &lines, err);
    }
    return status == PD_OK ? judge(r, volume, dump->row.name, &heard, err) : status;
}

enum pd_status pd_rebuild_record_copy(struct pd_rebuild *r, struct pd_rebuild_volume *volume,
                                      const struct pd_rebuild_dump *dump, struct pd_toc *toc,
                                      const struct pd_rebuild_entry *entry, bool is_same,
                                      struct pd_error *err)
{
    struct pd_copy_row *copy = calloc(1, sizeof *copy);
    struct pd_heard_archive in = {.dump = &dump->row, .toc = toc, .is_same = is_same, .copy = copy};
    struct pd_heard heard = {.as = PD_HEARD_KNOWN};
    enum pd_status status = copy ? PD_OK : pd_error_memory(err, "a copy");

    if (status == PD_OK) {
        copy->volume_id = volume->id;
        copy->copy = volume->label.copy;
        copy->tape_file = entry->tape_file;
        copy->state = entry->bad.status == PD_OK ? PD_COPY_WRITTEN : PD_COPY_BAD;
        copy->reason = entry->bad.status;
        snprintf(copy->message, sizeof copy->message, "%s", entry->bad.message);
        copy->changed = entry->when;
        memcpy(toc->dump_uuid, dump->row.uuid, sizeof toc->dump_uuid);
        status = pd_catalog_hear_archive(r->catalog, &in, &heard, err);
    }
    if (status == PD_OK) {
        r->summary->copies++;
        r->summary->new_archives += in.archive_added;
        r->summary->new_copies += in.copy_added;
        r->summary->archives += !is_same;
        r->summary->files += is_same ? 0 : toc->file_count;
        status = judge(r, volume, toc->name, &heard, err);
    }
    free(copy);
    return status;
}

/* ---- in order: lower numbers for what is older ---- */

static int compare_text(const char *a, const char *b)
{
    int order = strcmp(a, b);

    return (order > 0) - (order < 0);
}

static int compare_number(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_volumes(const void *a, const void *b)
{
    const struct pd_rebuild_volume *x = *(struct pd_rebuild_volume *const *)a;
    const struct pd_rebuild_volume *y = *(struct pd_rebuild_volume *const *)b;
    int order = compare_number(x->label.created, y->label.created);

    order = order ? order : compare_number((int64_t)pair_of(x), (int64_t)pair_of(y));
    order = order ? order : compare_number(x->label.copy, y->label.copy);
    return order ? order : compare_text(x->label.label, y->label.label);
}

static int compare_dumps(const void *a, const void *b)
{
    const struct pd_rebuild_dump *x = *(struct pd_rebuild_dump *const *)a;
    const struct pd_rebuild_dump *y = *(struct pd_rebuild_dump *const *)b;
    int order = compare_number(begin_of(&x->row), begin_of(&y->row));

    return order ? order : compare_text(x->row.uuid, y->row.uuid);
}

static int compare_entries(const void *a, const void *b, void *arg)
{
    const struct pd_rebuild *r = arg;
    const struct pd_rebuild_entry *x = *(struct pd_rebuild_entry *const *)a;
    const struct pd_rebuild_entry *y = *(struct pd_rebuild_entry *const *)b;
    int order = x->dump == y->dump ? 0 : compare_dumps(&r->dumps[x->dump], &r->dumps[y->dump]);

    order = order ? order : (x->seq > y->seq) - (x->seq < y->seq);
    order = order ? order
                  : compare_number(r->volumes[x->volume]->label.copy,
                                   r->volumes[y->volume]->label.copy);
    return order ? order
                 : compare_text(r->volumes[x->volume]->label.label,
                                r->volumes[y->volume]->label.label);
}

/* Lists stay as they are, since entries count into them; what is sorted are copies of the pointers.
 */
static void *sorted(const void *list, size_t count, int (*compare)(const void *, const void *))
{
    void *copy = calloc(count + 1, sizeof(void *));

    if (copy && count > 0) {
        memcpy(copy, list, count * sizeof(void *));
        qsort(copy, count, sizeof(void *), compare);
    }
    return copy;
}

static enum pd_status record_volumes(struct pd_rebuild *r, struct pd_error *err)
{
    struct pd_rebuild_volume **list = sorted(r->volumes, r->volume_count, compare_volumes);
    enum pd_status status = list ? PD_OK : pd_error_memory(err, "volumes");

    for (size_t i = 0; i < r->volume_count && status == PD_OK; i++) {
        if (list[i]->files) { /* else what is on it could not be counted */
            status = record_volume(r, list[i], err);
        }
    }
    free(list);
    return status;
}

static enum pd_status record_dumps(struct pd_rebuild *r, struct pd_error *err)
{
    struct pd_rebuild_dump **list = sorted(r->dumps, r->dump_count, compare_dumps);
    enum pd_status status = list ? PD_OK : pd_error_memory(err, "dumps");

    for (size_t i = 0; i < r->dump_count && status == PD_OK; i++) {
        status = pd_rebuild_record_dump(r, NULL, list[i], err);
    }
    free(list);
    return status;
}

/* A text that says the same as the one before, which was taken, is not decoded and compared again.
 */
static bool says_the_same(const struct pd_rebuild_entry *a, const struct pd_rebuild_entry *b)
{
    return a && a->dump == b->dump && a->seq == b->seq && a->len == b->len &&
           pd_xxh128_equal(&a->digest, &b->digest);
}

static enum pd_status record_entries(struct pd_rebuild *r, struct pd_error *err)
{
    const struct pd_rebuild_entry *before = NULL;
    struct pd_toc toc;
    enum pd_status status = PD_OK;

    if (r->entry_count > 0) {
        qsort_r(r->entries, r->entry_count, sizeof *r->entries, compare_entries, r);
    }
    pd_toc_init(&toc);
    for (size_t i = 0; i < r->entry_count && status == PD_OK; i++) {
        const struct pd_rebuild_entry *entry = r->entries[i];
        struct pd_rebuild_dump *dump = r->dumps[entry->dump];
        struct pd_rebuild_volume *volume = r->volumes[entry->volume];
        uint64_t contradictions = r->summary->contradictions;
        bool same = says_the_same(before, entry);
        if (!dump->taken || volume->id == 0) {
            volume->trouble = true;
            continue;
        }
        if (!same) {
            pd_toc_release(&toc);
            status = pd_rebuild_spool_get(r, entry, &toc, err);
        }
        if (status == PD_OK) {
            status = pd_env_check(r->env, err);
        }
        if (status == PD_OK) {
            status = pd_rebuild_record_copy(r, volume, dump, &toc, entry, same, err);
        }
        dump->end.indexed = entry->seq > dump->end.indexed ? entry->seq : dump->end.indexed;
        before = r->summary->contradictions == contradictions ? entry : NULL;
    }
    pd_toc_release(&toc);
    return status;
}

enum pd_status pd_rebuild_record(struct pd_rebuild *r, struct pd_error *err)
{
    enum pd_status status = record_volumes(r, err);

    if (status == PD_OK) {
        status = record_dumps(r, err);
    }
    return status == PD_OK ? record_entries(r, err) : status;
}

/* ---- when all is recorded ---- */

static enum pd_status end_dump(struct pd_rebuild *r, struct pd_rebuild_dump *dump,
                               struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    struct pd_heard_end *end = &dump->end;
    enum pd_status status = pd_catalog_hear_end(r->catalog, dump->row.id, end, err);

    if (status == PD_OK && end->lacking > 0) {
        (void)!pd_error_set(&why, PD_MISSING, 0,
                            "dump %s: %" PRIu64 " of its archives are on other volumes; give those"
                            " too",
                            dump->row.name, end->lacking);
        status = pd_rebuild_find(r, PD_REBUILD_LACKING, NULL, "", &why, err);
    }
    if (status == PD_OK && end->open) {
        (void)!pd_error_set(&why, PD_TRUNCATED, 0,
                            "dump %s: no index behind its archive number %" PRIu64
                            ": it was broken off, or the index is lost",
                            dump->row.name, end->last);
        status = pd_rebuild_find(r, PD_REBUILD_LACKING, NULL, "", &why, err);
    }
    return status;
}

/* What was not understood, not read, or not recorded, may not be written over, nor behind; on a
 * volume that the catalog knew, a run may even be writing it. */
static enum pd_status end_volume(struct pd_rebuild *r, const struct pd_rebuild_volume *volume,
                                 struct pd_error *err)
{
    enum pd_status status = PD_OK;

    if (volume->fresh || !volume->trouble) {
        status = pd_catalog_hear_tape_files(r->catalog, volume->id, volume->file_count,
                                            pair_of(volume), err);
    }
    if (status == PD_OK && volume->trouble && volume->fresh) {
        pd_log_line(r->env->log, PD_LOG_WARN, "%s: retired, nothing will be appended to it",
                    volume->label.label);
        status = pd_catalog_volume_retire(r->catalog, volume->label.uuid, err);
    }
    return status;
}

enum pd_status pd_rebuild_end(struct pd_rebuild *r, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < r->volume_count && status == PD_OK; i++) {
        if (r->volumes[i]->id != 0) {
            status = end_volume(r, r->volumes[i], err);
        }
    }
    for (size_t i = 0; i < r->dump_count && status == PD_OK; i++) {
        if (r->dumps[i]->taken) {
            status = end_dump(r, r->dumps[i], err);
        }
    }
    return status;
}
