#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/bag.h"
#include "pairdump/size.h"
#include "rebuild_priv.h"
#include "verify_priv.h"

struct reading {
    struct pd_rebuild *r;
    struct pd_target *target;
    struct pd_rebuild_volume *volume;
    struct pd_rebuild_entry entry; /* of the archive at hand */
    char name[128];
};

static enum pd_status leave_out(struct reading *d, const struct pd_error *why, bool lost,
                                struct pd_error *err)
{
    d->volume->trouble = true;
    d->r->lost += lost;
    return pd_rebuild_find(d->r, PD_REBUILD_LEFT_OUT, d->volume, d->name, why, err);
}

/* ---- its name, by the first record ---- */

static enum pd_status read_name(struct reading *d, struct pd_error *why)
{
    size_t size = (size_t)d->volume->label.block_size, got = 0;
    struct pd_error late = PD_ERROR_INIT;
    uint8_t *record = pd_record_alloc(size);
    enum pd_status status = record ? pd_target_open_file(d->target, d->entry.tape_file, why)
                                   : pd_error_memory(why, "a record");

    if (status == PD_OK) {
        status = pd_target_read(d->target, record, size, &got, why);
        (void)!pd_target_close_file(d->target, &late); /* only read from */
    }
    if (status == PD_OK) {
        status = pd_tar_top(record, got, d->name, sizeof d->name, why);
    }
    free(record);
    return status;
}

/* ---- one that the catalog knows, from the index of another copy ---- */

static enum pd_status run(struct reading *d, const struct pd_toc *expect,
                          struct pd_verify_learned *learned, struct pd_error *bad,
                          struct pd_error *err)
{
    const struct pd_verify_job job = {.env = d->r->env,
                                      .target = d->target,
                                      .tape_file = d->entry.tape_file,
                                      .expect = expect,
                                      .learned = learned,
                                      .copy = 0};
    struct pd_verify_result result;
    enum pd_status status = pd_verify_job_run(&job, &result, err);

    *bad = result.error;
    bad->status = result.status;
    pd_verify_result_release(&result);
    if (status == PD_OK && pd_rebuild_ends(bad->status)) {
        *err = *bad;
        status = bad->status;
    }
    return status;
}

static const struct pd_rebuild_dump *dump_of(const struct pd_rebuild *r, int64_t id)
{
    for (size_t i = 0; i < r->dump_count; i++) {
        if (r->dumps[i]->taken && r->dumps[i]->row.id == id) {
            return r->dumps[i];
        }
    }
    return NULL;
}

/* *settled: it is that archive, and recorded. */
static enum pd_status try_known(struct reading *d, bool *settled, struct pd_error *known_bad,
                                struct pd_error *err)
{
    const struct pd_rebuild_dump *dump;
    struct pd_toc toc;
    int64_t id = 0, dump_id = 0;
    enum pd_status status = pd_catalog_archive_named(d->r->catalog, d->name, &id, &dump_id, err);

    *settled = false;
    dump = dump_of(d->r, dump_id);
    if (status != PD_OK || id == 0 || !dump) {
        return status;
    }
    status = pd_catalog_toc(d->r->catalog, id, &toc, err);
    if (status == PD_OK) {
        status = run(d, &toc, NULL, known_bad, err);
    }
    if (status == PD_OK && known_bad->status == PD_OK) {
        *settled = true;
        status = pd_rebuild_record_copy(d->r, d->volume, dump, &toc, &d->entry, true, err);
    }
    pd_toc_release(&toc);
    return status;
}

/* It is bad, and by its name that archive: the catalog is to know of the copy. */
static enum pd_status record_bad(struct reading *d, const struct pd_error *bad,
                                 struct pd_error *err)
{
    const struct pd_rebuild_dump *dump;
    struct pd_toc toc;
    int64_t id = 0, dump_id = 0;
    enum pd_status status = pd_catalog_archive_named(d->r->catalog, d->name, &id, &dump_id, err);

    dump = dump_of(d->r, dump_id);
    if (status != PD_OK || id == 0 || !dump || !pd_status_blames_copy(bad->status)) {
        return status == PD_OK ? leave_out(d, bad, id == 0, err) : status;
    }
    status = pd_catalog_toc(d->r->catalog, id, &toc, err);
    if (status == PD_OK) {
        d->entry.bad = *bad;
        status = pd_rebuild_record_copy(d->r, d->volume, dump, &toc, &d->entry, true, err);
        pd_error_clear(&d->entry.bad);
    }
    pd_toc_release(&toc);
    return status == PD_OK ? leave_out(d, bad, false, err) : status;
}

/* ---- one that nobody knows ---- */

/* "<state> data<path>" for each file that is not whole, in their order. */
static bool apply_not_whole(const char *text, size_t len, struct pd_toc *toc)
{
    const char *end = text + len;
    struct pd_buf path = PD_BUF_INIT;
    uint64_t at = 0;
    bool good = true;

    while (good && text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        size_t line = line_end ? (size_t)(line_end - text) : 0;
        pd_buf_clear(&path);
        good = line > 7 && (text[0] == PD_CHANGED || text[0] == PD_PARTIAL) &&
               memcmp(text + 1, " data/", 6) == 0 && pd_unescape(text + 6, line - 6, &path);
        while (good && at < toc->file_count && strcmp(toc->files[at].path, path.data) != 0) {
            at++;
        }
        good = good && at < toc->file_count;
        if (good) {
            toc->files[at++].state = text[0];
        }
        text += line + 1;
    }
    pd_buf_free(&path);
    return good;
}

