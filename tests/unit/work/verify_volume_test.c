#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/work_verify_set.h"
#include "pairdump/verify.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct pd_error ok_err = PD_ERROR_INIT, *err = &ok_err;                                    \
        if ((call) != PD_OK)                                                                       \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

struct seen {
    size_t count;
    struct {
        char archive[128];
        uint32_t tape_file;
        enum pd_status status;
        uint64_t bad_records, bad_files;
    } list[32];
    enum pd_status status; /* of the volume */
};

static enum pd_status see(void *arg, const struct pd_verify_result *result, struct pd_error *err)
{
    struct seen *seen = arg;

    (void)err;
    assert_true(seen->count < 32);
    memcpy(seen->list[seen->count].archive, result->archive, sizeof(result->archive));
    seen->list[seen->count].tape_file = result->tape_file;
    seen->list[seen->count].status = result->status;
    seen->list[seen->count].bad_records = result->bad_records;
    seen->list[seen->count].bad_files = result->bad_files;
    seen->count++;
    return PD_OK;
}

static void check(struct verify_set *set, struct seen *seen)
{
    struct pd_label found;

    memset(seen, 0, sizeof(*seen));
    OK(pd_verify_volume(&set->e.env, set->url[0], "PD100001", 0, see, seen, &found, &seen->status,
                        err));
    assert_string_equal(found.label, "PD100001");
}

static enum pd_status status_of(const struct seen *seen, const char *archive)
{
    for (size_t i = 0; i < seen->count; i++)
        if (strcmp(seen->list[i].archive, archive) == 0)
            return seen->list[i].status;
    fail_msg("no result for %s", archive);
    return PD_INTERNAL;
}

/* Two dumps of three and one archives: tape files 1-3, index 4, 5, index 6. */
static void start_with(struct verify_set *set, const char *scheme)
{
    verify_set_start(set, scheme, "");
    verify_set_dump(set, "first", 4);
    assert_int_equal(set->dump.archives, 3);
    verify_set_dump(set, "second", 25000);
}

static int start(void **state)
{
    struct verify_set *set = calloc(1, sizeof(*set));

    assert_non_null(set);
    start_with(set, "disk");
    *state = set;
    return 0;
}

static int start_tapes(void **state)
{
    struct verify_set *set = calloc(1, sizeof(*set));

    assert_non_null(set);
    start_with(set, "mock");
    *state = set;
    return 0;
}

static int end(void **state)
{
    verify_set_end(*state);
    free(*state);
    return 0;
}

