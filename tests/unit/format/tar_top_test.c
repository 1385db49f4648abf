#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pairdump/label.h"
#include "pairdump/tar.h"

#include "../../lib/format_lib.h"

enum { RECORD = 65536 };

/* The beginning of an archive whose first entry has that name. */
static void archive_of(const char *name, char kind, struct pd_buf *out)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_tar_writer *writer = NULL;
    struct archive_entry *entry = archive_entry_new();

    assert_non_null(entry);
    pd_buf_clear(out);
    assert_int_equal(pd_tar_writer_new(format_to_buf, out, &writer, &err), PD_OK);
    archive_entry_copy_pathname(entry, name);
    archive_entry_set_mode(entry, (kind == 'd' ? S_IFDIR : S_IFREG) | 0644);
    archive_entry_set_size(entry, kind == 'd' ? 0 : 9);
    assert_int_equal(pd_tar_header(writer, entry, &err), PD_OK);
    if (kind != 'd') {
        assert_int_equal(pd_tar_data(writer, "BagIt-Ver", 9, &err), PD_OK);
    }
    assert_int_equal(pd_tar_end_entry(writer, &err), PD_OK);
    assert_int_equal(pd_tar_file(writer, "another/file", "x", 1, 5, &err), PD_OK);
    assert_int_equal(pd_tar_finish(writer, &err), PD_OK);
    pd_tar_writer_free(writer);
    archive_entry_free(entry);
}

static enum pd_status top(const void *bytes, size_t len, char *out, size_t size)
{
    struct pd_error err = PD_ERROR_INIT;
    enum pd_status status = pd_tar_top(bytes, len, out, size, &err);

    assert_int_equal(err.status, status);
    return status;
}

static void is(const struct pd_buf *bytes, const char *wanted)
{
    char out[300] = "before";

    assert_int_equal(top(bytes->data, bytes->len, out, sizeof out), PD_OK);
    assert_string_equal(out, wanted);
}

/* Nothing is told of what it does not begin with. */
static void is_none(const void *bytes, size_t len)
{
    char out[300] = "before";

    assert_int_equal(top(bytes, len, out, sizeof out), PD_BAD_FORMAT);
    assert_string_equal(out, "before");
}

static void an_archive_begins_with_its_folder(void **state)
{
    static const struct {
        const char *name, *top;
        char kind;
    } names[] = {
        {"d.1/bagit.txt", "d.1", 'f'},
        {"my-host.2026_11.17/data/a/b/c", "my-host.2026_11.17", 'f'},
        {"d.index/index-info.txt", "d.index", 'f'},
        {"d.2/", "d.2", 'd'},
        {"\xff\xfe \n.1/x", "\xff\xfe \n.1", 'f'},
        {"alone", "alone", 'f'}, /* all of it when there is no slash */
    };
    struct pd_buf bytes = PD_BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        archive_of(names[i].name, names[i].kind, &bytes);
        is(&bytes, names[i].top);
    }
    pd_buf_free(&bytes);
}

static void its_first_record_is_enough(void **state)
{
    struct pd_buf bytes = PD_BUF_INIT;
    char *big = calloc(1, 3 * RECORD), out[64];
    struct pd_error err = PD_ERROR_INIT;
    struct pd_tar_writer *writer = NULL;

    (void)state;
    assert_non_null(big);
    assert_int_equal(pd_tar_writer_new(format_to_buf, &bytes, &writer, &err), PD_OK);
    assert_int_equal(pd_tar_file(writer, "d.1/data/big", big, 3 * RECORD, 5, &err), PD_OK);
    pd_tar_writer_free(writer);
    assert_true(bytes.len > RECORD);
    assert_int_equal(top(bytes.data, RECORD, out, sizeof out), PD_OK);
    assert_string_equal(out, "d.1");
    assert_int_equal(top(bytes.data, 512, out, sizeof out), PD_OK);
    assert_string_equal(out, "d.1");
    free(big);
    pd_buf_free(&bytes);
}

static void a_label_is_no_archive_of_a_dump(void **state)
{
    struct pd_label label = {.format = PD_FORMAT_VERSION, .label = "PD100001",
                             .uuid = "11111111-2222-4333-8444-555555555555", .pool = "p",
                             .copy = 1, .block_size = RECORD, .software = "test"};
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf bytes = PD_BUF_INIT;

    (void)state;
    assert_int_equal(pd_label_encode(&label, &bytes, &err), PD_OK);
    is(&bytes, "volume-info.txt");
    pd_buf_free(&bytes);
}

static void a_long_path_has_a_top_too(void **state)
{
    struct pd_buf bytes = PD_BUF_INIT;
    char name[3000];

    (void)state;
    (void)snprintf(name, sizeof name, "d.1/%02990d", 0);
    archive_of(name, 'f', &bytes);
    is(&bytes, "d.1");
    pd_buf_free(&bytes);
}

static void a_top_that_does_not_fit_is_none(void **state)
{
    struct pd_buf bytes = PD_BUF_INIT;
    char out[9] = "before";

    (void)state;
    archive_of("dump4567/x", 'f', &bytes);
    assert_int_equal(top(bytes.data, bytes.len, out, 8), PD_BAD_FORMAT);
    assert_string_equal(out, "before");
    assert_int_equal(top(bytes.data, bytes.len, out, 9), PD_OK);
    assert_string_equal(out, "dump4567");
    pd_buf_free(&bytes);
}

static void what_is_no_archive_has_no_top(void **state)
{
    char *bytes = calloc(1, RECORD);
    struct pd_buf archive = PD_BUF_INIT;

    (void)state;
    assert_non_null(bytes);
    is_none(bytes, RECORD); /* zeros: an archive of nothing */
    is_none(bytes, 512);
    is_none(bytes, 0);
    is_none(NULL, 0);
    memset(bytes, 'x', RECORD);
    is_none(bytes, RECORD);
    is_none(bytes, 100);
    for (size_t i = 0; i < RECORD; i++) {
        bytes[i] = (char)(i * 2654435761U >> 13);
    }
    is_none(bytes, RECORD);
    archive_of("/d.1/x", 'f', &archive);
    is_none(archive.data, archive.len);
    archive_of("d.1/x", 'f', &archive);
    is_none(archive.data, 511);
    is_none(archive.data + 1, archive.len - 1);
    archive.data[0] ^= 1; /* its checksum is wrong now */
    is_none(archive.data, archive.len);
    pd_buf_free(&archive);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_archive_begins_with_its_folder),
        cmocka_unit_test(its_first_record_is_enough),
        cmocka_unit_test(a_label_is_no_archive_of_a_dump),
        cmocka_unit_test(a_long_path_has_a_top_too),
        cmocka_unit_test(a_top_that_does_not_fit_is_none),
        cmocka_unit_test(what_is_no_archive_has_no_top),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
