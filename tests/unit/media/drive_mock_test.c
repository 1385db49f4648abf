#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/drive_mock.h"

struct bed {
    char *dir;
    char *image; /* DIR/PD1.tap */
    struct pd_drive *drive;
};

static struct pd_drive *open_mock(const char *dir, uint64_t slots)
{
    const struct pd_drive_mock_options options = {.slots = slots};
    struct pd_drive *drive = NULL;

    OK(pd_drive_mock_open(dir, &options, &drive, &err));
    return drive;
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));

    assert_non_null(bed);
    bed->dir = ml_folder();
    bed->image = ml_text("%s/PD1.tap", bed->dir);
    bed->drive = open_mock(bed->dir, 3);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    OK(pd_drive_close(bed->drive, &err));
    ml_remove(bed->dir);
    free(bed->image);
    free(bed);
    return 0;
}

static void put(struct bed *bed, const char *text)
{
    bool early;

    OK(pd_drive_write(bed->drive, text, strlen(text), &early, &err));
}

static void get(struct bed *bed, const char *text)
{
    char buf[64];
    size_t got = 0;

    OK(pd_drive_read(bed->drive, buf, sizeof(buf), &got, &err));
    assert_int_equal(got, strlen(text));
    assert_memory_equal(buf, text, got);
}

static void get_none(struct bed *bed, enum pd_status wanted)
{
    char buf[64];
    size_t got;

    IS(pd_drive_read(bed->drive, buf, sizeof(buf), &got, &err), wanted);
}

static void stands_at(struct bed *bed, uint64_t object)
{
    struct pd_drive_pos pos;

    OK(pd_drive_tell(bed->drive, &pos, &err));
    assert_int_equal(pos.object, object);
}

static void load_bytes(struct bed *bed, const void *bytes, size_t len)
{
    OK(pd_drive_unload(bed->drive, &err));
    ml_write_bytes(bed->image, bytes, len);
    OK(pd_drive_load(bed->drive, "PD1", &err));
}

/* "abc" | "de", byte for byte as the format's document has it. */
static const uint8_t image[] = {3, 0, 0, 0, 'a', 'b', 'c', 0,   3,   0, 0, 0, 0,
                                0, 0, 0, 2, 0,   0,   0,   'd', 'e', 2, 0, 0, 0};

static void test_bytes(void **state)
{
    struct bed *bed = *state;
    uint8_t bytes[sizeof(image) + 1];
    FILE *file;

    OK(pd_drive_load(bed->drive, "PD1", &err));
    put(bed, "abc");
    OK(pd_drive_marks(bed->drive, 1, false, &err));
    put(bed, "de");
    file = fopen(bed->image, "r");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), file), sizeof(image));
    assert_int_equal(fclose(file), 0);
    assert_memory_equal(bytes, image, sizeof(image));
}

static void test_cut_tail(void **state)
{
    struct bed *bed = *state;

    for (size_t len = 0; len <= sizeof(image); len++) {
        uint64_t whole = len < 12 ? 0 : len < 16 ? 1 : len < sizeof(image) ? 2 : 3;

        load_bytes(bed, image, len);
        OK(pd_drive_end(bed->drive, &err));
        stands_at(bed, whole);
        put(bed, "new"); /* over the torn object */
        OK(pd_drive_unload(bed->drive, &err));
        OK(pd_drive_load(bed->drive, "PD1", &err));
        OK(pd_drive_locate(bed->drive, whole, &err));
        get(bed, "new");
        get_none(bed, PD_END_OF_DATA);
    }
}

static void test_end_of_medium_word(void **state)
{
    struct bed *bed = *state;
    uint8_t bytes[sizeof(image)];

    memcpy(bytes, image, sizeof(image));
    memset(bytes + 12, 0xff, 4); /* in place of the filemark */
    load_bytes(bed, bytes, sizeof(bytes));
    get(bed, "abc");
    get_none(bed, PD_END_OF_DATA);
}

