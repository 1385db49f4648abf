#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_priv.h"
#include "pairdump/index.h"

/* Volumes, dumps and archives as media tell of them: what is not there is added, what is there is
 * compared and stays as it is. All of it can be done twice. */

static void says(struct pd_heard *heard, enum pd_heard_as as, enum pd_status status,
                 const char *fmt, ...) PD_PRINTF(4, 5);

static void says(struct pd_heard *heard, enum pd_heard_as as, enum pd_status status,
                 const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    heard->as = as;
    (void)!pd_error_set(&heard->why, status, 0, "%s", text);
}

static void contradicts(struct pd_heard *heard, const char *what, const char *here,
                        const char *there)
{
    says(heard, PD_HEARD_CONTRADICTS, PD_CATALOG, "%s: the medium says %s, the catalog %s", what,
         here, there);
}

static void begin(struct pd_heard *heard)
{
    heard->as = PD_HEARD_KNOWN;
    pd_error_clear(&heard->why);
}

/* ---- volumes ---- */

struct volume {
    struct pd_volume_row *row;
    struct pd_heard *heard;
};

static void compare_volume(const struct pd_volume_row *here, const struct pd_volume_row *there,
                           struct pd_heard *heard)
{
    char a[24], b[24];

    if (there->state == PD_VOLUME_SCRATCH || there->state == PD_VOLUME_GONE ||
        there->state == PD_VOLUME_RESERVED) {
        says(heard, PD_HEARD_LEFT_OUT, PD_HELD, "%s",
             there->state == PD_VOLUME_RESERVED
                 ? "its label is reserved for a dump that has not ended; resume that one first"
                 : "it was given up; what it holds does not count");
    } else if (strcmp(here->label, there->label) != 0) {
        contradicts(heard, "label", here->label, there->label);
    } else if (here->copy != there->copy) {
        snprintf(a, sizeof a, "%u", here->copy);
        snprintf(b, sizeof b, "%u", there->copy);
        contradicts(heard, "copy number", a, b);
    } else if (here->block_size != there->block_size) {
        snprintf(a, sizeof a, "%" PRIu64, here->block_size);
        snprintf(b, sizeof b, "%" PRIu64, there->block_size);
        contradicts(heard, "block size", a, b);
    }
}

static enum pd_status tell_volume(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct volume *v = arg;
    struct pd_volume_row *there = calloc(1, sizeof *there);
    struct pd_error unknown = PD_ERROR_INIT;
    enum pd_status status = PD_OK;

    begin(v->heard);
    if (!there) {
        return pd_error_memory(err, "a volume");
    }
    status = pd_catalog_volume_find(catalog, v->row->uuid, there, &unknown);
    if (status == PD_OK) {
        compare_volume(v->row, there, v->heard);
        *v->row = *there;
        goto out;
    }
    if (status == PD_NOT_FOUND) {
        status = pd_catalog_volume_find(catalog, v->row->label, there, &unknown);
        if (status == PD_OK) {
            contradicts(v->heard, "UUID", v->row->uuid, there->uuid);
            goto out;
        }
    }
    if (status == PD_NOT_FOUND) {
        status = pd_catalog_volume_add(catalog, v->row, err);
        v->heard->as = PD_HEARD_ADDED;
    } else {
        *err = unknown;
    }
out:
    free(there);
    return status;
}

enum pd_status pd_catalog_hear_volume(struct pd_catalog *catalog, struct pd_volume_row *row,
                                      struct pd_heard *heard, struct pd_error *err)
{
    struct volume v = {row, heard};

    return pd_cat_transaction(catalog, PD_CAT_REPEAT, tell_volume, &v, err);
}

/* ---- dumps ---- */

struct dump {
    struct pd_dump_row *row;
    struct pd_heard *heard;
};

/* The row of a dump that ran here has a process; what was made of media has none. */
static bool is_rebuilt(const struct pd_dump_row *row)
{
    return row->pid == 0;
}

static void compare_dump(const struct pd_dump_row *here, const struct pd_dump_row *there,
                         struct pd_heard *heard)
{
    if (there->state != PD_DUMP_DONE) {
        says(heard, PD_HEARD_LEFT_OUT, PD_HELD,
             "dump %s has not ended; pairdump resume %s records what it has written", there->name,
             there->name);
    } else if (strcmp(here->name, there->name) != 0) {
        contradicts(heard, "name of the dump", here->name, there->name);
    } else if (here->host[0] && there->host[0] && strcmp(here->host, there->host) != 0) {
        contradicts(heard, "host of the dump", here->host, there->host);
    }
}

