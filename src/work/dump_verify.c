#include <stdlib.h>
#include <string.h>

#include "dump_priv.h"

/* What a verifier hands back: which archive of this run, which copy; 0 is the index. */
enum { INDEX_ID = 0 };

static int64_t id_of(size_t archive, size_t copy)
{
    return (int64_t)(archive * PD_COPIES_MAX + copy + 1);
}

bool pd_dump_choose(struct pd_dumping *d, size_t archive)
{
    struct pd_verify_policy policy = pd_pool_config(d->pool)->verify;

    switch (policy.mode) {
    case PD_VERIFY_FULL:
        return true;
    case PD_VERIFY_NONE:
        return false;
    default:
        return archive == 0 || pd_rng_below(d->env->rng, 100) < policy.percent;
    }
}

static bool is_parallel(struct pd_dumping *d, size_t copy)
{
    struct pd_target *target = pd_pool_copy(d->pool, copy)->target;

    return target && pd_target_caps(target).parallel;
}

static enum pd_status start(struct pd_dumping *d, size_t copy, struct pd_error *err)
{
    const struct pd_volume_row *volume = &pd_pool_copy(d->pool, copy)->volume;

    size_t reader = d->readers[copy] > 0 ? d->readers[copy] - 1 : copy;

    if (d->verify_began_ns == 0) {
        d->verify_began_ns = pd_clock_monotonic(d->env->clock);
    }
    return pd_verifier_start(d->env, pd_pool_config(d->pool)->copies[reader], volume->label,
                             volume->uuid, (unsigned)copy, &d->verifiers[copy], err);
}

/* The copies of this archive that are written, chosen and not yet judged, on disks or on tapes. */
static bool is_wanted(struct pd_dumping *d, const struct pd_dump_archive *a, size_t copy,
                      bool parallel)
{
    return a->copies[copy].written && a->copies[copy].chosen &&
           a->copies[copy].status == PD_UNVERIFIED && is_parallel(d, copy) == parallel;
}

static enum pd_status feed(struct pd_dumping *d, struct pd_dump_archive *a,
                           struct pd_expect *expect, const bool *wanted, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < PD_COPIES_MAX && status == PD_OK; i++) {
        if (!wanted[i]) {
            continue;
        }
        if (!d->verifiers[i]) {
            status = start(d, i, err);
        }
        if (status == PD_OK) {
            status = pd_verifier_add(d->verifiers[i], expect, a->copies[i].tape_file,
                                     id_of((size_t)(a - d->archives), i), err);
        }
        if (status == PD_HUNG) {
            pd_dump_warn(d, err); /* the copy stays unverified; finish will say so too */
            a->copies[i].status = PD_HUNG;
            pd_error_clear(err);
            status = PD_OK;
        }
    }
    return status;
}

enum pd_status pd_dump_verify_archive(struct pd_dumping *d, size_t archive,
                                      struct pd_expect *expect, struct pd_error *err)
{
    const struct pd_toc *toc = pd_expect_toc(expect);
    struct pd_dump_archive *a = &d->archives[archive];
    bool wanted[PD_COPIES_MAX] = {false};
    bool chosen = pd_dump_choose(d, archive);
    bool any = false;

    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        a->copies[i].chosen = chosen;
        if (a->copies[i].written && !chosen &&
            pd_pool_config(d->pool)->verify.mode != PD_VERIFY_NONE) {
            a->copies[i].status = PD_OK; /* as good as was asked for */
        }
        wanted[i] = is_wanted(d, a, i, true);
        any = any || wanted[i];
    }
    atomic_fetch_add(&d->env->progress->verify_total,
                     chosen ? toc->record_count * toc->record_size : 0);
    return any ? feed(d, a, expect, wanted, err) : PD_OK;
}

/* A volume that does not give back what was just written to it gets nothing more. */
static enum pd_status retire_volume(struct pd_dumping *d, size_t copy,
                                    const struct pd_verify_result *result, struct pd_error *err)
{
    struct pd_volume_row *volume = &pd_pool_copy(d->pool, copy)->volume;

    if (result->unread || !pd_status_blames_copy(result->status)) {
        return PD_OK;
    }
    volume->state = PD_VOLUME_BAD;
    return pd_book_volume(&d->book, volume, err);
}

