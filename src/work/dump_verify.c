#include <stdlib.h>
#include <string.h>

#include "dump_priv.h"

/* What a verifier hands back: which archive of this run, which copy; 0 is the index. */
enum { INDEX_ID = 0 };

static int64_t id_of(size_t archive, size_t copy)
{
    return (int64_t)(archive * PD_COPIES_MAX + copy + 1);
}

bool pd_dump_choose(struct pd_dump_lane *l, size_t archive)
{
    struct pd_verify_policy policy = pd_pool_config(l->pool)->verify;

    switch (policy.mode) {
    case PD_VERIFY_FULL:
        return true;
    case PD_VERIFY_NONE:
        return false;
    default:
        return archive == 0 || pd_rng_below(l->d->env->rng, 100) < policy.percent;
    }
}

static bool is_parallel(struct pd_dump_lane *l, size_t copy)
{
    struct pd_target *target = pd_pool_copy(l->pool, copy)->target;

    return target && pd_target_caps(target).parallel;
}

static enum pd_status start(struct pd_dump_lane *l, size_t copy, struct pd_error *err)
{
    const struct pd_volume_row *volume = &pd_pool_copy(l->pool, copy)->volume;

    size_t reader = l->readers[copy] > 0 ? l->readers[copy] - 1 : copy;

    if (l->verify_began_ns == 0) {
        l->verify_began_ns = pd_clock_monotonic(l->d->env->clock);
    }
    return pd_verifier_start(
        l->d->env, pd_pool_config(l->pool)->copies[reader], volume->label, volume->uuid,
        (unsigned)(l->copies - l->d->summary->copies + (ptrdiff_t)copy), &l->verifiers[copy], err);
}

/* The copies of this archive that are written, chosen and not yet judged, on disks or on tapes. */
static bool is_wanted(struct pd_dump_lane *l, const struct pd_dump_archive *a, size_t copy,
                      bool parallel)
{
    return a->copies[copy].written && a->copies[copy].chosen &&
           a->copies[copy].status == PD_UNVERIFIED && is_parallel(l, copy) == parallel;
}

static enum pd_status feed(struct pd_dump_lane *l, struct pd_dump_archive *a,
                           struct pd_expect *expect, const bool *wanted, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < PD_COPIES_MAX && status == PD_OK; i++) {
        if (!wanted[i]) {
            continue;
        }
        if (!l->verifiers[i]) {
            status = start(l, i, err);
        }
        if (status == PD_OK) {
            status = pd_verifier_add(l->verifiers[i], expect, a->copies[i].tape_file,
                                     id_of((size_t)(a - l->archives), i), err);
        }
        if (status == PD_HUNG) {
            pd_dump_warn(l->d, err); /* the copy stays unverified; finish will say so too */
            a->copies[i].status = PD_HUNG;
            pd_error_clear(err);
            status = PD_OK;
        }
    }
    return status;
}

enum pd_status pd_dump_verify_archive(struct pd_dump_lane *l, size_t archive,
                                      struct pd_expect *expect, struct pd_error *err)
{
    const struct pd_toc *toc = pd_expect_toc(expect);
    struct pd_dump_archive *a = &l->archives[archive];
    bool wanted[PD_COPIES_MAX] = {false};
    bool chosen = pd_dump_choose(l, archive);
    bool any = false;

    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        a->copies[i].chosen = chosen;
        if (a->copies[i].written && !chosen &&
            pd_pool_config(l->pool)->verify.mode != PD_VERIFY_NONE) {
            a->copies[i].status = PD_OK; /* as good as was asked for */
        }
        wanted[i] = is_wanted(l, a, i, true);
        any = any || wanted[i];
    }
    atomic_fetch_add(&l->d->env->progress->verify_total,
                     chosen ? toc->record_count * toc->record_size : 0);
    return any ? feed(l, a, expect, wanted, err) : PD_OK;
}

/* A volume that does not give back what was just written to it gets nothing more. */
static enum pd_status retire_volume(struct pd_dump_lane *l, size_t copy,
                                    const struct pd_verify_result *result, struct pd_error *err)
{
    struct pd_volume_row *volume = &pd_pool_copy(l->pool, copy)->volume;

    if (result->unread || !pd_status_blames_copy(result->status)) {
        return PD_OK;
    }
    volume->state = PD_VOLUME_BAD;
    return pd_book_volume(&l->d->book, volume, err);
}

