/*
 * What a kill, a full disk or a bad sector leaves of a journal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "pairdump/digest.h"

#include "../../lib/format_lib.h"
#include "../../lib/work_journal_lib.h"

/* Three entries; *ends gets where each ends. The caller frees the text. */
static char *three(struct jl_bed *b, size_t ends[3])
{
    static const char *const words[] = {"one", "two%\n", "three\t\x7f"};

    jl_open_as(b, true, PD_OK);
    for (size_t i = 0; i < 3; i++) {
        jl_put(b, true, words[i], "");
        ends[i] = jl_file_size(b);
    }
    pd_journal_close(b->journal);
    b->journal = NULL;
    return format_file_read(b->dir, "journal", NULL);
}

/* ---- what a kill leaves ---- */

static void expect_two(struct jl_bed *b, const char *whole, const size_t ends[3])
{
    jl_open_as(b, false, PD_OK);
    assert_int_equal(pd_journal_last(b->journal), 2);
    jl_get(b, 1, "one", "");
    jl_get(b, 2, "two%\n", "");
    jl_get_end(b);
    jl_put(b, true, "three\t\x7f", "");
    jl_get(b, 3, "three\t\x7f", "");
    jl_get_end(b);
    pd_journal_close(b->journal);
    b->journal = NULL;
    size_t len = 0;
    char *now = format_file_read(b->dir, "journal", &len);
    assert_int_equal(len, ends[2]);
    assert_memory_equal(now, whole, len);
    free(now);
}

static void a_torn_last_line_was_never_written(void **state)
{
    struct jl_bed *b = *state;
    size_t ends[3];
    char *whole = three(b, ends);

    for (size_t cut = ends[1]; cut < ends[2]; cut++) {
        format_file_write(b->dir, "journal", whole, cut);
        expect_two(b, whole, ends);
    }
    free(whole);
}

static void nor_was_a_last_line_that_is_not_its_digest(void **state)
{
    struct jl_bed *b = *state;
    size_t ends[3];
    char *whole = three(b, ends), *other = strdup(whole);

    assert_non_null(other);
    for (size_t at = ends[1]; at < ends[2]; at++) {
        for (int bit = 0; bit < 8; bit++) {
            other[at] = (char)(whole[at] ^ (1 << bit));
            format_file_write(b->dir, "journal", other, ends[2]);
            expect_two(b, whole, ends);
        }
        other[at] = whole[at];
    }
    memset(other + ends[1], 0, ends[2] - ends[1]); /* a size that grew, and no bytes */
    format_file_write(b->dir, "journal", other, ends[2]);
    expect_two(b, whole, ends);
    free(other);
    free(whole);
}

static void a_torn_first_line_leaves_an_empty_journal(void **state)
{
    struct jl_bed *b = *state;
    size_t ends[3];
    char *whole = three(b, ends);

    for (size_t cut = 0; cut < ends[0]; cut++) {
        format_file_write(b->dir, "journal", whole, cut);
        jl_open_as(b, false, PD_OK);
        assert_int_equal(pd_journal_last(b->journal), 0);
        jl_get_end(b);
        assert_int_equal(jl_file_size(b), 0);
    }
    free(whole);
}

/* The LF between the last two lines is not tried: without it they are one, the last. */
static void damage_before_the_last_line_is_told(void **state)
{
    struct jl_bed *b = *state;
    size_t ends[3], len = 0;
    char *whole = three(b, ends), *other = strdup(whole);

    assert_non_null(other);
    for (size_t at = 0; at < ends[1] - 1; at++) {
        for (int bit = 0; bit < 8; bit++) {
            other[at] = (char)(whole[at] ^ (1 << bit));
            format_file_write(b->dir, "journal", other, ends[2]);
            jl_open_as(b, false, PD_BAD_FORMAT);
            assert_null(b->journal);
            char *now = format_file_read(b->dir, "journal", &len);
            assert_int_equal(len, ends[2]);
            assert_memory_equal(now, other, len); /* nothing is thrown away */
            free(now);
        }
        other[at] = whole[at];
    }
    free(other);
    free(whole);
}

/* Notes have no number that would tell. */
static void damage_before_a_note_is_told_too(void **state)
{
    struct jl_bed *b = *state;
    struct pd_buf file = PD_BUF_INIT;

    jl_line(&file, "1\ta\t");
    jl_line(&file, "2\tb\t");
    file.data[file.len - 2] ^= 1;
    jl_line(&file, "0\tn\t");
    format_file_write(b->dir, "journal", file.data, file.len);
    jl_open_as(b, false, PD_BAD_FORMAT);
    assert_int_equal(jl_file_size(b), file.len);
    pd_buf_free(&file);
}

static void damage_is_told_by_a_reader_too(void **state)
{
    struct jl_bed *b = *state;
    bool more = false;

    jl_open_as(b, true, PD_OK);
    jl_put(b, true, "a", "b");
    size_t first = jl_file_size(b);
    jl_put(b, true, "c", "d");
    char *text = format_file_read(b->dir, "journal", NULL);
    FILE *file = fopen(b->path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)first + 2, SEEK_SET), 0);
    assert_int_equal(fputc('x', file), 'x');
    assert_int_equal(fclose(file), 0);
    jl_get(b, 1, "a", "b");
    assert_int_equal(pd_journal_next(b->journal, &b->place, &b->entry, &more, &b->err),
                     PD_BAD_FORMAT);
    assert_int_equal(truncate(b->path, (off_t)first), 0);
    b->place = first;
    assert_int_not_equal(pd_journal_next(b->journal, &b->place, &b->entry, &more, &b->err), PD_OK);
    free(text);
}

