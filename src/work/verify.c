#include "pairdump/verify.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "verify_priv.h"

#define NO_PATH SIZE_MAX

/* ---- expectations ---- */

struct pd_expect {
    atomic_uint refs;
    struct pd_toc toc;
    bool records_only;
};

enum pd_status pd_expect_new(struct pd_toc *toc, struct pd_expect **out, struct pd_error *err)
{
    struct pd_expect *expect = calloc(1, sizeof(*expect));

    *out = NULL;
    if (expect == NULL)
        return pd_error_memory(err, "a table of contents");
    atomic_init(&expect->refs, 1);
    expect->toc = *toc;
    pd_toc_init(toc);
    *out = expect;
    return PD_OK;
}

enum pd_status pd_expect_new_records(struct pd_toc *toc, struct pd_expect **out,
                                     struct pd_error *err)
{
    enum pd_status status = pd_expect_new(toc, out, err);

    if (status == PD_OK)
        (*out)->records_only = true;
    return status;
}

bool pd_expect_is_records(const struct pd_expect *expect)
{
    return expect != NULL && expect->records_only;
}

struct pd_expect *pd_expect_hold(struct pd_expect *expect)
{
    if (expect != NULL)
        atomic_fetch_add(&expect->refs, 1);
    return expect;
}

void pd_expect_release(struct pd_expect *expect)
{
    if (expect == NULL || atomic_fetch_sub(&expect->refs, 1) != 1)
        return;
    pd_toc_release(&expect->toc);
    free(expect);
}

const struct pd_toc *pd_expect_toc(const struct pd_expect *expect)
{
    return expect == NULL ? NULL : &expect->toc;
}

/* ---- findings ---- */

void pd_verify_result_release(struct pd_verify_result *result)
{
    free(result->damage);
    free(result->damage_text);
    result->damage = NULL;
    result->damage_text = NULL;
    result->damage_count = 0;
}

void pd_verify_findings_start(struct pd_verify_findings *findings,
                              struct pd_verify_result *result, const struct pd_toc *toc)
{
    memset(findings, 0, sizeof(*findings));
    findings->result = result;
    findings->toc = toc;
}

enum pd_status pd_verify_findings_end(struct pd_verify_findings *findings, struct pd_error *err)
{
    struct pd_verify_result *result = findings->result;

    result->damage_text = findings->text.data;
    for (size_t i = 0; i < result->damage_count; i++)
        if (findings->places[i] != NO_PATH)
            result->damage[i].path = result->damage_text + findings->places[i];
    free(findings->places);
    free(findings->bad);
    return findings->out_of_memory ? pd_error_memory(err, "the list of damage") : PD_OK;
}

void pd_verify_note(struct pd_verify_findings *findings, const struct pd_error *error)
{
    struct pd_verify_result *result = findings->result;
    enum pd_status worst = pd_status_worst(result->status, error->status);

    if (worst == result->status)
        return;
    result->status = worst;
    result->error = *error;
    result->error.status = worst;
    pd_error_context(&result->error, result->label, result->archive, NULL);
}

static bool grow(struct pd_verify_findings *findings)
{
    struct pd_verify_result *result = findings->result;
    size_t room = findings->room == 0 ? 64 : findings->room * 2;
    struct pd_damage *damage;
    size_t *places;

    if (result->damage_count < findings->room)
        return true;
    damage = realloc(result->damage, room * sizeof(*damage));
    if (damage == NULL)
        return false;
    result->damage = damage;
    places = realloc(findings->places, room * sizeof(*places));
    if (places == NULL)
        return false;
    findings->places = places;
    findings->room = room;
    return true;
}

