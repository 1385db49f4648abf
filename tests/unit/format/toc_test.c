#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pairdump/toc.h"

static void add(struct pd_toc *toc, const char *path, const char *link, uint64_t offset,
                uint64_t length)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_toc_file file = {.path = path, .link = link, .kind = PD_KIND_FILE, .state = PD_WHOLE};
    uint64_t index = 999;

    file.offset = offset;
    file.length = length;
    assert_int_equal(pd_toc_add_file(toc, &file, &index, &err), PD_OK);
    assert_int_equal(index, toc->file_count - 1);
}

static void paths_stay_where_they_are(void **state)
{
    struct pd_toc toc;
    char path[64];
    const char *first;

    (void)state;
    pd_toc_init(&toc);
    add(&toc, "/first", "/target", 0, 512);
    first = toc.files[0].path;
    for (uint64_t i = 1; i < 20000; i++) {
        (void)snprintf(path, sizeof(path), "/folder/with/a/long/name/%llu", (unsigned long long)i);
        add(&toc, path, NULL, i * 512, 512);
    }
    assert_ptr_equal(toc.files[0].path, first);
    assert_string_equal(first, "/first");
    assert_string_equal(toc.files[0].link, "/target");
    assert_string_equal(toc.files[19999].path, "/folder/with/a/long/name/19999");
    assert_null(toc.files[19999].link);
    assert_int_equal(toc.file_count, 20000);
    assert_in_range(pd_toc_memory(&toc),
                    20000 * (sizeof(*toc.files) + strlen("/folder/with/a/long/name/1")),
                    20000 * (sizeof(*toc.files) + sizeof(path)));
    pd_toc_release(&toc);
    assert_int_equal(pd_toc_memory(&toc), 0);
    assert_int_equal(toc.file_count, 0);
    assert_null(toc.files);
    pd_toc_release(&toc);
}

static void a_path_larger_than_a_chunk_fits(void **state)
{
    static char path[600000];
    struct pd_toc toc;

    (void)state;
    pd_toc_init(&toc);
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    add(&toc, path, NULL, 0, 512);
    add(&toc, "/b", NULL, 512, 512);
    assert_string_equal(toc.files[0].path, path);
    assert_string_equal(toc.files[1].path, "/b");
    pd_toc_release(&toc);
}

static void records_are_kept_in_order(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_toc toc;

    (void)state;
    pd_toc_init(&toc);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(pd_toc_add_record(&toc, pd_record_digest(&i, sizeof(i)), &err), PD_OK);
    assert_int_equal(toc.record_count, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        struct pd_xxh128 digest = pd_record_digest(&i, sizeof(i));

        assert_true(pd_xxh128_equal(&toc.records[i], &digest));
    }
    pd_toc_release(&toc);
}

static void assert_files(const struct pd_toc *toc, uint64_t record, uint64_t first, uint64_t count)
{
    uint64_t got_first, got_count;

    pd_toc_files_of_record(toc, record, &got_first, &got_count);
    assert_int_equal(got_count, count);
    if (count > 0)
        assert_int_equal(got_first, first);
}

static void files_of_a_record(void **state)
{
    struct pd_toc toc;

    (void)state;
    pd_toc_init(&toc);
    toc.record_size = 4096;
    assert_files(&toc, 0, 0, 0);
    add(&toc, "/a", NULL, 1024, 1024);  /* record 0 */
    add(&toc, "/b", NULL, 2048, 2048);  /* record 0, up to its end */
    add(&toc, "/c", NULL, 4096, 512);   /* record 1 */
    add(&toc, "/d", NULL, 4608, 12288); /* records 1 to 4 */
    add(&toc, "/e", NULL, 16896, 512);  /* record 4 */
    assert_files(&toc, 0, 0, 2);
    assert_files(&toc, 1, 2, 2);
    assert_files(&toc, 2, 3, 1);
    assert_files(&toc, 3, 3, 1);
    assert_files(&toc, 4, 3, 2);
    assert_files(&toc, 5, 0, 0);
    assert_files(&toc, UINT64_MAX, 0, 0);
    assert_files(&toc, UINT64_MAX / 4096, 0, 0);
    pd_toc_release(&toc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_stay_where_they_are),
        cmocka_unit_test(a_path_larger_than_a_chunk_fits),
        cmocka_unit_test(records_are_kept_in_order),
        cmocka_unit_test(files_of_a_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
