#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/space.h"

static void test_of(void **state)
{
    struct pd_space space = {0}, other = {0};
    struct stat st;
    char *dir = ml_folder();
    char *file = ml_text("%s/file", dir);

    (void)state;
    ml_write_bytes(file, "x", 1);
    OK(pd_space_of(dir, &space, &err));
    OK(pd_space_of(file, &other, &err));
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(space.fs_id, st.st_dev);
    assert_int_equal(other.fs_id, st.st_dev);
    assert_true(space.total > 0);
    assert_true(space.available <= space.total);
    assert_true(space.inodes > 0);
    free(file);
    ml_remove(dir);
}

static void test_missing(void **state)
{
    struct pd_space space;
    struct pd_error why = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(pd_space_of("/nowhere/at/all", &space, &why), PD_NOT_FOUND);
    assert_non_null(strstr(why.message, "/nowhere/at/all"));
    IS(pd_space_check("/nowhere/at/all", 0, 0, &err), PD_NOT_FOUND);
}

static void test_check(void **state)
{
    struct pd_error why = PD_ERROR_INIT;

    (void)state;
    OK(pd_space_check("/", 0, 0, &err));
    IS(pd_space_check("/", UINT64_MAX, 0, &err), PD_NO_SPACE);
    IS(pd_space_check("/", 0, UINT64_MAX, &err), PD_NO_SPACE);
    IS(pd_space_check("/", UINT64_MAX, UINT64_MAX, &err), PD_NO_SPACE); /* does not wrap */
    assert_int_equal(pd_space_check("/", UINT64_C(1) << 62, 1024, &why), PD_NO_SPACE);
    assert_non_null(strstr(why.message, "/ lacks"));
    assert_non_null(strstr(why.message, "1 KiB kept in reserve"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