/* An index is in no row of the catalog: what is found counts for its volume and this run. */
static enum pd_status take_index_result(struct pd_dumping *d, size_t copy,
                                        const struct pd_verify_result *result,
                                        struct pd_error *err)
{
    if (result->status == PD_OK) {
        return PD_OK;
    }
    if (result->status == PD_INTERRUPTED) { /* nothing was found: the dump is not done */
        *err = result->error;
        return PD_INTERRUPTED;
    }
    pd_dump_lose_index(d, copy, &result->error);
    return retire_volume(d, copy, result, err);
}

static enum pd_status take_result(struct pd_dumping *d, size_t copy,
                                  const struct pd_verify_result *result, struct pd_error *err)
{
    struct pd_dump_copy_summary *summary = &d->summary->copies[copy];
    enum pd_status status;

    if (result->copy_id == INDEX_ID) {
        return take_index_result(d, copy, result, err);
    }
    size_t place = (size_t)(result->copy_id - 1) / PD_COPIES_MAX;
    d->archives[place].copies[copy].status = result->status;
    if (result->status == PD_OK) {
        summary->archives_verified++;
    } else {
        summary->archives_bad++;
        summary->status = pd_status_worst(summary->status, result->status);
        if (summary->error.status == PD_OK) {
            summary->error = result->error;
        }
        pd_dump_warn(d, &result->error);
    }
    /* a volume that could not be opened says nothing of the copy: only the run remembers */
    if (result->unread) {
        return PD_OK;
    }
    status = pd_book_verified(&d->book, d->archives[place].row.seq, (unsigned)(copy + 1), result, err);
    return status == PD_OK ? retire_volume(d, copy, result, err) : status;
}

enum pd_status pd_dump_poll(struct pd_dumping *d, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        bool ready = d->verifiers[i] != NULL;
        while (ready && status == PD_OK) {
            struct pd_verify_result result;
            memset(&result, 0, sizeof result);
            status = pd_verifier_poll(d->verifiers[i], &result, &ready, err);
            if (status == PD_OK && ready) {
                status = take_result(d, i, &result, err);
                pd_verify_result_release(&result);
            }
        }
    }
    return status;
}

/* The indexes of the pair, behind its archives. */
static enum pd_status feed_indexes(struct pd_dumping *d, struct pd_error *err)
{
    bool wanted = pd_pool_config(d->pool)->verify.mode != PD_VERIFY_NONE;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        struct pd_dump_index *index = &d->indexes[i];
        if (index->expect && wanted && status == PD_OK) {
            status = d->verifiers[i] ? PD_OK : start(d, i, err);
            if (status == PD_OK) {
                status = pd_verifier_add(d->verifiers[i], index->expect, index->tape_file,
                                         INDEX_ID, err);
            }
            if (status == PD_HUNG) {
                pd_dump_lose_index(d, i, err);
                pd_error_clear(err);
                status = PD_OK;
            }
        }
        pd_expect_release(index->expect);
        index->expect = NULL;
    }
    return status;
}

static enum pd_status finish_verifiers(struct pd_dumping *d, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        struct pd_error why = PD_ERROR_INIT;
        if (d->verifiers[i] && pd_verifier_finish(d->verifiers[i], &why) != PD_OK) {
            pd_dump_warn(d, &why); /* its archives have results that say the same */
        }
    }
    status = pd_dump_poll(d, err);
    pd_dump_stop_verifiers(d);
    return status;
}

void pd_dump_stop_verifiers(struct pd_dumping *d)
{
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        pd_verifier_free(d->verifiers[i]);
        d->verifiers[i] = NULL;
    }
}

/* A tape drive is exclusive: the writer lets go of the volume before the reader opens it. */
static void let_go(struct pd_dumping *d, size_t copy)
{
    struct pd_error why = PD_ERROR_INIT;

    if (pd_pool_unmount(d->pool, copy, &why) != PD_OK) {
        pd_dump_warn(d, &why);
        d->summary->copies[copy].status =
            pd_status_worst(d->summary->copies[copy].status, why.status);
    }
}

/* The next copy after this one that changes drives with it; itself when there is none. */
static size_t next_of(const bool *swaps, size_t count, size_t copy)
{
    size_t next = (copy + 1) % count;

    while (next != copy && !swaps[next]) {
        next = (next + 1) % count;
    }
    return next;
}

/* A tape that only the drive can read which wrote it is no copy: in a library each is read by
 * another. One that does not leave its drive is read there. */
