#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/list.h"

#include "../../lib/format_lib.h"

#define ALL ((struct pd_batch_limits){.bytes = UINT64_MAX, .files = UINT64_MAX})

struct bed {
    char dir[128];
    char path[160]; /* dir/list */
    struct pd_list *list;
    struct pd_list_totals totals; /* of the list as it was kept */
    uint64_t size;
    struct pd_batch batch;
    struct pd_error err;
};

static int start(void **state)
{
    struct bed *b = calloc(1, sizeof *b);

    assert_non_null(b);
    format_dir_make(b->dir, sizeof b->dir);
    (void)snprintf(b->path, sizeof b->path, "%s/list", b->dir);
    pd_batch_init(&b->batch);
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bed *b = *state;

    pd_batch_release(&b->batch);
    pd_list_free(b->list);
    format_dir_remove(b->dir);
    free(b);
    return 0;
}

static void create(struct bed *b)
{
    assert_int_equal(pd_list_create(b->path, &b->list, &b->err), PD_OK);
}

static struct pd_item item_of(const char *path, uint64_t i)
{
    return (struct pd_item){.path = path, .path_len = strlen(path),
                            .kind = i % 3 == 0 ? PD_KIND_DIR : PD_KIND_FILE, .mtime = -(int64_t)i,
                            .mtime_ns = 5, .ctime = 6, .ctime_ns = 7, .size = i * 11,
                            .stored = i * 10, .dev = 8, .ino = i + 9, .nlink = 10};
}

static void name_of(char out[64], uint64_t i)
{
    (void)snprintf(out, 64, "/folder/\xff\n%d", (int)i);
}

static void add(struct bed *b, uint64_t from, uint64_t to)
{
    char path[64];

    for (uint64_t i = from; i < to; i++) {
        name_of(path, i);
        const struct pd_item item = item_of(path, i);
        assert_int_equal(pd_list_add(b->list, &item, &b->err), PD_OK);
    }
}

static uint64_t file_size(const struct bed *b)
{
    struct stat st;

    assert_int_equal(lstat(b->path, &st), 0);
    return (uint64_t)st.st_size;
}

static void keep(struct bed *b)
{
    assert_int_equal(pd_list_keep(b->list, &b->size, &b->err), PD_OK);
    assert_int_equal(b->size, file_size(b)); /* without the list's end */
    b->totals = *pd_list_totals(b->list);
}

static void reopen(struct bed *b, uint64_t size, enum pd_status want)
{
    pd_list_free(b->list);
    b->list = NULL;
    pd_error_clear(&b->err);
    assert_int_equal(pd_list_open(b->path, size, &b->totals, &b->list, &b->err), want);
    assert_int_equal(b->err.status, want);
    assert_int_equal(b->list == NULL, want != PD_OK);
}

static void has(struct bed *b, uint64_t count)
{
    uint64_t cursor = 0, i = 0;
    char path[64];

    do {
        assert_int_equal(pd_batch_next(b->list, &cursor, &ALL, &b->batch, &b->err), PD_OK);
        for (size_t at = 0; at < b->batch.count; at++, i++) {
            name_of(path, i);
            const struct pd_item wanted = item_of(path, i), *got = &b->batch.items[at];
            assert_string_equal(got->path, path);
            assert_int_equal(got->path_len, wanted.path_len);
            assert_int_equal(got->kind, wanted.kind);
            assert_true(got->mtime == wanted.mtime && got->mtime_ns == 5 && got->ctime == 6 &&
                        got->ctime_ns == 7 && got->size == wanted.size &&
                        got->stored == wanted.stored && got->dev == 8 && got->ino == wanted.ino &&
                        got->nlink == 10);
        }
    } while (b->batch.count > 0);
    assert_int_equal(i, count);
}

