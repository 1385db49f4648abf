#include <stdlib.h>
#include <string.h>

#include "copying_priv.h"
#include "index_out.h"
#include "pairdump/index.h"

/*
 * An index stands behind the archives that it tells of: a tape file that is no copy is the index of
 * the dump whose archive lies before it. So what lies behind the last of these is not in one yet.
 */
struct shelf_copy {
    int64_t archive_id, dump_id;
    uint32_t tape_file;
    enum pd_digest_alg alg;
    bool indexed;
};

struct shelf {
    struct pd_copying *c;
    struct shelf_copy *list; /* by tape file */
    size_t count;
};

static enum pd_status take_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct shelf *s = arg;
    struct shelf_copy *list;

    if (row->state == PD_COPY_WRITING) {
        return PD_OK;
    }
    list = reallocarray(s->list, s->count + 1, sizeof *list);
    if (!list) {
        return pd_error_memory(err, "the index");
    }
    s->list = list;
    list[s->count++] =
        (struct shelf_copy){.archive_id = row->archive_id, .tape_file = row->tape_file};
    return PD_OK;
}

struct finding {
    struct shelf *shelf;
    int64_t dump_id;
};

static enum pd_status take_archive(void *arg, const struct pd_archive_row *row,
                                   struct pd_error *err)
{
    const struct finding *f = arg;

    (void)err;
    for (size_t i = 0; i < f->shelf->count; i++) {
        if (f->shelf->list[i].archive_id == row->id) {
            f->shelf->list[i].dump_id = f->dump_id;
            f->shelf->list[i].alg = row->alg;
        }
    }
    return PD_OK;
}

/* Marks the copies of the dump up to place i. */
static void mark(struct shelf *s, size_t i)
{
    for (size_t j = 0; j <= i; j++) {
        s->list[j].indexed = s->list[j].indexed || s->list[j].dump_id == s->list[i].dump_id;
    }
}

static enum pd_status load_shelf(struct pd_copying *c, int64_t volume_id, uint64_t tape_files,
                                 struct shelf *s, struct pd_error *err)
{
    enum pd_status status;

    *s = (struct shelf){.c = c};
    status = pd_catalog_copies(c->catalog, 0, volume_id, take_copy, s, err);
    for (size_t i = 0; i < c->dump_count && status == PD_OK; i++) {
        struct finding finding = {s, c->dumps[i].id};
        status = pd_catalog_archives(c->catalog, c->dumps[i].id, take_archive, &finding, err);
    }
    for (size_t i = 0; i < s->count && status == PD_OK; i++) {
        uint64_t next = i + 1 < s->count ? s->list[i + 1].tape_file : tape_files;
        if (next > (uint64_t)s->list[i].tape_file + 1) {
            mark(s, i);
        }
    }
    return status;
}

/* ---- one index ---- */

struct indexing {
    struct shelf *shelf;
    const struct pd_dump_row *dump;
    uint32_t file_no;
};

static bool is_wanted(const struct indexing *ix, size_t i)
{
    return !ix->shelf->list[i].indexed && ix->shelf->list[i].dump_id == ix->dump->id;
}

static enum pd_status put_text(const struct indexing *ix, struct pd_tar_writer *tar,
                               const char *name, const struct pd_buf *text, struct pd_error *err)
{
    char path[300];

    snprintf(path, sizeof path, "%s.index/%s.txt", ix->dump->name, name);
    return pd_tar_file(tar, path, text->data, text->len,
                       pd_clock_utc(ix->shelf->c->env->clock) / PD_NS_PER_S, err);
}

static enum pd_status take_problem(void *arg, const struct pd_problem *problem,
                                   struct pd_error *err)
{
    return pd_index_line_of(problem, arg, err);
}

static enum pd_status encode_info(const struct indexing *ix, struct pd_index_info *info,
                                  struct pd_buf *text, struct pd_error *err)
{
    struct pd_buf lines = PD_BUF_INIT;
    enum pd_status status =
        pd_catalog_problems(ix->shelf->c->catalog, ix->dump->id, take_problem, &lines, err);

    pd_index_facts_of(ix->dump, &info->facts);
    info->skipped = ix->dump->skipped;
    info->problems = ix->dump->problems;
    info->lines = lines.data;
    if (status == PD_OK && pd_index_info_encode(info, text) != PD_OK) {
        status = pd_error_memory(err, "index");
    }
    pd_buf_free(&lines);
    return status;
}