static void test_bad_record(void **state)
{
    struct bed *bed = *state;
    uint8_t bytes[sizeof(image)];

    memcpy(bytes, image, sizeof(image));
    bytes[3] = bytes[11] = 0x80;
    load_bytes(bed, bytes, sizeof(bytes));
    get_none(bed, PD_IO);
    stands_at(bed, 1); /* passed */
    get_none(bed, PD_END_OF_FILE);
    get(bed, "de");
    OK(pd_drive_rewind(bed->drive, &err));
    OK(pd_drive_space(bed->drive, PD_SPACE_RECORDS, 1, &err));
    stands_at(bed, 1);
}

static void is_damaged(struct bed *bed, uint64_t whole)
{
    bool early;

    OK(pd_drive_rewind(bed->drive, &err));
    for (uint64_t i = 0; i < whole; i++)
        OK(pd_drive_locate(bed->drive, i, &err));
    OK(pd_drive_locate(bed->drive, whole, &err));
    get_none(bed, PD_BAD_FORMAT);
    IS(pd_drive_end(bed->drive, &err), PD_BAD_FORMAT);
    IS(pd_drive_space(bed->drive, PD_SPACE_FILES, 5, &err), PD_BAD_FORMAT);
    IS(pd_drive_locate(bed->drive, whole + 1, &err), PD_BAD_FORMAT);
    IS(pd_drive_write(bed->drive, "x", 1, &early, &err), PD_BAD_FORMAT);
    IS(pd_drive_marks(bed->drive, 1, true, &err), PD_BAD_FORMAT);
}

static void test_damaged(void **state)
{
    struct bed *bed = *state;
    uint8_t bytes[sizeof(image)];

    memcpy(bytes, image, sizeof(image));
    bytes[19] = 0x50; /* no such class */
    load_bytes(bed, bytes, sizeof(bytes));
    get(bed, "abc");
    get_none(bed, PD_END_OF_FILE);
    is_damaged(bed, 2);
    memcpy(bytes, image, sizeof(image));
    bytes[22] = 1; /* the length behind differs from that before */
    load_bytes(bed, bytes, sizeof(bytes));
    is_damaged(bed, 2);
    OK(pd_drive_rewind(bed->drive, &err));
    get(bed, "abc");
}

static void test_loaded_is_remembered(void **state)
{
    struct bed *bed = *state;
    struct pd_drive_status status;
    char *loaded = ml_text("%s/loaded", bed->dir);

    IS(pd_drive_load(bed->drive, NULL, &err), PD_NO_MEDIUM); /* no cartridge at all */
    OK(pd_drive_load(bed->drive, "PD1", &err));
    put(bed, "one");
    OK(pd_drive_load(bed->drive, "PD2", &err));
    put(bed, "two");
    OK(pd_drive_close(bed->drive, &err));
    bed->drive = open_mock(bed->dir, 3);
    OK(pd_drive_load(bed->drive, NULL, &err));
    get(bed, "two");
    OK(pd_drive_unload(bed->drive, &err));
    IS(pd_drive_load(bed->drive, NULL, &err), PD_NO_MEDIUM); /* which of two? */
    ml_write_bytes(loaded, "../etc", 6);
    IS(pd_drive_load(bed->drive, NULL, &err), PD_NO_MEDIUM);
    ml_write_bytes(loaded, "PD9\n", 4);
    IS(pd_drive_load(bed->drive, NULL, &err), PD_NO_MEDIUM);
    assert_int_equal(unlink(bed->image), 0);
    OK(pd_drive_load(bed->drive, NULL, &err)); /* the only one */
    get(bed, "two");
    OK(pd_drive_status(bed->drive, &status, &err));
    assert_string_equal(status.medium, "PD2");
    free(loaded);
}

