#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <unistd.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/registry.h"

static void test_bad_urls(void **state)
{
    static const char *const urls[] = {
        "",
        "disk",
        "/tmp",
        "tape:/dev/nst0",
        "s3:bucket",
        "disk:",
        "disk:?capacity=1G",
        "disk:/nowhere/at/all",
        "disk:/etc/passwd",
        "disk:/tmp?",
        "disk:/tmp?capacity",
        "disk:/tmp?capacity=",
        "disk:/tmp?capacity=0",
        "disk:/tmp?capacity=-1",
        "disk:/tmp?capacity=12X",
        "disk:/tmp?capacity=1G&",
        "disk:/tmp?slots=2",
        "disk:/tmp?colour=red",
        "mock:/tmp?slots=1K",
        "mock:/tmp?early=x",
        "mock:/nowhere/at/all",
        "fault:",
        "fault:read@1=EIO",
        "fault:read@1=EIO:",
        "fault::disk:/tmp",
        "fault:read@1=EIO:fault:",
        "fault:read@1=EIO:tape:/dev/nst0",
        "fault:read@1=EIO:disk:/nowhere/at/all",
        "DISK:/tmp",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct pd_target *target = NULL;
        struct pd_error why = PD_ERROR_INIT;

        assert_int_equal(pd_target_open(ml_env(), urls[i], &target, &why), PD_USAGE);
        assert_null(target);
        assert_true(why.message[0] != '\0');
    }
}

static void test_options(void **state)
{
    char *dir = ml_folder();
    char *disk = ml_text("disk:%s?capacity=1M", dir);
    char *mock = ml_text("mock:%s?capacity=2M&slots=1&early=64K", dir);
    struct pd_label label = ml_label("PD100001");
    struct pd_target_space space = {0};
    struct pd_target *target = ml_open(disk);

    (void)state;
    OK(pd_target_space_left(target, &space, &err));
    assert_int_equal(space.total, UINT64_C(1) << 20);
    assert_true(pd_target_caps(target).parallel);
    assert_true(pd_target_caps(target).counts_space);
    ml_close(target);

    target = ml_open(mock);
    assert_true(pd_target_caps(target).tape);
    assert_false(pd_target_caps(target).parallel);
    OK(pd_target_format(target, &label, &err));
    OK(pd_target_space_left(target, &space, &err));
    assert_int_equal(space.total, UINT64_C(2) << 20);
    label = ml_label("PD100002");
    IS(pd_target_format(target, &label, &err), PD_NO_VOLUME);
    ml_close(target);
    free(mock);
    free(disk);
    ml_remove(dir);
}

static void test_filters_stack(void **state)
{
    char *dir = ml_folder();
    char *url = ml_text("fault:load@1=EIO:fault:load@1=ENOSPC:disk:%s", dir);
    struct pd_target *target = ml_open(url);

    (void)state;
    assert_true(pd_target_caps(target).parallel);
    IS(pd_target_mount(target, NULL, &err), PD_IO);
    IS(pd_target_mount(target, NULL, &err), PD_NO_SPACE);
    IS(pd_target_mount(target, NULL, &err), PD_BLANK);
    ml_close(target);
    free(url);
    ml_remove(dir);
}

static void is_path(const char *url, const char *wanted)
{
    char *path = NULL;

    OK(pd_target_url_path(url, &path, &err));
    assert_string_equal(path, wanted);
    free(path);
}

static void test_path(void **state)
{
    char *made = ml_folder();
    char *dir = realpath(made, NULL);
    char *link = ml_text("%s/link", dir);
    char *url = ml_text("fault:read@1=EIO:fault:write@2+=flip:mock:%s/./link/?capacity=1M", dir);
    char *path = NULL;

    (void)state;
    assert_int_equal(symlink(".", link), 0);
    is_path(url, dir);
    is_path("disk:/nowhere/./at/all?capacity=1M", "/nowhere/./at/all");
    is_path("disk:/", "/");
    IS(pd_target_url_path("fault:read@1=EIO", &path, &err), PD_USAGE);
    IS(pd_target_url_path("ftp:x", &path, &err), PD_USAGE);
    IS(pd_target_url_path("disk:/tmp?x=y", &path, &err), PD_USAGE);
    assert_null(path);
    free(url);
    free(link);
    free(dir);
    ml_remove(made);
}

