#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "pairdump/sample.h"

#include "../../lib/work_restore_lib.h"

struct place {
    struct restore_lib_env e;
    char root[64];
    char a[80], b[80];
    char diffs[4096]; /* "path: what\n" each */
    unsigned count;
};

static int start(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    restore_lib_env_start(&p->e);
    snprintf(p->root, sizeof(p->root), "/tmp/pairdump-sample-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    snprintf(p->a, sizeof(p->a), "%s/a", p->root);
    snprintf(p->b, sizeof(p->b), "%s/b", p->root);
    assert_int_equal(mkdir(p->a, 0755), 0);
    assert_int_equal(mkdir(p->b, 0755), 0);
    *state = p;
    return 0;
}

static int end(void **state)
{
    struct place *p = *state;
    struct pd_error err = PD_ERROR_INIT;

    p->e.stopped = 0;
    assert_int_equal(pd_sample_remove(p->root, &err), PD_OK);
    assert_int_equal(access(p->root, F_OK), -1);
    restore_lib_env_end(&p->e);
    free(p);
    return 0;
}

static void make(struct place *p, const char *dir, uint64_t bytes, uint64_t files, uint64_t seed)
{
    const struct pd_sample_options options = {.bytes = bytes, .files = files, .seed = seed};
    struct pd_error err = PD_ERROR_INIT;

    if (pd_sample_make(&p->e.env, dir, &options, &err) != PD_OK)
        fail_msg("%s", err.message);
}

static void note(void *arg, const char *path, const char *what)
{
    struct place *p = arg;
    size_t used = strlen(p->diffs);

    snprintf(p->diffs + used, sizeof(p->diffs) - used, "%s: %s\n", path, what);
    p->count++;
}

static enum pd_status compare(struct place *p)
{
    struct pd_error err = PD_ERROR_INIT;

    p->diffs[0] = '\0';
    p->count = 0;
    return pd_sample_compare(&p->e.env, p->a, p->b, note, p, &err);
}

/* What nftw meets; it takes no argument. */
static struct {
    uint64_t files, bytes, links, hardlinked, sparse;
} seen;

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (type == FTW_SL)
        seen.links++;
    if (type != FTW_F)
        return 0;
    seen.files++;
    seen.bytes += (uint64_t)st->st_size;
    seen.hardlinked += st->st_nlink > 1;
    seen.sparse += st->st_blocks * 512 + 65536 < st->st_size;
    return 0;
}

static void bytes_and_files_are_exact(void **state)
{
    struct place *p = *state;

    make(p, p->a, 8000001, 300, 1);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(nftw(p->a, visit, 16, FTW_PHYS), 0);
    assert_true(seen.hardlinked > 2 && seen.hardlinked % 2 == 0);
    assert_int_equal(seen.files - seen.hardlinked / 2, 300);
    assert_true(seen.links > 10);
}

static void one_file_gets_all_bytes(void **state)
{
    struct place *p = *state;

    make(p, p->a, 12345, 1, 99);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(nftw(p->a, visit, 16, FTW_PHYS), 0);
    assert_int_equal(seen.files, 1);
    assert_int_equal(seen.bytes, 12345);
}

static void no_bytes_make_empty_files(void **state)
{
    struct place *p = *state;

    make(p, p->a, 0, 40, 3);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(nftw(p->a, visit, 16, FTW_PHYS), 0);
    assert_int_equal(seen.bytes, 0);
}

static void large_files_have_holes(void **state)
{
    struct place *p = *state;

    make(p, p->a, 64 << 20, 40, 3);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(nftw(p->a, visit, 16, FTW_PHYS), 0);
    assert_true(seen.sparse > 0);
}

static void the_same_seed_makes_the_same_tree(void **state)
{
    struct place *p = *state;

    make(p, p->a, 3000000, 700, 42);
    make(p, p->b, 3000000, 700, 42);
    if (compare(p) != PD_OK)
        fail_msg("%s", p->diffs);
    assert_int_equal(p->count, 0);
}

static void another_seed_makes_another_tree(void **state)
{
    struct place *p = *state;

    make(p, p->a, 30000, 1, 42);
    make(p, p->b, 30000, 1, 43);
    assert_int_equal(compare(p), PD_BAD_FILE);
    assert_non_null(strstr(p->diffs, "content differs"));
}

static void a_folder_in_use_is_refused(void **state)
{
    struct place *p = *state;
    const struct pd_sample_options options = {.bytes = 10, .files = 1, .seed = 1};
    const struct pd_sample_options none = {.bytes = 10, .files = 0, .seed = 1};
    struct pd_error err = PD_ERROR_INIT;

    assert_int_equal(pd_sample_make(&p->e.env, p->root, &options, &err), PD_EXISTS);
    assert_int_equal(pd_sample_make(&p->e.env, "/nonexistent/x", &options, &err), PD_NOT_FOUND);
    assert_int_equal(pd_sample_make(&p->e.env, p->a, &none, &err), PD_USAGE);
    p->e.stopped = 1;
    assert_int_equal(pd_sample_make(&p->e.env, p->a, &options, &err), PD_INTERRUPTED);
}

/* ---- comparison ---- */

