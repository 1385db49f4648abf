#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../lib/work_verify_set.h"
#include "pairdump/check.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct pd_error ok_err = PD_ERROR_INIT, *err = &ok_err;                                    \
        if ((call) != PD_OK)                                                                       \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

static int start_with(void **state, const char *scheme, const char *options, uint64_t files)
{
    struct verify_set *set = calloc(1, sizeof(*set));

    assert_non_null(set);
    verify_set_start(set, scheme, options);
    verify_set_dump(set, "first", files);
    *state = set;
    return 0;
}

static int start(void **state)
{
    return start_with(state, "disk", "", 4); /* three archives */
}

static int start_one(void **state)
{
    return start_with(state, "disk", "", 25000);
}

static int end(void **state)
{
    verify_set_end(*state);
    free(*state);
    return 0;
}

/* After a hang: what the thread may still look at stays. */
static int leave(void **state)
{
    static struct verify_set *left;

    verify_set_leave(*state);
    left = *state;
    return left == NULL;
}

static enum pd_status tell(void *arg, const struct pd_verify_result *result, struct pd_error *err)
{
    size_t *count = arg;

    (void)err;
    assert_true(result->label[0] != '\0');
    assert_true(result->archive[0] != '\0');
    ++*count;
    return PD_OK;
}

static void check(struct verify_set *set, const char *volume, const char *at,
                  struct pd_check_summary *summary)
{
    struct pd_check_options options = {.volumes = &volume,
                                       .volume_count = volume != NULL,
                                       .at = &at,
                                       .at_count = at != NULL,
                                       .retry = PD_RETRY_ONCE,
                                       .on_result = tell,
                                       .result_arg = &(size_t){0}};
    size_t *count = options.result_arg;

    OK(pd_check_run(&set->e.env, set->catalog, &options, summary, err));
    assert_int_equal(*count, summary->copies);
}

struct states {
    unsigned verified, written, bad, writing;
};

static enum pd_status count_state(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct states *states = arg;

    (void)err;
    states->verified += row->state == PD_COPY_VERIFIED;
    states->written += row->state == PD_COPY_WRITTEN;
    states->bad += row->state == PD_COPY_BAD;
    states->writing += row->state == PD_COPY_WRITING;
    return PD_OK;
}

static struct states states_of(struct verify_set *set)
{
    struct states states = {0};

    OK(pd_catalog_copies(set->catalog, 0, 0, count_state, &states, err));
    return states;
}

static enum pd_status count_row(void *arg, const struct pd_verification_row *row,
                                struct pd_error *err)
{
    (void)row;
    (void)err;
    ++*(unsigned *)arg;
    return PD_OK;
}

static unsigned verifications(struct verify_set *set)
{
    unsigned count = 0;

    OK(pd_catalog_verifications(set->catalog, 0, 0, count_row, &count, err));
    return count;
}

static void test_good(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;

    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_OK);
    assert_int_equal(summary.archives, 3);
    assert_int_equal(summary.copies, 6);
    assert_int_equal(summary.good, 6);
    assert_int_equal(summary.bad + summary.unreachable + summary.files_lost, 0);
    assert_true(summary.bytes > 0);
    assert_int_equal(states_of(set).verified, 6);
    assert_int_equal(verifications(set), 6);
}

static void test_one_dump(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_options options = {.retry = PD_RETRY_ONCE};
    struct pd_check_summary summary;

    verify_set_dump(set, "second", 25000);
    options.dump_id = set->dump.id;
    OK(pd_check_run(&set->e.env, set->catalog, &options, &summary, err));
    assert_int_equal(summary.status, PD_OK);
    assert_int_equal(summary.archives, 1);
    assert_int_equal(summary.copies, 2);
    assert_int_equal(states_of(set).verified, 2);
    assert_int_equal(states_of(set).written, 6);
}

static void test_one_copy_bad_then_mended(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    char path[300];

    verify_set_path(set, 1, 2, path, sizeof(path));
    verify_set_flip(path, 5000, 1);
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_DEGRADED);
    assert_int_equal(summary.good, 5);
    assert_int_equal(summary.bad, 1);
    assert_int_equal(summary.files_lost, 0);
    assert_int_equal(states_of(set).verified, 5);
    assert_int_equal(states_of(set).bad, 1);
    verify_set_flip(path, 5000, 1);
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_OK);
    assert_int_equal(states_of(set).verified, 6);
    assert_int_equal(verifications(set), 12);
}

