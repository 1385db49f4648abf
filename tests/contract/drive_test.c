/*
 * What every drive promises (drive.h), tried on each driver. A driver is a row of `drivers`: how to
 * put a blank medium in it, a small one, and how to make the medium write-protected.
 *
 * A tape drive behind the kernel's st driver is a row where the environment names one (ml_change).
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "../lib/media_lib.h"
#include "pairdump/drive_library.h"
#include "pairdump/drive_mock.h"
#include "pairdump/drive_st.h"

#define MEDIUM "PD000001"
#define CAPACITY                                                                                   \
    (UINT64_C(256) << 10) /* of a small medium, and a quarter of it behind the warning */

struct driver {
    const char *name;
    const char *medium;                         /* to be loaded by this name, or NULL */
    void (*blank)(const char *dir, bool small); /* puts a medium in, or NULL */
    struct pd_drive *(*open)(const char *dir, bool small);
    void (*protect)(const char *dir);
};

static struct pd_drive *open_mock(const char *dir, bool small)
{
    const struct pd_drive_mock_options options = {.capacity = small ? CAPACITY : 0,
                                                  .early = small ? CAPACITY / 4 : 0};
    struct pd_drive *drive = NULL;

    OK(pd_drive_mock_open(dir, &options, &drive, &err));
    return drive;
}

static void protect_mock(const char *dir)
{
    char *path = ml_text("%s/" MEDIUM ".tap", dir);

    assert_int_equal(chmod(path, 0444), 0);
    free(path);
}

static void blank_library(const char *dir, bool small)
{
    (void)small;
    free(ml_library(dir, "drive 0 empty - -\nslot 1 full - " MEDIUM "\n"));
}

static struct pd_drive *open_library(const char *dir, bool small)
{
    char *folder = ml_text("%s/0", dir), *url = ml_text("cmd:%s/robot", dir);
    const struct pd_drive_library_options options = {.changer = url, .name = folder};
    struct pd_drive *inner = open_mock(folder, small), *drive = NULL;

    OK(pd_drive_library_open(ml_env(), inner, &options, &drive, &err));
    free(folder);
    free(url);
    return drive;
}

/* When it is unloaded: it lies in its slot. */
static void protect_library(const char *dir)
{
    char *shelf = ml_text("%s/library.tapes", dir);

    protect_mock(shelf);
    free(shelf);
}

static void blank_st(const char *dir, bool small)
{
    char *size = ml_text("%" PRIu64, CAPACITY), *more = ml_text("%" PRIu64, CAPACITY / 4);

    (void)dir;
    ml_change(small ? "small" : "blank", size, more);
    free(size);
    free(more);
}

static struct pd_drive *open_st(const char *dir, bool small)
{
    const struct pd_drive_st_options options = {.capacity = small ? CAPACITY : 0};
    struct pd_drive *drive = NULL;

    (void)dir;
    OK(pd_drive_st_open(ml_env(), ml_tape(), &options, &drive, &err));
    return drive;
}

static void protect_st(const char *dir)
{
    (void)dir;
    ml_change("protect", NULL, NULL);
}

static const struct driver drivers[] = {
    {"mock", MEDIUM, NULL, open_mock, protect_mock},
    {"library", MEDIUM, blank_library, open_library, protect_library},
    {"st", NULL, blank_st, open_st, protect_st},
};

struct bed {
    const struct driver *driver;
    char *dir;
    struct pd_drive *drive;
    bool small;
};

static void for_each(void (*test)(struct bed *bed), bool small)
{
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        struct bed bed = {.driver = &drivers[i], .small = small};

        if ((drivers[i].blank == blank_st) !=
            (ml_tape() != NULL)) /* where there is a drive, that one */
            continue;
        print_message("    %s\n", drivers[i].name);
        bed.dir = ml_folder();
        if (drivers[i].blank != NULL)
            drivers[i].blank(bed.dir, small);
        bed.drive = drivers[i].open(bed.dir, small);
        OK(pd_drive_load(bed.drive, drivers[i].medium, &err));
        test(&bed);
        OK(pd_drive_close(bed.drive, &err));
        ml_remove(bed.dir);
    }
}

static void reopen(struct bed *bed)
{
    OK(pd_drive_close(bed->drive, &err));
    bed->drive = bed->driver->open(bed->dir, bed->small);
    OK(pd_drive_load(bed->drive, NULL, &err));
}

/* How much is recorded only some drives say. */
static void uses(struct bed *bed, uint64_t used, uint64_t wanted)
{
    assert_int_equal(used, bed->driver->medium != NULL ? wanted : 0);
}