/* ---- numbers ---- */

static void expect_file(struct jl_bed *b, const char *const *lines, enum pd_status want)
{
    struct pd_buf file = PD_BUF_INIT;

    for (; *lines; lines++) {
        jl_line(&file, *lines);
    }
    pd_journal_close(b->journal);
    b->journal = NULL;
    format_file_write(b->dir, "journal", file.data, file.len);
    jl_open_as(b, false, want);
    assert_int_equal(jl_file_size(b), file.len);
    pd_buf_free(&file);
}

static void numbers_have_no_gap_and_none_is_there_twice(void **state)
{
    static const char *const good[] = {"0\tn\t", "1\ta\t", "0\tn\t", "2\tb\t", "3\tc\t", NULL};
    static const char *const gap[] = {"1\ta\t", "3\tc\t", NULL};
    static const char *const late[] = {"2\ta\t", NULL};
    static const char *const twice[] = {"1\ta\t", "2\tb\t", "2\tb\t", NULL};
    static const char *const back[] = {"1\ta\t", "2\tb\t", "1\ta\t", "2\tb\t", NULL};
    static const char *const noted[] = {"1\ta\t", "0\tn\t", "1\ta\t", NULL};
    struct jl_bed *b = *state;

    expect_file(b, good, PD_OK);
    assert_int_equal(pd_journal_last(b->journal), 3);
    expect_file(b, gap, PD_BAD_FORMAT);
    expect_file(b, late, PD_BAD_FORMAT);
    expect_file(b, twice, PD_BAD_FORMAT);
    expect_file(b, back, PD_BAD_FORMAT);
    expect_file(b, noted, PD_BAD_FORMAT);
    assert_non_null(strstr(b->err.message, b->path));
}

/* ---- lines that are none ---- */

static bool decodes(struct jl_bed *b, const char *text)
{
    struct pd_buf buf = PD_BUF_INIT;

    jl_line(&buf, text);
    bool good = pd_entry_decode(buf.data, buf.len - 1, &b->entry, &b->err);
    pd_buf_free(&buf);
    return good;
}

static void what_is_no_entry_is_refused(void **state)
{
    static const char *const wrong[] = {"",         "\t",         "1",         "1\t",
                                        "a\tb\t",   "-1\tb\t",    "1\tb",      "1\tb\tc",
                                        "\tb\t",    "1 \tb\t",    "1\t%\t",    "1\t%0\t",
                                        "1\t%zz\t", "1\t%00\t",   "1\ta\t%\t", "0x1\tb\t",
                                        "18446744073709551616\tb\t"};
    struct jl_bed *b = *state;
    struct pd_buf buf = PD_BUF_INIT;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (decodes(b, wrong[i])) {
            fail_msg("taken: %s", wrong[i]);
        }
    }
    assert_true(decodes(b, "18446744073709551615\tb\t"));
    assert_true(b->entry.number == UINT64_MAX);
    assert_true(decodes(b, "7\t%62%0a%0A\t\t"));
    assert_int_equal(b->entry.count, 2);
    assert_string_equal(b->entry.fields[0], "b\n\n");
    jl_line(&buf, "7\tb\t");
    for (size_t len = 0; len < buf.len - 1; len++) {
        assert_false(pd_entry_decode(buf.data, len, &b->entry, &b->err));
    }
    assert_false(pd_entry_decode(buf.data, buf.len, &b->entry, &b->err)); /* with its LF */
    pd_buf_free(&buf);
}

static void refuse_bytes(struct jl_bed *b, const char *text, size_t len)
{
    struct pd_xxh128 digest = pd_record_digest(text, len);
    char bytes[64 + PD_XXH128_TEXT];

    memcpy(bytes, text, len);
    pd_hex_encode(digest.bytes, PD_XXH128_LEN, bytes + len);
    assert_false(pd_entry_decode(bytes, len + PD_XXH128_TEXT - 1, &b->entry, &b->err));
}

static void nul_is_no_text(void **state)
{
    struct jl_bed *b = *state;

    refuse_bytes(b, "1\ta\0b\t", 6);
    refuse_bytes(b, "1\ta\t\0b\t", 7);
    refuse_bytes(b, "1\ta\t\0\t", 6);
    refuse_bytes(b, "\0001\ta\t", 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, jl_start, jl_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_torn_last_line_was_never_written),
        TEST(nor_was_a_last_line_that_is_not_its_digest),
        TEST(a_torn_first_line_leaves_an_empty_journal),
        TEST(damage_before_the_last_line_is_told),
        TEST(damage_before_a_note_is_told_too),
        TEST(damage_is_told_by_a_reader_too),
        TEST(numbers_have_no_gap_and_none_is_there_twice),
        TEST(what_is_no_entry_is_refused),
        TEST(nul_is_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
