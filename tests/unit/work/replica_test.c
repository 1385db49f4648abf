#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pairdump/replica.h"

#include "../../lib/work_restore_lib.h"

#define SIZE  4096
#define COUNT 20

/* Two copies of the same records, and what the archive's table of contents says of them. */
struct pair {
    struct restore_lib_env e;
    struct pd_toc toc;
    uint8_t data[2][COUNT * SIZE];
    struct restore_lib_volume volumes[2];
    struct pd_replica_copy copies[2];
    struct pd_replica *replica;
};

static int start(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));
    struct pd_error err = PD_ERROR_INIT;

    assert_non_null(p);
    restore_lib_env_start(&p->e);
    pd_toc_init(&p->toc);
    snprintf(p->toc.name, sizeof(p->toc.name), "test.0001");
    p->toc.record_size = SIZE;
    for (size_t i = 0; i < sizeof(p->data[0]); i++)
        p->data[0][i] = (uint8_t)(i * 7 + i / SIZE);
    memcpy(p->data[1], p->data[0], sizeof(p->data[0]));
    for (uint64_t i = 0; i < COUNT; i++)
        assert_int_equal(
            pd_toc_add_record(&p->toc, pd_record_digest(p->data[0] + i * SIZE, SIZE), &err),
            PD_OK);
    for (size_t i = 0; i < 2; i++) {
        p->volumes[i] = (struct restore_lib_volume){
            .label = i == 0 ? "ONE" : "TWO", .record_size = SIZE, .count = COUNT};
        p->volumes[i].records = p->data[i];
        p->copies[i].target = restore_lib_target(&p->volumes[i]);
        p->copies[i].tape_file = 1;
        p->copies[i].name = p->volumes[i].label;
    }
    assert_int_equal(pd_replica_new(&p->e.env, &p->toc, p->copies, 2, &p->replica, &err), PD_OK);
    *state = p;
    return 0;
}

static int end(void **state)
{
    struct pair *p = *state;

    pd_replica_free(p->replica);
    for (size_t i = 0; i < 2; i++)
        restore_lib_close(p->copies[i].target);
    pd_toc_release(&p->toc);
    restore_lib_env_end(&p->e);
    free(p);
    return 0;
}

static void flip(struct pair *p, size_t copy, uint64_t record)
{
    p->data[copy][record * SIZE + 99] ^= 4;
}

/* Asks for a record and demands that it is the right one. */
static void expect_good(struct pair *p, uint64_t no)
{
    struct pd_error err = PD_ERROR_INIT;
    const uint8_t *record;

    assert_int_equal(pd_replica_record(p->replica, no, &record, &err), PD_OK);
    for (size_t i = 0; i < SIZE; i++)
        if (record[i] != (uint8_t)((no * SIZE + i) * 7 + no))
            fail_msg("record %llu, byte %zu", (unsigned long long)no, i);
}

static void serves_all_from_the_first_without_seeking(void **state)
{
    struct pair *p = *state;

    for (uint64_t i = 0; i < COUNT; i++)
        expect_good(p, i);
    assert_int_equal(p->copies[0].served, COUNT);
    assert_int_equal(p->volumes[0].seeks, 0);
    assert_int_equal(p->volumes[0].reads, COUNT);
    assert_int_equal(p->volumes[1].opens, 0);
}

static void a_record_asked_for_again_is_not_read_again(void **state)
{
    struct pair *p = *state;

    expect_good(p, 5);
    expect_good(p, 5);
    assert_int_equal(p->volumes[0].reads, 1);
    expect_good(p, 2);
    expect_good(p, 5);
    assert_int_equal(p->volumes[0].reads, 3);
    assert_int_equal(p->volumes[0].seeks, 3);
}

