#include <setjmp.h>
/* Bytes to and from the files of a disk target: odd sizes, odd buffers, full file systems. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/target_disk.h"

struct bed {
    char *dir;
    struct pd_target *target;
};

static struct pd_target *open_disk(const char *dir)
{
    struct pd_target *target = NULL;

    OK(pd_target_disk_open(ml_env(), dir, 0, "disk:test", &target, &err));
    return target;
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));

    assert_non_null(bed);
    bed->dir = ml_folder();
    bed->target = open_disk(bed->dir);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    ml_close(bed->target);
    ml_remove(bed->dir);
    free(bed);
    return 0;
}

static void format(struct pd_target *target, const char *name)
{
    struct pd_label label = ml_label(name);

    OK(pd_target_format(target, &label, &err));
}

static void test_short_tail(void **state)
{
    struct bed *bed = *state;
    char *path = ml_text("%s/PD100001/0001-archive.tar", bed->dir);
    char *record = pd_record_alloc(ML_BLOCK);
    size_t got;

    format(bed->target, "PD100001");
    ml_write_file(bed->target, 1, 3);
    assert_int_equal(truncate(path, 2 * (off_t)ML_BLOCK + 777), 0);
    OK(pd_target_open_file(bed->target, 1, &err));
    OK(pd_target_seek(bed->target, 2, ML_BLOCK, &err));
    OK(pd_target_read(bed->target, record, ML_BLOCK, &got, &err));
    assert_int_equal(got, 777);
    IS(pd_target_read(bed->target, record, ML_BLOCK, &got, &err), PD_END_OF_FILE);
    OK(pd_target_seek(bed->target, 1, ML_BLOCK, &err));
    OK(pd_target_read(bed->target, record, ML_BLOCK, &got, &err));
    ml_check(record, got, 1, 1);
    OK(pd_target_seek(bed->target, 0, ML_BLOCK, &err));
    assert_int_equal(truncate(path, 0), 0); /* under the reader's hands */
    IS(pd_target_read(bed->target, record, ML_BLOCK, &got, &err), PD_END_OF_FILE);
    OK(pd_target_close_file(bed->target, &err));
    free(record);
    free(path);
}

static void test_unaligned_buffer(void **state)
{
    struct bed *bed = *state;
    char *memory = pd_record_alloc(ML_BLOCK + 4096);
    size_t got;

    format(bed->target, "PD100001");
    ml_write_file(bed->target, 1, 3);
    OK(pd_target_open_file(bed->target, 1, &err));
    for (uint64_t i = 0; i < 3; i++) {
        OK(pd_target_read(bed->target, memory + 1, ML_BLOCK, &got, &err));
        memmove(memory, memory + 1, ML_BLOCK);
        ml_check(memory, got, 1, i);
    }
    OK(pd_target_close_file(bed->target, &err));
    free(memory);
}

static void test_odd_block_size(void **state)
{
    struct bed *bed = *state;
    struct pd_label label = ml_label("PD100001");
    size_t size = ML_BLOCK + 512, got;
    char *record = pd_record_alloc(size), *back = pd_record_alloc(size);
    uint32_t number;

    label.block_size = size;
    OK(pd_target_format(bed->target, &label, &err));
    OK(pd_target_begin(bed->target, "x", &number, &err));
    for (int i = 0; i < 9; i++) {
        memset(record, 'a' + i, size);
        OK(pd_target_write(bed->target, record, size, &err));
    }
    OK(pd_target_end(bed->target, true, &err));
    OK(pd_target_open_file(bed->target, number, &err));
    for (int i = 0; i < 9; i++) {
        memset(record, 'a' + i, size);
        OK(pd_target_read(bed->target, back, size, &got, &err));
        assert_int_equal(got, size);
        assert_memory_equal(back, record, size);
    }
    OK(pd_target_close_file(bed->target, &err));
    free(back);
    free(record);
}