/* An index is in no row of the catalog: what is found counts for its volume and this run. */
static enum pd_status take_index_result(struct pd_dump_lane *l, size_t copy,
                                        const struct pd_verify_result *result, struct pd_error *err)
{
    if (result->status == PD_OK) {
        return PD_OK;
    }
    if (result->status == PD_INTERRUPTED) { /* nothing was found: the dump is not done */
        *err = result->error;
        return PD_INTERRUPTED;
    }
    pd_dump_lose_index(l, copy, &result->error);
    return retire_volume(l, copy, result, err);
}

static enum pd_status take_result(struct pd_dump_lane *l, size_t copy,
                                  const struct pd_verify_result *result, struct pd_error *err)
{
    struct pd_dump_copy_summary *summary = &l->copies[copy];
    enum pd_status status;

    if (result->copy_id == INDEX_ID) {
        return take_index_result(l, copy, result, err);
    }
    size_t place = (size_t)(result->copy_id - 1) / PD_COPIES_MAX;
    l->archives[place].copies[copy].status = result->status;
    if (result->status == PD_OK) {
        summary->archives_verified++;
    } else {
        summary->archives_bad++;
        summary->status = pd_status_worst(summary->status, result->status);
        if (summary->error.status == PD_OK) {
            summary->error = result->error;
        }
        pd_dump_warn(l->d, &result->error);
    }
    /* a volume that could not be opened says nothing of the copy: only the run remembers */
    if (result->unread) {
        return PD_OK;
    }
    status = pd_book_verified(&l->d->book, l->archives[place].row.seq, (unsigned)(copy + 1), result,
                              err);
    return status == PD_OK ? retire_volume(l, copy, result, err) : status;
}

enum pd_status pd_dump_poll(struct pd_dump_lane *l, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        bool ready = l->verifiers[i] != NULL;
        while (ready && status == PD_OK) {
            struct pd_verify_result result;
            memset(&result, 0, sizeof result);
            status = pd_verifier_poll(l->verifiers[i], &result, &ready, err);
            if (status == PD_OK && ready) {
                status = take_result(l, i, &result, err);
                pd_verify_result_release(&result);
            }
        }
    }
    return status;
}

/* The indexes of the pair, behind its archives. */
static enum pd_status feed_indexes(struct pd_dump_lane *l, struct pd_error *err)
{
    bool wanted = pd_pool_config(l->pool)->verify.mode != PD_VERIFY_NONE;
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        struct pd_dump_index *index = &l->indexes[i];
        if (index->expect && wanted && status == PD_OK) {
            status = l->verifiers[i] ? PD_OK : start(l, i, err);
            if (status == PD_OK) {
                status = pd_verifier_add(l->verifiers[i], index->expect, index->tape_file, INDEX_ID,
                                         err);
            }
            if (status == PD_HUNG) {
                pd_dump_lose_index(l, i, err);
                pd_error_clear(err);
                status = PD_OK;
            }
        }
        pd_expect_release(index->expect);
        index->expect = NULL;
    }
    return status;
}

static enum pd_status finish_verifiers(struct pd_dump_lane *l, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        struct pd_error why = PD_ERROR_INIT;
        if (l->verifiers[i] && pd_verifier_finish(l->verifiers[i], &why) != PD_OK) {
            pd_dump_warn(l->d, &why); /* its archives have results that say the same */
        }
    }
    status = pd_dump_poll(l, err);
    pd_dump_stop_verifiers(l);
    return status;
}

void pd_dump_stop_verifiers(struct pd_dump_lane *l)
{
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        pd_verifier_free(l->verifiers[i]);
        l->verifiers[i] = NULL;
    }
}

