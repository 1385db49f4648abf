#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pairdump/list.h"
#include "pairdump/text.h"

#include "../../lib/format_lib.h"
#include "../../lib/work_restore_lib.h"

#define ALL ((struct pd_batch_limits){.bytes = UINT64_MAX, .files = UINT64_MAX})

struct bed {
    struct restore_lib_env e;
    char dir[128];
    struct pd_list *list;
    struct pd_batch batch;
    uint64_t cursor;
    struct pd_error err;
};

static int start(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    restore_lib_env_start(&b->e);
    format_dir_make(b->dir, sizeof(b->dir));
    assert_int_equal(pd_list_new(b->dir, &b->list, &b->err), PD_OK);
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
    restore_lib_env_end(&b->e);
    free(b);
    return 0;
}

static struct pd_item item_of(const char *path, char kind, uint64_t size)
{
    return (struct pd_item){.path = path,
                            .path_len = strlen(path),
                            .kind = kind,
                            .mtime = -7,
                            .mtime_ns = 999999999,
                            .ctime = 1700000000,
                            .ctime_ns = 1,
                            .size = size,
                            .stored = size,
                            .dev = 3,
                            .ino = size + 17,
                            .nlink = 2};
}

static void add(struct bed *b, const struct pd_item *item)
{
    assert_int_equal(pd_list_add(b->list, item, &b->err), PD_OK);
}

static void add_file(struct bed *b, const char *path, uint64_t size)
{
    struct pd_item item = item_of(path, PD_KIND_FILE, size);

    add(b, &item);
}

/* The next batch must have so many items. */
static void next(struct bed *b, struct pd_batch_limits limits, size_t count)
{
    assert_int_equal(pd_batch_next(b->list, &b->cursor, &limits, &b->batch, &b->err), PD_OK);
    assert_int_equal(b->batch.count, count);
}

static void expect_path(const struct bed *b, size_t i, const char *path)
{
    assert_string_equal(b->batch.items[i].path, path);
    assert_int_equal(b->batch.items[i].path_len, strlen(path));
}

/* "/f<i>", padded so that lengths differ. */
static void name(char *out, size_t size, unsigned i)
{
    (void)snprintf(out, size, "/f%0*u", (int)(i % 90 + 1), i);
}

static void an_empty_list_has_no_batch(void **state)
{
    struct bed *b = *state;

    next(b, ALL, 0);
    next(b, ALL, 0);
    assert_int_equal(b->cursor, 0);
    assert_int_equal(b->batch.bytes, 0);
    assert_int_equal(pd_list_totals(b->list)->items, 0);
    assert_int_equal(pd_list_totals(b->list)->archive_bytes, 0);
}

static void an_item_comes_back_as_it_was(void **state)
{
    struct bed *b = *state;
    struct pd_item in = item_of("/a b\n\xff\xfe/%41", PD_KIND_FILE, 1234);
    const struct pd_item *out;

    in.stored = 99;
    add(b, &in);
    next(b, ALL, 1);
    out = &b->batch.items[0];
    expect_path(b, 0, in.path);
    assert_ptr_not_equal(out->path, in.path);
    assert_int_equal(out->kind, PD_KIND_FILE);
    assert_int_equal(out->mtime, -7);
    assert_int_equal(out->mtime_ns, 999999999);
    assert_int_equal(out->ctime, 1700000000);
    assert_int_equal(out->ctime_ns, 1);
    assert_int_equal(out->size, 1234);
    assert_int_equal(out->stored, 99);
    assert_int_equal(out->dev, 3);
    assert_int_equal(out->ino, 1234 + 17);
    assert_int_equal(out->nlink, 2);
    assert_int_equal(b->batch.bytes, 99);
}

static void items_come_in_the_order_of_the_list(void **state)
{
    enum { ITEMS = 9000 }; /* more than the buffers of writing and reading hold */
    struct bed *b = *state;
    char path[128];

    for (unsigned i = 0; i < ITEMS; i++) {
        name(path, sizeof(path), i);
        add_file(b, path, i);
    }
    next(b, ALL, ITEMS);
    for (unsigned i = 0; i < ITEMS; i++) {
        name(path, sizeof(path), i);
        expect_path(b, i, path);
        assert_int_equal(b->batch.items[i].size, i);
    }
    assert_int_equal(b->batch.bytes, (uint64_t)ITEMS * (ITEMS - 1) / 2);
    next(b, ALL, 0);
}