/* A record "text" of exactly these bytes. */
static void put(struct bed *bed, const char *text)
{
    bool early = true;

    OK(pd_drive_write(bed->drive, text, strlen(text), &early, &err));
    assert_false(early);
}

static void mark(struct bed *bed)
{
    OK(pd_drive_marks(bed->drive, 1, true, &err));
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
    size_t got = 77;

    IS(pd_drive_read(bed->drive, buf, sizeof(buf), &got, &err), wanted);
    assert_int_equal(got, 0);
}

static void stands(struct bed *bed, uint64_t file, uint64_t record, uint64_t object)
{
    struct pd_drive_pos pos;

    OK(pd_drive_tell(bed->drive, &pos, &err));
    assert_true(pos.known);
    assert_int_equal(pos.file, file);
    assert_int_equal(pos.record, record);
    assert_int_equal(pos.object, object);
}

static void space(struct bed *bed, enum pd_space_kind kind, int64_t count, enum pd_status wanted)
{
    IS(pd_drive_space(bed->drive, kind, count, &err), wanted);
}

/* a bb | ccc | | dddd e : objects 0 to 8, then the end of the data */
static void record_some(struct bed *bed)
{
    put(bed, "a");
    put(bed, "bb");
    mark(bed);
    put(bed, "ccc");
    mark(bed);
    mark(bed);
    put(bed, "dddd");
    put(bed, "e");
    stands(bed, 3, 2, 8);
}

static void reads(struct bed *bed)
{
    get_none(bed, PD_END_OF_DATA);
    stands(bed, 0, 0, 0);
    record_some(bed);
    get_none(bed, PD_END_OF_DATA);
    for (int pass = 0; pass < 2; pass++) {
        OK(pd_drive_rewind(bed->drive, &err));
        stands(bed, 0, 0, 0);
        get(bed, "a");
        stands(bed, 0, 1, 1);
        get(bed, "bb");
        get_none(bed, PD_END_OF_FILE);
        stands(bed, 1, 0, 3);
        get(bed, "ccc");
        get_none(bed, PD_END_OF_FILE);
        get_none(bed, PD_END_OF_FILE);
        stands(bed, 3, 0, 6);
        get(bed, "dddd");
        get(bed, "e");
        get_none(bed, PD_END_OF_DATA);
        get_none(bed, PD_END_OF_DATA);
        stands(bed, 3, 2, 8);
        reopen(bed);
    }
}

static void long_records(struct bed *bed)
{
    char buf[4];
    size_t got = 0;

    put(bed, "a");
    put(bed, "123456");
    put(bed, "b");
    OK(pd_drive_rewind(bed->drive, &err));
    get(bed, "a");
    IS(pd_drive_read(bed->drive, buf, sizeof(buf), &got, &err), PD_BAD_FORMAT);
    stands(bed, 0, 2, 2);
    get(bed, "b");
}

static void spaces(struct bed *bed)
{
    record_some(bed);
    OK(pd_drive_rewind(bed->drive, &err));
    space(bed, PD_SPACE_FILES, 1, PD_OK);
    stands(bed, 1, 0, 3);
    space(bed, PD_SPACE_FILES, 2, PD_OK);
    stands(bed, 3, 0, 6);
    space(bed, PD_SPACE_FILES, 1, PD_END_OF_DATA);
    stands(bed, 3, 2, 8);
    space(bed, PD_SPACE_FILES, -1, PD_OK); /* stops before the mark */
    stands(bed, 2, 0, 5);
    get_none(bed, PD_END_OF_FILE);
    space(bed, PD_SPACE_FILES, -3, PD_OK);
    stands(bed, 0, 2, 2);
    space(bed, PD_SPACE_RECORDS, -1, PD_OK);
    get(bed, "bb");
    space(bed, PD_SPACE_RECORDS, 1, PD_END_OF_FILE); /* behind the mark */
    stands(bed, 1, 0, 3);
    space(bed, PD_SPACE_RECORDS, -1, PD_END_OF_FILE); /* before it */
    stands(bed, 0, 2, 2);
    space(bed, PD_SPACE_FILES, 3, PD_OK);
    space(bed, PD_SPACE_RECORDS, 2, PD_OK);
    stands(bed, 3, 2, 8);
    space(bed, PD_SPACE_RECORDS, 1, PD_END_OF_DATA);
    stands(bed, 3, 2, 8);
    space(bed, PD_SPACE_FILES, -4, PD_IO); /* one more than there are */
    stands(bed, 0, 0, 0);
    space(bed, PD_SPACE_RECORDS, 0, PD_OK);
    space(bed, PD_SPACE_RECORDS, INT64_MIN, PD_INTERNAL);
}