static void fill(char *out, size_t size, const char *from)
{
    if (!out[0]) {
        snprintf(out, size, "%s", from);
    }
}

/* What another index or archive did not tell. */
static enum pd_status complete_dump(struct pd_catalog *catalog, const struct pd_dump_row *here,
                                    struct pd_dump_row *there, struct pd_error *err)
{
    fill(there->host, sizeof there->host, here->host);
    fill(there->pool, sizeof there->pool, here->pool);
    fill(there->roots, sizeof there->roots, here->roots);
    fill(there->policy, sizeof there->policy, here->policy);
    there->incremental = there->incremental || here->incremental;
    there->copies = there->copies > here->copies ? there->copies : here->copies;
    there->started = there->started < here->started ? there->started : here->started;
    there->finished = there->finished > here->finished ? there->finished : here->finished;
    there->skipped = there->skipped > here->skipped ? there->skipped : here->skipped;
    there->problems = there->problems > here->problems ? there->problems : here->problems;
    return pd_cat_run(catalog, err,
                      "UPDATE dump SET host = ?, pool = ?, roots = ?, policy = ?, incremental = ?,"
                      " copies = ?, started = ?, finished = ?, skipped = ?, problems = ?"
                      " WHERE id = ?",
                      "ssssiiiiiii", there->host, there->pool, there->roots, there->policy,
                      (int64_t)there->incremental, (int64_t)there->copies, there->started,
                      there->finished, (int64_t)there->skipped, (int64_t)there->problems,
                      there->id);
}

/* Exactly: a name that is "last", or the beginning of a UUID, finds no other dump. */
static enum pd_status find_dump(struct pd_catalog *catalog, const char *uuid, const char *name,
                                struct pd_dump_row *out, bool *found, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    char word[PD_UUID_TEXT] = "";
    enum pd_status status =
        uuid ? pd_cat_query(catalog, &stmt, err, "SELECT uuid FROM dump WHERE uuid = ?", "s", uuid)
             : pd_cat_query(catalog, &stmt, err, "SELECT uuid FROM dump WHERE name = ?", "s", name);

    if (status == PD_OK) {
        status = pd_sql_step(stmt, found, err);
    }
    if (status == PD_OK && *found) {
        pd_cat_text(stmt, 0, word, sizeof word);
    }
    pd_sql_reset(stmt);
    return status == PD_OK && *found ? pd_catalog_dump_find(catalog, word, out, err) : status;
}

static enum pd_status tell_dump(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct dump *d = arg;
    struct pd_dump_row *there = calloc(1, sizeof *there);
    bool found = false;
    enum pd_status status = PD_OK;

    begin(d->heard);
    if (!there) {
        return pd_error_memory(err, "a dump");
    }
    status = find_dump(catalog, d->row->uuid, NULL, there, &found, err);
    if (status == PD_OK && found) {
        compare_dump(d->row, there, d->heard);
        if (d->heard->as == PD_HEARD_KNOWN && is_rebuilt(there)) {
            status = complete_dump(catalog, d->row, there, err);
        }
        *d->row = *there;
        goto out;
    }
    if (status == PD_OK) {
        status = find_dump(catalog, NULL, d->row->name, there, &found, err);
    }
    if (status == PD_OK && found) {
        contradicts(d->heard, "UUID of the dump", d->row->uuid, there->uuid);
    } else if (status == PD_OK) {
        d->row->pid = 0;
        d->row->state = PD_DUMP_DONE;
        d->row->status = PD_UNVERIFIED;
        d->row->archives = d->row->files = d->row->bytes = 0;
        status = pd_catalog_dump_add(catalog, d->row, err);
        d->heard->as = PD_HEARD_ADDED;
    }
out:
    free(there);
    return status;
}

enum pd_status pd_catalog_hear_dump(struct pd_catalog *catalog, struct pd_dump_row *row,
                                    struct pd_heard *heard, struct pd_error *err)
{
    struct dump d = {row, heard};

    return pd_cat_transaction(catalog, PD_CAT_REPEAT, tell_dump, &d, err);
}

struct problem {
    const struct pd_dump_row *dump;
    const struct pd_problem *problem;
};

static enum pd_status tell_problem(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct problem *w = arg;
    const struct pd_problem *p = w->problem;
    struct pd_sql_stmt *stmt = NULL;
    int64_t id = 0;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT id FROM problem WHERE dump_id = ? AND path = ? AND status = ? AND message = ?",
        "ibss", w->dump->id, p->path, strlen(p->path), pd_status_name(p->status), p->message);

    if (status == PD_OK) {
        status = pd_cat_number(stmt, &id, err);
    }
    return status == PD_OK && id == 0 ? pd_catalog_problem_add(catalog, w->dump->id, p, err)
                                      : status;
}