static enum pd_status put_info(const struct indexing *ix, struct pd_tar_writer *tar,
                               struct pd_error *err)
{
    struct pd_copying *c = ix->shelf->c;
    const struct pd_volume_row *volume = &pd_pool_copy(c->pool, 0)->volume;
    struct pd_index_info info = {.created = pd_clock_utc(c->env->clock),
                                 .pair = volume->pair};
    struct pd_buf text = PD_BUF_INIT;
    enum pd_status status;

    for (size_t i = 0; i < ix->shelf->count; i++) {
        if (is_wanted(ix, i)) {
            info.archives++;
            info.alg = ix->shelf->list[i].alg; /* one for all archives of a dump */
        }
    }
    snprintf(info.dump_name, sizeof info.dump_name, "%s", ix->dump->name);
    snprintf(info.dump_uuid, sizeof info.dump_uuid, "%s", ix->dump->uuid);
    snprintf(info.label, sizeof info.label, "%s", volume->label);
    snprintf(info.volume_uuid, sizeof info.volume_uuid, "%s", volume->uuid);
    status = encode_info(ix, &info, &text, err);
    if (status == PD_OK) {
        status = put_text(ix, tar, "index-info", &text, err);
    }
    pd_buf_free(&text);
    return status;
}

static enum pd_status put_archive(const struct indexing *ix, const struct shelf_copy *copy,
                                  struct pd_tar_writer *tar, struct pd_error *err)
{
    struct pd_buf text = PD_BUF_INIT;
    struct pd_toc toc;
    enum pd_status status = pd_catalog_toc(ix->shelf->c->catalog, copy->archive_id, &toc, err);

    if (status != PD_OK) {
        return status;
    }
    if (pd_index_encode(&toc, copy->tape_file, &text) != PD_OK) {
        status = pd_error_memory(err, "index");
    }
    if (status == PD_OK) {
        status = put_text(ix, tar, toc.name, &text, err);
    }
    pd_toc_release(&toc);
    pd_buf_free(&text);
    return status == PD_OK ? pd_copying_beat(ix->shelf->c, err) : status;
}

static enum pd_status fill(void *arg, struct pd_tar_writer *tar, struct pd_error *err)
{
    const struct indexing *ix = arg;
    enum pd_status status = put_info(ix, tar, err);

    for (size_t i = 0; i < ix->shelf->count && status == PD_OK; i++) {
        if (is_wanted(ix, i)) {
            status = put_archive(ix, &ix->shelf->list[i], tar, err);
        }
    }
    return status;
}

static enum pd_status keep_index(struct pd_copying *c, const struct indexing *ix,
                                 struct pd_toc *records, struct pd_error *err)
{
    struct pd_copying_index *list = reallocarray(c->indexes, c->index_count + 1, sizeof *list);

    if (!list) {
        return pd_error_memory(err, "the index");
    }
    c->indexes = list;
    list[c->index_count] = (struct pd_copying_index){.tape_file = ix->file_no};
    enum pd_status status = pd_expect_new_records(records, &list[c->index_count].expect, err);
    c->index_count += status == PD_OK;
    return status;
}

static enum pd_status write_index(void *arg, struct pd_error *err)
{
    struct indexing *ix = arg;
    struct pd_copying *c = ix->shelf->c;
    struct pd_toc records;
    enum pd_status status = pd_index_out(c->env, pd_pool_copy(c->pool, 0)->target, ix->dump->name,
                                         ix->dump->uuid, fill, ix, &ix->file_no, &records, err);

    if (status == PD_OK) {
        status = keep_index(c, ix, &records, err);
    }
    pd_toc_release(&records);
    return status;
}

static enum pd_status put_index(struct shelf *s, size_t last, struct pd_error *err)
{
    struct pd_copying *c = s->c;
    struct pd_volume_row *volume = &pd_pool_copy(c->pool, 0)->volume;
    struct indexing ix = {.shelf = s, .dump = pd_copying_dump(c, s->list[last].dump_id)};
    const struct pd_activity activity = {.name = "index",
                                         .subject = volume->label,
                                         .run = write_index,
                                         .arg = &ix,
                                         .retry = PD_RETRY_ONCE};
    struct pd_volume_row row;
    enum pd_status status = ix.dump ? pd_activity_run(c->env, &activity, err)
                                    : pd_error_set(err, PD_CATALOG, 0, "an archive of no dump");

