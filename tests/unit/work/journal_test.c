#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/format_lib.h"
#include "../../lib/work_journal_lib.h"

/* ---- what is written comes back ---- */

static void a_field_holds_every_byte(void **state)
{
    struct jl_bed *b = *state;
    char all[256], one[2] = "";

    for (int i = 1; i < 256; i++) {
        all[i - 1] = (char)i;
    }
    all[255] = '\0';
    jl_open_as(b, true, PD_OK);
    jl_put(b, true, all, "");
    for (int i = 1; i < 256; i++) {
        one[0] = (char)i;
        jl_put(b, true, one, all);
    }
    for (int pass = 0; pass < 2; pass++) {
        jl_get(b, 1, all, "");
        for (int i = 1; i < 256; i++) {
            one[0] = (char)i;
            jl_get(b, (uint64_t)i + 1, one, all);
        }
        jl_get_end(b);
        jl_open_as(b, false, PD_OK);
    }
}

static void an_entry_is_one_line_of_text(void **state)
{
    struct jl_bed *b = *state;
    struct pd_buf wanted = PD_BUF_INIT;

    jl_open_as(b, true, PD_OK);
    jl_put(b, true, "a\tb\nc", "%\x01 \xff");
    jl_put(b, false, "", "");
    jl_line(&wanted, "1\ta%09b%0Ac\t%25%01 \xff\t");
    jl_line(&wanted, "0\t\t\t");
    char *text = format_file_read(b->dir, "journal", NULL);
    assert_string_equal(text, wanted.data);
    free(text);
    pd_buf_free(&wanted);
}

static void what_is_kept_is_read_as_before(void **state)
{
    struct jl_bed *b = *state;
    struct pd_error err = PD_ERROR_INIT;

    jl_open_as(b, true, PD_OK);
    assert_int_equal(pd_journal_keep(b->journal, 0, &err), PD_OK);
    jl_put(b, true, "a", "b");
    jl_get(b, 1, "a", "b");
    assert_int_equal(pd_journal_keep(b->journal, b->place, &err), PD_OK);
    jl_put(b, true, "c", "d");
    jl_get(b, 2, "c", "d");
    assert_int_equal(pd_journal_keep(b->journal, b->place, &err), PD_OK);
    jl_get_end(b);
}

static void fields_may_be_empty(void **state)
{
    struct jl_bed *b = *state;

    jl_open_as(b, true, PD_OK);
    jl_put(b, true, "", "");
    jl_put(b, true, "a", "");
    jl_put(b, true, "", "z");
    jl_open_as(b, false, PD_OK);
    jl_get(b, 1, "", "");
    jl_get(b, 2, "a", "");
    jl_get(b, 3, "", "z");
    jl_get_end(b);
}

static void a_field_may_be_long(void **state)
{
    enum { LONG = 5 << 20 };
    struct jl_bed *b = *state;
    char *word = malloc(LONG + 1);

    assert_non_null(word);
    memset(word, 'x', LONG);
    word[LONG] = '\0';
    for (size_t i = 0; i < LONG; i += 1000) {
        word[i] = (char)(i % 255 + 1);
    }
    jl_open_as(b, true, PD_OK);
    jl_put(b, true, "short", "before");
    jl_put(b, true, word, "");
    jl_put(b, true, "short", word);
    jl_put(b, true, "short", "behind");
    jl_open_as(b, false, PD_OK);
    jl_get(b, 1, "short", "before");
    jl_get(b, 2, word, "");
    jl_get(b, 3, "short", word);
    jl_get(b, 4, "short", "behind");
    jl_get_end(b);
    free(word);
}

/* Lines that end at, just before and just behind the steps in which the file is read. */
static void lines_of_every_length_come_back(void **state)
{
    enum { STEP = 65536, AROUND = 70 };
    struct jl_bed *b = *state;
    char *word = calloc(1, STEP + 1);

    assert_non_null(word);
    jl_open_as(b, true, PD_OK);
    for (size_t len = STEP - AROUND; len < STEP; len++) {
        memset(word, 'y', len);
        jl_put(b, true, word, "z");
    }
    jl_open_as(b, false, PD_OK);
    memset(word, 0, STEP);
    for (size_t len = STEP - AROUND; len < STEP; len++) {
        memset(word, 'y', len);
        jl_get(b, len - (STEP - AROUND) + 1, word, "z");
    }
    jl_get_end(b);
    free(word);
}