static void test_good(void **state)
{
    struct seen seen;

    check(*state, &seen);
    assert_int_equal(seen.status, PD_OK);
    assert_int_equal(seen.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(seen.list[i].status, PD_OK);
    assert_string_equal(seen.list[0].archive, "first.0001");
    assert_int_equal(seen.list[3].tape_file, 5);
}

static void test_without_index(void **state)
{
    struct verify_set *set = *state;
    struct seen seen;
    char path[300];

    verify_set_path(set, 0, 6, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    check(set, &seen);
    assert_int_equal(seen.status, PD_UNVERIFIED);
    assert_int_equal(seen.count, 4);
    assert_int_equal(status_of(&seen, "first.0001"), PD_OK);
    assert_int_equal(status_of(&seen, "second.0001"), PD_UNVERIFIED);
}

static void test_bad_archive(void **state)
{
    struct verify_set *set = *state;
    struct seen seen;
    char path[300];

    verify_set_path(set, 0, 2, path, sizeof(path));
    verify_set_flip(path, verify_set_size(path) - 1, 3); /* padding */
    check(set, &seen);
    assert_true(seen.status != PD_OK);
    assert_int_equal(seen.count, 4);
    assert_int_equal(status_of(&seen, "first.0001"), PD_OK);
    assert_int_equal(status_of(&seen, "first.0002"), PD_BAD_RECORD);
    assert_int_equal(status_of(&seen, "first.0003"), PD_OK);
    assert_int_equal(seen.list[1].bad_records, 1);
}

static void test_first_record_of_archive_destroyed(void **state)
{
    struct verify_set *set = *state;
    struct seen seen;
    char path[300];

    verify_set_path(set, 0, 1, path, sizeof(path));
    for (uint64_t at = 0; at < 512; at++)
        verify_set_flip(path, at, 0);
    check(set, &seen);
    assert_int_equal(status_of(&seen, "first.0001"), PD_BAD_RECORD);
    assert_int_equal(seen.count, 4);
}

/* No flip in an index may let a copy pass unseen as if it had been checked by that index. */
static void test_bad_index(void **state)
{
    struct verify_set *set = *state;
    struct seen seen;
    char path[300];
    uint64_t size;

    verify_set_path(set, 0, 4, path, sizeof(path));
    size = verify_set_size(path);
    for (uint64_t at = 0; at < size; at += at < 8192 ? 311 : 3331) {
        verify_set_flip(path, at, 1);
        check(set, &seen);
        if (seen.status == PD_OK) /* times and owners of the index's own entries */
            assert_true(seen.count == 4);
        assert_int_equal(status_of(&seen, "second.0001"), PD_OK);
        verify_set_flip(path, at, 1);
    }
    verify_set_truncate(path, size / 2);
    check(set, &seen);
    assert_int_equal(seen.count, 5);
    assert_true(seen.status != PD_OK);
    assert_true(status_of(&seen, "index") != PD_OK);
    assert_int_equal(status_of(&seen, "first.0001"), PD_UNVERIFIED); /* by their own manifests */
    assert_int_equal(status_of(&seen, "first.0002"), PD_UNVERIFIED);
    assert_int_equal(status_of(&seen, "first.0003"), PD_UNVERIFIED);
}

static void test_index_of_another_volume(void **state)
{
    struct verify_set *set = *state;
    struct seen seen;
    char path[300], other[300];

    verify_set_path(set, 0, 4, path, sizeof(path));
    verify_set_path(set, 1, 4, other, sizeof(other));
    assert_int_equal(rename(other, path), 0);
    check(set, &seen);
    assert_int_equal(status_of(&seen, "index"), PD_WRONG_VOLUME);
    assert_int_equal(status_of(&seen, "first.0001"), PD_UNVERIFIED);
}

static void test_missing_archive(void **state)
{
    struct verify_set *set = *state;
    struct seen seen;
    char path[300];

    verify_set_path(set, 0, 2, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    check(set, &seen);
    assert_true(seen.status != PD_OK);
    assert_int_equal(status_of(&seen, "first.0002"), PD_MISSING);
    assert_int_equal(status_of(&seen, "first.0003"), PD_OK);
    assert_int_equal(status_of(&seen, "second.0001"), PD_OK);
}

static void test_missing_last_archives(void **state)
{
    struct verify_set *set = *state;
    struct seen seen;
    char path[300];

    verify_set_path(set, 0, 5, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    check(set, &seen);
    assert_true(seen.status != PD_OK);
    assert_int_equal(status_of(&seen, "second.0001"), PD_MISSING);
}

static void test_foreign_tape_file(void **state)
{
    struct verify_set *set = *state;
    struct seen seen;
    char path[300];
    int fd;

    snprintf(path, sizeof(path), "%s/PD100001/0007-what.tar", set->place[0]);
    fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 65536), 0);
    assert_int_equal(close(fd), 0);
    check(set, &seen);
    assert_int_equal(seen.count, 5);
    assert_int_equal(seen.list[4].status, PD_BAD_FORMAT);
    assert_int_equal(seen.list[4].tape_file, 7);
    assert_string_equal(seen.list[4].archive, "tape file 7");
}

/* Behind the damage nothing can be counted nor read: that is told, and comes to an end. */
static void test_damaged_image(void **state)
{
    struct verify_set *set = *state;
    struct seen seen;
    char path[300];
    int fd;

    snprintf(path, sizeof(path), "%s/PD100001.tap", set->place[0]);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    /* the length word before the second record of tape file 1: label, filemark, one record */
    assert_int_equal(pwrite(fd, "\xff\xff\xff\x7f", 4, 2 * (VERIFY_SET_RECORD + 8) + 4), 4);
    assert_int_equal(close(fd), 0);
    check(set, &seen);
    assert_int_equal(seen.status, PD_BAD_FORMAT);
    assert_in_range(seen.count, 1, 2);
    assert_int_equal(seen.list[0].status, PD_BAD_FORMAT);
}

static void test_wrong_calls(void **state)
{
    struct verify_set *set = *state;
    struct pd_error error = PD_ERROR_INIT;
    struct pd_label found;
    enum pd_status status = PD_OK;

    assert_int_equal(pd_verify_volume(&set->e.env, set->url[0], "PD100002", 0, NULL, NULL, &found,
                                      &status, &error),
                     PD_NOT_FOUND);
    assert_int_equal(status, PD_NOT_FOUND);
    set->e.stopped = 1;
    assert_int_equal(pd_verify_volume(&set->e.env, set->url[0], NULL, 0, NULL, NULL, &found,
                                      &status, &error),
                     PD_INTERRUPTED);
    assert_int_equal(status, PD_INTERRUPTED);
    set->e.stopped = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, start, end),
        cmocka_unit_test_setup_teardown(test_good, start_tapes, end),
        cmocka_unit_test_setup_teardown(test_without_index, start, end),
        cmocka_unit_test_setup_teardown(test_bad_archive, start, end),
        cmocka_unit_test_setup_teardown(test_first_record_of_archive_destroyed, start, end),
        cmocka_unit_test_setup_teardown(test_bad_index, start, end),
        cmocka_unit_test_setup_teardown(test_index_of_another_volume, start, end),
        cmocka_unit_test_setup_teardown(test_missing_archive, start, end),
        cmocka_unit_test_setup_teardown(test_missing_last_archives, start, end),
        cmocka_unit_test_setup_teardown(test_foreign_tape_file, start, end),
        cmocka_unit_test_setup_teardown(test_damaged_image, start_tapes, end),
        cmocka_unit_test_setup_teardown(test_wrong_calls, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