static void a_flipped_bit_is_served_by_the_other_copy(void **state)
{
    struct pair *p = *state;

    flip(p, 0, 3);
    for (uint64_t i = 0; i < COUNT; i++)
        expect_good(p, i);
    assert_int_equal(p->copies[0].mismatches, 1);
    assert_int_equal(p->copies[0].errors, 0);
    assert_int_equal(p->copies[0].first_fault, PD_BAD_RECORD);
    assert_int_equal(p->copies[0].first_fault_record, 3);
    assert_int_equal(p->copies[1].first_fault, PD_OK);
    /* one bad record alone makes no other leader */
    assert_int_equal(p->copies[0].served, COUNT - 1);
    assert_int_equal(p->copies[1].served, 1);
    assert_int_equal(p->volumes[0].reads, COUNT);
    assert_int_equal(p->volumes[1].reads, 1);
}

static void after_two_in_a_row_the_other_copy_leads(void **state)
{
    struct pair *p = *state;

    flip(p, 0, 3);
    flip(p, 0, 4);
    for (uint64_t i = 0; i < COUNT; i++)
        expect_good(p, i);
    assert_int_equal(p->copies[0].mismatches, 2);
    assert_int_equal(p->copies[0].first_fault_record, 3);
    /* what was read ahead by then, eight records at most, is used */
    assert_in_range(p->copies[0].served, 3, 3 + 8);
    assert_int_equal(p->copies[0].served + p->copies[1].served, COUNT);
}

static void two_bad_copies_make_one_good(void **state)
{
    struct pair *p = *state;

    for (uint64_t i = 0; i < COUNT; i++)
        flip(p, i % 2, i);
    for (uint64_t i = 0; i < COUNT; i++)
        expect_good(p, i);
    assert_int_equal(p->copies[0].served + p->copies[1].served, COUNT);
    assert_true(p->copies[0].mismatches > 0);
    assert_true(p->copies[1].mismatches > 0);
}

static void read_errors_count_and_the_rest_is_still_served(void **state)
{
    struct pair *p = *state;

    p->volumes[0].bad_from = 4;
    p->volumes[0].bad_to = 6;
    flip(p, 1, 15); /* further than the first copy can have read ahead */
    for (uint64_t i = 0; i < COUNT; i++)
        expect_good(p, i);
    assert_int_equal(p->copies[0].first_fault, PD_IO);
    assert_int_equal(p->copies[0].first_fault_record, 4);
    assert_int_equal(p->copies[0].errors, 2); /* the second one was read ahead */
    assert_int_equal(p->copies[1].mismatches, 1);
}

static void a_record_bad_on_both_is_named_and_not_read_twice(void **state)
{
    struct pair *p = *state;
    struct pd_error err = PD_ERROR_INIT;
    const uint8_t *record;
    uint64_t reads;

    flip(p, 0, 6);
    p->volumes[1].bad_from = 6;
    p->volumes[1].bad_to = 7;
    expect_good(p, 5);
    assert_int_equal(pd_replica_record(p->replica, 6, &record, &err), PD_BAD_RECORD);
    assert_null(record);
    assert_int_equal(err.status, PD_BAD_RECORD);
    assert_non_null(strstr(err.message, "record 6"));
    assert_string_equal(err.archive, "test.0001");
    reads = p->volumes[0].reads + p->volumes[1].reads;
    assert_int_equal(pd_replica_record(p->replica, 6, &record, &err), PD_BAD_RECORD);
    assert_int_equal(p->volumes[0].reads + p->volumes[1].reads, reads);
    for (uint64_t i = 7; i < COUNT; i++)
        expect_good(p, i);
    expect_good(p, 5);
}

static void a_copy_too_short_is_avoided(void **state)
{
    struct pair *p = *state;

    p->volumes[0].count = 8;
    for (uint64_t i = 0; i < COUNT; i++)
        expect_good(p, i);
    assert_int_equal(p->copies[0].first_fault, PD_END_OF_FILE);
    assert_int_equal(p->copies[0].first_fault_record, 8);
}