/* What bag-info.txt says of the archive and its dump; the name of what is wrong, or NULL. */
static const char *take_bag_info(struct reading *d, struct pd_verify_learned *learned,
                                 struct pd_dump_row *row)
{
    const char *text = learned->bag_info.data ? learned->bag_info.data : "";
    size_t len = learned->bag_info.len, dot;
    struct pd_index_facts facts;
    struct pd_toc *toc = &learned->toc;
    char written[64], tail[32];

    memset(row, 0, sizeof *row);
    if (!pd_bag_info_text(text, len, "Pairdump-Dump-UUID", row->uuid, sizeof row->uuid) ||
        !pd_uuid_is_valid(row->uuid)) {
        return "Pairdump-Dump-UUID";
    }
    if (!pd_bag_info_u64(text, len, "Pairdump-Archive-Number", INT64_MAX, &toc->seq) ||
        toc->seq == 0) {
        return "Pairdump-Archive-Number";
    }
    if (!pd_bag_info_text(text, len, "Pairdump-Written", written, sizeof written) ||
        !pd_time_parse(written, &d->entry.when)) {
        return "Pairdump-Written";
    }
    snprintf(tail, sizeof tail, ".%04" PRIu64, toc->seq);
    dot = strlen(d->name) - strlen(tail);
    if (strlen(d->name) <= strlen(tail) || strcmp(d->name + dot, tail) != 0) {
        return "its name, which does not end with its number,";
    }
    snprintf(row->name, sizeof row->name, "%.*s", (int)dot, d->name);
    pd_index_facts_decode("Pairdump-", text, len, &facts);
    memcpy(row->host, facts.host, sizeof row->host);
    memcpy(row->roots, facts.roots, sizeof row->roots);
    memcpy(row->policy, facts.policy, sizeof row->policy);
    snprintf(row->pool, sizeof row->pool, "%s", facts.pool[0] ? facts.pool : d->volume->label.pool);
    row->incremental = facts.incremental;
    row->copies = facts.copies ? facts.copies : (unsigned)d->volume->label.partner_count + 1;
    row->started = facts.started;
    row->finished = d->entry.when > row->started ? d->entry.when : row->started; /* to the second */
    return NULL;
}

static enum pd_status record_learned(struct reading *d, struct pd_verify_learned *learned,
                                     struct pd_error *err)
{
    struct pd_toc *toc = &learned->toc;
    struct pd_dump_row *row = calloc(1, sizeof *row);
    struct pd_error why = PD_ERROR_INIT;
    size_t number = 0;
    bool fits = false;
    const char *wrong;
    enum pd_status status = PD_OK;

    if (!row) {
        return pd_error_memory(err, "a dump");
    }
    wrong = take_bag_info(d, learned, row);
    if (!wrong && !apply_not_whole(learned->not_whole.data ? learned->not_whole.data : "",
                                   learned->not_whole.len, toc)) {
        wrong = "not-whole.txt";
    }
    if (wrong) {
        (void)!pd_error_set(&why, PD_BAD_FORMAT, 0, "%s is missing or wrong", wrong);
        status = leave_out(d, &why, true, err);
        goto out;
    }
    toc->record_size = d->volume->label.block_size;
    status = pd_rebuild_dump_told(d->r, d->volume, row, &number, &fits, err);
    d->volume->trouble = d->volume->trouble || !fits;
    if (status == PD_OK && fits && !d->r->dumps[number]->taken) {
        status = pd_rebuild_record_dump(d->r, d->volume, d->r->dumps[number], err);
    }
    if (status == PD_OK && fits && d->r->dumps[number]->taken) {
        uint64_t *learned_to = &d->r->dumps[number]->end.learned;
        *learned_to = toc->seq > *learned_to ? toc->seq : *learned_to;
        status = pd_rebuild_record_copy(d->r, d->volume, d->r->dumps[number], toc, &d->entry, false,
                                        err);
    }
out:
    free(row);
    return status;
}

static enum pd_status learn(struct reading *d, const struct pd_error *known_bad,
                            struct pd_error *err)
{
    struct pd_verify_learned learned = {.bag_info = PD_BUF_INIT};
    struct pd_error bad = PD_ERROR_INIT;
    enum pd_status status = run(d, NULL, &learned, &bad, err);

    d->r->summary->read_whole++;
    if (status == PD_OK && bad.status == PD_OK) {
        status = record_learned(d, &learned, err);
    } else if (status == PD_OK) {
        status = record_bad(d, known_bad->status != PD_OK ? known_bad : &bad, err);
    }
    pd_verify_learned_release(&learned);
    return status;
}

/* An archive of a name that is known is held against what is known; if it is another one of that
 * name, it says so itself. */
static enum pd_status read_archive(struct reading *d, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT, known_bad = PD_ERROR_INIT;
    bool settled = false;
    enum pd_status status;

    d->name[0] = '\0';
    status = read_name(d, &why);
    if (pd_rebuild_ends(status)) {
        *err = why;
        return status;
    }
    if (status != PD_OK) {
        return leave_out(d, &why, true, err);
    }
    status = try_known(d, &settled, &known_bad, err);
    if (status == PD_OK && settled) {
        d->r->summary->read_whole++;
        return PD_OK;
    }
    return status == PD_OK ? learn(d, &known_bad, err) : status;
}

enum pd_status pd_rebuild_read(struct pd_rebuild *r, struct pd_target *target,
                               struct pd_rebuild_volume *volume, struct pd_error *err)
{
    struct reading d = {.r = r, .target = target, .volume = volume};
    enum pd_status status = PD_OK;

    for (uint32_t n = 1; n < volume->file_count && status == PD_OK; n++) {
        if (volume->files[n] == PD_REBUILD_UNREAD) {
            d.entry = (struct pd_rebuild_entry){
                .tape_file = n, .when = volume->label.created, .bad = PD_ERROR_INIT};
            status = read_archive(&d, err);
        }
    }
    return status;
}
