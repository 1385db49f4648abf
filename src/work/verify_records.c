#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "verify_priv.h"

/* So many failed reads in a row, where the end is not known, and no more are tried. */
#define FAILED_MAX 64

#define TAR_BLOCK 512

/* Statuses after which the next record cannot be had either. */
static bool ends_reading(enum pd_status status)
{
    return status == PD_NO_MEDIUM || status == PD_NOT_READY || status == PD_INTERNAL ||
           status == PD_NO_MEMORY || status == PD_HUNG || status == PD_BUSY ||
           status == PD_INTERRUPTED || status == PD_UNSUPPORTED;
}

static uint64_t expected_count(const struct pd_verify_records *records)
{
    return records->job->expect == NULL ? UINT64_MAX : records->job->expect->record_count;
}

static void end(struct pd_verify_records *records)
{
    records->ended = true;
    records->broken = true;
}

enum pd_status pd_verify_records_open(struct pd_verify_records *records,
                                      const struct pd_verify_job *job,
                                      struct pd_verify_findings *findings, struct pd_error *err)
{
    const struct pd_label *label = pd_target_label(job->target);
    struct pd_error error = PD_ERROR_INIT;

    memset(records, 0, sizeof(*records));
    records->job = job;
    records->findings = findings;
    if (label == NULL)
        return pd_error_set(err, PD_INTERNAL, 0, "verify: no volume is mounted");
    records->size = (size_t)label->block_size;
    if (job->expect != NULL && job->expect->record_size != label->block_size) {
        (void)pd_error_set(&error, PD_BAD_FORMAT, 0,
                           "its records are of %" PRIu64 " bytes, those of the volume of %" PRIu64,
                           job->expect->record_size, label->block_size);
        goto bad;
    }
    records->buffer = pd_record_alloc(records->size);
    if (records->buffer == NULL)
        return pd_error_memory(err, "a record");
    if (pd_digest_many_new(&records->many, err) != PD_OK)
        return err->status;
    if (pd_target_open_file(job->target, job->tape_file, &error) != PD_OK)
        goto bad;
    records->open = true;
    return PD_OK;
bad:
    pd_verify_note_missing(findings, 0, &error);
    end(records);
    return PD_OK;
}

void pd_verify_records_close(struct pd_verify_records *records)
{
    struct pd_error error = PD_ERROR_INIT;

    /* Only read from: what was read is checked already. */
    if (records->open && pd_target_close_file(records->job->target, &error) != PD_OK)
        pd_log_error(records->job->env->log, PD_LOG_WARN, &error);
    records->open = false;
    free(records->buffer);
    records->buffer = NULL;
    pd_digest_many_free(records->many);
    records->many = NULL;
}

/* ---- files that lie in one record ---- */

static bool lies_in_buffer(const struct pd_verify_records *records, const uint8_t *bytes, size_t len)
{
    return bytes >= records->buffer && bytes < records->buffer + records->size &&
           len <= (size_t)(records->buffer + records->size - bytes);
}

bool pd_verify_records_keep(struct pd_verify_records *records, const void *bytes, size_t len,
                            uint64_t index)
{
    if (records->job->expect->alg != PD_DIGEST_SHA256 || !lies_in_buffer(records, bytes, len))
        return false;
    if (records->kept_count == PD_DIGEST_BATCH)
        pd_verify_records_flush(records);
    records->kept[records->kept_count++] =
        (struct pd_digest_item){.bytes = bytes, .len = len, .number = index};
    return true;
}

void pd_verify_records_flush(struct pd_verify_records *records)
{
    const struct pd_toc *expect = records->job->expect;
    struct pd_error error = PD_ERROR_INIT;

    if (records->kept_count == 0)
        return;
    if (pd_digest_many(records->many, records->kept, records->kept_count, &error) != PD_OK) {
        pd_verify_note(records->findings, &error);
        records->broken = true;
    }
    for (size_t i = 0; i < records->kept_count && error.status == PD_OK; i++) {
        const struct pd_digest_item *item = &records->kept[i];
        struct pd_error differs = PD_ERROR_INIT;

        if (memcmp(item->sha256, expect->files[item->number].digest, PD_SHA256_LEN) == 0)
            continue;
        (void)pd_error_set(&differs, PD_BAD_FILE, 0, "its SHA-256 is not what was recorded");
        pd_verify_note_file(records->findings, item->number, &differs);
    }
    records->kept_count = 0;
}

/* ---- reading ---- */

bool pd_verify_records_go_on(struct pd_verify_records *records)
{
    const struct pd_verify_job *job = records->job;
    struct pd_error error = PD_ERROR_INIT;

    if (job->beat != NULL && !job->beat(job->beat_arg))
        (void)pd_error_set(&error, PD_INTERRUPTED, 0, "verification was stopped");
    else if (pd_env_check(job->env, &error) == PD_OK)
        return true;
    pd_verify_note(records->findings, &error);
    end(records);
    return false;
}

static void at_end(struct pd_verify_records *records)
{
    struct pd_error error = PD_ERROR_INIT;
    uint64_t count = expected_count(records);

    records->ended = true;
    if (count == UINT64_MAX || records->next >= count)
        return;
    (void)pd_error_set(&error, PD_TRUNCATED, 0, "ends after %" PRIu64 " of %" PRIu64 " records",
                       records->next, count);
    pd_verify_note_missing(records->findings, records->next, &error);
    records->next = count;
    end(records);
}