static void batches_end_at_their_number_of_items(void **state)
{
    struct bed *b = *state;
    struct pd_batch_limits limits = {.bytes = UINT64_MAX, .files = 3};
    char path[128];

    for (unsigned i = 0; i < 7; i++) {
        name(path, sizeof(path), i);
        add_file(b, path, 0);
    }
    for (unsigned seq = 1; seq <= 3; seq++) {
        next(b, limits, seq < 3 ? 3 : 1);
        assert_int_equal(b->batch.seq, seq);
        name(path, sizeof(path), (seq - 1) * 3);
        expect_path(b, 0, path);
    }
    next(b, limits, 0);
}

static void batches_end_at_their_bytes(void **state)
{
    struct bed *b = *state;
    struct pd_batch_limits limits = {.bytes = 100, .files = 1000};
    struct pd_item folder = item_of("/folder", PD_KIND_DIR, 4096);
    struct pd_item sparse = item_of("/sparse", PD_KIND_FILE, 1 << 30);

    sparse.stored = 1;
    add_file(b, "/a", 60);
    add_file(b, "/b", 40);
    add_file(b, "/none", 0);
    add(b, &folder); /* what is no file has no bytes */
    add(b, &sparse); /* one too many, though it stores but one */
    add_file(b, "/c", 99);
    add_file(b, "/d", 1);
    next(b, limits, 4);
    assert_int_equal(b->batch.bytes, 100);
    next(b, limits, 2);
    expect_path(b, 0, "/sparse");
    assert_int_equal(b->batch.bytes, 100);
    next(b, limits, 1);
    expect_path(b, 0, "/d");
    next(b, limits, 0);
}

static void a_file_larger_than_a_batch_has_one_of_its_own(void **state)
{
    struct bed *b = *state;
    struct pd_batch_limits limits = {.bytes = 100, .files = 1000};

    add_file(b, "/small", 1);
    add_file(b, "/large", 101);
    add_file(b, "/larger", UINT64_MAX);
    add_file(b, "/rest", 2);
    add_file(b, "/more", 3);
    next(b, limits, 1);
    next(b, limits, 1);
    expect_path(b, 0, "/large");
    next(b, limits, 1);
    expect_path(b, 0, "/larger");
    assert_int_equal(b->batch.bytes, UINT64_MAX);
    next(b, limits, 2);
    expect_path(b, 1, "/more");
    next(b, limits, 0);
}

static void batches_fit_an_empty_volume(void **state)
{
    struct bed *b = *state;
    struct pd_item item = item_of("/empty", PD_KIND_FILE, 0);
    uint64_t each = pd_item_archive_bytes(&item);
    struct pd_batch_limits limits = {UINT64_MAX, 1000, 5 * each};

    for (int i = 0; i < 12; i++)
        add(b, &item); /* their headers alone fill it */
    next(b, limits, 5);
    assert_int_equal(b->batch.archive_bytes, 5 * each);
    limits.volume = 6 * each - 1;
    next(b, limits, 5);
    limits.volume = 1; /* a single one comes nevertheless */
    next(b, limits, 1);
    next(b, limits, 1);
    next(b, limits, 0);
}

static void batches_end_at_8_mib_of_paths(void **state)
{
    enum { LONG = 4000, ITEMS = 2500 };
    struct bed *b = *state;
    char path[LONG + 1] = "/";
    uint64_t bytes = 0;

    memset(path + 1, 'x', LONG - 1);
    path[LONG] = '\0';
    for (int i = 0; i < ITEMS; i++)
        add_file(b, path, 1);
    assert_int_equal(pd_batch_next(b->list, &b->cursor, &ALL, &b->batch, &b->err), PD_OK);
    bytes = b->batch.count * LONG;
    assert_in_range(bytes, (8 << 20) - 2 * LONG, 8 << 20);
    expect_path(b, b->batch.count - 1, path);
    next(b, ALL, ITEMS - b->batch.count);
}