/* A tape drive is exclusive: the writer lets go of the volume before the reader opens it. */
static void let_go(struct pd_dump_lane *l, size_t copy)
{
    struct pd_error why = PD_ERROR_INIT;

    if (pd_pool_unmount(l->pool, copy, &why) != PD_OK) {
        pd_dump_warn(l->d, &why);
        l->copies[copy].status = pd_status_worst(l->copies[copy].status, why.status);
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
static void change_drives(struct pd_dump_lane *l)
{
    size_t count = pd_pool_copies(l->pool);
    bool swaps[PD_COPIES_MAX] = {false};

    for (size_t i = 0; i < count; i++) {
        struct pd_error why = PD_ERROR_INIT;
        swaps[i] = pd_pool_swaps(l->pool, i) && pd_pool_unload(l->pool, i, &why) == PD_OK;
        if (why.status != PD_OK) {
            pd_dump_warn(l->d, &why);
        }
    }
    for (size_t i = 0; i < count; i++) {
        l->readers[i] = swaps[i] ? next_of(swaps, count, i) + 1 : 0;
        if (l->readers[i] > 0 && l->readers[i] != i + 1) {
            pd_log_line(l->d->env->log, PD_LOG_NOTE, "%s is read back by drive %s",
                        pd_pool_copy(l->pool, i)->volume.label,
                        pd_pool_location(l->pool, l->readers[i] - 1));
        }
    }
}

/* The copies of an archive on tapes, with its table as the book has it. */
static enum pd_status feed_from_book(struct pd_dump_lane *l, struct pd_dump_archive *a,
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
    enum pd_status status = pd_book_toc(&l->d->book, a->index_offset, a->index_len, &toc, err);
    if (status == PD_OK) {
        status = pd_expect_new(&toc, &expect, err);
    }
    pd_toc_release(&toc);
    if (status == PD_OK) {
        status = feed(l, a, expect, wanted, err);
    }
    pd_expect_release(expect);
    return status;
}

static enum pd_status verify_tapes(struct pd_dump_lane *l, struct pd_error *err)
{
    bool tape[PD_COPIES_MAX] = {false};
    enum pd_status status = PD_OK;

    if (pd_pool_config(l->pool)->verify.mode != PD_VERIFY_NONE) {
        change_drives(l);
    }
    for (size_t i = 0; i < pd_pool_copies(l->pool); i++) {
        tape[i] = pd_pool_copy(l->pool, i)->target && !is_parallel(l, i);
        if (tape[i]) {
            let_go(l, i);
        }
    }
    for (size_t a = l->pair_start; a < l->archive_count && status == PD_OK; a++) {
        status = feed_from_book(l, &l->archives[a], tape, err);
        if (status == PD_OK) {
            status = pd_dump_poll(l, err);
        }
    }
    return status;
}

enum pd_status pd_dump_verify_pair(struct pd_dump_lane *l, bool more, struct pd_error *err)
{
    struct pd_error late = PD_ERROR_INIT;
    enum pd_status status;

    if (atomic_fetch_sub(&l->d->writing, 1) == 1) { /* no other lane writes */
        atomic_store(&l->d->env->progress->phase, PD_PHASE_VERIFY);
    }
    status = verify_tapes(l, err);
    if (status == PD_OK) {
        status = feed_indexes(l, err);
    }
    if (finish_verifiers(l, status == PD_OK ? err : &late) != PD_OK && status == PD_OK) {
        status = err->status;
    }
    if (more && status == PD_OK) {
        status = pd_pool_remount(l->pool, err);
    }
    if (l->verify_began_ns != 0) {
        l->verify_ns += pd_clock_monotonic(l->d->env->clock) - l->verify_began_ns;
        l->verify_began_ns = 0;
    }
    if (more) {
        atomic_fetch_add(&l->d->writing, 1);
        atomic_store(&l->d->env->progress->phase, PD_PHASE_WRITE);
    }
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

    for (size_t lane = 0; lane < d->lane_count; lane++) {
        struct pd_dump_lane *l = &d->lanes[lane];
        for (size_t a = 0; a < l->archive_count; a++) {
            enum pd_status copies[PD_COPIES_MAX];
            size_t n = pd_dump_copies(d);
            for (size_t i = 0; i < n; i++) {
                copies[i] = l->archives[a].copies[i].status;
            }
            enum pd_status here = pd_status_across(copies, n);
            verdict = weight(here) > weight(verdict) ? here : verdict;
        }
    }
    return verdict;
}
