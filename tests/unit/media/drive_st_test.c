/*
 * The driver for the kernel's st: what is no drive is refused on any machine; what only st does is
 * tried where the environment names a drive (ml_change).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/drive_st.h"

#define TAPE_MAJOR 9
#define RECORD     ((size_t)20000)

static void refused(const char *device, enum pd_status wanted, const char *says)
{
    struct pd_error why = PD_ERROR_INIT;
    struct pd_drive *drive = NULL;

    assert_int_equal(pd_drive_st_open(ml_env(), device, NULL, &drive, &why), wanted);
    assert_null(drive);
    assert_non_null(strstr(why.message, says));
}

static void test_no_drives(void **state)
{
    char *dir = ml_folder(), *file = ml_text("%s/file", dir);

    (void)state;
    ml_write_bytes(file, "x", 1);
    refused(file, PD_USAGE, "/dev/nst0");
    refused(dir, PD_USAGE, "/dev/nst0");
    refused("/dev/null", PD_USAGE, "/dev/nst0");
    refused("/dev/no/such/nst0", PD_USAGE, "/dev/nst0");
    refused("", PD_USAGE, "/dev/nst0");
    free(file);
    ml_remove(dir);
}

/* Only root makes nodes. */
static void test_rewinding_nodes(void **state)
{
    char *dir = ml_folder(), *node = ml_text("%s/st", dir);

    (void)state;
    if (mknod(node, S_IFCHR | 0600, makedev(TAPE_MAJOR, 3)) == 0)
        refused(node, PD_USAGE, "give /dev/nst3");
    free(node);
    node = ml_text("%s/st-many", dir);
    if (mknod(node, S_IFCHR | 0600, makedev(TAPE_MAJOR, 0x142)) == 0)
        refused(node, PD_USAGE, "give /dev/nst34");
    free(node);
    ml_remove(dir);
}

static struct pd_drive *open_with(const char *what, const char *first, const char *second)
{
    struct pd_drive *drive = NULL;

    ml_change(what, first, second);
    OK(pd_drive_st_open(ml_env(), ml_tape(), NULL, &drive, &err));
    return drive;
}

static void stands(struct pd_drive *drive, uint64_t file, uint64_t record, uint64_t object)
{
    struct pd_drive_pos pos = {0};

    OK(pd_drive_tell(drive, &pos, &err));
    assert_true(pos.known);
    assert_int_equal(pos.file, file);
    assert_int_equal(pos.record, record);
    assert_int_equal(pos.object, object);
}

static void put(struct pd_drive *drive, char *buf, unsigned count)
{
    bool early = false;

    for (unsigned i = 0; i < count; i++)
        OK(pd_drive_write(drive, buf, RECORD, &early, &err));
}

static void test_empty(void **state)
{
    struct pd_drive_status status;
    struct pd_drive *drive;

    (void)state;
    if (ml_tape() == NULL)
        return;
    drive = open_with("none", NULL, NULL);
    refused(ml_tape(), PD_BUSY, "another program");
    OK(pd_drive_status(drive, &status, &err));
    assert_false(status.loaded);
    IS(pd_drive_load(drive, NULL, &err), PD_NO_MEDIUM);
    IS(pd_drive_load(drive, "PD000001", &err), PD_UNSUPPORTED);
    IS(pd_drive_rewind(drive, &err), PD_NO_MEDIUM);
    OK(pd_drive_unload(drive, &err));
    ml_change("blank", NULL, NULL); /* while it is open */
    OK(pd_drive_load(drive, NULL, &err));
    OK(pd_drive_status(drive, &status, &err));
    assert_true(status.loaded);
    OK(pd_drive_close(drive, &err));
}

static void test_bad_read(void **state)
{
    struct pd_drive *drive;
    char *buf = calloc(2, RECORD);
    size_t got = 0;

    (void)state;
    assert_non_null(buf);
    if (ml_tape() != NULL) {
        drive = open_with("fault", "read", "2");
        OK(pd_drive_load(drive, NULL, &err));
        put(drive, buf, 4);
        OK(pd_drive_marks(drive, 1, false, &err));
        OK(pd_drive_rewind(drive, &err));
        for (uint64_t i = 0; i < 4; i++) {
            IS(pd_drive_read(drive, buf, RECORD, &got, &err), i == 2 ? PD_IO : PD_OK);
            stands(drive, 0, i + 1, i + 1);
        }
        IS(pd_drive_read(drive, buf, RECORD, &got, &err), PD_END_OF_FILE);
        IS(pd_drive_read(drive, buf, RECORD, &got, &err), PD_END_OF_DATA);
        OK(pd_drive_close(drive, &err));
    }
    free(buf);
}

/* st wants to end the file, which fails as well, before it moves; not with this driver. */
static void test_bad_write(void **state)
{
    struct pd_drive *drive;
    char *buf = calloc(1, RECORD);
    bool early = false;
    size_t got = 0;

    (void)state;
    assert_non_null(buf);
    if (ml_tape() != NULL) {
        drive = open_with("fault", "write", "4");
        OK(pd_drive_load(drive, NULL, &err));
        put(drive, buf, 4);
        IS(pd_drive_write(drive, buf, RECORD, &early, &err), PD_IO);
        stands(drive, 0, 4, 4);
        IS(pd_drive_marks(drive, 1, false, &err), PD_IO);
        OK(pd_drive_rewind(drive, &err));
        for (int i = 0; i < 4; i++)
            OK(pd_drive_read(drive, buf, RECORD, &got, &err));
        IS(pd_drive_read(drive, buf, RECORD, &got, &err), PD_END_OF_DATA);
        OK(pd_drive_close(drive, &err));
    }
    free(buf);
}