static void test_same_record_bad_on_both(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    uint64_t first = 0, count = 0;
    struct pd_toc toc;
    char path[300];

    verify_set_toc(set, 1, &toc);
    pd_toc_files_of_record(&toc, 1, &first, &count);
    assert_true(count > 0);
    for (size_t i = 0; i < 2; i++) {
        verify_set_path(set, i, 1, path, sizeof(path));
        verify_set_flip(path, VERIFY_SET_RECORD + 5000, 1);
    }
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_FAILED);
    assert_int_equal(summary.bad, 2);
    assert_int_equal(summary.files_lost, count);
    pd_toc_release(&toc);
}

static void test_one_volume_alone(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    char path[300];

    check(set, "PD200001", NULL, &summary);
    assert_int_equal(summary.status, PD_OK);
    assert_int_equal(summary.copies, 3);
    verify_set_path(set, 0, 1, path, sizeof(path));
    verify_set_flip(path, 5000, 1);
    check(set, "PD100001", NULL, &summary); /* its partner is recorded as verified */
    assert_int_equal(summary.status, PD_DEGRADED);
    assert_int_equal(summary.bad, 1);
    verify_set_path(set, 1, 1, path, sizeof(path));
    verify_set_flip(path, 5000, 1);
    check(set, "PD200001", NULL, &summary); /* its partner is recorded as bad now */
    assert_int_equal(summary.status, PD_FAILED);
    assert_int_equal(states_of(set).bad, 2);
}

static void test_empty_volume(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    struct pd_volume_row *row = calloc(1, sizeof(*row));

    assert_non_null(row);
    (void)snprintf(row->label, sizeof(row->label), "EMPTY1");
    (void)snprintf(row->uuid, sizeof(row->uuid), "7d1f2f5a-0000-4000-8000-000000000001");
    (void)snprintf(row->location, sizeof(row->location), "disk:%s", set->place[0]);
    OK(pd_catalog_volume_add(set->catalog, row, err));
    check(set, "EMPTY1", NULL, &summary);
    assert_int_equal(summary.copies, 0);
    assert_int_equal(summary.status, PD_UNVERIFIED); /* nothing was read */
    free(row);
}

static void test_partner_only_written(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    char path[300];

    verify_set_path(set, 0, 1, path, sizeof(path));
    verify_set_flip(path, 5000, 1);
    check(set, "PD100001", NULL, &summary); /* nobody has read the partner back */
    assert_int_equal(summary.status, PD_FAILED);
}

static void test_unreachable(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    char away[200], other[200], url[220];

    snprintf(away, sizeof(away), "%s/away", set->root);
    assert_int_equal(rename(set->place[1], away), 0);
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_DEGRADED);
    assert_int_equal(summary.good, 3);
    assert_int_equal(summary.bad, 0);
    assert_int_equal(summary.unreachable, 3);
    assert_int_equal(summary.files_lost, 0);
    assert_int_equal(states_of(set).written, 3); /* nothing is known of them */
    assert_int_equal(verifications(set), 3);
    snprintf(other, sizeof(other), "%s/other", set->root);
    assert_int_equal(rename(set->place[0], other), 0);
    check(set, NULL, NULL, &summary); /* of none is anything known */
    assert_int_equal(summary.status, PD_UNVERIFIED);
    assert_int_equal(summary.unreachable, 6);
    assert_int_equal(rename(other, set->place[0]), 0);
    snprintf(url, sizeof(url), "disk:%s", away);
    check(set, NULL, url, &summary);
    assert_int_equal(summary.status, PD_OK);
    assert_int_equal(states_of(set).verified, 6);
}

