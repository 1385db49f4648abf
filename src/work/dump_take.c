#include <stdlib.h>
#include <string.h>

#include "dump_book.h"
#include "pairdump/size.h"

/* Reads the fields of an entry one by one; the first that is missing or wrong makes it bad. */
struct reader {
    const struct pd_entry *entry;
    size_t at;
    bool bad;
};

static const char *word(struct reader *r)
{
    if (r->at >= r->entry->count) {
        r->bad = true;
        return "";
    }
    return r->entry->fields[r->at++];
}

static int64_t number(struct reader *r)
{
    int64_t value = 0;

    r->bad = !pd_parse_i64(word(r), &value) || r->bad;
    return value;
}

static uint64_t count(struct reader *r)
{
    return (uint64_t)number(r);
}

static enum pd_status status_word(struct reader *r)
{
    enum pd_status status = PD_INTERNAL;

    r->bad = !pd_status_parse(word(r), &status) || r->bad;
    return status;
}

/* A word as a state: the one of `count` states that name() calls so. */
static int state(struct reader *r, const char *(*name)(int state), int count)
{
    const char *text = word(r);
    int found = -1;

    for (int i = 0; i < count; i++) {
        found = strcmp(text, name(i)) == 0 ? i : found;
    }
    r->bad = r->bad || found < 0;
    return found < 0 ? 0 : found;
}

static const char *volume_state_name(int value)
{
    return pd_volume_state_name((enum pd_volume_state)value);
}

static const char *dump_state_name(int value)
{
    return pd_dump_state_name((enum pd_dump_state)value);
}

static bool more(const struct reader *r)
{
    return !r->bad && r->at < r->entry->count;
}

static size_t left(const struct reader *r)
{
    return more(r) ? r->entry->count - r->at : 0;
}

static enum pd_status check(const struct reader *r, struct pd_error *err)
{
    return r->bad ? pd_error_set(err, PD_BAD_FORMAT, 0,
                                 "entry %llu of the dump's journal is not as it should be",
                                 (unsigned long long)r->entry->number)
                  : PD_OK;
}

/* The archive of an entry, and its copies. */
struct place {
    struct pd_archive_row archive;
    struct pd_copy_row *copies; /* PD_COPIES_MAX of them */
    size_t count;
};

static enum pd_status add_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct place *place = arg;

    (void)err;
    if (place->count < PD_COPIES_MAX) {
        place->copies[place->count++] = *row;
    }
    return PD_OK;
}

static enum pd_status find_place(struct pd_catalog *catalog, const struct reader *r,
                                 int64_t dump_id, uint64_t seq, struct place *place,
                                 struct pd_error *err)
{
    bool found = false;
    enum pd_status status = check(r, err);

    if (status == PD_OK) {
        status = pd_catalog_archive_find(catalog, dump_id, seq, &place->archive, &found, err);
    }
    place->count = 0;
    place->copies = status == PD_OK ? calloc(PD_COPIES_MAX, sizeof *place->copies) : NULL;
    if (status != PD_OK) {
        return status;
    }
    if (!place->copies) {
        return pd_error_memory(err, "copies");
    }
    if (!found) {
        return pd_error_set(err, PD_CATALOG, 0, "archive %llu of the dump is not in the catalog",
                            (unsigned long long)seq);
    }
    return pd_catalog_copies(catalog, place->archive.id, 0, add_copy, place, err);
}

static struct pd_copy_row *copy_of(struct place *place, uint64_t copy)
{
    for (size_t i = 0; i < place->count; i++) {
        if (place->copies[i].copy == copy) {
            return &place->copies[i];
        }
    }
    return NULL;
}

static enum pd_status take_problems(struct pd_catalog *catalog, struct pd_dump_book *book,
                                    struct reader *r, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    while (more(r) && status == PD_OK) {
        struct pd_problem problem = {.path = word(r)};
        problem.status = status_word(r);
        problem.sys_errno = (int)number(r);
        problem.archived = number(r) != 0;
        problem.message = word(r);
        status = check(r, err);
        if (status == PD_OK) {
            status = pd_catalog_problem_add(catalog, book->dump_id, &problem, err);
        }
    }
    return status == PD_OK ? check(r, err) : status;
}