static void change_drives(struct pd_dumping *d)
{
    size_t count = pd_pool_copies(d->pool);
    bool swaps[PD_COPIES_MAX] = {false};

    for (size_t i = 0; i < count; i++) {
        struct pd_error why = PD_ERROR_INIT;
        swaps[i] = pd_pool_swaps(d->pool, i) && pd_pool_unload(d->pool, i, &why) == PD_OK;
        if (why.status != PD_OK) {
            pd_dump_warn(d, &why);
        }
    }
    for (size_t i = 0; i < count; i++) {
        d->readers[i] = swaps[i] ? next_of(swaps, count, i) + 1 : 0;
        if (d->readers[i] > 0 && d->readers[i] != i + 1) {
            pd_log_line(d->env->log, PD_LOG_NOTE, "%s is read back by drive %s",
                        pd_pool_copy(d->pool, i)->volume.label,
                        pd_pool_location(d->pool, d->readers[i] - 1));
        }
    }
}

/* The copies of an archive on tapes, with its table as the book has it. */
static enum pd_status feed_from_book(struct pd_dumping *d, struct pd_dump_archive *a,
                                     const bool *tape, struct pd_error *err)
{
    bool wanted[PD_COPIES_MAX] = {false};
    struct pd_expect *expect = NULL;
    bool any = false;
    struct pd_toc toc;

    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        wanted[i] = tape[i] && a->copies[i].written && a->copies[i].chosen &&
                    a->copies[i].status == PD_UNVERIFIED;
        any = any || wanted[i];
    }
    if (!any) {
        return PD_OK;
    }
    enum pd_status status = pd_book_toc(&d->book, a->index_offset, a->index_len, &toc, err);
    if (status == PD_OK) {
        status = pd_expect_new(&toc, &expect, err);
    }
    pd_toc_release(&toc);
    if (status == PD_OK) {
        status = feed(d, a, expect, wanted, err);
    }
    pd_expect_release(expect);
    return status;
}

static enum pd_status verify_tapes(struct pd_dumping *d, struct pd_error *err)
{
    bool tape[PD_COPIES_MAX] = {false};
    enum pd_status status = PD_OK;

    if (pd_pool_config(d->pool)->verify.mode != PD_VERIFY_NONE) {
        change_drives(d);
    }
    for (size_t i = 0; i < pd_pool_copies(d->pool); i++) {
        tape[i] = pd_pool_copy(d->pool, i)->target && !is_parallel(d, i);
        if (tape[i]) {
            let_go(d, i);
        }
    }
    for (size_t a = d->pair_start; a < d->archive_count && status == PD_OK; a++) {
        status = feed_from_book(d, &d->archives[a], tape, err);
        if (status == PD_OK) {
            status = pd_dump_poll(d, err);
        }
    }
    return status;
}

enum pd_status pd_dump_verify_pair(struct pd_dumping *d, bool more, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status;

    atomic_store(&d->env->progress->phase, PD_PHASE_VERIFY);
    status = verify_tapes(d, err);
    if (status == PD_OK) {
        status = feed_indexes(d, err);
    }
    if (finish_verifiers(d, status == PD_OK ? err : &late) != PD_OK && status == PD_OK) {
        status = err->status;
    }
    if (more && status == PD_OK) {
        status = pd_pool_remount(d->pool, err);
    }
    if (d->verify_began_ns != 0) {
        d->summary->verify_ns += pd_clock_monotonic(d->env->clock) - d->verify_began_ns;
        d->verify_began_ns = 0;
    }
    atomic_store(&d->env->progress->phase, PD_PHASE_WRITE);
    return status;
}

/* Failed outweighs degraded, degraded outweighs unverified. */
static int weight(enum pd_status status)
{
    static const enum pd_status order[] = {PD_OK, PD_UNVERIFIED, PD_DEGRADED, PD_FAILED,
                                           PD_INTERRUPTED};
    int n = (int)(sizeof order / sizeof order[0]);

    for (int i = 0; i < (int)(sizeof order / sizeof order[0]); i++) {
        n = order[i] == status ? i : n;
    }
    return n;
}

enum pd_status pd_dump_judge(struct pd_dumping *d)
{
    enum pd_status verdict = PD_OK;

    for (size_t a = 0; a < d->archive_count; a++) {
        enum pd_status copies[PD_COPIES_MAX];
        size_t n = pd_pool_copies(d->pool);
        for (size_t i = 0; i < n; i++) {
            copies[i] = d->archives[a].copies[i].status;
        }
        enum pd_status here = pd_status_across(copies, n);
        verdict = weight(here) > weight(verdict) ? here : verdict;
    }
    return verdict;
}
