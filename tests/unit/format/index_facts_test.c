#include "pairdump/index.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct pd_index_facts sample = {.host = "vm",
                                             .roots = "/home /srv/a%20b",
                                             .pool = "science",
                                             .policy = "sample=25%",
                                             .started = INT64_C(1795302330856670123),
                                             .copies = 3,
                                             .incremental = true};

static void facts_come_back(void **state)
{
    struct pd_buf out = PD_BUF_INIT;
    struct pd_index_facts back;

    (void)state;
    assert_int_equal(pd_index_facts_encode("Dump-", &sample, &out), PD_OK);
    pd_index_facts_decode("Dump-", out.data, out.len, &back);
    assert_string_equal(back.host, "vm");
    assert_string_equal(back.roots, "/home /srv/a%20b");
    assert_string_equal(back.pool, "science");
    assert_string_equal(back.policy, "sample=25%");
    assert_int_equal(back.started, sample.started);
    assert_int_equal(back.copies, 3);
    assert_true(back.incremental);
    pd_index_facts_decode("Pairdump-", out.data, out.len, &back); /* other lines are not theirs */
    assert_string_equal(back.host, "");
    assert_int_equal(back.started, 0);
    pd_buf_free(&out);
}

static void what_is_not_known_has_no_line(void **state)
{
    struct pd_index_facts nothing = {.copies = 0}, back;
    struct pd_buf out = PD_BUF_INIT;

    (void)state;
    assert_int_equal(pd_index_facts_encode("Dump-", &nothing, &out), PD_OK);
    assert_int_equal(out.len, 0);
    pd_index_facts_decode("Dump-", "", 0, &back);
    assert_memory_equal(&nothing, &back, sizeof back);
}

static void what_is_not_sound_is_not_known(void **state)
{
    static const char text[] = "Dump-Copies: 99\nDump-Started: yesterday\nDump-Policy: "
                               "0123456789012345678901234567890123456789\nDump-Pool: a\n";
    struct pd_index_facts back;

    (void)state;
    pd_index_facts_decode("Dump-", text, sizeof text - 1, &back);
    assert_int_equal(back.copies, 0);
    assert_int_equal(back.started, 0);
    assert_string_equal(back.policy, "");
    assert_string_equal(back.pool, "a");
}

struct told {
    unsigned count;
    struct pd_index_problem last;
    char path[64], message[64];
};

static enum pd_status take(void *arg, const struct pd_index_problem *problem, struct pd_error *err)
{
    struct told *told = arg;

    (void)err;
    told->count++;
    told->last = *problem;
    snprintf(told->path, sizeof told->path, "%s", problem->path);
    snprintf(told->message, sizeof told->message, "%s", problem->message);
    return PD_OK;
}

static void problems_come_back(void **state)
{
    const struct pd_index_problem problem = {.path = "/a b\n\t%\377",
                                             .message = "went\naway ",
                                             .status = PD_SOURCE_UNREADABLE,
                                             .sys_errno = 13,
                                             .archived = true};
    struct pd_buf out = PD_BUF_INIT;
    struct pd_error err = PD_ERROR_INIT;
    struct told told = {.count = 0};

    (void)state;
    assert_int_equal(pd_buf_puts(&out, "Software: pairdump\n"), PD_OK);
    assert_int_equal(pd_index_problem_encode(&problem, &out), PD_OK);
    assert_int_equal(pd_index_problem_encode(&problem, &out), PD_OK);
    assert_int_equal(pd_index_problems(out.data, out.len, take, &told, &err), PD_OK);
    assert_int_equal(told.count, 2);
    assert_string_equal(told.path, problem.path);
    assert_string_equal(told.message, problem.message);
    assert_int_equal(told.last.status, PD_SOURCE_UNREADABLE);
    assert_int_equal(told.last.sys_errno, 13);
    assert_true(told.last.archived);
    pd_buf_free(&out);
}

static void problems_that_are_not_sound_are_left_out(void **state)
{
    static const char *const lines[] = {
        "Problem: ",
        "Problem: io-error 5 - /x", /* without a message */
        "Problem: no-such-status 5 - /x\tm",
        "Problem: ok 0 - /x\tm",
        "Problem: io-error -1 - /x\tm",
        "Problem: io-error 99999999999 - /x\tm",
        "Problem: io-error 5 - \tm",
        "Problem: io-error 5 - /x%0\tm",
        "Problem: io-error 5 - /x%00\tm",
        "Problems: io-error 5 - /x\tm",
    };
    struct pd_error err = PD_ERROR_INIT;
    struct told told = {.count = 0};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(pd_index_problems(lines[i], strlen(lines[i]), take, &told, &err), PD_OK);
        assert_int_equal(told.count, 0);
    }
}

static void an_info_carries_all_of_it(void **state)
{
    struct pd_index_info info = {.dump_name = "daily",
                                 .dump_uuid = "11111111-2222-4333-8444-555555555555",
                                 .label = "PD100001",
                                 .volume_uuid = "66666666-7777-4888-9999-aaaaaaaaaaaa",
                                 .archives = 3,
                                 .pair = 7,
                                 .skipped = 8,
                                 .problems = 9,
                                 .facts = sample,
                                 .lines = "Problem: io-error 5 - /x\tm\n"};
    struct pd_index_info back;
    struct pd_buf out = PD_BUF_INIT;
    struct pd_error err = PD_ERROR_INIT;
    struct told told = {.count = 0};

    (void)state;
    assert_int_equal(pd_index_info_encode(&info, &out), PD_OK);
    assert_int_equal(pd_index_info_decode(out.data, out.len, &back, &err), PD_OK);
    assert_int_equal(back.pair, 7);
    assert_int_equal(back.skipped, 8);
    assert_int_equal(back.problems, 9);
    assert_string_equal(back.facts.policy, "sample=25%");
    assert_int_equal(pd_index_problems(out.data, out.len, take, &told, &err), PD_OK);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.path, "/x");
    pd_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_come_back),
        cmocka_unit_test(what_is_not_known_has_no_line),
        cmocka_unit_test(what_is_not_sound_is_not_known),
        cmocka_unit_test(problems_come_back),
        cmocka_unit_test(problems_that_are_not_sound_are_left_out),
        cmocka_unit_test(an_info_carries_all_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