static void an_entry_may_have_30000_fields(void **state)
{
    enum { MANY = 30000 };
    struct jl_bed *b = *state;
    struct pd_entry_text text = {PD_BUF_INIT, PD_OK};
    char number[24];
    bool more = false;

    for (int i = 0; i < MANY; i++) {
        pd_entry_number(&text, INT64_MIN + i);
    }
    jl_open_as(b, true, PD_OK);
    assert_int_equal(pd_journal_append(b->journal, &text, true, true, NULL, &b->err), PD_OK);
    jl_put(b, true, "and", "another");
    jl_open_as(b, false, PD_OK);
    assert_int_equal(pd_journal_next(b->journal, &b->place, &b->entry, &more, &b->err), PD_OK);
    assert_true(more);
    assert_int_equal(b->entry.count, MANY);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(number, sizeof number, "%" PRId64, INT64_MIN + i);
        assert_string_equal(b->entry.fields[i], number);
    }
    jl_get(b, 2, "and", "another");
    jl_get_end(b);
}

/* ---- numbers ---- */

static void entries_are_numbered_and_notes_are_not(void **state)
{
    static const uint64_t wanted[] = {0, 1, 2, 0, 0, 3, 0};
    struct jl_bed *b = *state;

    jl_open_as(b, true, PD_OK);
    assert_int_equal(pd_journal_last(b->journal), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        struct pd_entry_text text = {PD_BUF_INIT, PD_OK};
        uint64_t number = 99;
        if (i == 4) {
            jl_open_as(b, false, PD_OK);
            assert_int_equal(pd_journal_last(b->journal), 2);
        }
        pd_entry_word(&text, "x");
        pd_entry_word(&text, "");
        assert_int_equal(
            pd_journal_append(b->journal, &text, wanted[i] != 0, i % 2, &number, &b->err), PD_OK);
        assert_int_equal(number, wanted[i]);
    }
    assert_int_equal(pd_journal_last(b->journal), 3);
    b->place = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        jl_get(b, wanted[i], "x", "");
    }
    jl_get_end(b);
}

/* ---- who may have it ---- */

static void a_journal_is_for_one_at_a_time(void **state)
{
    struct jl_bed *b = *state;
    struct pd_journal *second = NULL;

    jl_open_as(b, true, PD_OK);
    jl_put(b, true, "a", "b");
    assert_int_equal(pd_journal_open(b->path, false, &second, &b->err), PD_BUSY);
    assert_null(second);
    jl_get(b, 1, "a", "b");
    jl_put(b, true, "c", "d");
    jl_open_as(b, false, PD_OK); /* closed first */
    assert_int_equal(pd_journal_last(b->journal), 2);
}