/* Behind a reset the tape may stand anywhere: nothing may be written before it was rewound. */
static void test_reset(void **state)
{
    struct pd_drive_pos pos;
    struct pd_drive *drive;
    char *buf = calloc(1, RECORD);
    bool early = false;

    (void)state;
    assert_non_null(buf);
    if (ml_tape() != NULL) {
        drive = open_with("blank", NULL, NULL);
        OK(pd_drive_load(drive, NULL, &err));
        put(drive, buf, 3);
        OK(pd_drive_marks(drive, 1, false, &err));
        put(drive, buf, 1);
        ml_change("reset", NULL, NULL);
        IS(pd_drive_write(drive, buf, RECORD, &early, &err), PD_IO);
        IS(pd_drive_write(drive, buf, RECORD, &early, &err), PD_IO);
        OK(pd_drive_tell(drive, &pos, &err));
        assert_false(pos.known);
        IS(pd_drive_rewind(drive, &err), PD_IO); /* what was in its buffer may be lost */
        stands(drive, 0, 0, 0);
        OK(pd_drive_end(drive, &err));
        stands(drive, 1, 1, 5);
        OK(pd_drive_close(drive, &err));
    }
    free(buf);
}

/* Who has the drive after one that it was reset for, or was reset for nobody, finds it as good as
 * new. */
static void test_reset_before(void **state)
{
    char *buf = calloc(2, RECORD);
    struct pd_drive *drive;
    size_t got = 0;
    bool early;

    (void)state;
    assert_non_null(buf);
    if (ml_tape() != NULL) {
        drive = open_with("blank", NULL, NULL);
        OK(pd_drive_load(drive, NULL, &err));
        put(drive, buf, 3);
        OK(pd_drive_marks(drive, 1, false, &err));
        OK(pd_drive_close(drive, &err));
        drive = open_with("reset", NULL, NULL);
        OK(pd_drive_load(drive, NULL, &err));
        for (int i = 0; i < 3; i++)
            OK(pd_drive_read(drive, buf, 2 * RECORD, &got, &err));
        stands(drive, 0, 3, 3);
        OK(pd_drive_end(drive, &err));
        put(drive, buf, 1);
        ml_change("reset", NULL, NULL);
        IS(pd_drive_write(drive, buf, RECORD, &early, &err), PD_IO);
        IS(pd_drive_close(drive, &err), PD_IO);
        OK(pd_drive_st_open(ml_env(), ml_tape(), NULL, &drive, &err));
        OK(pd_drive_load(drive, NULL, &err));
        OK(pd_drive_end(drive, &err));
        OK(pd_drive_unload(drive, &err));
        OK(pd_drive_close(drive, &err));
        ml_change("none", NULL, NULL); /* the door is not locked */
    }
    free(buf);
}

/* What the operator calls full is full, though the drive would take more. */
static void test_capacity(void **state)
{
    const struct pd_drive_st_options options = {.capacity = 5 * RECORD - 1};
    char *buf = calloc(1, RECORD);
    struct pd_drive *drive = NULL;
    bool early = true;

    (void)state;
    assert_non_null(buf);
    if (ml_tape() != NULL) {
        ml_change("blank", NULL, NULL);
        OK(pd_drive_st_open(ml_env(), ml_tape(), &options, &drive, &err));
        OK(pd_drive_load(drive, NULL, &err));
        put(drive, buf, 1);
        OK(pd_drive_marks(drive, 1, false, &err));
        put(drive, buf, 2);
        OK(pd_drive_write(drive, buf, RECORD, &early, &err));
        assert_false(early);
        OK(pd_drive_write(drive, buf, RECORD, &early, &err));
        assert_true(early);
        OK(pd_drive_write(drive, buf, RECORD, &early, &err)); /* for the index */
        assert_true(early);
        OK(pd_drive_marks(drive, 1, false, &err));
        OK(pd_drive_close(drive, &err));
    }
    free(buf);
}

static void test_long_records(void **state)
{
    struct pd_drive_status status = {0};
    struct pd_error why = PD_ERROR_INIT;
    struct pd_drive *drive;
    size_t most = (size_t)8 << 20, got = 0;
    char *buf = calloc(1, most);
    bool early = false;

    (void)state;
    assert_non_null(buf);
    if (ml_tape() != NULL) {
        drive = open_with("blank", NULL, NULL);
        OK(pd_drive_load(drive, NULL, &err));
        put(drive, buf, 1);
        OK(pd_drive_status(drive, &status, &err));
        assert_in_range(status.max_record, 65536, 4 << 20);
        OK(pd_drive_write(drive, buf, (size_t)status.max_record, &early, &err));
        assert_int_equal(pd_drive_write(drive, buf, most, &early, &why), PD_UNSUPPORTED);
        assert_non_null(strstr(why.message, "block size of"));
        stands(drive, 0, 2, 2);
        put(drive, buf, 1);
        OK(pd_drive_rewind(drive, &err));
        OK(pd_drive_read(drive, buf, most, &got, &err)); /* no host adapter takes so much at once */
        assert_int_equal(got, RECORD);
        OK(pd_drive_read(drive, buf, most, &got, &err));
        assert_int_equal(got, status.max_record);
        OK(pd_drive_read(drive, buf, most, &got, &err));
        OK(pd_drive_close(drive, &err));
    }
    free(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_drives),    cmocka_unit_test(test_rewinding_nodes),
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_bad_read),
        cmocka_unit_test(test_bad_write),    cmocka_unit_test(test_reset),
        cmocka_unit_test(test_long_records), cmocka_unit_test(test_reset_before),
        cmocka_unit_test(test_capacity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