static enum pd_status take_listed(struct pd_catalog *catalog, struct pd_dump_book *book,
                                  struct reader *r, struct pd_error *err)
{
    (void)number(r); /* of the state entries */
    return take_problems(catalog, book, r, err);
}

static enum pd_status take_begin(struct pd_catalog *catalog, struct pd_dump_book *book,
                                 struct reader *r, struct pd_error *err)
{
    struct pd_archive_row archive = {.dump_id = book->dump_id, .alg = book->alg};
    struct pd_copy_row *copies = calloc(PD_COPIES_MAX, sizeof *copies);
    size_t n = 0;
    enum pd_status status = copies ? PD_OK : pd_error_memory(err, "copies");

    archive.seq = count(r);
    snprintf(archive.name, sizeof archive.name, "%s", word(r));
    archive.record_size = count(r);
    while (status == PD_OK && left(r) >= 3 && n < PD_COPIES_MAX) {
        struct pd_volume_row volume;
        copies[n].copy = (unsigned)number(r);
        const char *uuid = word(r);
        copies[n].tape_file = (uint32_t)number(r);
        status = check(r, err);
        if (status == PD_OK) {
            status = pd_catalog_volume_find(catalog, uuid, &volume, err);
            copies[n++].volume_id = status == PD_OK ? volume.id : 0;
        }
    }
    if (status == PD_OK && n > 0 && left(r) == 2) { /* is for a resume */
        r->bad = strcmp(word(r), PD_BOOK_LANE) != 0 || r->bad;
        (void)count(r);
    }
    r->bad = r->bad || (status == PD_OK && more(r)); /* more copies than there can be */
    if (status == PD_OK) {
        status = check(r, err);
    }
    if (status == PD_OK) {
        status = pd_catalog_archive_begin(catalog, &archive, copies, n, err);
    }
    free(copies);
    return status;
}

/* The table that the dump still holds, or else the text of the folder. */
static enum pd_status with_toc(struct pd_catalog *catalog, struct pd_dump_book *book, uint64_t seq,
                               uint64_t offset, uint64_t len, const struct place *place,
                               struct pd_error *err)
{
    struct pd_expect *expect = NULL;
    struct pd_toc toc;
    enum pd_status status = PD_OK;

    pthread_mutex_lock(&book->lock);
    for (size_t i = 0; i < PD_BOOK_HELD; i++) {
        if (book->held[i].expect && book->held[i].seq == seq) {
            expect = book->held[i].expect;
            book->held[i].expect = NULL;
        }
    }
    pthread_mutex_unlock(&book->lock);
    pd_toc_init(&toc);
    if (!expect) {
        status = pd_book_toc(book, offset, len, &toc, err);
    }
    if (status == PD_OK) {
        status = pd_catalog_archive_written(catalog, place->archive.id,
                                            expect ? pd_expect_toc(expect) : &toc, place->copies,
                                            place->count, err);
    }
    pd_toc_release(&toc);
    pd_expect_release(expect);
    return status;
}

static enum pd_status take_written(struct pd_catalog *catalog, struct pd_dump_book *book,
                                   struct reader *r, struct pd_error *err)
{
    uint64_t seq = count(r), offset = count(r), len = count(r);
    struct place place = {.copies = NULL};
    enum pd_status status = find_place(catalog, r, book->dump_id, seq, &place, err);