static void a_journal_is_made_or_is_there(void **state)
{
    struct jl_bed *b = *state;
    struct stat st;

    jl_open_as(b, false, PD_NOT_FOUND);
    assert_int_not_equal(access(b->path, F_OK), 0);
    jl_open_as(b, true, PD_OK);
    assert_int_equal(stat(b->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    jl_put(b, true, "a", "b");
    jl_open_as(b, true, PD_EXISTS);
    jl_open_as(b, false, PD_OK);
    jl_get(b, 1, "a", "b");
    (void)snprintf(b->path, sizeof b->path, "%s/none/journal", b->dir);
    jl_open_as(b, true, PD_NOT_FOUND);
    pd_journal_close(NULL);
}

static void a_link_is_not_followed(void **state)
{
    struct jl_bed *b = *state;
    char real[160];

    (void)snprintf(real, sizeof real, "%s/real", b->dir);
    format_file_write(b->dir, "real", "torn", 4);
    assert_int_equal(symlink(real, b->path), 0);
    assert_int_not_equal(pd_journal_open(b->path, false, &b->journal, &b->err), PD_OK);
    assert_int_equal(pd_journal_open(b->path, true, &b->journal, &b->err), PD_EXISTS);
    assert_null(b->journal);
    size_t len = 0;
    char *left = format_file_read(b->dir, "real", &len);
    assert_int_equal(len, 4);
    free(left);
    assert_int_equal(unlink(real), 0);
    assert_int_equal(pd_journal_open(b->path, true, &b->journal, &b->err), PD_EXISTS);
    assert_int_not_equal(access(real, F_OK), 0);
}

/* ---- when it cannot be written ---- */

static enum pd_status try_put(struct jl_bed *b, const char *a)
{
    struct pd_entry_text text = {PD_BUF_INIT, PD_OK};
    uint64_t number = 99;

    pd_error_clear(&b->err);
    pd_entry_word(&text, a);
    pd_entry_word(&text, "");
    enum pd_status status = pd_journal_append(b->journal, &text, true, false, &number, &b->err);
    assert_null(text.text.data);
    assert_int_equal(number == 99, status != PD_OK);
    return status;
}

static void a_full_disk_ends_it_for_good(void **state)
{
    struct jl_bed *b = *state;
    struct rlimit before, small;

    jl_open_as(b, true, PD_OK);
    jl_put(b, true, "a", "");
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){jl_file_size(b) + 7, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum pd_status status = try_put(b, "b");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_not_equal(status, PD_OK);
    assert_int_equal(b->err.sys_errno, EFBIG);
    assert_int_equal(jl_file_size(b), small.rlim_cur); /* a part of it is there */
    assert_int_equal(pd_journal_last(b->journal), 1);
    assert_int_equal(try_put(b, "c"), PD_IO); /* though there would be room again */
    assert_int_equal(jl_file_size(b), small.rlim_cur);
    jl_get(b, 1, "a", "");
    jl_get_end(b);
    jl_open_as(b, false, PD_OK); /* the next run goes on */
    jl_put(b, true, "d", "");
    jl_get(b, 1, "a", "");
    jl_get(b, 2, "d", "");
    jl_get_end(b);
}

static void an_entry_that_has_failed_is_not_written(void **state)
{
    struct jl_bed *b = *state;
    struct pd_entry_text text = {PD_BUF_INIT, PD_OK};

    jl_open_as(b, true, PD_OK);
    pd_entry_word(&text, "a");
    text.status = PD_NO_MEMORY;
    pd_entry_word(&text, "b");
    assert_int_equal(text.status, PD_NO_MEMORY);
    assert_int_equal(pd_journal_append(b->journal, &text, true, false, NULL, &b->err),
                     PD_NO_MEMORY);
    assert_int_equal(jl_file_size(b), 0);
    assert_null(text.text.data);
    assert_int_equal(text.status, PD_OK);
    jl_put(b, true, "c", "d");
    jl_get(b, 1, "c", "d");
}

/* ---- readers beside the writer ---- */

enum { READ_ALONG = 3000 };

struct along {
    struct pd_journal *journal;
};

static void *append_all(void *arg)
{
    struct along *along = arg;
    struct pd_error err = PD_ERROR_INIT;

    for (int i = 0; i < READ_ALONG; i++) {
        struct pd_entry_text text = {PD_BUF_INIT, PD_OK};
        pd_entry_number(&text, i);
        pd_entry_word(&text, i % 100 == 0 ? "a longer word, to be seen in more than one piece" : "");
        if (pd_journal_append(along->journal, &text, i % 3 != 0, false, NULL, &err) != PD_OK) {
            return &along->journal;
        }
    }
    return NULL;
}

static void others_read_while_one_appends(void **state)
{
    struct jl_bed *b = *state;
    struct along along;
    pthread_t thread;
    void *failed = NULL;
    uint64_t last = 0;

    jl_open_as(b, true, PD_OK);
    along.journal = b->journal;
    assert_int_equal(pthread_create(&thread, NULL, append_all, &along), 0);
    for (int seen = 0; seen < READ_ALONG;) {
        char number[16];
        bool more = false;
        assert_int_equal(pd_journal_next(b->journal, &b->place, &b->entry, &more, &b->err), PD_OK);
        if (!more) {
            continue;
        }
        (void)snprintf(number, sizeof number, "%d", seen);
        assert_string_equal(b->entry.fields[0], number);
        last += b->entry.number != 0;
        assert_int_equal(b->entry.number, seen % 3 != 0 ? last : 0);
        seen++;
    }
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_int_equal(pd_journal_last(b->journal), last);
    jl_get_end(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, jl_start, jl_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_field_holds_every_byte),
        TEST(an_entry_is_one_line_of_text),
        TEST(what_is_kept_is_read_as_before),
        TEST(fields_may_be_empty),
        TEST(a_field_may_be_long),
        TEST(lines_of_every_length_come_back),
        TEST(an_entry_may_have_30000_fields),
        TEST(entries_are_numbered_and_notes_are_not),
        TEST(a_journal_is_for_one_at_a_time),
        TEST(a_journal_is_made_or_is_there),
        TEST(a_link_is_not_followed),
        TEST(a_full_disk_ends_it_for_good),
        TEST(an_entry_that_has_failed_is_not_written),
        TEST(others_read_while_one_appends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