    if (status == PD_OK) { /* what was written to it meanwhile stands there */
        status = pd_catalog_volume_find(c->catalog, volume->uuid, &row, err);
    }
    if (status == PD_OK) {
        row.tape_files = volume->tape_files = (uint64_t)ix.file_no + 1;
        status = pd_catalog_volume_update(c->catalog, &row, err);
    }
    pd_error_context(err, volume->label, "index", NULL);
    return status;
}

enum pd_status pd_copying_write_indexes(struct pd_copying *c, int64_t but, struct pd_error *err)
{
    const struct pd_volume_row *volume = &pd_pool_copy(c->pool, 0)->volume;
    struct shelf shelf;
    bool more = true;
    enum pd_status status = PD_OK;

    for (size_t n = 0; more && status == PD_OK; n++) {
        if (n > c->dump_count) { /* each writes the one of another dump */
            return pd_error_set(err, PD_INTERNAL, 0, "an index was written and is not found");
        }
        status = load_shelf(c, volume->id, volume->tape_files, &shelf, err);
        more = false;
        /* backwards: a tape file without a copy is taken for the index of what lies before it */
        for (size_t i = shelf.count; i > 0 && status == PD_OK && !more; i--) {
            if (!shelf.list[i - 1].indexed && shelf.list[i - 1].dump_id != but) {
                status = put_index(&shelf, i - 1, err);
                more = true;
            }
        }
        free(shelf.list);
    }
    return status;
}

enum pd_status pd_copying_cover(struct pd_copying *c, struct pd_error *err)
{
    struct pd_pool_copy *to = pd_pool_copy(c->pool, 0);
    struct pd_target_position position = {0};
    struct shelf shelf = {.count = 0};
    enum pd_status status = pd_target_position(to->target, &position, err);

    if (status == PD_OK && position.unended > 0) {
        status = load_shelf(c, to->volume.id, to->volume.tape_files, &shelf, err);
    }
    if (status == PD_OK && shelf.count > 0) {
        status = put_index(&shelf, shelf.count - 1, err);
    }
    free(shelf.list);
    return status;
}

enum pd_status pd_copying_lacks_index(struct pd_copying *c, int64_t volume_id, uint64_t tape_files,
                                      bool *lacks, struct pd_error *err)
{
    struct shelf shelf;
    enum pd_status status = load_shelf(c, volume_id, tape_files, &shelf, err);

    *lacks = false;
    for (size_t i = 0; i < shelf.count; i++) {
        *lacks = *lacks || !shelf.list[i].indexed;
    }
    free(shelf.list);
    return status;
}

/* ---- reading back ---- */

static enum pd_status take_results(struct pd_verifier *verifier, struct pd_error *bad,
                                   struct pd_error *err)
{
    struct pd_verify_result result;
    bool ready = true;
    enum pd_status status = PD_OK;

    while (status == PD_OK && ready) {
        status = pd_verifier_poll(verifier, &result, &ready, err);
        if (status == PD_OK && ready) {
            if (result.status != PD_OK && bad->status == PD_OK) {
                *bad = result.error;
            }
            pd_verify_result_release(&result);
        }
    }
    return status;
}

enum pd_status pd_copying_check_indexes(struct pd_copying *c, const char *label, const char *uuid,
                                        struct pd_error *bad, struct pd_error *err)
{
    struct pd_verifier *verifier = NULL;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = PD_OK;

    if (c->index_count > 0) {
        status = pd_verifier_start(c->env, c->options->to, label, uuid, 0, &verifier, err);
    }
    for (size_t i = 0; i < c->index_count && status == PD_OK; i++) {
        status = pd_verifier_add(verifier, c->indexes[i].expect, c->indexes[i].tape_file, 0, err);
        if (status == PD_OK) { /* two wait at most: their results are taken on the way */
            status = take_results(verifier, bad, err);
        }
    }
    if (verifier && pd_verifier_finish(verifier, &why) != PD_OK && bad->status == PD_OK) {
        *bad = why;
    }
    if (verifier && status == PD_OK) {
        status = take_results(verifier, bad, err);
    }
    pd_verifier_free(verifier);
    for (size_t i = 0; i < c->index_count; i++) {
        pd_expect_release(c->indexes[i].expect);
    }
    c->index_count = 0;
    return status;
}
