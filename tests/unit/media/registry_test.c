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
        "mock:/tmp?drive=0",
        "mock:/tmp?changer=cmd:/bin/true",
        "mock:/tmp?changer=cmd:/bin/true&timeout=5",
        "mock:/tmp?timeout=5",
        "mock:/tmp?changer=cmd:/bin/true&drive=",
        "mock:/tmp?changer=cmd:/bin/true&drive=-1",
        "mock:/tmp?changer=cmd:/bin/true&drive=1x",
        "mock:/tmp?changer=cmd:/bin/true&drive=65536",
        "mock:/tmp?changer=cmd:/bin/true&drive=0&timeout=0",
        "mock:/tmp?changer=cmd:/bin/true&drive=0&timeout=86401",
        "mock:/tmp?changer=&drive=0",
        "mock:/tmp?changer=mtx:&drive=0",
        "mock:/tmp?changer=cmd:true&drive=0",
        "mock:/tmp?changer=/dev/sg2&drive=0",
        "disk:/tmp?changer=cmd:/bin/true&drive=0",
        "tape:/dev/null?changer=cmd:/bin/true&drive=0",
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

static void test_library(void **state)
{
    char *dir = ml_folder();
    char *changer = ml_library(dir, "drive 0 empty - -\ndrive 1 empty - -\nslot 1 full - PD1L6\n");
    char *url = ml_text("fault:read@9=EIO:mock:%s/1?capacity=2M&changer=%s&drive=1&timeout=60", dir,
                        changer);
    struct pd_label label = ml_label("PD1");
    struct pd_target_space space = {0};
    struct pd_target *target = ml_open(url);

    (void)state;
    assert_true(pd_target_caps(target).library);
    assert_true(pd_target_caps(target).tape);
    OK(pd_target_format(target, &label, &err));
    OK(pd_target_space_left(target, &space, &err));
    assert_int_equal(space.total, UINT64_C(2) << 20);
    ml_close(target);
    free(url);
    url = ml_text("mock:%s/1", dir);
    target = ml_open(url); /* by hand: the cartridge lies in that drive */
    assert_false(pd_target_caps(target).library);
    ml_close(target);
    free(url);
    url = ml_text("mock:%s/1?changer=cmd:/nowhere/at/all&drive=1", dir);
    IS(pd_target_open(ml_env(), url, &target, &err), PD_NOT_FOUND);
    free(url);
    free(changer);
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
    /* the file of a changer is known by an absolute path, links to it stay */
    is_location("disk:/tmp/../tmp?capacity=1M", "disk:/tmp?capacity=1M");
    is_location("mock:/?drive=0&changer=mtx:/dev/changer&slots=2",
                "mock:/?drive=0&changer=mtx:/dev/changer&slots=2");
    is_location("tape:/dev/nst9?changer=cmd:/no/such=file&drive=12&capacity=1G&timeout=900",
                "tape:/dev/nst9?changer=cmd:/no/such=file&drive=12&capacity=1G&timeout=900");
    is_location("mock:/?changer=cmd:no/such/file&drive=0",
                "mock:/?changer=cmd:no/such/file&drive=0");
    free(wanted);
    free(plain);
    plain = realpath("tests/lib/mock-mtx", NULL);
    wanted = ml_text("mock:/?changer=cmd:%s&drive=0&capacity=1G", plain);
    is_location(
        "fault:read@1=EIO:mock:/?changer=cmd:tests/../tests/lib/mock-mtx&drive=0&capacity=1G",
        wanted);
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

static void is_with(const char *url, const char *name, const char *value, const char *wanted)
{
    char *with = NULL;

    OK(pd_target_url_with(url, name, value, &with, &err));
    assert_string_equal(with, wanted);
    free(with);
}

static void test_with(void **state)
{
    char *with = NULL;

    (void)state;
    is_with("disk:/a", "capacity", "1G", "disk:/a?capacity=1G");
    is_with("mock:/a?slots=1", "capacity", "1G", "mock:/a?slots=1&capacity=1G");
    is_with("mock:/a?slots=1&capacity=2M", "capacity", "1G", "mock:/a?slots=1&capacity=2M");
    is_with("mock:/a?capacity=2M&slots=1", "capacity", "1G", "mock:/a?capacity=2M&slots=1");
    is_with("mock:/a?xcapacity=2M", "capacity", "1G", "mock:/a?xcapacity=2M&capacity=1G");
    is_with("mock:/a&drive=2?b/?slots=1", "drive", "0", "mock:/a&drive=2?b/?slots=1&drive=0");
    is_with("fault:read@1=EIO:tape:/dev/nst0", "changer", "mtx:/dev/changer",
            "fault:read@1=EIO:tape:/dev/nst0?changer=mtx:/dev/changer");
    IS(pd_target_url_with("disk:/a", "capacity", "", &with, &err), PD_USAGE);
    IS(pd_target_url_with("disk:/a", "changer", "cmd:/a?b", &with, &err), PD_USAGE);
    IS(pd_target_url_with("disk:/a", "changer", "cmd:/a&b", &with, &err), PD_USAGE);
    assert_null(with);
}

static void test_changer(void **state)
{
    (void)state;
    assert_true(pd_target_url_changer("tape:/dev/nst0?changer=mtx:/dev/sg2&drive=0"));
    assert_true(pd_target_url_changer("fault:read@1=EIO:mock:/a?drive=7&changer=cmd:/b"));
    assert_false(pd_target_url_changer("tape:/dev/nst0"));
    assert_false(pd_target_url_changer("mock:/a?capacity=1G"));
    assert_false(pd_target_url_changer("mock:/changer=cmd:/b"));
    assert_false(pd_target_url_changer("mock:/a?changer=cmd:/b")); /* cannot be opened */
    assert_false(pd_target_url_changer("fault:"));
    assert_false(pd_target_url_changer(""));
    /* what else an URL says stands beside it */
    assert_int_equal(pd_target_url_capacity("tape:/dev/nst0?changer=mtx:/d&drive=0&capacity=1K"),
                     1024);
    assert_true(pd_target_url_exclusive("mock:/a?changer=cmd:/b&drive=0"));
    assert_true(pd_target_url_device("tape:/dev/nst0?changer=mtx:/dev/sg2&drive=0"));
    is_path("tape:/nowhere/nst0?changer=mtx:/dev/sg2&drive=0", "/nowhere/nst0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_urls),      cmocka_unit_test(test_options),
        cmocka_unit_test(test_filters_stack), cmocka_unit_test(test_path),
        cmocka_unit_test(test_location),      cmocka_unit_test(test_exclusive),
        cmocka_unit_test(test_capacity),      cmocka_unit_test(test_library),
        cmocka_unit_test(test_with),          cmocka_unit_test(test_changer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