static void a_kept_list_is_read_by_another(void **state)
{
    enum { COUNT = 5000 }; /* more than a buffer */
    struct bed *b = *state;
    struct stat st;

    create(b);
    add(b, 0, COUNT);
    keep(b);
    reopen(b, b->size, PD_OK);
    has(b, COUNT);
    const struct pd_list_totals *t = pd_list_totals(b->list);
    assert_int_equal(t->items, COUNT);
    assert_int_equal(t->files, b->totals.files);
    assert_int_equal(t->bytes, b->totals.bytes);
    assert_int_equal(t->archive_bytes, b->totals.archive_bytes);
    assert_int_equal(t->largest, b->totals.largest);
    assert_string_equal(t->largest_path, b->totals.largest_path);
    assert_true(t->bytes > 0 && t->archive_bytes > t->bytes && t->largest > 0);
    assert_int_equal(stat(b->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    reopen(b, b->size, PD_OK); /* and again */
    has(b, COUNT);
}

static void an_empty_list_is_kept_too(void **state)
{
    struct bed *b = *state;

    create(b);
    keep(b);
    assert_int_equal(b->size, 0);
    reopen(b, 0, PD_OK);
    has(b, 0);
}

static void a_list_is_kept_as_often_as_it_grows(void **state)
{
    struct bed *b = *state;

    create(b);
    add(b, 0, 3);
    keep(b);
    uint64_t first = b->size;
    keep(b);
    assert_int_equal(b->size, first);
    has(b, 3);
    add(b, 3, 5);
    assert_int_equal(file_size(b), first);
    keep(b);
    assert_true(b->size > first);
    reopen(b, first, PD_BAD_FORMAT);
    reopen(b, b->size, PD_OK);
    has(b, 5);
}

static void a_list_of_another_size_is_not_whole(void **state)
{
    struct bed *b = *state;

    create(b);
    add(b, 0, 3);
    keep(b);
    reopen(b, b->size - 1, PD_BAD_FORMAT);
    reopen(b, b->size + 1, PD_BAD_FORMAT);
    reopen(b, 0, PD_BAD_FORMAT);
    reopen(b, UINT64_MAX, PD_BAD_FORMAT);
    assert_non_null(strstr(b->err.message, b->path));
    assert_int_equal(truncate(b->path, (off_t)b->size - 1), 0);
    reopen(b, b->size, PD_BAD_FORMAT);
    assert_int_equal(truncate(b->path, (off_t)b->size + 1), 0);
    reopen(b, b->size, PD_BAD_FORMAT);
    assert_int_equal(file_size(b), b->size + 1); /* nothing is mended */
}

static void what_was_not_kept_is_not_whole(void **state)
{
    struct bed *b = *state;

    create(b);
    add(b, 0, 3);
    keep(b);
    uint64_t kept = b->size;
    reopen(b, kept, PD_OK);
    pd_list_free(b->list);
    b->list = NULL;
    assert_int_equal(unlink(b->path), 0);
    create(b);
    add(b, 0, 3); /* the same, and a kill */
    reopen(b, kept, PD_BAD_FORMAT);
}

static void a_list_is_made_or_is_there(void **state)
{
    struct bed *b = *state;
    struct pd_list *other = NULL;

    reopen(b, 0, PD_NOT_FOUND);
    assert_non_null(strstr(b->err.message, b->path));
    assert_int_not_equal(access(b->path, F_OK), 0);
    create(b);
    add(b, 0, 1);
    keep(b);
    assert_int_equal(pd_list_create(b->path, &other, &b->err), PD_EXISTS);
    assert_null(other);
    assert_int_equal(file_size(b), b->size);
    (void)snprintf(b->path, sizeof b->path, "%s/none/list", b->dir);
    assert_int_equal(pd_list_create(b->path, &other, &b->err), PD_NOT_FOUND);
}

static void a_link_is_not_followed(void **state)
{
    struct bed *b = *state;
    char real[160];

    (void)snprintf(real, sizeof real, "%s/real", b->dir);
    assert_int_equal(symlink(real, b->path), 0);
    assert_int_equal(pd_list_create(b->path, &b->list, &b->err), PD_EXISTS);
    assert_int_not_equal(access(real, F_OK), 0);
    format_file_write(b->dir, "real", "", 0);
    assert_int_not_equal(pd_list_open(b->path, 0, &b->totals, &b->list, &b->err), PD_OK);
    assert_null(b->list);
}

static void a_kept_list_does_not_grow(void **state)
{
    struct bed *b = *state;
    uint64_t size = 0;

    create(b);
    add(b, 0, 2);
    keep(b);
    reopen(b, b->size, PD_OK);
    add(b, 2, 3);
    assert_int_not_equal(pd_list_keep(b->list, &size, &b->err), PD_OK);
    reopen(b, b->size, PD_OK);
    has(b, 2);
}

static void a_full_disk_keeps_no_list(void **state)
{
    struct bed *b = *state;
    struct rlimit before, small;
    uint64_t size = 0;

    create(b);
    add(b, 0, 3);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){10, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum pd_status status = pd_list_keep(b->list, &size, &b->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_not_equal(status, PD_OK);
    assert_int_equal(b->err.sys_errno, EFBIG);
    assert_int_not_equal(pd_list_keep(b->list, &size, &b->err), PD_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_kept_list_is_read_by_another),
        TEST(an_empty_list_is_kept_too),
        TEST(a_list_is_kept_as_often_as_it_grows),
        TEST(a_list_of_another_size_is_not_whole),
        TEST(what_was_not_kept_is_not_whole),
        TEST(a_list_is_made_or_is_there),
        TEST(a_link_is_not_followed),
        TEST(a_kept_list_does_not_grow),
        TEST(a_full_disk_keeps_no_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