static void locates(struct bed *bed)
{
    record_some(bed);
    OK(pd_drive_locate(bed->drive, 6, &err));
    stands(bed, 3, 0, 6);
    get(bed, "dddd");
    OK(pd_drive_locate(bed->drive, 1, &err));
    get(bed, "bb");
    OK(pd_drive_locate(bed->drive, 8, &err));
    get_none(bed, PD_END_OF_DATA);
    IS(pd_drive_locate(bed->drive, 9, &err), PD_END_OF_DATA);
    OK(pd_drive_locate(bed->drive, 0, &err));
    OK(pd_drive_end(bed->drive, &err));
    stands(bed, 3, 2, 8);
}

/* What a drive that knows nothing of the medium finds out, and that closing it writes nothing. */
static void finds(struct bed *bed)
{
    record_some(bed);
    reopen(bed);
    OK(pd_drive_locate(bed->drive, 4, &err)); /* the mark behind ccc */
    stands(bed, 1, 1, 4);
    get_none(bed, PD_END_OF_FILE);
    OK(pd_drive_locate(bed->drive, 7, &err));
    stands(bed, 3, 1, 7);
    get(bed, "e");
    reopen(bed);
    OK(pd_drive_end(bed->drive, &err));
    stands(bed, 3, 2, 8);
    space(bed, PD_SPACE_FILES, -2, PD_OK);
    stands(bed, 1, 1, 4);
    space(bed, PD_SPACE_RECORDS, -1, PD_OK);
    get(bed, "ccc");
    OK(pd_drive_locate(bed->drive, 1, &err));
    stands(bed, 0, 1, 1);
    reopen(bed);
    space(bed, PD_SPACE_FILES, 7, PD_END_OF_DATA);
    stands(bed, 3, 2, 8);
    reopen(bed);
    IS(pd_drive_locate(bed->drive, 99, &err), PD_END_OF_DATA);
    stands(bed, 3, 2, 8);
    OK(pd_drive_locate(bed->drive, 5, &err));
    OK(pd_drive_end(bed->drive, &err));
    put(bed, "more");
    space(bed, PD_SPACE_FILES, -1, PD_OK); /* writes no mark of its own */
    stands(bed, 2, 0, 5);
    OK(pd_drive_end(bed->drive, &err));
    stands(bed, 3, 3, 9);
    put(bed, "most");
    OK(pd_drive_marks(bed->drive, 0, false, &err)); /* a flush in a file moves nothing */
    stands(bed, 3, 4, 10);
    put(bed, "last");
    OK(pd_drive_locate(bed->drive, 9, &err));
    get(bed, "most");
    get(bed, "last");
    get_none(bed, PD_END_OF_DATA);
    OK(pd_drive_unload(bed->drive, &err));
    OK(pd_drive_load(bed->drive, bed->driver->medium, &err));
    OK(pd_drive_end(bed->drive, &err));
    stands(bed, 3, 5, 11);
}

static void overwrites(struct bed *bed)
{
    record_some(bed);
    OK(pd_drive_locate(bed->drive, 3, &err));
    put(bed, "new");
    stands(bed, 1, 1, 4);
    get_none(bed, PD_END_OF_DATA);
    OK(pd_drive_marks(bed->drive, 2, false, &err));
    OK(pd_drive_locate(bed->drive, 4, &err));
    mark(bed); /* ends the tape as well */
    reopen(bed);
    OK(pd_drive_end(bed->drive, &err));
    stands(bed, 2, 0, 5);
    OK(pd_drive_rewind(bed->drive, &err));
    get(bed, "a");
    get(bed, "bb");
    get_none(bed, PD_END_OF_FILE);
    get(bed, "new");
    get_none(bed, PD_END_OF_FILE);
    get_none(bed, PD_END_OF_DATA);
    OK(pd_drive_rewind(bed->drive, &err));
    OK(pd_drive_marks(bed->drive, 0, false, &err)); /* a flush writes nothing */
    get(bed, "a");
}

