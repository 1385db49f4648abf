#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pairdump/simh.h"

struct seen {
    char text[64]; /* one letter per object, records with their first byte */
    size_t len;
    enum pd_status refuse;
};

static enum pd_status note(void *arg, const struct pd_simh_object *object, const uint8_t *data,
                           struct pd_error *err)
{
    static const char letters[] = {'R', 'B', 'M', 'E'};
    struct seen *seen = arg;

    seen->text[seen->len++] = letters[object->kind];
    if (data != NULL)
        seen->text[seen->len++] = (char)data[0];
    if (seen->refuse != PD_OK)
        return pd_error_set(err, seen->refuse, 0, "as told");
    return PD_OK;
}

static enum pd_status walk(const void *image, size_t len, struct seen *seen)
{
    struct pd_error err = PD_ERROR_INIT;

    memset(seen, 0, sizeof(*seen));
    return pd_simh_walk(image, len, note, seen, &err);
}

/* A record "abc" (odd, so padded), a bad record "xy", two marks, the end. */
static const uint8_t tape[] = {3, 0, 0, 0,    'a', 'b', 'c',  0,    3,    0,    0, 0,
                               2, 0, 0, 0x80, 'x', 'y', 2,    0,    0,    0x80, 0, 0,
                               0, 0, 0, 0,    0,   0,   0xff, 0xff, 0xff, 0xff};

static void words_are_little_endian(void **state)
{
    static const uint8_t expected[4] = {0x78, 0x56, 0x34, 0x12};
    uint8_t word[4];

    (void)state;
    pd_simh_word(0x12345678, word);
    assert_memory_equal(word, expected, 4);
    assert_int_equal(pd_simh_size(3), 12);
    assert_int_equal(pd_simh_size(4), 12);
    assert_int_equal(pd_simh_size(1), 10);
}

static void a_whole_image_is_walked(void **state)
{
    struct seen seen;

    (void)state;
    assert_int_equal(walk(tape, sizeof(tape), &seen), PD_OK);
    assert_string_equal(seen.text, "RaBxMME");
    assert_int_equal(walk(tape, 12, &seen), PD_OK);
    assert_string_equal(seen.text, "Ra");
    assert_int_equal(walk(NULL, 0, &seen), PD_OK);
    assert_int_equal(seen.len, 0);
}

static void every_cut_inside_an_object_is_seen(void **state)
{
    struct seen seen;

    (void)state;
    for (size_t len = 1; len < sizeof(tape); len++) {
        bool between = len == 12 || len == 22 || len == 26 || len == 30;

        assert_int_equal(walk(tape, len, &seen), between ? PD_OK : PD_TRUNCATED);
    }
}

static void words_around_a_record_must_agree(void **state)
{
    uint8_t copy[sizeof(tape)];
    struct seen seen;

    (void)state;
    memcpy(copy, tape, sizeof(tape));
    copy[8] = 2;
    assert_int_equal(walk(copy, sizeof(copy), &seen), PD_BAD_FORMAT);
    assert_int_equal(seen.len, 0);
}

static void odd_classes_and_sizes_are_refused(void **state)
{
    static const uint32_t bad[] = {0x10000000, 0x70000003, 0xf0000000,
                                   0xfffffffe, 0x80000000, PD_SIMH_RECORD_MAX + 1,
                                   0x8f000000};
    struct pd_error err = PD_ERROR_INIT;
    struct pd_simh_object object;
    uint8_t word[4];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pd_simh_word(bad[i], word);
        assert_int_equal(pd_simh_decode(word, &object, &err), PD_BAD_FORMAT);
    }
    pd_simh_word(PD_SIMH_RECORD_MAX, word);
    assert_int_equal(pd_simh_decode(word, &object, &err), PD_OK);
    assert_int_equal(object.len, PD_SIMH_RECORD_MAX);
    assert_int_equal(object.disk_size, (uint64_t)PD_SIMH_RECORD_MAX + 8);
}

static void the_callers_status_ends_the_walk(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct seen seen = {.refuse = PD_VOLUME_FULL};

    (void)state;
    assert_int_equal(pd_simh_walk(tape, sizeof(tape), note, &seen, &err), PD_VOLUME_FULL);
    assert_string_equal(seen.text, "Ra");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_little_endian),
        cmocka_unit_test(a_whole_image_is_walked),
        cmocka_unit_test(every_cut_inside_an_object_is_seen),
        cmocka_unit_test(words_around_a_record_must_agree),
        cmocka_unit_test(odd_classes_and_sizes_are_refused),
        cmocka_unit_test(the_callers_status_ends_the_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