static void each_cursor_reads_the_same(void **state)
{
    struct bed *b = *state;
    struct pd_batch other;
    uint64_t cursor = 0, middle;
    char path[128];

    pd_batch_init(&other);
    for (unsigned i = 0; i < 50; i++) {
        name(path, sizeof(path), i);
        add_file(b, path, i);
    }
    next(b, (struct pd_batch_limits){.bytes = 200, .files = 1000}, 20);
    middle = b->cursor;
    next(b, ALL, 30);
    for (unsigned i = 0; i < 50; i++) { /* one at a time, from the beginning */
        struct pd_batch_limits one = {.bytes = UINT64_MAX, .files = 1};

        if (i == 20)
            assert_int_equal(cursor, middle);
        assert_int_equal(pd_batch_next(b->list, &cursor, &one, &other, &b->err), PD_OK);
        assert_int_equal(other.count, 1);
        if (i >= 20)
            assert_string_equal(other.items[0].path, b->batch.items[i - 20].path);
    }
    assert_int_equal(cursor, b->cursor);
    b->cursor = middle;
    next(b, ALL, 30);
    name(path, sizeof(path), 20);
    expect_path(b, 0, path);
    pd_batch_release(&other);
}

static void a_list_grows_after_it_was_read(void **state)
{
    struct bed *b = *state;

    add_file(b, "/a", 1);
    next(b, ALL, 1);
    next(b, ALL, 0);
    add_file(b, "/b", 2);
    next(b, ALL, 1);
    expect_path(b, 0, "/b");
}

static void totals_count_what_is_on_the_list(void **state)
{
    struct bed *b = *state;
    const struct pd_list_totals *totals = pd_list_totals(b->list);
    struct pd_item folder = item_of("/folder", PD_KIND_DIR, 4096);
    struct pd_item sparse = item_of("/sparse", PD_KIND_FILE, 1 << 30);
    uint64_t archive;

    sparse.stored = 10;
    add(b, &folder);
    add(b, &sparse);
    add_file(b, "/largest", 70);
    add_file(b, "/next", 69);
    assert_int_equal(totals->items, 4);
    assert_int_equal(totals->files, 3);
    assert_int_equal(totals->bytes, 149);
    assert_int_equal(totals->largest, 70);
    assert_string_equal(totals->largest_path, "/largest");
    next(b, ALL, 4);
    archive = pd_item_archive_bytes(&folder) + pd_item_archive_bytes(&sparse);
    assert_int_equal(b->batch.archive_bytes, totals->archive_bytes);
    assert_in_range(totals->archive_bytes, archive + 2 * 1024, archive + 2 * 4096);
    add_file(b, "/endless", UINT64_MAX);
    assert_int_equal(totals->bytes, UINT64_MAX); /* and not around */
    assert_int_equal(totals->archive_bytes, UINT64_MAX);
}

static void a_file_takes_headers_and_whole_blocks(void **state)
{
    struct pd_item none = item_of("/x", PD_KIND_FILE, 0);
    struct pd_item byte = item_of("/x", PD_KIND_FILE, 1);
    struct pd_item folder = item_of("/x", PD_KIND_DIR, 4096);
    uint64_t header = pd_item_archive_bytes(&none);

    (void)state;
    assert_in_range(header, 512, 4096);
    assert_int_equal(pd_item_archive_bytes(&byte), header + 512);
    assert_int_equal(pd_item_archive_bytes(&folder), header);
    none.path_len = 3000;
    assert_in_range(pd_item_archive_bytes(&none), header + 3000, header + 8192);
}

static void nothing_of_the_spool_is_seen(void **state)
{
    struct bed *b = *state;
    DIR *dir = opendir(b->dir);
    unsigned count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    assert_int_equal(count, 0);
}