/* A record that could not be read. */
static void failed(struct pd_verify_records *records, const struct pd_error *why)
{
    uint64_t record = records->next;
    uint64_t count = expected_count(records);
    struct pd_error error = PD_ERROR_INIT;

    records->broken = true;
    records->failed_in_row++;
    (void)pd_error_set(&error, why->status, 0, "record %" PRIu64 ": %s", record, why->message);
    error.sys_errno = why->sys_errno;
    if (why->status == PD_TRUNCATED && record >= count) {
        pd_verify_note(records->findings, &error); /* all is there but the filemark behind it */
        end(records);
    } else if (why->status == PD_TRUNCATED || ends_reading(why->status)) {
        pd_verify_note_missing(records->findings, record, &error);
        records->next = count == UINT64_MAX ? record : count;
        end(records);
    } else {
        if (record < count)
            pd_verify_note_record(records->findings, record, &error);
        else
            pd_verify_note(records->findings, &error);
        records->next++;
        if (count == UINT64_MAX ? records->failed_in_row >= FAILED_MAX : record >= count)
            end(records);
    }
}

/* NULL when the record in the buffer is as it must be; else the error. */
static const struct pd_error *check(const struct pd_verify_records *records, size_t got,
                                    struct pd_error *error)
{
    const struct pd_toc *expect = records->job->expect;
    struct pd_xxh128 digest;

    if (got != records->size) {
        (void)pd_error_set(error, PD_BAD_RECORD, 0,
                           "record %" PRIu64 " has %zu bytes instead of %zu", records->next, got,
                           records->size);
        return error;
    }
    if (expect == NULL)
        return NULL;
    digest = pd_record_digest(records->buffer, records->size);
    if (pd_xxh128_equal(&digest, &expect->records[records->next]))
        return NULL;
    (void)pd_error_set(error, PD_BAD_RECORD, 0, "record %" PRIu64 " does not match its XXH3-128",
                       records->next);
    return error;
}

/* false, noted: out of memory. */
static bool learn(struct pd_verify_records *records, struct pd_error *error)
{
    struct pd_verify_learned *learned = records->job->learned;

    if (learned == NULL ||
        pd_toc_add_record(&learned->toc, pd_record_digest(records->buffer, records->size), error) ==
            PD_OK)
        return true;
    pd_verify_note(records->findings, error);
    end(records);
    return false;
}

void pd_verify_records_next(struct pd_verify_records *records, bool *good)
{
    const struct pd_verify_job *job = records->job;
    struct pd_error error = PD_ERROR_INIT;
    size_t got = 0;
    enum pd_status status;

    *good = false;
    pd_verify_records_flush(records);
    if (records->ended || !pd_verify_records_go_on(records))
        return;
    status = pd_target_read(job->target, records->buffer, records->size, &got, &error);
    if (status == PD_END_OF_FILE) {
        at_end(records);
        return;
    }
    if (status != PD_OK) {
        failed(records, &error);
        return;
    }
    records->failed_in_row = 0;
    if (records->next >= expected_count(records)) {
        (void)pd_error_set(&error, PD_BAD_FORMAT, 0,
                           "goes on behind its last record, number %" PRIu64, records->next);
        pd_verify_note_missing(records->findings, records->next, &error);
        end(records);
        return;
    }
    records->findings->result->bytes += got;
    if (job->copy < PD_COPIES_MAX)
        atomic_fetch_add_explicit(&job->env->progress->verified[job->copy], got,
                                  memory_order_relaxed);
    if (check(records, got, &error) != NULL) {
        records->broken = true;
        pd_verify_note_record(records->findings, records->next, &error);
    } else {
        *good = learn(records, &error);
    }
    records->next++;
}

enum pd_status pd_verify_records_give(void *arg, const void **bytes, size_t *len,
                                      struct pd_error *err)
{
    struct pd_verify_records *records = arg;
    bool good = false;

    *bytes = NULL;
    *len = 0;
    if (!records->broken && !records->ended)
        pd_verify_records_next(records, &good);
    if (good) {
        *bytes = records->buffer;
        *len = records->size;
        return PD_OK;
    }
    if (!records->broken)
        return PD_OK; /* the end */
    *err = records->findings->result->error; /* noted already */
    return err->status != PD_OK ? err->status
                                : pd_error_set(err, PD_BAD_RECORD, 0, "a record is bad");
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

bool pd_verify_records_zero_from(const struct pd_verify_records *records, uint64_t position)
{
    uint64_t start = records->next == 0 ? 0 : (records->next - 1) * records->size;

    if (records->next == 0 || position < start || position - start > records->size)
        return false;
    return all_zero(records->buffer + (position - start),
                    (size_t)(records->size - (position - start)));
}

bool pd_verify_records_padded(const struct pd_verify_records *records, const uint8_t *end_of_data)
{
    size_t at;

    if (end_of_data <= records->buffer || end_of_data > records->buffer + records->size)
        return true; /* libarchive gave a copy: nothing to look at */
    at = (size_t)(end_of_data - records->buffer) % TAR_BLOCK;
    return at == 0 || all_zero(end_of_data, TAR_BLOCK - at);
}