enum pd_status pd_catalog_hear_problem(struct pd_catalog *catalog, const struct pd_dump_row *dump,
                                       const struct pd_problem *problem, struct pd_error *err)
{
    struct problem w = {dump, problem};

    return is_rebuilt(dump) ? pd_cat_transaction(catalog, PD_CAT_REPEAT, tell_problem, &w, err)
                            : PD_OK;
}

/* ---- archives ---- */

/* Everything that a table of contents says, as text; what only an index tells is left out when
 * weak. */
static enum pd_status text_of(struct pd_toc *toc, bool weak, struct pd_buf *out,
                              struct pd_error *err)
{
    for (uint64_t i = 0; i < toc->file_count && weak; i++) {
        toc->files[i].dev = 0;
        toc->files[i].ino = PD_INO_UNKNOWN;
    }
    return pd_index_encode(toc, 1, out) == PD_OK ? PD_OK : pd_error_memory(err, "an archive");
}

/* Was it read from an archive itself, which does not tell inodes? */
static bool is_weak(const struct pd_toc *toc)
{
    for (uint64_t i = 0; i < toc->file_count; i++) {
        if (toc->files[i].ino != PD_INO_UNKNOWN) {
            return false;
        }
    }
    return toc->file_count > 0;
}

struct archive {
    struct pd_heard_archive *in;
    struct pd_heard *heard;
};

static enum pd_status same_archive(struct pd_catalog *catalog, const struct archive *a, bool *same,
                                   bool *weak, struct pd_error *err)
{
    struct pd_buf here = PD_BUF_INIT, there = PD_BUF_INIT;
    struct pd_toc toc;
    enum pd_status status = pd_catalog_toc(catalog, a->in->archive_id, &toc, err);

    *weak = status == PD_OK && is_weak(&toc) && !is_weak(a->in->toc);
    if (status == PD_OK && (*weak || is_weak(a->in->toc))) {
        struct pd_toc copy = *a->in->toc; /* its files are put back below */
        struct pd_toc_file *files = calloc((size_t)copy.file_count, sizeof *files);

        if (!files) {
            status = pd_error_memory(err, "an archive");
        } else {
            memcpy(files, copy.files, (size_t)copy.file_count * sizeof *files);
            copy.files = files;
            status = text_of(&copy, true, &here, err);
            free(files);
        }
        status = status == PD_OK ? text_of(&toc, true, &there, err) : status;
    } else if (status == PD_OK) {
        status = text_of(a->in->toc, false, &here, err);
        status = status == PD_OK ? text_of(&toc, false, &there, err) : status;
    }
    *same =
        status == PD_OK && here.len == there.len && memcmp(here.data, there.data, here.len) == 0;
    pd_buf_free(&here);
    pd_buf_free(&there);
    pd_toc_release(&toc);
    return status;
}

static enum pd_status add_files(struct pd_catalog *catalog, const struct archive *a,
                                struct pd_error *err)
{
    const struct pd_toc *toc = a->in->toc;
    enum pd_status status = pd_cat_run(
        catalog, err,
        "INSERT INTO archive (dump_id, seq, name, record_size, records, files, payload_bytes,"
        " payload_files, manifest_offset, record_digests, digest_algorithm)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        "iisiiiiiibs", a->in->dump->id, (int64_t)toc->seq, toc->name, (int64_t)toc->record_size,
        (int64_t)toc->record_count, (int64_t)toc->file_count, (int64_t)toc->payload_bytes,
        (int64_t)toc->payload_files, (int64_t)toc->manifest_offset, toc->records,
        toc->record_count * sizeof *toc->records, pd_digest_alg_info(toc->alg)->name);

    if (status != PD_OK) {
        return status;
    }
    a->in->archive_id = pd_sql_last_id(catalog->sql);
    status = pd_cat_files_add(catalog, a->in->archive_id, toc, err);
    return status == PD_OK
               ? pd_cat_run(catalog, err,
                            "UPDATE dump SET archives = archives + 1, files = files + ?,"
                            " bytes = bytes + ? WHERE id = ?",
                            "iii", (int64_t)toc->file_count, (int64_t)toc->payload_bytes,
                            a->in->dump->id)
               : status;
}

/* The files again, with what the index of another copy tells of them. */
static enum pd_status replace_files(struct pd_catalog *catalog, const struct archive *a,
                                    struct pd_error *err)
{
    enum pd_status status =
        pd_cat_run(catalog, err, "DELETE FROM file WHERE archive_id = ?", "i", a->in->archive_id);