static void test_slots(void **state)
{
    struct bed *bed = *state;

    OK(pd_drive_load(bed->drive, "PD1", &err));
    OK(pd_drive_load(bed->drive, "PD2", &err));
    OK(pd_drive_load(bed->drive, "PD3", &err));
    put(bed, "x");
    IS(pd_drive_load(bed->drive, "PD4", &err), PD_NO_VOLUME);
    OK(pd_drive_rewind(bed->drive, &err)); /* the old one is still in it */
    get(bed, "x");
    OK(pd_drive_load(bed->drive, "PD1", &err));
    IS(pd_drive_load(bed->drive, "PD/4", &err), PD_USAGE);
    IS(pd_drive_load(bed->drive, "pd4", &err), PD_USAGE);
    IS(pd_drive_load(bed->drive, "PD3456789", &err), PD_USAGE);
}

static enum pd_status collect(void *arg, const char *medium, struct pd_error *err)
{
    char *names = arg;

    (void)err;
    (void)snprintf(names + strlen(names), 64 - strlen(names), "%s ", medium);
    return PD_OK;
}

static void test_media(void **state)
{
    struct bed *bed = *state;
    char names[64] = "", nowhere[] = "/nowhere/at/all";
    char *other = ml_text("%s/lower.tap", bed->dir);

    OK(pd_drive_load(bed->drive, "PD2", &err));
    OK(pd_drive_load(bed->drive, "PD1", &err));
    ml_write_bytes(other, "x", 1);
    OK(pd_drive_mock_media(bed->dir, collect, names, &err));
    assert_string_equal(names, "PD1 PD2 ");
    IS(pd_drive_mock_media(nowhere, collect, names, &err), PD_NOT_FOUND);
    free(other);
}

static void test_busy(void **state)
{
    struct bed *bed = *state;
    struct pd_drive *other = NULL;

    IS(pd_drive_mock_open(bed->dir, NULL, &other, &err), PD_BUSY);
    assert_null(other);
    OK(pd_drive_close(bed->drive, &err));
    bed->drive = open_mock(bed->dir, 3);
    IS(pd_drive_mock_open("/nowhere/at/all", NULL, &other, &err), PD_USAGE);
}

static void test_odd_images(void **state)
{
    struct bed *bed = *state;
    char *link = ml_text("%s/PD2.tap", bed->dir);
    char *folder = ml_text("%s/PD3.tap", bed->dir);

    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(mkdir(folder, 0755), 0);
    IS(pd_drive_load(bed->drive, "PD2", &err), PD_IO);
    IS(pd_drive_load(bed->drive, "PD3", &err), PD_IO);
    free(link);
    free(folder);
}

static void test_longest_record(void **state)
{
    struct bed *bed = *state;
    struct pd_drive_status status;
    char *buf;
    size_t got;
    bool early;

    OK(pd_drive_load(bed->drive, "PD1", &err));
    OK(pd_drive_status(bed->drive, &status, &err));
    buf = calloc(1, status.max_record + 1);
    assert_non_null(buf);
    IS(pd_drive_write(bed->drive, buf, status.max_record + 1, &early, &err), PD_UNSUPPORTED);
    buf[status.max_record - 1] = 7;
    OK(pd_drive_write(bed->drive, buf, status.max_record, &early, &err));
    memset(buf, 0, status.max_record);
    OK(pd_drive_rewind(bed->drive, &err));
    OK(pd_drive_read(bed->drive, buf, status.max_record, &got, &err));
    assert_int_equal(got, status.max_record);
    assert_int_equal(buf[status.max_record - 1], 7);
    free(buf);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_bytes),      CASE(test_cut_tail),       CASE(test_end_of_medium_word),
        CASE(test_bad_record), CASE(test_damaged),        CASE(test_loaded_is_remembered),
        CASE(test_slots),      CASE(test_media),          CASE(test_busy),
        CASE(test_odd_images), CASE(test_longest_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