static void test_bad_and_unreachable(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    char path[256], away[200];

    for (size_t copy = 0; copy < 2; copy++) {
        verify_set_path(set, copy, 1, path, sizeof(path));
        verify_set_flip(path, 5000, 1);
    }
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_FAILED);
    for (size_t copy = 0; copy < 2; copy++) {
        snprintf(away, sizeof(away), "%s/away%zu", set->root, copy);
        assert_int_equal(rename(set->place[copy], away), 0);
    }
    check(set, NULL, NULL, &summary); /* what was known to be lost is so still */
    assert_int_equal(summary.status, PD_FAILED);
    assert_int_equal(summary.unreachable, 6);
}

static void set_host(struct verify_set *set, const char *label, const char *host)
{
    struct pd_volume_row *volume = calloc(1, sizeof(*volume));

    assert_non_null(volume);
    OK(pd_catalog_volume_find(set->catalog, label, volume, err));
    snprintf(volume->host, sizeof(volume->host), "%s", host);
    OK(pd_catalog_volume_update(set->catalog, volume, err));
    free(volume);
}

/* What is at a place of that name here says nothing of a volume of another host. */
static void test_volume_of_another_host(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    char here[200], away[200], own[256] = "";

    check(set, NULL, NULL, &summary);
    snprintf(here, sizeof(here), "%s/PD200001", set->place[1]);
    snprintf(away, sizeof(away), "%s/PD200001", set->root);
    assert_int_equal(rename(here, away), 0);
    set_host(set, "PD200001", "lab-1");
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_DEGRADED);
    assert_int_equal(summary.unreachable, 3);
    assert_int_equal(summary.bad, 0);
    assert_int_equal(states_of(set).verified, 6);
    assert_int_equal(gethostname(own, sizeof(own) - 1), 0);
    set_host(set, "PD200001", own);
    check(set, NULL, NULL, &summary); /* but one of this host is missed */
    assert_int_equal(summary.unreachable, 3);
    assert_int_equal(states_of(set).verified, 3);
    assert_int_equal(states_of(set).written, 3);
    assert_int_equal(rename(away, here), 0);
    set_host(set, "PD200001", "lab-1");
    check(set, NULL, NULL, &summary); /* both hosts have the place */
    assert_int_equal(summary.status, PD_OK);
    assert_int_equal(states_of(set).verified, 6);
}

static void test_another_volume_of_that_label(void **state)
{
    struct verify_set *set = *state;
    struct verify_set *other = calloc(1, sizeof(*other));
    struct pd_check_summary summary;
    char here[200], there[200], kept[200];

    assert_non_null(other);
    verify_set_start(other, "disk", "");
    (void)pd_rng_next(other->e.env.rng); /* other UUIDs than those of the first set */
    verify_set_dump(other, "first", 4);
    snprintf(here, sizeof(here), "%s/PD100001", set->place[0]);
    snprintf(kept, sizeof(kept), "%s/kept", set->root);
    snprintf(there, sizeof(there), "%s/PD100001", other->place[0]);
    assert_int_equal(rename(here, kept), 0);
    assert_int_equal(rename(there, here), 0);
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_DEGRADED);
    assert_int_equal(summary.unreachable, 3);
    assert_int_equal(summary.bad, 0);
    assert_int_equal(states_of(set).verified, 3);
    snprintf(there, sizeof(there), "disk:%s", set->root);
    snprintf(here, sizeof(here), "%s/PD100001", set->root);
    assert_int_equal(rename(kept, here), 0);
    check(set, NULL, there, &summary);
    assert_int_equal(summary.status, PD_OK);
    set_host(set, "PD100001", "lab-1");
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.unreachable, 3);
    assert_int_equal(summary.bad, 0);
    assert_int_equal(states_of(set).verified, 6); /* it is the other host's own matter */
    verify_set_end(other);
    free(other);
}

static void test_missing_tape_file(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    char path[300];

    verify_set_path(set, 0, 3, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_DEGRADED);
    assert_int_equal(summary.bad, 1);
    verify_set_path(set, 1, 3, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_FAILED);
    assert_true(summary.files_lost > 0);
}