    (void)number(r); /* tape file of the text */
    uint64_t copies = count(r);
    for (uint64_t i = 0; i < copies && status == PD_OK && !r->bad; i++) {
        struct pd_copy_row *copy = copy_of(&place, count(r));
        const char *state = word(r);
        enum pd_status reason = status_word(r);
        uint32_t tape_file = (uint32_t)number(r);
        const char *message = word(r);
        bool written = strcmp(state, pd_copy_state_name(PD_COPY_WRITTEN)) == 0;
        r->bad = r->bad || !copy ||
                 (!written && strcmp(state, pd_copy_state_name(PD_COPY_BAD)) != 0);
        if (copy) {
            copy->state = written ? PD_COPY_WRITTEN : PD_COPY_BAD;
            copy->reason = reason;
            copy->tape_file = tape_file;
            snprintf(copy->message, sizeof copy->message, "%s", message);
        }
    }
    if (status == PD_OK) {
        status = check(r, err);
    }
    if (status == PD_OK) {
        status = with_toc(catalog, book, seq, offset, len, &place, err);
    }
    free(place.copies);
    return status == PD_OK ? take_problems(catalog, book, r, err) : status;
}

static enum pd_status take_abandon(struct pd_catalog *catalog, struct pd_dump_book *book,
                                   struct reader *r, struct pd_error *err)
{
    struct pd_archive_row archive;
    bool found = false;
    uint64_t seq = count(r);
    enum pd_status status = check(r, err);

    if (status == PD_OK) {
        status = pd_catalog_archive_find(catalog, book->dump_id, seq, &archive, &found, err);
    }
    return status == PD_OK && found ? pd_catalog_archive_abandon(catalog, archive.id, err) : status;
}

static enum pd_status read_damage(struct reader *r, struct pd_damage **out, size_t *n,
                                  struct pd_error *err)
{
    size_t room = (r->entry->count - r->at) / 3 + 1;

    *n = 0;
    *out = calloc(room, sizeof **out);
    if (!*out) {
        return pd_error_memory(err, "damage");
    }
    while (more(r)) {
        struct pd_damage *one = &(*out)[(*n)++];
        const char *record = word(r);
        const char *path = word(r);
        one->has_record = strcmp(record, "-") != 0;
        r->bad = r->bad || (one->has_record && !pd_parse_u64(record, &one->record));
        one->path = strcmp(path, "-") != 0 ? path : NULL;
        one->status = status_word(r);
    }
    return check(r, err);
}

static enum pd_status take_verified(struct pd_catalog *catalog, struct pd_dump_book *book,
                                    struct reader *r, struct pd_error *err)
{
    struct pd_verification_row row = {.mode = "full", .late = true};
    struct place place = {.copies = NULL};
    struct pd_damage *damage = NULL;
    size_t n = 0;
    uint64_t seq = count(r);
    uint64_t copy = count(r);
    enum pd_status status = find_place(catalog, r, book->dump_id, seq, &place, err);
    const struct pd_copy_row *found = status == PD_OK ? copy_of(&place, copy) : NULL;

    row.copy_id = found ? found->id : 0;
    row.started = number(r);
    row.finished = number(r);
    row.status = status_word(r);
    row.records = count(r);
    row.bad_records = count(r);
    row.files = count(r);
    row.bad_files = count(r);
    snprintf(row.message, sizeof row.message, "%s", word(r));
    r->bad = r->bad || (status == PD_OK && !found);
    if (status == PD_OK) {
        status = check(r, err);
    }
    if (status == PD_OK) {
        status = read_damage(r, &damage, &n, err);
    }
    if (status == PD_OK) {
        status = pd_catalog_verification_add(catalog, &row, damage, n, err);
    }
    free(damage);
    free(place.copies);
    return status;
}

static enum pd_status take_labelled(struct pd_catalog *catalog, struct pd_dump_book *book,
                                    struct reader *r, struct pd_error *err)
{
    const char *uuid = word(r);
    enum pd_status status = check(r, err);

    (void)book;
    return status == PD_OK ? pd_catalog_volume_labelled(catalog, uuid, err) : status;
}