    return status == PD_OK ? pd_cat_files_add(catalog, a->in->archive_id, a->in->toc, err) : status;
}

/* The archive is in the catalog, as the medium says; else a->heard says why not. */
static enum pd_status tell_contents(struct pd_catalog *catalog, const struct archive *a,
                                    struct pd_error *err)
{
    struct pd_archive_row row;
    bool found = false, same = false, weak = false;
    enum pd_status status =
        pd_catalog_archive_find(catalog, a->in->dump->id, a->in->toc->seq, &row, &found, err);

    if (status != PD_OK || !found) {
        a->heard->as = PD_HEARD_ADDED;
        return status == PD_OK ? add_files(catalog, a, err) : status;
    }
    a->in->archive_id = row.id;
    if (a->in->is_same) {
        return PD_OK;
    }
    status = same_archive(catalog, a, &same, &weak, err);
    if (status == PD_OK && !same) {
        says(a->heard, PD_HEARD_CONTRADICTS, PD_CATALOG,
             "what the medium says of its records and files is not what the catalog says");
    } else if (status == PD_OK && weak) {
        status = replace_files(catalog, a, err);
    }
    return status;
}

/* Whether that copy, or something else at its place, is known. */
static enum pd_status find_copy(struct pd_catalog *catalog, const struct archive *a, bool *found,
                                struct pd_error *err)
{
    const struct pd_copy_row *c = a->in->copy;
    struct pd_sql_stmt *stmt = NULL;
    bool more = true;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err,
        "SELECT c.archive_id, c.tape_file, c.state, a.name FROM copy c JOIN archive a"
        " ON a.id = c.archive_id WHERE c.volume_id = ? AND (c.archive_id = ? OR c.tape_file = ?)",
        "iii", c->volume_id, a->in->archive_id, (int64_t)c->tape_file);

    *found = false;
    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        bool own = pd_sql_int(stmt, 0) == a->in->archive_id;
        bool there = pd_sql_int(stmt, 1) == (int64_t)c->tape_file;
        char state[16], name[128];

        pd_cat_text(stmt, 2, state, sizeof state);
        pd_cat_text(stmt, 3, name, sizeof name);
        *found = *found || own;
        if (strcmp(state, "bad") == 0 || (own && there)) {
            continue;
        }
        says(a->heard, PD_HEARD_CONTRADICTS, PD_CATALOG,
             "it is tape file %" PRIu32 ", but the catalog says that %s is tape file %" PRId64,
             c->tape_file, own ? "it" : name, pd_sql_int(stmt, 1));
    }
    pd_sql_reset(stmt);
    return status;
}

static enum pd_status add_copy(struct pd_catalog *catalog, const struct archive *a,
                               struct pd_error *err)
{
    const struct pd_copy_row *c = a->in->copy;
    const struct pd_toc *toc = a->in->toc;
    bool written = c->state == PD_COPY_WRITTEN;
    enum pd_status status = pd_cat_run(
        catalog, err,
        "INSERT INTO copy (archive_id, volume_id, copy, tape_file, state, reason, message, changed)"
        " VALUES (?,?,?,?,?,?,?,?)",
        "iiiisssi", a->in->archive_id, c->volume_id, (int64_t)c->copy, (int64_t)c->tape_file,
        pd_copy_state_name(c->state), pd_status_name(c->reason), c->message, c->changed);

    a->heard->as = PD_HEARD_ADDED;
    if (status != PD_OK) {
        return status;
    }
    return pd_cat_run(
        catalog, err,
        "UPDATE volume SET used = used + ?, last_written = CASE WHEN last_written > ? THEN"
        " last_written ELSE ? END, tape_files = CASE WHEN tape_files > ? THEN tape_files ELSE ? END"
        " WHERE id = ?",
        "iiiiii", written ? (int64_t)(toc->record_count * toc->record_size) : 0, c->changed,
        c->changed, (int64_t)c->tape_file + 1, (int64_t)c->tape_file + 1, c->volume_id);
}

static enum pd_status tell_archive(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct archive *a = arg;
    bool found = false;
    enum pd_status status;

    begin(a->heard);
    a->in->archive_added = a->in->copy_added = false;
    if (a->in->copy->state != PD_COPY_WRITTEN && a->in->copy->state != PD_COPY_BAD) {
        return pd_error_set(err, PD_INTERNAL, 0, "no medium tells that a copy is %s",
                            pd_copy_state_name(a->in->copy->state));
    }
    status = tell_contents(catalog, a, err);
    a->in->archive_added = status == PD_OK && a->heard->as == PD_HEARD_ADDED;
    if (status == PD_OK && a->heard->as != PD_HEARD_CONTRADICTS) {
        status = find_copy(catalog, a, &found, err);
    }
    if (status == PD_OK && a->heard->as == PD_HEARD_CONTRADICTS) {
        return a->in->archive_added ? pd_error_set(err, PD_CATALOG, 0, "%s", a->heard->why.message)
                                    : PD_OK;
    }
    if (status == PD_OK && !found) {
        status = add_copy(catalog, a, err);
        a->in->copy_added = status == PD_OK;
    }
    return status;
}

