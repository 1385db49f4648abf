#include "pairdump/replica.h"

#define NOWHERE      UINT64_MAX
#define RECORD_MAX   ((uint64_t)64 << 20)
#define OPEN_TRIES   3 /* a tape file that does not open so often in a row is given up */

struct copy_state {
    bool open;
    unsigned open_failures; /* in a row */
    uint64_t next;          /* record that the next read gives; NOWHERE: seek first */
};

struct pd_replica {
    const struct pd_env *env;
    const struct pd_toc *toc;
    struct pd_replica_copy *copies;
    struct copy_state *states;
    size_t count;
    size_t last;      /* copy that served last */
    uint8_t *buf;     /* one record */
    uint64_t current; /* record in buf, known to be good; NOWHERE: none */
    uint64_t *lost;   /* records that no copy had, in the order of finding */
    size_t lost_count, lost_cap;
};

enum pd_status pd_replica_new(const struct pd_env *env, const struct pd_toc *toc,
                              struct pd_replica_copy *copies, size_t count,
                              struct pd_replica **out, struct pd_error *err)
{
    struct pd_replica *replica = NULL;
    enum pd_status status = PD_OK;

    *out = NULL;
    if (count == 0)
        return pd_error_set(err, PD_INTERNAL, 0, "a replica without copies");
    if (toc->record_size == 0 || toc->record_size > RECORD_MAX)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "%s: records of %llu bytes", toc->name,
                            (unsigned long long)toc->record_size);
    replica = calloc(1, sizeof(*replica));
    if (replica != NULL) {
        replica->states = calloc(count, sizeof(*replica->states));
        replica->buf = pd_record_alloc((size_t)toc->record_size);
    }
    if (replica == NULL || replica->states == NULL || replica->buf == NULL) {
        status = pd_error_memory(err, "a record");
        goto out;
    }
    replica->env = env;
    replica->toc = toc;
    replica->copies = copies;
    replica->count = count;
    replica->current = NOWHERE;
    for (size_t i = 0; i < count; i++) {
        replica->states[i].next = NOWHERE;
        copies[i].served = 0;
        copies[i].errors = 0;
        copies[i].mismatches = 0;
        copies[i].first_fault = PD_OK;
        copies[i].first_fault_record = 0;
    }
    *out = replica;
    replica = NULL;
out:
    pd_replica_free(replica);
    return status;
}

void pd_replica_free(struct pd_replica *replica)
{
    struct pd_error error = PD_ERROR_INIT;

    if (replica == NULL)
        return;
    for (size_t i = 0; i < replica->count; i++)
        if (replica->states[i].open && /* only read from: nothing can be lost by closing */
            pd_target_close_file(replica->copies[i].target, &error) != PD_OK)
            pd_log_error(replica->env->log, PD_LOG_DEBUG, &error);
    free(replica->states);
    free(replica->buf);
    free(replica->lost);
    free(replica);
}

/* Brings a copy to where the next read gives the record. */
static enum pd_status place(struct pd_replica *replica, size_t i, uint64_t record_no,
                            struct pd_error *err)
{
    struct pd_target *target = replica->copies[i].target;
    struct copy_state *state = &replica->states[i];
    const struct pd_label *label = pd_target_label(target);
    enum pd_status status = PD_OK;

    if (label == NULL || label->block_size != replica->toc->record_size)
        return pd_error_set(err, PD_WRONG_VOLUME, 0, "the volume has not records of %llu bytes",
                            (unsigned long long)replica->toc->record_size);
    if (!state->open) {
        status = pd_target_open_file(target, replica->copies[i].tape_file, err);
        if (status != PD_OK) {
            state->open_failures++;
            return status;
        }
        state->open = true;
        state->open_failures = 0;
        state->next = 0;
    }
    if (state->next != record_no)
        status = pd_target_seek(target, record_no, replica->toc->record_size, err);
    if (status == PD_OK)
        state->next = record_no;
    else
        state->next = NOWHERE;
    return status;
}

static enum pd_status read_good(struct pd_replica *replica, size_t i, uint64_t record_no,
                                struct pd_error *err)
{
    struct copy_state *state = &replica->states[i];
    size_t size = (size_t)replica->toc->record_size, got = 0;
    struct pd_xxh128 digest;
    enum pd_status status = place(replica, i, record_no, err);