static void a_tape_file_that_does_not_open_is_given_up(void **state)
{
    struct pair *p = *state;
    struct pd_error err = PD_ERROR_INIT;
    const uint8_t *record;

    p->volumes[0].no_open = true;
    for (uint64_t i = 0; i < COUNT; i++)
        flip(p, 1, i);
    for (uint64_t i = 0; i < COUNT; i++)
        assert_int_equal(pd_replica_record(p->replica, i, &record, &err), PD_BAD_RECORD);
    assert_int_equal(p->copies[0].first_fault, PD_MISSING);
    assert_int_equal(p->volumes[0].opens, 3);
    assert_int_equal(p->copies[1].mismatches, 2 * COUNT);
}

static void a_volume_of_other_records_is_no_copy(void **state)
{
    struct pair *p = *state;
    struct restore_lib_volume other = {.label = "OTHER", .record_size = 512, .count = COUNT};
    struct pd_target *mine = p->copies[0].target;
    struct pd_error err = PD_ERROR_INIT;

    pd_replica_free(p->replica);
    other.records = p->data[0];
    p->copies[0].target = restore_lib_target(&other);
    assert_int_equal(pd_replica_new(&p->e.env, &p->toc, p->copies, 2, &p->replica, &err), PD_OK);
    expect_good(p, 0);
    assert_int_equal(p->copies[0].first_fault, PD_WRONG_VOLUME);
    assert_int_equal(p->copies[1].served, 1);
    pd_replica_free(p->replica);
    p->replica = NULL;
    assert_int_equal(other.reads, 0);
    restore_lib_close(p->copies[0].target);
    p->copies[0].target = mine;
}

static void nothing_lies_behind_the_last_record(void **state)
{
    struct pair *p = *state;
    struct pd_error err = PD_ERROR_INIT;
    const uint8_t *record;

    assert_int_equal(pd_replica_record(p->replica, COUNT, &record, &err), PD_TRUNCATED);
    assert_int_equal(pd_replica_record(p->replica, UINT64_MAX, &record, &err), PD_TRUNCATED);
    expect_good(p, COUNT - 1);
}

static void a_signal_stops_it(void **state)
{
    struct pair *p = *state;
    struct pd_error err = PD_ERROR_INIT;
    const uint8_t *record;

    expect_good(p, 0);
    p->e.stopped = 1;
    assert_int_equal(pd_replica_record(p->replica, 1, &record, &err), PD_INTERRUPTED);
    assert_int_equal(p->copies[0].first_fault, PD_OK);
}

static void bad_arguments_are_refused(void **state)
{
    struct pair *p = *state;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_replica *replica;

    assert_int_equal(pd_replica_new(&p->e.env, &p->toc, p->copies, 0, &replica, &err),
                     PD_INTERNAL);
    assert_null(replica);
    p->toc.record_size = 0;
    assert_int_equal(pd_replica_new(&p->e.env, &p->toc, p->copies, 2, &replica, &err),
                     PD_BAD_FORMAT);
    p->toc.record_size = UINT64_MAX;
    assert_int_equal(pd_replica_new(&p->e.env, &p->toc, p->copies, 2, &replica, &err),
                     PD_BAD_FORMAT);
    p->toc.record_size = SIZE;
    pd_replica_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(serves_all_from_the_first_without_seeking),
        TEST(a_record_asked_for_again_is_not_read_again),
        TEST(a_flipped_bit_is_served_by_the_other_copy),
        TEST(after_two_in_a_row_the_other_copy_leads),
        TEST(two_bad_copies_make_one_good),
        TEST(read_errors_count_and_the_rest_is_still_served),
        TEST(a_record_bad_on_both_is_named_and_not_read_twice),
        TEST(a_copy_too_short_is_avoided),
        TEST(a_tape_file_that_does_not_open_is_given_up),
        TEST(a_volume_of_other_records_is_no_copy),
        TEST(nothing_lies_behind_the_last_record),
        TEST(a_signal_stops_it),
        TEST(bad_arguments_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