static enum pd_status take_volume(struct pd_catalog *catalog, struct pd_dump_book *book,
                                  struct reader *r, struct pd_error *err)
{
    struct pd_volume_row row;
    const char *uuid = word(r);
    enum pd_volume_state now = (enum pd_volume_state)state(r, volume_state_name, PD_VOLUME_BAD + 1);
    uint64_t tape_files = count(r), used = count(r);
    int64_t last_written = number(r);

    enum pd_status status = check(r, err);
    if (status == PD_OK) { /* verifications have set more in the catalog meanwhile */
        status = pd_catalog_volume_find(catalog, uuid, &row, err);
    }
    if (status != PD_OK) {
        return status;
    }
    bool used_since = false;
    status =
        pd_catalog_volume_used_since(catalog, row.id, book->dump_id, tape_files, &used_since, err);
    if (status != PD_OK) {
        return status;
    }
    if (!used_since) {
        row.tape_files = tape_files;
        row.used = used;
        row.last_written = last_written;
    }
    bool given_up = row.state == PD_VOLUME_SCRATCH || row.state == PD_VOLUME_GONE;
    bool settled = row.state == PD_VOLUME_BAD || given_up; /* nothing mends it */
    if (!settled && now != PD_VOLUME_BAD && row.state == PD_VOLUME_RETIRED) {
        settled = true; /* what an operator said meanwhile */
    }
    if (!settled && (!used_since || now == PD_VOLUME_BAD)) {
        row.state = now;
    }
    return pd_catalog_volume_update(catalog, &row, err);
}

static enum pd_status take_report(struct pd_catalog *catalog, struct pd_dump_book *book,
                                  struct reader *r, struct pd_error *err)
{
    struct pd_drive_report report = {.id = 0};
    struct pd_volume_row volume;
    const char *uuid = word(r);
    enum pd_status status;

    (void)book;
    snprintf(report.drive, sizeof report.drive, "%s", word(r));
    report.taken = number(r);
    snprintf(report.source, sizeof report.source, "%s", word(r));
    snprintf(report.alerts, sizeof report.alerts, "%s", word(r));
    report.write_corrected = count(r);
    report.write_uncorrected = count(r);
    report.read_corrected = count(r);
    report.read_uncorrected = count(r);
    status = check(r, err);
    if (status == PD_OK) {
        status = pd_catalog_volume_find(catalog, uuid, &volume, err);
    }
    report.volume_id = status == PD_OK ? volume.id : 0;
    return status == PD_OK ? pd_catalog_drive_report_add(catalog, &report, err) : status;
}

static enum pd_status take_state(struct pd_catalog *catalog, struct pd_dump_book *book,
                                 struct reader *r, struct pd_error *err)
{
    struct pd_dump_row row = {.id = book->dump_id};
    enum pd_status status;

    row.state = (enum pd_dump_state)state(r, dump_state_name, PD_DUMP_DONE + 1);
    row.status = status_word(r);
    row.finished = number(r);
    row.archives = count(r);
    row.files = count(r);
    row.bytes = count(r);
    row.problems = count(r);
    row.skipped = count(r);
    status = check(r, err);
    return status == PD_OK ? pd_catalog_dump_update(catalog, &row, err) : status;
}

enum pd_status pd_book_take(struct pd_catalog *catalog, void *arg, const struct pd_entry *entry,
                            struct pd_error *err)
{
    static const struct {
        const char *kind;
        enum pd_status (*take)(struct pd_catalog *, struct pd_dump_book *, struct reader *,
                               struct pd_error *);
    } kinds[] = {
        {"listed", take_listed},   {"begin", take_begin},       {"written", take_written},
        {"abandon", take_abandon}, {"verified", take_verified}, {"labelled", take_labelled},
        {"volume", take_volume},   {"state", take_state},       {"report", take_report},
    };
    struct reader reader = {.entry = entry};
    const char *kind = word(&reader);

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].kind, kind) == 0) {
            return kinds[i].take(catalog, arg, &reader, err);
        }
    }
    return pd_error_set(err, PD_BAD_FORMAT, 0, "the dump's journal has an unknown entry %s", kind);
}