/* Writes until the file system says no; what was finished before stays good. */
static void fill_up(struct pd_target *target)
{
    char *record = pd_record_alloc(ML_BLOCK);
    enum pd_status status = PD_OK;
    struct pd_error why = PD_ERROR_INIT;
    struct pd_target_space space;
    uint32_t number;

    format(target, "PD100001");
    ml_write_file(target, 1, 4);
    ml_fill(record, 2, 0);
    OK(pd_target_begin(target, "x", &number, &err));
    for (int i = 0; i < 100 && status == PD_OK; i++)
        status = pd_target_write(target, record, ML_BLOCK, &why);
    assert_int_equal(status, PD_VOLUME_FULL);
    assert_int_equal(why.sys_errno, ENOSPC);
    OK(pd_target_abandon(target, &err));
    OK(pd_target_space_left(target, &space, &err));
    assert_true(space.available >= 4 * ML_BLOCK);
    ml_count(target, 2);
    ml_write_file(target, 2, 4);
    ml_read_file(target, 1, 4);
    ml_read_file(target, 2, 4);
    free(record);
}

static void test_file_system_full(void **state)
{
    struct bed *bed = *state;
    char *mount_point = ml_text("%s/tmpfs", bed->dir);
    struct pd_target *target;

    if (mkdir(mount_point, 0755) != 0 || mount("tmpfs", mount_point, "tmpfs", 0, "size=1M") != 0) {
        (void)rmdir(mount_point);
        free(mount_point);
        skip(); /* not root */
    }
    target = open_disk(mount_point);
    fill_up(target);
    ml_close(target);
    assert_int_equal(umount(mount_point), 0);
    free(mount_point);
}

/* An error of write(2) that is not ENOSPC, here by the limit of file sizes: the file is given up,
 * and the volume goes on. */
static void test_write_error(void **state)
{
    struct bed *bed = *state;
    char *record = pd_record_alloc(ML_BLOCK);
    struct rlimit old, small;
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status first, second;
    void (*handler)(int);
    uint32_t number;

    format(bed->target, "PD100001");
    ml_fill(record, 1, 0);
    OK(pd_target_begin(bed->target, "x", &number, &err));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = ML_BLOCK + ML_BLOCK / 2; /* the second record is cut in its middle */
    handler = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    first = pd_target_write(bed->target, record, ML_BLOCK, &why);
    second = pd_target_write(bed->target, record, ML_BLOCK, &why);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(first, PD_OK);
    assert_int_equal(second, PD_IO);
    assert_int_equal(why.sys_errno, EFBIG);
    OK(pd_target_abandon(bed->target, &err));
    ml_write_file(bed->target, 1, 3);
    ml_read_file(bed->target, 1, 3);
    free(record);
}

/* More than two steps of writeback. */
static void test_long_file(void **state)
{
    struct bed *bed = *state;
    struct pd_label label = ml_label("PD100001");
    size_t size = (size_t)4 << 20, got = 0;
    char *record = pd_record_alloc(size);
    uint32_t number;

    label.block_size = size;
    OK(pd_target_format(bed->target, &label, &err));
    OK(pd_target_begin(bed->target, "x", &number, &err));
    for (int i = 0; i < 25; i++) {
        memset(record, i, size);
        OK(pd_target_write(bed->target, record, size, &err));
    }
    OK(pd_target_end(bed->target, true, &err));
    OK(pd_target_open_file(bed->target, number, &err));
    for (int i = 0; i < 25; i++) {
        OK(pd_target_read(bed->target, record, size, &got, &err));
        assert_int_equal(got, size);
        assert_int_equal(record[0], i);
        assert_memory_equal(record, record + 1, size - 1);
    }
    OK(pd_target_close_file(bed->target, &err));
    free(record);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_short_tail),       CASE(test_unaligned_buffer), CASE(test_odd_block_size),
        CASE(test_file_system_full), CASE(test_write_error),      CASE(test_long_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
