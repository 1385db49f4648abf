/*
 * Every batch of a list is given out once, unless it is given back; nothing is called done before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/work/dump_batches.h"
#include "../../lib/format_lib.h"

enum { FILES = 400 };

struct bed {
    char dir[128];
    struct pd_list *list;
    struct pd_dump_batches batches;
    struct pd_batch batch;
    struct pd_batch_place place;
    enum pd_batch_answer answer;
    struct pd_error err;
};

static void add_files(struct bed *b, unsigned count)
{
    for (unsigned i = 1; i <= count; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/f%u", i);
        struct pd_item item = {
            .path = path, .path_len = strlen(path), .kind = PD_KIND_FILE, .size = i, .stored = i};
        assert_int_equal(pd_list_add(b->list, &item, &b->err), PD_OK);
    }
}

static int start(void **state)
{
    struct bed *b = calloc(1, sizeof *b);

    assert_non_null(b);
    format_dir_make(b->dir, sizeof b->dir);
    assert_int_equal(pd_list_new(b->dir, &b->list, &b->err), PD_OK);
    assert_int_equal(pd_batches_init(&b->batches, &b->err), PD_OK);
    pd_batch_init(&b->batch);
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bed *b = *state;

    pd_batch_release(&b->batch);
    pd_batches_release(&b->batches);
    pd_list_free(b->list);
    format_dir_remove(b->dir);
    free(b);
    return 0;
}

/* So many files, one in each batch. */
static void begin(struct bed *b, unsigned count)
{
    const struct pd_batch_limits limits = {.bytes = UINT64_MAX, .files = 1};

    add_files(b, count);
    pd_batches_start(&b->batches, b->list, &limits);
}

static struct pd_batch_place takes(struct bed *b, uint64_t seq)
{
    assert_int_equal(pd_batches_take(&b->batches, &b->batch, &b->place, &b->answer, &b->err),
                     PD_OK);
    assert_int_equal(b->answer, PD_BATCH_TAKEN);
    assert_true(b->place.seq == seq && b->batch.seq == seq);
    assert_int_equal(b->batch.count, 1);
    assert_true(b->batch.items[0].size == seq); /* the file is that of the number */
    return b->place;
}

static void answers(struct bed *b, enum pd_batch_answer wanted)
{
    assert_int_equal(pd_batches_take(&b->batches, &b->batch, &b->place, &b->answer, &b->err),
                     PD_OK);
    assert_int_equal(b->answer, wanted);
}

static void each_is_given_out_once_in_order(void **state)
{
    struct bed *b = *state;

    begin(b, 3);
    takes(b, 1);
    takes(b, 2);
    pd_batches_recorded(&b->batches);
    takes(b, 3);
    answers(b, PD_BATCH_LATER);
    pd_batches_recorded(&b->batches);
    assert_false(pd_batches_all_recorded(&b->batches));
    answers(b, PD_BATCH_LATER);
    pd_batches_recorded(&b->batches);
    answers(b, PD_BATCH_NONE);
    assert_true(pd_batches_all_recorded(&b->batches));
}

static void an_empty_list_is_done_when_it_was_looked_at(void **state)
{
    struct bed *b = *state;

    begin(b, 0);
    assert_false(pd_batches_all_recorded(&b->batches));
    answers(b, PD_BATCH_NONE);
    assert_true(pd_batches_all_recorded(&b->batches));
}

static void what_is_given_back_comes_again_the_lowest_first(void **state)
{
    struct bed *b = *state;

    begin(b, 4);
    struct pd_batch_place first = takes(b, 1), second = takes(b, 2);
    takes(b, 3);
    pd_batches_give_back(&b->batches, &second);
    pd_batches_give_back(&b->batches, &first);
    takes(b, 1);
    takes(b, 2);
    takes(b, 4);
    for (int i = 0; i < 4; i++) {
        answers(b, PD_BATCH_LATER);
        pd_batches_recorded(&b->batches);
    }
    answers(b, PD_BATCH_NONE);
}