static void test_never_written(void **state)
{
    struct verify_set *set = *state;
    struct pd_archive_row archive = {.dump_id = set->dump.id, .seq = 9, .name = "first.0009"};
    struct pd_copy_row *copies = calloc(2, sizeof(*copies));
    struct pd_volume_row *volume = calloc(1, sizeof(*volume));
    struct pd_check_summary summary;

    assert_true(copies != NULL && volume != NULL);
    archive.record_size = VERIFY_SET_RECORD;
    for (unsigned i = 0; i < 2; i++) {
        OK(pd_catalog_volume_find(set->catalog, i == 0 ? "PD100001" : "PD200001", volume, err));
        copies[i].volume_id = volume->id;
        copies[i].copy = i + 1;
    }
    OK(pd_catalog_archive_begin(set->catalog, &archive, copies, 2, err));
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_UNVERIFIED);
    assert_int_equal(summary.good, 6);
    assert_int_equal(summary.bad, 2);
    assert_int_equal(states_of(set).writing, 2);
    free(copies);
    free(volume);
}

static void test_wrong_volume_named(void **state)
{
    struct verify_set *set = *state;
    const char *volume = "NOSUCH";
    struct pd_check_options options = {
        .volumes = &volume, .volume_count = 1, .retry = PD_RETRY_ONCE};
    struct pd_check_summary summary;
    struct pd_error error = PD_ERROR_INIT;

    assert_int_equal(pd_check_run(&set->e.env, set->catalog, &options, &summary, &error),
                     PD_NOT_FOUND);
    assert_int_equal(summary.status, PD_NOT_FOUND);
}

static void test_interrupted(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_options options = {.retry = PD_RETRY_ONCE};
    struct pd_check_summary summary;

    set->e.stopped = 1;
    OK(pd_check_run(&set->e.env, set->catalog, &options, &summary, err));
    assert_int_equal(summary.status, PD_INTERRUPTED);
    assert_int_equal(states_of(set).written, 6);
    set->e.stopped = 0;
}

/* Faults by way of the places to look at: one copy fails, slows down or hangs. */
static void test_faults(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    char url[200];
    const struct timespec second = {1, 500000000};

    snprintf(url, sizeof(url), "fault:read@2=flip:disk:%s", set->place[0]);
    check(set, NULL, url, &summary);
    assert_int_equal(summary.status, PD_DEGRADED);
    assert_int_equal(summary.bad, 1);
    snprintf(url, sizeof(url), "fault:open@1+=EIO:disk:%s", set->place[0]);
    check(set, NULL, url, &summary);
    assert_int_equal(summary.status, PD_DEGRADED);
    assert_int_equal(summary.bad, 1);
    snprintf(url, sizeof(url), "fault:read@2=hang=1:disk:%s", set->place[0]);
    set->e.env.stall_ns = 200000000;
    check(set, NULL, url, &summary);
    assert_int_equal(summary.status, PD_DEGRADED);
    assert_int_equal(summary.good, 1);
    nanosleep(&second, NULL); /* the thread that hung comes back */
    set->e.env.stall_ns = 0;
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_OK);
    assert_int_equal(states_of(set).verified, 2);
}

/* More volumes than drives: one after the other in each drive. */
static int start_small_tapes(void **state)
{
    return start_with(state, "mock", "?capacity=384K&early=512K", 3);
}

static void test_several_tapes(void **state)
{
    struct verify_set *set = *state;
    struct pd_check_summary summary;
    struct pd_volume_row *volume = calloc(1, sizeof(*volume));

    assert_non_null(volume);
    OK(pd_catalog_volume_find(set->catalog, "PD200002", volume, err)); /* there are two pairs */
    free(volume);
    check(set, NULL, NULL, &summary);
    assert_int_equal(summary.status, PD_OK);
    assert_int_equal(summary.good, summary.copies);
    assert_int_equal(states_of(set).verified, summary.copies);
}