static void put(const char *dir, const char *name, const char *content)
{
    const struct timespec times[2] = {{1000, 5}, {1000, 5}};
    char path[200];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(close(fd), 0);
}

static const char *in(const char *dir, const char *name)
{
    static char path[2][200];
    static unsigned turn;

    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
    return path[turn];
}

static void same_time(const char *path)
{
    const struct timespec times[2] = {{1000, 5}, {1000, 5}};

    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* Both trees alike but for what the test does; returns how it is told. */
static void expect_one(struct place *p, const char *told)
{
    same_time(p->a);
    same_time(p->b);
    assert_int_equal(compare(p), PD_BAD_FILE);
    if (p->count != 1 || strncmp(p->diffs, told, strlen(told)) != 0)
        fail_msg("wanted \"%s\", got %u: %s", told, p->count, p->diffs);
}

static void each_kind_of_difference_is_told(void **state)
{
    struct place *p = *state;
    struct timespec times[2] = {{1000, 5}, {1000, 6}};

    put(p->a, "f", "text");
    put(p->b, "f", "text");
    same_time(p->a);
    same_time(p->b);
    assert_int_equal(compare(p), PD_OK);
    put(p->b, "f", "texT");
    expect_one(p, "f: content differs");
    put(p->b, "f", "longer");
    expect_one(p, "f: size: 4 / 6");
    put(p->b, "f", "text");
    assert_int_equal(chmod(in(p->b, "f"), 04644), 0);
    expect_one(p, "f: mode: 0644 / 4644");
    put(p->b, "f", "text");
    assert_int_equal(utimensat(AT_FDCWD, in(p->b, "f"), times, 0), 0);
    expect_one(p, "f: modified: 1000.000000005 / 1000.000000006");
    put(p->b, "f", "text");
    put(p->b, "g", "more");
    expect_one(p, "g: only in the second");
    put(p->a, "g", "more");
    put(p->a, "e", "more");
    expect_one(p, "e: only in the first");
}

static void links_and_kinds_are_compared(void **state)
{
    struct place *p = *state;

    put(p->a, "f", "text");
    put(p->b, "f", "text");
    assert_int_equal(symlink("here", in(p->a, "l")), 0);
    assert_int_equal(symlink("there", in(p->b, "l")), 0);
    same_time(in(p->a, "l"));
    same_time(in(p->b, "l"));
    expect_one(p, "l: link target: here / there");
    assert_int_equal(unlink(in(p->b, "l")), 0);
    put(p->b, "l", "");
    expect_one(p, "l: kind: symbolic link / file");
    assert_int_equal(unlink(in(p->b, "l")), 0);
    assert_int_equal(unlink(in(p->a, "l")), 0);
    assert_int_equal(link(in(p->a, "f"), in(p->a, "h")), 0);
    put(p->b, "h", "text");
    expect_one(p, "h: hard link: the same file as f / as h");
}

static void extended_attributes_are_compared_both_ways(void **state)
{
    struct place *p = *state;

    put(p->a, "f", "text");
    put(p->b, "f", "text");
    if (setxattr(in(p->a, "f"), "user.one", "1", 1, 0) != 0) {
        assert_int_equal(errno, EOPNOTSUPP);
        skip();
    }
    expect_one(p, "f: extended attribute user.one: only in the first");
    assert_int_equal(setxattr(in(p->b, "f"), "user.one", "2", 1, 0), 0);
    expect_one(p, "f: extended attribute user.one: values differ");
    assert_int_equal(setxattr(in(p->b, "f"), "user.one", "1", 1, 0), 0);
    assert_int_equal(setxattr(in(p->b, "f"), "user.two", "", 0, 0), 0);
    expect_one(p, "f: extended attribute user.two: only in the second");
}

static void removing_never_follows_links(void **state)
{
    struct place *p = *state;
    struct pd_error err = PD_ERROR_INIT;

    put(p->b, "stays", "text");
    assert_int_equal(symlink(p->b, in(p->a, "link")), 0);
    assert_int_equal(mkdir(in(p->a, "closed"), 0700), 0);
    put(p->a, "closed/f", "text");
    assert_int_equal(chmod(in(p->a, "closed"), 0), 0);
    assert_int_equal(pd_sample_remove(p->a, &err), PD_OK);
    assert_int_equal(access(p->a, F_OK), -1);
    assert_int_equal(access(in(p->b, "stays"), F_OK), 0);
    assert_int_equal(symlink(p->b, p->a), 0);
    assert_int_equal(pd_sample_remove(p->a, &err), PD_USAGE);
    assert_int_equal(pd_sample_remove("/", &err), PD_USAGE);
    assert_int_equal(unlink(p->a), 0);
    assert_int_equal(pd_sample_remove(p->a, &err), PD_NOT_FOUND);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_and_files_are_exact),
        TEST(one_file_gets_all_bytes),
        TEST(no_bytes_make_empty_files),
        TEST(large_files_have_holes),
        TEST(the_same_seed_makes_the_same_tree),
        TEST(another_seed_makes_another_tree),
        TEST(a_folder_in_use_is_refused),
        TEST(each_kind_of_difference_is_told),
        TEST(links_and_kinds_are_compared),
        TEST(extended_attributes_are_compared_both_ways),
        TEST(removing_never_follows_links),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