static void is_location(const char *url, const char *wanted)
{
    char *location = NULL;

    OK(pd_target_url_location(url, &location, &err));
    assert_string_equal(location, wanted);
    free(location);
}

static void test_location(void **state)
{
    char *made = ml_folder();
    char *dir = realpath(made, NULL);
    char *link = ml_text("%s/link?", dir);
    char *url =
        ml_text("fault:read@1=EIO:fault:write@2+=flip:mock:%s/./link?/?capacity=1M&slots=2", dir);
    char *plain = ml_text("disk:%s/..%s", dir, strrchr(dir, '/'));
    char *wanted = ml_text("mock:%s?capacity=1M&slots=2", dir);
    char *location = NULL;

    (void)state;
    assert_int_equal(symlink(".", link), 0);
    is_location(url, wanted);
    is_location(wanted, wanted);
    free(wanted);
    wanted = ml_text("disk:%s", dir);
    is_location(plain, wanted);
    is_location("disk:/nowhere/./at/all?capacity=1M", "disk:/nowhere/./at/all?capacity=1M");
    is_location("disk:/", "disk:/");
    IS(pd_target_url_location("fault:read@1=EIO", &location, &err), PD_USAGE);
    IS(pd_target_url_location("ftp:x", &location, &err), PD_USAGE);
    IS(pd_target_url_location("disk:/tmp?x=y", &location, &err), PD_USAGE);
    assert_null(location);
    free(wanted);
    free(plain);
    free(url);
    free(link);
    free(dir);
    ml_remove(made);
}

static void test_exclusive(void **state)
{
    (void)state;
    assert_true(pd_target_url_exclusive("mock:/tmp"));
    assert_true(pd_target_url_exclusive("mock:/tmp?capacity=1M&slots=2"));
    assert_true(pd_target_url_exclusive("fault:read@1=EIO:mock:/tmp"));
    assert_true(pd_target_url_exclusive("fault:read@1=EIO:fault:write@2+=flip:mock:/nowhere"));
    assert_false(pd_target_url_exclusive("disk:/tmp"));
    assert_false(pd_target_url_exclusive("disk:/tmp?capacity=1M"));
    assert_false(pd_target_url_exclusive("fault:read@1=EIO:disk:/mock:/x"));
    assert_false(pd_target_url_exclusive("fault:read@1=EIO:fault:load@1=EIO:disk:/tmp"));
    assert_false(pd_target_url_exclusive("disk:mock:/tmp"));
    /* what cannot be opened is nobody's */
    assert_false(pd_target_url_exclusive(""));
    assert_false(pd_target_url_exclusive("mock"));
    assert_false(pd_target_url_exclusive("mocks:/tmp"));
    assert_false(pd_target_url_exclusive("ftp:/tmp"));
    assert_false(pd_target_url_exclusive("/tmp"));
    assert_false(pd_target_url_exclusive("fault:"));
    assert_false(pd_target_url_exclusive("fault:read@1=EIO"));
    assert_false(pd_target_url_exclusive("fault:read@1=EIO:"));
}

static void test_capacity(void **state)
{
    (void)state;
    assert_int_equal(pd_target_url_capacity("disk:/a?capacity=4M"), 4 << 20);
    assert_int_equal(pd_target_url_capacity("fault:write@1=EIO:mock:/a?slots=2&capacity=1K"), 1024);
    assert_int_equal(pd_target_url_capacity("disk:/a"), 0);
    assert_int_equal(pd_target_url_capacity("disk:/capacity=4M"), 0);
    assert_int_equal(pd_target_url_capacity("disk:/a?capacity=x"), 0);
    assert_int_equal(pd_target_url_capacity("nothing"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_urls),      cmocka_unit_test(test_options),
        cmocka_unit_test(test_filters_stack), cmocka_unit_test(test_path),
        cmocka_unit_test(test_location),      cmocka_unit_test(test_exclusive),
        cmocka_unit_test(test_capacity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