static void test_locate(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row *volume = calloc(1, sizeof(*volume));
    struct pd_error error = PD_ERROR_INIT;
    const char *at[] = {"disk:/nowhere/at/all", set->url[0]};
    char *url = NULL;

    assert_non_null(volume);
    OK(pd_catalog_volume_find(set->catalog, "PD100001", volume, err));
    OK(pd_locate_volume(&set->e.env, volume, NULL, 0, &url, err));
    assert_string_equal(url, set->url[0]);
    free(url);
    snprintf(volume->location, sizeof(volume->location), "disk:%s", set->root);
    assert_int_equal(pd_locate_volume(&set->e.env, volume, at, 1, &url, &error), PD_MISSING);
    assert_null(url);
    assert_non_null(strstr(error.message, "PD100001"));
    assert_non_null(strstr(error.message, at[0]));
    assert_non_null(strstr(error.message, volume->location));
    snprintf(volume->location, sizeof(volume->location), "disk:%s/not-mounted", set->root);
    assert_int_equal(pd_locate_volume(&set->e.env, volume, at, 1, &url, &error), PD_NOT_FOUND);
    OK(pd_locate_volume(&set->e.env, volume, at, 2, &url, err));
    assert_string_equal(url, at[1]);
    free(url);
    free(volume);
}

static void test_locate_elsewhere(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row *volume = calloc(1, sizeof(*volume));
    struct pd_error error = PD_ERROR_INIT;
    const char *at[] = {set->url[1], set->url[0]};
    char *url = NULL;

    assert_non_null(volume);
    OK(pd_catalog_volume_find(set->catalog, "PD100001", volume, err));
    snprintf(volume->host, sizeof(volume->host), "lab-1");
    OK(pd_locate_volume(&set->e.env, volume, NULL, 0, &url, err));
    assert_string_equal(url, set->url[0]);
    free(url);
    snprintf(volume->location, sizeof(volume->location), "disk:%s", set->root);
    assert_int_equal(pd_locate_volume(&set->e.env, volume, at, 1, &url, &error), PD_NOT_FOUND);
    assert_null(url);
    assert_non_null(strstr(error.message, "PD100001"));
    assert_non_null(strstr(error.message, "it is on host lab-1; run this there, or give --at"));
    assert_non_null(strstr(error.message, at[0]));
    assert_non_null(strstr(error.message, volume->location));
    assert_int_equal(pd_locate_volume(&set->e.env, volume, NULL, 0, &url, &error), PD_NOT_FOUND);
    OK(pd_locate_volume(&set->e.env, volume, at, 2, &url, err));
    assert_string_equal(url, at[1]);
    free(url);
    snprintf(volume->location, sizeof(volume->location), "%s", set->url[0]);
    volume->uuid[0] = volume->uuid[0] == '0' ? '1' : '0';
    assert_int_equal(pd_locate_volume(&set->e.env, volume, NULL, 0, &url, &error), PD_NOT_FOUND);
    assert_non_null(strstr(error.message, "another volume of that label"));
    volume->host[0] = '\0';
    assert_int_equal(pd_locate_volume(&set->e.env, volume, NULL, 0, &url, &error), PD_MISSING);
    assert_null(strstr(error.message, "host"));
    free(volume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, start, end),
        cmocka_unit_test_setup_teardown(test_one_dump, start, end),
        cmocka_unit_test_setup_teardown(test_one_copy_bad_then_mended, start, end),
        cmocka_unit_test_setup_teardown(test_same_record_bad_on_both, start_one, end),
        cmocka_unit_test_setup_teardown(test_one_volume_alone, start, end),
        cmocka_unit_test_setup_teardown(test_partner_only_written, start_one, end),
        cmocka_unit_test_setup_teardown(test_empty_volume, start_one, end),
        cmocka_unit_test_setup_teardown(test_unreachable, start, end),
        cmocka_unit_test_setup_teardown(test_bad_and_unreachable, start, end),
        cmocka_unit_test_setup_teardown(test_volume_of_another_host, start, end),
        cmocka_unit_test_setup_teardown(test_another_volume_of_that_label, start, end),
        cmocka_unit_test_setup_teardown(test_missing_tape_file, start, end),
        cmocka_unit_test_setup_teardown(test_never_written, start, end),
        cmocka_unit_test_setup_teardown(test_wrong_volume_named, start, end),
        cmocka_unit_test_setup_teardown(test_interrupted, start, end),
        cmocka_unit_test_setup_teardown(test_faults, start_one, leave),
        cmocka_unit_test_setup_teardown(test_several_tapes, start_small_tapes, end),
        cmocka_unit_test_setup_teardown(test_locate, start, end),
        cmocka_unit_test_setup_teardown(test_locate_elsewhere, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
