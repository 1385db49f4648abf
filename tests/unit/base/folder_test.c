#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/folder.h"

static void makes_and_syncs(void **state)
{
    char top[] = "/tmp/pairdump-folder.XXXXXX", path[64];
    struct pd_error err = PD_ERROR_INIT;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(path, sizeof path, "%s/new", top);
    assert_int_equal(pd_folder_make(path, 0700, false, &err), PD_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(pd_folder_make(path, 0700, true, &err), PD_OK);
    assert_int_equal(pd_folder_make(path, 0700, false, &err), PD_EXISTS);
    assert_int_equal(err.sys_errno, EEXIST);
    assert_int_equal(pd_folder_sync(path, &err), PD_OK);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(top), 0);
}

static void of_the_current_folder(void **state)
{
    char top[] = "/tmp/pairdump-folder.XXXXXX";
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_non_null(mkdtemp(top));
    assert_int_equal(chdir(top), 0);
    assert_int_equal(pd_folder_make("new", 0700, false, &err), PD_OK);
    assert_int_equal(rmdir("new"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(top), 0);
    assert_int_equal(pd_folder_make("/", 0700, true, &err), PD_OK);
}

static void failures_are_told(void **state)
{
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(pd_folder_sync("/nowhere/at/all", &err), pd_status_from_errno(ENOENT));
    assert_int_equal(err.sys_errno, ENOENT);
    assert_int_equal(pd_folder_sync("/dev/null", &err), pd_status_from_errno(ENOTDIR));
    assert_int_equal(pd_folder_make("/nowhere/at/all", 0700, true, &err),
                     pd_status_from_errno(ENOENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_and_syncs),
        cmocka_unit_test(of_the_current_folder),
        cmocka_unit_test(failures_are_told),
    };

    return cmocka_run_group_tests_name("folder", tests, NULL, NULL);
}