    if (status != PD_OK)
        return status;
    status = pd_target_read(replica->copies[i].target, replica->buf, size, &got, err);
    if (status != PD_OK) {
        state->next = NOWHERE;
        return status;
    }
    state->next = record_no + 1;
    if (got != size)
        return pd_error_set(err, PD_BAD_RECORD, 0,
                            "record %llu has %zu bytes where %zu were written",
                            (unsigned long long)record_no, got, size);
    digest = pd_record_digest(replica->buf, size);
    if (!pd_xxh128_equal(&digest, &replica->toc->records[record_no]))
        return pd_error_set(err, PD_BAD_RECORD, 0, "record %llu does not match its digest",
                            (unsigned long long)record_no);
    return PD_OK;
}

/* The healthiest copy not tried yet; of equals the one that served last, then the first. False when
 * all were tried. */
static bool choose(const struct pd_replica *replica, const bool *tried, size_t *out)
{
    uint64_t best = 0;
    bool found = false;

    for (size_t i = 0; i < replica->count; i++) {
        const struct pd_replica_copy *copy = &replica->copies[i];
        uint64_t faults = copy->errors + copy->mismatches;

        if (tried[i] || replica->states[i].open_failures >= OPEN_TRIES)
            continue;
        if (!found || faults < best || (faults == best && i == replica->last)) {
            best = faults;
            *out = i;
            found = true;
        }
    }
    return found;
}

static void remember_fault(struct pd_replica *replica, size_t i, uint64_t record_no,
                           enum pd_status why, const struct pd_error *error)
{
    struct pd_replica_copy *copy = &replica->copies[i];

    if (why == PD_BAD_RECORD)
        copy->mismatches++;
    else
        copy->errors++;
    if (copy->first_fault == PD_OK) {
        copy->first_fault = why;
        copy->first_fault_record = record_no;
    }
    pd_log_error(replica->env->log, PD_LOG_DEBUG, error);
}

/* So that the next file in the same record does not read all copies again. Short memory only costs
 * that. */
static void remember_lost(struct pd_replica *replica, uint64_t record_no)
{
    if (replica->lost_count == replica->lost_cap) {
        size_t cap = replica->lost_cap == 0 ? 16 : replica->lost_cap * 2;
        uint64_t *bigger = realloc(replica->lost, cap * sizeof(*bigger));

        if (bigger == NULL)
            return;
        replica->lost = bigger;
        replica->lost_cap = cap;
    }
    replica->lost[replica->lost_count++] = record_no;
}

static bool is_lost(const struct pd_replica *replica, uint64_t record_no)
{
    for (size_t i = replica->lost_count; i > 0; i--)
        if (replica->lost[i - 1] == record_no)
            return true;
    return false;
}

static enum pd_status no_good_copy(const struct pd_replica *replica, uint64_t record_no,
                                   struct pd_error *err)
{
    enum pd_status status = pd_error_set(err, PD_BAD_RECORD, 0, "record %llu: none of %zu %s good",
                                         (unsigned long long)record_no, replica->count,
                                         replica->count == 1 ? "copy is" : "copies is");

    pd_error_context(err, NULL, replica->toc->name, NULL);
    return status;
}

/* True for what is not the copy's fault. A driver's broken contract is. */
static bool ends_all(enum pd_status status)
{
    return status == PD_INTERRUPTED || status == PD_NO_MEMORY;
}

enum pd_status pd_replica_record(struct pd_replica *replica, uint64_t record_no,
                                 const uint8_t **record, struct pd_error *err)
{
    bool *tried = NULL;
    enum pd_status status;
    size_t i = 0;

    *record = NULL;
    if (record_no >= replica->toc->record_count)
        return pd_error_set(err, PD_TRUNCATED, 0, "%s has %llu records; record %llu was asked for",
                            replica->toc->name, (unsigned long long)replica->toc->record_count,
                            (unsigned long long)record_no);
    if (record_no == replica->current) {
        *record = replica->buf;
        return PD_OK;
    }
    if (is_lost(replica, record_no))
        return no_good_copy(replica, record_no, err);
    status = pd_env_check(replica->env, err);
    if (status != PD_OK)
        return status;
    tried = calloc(replica->count, sizeof(*tried));
    if (tried == NULL)
        return pd_error_memory(err, "a record");
    replica->current = NOWHERE;
    while (choose(replica, tried, &i)) {
        struct pd_error fault = PD_ERROR_INIT;

        tried[i] = true;
        status = read_good(replica, i, record_no, &fault);
        if (status == PD_OK) {
            replica->copies[i].served++;
            replica->last = i;
            replica->current = record_no;
            *record = replica->buf;
            goto out;
        }
        pd_error_context(&fault, replica->copies[i].name, replica->toc->name, NULL);
        if (ends_all(status)) {
            *err = fault;
            goto out;
        }
        remember_fault(replica, i, record_no, status, &fault);
    }
    remember_lost(replica, record_no);
    status = no_good_copy(replica, record_no, err);
out:
    free(tried);
    return status;
}