static void a_list_gives_its_descriptor_back(void **state)
{
    struct bed *b = *state;
    int next_fd = dup(STDIN_FILENO);

    int lower;

    assert_true(next_fd >= 0);
    close(next_fd);
    pd_list_free(b->list);
    b->list = NULL;
    lower = dup(STDIN_FILENO);
    assert_true(lower >= 0 && lower < next_fd);
    close(lower);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    struct bed *b = *state;
    struct pd_list *list = NULL;
    char dir[160];

    (void)snprintf(dir, sizeof(dir), "%s/none", b->dir);
    assert_int_equal(pd_list_new(dir, &list, &b->err), PD_NOT_FOUND);
    assert_null(list);
    assert_non_null(strstr(b->err.message, dir));
    pd_list_free(NULL);
}

/* With a limit on the size of files instead of a full disk. */
static void a_full_disk_fails_the_list_for_good(void **state)
{
    enum { PLENTY = 20000 };
    struct bed *b = *state;
    struct rlimit before, small;
    struct pd_item item = item_of("/x", PD_KIND_FILE, 1);
    enum pd_status status = PD_OK;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 300000;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < PLENTY && status == PD_OK; i++)
        status = pd_list_add(b->list, &item, &b->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, PD_IO); /* EFBIG */
    assert_int_equal(b->err.status, PD_IO);
    assert_int_equal(pd_list_add(b->list, &item, &b->err), PD_IO);
    assert_int_equal(pd_batch_next(b->list, &b->cursor, &ALL, &b->batch, &b->err), PD_IO);
    assert_int_equal(b->batch.count, 0);
}

/* ---- from a source ---- */

enum { RELATIVE = 1, OTHER_LENGTH, SILENT };

struct made {
    unsigned given, last;
    unsigned fail_at; /* 0: never */
    unsigned stop_at;
    struct restore_lib_env *e;
    int manner; /* of giving items */
    char path[32];
    bool closed;
};

static enum pd_status made_next(void *impl, struct pd_item *out, struct pd_error *err)
{
    struct made *m = impl;

    if (m->given == m->last)
        return pd_error_set(err, PD_END_OF_DATA, 0, "no more");
    m->given++;
    if (m->given == m->fail_at)
        return pd_error_set(err, PD_IO, 0, "as told");
    if (m->given == m->stop_at)
        m->e->stopped = 1;
    (void)snprintf(m->path, sizeof(m->path), "/made/%u", m->given);
    *out = item_of(m->path, PD_KIND_FILE, m->given);
    out->path += m->manner == RELATIVE;
    out->path_len -= m->manner == RELATIVE || m->manner == OTHER_LENGTH;
    return m->manner == SILENT ? PD_IO : PD_OK;
}

static enum pd_status made_open(void *impl, const struct pd_item *item, struct archive_entry *entry,
                                struct pd_source_file **out, struct pd_error *err)
{
    (void)impl;
    (void)item;
    (void)entry;
    (void)out;
    return pd_error_set(err, PD_UNSUPPORTED, 0, "not in this test");
}

static enum pd_status made_read(void *impl, struct pd_source_file *file, void *buf, size_t size,
                                uint64_t offset, size_t *got, struct pd_error *err)
{
    (void)impl;
    (void)file;
    (void)buf;
    (void)size;
    (void)offset;
    (void)got;
    return pd_error_set(err, PD_UNSUPPORTED, 0, "not in this test");
}

static enum pd_status made_close_file(void *impl, struct pd_source_file *file, struct pd_error *err)
{
    (void)impl;
    (void)file;
    return pd_error_set(err, PD_UNSUPPORTED, 0, "not in this test");
}

static void made_close(void *impl)
{
    ((struct made *)impl)->closed = true;
}

static enum pd_status no_roots(void *impl, pd_root_fn fn, void *arg, struct pd_error *err)
{
    (void)impl;
    (void)fn;
    (void)arg;
    return pd_error_set(err, PD_UNSUPPORTED, 0, "not in this test");
}

static enum pd_status scan(struct bed *b, struct made *m, pd_keep_fn keep)
{
    static const struct pd_source_ops ops = {"made",    no_roots, made_next,       made_open,
                                             made_read, made_close_file, made_close};
    struct pd_source *source = NULL;
    enum pd_status status;