static void what_comes_back_last_keeps_it_from_being_done(void **state)
{
    struct bed *b = *state;

    begin(b, 2);
    takes(b, 1);
    struct pd_batch_place second = takes(b, 2);
    pd_batches_recorded(&b->batches);
    answers(b, PD_BATCH_LATER);
    pd_batches_give_back(&b->batches, &second);
    assert_false(pd_batches_all_recorded(&b->batches));
    takes(b, 2);
    pd_batches_recorded(&b->batches);
    answers(b, PD_BATCH_NONE);
    assert_true(pd_batches_all_recorded(&b->batches));
}

static void what_was_written_before_is_left_out(void **state)
{
    const uint64_t done[] = {2, 7, 3, 1, 5};
    struct bed *b = *state;

    for (size_t i = 0; i < sizeof done / sizeof done[0]; i++) {
        assert_int_equal(pd_batches_add_done(&b->batches, done[i], &b->err), PD_OK);
    }
    begin(b, 7);
    for (uint64_t seq = 1; seq <= 8; seq++) {
        assert_int_equal(pd_batches_is_done(&b->batches, seq), seq != 4 && seq != 6 && seq != 8);
    }
    takes(b, 4);
    takes(b, 6);
    answers(b, PD_BATCH_LATER);
    pd_batches_recorded(&b->batches);
    pd_batches_recorded(&b->batches);
    answers(b, PD_BATCH_NONE);
    assert_true(pd_batches_all_recorded(&b->batches));
}

static void after_the_end_nothing_is_given_out(void **state)
{
    struct bed *b = *state;

    begin(b, 3);
    takes(b, 1);
    pd_batches_end(&b->batches);
    answers(b, PD_BATCH_NONE);
    pd_batches_recorded(&b->batches);
    answers(b, PD_BATCH_NONE);
    assert_false(pd_batches_all_recorded(&b->batches));
}

/* ---- several at once ---- */

struct worker {
    struct bed *b;
    unsigned every; /* so many batches are written, then one is given back */
    unsigned seen[FILES + 1];
    bool failed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pd_dump_batches *batches = &w->b->batches;
    enum pd_batch_answer answer = PD_BATCH_LATER;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_batch batch;
    unsigned n = 0;

    pd_batch_init(&batch);
    while (!w->failed && answer != PD_BATCH_NONE) {
        struct pd_batch_place place = {0};
        w->failed = pd_batches_take(batches, &batch, &place, &answer, &err) != PD_OK;
        if (answer == PD_BATCH_LATER) {
            pd_batches_wait(batches, 1000000);
        } else if (answer == PD_BATCH_TAKEN && ++n % w->every == 0) {
            pd_batches_give_back(batches, &place);
        } else if (answer == PD_BATCH_TAKEN) {
            w->failed = w->failed || place.seq > FILES || batch.items[0].size != place.seq;
            w->seen[w->failed ? 0 : place.seq]++;
            pd_batches_recorded(batches);
        }
    }
    pd_batch_release(&batch);
    return NULL;
}

static void several_share_all_and_nothing_twice(void **state)
{
    enum { WORKERS = 4 };
    struct bed *b = *state;
    struct worker *workers = calloc(WORKERS, sizeof *workers);
    pthread_t threads[WORKERS];

    assert_non_null(workers);
    begin(b, FILES);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].b = b;
        workers[i].every = i + 3;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(workers[i].failed);
    }
    for (unsigned seq = 1; seq <= FILES; seq++) {
        unsigned times = 0;
        for (unsigned i = 0; i < WORKERS; i++) {
            times += workers[i].seen[seq];
        }
        assert_int_equal(times, 1);
    }
    assert_true(pd_batches_all_recorded(&b->batches));
    free(workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_is_given_out_once_in_order, start, end),
        cmocka_unit_test_setup_teardown(an_empty_list_is_done_when_it_was_looked_at, start, end),
        cmocka_unit_test_setup_teardown(what_is_given_back_comes_again_the_lowest_first, start,
                                        end),
        cmocka_unit_test_setup_teardown(what_comes_back_last_keeps_it_from_being_done, start, end),
        cmocka_unit_test_setup_teardown(what_was_written_before_is_left_out, start, end),
        cmocka_unit_test_setup_teardown(after_the_end_nothing_is_given_out, start, end),
        cmocka_unit_test_setup_teardown(several_share_all_and_nothing_twice, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