static void ends(struct bed *bed)
{
    struct pd_drive_status status;
    size_t len = CAPACITY / 8;
    char *buf = calloc(1, len);
    bool early = false;

    assert_non_null(buf);
    for (int i = 0; i < 8; i++) {
        OK(pd_drive_write(bed->drive, buf, len, &early, &err));
        assert_false(early);
    }
    for (int i = 0; i < 2; i++) {
        OK(pd_drive_write(bed->drive, buf, len, &early, &err));
        assert_true(early);
    }
    stands(bed, 0, 10, 10);
    for (int i = 0; i < 2; i++) {
        IS(pd_drive_write(bed->drive, buf, len, &early, &err), PD_VOLUME_FULL);
        stands(bed, 0, 10, 10);
    }
    mark(bed);
    OK(pd_drive_status(bed->drive, &status, &err));
    assert_true(status.early_warning);
    uses(bed, status.used, 10 * len);
    assert_int_equal(status.capacity, CAPACITY);
    OK(pd_drive_rewind(bed->drive, &err));
    for (int i = 0; i < 10; i++) {
        size_t got = 0;

        OK(pd_drive_read(bed->drive, buf, len, &got, &err));
        assert_int_equal(got, len);
    }
    get_none(bed, PD_END_OF_FILE);
    get_none(bed, PD_END_OF_DATA);
    free(buf);
}

static void protects(struct bed *bed)
{
    struct pd_drive_status status;
    bool early = false;

    put(bed, "a");
    mark(bed);
    OK(pd_drive_unload(bed->drive, &err));
    bed->driver->protect(bed->dir);
    OK(pd_drive_load(bed->drive, bed->driver->medium, &err));
    OK(pd_drive_status(bed->drive, &status, &err));
    assert_true(status.write_protected);
    IS(pd_drive_write(bed->drive, "x", 1, &early, &err), PD_WRITE_PROTECTED);
    IS(pd_drive_marks(bed->drive, 1, true, &err), PD_WRITE_PROTECTED);
    get(bed, "a");
    get_none(bed, PD_END_OF_FILE);
}

static void reports(struct bed *bed)
{
    struct pd_drive_status status;

    OK(pd_drive_status(bed->drive, &status, &err));
    assert_true(status.loaded);
    assert_true(status.at_start);
    assert_false(status.write_protected);
    assert_false(status.early_warning);
    assert_int_equal(status.used, 0);
    assert_true(status.max_record >= (UINT64_C(1) << 20));
    assert_string_equal(status.medium, bed->driver->medium != NULL ? MEDIUM : "");
    record_some(bed);
    OK(pd_drive_status(bed->drive, &status, &err));
    assert_false(status.at_start);
    assert_int_equal(status.pos.object, 8);
    uses(bed, status.used, 11);
}

static void unloads(struct bed *bed)
{
    struct pd_drive_status status;
    struct pd_drive_pos pos;
    bool early;

    put(bed, "a");
    OK(pd_drive_unload(bed->drive, &err));
    OK(pd_drive_status(bed->drive, &status, &err));
    assert_false(status.loaded);
    get_none(bed, PD_NO_MEDIUM);
    IS(pd_drive_write(bed->drive, "x", 1, &early, &err), PD_NO_MEDIUM);
    IS(pd_drive_marks(bed->drive, 1, false, &err), PD_NO_MEDIUM);
    IS(pd_drive_rewind(bed->drive, &err), PD_NO_MEDIUM);
    IS(pd_drive_end(bed->drive, &err), PD_NO_MEDIUM);
    IS(pd_drive_locate(bed->drive, 0, &err), PD_NO_MEDIUM);
    IS(pd_drive_tell(bed->drive, &pos, &err), PD_NO_MEDIUM);
    space(bed, PD_SPACE_FILES, 1, PD_NO_MEDIUM);
    OK(pd_drive_unload(bed->drive, &err));
    OK(pd_drive_load(bed->drive, bed->driver->medium, &err));
    get(bed, "a");
    OK(pd_drive_load(bed->drive, bed->driver->medium, &err)); /* again: from the start */
    get(bed, "a");
    IS(pd_drive_load(bed->drive, "", &err), PD_USAGE);
    IS(pd_drive_write(bed->drive, "x", 0, &early, &err), PD_INTERNAL);
}

#define ON_EACH(test, body, small)                                                                 \
    static void test(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        for_each(body, small);                                                                     \
    }
ON_EACH(test_read, reads, false)
ON_EACH(test_long_record, long_records, false)
ON_EACH(test_space, spaces, false)
ON_EACH(test_locate, locates, false)
ON_EACH(test_find, finds, false)
ON_EACH(test_overwrite, overwrites, false)
ON_EACH(test_end, ends, true)
ON_EACH(test_protect, protects, false)
ON_EACH(test_status, reports, false)
ON_EACH(test_unload, unloads, false)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),   cmocka_unit_test(test_long_record),
        cmocka_unit_test(test_space),  cmocka_unit_test(test_locate),
        cmocka_unit_test(test_find),   cmocka_unit_test(test_overwrite),
        cmocka_unit_test(test_end),    cmocka_unit_test(test_protect),
        cmocka_unit_test(test_status), cmocka_unit_test(test_unload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