enum pd_status pd_catalog_hear_archive(struct pd_catalog *catalog, struct pd_heard_archive *in,
                                       struct pd_heard *heard, struct pd_error *err)
{
    struct archive a = {in, heard};
    enum pd_status status = pd_cat_transaction(catalog, PD_CAT_REPEAT, tell_archive, &a, err);

    /* an archive that was added for a copy which cannot be was taken back */
    if (status == PD_CATALOG && heard->as == PD_HEARD_CONTRADICTS) {
        pd_error_clear(err);
        in->archive_added = false;
        status = PD_OK;
    }
    return status;
}

/* ---- the end ---- */

struct ending {
    int64_t dump_id;
    struct pd_heard_end *end;
};

/* Numbers of archives have no gaps; one that is missing is on no volume that was read. An end that
 * was not seen now may have been seen before. */
static enum pd_status end_dump(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct ending *e = arg;
    struct pd_heard_end *end = e->end;
    struct pd_sql_stmt *stmt = NULL;
    enum pd_status before = PD_OK, now = PD_UNVERIFIED;
    bool row = false;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT d.status, COALESCE(MAX(a.seq), 0), COUNT(a.id) FROM dump d"
                     " LEFT JOIN archive a ON a.dump_id = d.id WHERE d.id = ? GROUP BY d.status",
                     "i", e->dump_id);

    end->lacking = end->last = 0;
    end->open = false;
    if (status == PD_OK) {
        status = pd_sql_step(stmt, &row, err);
    }
    if (status == PD_OK && row) {
        before = pd_cat_status(stmt, 0);
        end->last = (uint64_t)pd_sql_int(stmt, 1);
        end->lacking = end->last - (uint64_t)pd_sql_int(stmt, 2);
    }
    pd_sql_reset(stmt);
    if (status == PD_OK) {
        bool seen = end->last <= end->indexed || end->last <= end->learned;
        end->open = seen ? end->last > end->indexed : before == PD_TRUNCATED;
        now = end->open ? PD_TRUNCATED : end->lacking > 0 ? PD_MISSING : PD_UNVERIFIED;
        status = pd_cat_run(catalog, err, "UPDATE dump SET status = ? WHERE id = ? AND pid = 0",
                            "si", pd_status_name(now), e->dump_id);
    }
    return status;
}

enum pd_status pd_catalog_hear_end(struct pd_catalog *catalog, int64_t dump_id,
                                   struct pd_heard_end *end, struct pd_error *err)
{
    struct ending e = {dump_id, end};

    return pd_cat_transaction(catalog, PD_CAT_REPEAT, end_dump, &e, err);
}

struct measuring {
    int64_t volume_id;
    uint64_t tape_files, pair;
};

static enum pd_status measure(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct measuring *m = arg;

    return pd_cat_run(catalog, err,
                      "UPDATE volume SET pair = CASE WHEN pair > 0 THEN pair ELSE ? END,"
                      " tape_files = CASE WHEN tape_files > ? THEN tape_files ELSE ? END"
                      " WHERE id = ?",
                      "iiii", (int64_t)m->pair, (int64_t)m->tape_files, (int64_t)m->tape_files,
                      m->volume_id);
}

enum pd_status pd_catalog_hear_tape_files(struct pd_catalog *catalog, int64_t volume_id,
                                          uint64_t tape_files, uint64_t pair, struct pd_error *err)
{
    struct measuring m = {volume_id, tape_files, pair};

    return pd_cat_transaction(catalog, PD_CAT_REPEAT, measure, &m, err);
}

enum pd_status pd_catalog_archive_named(struct pd_catalog *catalog, const char *name, int64_t *id,
                                        int64_t *dump_id, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool found = false;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT id, dump_id FROM archive WHERE name = ? AND records > 0", "s", name);

    *id = *dump_id = 0;
    if (status == PD_OK) {
        status = pd_sql_step(stmt, &found, err);
    }
    if (status == PD_OK && found) {
        *id = pd_sql_int(stmt, 0);
        *dump_id = pd_sql_int(stmt, 1);
    }
    pd_sql_reset(stmt);
    return status;
}