    m->e = &b->e;
    pd_error_clear(&b->err);
    assert_int_equal(pd_source_new(&ops, m, &source, &b->err), PD_OK);
    status = pd_scan(&b->e.env, source, keep, m, b->list, &b->err);
    pd_source_close(source);
    assert_true(m->closed);
    assert_int_equal(b->err.status, status);
    return status;
}

static enum pd_status keep_odd(void *arg, const struct pd_item *item, bool *keep,
                               struct pd_error *err)
{
    const struct made *m = arg;

    *keep = item->size % 2 == 1;
    return m->given == 8 ? pd_error_set(err, PD_CATALOG, 0, "as told") : PD_OK;
}

static void a_scan_lists_all_that_the_source_gives(void **state)
{
    struct bed *b = *state;
    struct made m = {.last = 5};

    assert_int_equal(scan(b, &m, NULL), PD_OK);
    next(b, ALL, 5);
    expect_path(b, 0, "/made/1");
    expect_path(b, 4, "/made/5");
    assert_int_equal(b->e.progress.files_total, 5);
    assert_int_equal(b->e.progress.bytes_total, 15);
}

static void a_scan_keeps_what_it_is_told_to(void **state)
{
    struct bed *b = *state;
    struct made m = {.last = 5}, bad = {.last = 9};

    assert_int_equal(scan(b, &m, keep_odd), PD_OK);
    next(b, ALL, 3);
    expect_path(b, 1, "/made/3");
    assert_int_equal(b->e.progress.files_total, 3);
    assert_int_equal(scan(b, &bad, keep_odd), PD_CATALOG);
    assert_int_equal(bad.given, 8);
}

static void a_scan_fails_with_its_source_and_can_be_interrupted(void **state)
{
    struct bed *b = *state;
    struct made m = {.last = 5, .fail_at = 3}, long_one = {.last = 500, .stop_at = 3};

    assert_int_equal(scan(b, &m, NULL), PD_IO);
    next(b, ALL, 2);
    assert_int_equal(scan(b, &long_one, NULL), PD_INTERRUPTED);
    assert_int_equal(long_one.given, 3);
}

static void a_source_that_breaks_its_contract_is_found_out(void **state)
{
    for (int manner = RELATIVE; manner <= SILENT; manner++) {
        struct bed *b = *state;
        struct made m = {.last = 5, .manner = manner};

        assert_int_equal(scan(b, &m, NULL), PD_INTERNAL);
        next(b, ALL, 0);
    }
}

static void a_source_with_a_gap_is_refused(void **state)
{
    static const struct pd_source_ops ops = {"made",    no_roots, made_next,       NULL,
                                             made_read, made_close_file, made_close};
    struct bed *b = *state;
    struct pd_source *source = NULL;
    struct made m = {.last = 5};

    assert_int_equal(pd_source_new(&ops, &m, &source, &b->err), PD_INTERNAL);
    assert_null(source);
    assert_true(m.closed);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_list_has_no_batch),
        TEST(an_item_comes_back_as_it_was),
        TEST(items_come_in_the_order_of_the_list),
        TEST(batches_end_at_their_number_of_items),
        TEST(batches_end_at_their_bytes),
        TEST(a_file_larger_than_a_batch_has_one_of_its_own),
        TEST(batches_fit_an_empty_volume),
        TEST(batches_end_at_8_mib_of_paths),
        TEST(each_cursor_reads_the_same),
        TEST(a_list_grows_after_it_was_read),
        TEST(totals_count_what_is_on_the_list),
        TEST(a_file_takes_headers_and_whole_blocks),
        TEST(nothing_of_the_spool_is_seen),
        TEST(a_list_gives_its_descriptor_back),
        TEST(a_folder_that_is_not_there_is_named),
        TEST(a_full_disk_fails_the_list_for_good),
        TEST(a_scan_lists_all_that_the_source_gives),
        TEST(a_scan_keeps_what_it_is_told_to),
        TEST(a_scan_fails_with_its_source_and_can_be_interrupted),
        TEST(a_source_that_breaks_its_contract_is_found_out),
        TEST(a_source_with_a_gap_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