static void add_damage(struct pd_verify_findings *findings, const uint64_t *record,
                       const char *path, enum pd_status status)
{
    struct pd_verify_result *result = findings->result;
    size_t place = path == NULL ? NO_PATH : findings->text.len;

    if (result->damage_count == PD_VERIFY_DAMAGE_MAX)
        return;
    if (!grow(findings) ||
        (path != NULL && pd_buf_append(&findings->text, path, strlen(path) + 1) != PD_OK)) {
        findings->out_of_memory = true;
        return;
    }
    findings->places[result->damage_count] = place;
    result->damage[result->damage_count++] =
        (struct pd_damage){.has_record = record != NULL,
                           .record = record == NULL ? 0 : *record,
                           .status = status};
}

/* Counts a file of the toc once; true the first time. */
static bool count_file(struct pd_verify_findings *findings, uint64_t index)
{
    uint8_t bit = (uint8_t)(1u << (index % 8));

    if (findings->bad == NULL)
        findings->bad = calloc((size_t)(findings->toc->file_count / 8 + 1), 1);
    if (findings->bad == NULL) {
        findings->out_of_memory = true;
        return true;
    }
    if ((findings->bad[index / 8] & bit) != 0)
        return false;
    findings->bad[index / 8] |= bit;
    findings->result->bad_files++;
    return true;
}

/* The error with the file it hits first, if it is the one to be kept. */
static void note_with_file(struct pd_verify_findings *findings, const struct pd_error *error,
                           const char *path)
{
    struct pd_error named = *error;

    pd_error_context(&named, NULL, NULL, path);
    pd_verify_note(findings, &named);
}

void pd_verify_note_record(struct pd_verify_findings *findings, uint64_t record,
                           const struct pd_error *error)
{
    uint64_t first = 0, count = 0;

    findings->result->bad_records++;
    if (findings->toc != NULL)
        pd_toc_files_of_record(findings->toc, record, &first, &count);
    note_with_file(findings, error, count > 0 ? findings->toc->files[first].path : NULL);
    if (count == 0)
        add_damage(findings, &record, NULL, error->status);
    for (uint64_t i = first; i < first + count; i++) {
        (void)count_file(findings, i);
        add_damage(findings, &record, findings->toc->files[i].path, error->status);
    }
}

void pd_verify_note_missing(struct pd_verify_findings *findings, uint64_t record,
                            const struct pd_error *error)
{
    const struct pd_toc *toc = findings->toc;
    uint64_t first = 0, count = 0, at = record;
    bool named = false;

    if (toc == NULL || record >= toc->record_count) {
        pd_verify_note(findings, error);
        add_damage(findings, &record, NULL, error->status);
        return;
    }
    findings->result->bad_records += toc->record_count - record;
    /* The first record with a file in it; the files from there on are the ones hit. */
    while (count == 0 && at < toc->record_count)
        pd_toc_files_of_record(toc, at++, &first, &count);
    note_with_file(findings, error, count > 0 ? toc->files[first].path : NULL);
    for (uint64_t i = first; count > 0 && i < toc->file_count; i++) {
        uint64_t lies_in = toc->files[i].offset / toc->record_size;

        if (lies_in < record)
            lies_in = record;
        if (count_file(findings, i))
            add_damage(findings, &lies_in, toc->files[i].path, error->status);
        named = true;
    }
    if (!named)
        add_damage(findings, &record, NULL, error->status);
}

void pd_verify_note_file(struct pd_verify_findings *findings, uint64_t index,
                         const struct pd_error *error)
{
    const struct pd_toc_file *file = &findings->toc->files[index];
    uint64_t record =
        findings->toc->record_size > 0 ? file->offset / findings->toc->record_size : 0;

    note_with_file(findings, error, file->path);
    if (count_file(findings, index))
        add_damage(findings, findings->toc->record_size > 0 ? &record : NULL, file->path,
                   error->status);
}

void pd_verify_note_path(struct pd_verify_findings *findings, const char *path,
                         const struct pd_error *error)
{
    note_with_file(findings, error, path);
    findings->result->bad_files++;
    add_damage(findings, NULL, path, error->status);
}
